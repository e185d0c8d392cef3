"""Data sets made of arrays and of other data sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import nd
from lamina.gluon.data import ArrayDataset, Dataset, RandomSampler, SequentialSampler, SimpleDataset


def test_transform_passes_the_parts_of_a_tuple() -> None:
    data = ArrayDataset([1, 2, 3], [10, 20, 30])
    assert list(data.transform(lambda a, b: a + b)) == [11, 22, 33]
    assert list(data.transform_first(lambda a: -a)) == [(-1, 10), (-2, 20), (-3, 30)]
    assert list(SimpleDataset([1, 2]).transform_first(lambda a: -a)) == [-1, -2]


@pytest.mark.parametrize(("lazy", "calls"), [(True, 4), (False, 2)])
def test_a_lazy_transform_runs_at_each_access(lazy: bool, calls: int) -> None:
    count: list[int] = []
    data = SimpleDataset([1, 2]).transform(lambda x: count.append(x) or -x, lazy=lazy)
    assert [data[i] for i in (0, 1, 1, 0)] == [-1, -2, -2, -1]
    assert len(count) == calls


@given(st.integers(0, 60), st.integers(1, 9))
def test_shards_are_a_partition(length: int, parts: int) -> None:
    shards = [list(SimpleDataset(range(length)).shard(parts, i)) for i in range(parts)]
    assert [x for shard in shards for x in shard] == list(range(length))
    sizes = [len(s) for s in shards]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_take_filter_sample() -> None:
    data = SimpleDataset(list("abcde"))
    assert "".join(data.take(2)) == "ab"
    assert len(data.take(99)) == len(data.take(None)) == 5
    assert list(data.filter(lambda c: c > "c")) == ["d", "e"]
    assert list(data.sample(SequentialSampler(2, 1))) == ["b", "c"]
    assert sorted(data.sample(RandomSampler(5))) == list("abcde")


def test_array_dataset_of_ndarrays() -> None:
    data = ArrayDataset(nd.arange(6).reshape((3, 2)), nd.array([1, 2, 3], dtype=np.int32))
    row, number = data[1]
    assert isinstance(row, nd.NDArray)
    assert row.asnumpy().tolist() == [2, 3]
    assert isinstance(number, np.int32)  # as in MXNet: a number, not an array of one
    assert len(data) == 3
    assert isinstance(ArrayDataset(nd.ones((3, 2)))[0], nd.NDArray)


def test_wrong_use_is_explained() -> None:
    with pytest.raises(ValueError, match=r"same length, found \[3, 2\]"):
        ArrayDataset([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="at least one"):
        ArrayDataset()
    with pytest.raises(ValueError, match="got 3 of 3"):
        SimpleDataset([1]).shard(3, 3)
    with pytest.raises(ValueError, match="negative"):
        SimpleDataset([1]).take(-1)
    with pytest.raises(TypeError, match=r"needs a gluon.data.Sampler, not list"):
        SimpleDataset([1]).sample([0])  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="Dataset must define __getitem__"):
        Dataset()[0]
