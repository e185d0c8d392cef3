"""Samplers: every index once, in which order, and how last batches are treated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina as mx
from lamina.gluon.data import (
    BatchSampler,
    FilterSampler,
    IntervalSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)


@given(st.integers(0, 50), st.integers(0, 9))
def test_sequential(length: int, start: int) -> None:
    sampler = SequentialSampler(length, start)
    assert len(sampler) == length
    assert list(sampler) == list(range(start, start + length))


@pytest.mark.parametrize("length", [0, 1, 2, 1000])
def test_random_is_a_permutation_of_python_integers(length: int) -> None:
    order = list(RandomSampler(length))
    assert sorted(order) == list(range(length))
    assert all(type(i) is int for i in order)


def test_the_seed_decides_the_order_and_every_pass_has_another() -> None:
    mx.random.seed(5)
    sampler = RandomSampler(100)
    passes = [list(sampler), list(sampler)]
    assert passes[0] != passes[1]
    mx.random.seed(5)
    np.random.seed(0)  # without influence
    again = RandomSampler(100)
    assert [list(again), list(again)] == passes
    mx.random.seed(6)
    assert list(RandomSampler(100)) != passes[0]


@given(st.lists(st.integers(-3, 3)))
def test_filter(values: list[int]) -> None:
    sampler = FilterSampler(lambda v: v > 0, values)
    assert [values[i] for i in sampler] == [v for v in values if v > 0]
    assert len(sampler) == len(list(sampler))


@given(st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_interval(length: int, interval: int, rollover: bool) -> None:
    if interval > length:
        with pytest.raises(ValueError, match="interval"):
            IntervalSampler(length, interval, rollover)
        return
    sampler = IntervalSampler(length, interval, rollover)
    order = list(sampler)
    assert len(sampler) == len(order)
    assert order[: len(range(0, length, interval))] == list(range(0, length, interval))
    if rollover:
        assert sorted(order) == list(range(length))


@given(st.integers(0, 40), st.integers(1, 12))
def test_batches_keep_or_discard(length: int, size: int) -> None:
    keep = BatchSampler(SequentialSampler(length), size, "keep")
    discard = BatchSampler(SequentialSampler(length), size, "discard")
    whole = [list(range(i, min(i + size, length))) for i in range(0, length, size)]
    assert list(keep) == whole
    assert len(keep) == len(whole)
    assert list(discard) == [b for b in whole if len(b) == size]
    assert len(discard) == length // size


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 4))
def test_rollover_loses_nothing(length: int, size: int, passes: int) -> None:
    sampler = BatchSampler(SequentialSampler(length), size, "rollover")
    seen: list[int] = []
    for _ in range(passes):
        promised = len(sampler)
        batches = list(sampler)
        assert len(batches) == promised
        assert all(len(b) == size for b in batches)
        seen += [i for batch in batches for i in batch]
    assert seen == (list(range(length)) * passes)[: len(seen)]
    assert length * passes - len(seen) < size


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="'keep', 'discard', 'rollover', not 'drop'"):
        BatchSampler(SequentialSampler(3), 2, "drop")
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        BatchSampler(SequentialSampler(3), 0)
    with pytest.raises(TypeError, match="no length"):
        len(BatchSampler(iter([1, 2]), 2))
    with pytest.raises(TypeError, match="Sampler must define __iter__"):
        list(iter(Sampler()))
