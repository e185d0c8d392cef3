"""NDArrayIter: batches of one size, what happens at the end of a pass, and names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina as mx
from lamina import nd
from lamina.errors import ShapeError
from lamina.io import DataBatch, DataDesc, DataIter, NDArrayIter


def labels_of(batches: DataIter) -> list[list[float]]:
    return [batch.label[0].asnumpy().tolist() for batch in batches if batch.label]


def test_a_batch() -> None:
    data = np.arange(24, dtype=np.float64).reshape(6, 2, 2)
    batches = NDArrayIter(data, np.arange(6), batch_size=4)
    batch = batches.next()
    assert isinstance(batch, DataBatch)
    assert (batch.data[0].shape, batch.data[0].dtype, batch.label[0].dtype) == (
        (4, 2, 2),
        np.float32,
        np.float32,
    )
    np.testing.assert_array_equal(batch.data[0].asnumpy(), data[:4])
    assert batch.pad == 0
    assert "(4, 2, 2)" in str(batch)
    assert batches.next().pad == 2
    with pytest.raises(StopIteration):
        batches.next()
    with pytest.raises(StopIteration):
        batches.next()
    batches.reset()
    assert batches.next().index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("handle", "passes"),
    [
        ("pad", [[[0, 1], [2, 3], [4, 0]], [[0, 1], [2, 3], [4, 0]]]),
        ("discard", [[[0, 1], [2, 3]], [[0, 1], [2, 3]]]),
        ("roll_over", [[[0, 1], [2, 3]], [[4, 0], [1, 2], [3, 4]], [[0, 1], [2, 3]]]),
    ],
)
def test_what_becomes_of_the_last_samples(handle: str, passes: list[list[list[int]]]) -> None:
    batches = NDArrayIter(np.zeros((5, 1)), np.arange(5), 2, last_batch_handle=handle)
    for wanted in passes:
        assert labels_of(batches) == wanted
        batches.reset()


@given(st.integers(1, 20), st.integers(1, 8))
def test_padding_fills_every_batch_and_says_by_how_much(length: int, size: int) -> None:
    batches = list(NDArrayIter(np.zeros((length, 1)), np.arange(length), size))
    real = [b.label[0].asnumpy()[: size - (b.pad or 0)] for b in batches if b.label]
    assert all(b.data[0].shape == (size, 1) for b in batches)
    assert np.concatenate(real).tolist() == list(range(length))


def test_hard_reset_forgets_what_rolled_over() -> None:
    batches = NDArrayIter(np.zeros((3, 1)), np.arange(3), 2, last_batch_handle="roll_over")
    list(batches)
    batches.hard_reset()
    assert labels_of(batches) == [[0, 1]]


def test_shuffling_is_new_at_each_pass_and_follows_the_seed() -> None:
    data = np.arange(40)
    mx.random.seed(4)
    batches = NDArrayIter(data.reshape(-1, 1), data, 10, shuffle=True)
    first = labels_of(batches)
    batches.reset()
    second = labels_of(batches)
    assert first != second
    assert sorted(x for row in first for x in row) == data.tolist()
    mx.random.seed(4)
    again = NDArrayIter(data.reshape(-1, 1), data, 10, shuffle=True)
    assert labels_of(again) == first
    for batch in again:
        assert batch.label
        np.testing.assert_array_equal(batch.data[0].asnumpy()[:, 0], batch.label[0].asnumpy())


def test_names_and_descriptions() -> None:
    single = NDArrayIter(nd.zeros((4, 3), dtype="uint8"), np.zeros(4), 2)
    assert [tuple(d) for d in single.provide_data] == [("data", (2, 3))]
    assert single.provide_data[0].dtype == np.uint8
    assert single.provide_label == [DataDesc("softmax_label", (2,))]
    several = NDArrayIter([np.zeros((4, 3)), np.zeros((4, 1))], batch_size=2)
    assert [d.name for d in several.provide_data] == ["_0_data", "_1_data"]
    assert several.provide_label == []
    assert several.next().label == []
    named = NDArrayIter({"b": np.zeros((4, 3)), "a": np.ones(4)}, batch_size=2, label_name="y")
    assert [d.name for d in named.provide_data] == ["a", "b"]


def test_wrong_arguments() -> None:
    with pytest.raises(ShapeError, match=r"same length, found \{'data': 3, 'softmax_label': 2\}"):
        NDArrayIter(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="'pad', 'discard', 'roll_over', not 'keep'"):
        NDArrayIter(np.zeros((3, 1)), last_batch_handle="keep")
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        NDArrayIter(np.zeros((3, 1)), batch_size=0)
    with pytest.raises(ShapeError, match="no data"):
        NDArrayIter(None)
    with pytest.raises(TypeError, match="DataIter must override next"):
        DataIter().next()
