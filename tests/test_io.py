"""NDArrayIter: batches of one size, what happens at the end of a pass, and names."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina as mx
from lamina import nd
from lamina.errors import DataError, ShapeError
from lamina.io import DataBatch, DataDesc, DataIter, NDArrayIter, PrefetchingIter, ResizeIter


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
    with pytest.raises(ShapeError, match="at least one array"):
        NDArrayIter(None)
    with pytest.raises(TypeError, match="DataIter must override next"):
        DataIter().next()
    with pytest.raises(TypeError, match="data must be a list of NDArrays, not a NDArray"):
        DataBatch(nd.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must have an N for"):
        NDArrayIter(np.zeros((3, 1)), layout="CHW")
    with pytest.raises(DataError, match="no current batch"):
        NDArrayIter(np.zeros((3, 1))).getdata()
    with pytest.raises(DataError, match="different numbers of samples"):
        list(PrefetchingIter([NDArrayIter(np.zeros((n, 1))) for n in (2, 3)]))


def test_a_batch_in_its_parts() -> None:
    batches = NDArrayIter(np.arange(10).reshape(2, 5), batch_size=3, layout="CN")
    assert batches.provide_data[0].shape == (2, 3)
    assert batches.iter_next()
    assert batches.iter_next()
    assert batches.getdata()[0].asnumpy().tolist() == [[3, 4, 0], [8, 9, 5]]
    assert (batches.getlabel(), batches.getpad(), batches.getindex().tolist()) == ([], 1, [3, 4, 0])
    assert not batches.iter_next()
    assert batches.idx.tolist() == [0, 1, 2, 3, 4]


def test_a_batch_says_how_many_samples_rolled_over() -> None:
    batches = NDArrayIter(np.arange(5), batch_size=2, last_batch_handle="roll_over")
    assert [batch.pad for batch in batches] == [0, 0]
    batches.reset()
    assert [batch.pad for batch in batches] == [1, 0, 0]


def test_iterators_over_iterators() -> None:
    resized = ResizeIter(NDArrayIter(np.arange(4), np.arange(4), 2), 3)
    assert labels_of(resized) == [[0, 1], [2, 3], [0, 1]]
    resized.reset()
    assert resized.iter_next() and resized.getdata()[0].asnumpy().tolist() == [0, 1]
    assert (resized.getlabel()[0].shape, resized.getpad(), resized.provide_data[0].name) == ((2,), 0, "data")
    ahead = PrefetchingIter(
        [NDArrayIter(np.arange(4), np.arange(4), 2), NDArrayIter(-np.arange(4), batch_size=2)],
        rename_data=[{"data": "a"}, {"data": "b"}],
    )
    for _ in range(2):
        values = [[x.asnumpy().tolist() for x in batch.data] for batch in ahead]
        assert values == [[[0, 1], [0, -1]], [[2, 3], [-2, -3]]]
        ahead.reset()
    assert [d.name for d in ahead.provide_data + ahead.provide_label] == ["a", "b", "softmax_label"]
    assert ahead.batch_size == 2


def test_descriptions() -> None:
    assert DataDesc.get_batch_axis(None) == 0
    (x,) = DataDesc.get_list([("x", (2, 3))], [("x", np.int32)])
    assert (x.name, x.shape, x.dtype) == ("x", (2, 3), np.int32)


@pytest.mark.parametrize("batch_size", [np.uint8(2), np.int32(2), np.array(2), 2.0], ids=repr)
def test_batch_sizes_may_be_of_any_type(batch_size: Any) -> None:
    batches = list(NDArrayIter(np.arange(5), batch_size=batch_size))
    assert [batch.pad for batch in batches] == [0, 0, 1]
    assert batches[0].provide_data[0].shape == (2,)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"batch_size must be a whole number of rows, not 2\.5"):
        NDArrayIter(np.arange(5), batch_size=2.5)
    with pytest.raises(ValueError, match="size must be a whole number of batches, not '2'"):
        ResizeIter(NDArrayIter(np.arange(5)), "2")
