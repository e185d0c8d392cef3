"""Deferred rows: whatever a transform does, a batch is what calling it sample by sample gives, to the last bit."""

import copy
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina as mx
from lamina import autograd, nd
from lamina.gluon.data import ArrayDataset, DataLoader, SimpleDataset
from lamina.gluon.data.deferred import DeferredRow
from lamina.nd import NDArray

Transform = Callable[[Any, Any], Any]


class Plain(ArrayDataset):
    """The same data set without its fast path: the oracle. Overriding ``__getitem__`` is what switches it off."""

    def __getitem__(self, idx: int) -> Any:
        return super().__getitem__(idx)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (23, 4, 3, 1), dtype=np.uint8)


def passes(
    dataset: type[ArrayDataset], images: np.ndarray, transform: Transform
) -> Iterator[list[np.ndarray]]:
    """Two passes in batches of 5, everything random starting from the same seeds."""
    random.seed(3)
    np.random.seed(3)
    mx.random.seed(3)
    data = dataset(nd.array(images, dtype=images.dtype), np.arange(len(images), dtype=np.int32))
    loader = DataLoader(data.transform(transform), 5, shuffle=True)
    for _ in range(2):
        for batch in loader:
            parts = batch if isinstance(batch, list) else [batch]
            yield [part.asnumpy() for part in parts]


def assert_same_bits(images: np.ndarray, transform: Callable[[], Transform]) -> None:
    with mx.eager():  # compiled operators round in their own way
        fast = list(passes(ArrayDataset, images, transform()))
        slow = list(passes(Plain, images, transform()))
    assert len(fast) == len(slow) == 10
    for got, wanted in zip(fast, slow, strict=True):
        for g, w in zip(got, wanted, strict=True):
            assert g.dtype == w.dtype
            assert g.shape == w.shape
            assert g.tobytes() == w.tobytes()


def chapter(data: Any, label: Any) -> Any:
    return data.astype(np.float32) / 255, label.astype(np.float32)


def stateful() -> Transform:
    count = [0]

    def transform(data: Any, label: Any) -> Any:
        count[0] += 1
        return data.astype("float32") * count[0], label + count[0]

    return transform


def remembering() -> Transform:
    before: list[Any] = []

    def transform(data: Any, label: Any) -> Any:
        before.append(data.astype(np.float32))
        return before[len(before) // 2] + 1.0, label

    return transform


def overwriting() -> Transform:
    kept: list[Any] = []

    def transform(data: Any, label: Any) -> Any:
        half = data.astype(np.float32) / 2
        kept.append(data)
        if label % 4 == 2:
            kept[len(kept) // 2][:] = 9  # an earlier sample's memory, and with it the data set's
            data += 1
        return half, data, label

    return transform


def depends_on_values(data: Any, label: Any) -> Any:
    bright = float(data.astype(np.float32).mean().asscalar()) > 127
    return (data.astype(np.float32) - 3 if bright else data.astype(np.float32) / 7), label


def random_crop(data: Any, label: Any) -> Any:
    top = random.randrange(2)
    return data[top : top + 3].astype(np.float32), label


TRANSFORMS: dict[str, Callable[[], Transform]] = {
    "none": lambda: lambda data, label: (data, label),
    "chapter": lambda: chapter,
    "gluon chapter": lambda: (
        lambda data, label: (nd.transpose(data.astype(np.float32), (2, 0, 1)) / 255, label.astype(np.float32))
    ),
    "methods": lambda: (
        lambda data, label: (data.reshape((-1,)).astype("float64") * 2 - 1, data.transpose((2, 0, 1)), label)
    ),
    "reshape spelled out": lambda: (
        lambda data, label: (data.reshape(-3, 1), data.reshape((0, -1)), data.reshape((-1, 2), reverse=True))
    ),
    "shapes as lists and by name": lambda: (
        lambda data, label: (data.reshape([3, 4]), data.reshape(shape=(2, -1)), data.transpose([1, 0, 2]))
    ),
    "reversed operators": lambda: (
        lambda data, label: (1 - data.astype(np.float32), 2.5 / (data.astype(np.float32) + 1))
    ),
    "integers": lambda: lambda data, label: (data + 250, data * 3, data / 7, 255 - data, -data),
    "float to integer": lambda: lambda data, label: ((data.astype(np.float32) * 1e9).astype(np.int16), label),
    "zeros": lambda: lambda data, label: (data.astype(np.float32) * -0.0, data.astype(np.float32) * 0.0),
    "half": lambda: lambda data, label: (data.astype(np.float16) / 3, label),
    "truth": lambda: lambda data, label: (data.astype(bool), label),
    "NumPy numbers": lambda: (
        lambda data, label: (data.astype(np.float32) / np.float32(3) + np.float64(1), data)
    ),
    "index dependent": lambda: lambda data, label: (data.astype(np.float32) * float(label + 1), label),
    "shape dependent": lambda: lambda data, label: (data.astype(np.float32) / sum(data.shape), label),
    "value dependent": lambda: depends_on_values,
    "NumPy inside": lambda: lambda data, label: (np.sqrt(data.asnumpy()), label),
    "other operators": lambda: lambda data, label: (nd.exp(data.astype(np.float32) / 255), data.max()),
    "two rows": lambda: lambda data, label: (data.astype(np.float32) * data.astype(np.float32), data + data),
    "random scale": lambda: lambda data, label: (data.astype(np.float32) * random.random(), label),
    "random choice": lambda: lambda data, label: (data * random.randrange(1, 4), label),
    "NumPy random": lambda: lambda data, label: (data.astype(np.float32) + np.random.normal(), label),
    "lamina random": lambda: (
        lambda data, label: (data.astype(np.float32) + nd.random.normal(shape=data.shape), label)
    ),
    "random crop": lambda: random_crop,
    "stateful": stateful,
    "remembering": remembering,
    "overwriting": overwriting,
    "one result": lambda: lambda data, label: data.astype(np.float32),
    "nested": lambda: lambda data, label: ((data.astype(np.float32), label),),
    "no NDArray": lambda: lambda data, label: (np.float32(label), 3, True),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_equals_calling_sample_by_sample(name: str) -> None:
    if name == "nested":
        data = ArrayDataset(nd.array(pictures(), dtype=np.uint8), np.arange(23))
        ((image, label),) = next(iter(DataLoader(data.transform(TRANSFORMS[name]()), 5)))
        np.testing.assert_array_equal(image.asnumpy(), pictures()[:5].astype(np.float32))
        assert label.shape == (5,)
        return
    assert_same_bits(pictures(), TRANSFORMS[name])


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("astype"), st.sampled_from(["float32", np.float64, np.dtype("float16"), "int32"])),
        st.tuples(
            st.sampled_from(["__add__", "__rsub__", "__mul__", "__truediv__", "__rtruediv__"]),
            st.one_of(st.integers(-5, 100), st.floats(-1e6, 1e6), st.sampled_from([np.float32(0.1)])),
        ),
        st.tuples(st.just("reshape"), st.sampled_from([(-1,), (0, -1), (2, 6), (4, 3, 1), (1, 12)])),
        st.tuples(st.just("transpose"), st.sampled_from([()])),
        st.tuples(st.just("__neg__"), st.none()),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(OPERATIONS, st.sampled_from([np.float32, np.uint8, np.int32, np.float64]))
def test_chains_of_operations(operations: list[tuple[str, Any]], dtype: Any) -> None:
    images = np.random.default_rng(1).integers(0, 100, (23, 4, 3), dtype=np.uint8).astype(dtype)

    def transform(data: Any, label: Any) -> Any:
        for name, argument in operations:
            data = getattr(data, name)() if argument is None else getattr(data, name)(argument)
        return data, label

    try:
        list(passes(Plain, images, transform))
    except Exception as error:
        with pytest.raises(type(error)) as caught:
            list(passes(ArrayDataset, images, transform))
        assert str(caught.value) == str(error)
        return
    assert_same_bits(images, lambda: transform)


def rows_of(images: np.ndarray) -> list[Any]:
    """The samples as a transform sees them."""
    seen: list[Any] = []
    loader = DataLoader(
        ArrayDataset(nd.array(images, dtype=images.dtype)), len(images), batchify_fn=seen.extend
    )
    list(loader)
    return seen


def test_a_row_is_an_array_that_knows_its_shape_without_being_read() -> None:
    row = rows_of(pictures())[3]
    assert type(row) is DeferredRow
    assert isinstance(row, NDArray)
    assert (row.shape, row.dtype, row.ndim, row.size, len(row)) == ((4, 3, 1), np.uint8, 3, 12, 4)
    assert row.context is mx.cpu()
    assert type(row) is DeferredRow


@pytest.mark.parametrize(
    "use",
    [
        lambda row: row.asnumpy(),
        np.asarray,
        repr,
        lambda row: row[0],
        lambda row: row.sum(),
        lambda row: row + row,
        lambda row: nd.ones((4, 3, 1), dtype="uint8") + row,
        lambda row: row.attach_grad(),
        copy.deepcopy,
        lambda row: pickle.loads(pickle.dumps(row)),
        lambda row: row.as_in_context(mx.cpu(1)),
        lambda row: row.wait_to_read() or row.tolist(),
    ],
)
def test_any_other_use_makes_it_a_plain_array(use: Callable[[Any], Any]) -> None:
    row = rows_of(pictures())[3]
    use(row)
    assert type(row) is NDArray
    np.testing.assert_array_equal(row.asnumpy(), pictures()[3])


def test_an_unknown_attribute_is_an_error_as_ever() -> None:
    row = rows_of(pictures())[0]
    with pytest.raises(AttributeError, match="colour"):
        _ = row.colour


def test_a_gradient_can_be_attached_to_a_sample() -> None:
    row = rows_of(pictures().astype(np.float32))[0]
    row.attach_grad()
    with autograd.record():
        y = (row / 2).sum()
    y.backward()
    np.testing.assert_array_equal(row.grad.asnumpy(), np.full((4, 3, 1), 0.5, np.float32))


def test_marking_a_sample_as_a_variable_is_seen_too() -> None:
    row = rows_of(pictures().astype(np.float32))[0]
    gradient = nd.zeros((4, 3, 1))
    autograd.mark_variables(row, gradient)
    with autograd.record():
        y = row / 4
    y.backward()
    assert float(gradient.max().asscalar()) == 0.25


def test_a_sample_is_a_view_of_the_data_set() -> None:
    data = nd.array(pictures(), dtype=np.uint8)

    def transform(image: Any, label: Any) -> Any:
        image[:] = label
        return image

    list(DataLoader(ArrayDataset(data, np.arange(23)).transform(transform), 4))
    np.testing.assert_array_equal(data.asnumpy()[:, 0, 0, 0], np.arange(23))


def test_once_a_transform_looks_inside_rows_are_plain() -> None:
    kinds: list[type] = []

    def transform(image: Any) -> Any:
        kinds.append(type(image))
        return image.max()

    list(DataLoader(ArrayDataset(nd.array(pictures())).transform(transform), 4))
    assert kinds == [DeferredRow] + [NDArray] * 22


def test_the_error_of_an_impossible_operation_comes_at_its_line() -> None:
    def transform(image: Any) -> Any:
        try:
            return image + 300
        except OverflowError:
            return image

    data = ArrayDataset(nd.array(pictures(), dtype=np.uint8)).transform(transform)
    np.testing.assert_array_equal(next(iter(DataLoader(data, 23))).asnumpy(), pictures())


def test_the_common_transform_stays_deferred_and_is_called_once_a_sample() -> None:
    calls = [0]

    def transform(data: Any, label: Any) -> Any:
        calls[0] += 1
        return chapter(data, label)

    data = ArrayDataset(nd.array(pictures(), dtype=np.uint8), np.arange(23, dtype=np.int32))
    list(DataLoader(data.transform(transform), 5))
    assert calls == [23]
    assert data._sources[0] is not None
    assert data._sources[0].deferring


def test_through_layers_of_data_sets() -> None:
    images = nd.array(pictures(), dtype=np.uint8)
    data = ArrayDataset(images, np.arange(23)).take(20).shard(2, 1).transform_first(lambda x: x / 2)
    chosen = data.filter(lambda sample: sample[1] % 2 == 0)
    image, label = next(iter(DataLoader(chosen, 100)))
    np.testing.assert_array_equal(label.asnumpy(), np.arange(10, 20, 2))
    np.testing.assert_array_equal(image.asnumpy(), pictures()[10:20:2] // 2)


def test_negative_and_wrong_indices_are_those_of_the_array() -> None:
    data = ArrayDataset(nd.array(pictures(), dtype=np.uint8))
    batch = next(iter(DataLoader(data, batch_sampler=[[-1, np.int64(2)]])))
    np.testing.assert_array_equal(batch.asnumpy(), pictures()[[-1, 2]])
    with pytest.raises(IndexError):
        list(DataLoader(data, batch_sampler=[[23]]))


def test_a_list_is_a_data_set_too() -> None:
    batch = next(iter(DataLoader(SimpleDataset([1.5, 2.5]), 2)))
    assert batch.dtype == np.float64
    assert batch.asnumpy().tolist() == [1.5, 2.5]
