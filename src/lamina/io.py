"""`NDArrayIter`: mini-batches of arrays in memory, in the style of MXNet's data iterators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.state import mark_step
from lamina.errors import ShapeError
from lamina.nd.conversion import array
from lamina.nd.lookup import rows_of
from lamina.nd.ndarray import NDArray
from lamina.nd.random import shuffle as shuffled

__all__ = ["DataBatch", "DataDesc", "DataIter", "NDArrayIter"]

_LAST_BATCH = ("pad", "discard", "roll_over")


class _NamedShape(NamedTuple):
    name: str
    shape: tuple[int, ...]


class DataDesc(_NamedShape):
    """The name and shape of one input, with its `dtype` and `layout`.

    >>> DataDesc("data", (32, 784))
    DataDesc[data,(32, 784),<class 'numpy.float32'>,NCHW]
    """

    dtype: Any
    layout: str | None

    def __new__(
        cls, name: str, shape: tuple[int, ...], dtype: Any = np.float32, layout: str | None = "NCHW"
    ) -> DataDesc:
        self = super().__new__(cls, name, shape)
        self.dtype, self.layout = dtype, layout
        return self

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"


class DataBatch:
    """A mini-batch: lists of arrays `data` and `label`.

    `pad` is how many samples at the end only fill the batch up; `index` are the positions of its samples in the data.
    """

    def __init__(
        self,
        data: list[NDArray],
        label: list[NDArray] | None = None,
        pad: int | None = None,
        index: np.ndarray | None = None,
        bucket_key: Any = None,
        provide_data: list[DataDesc] | None = None,
        provide_label: list[DataDesc] | None = None,
    ) -> None:
        self.data, self.label, self.pad, self.index = data, label, pad, index
        self.bucket_key = bucket_key
        self.provide_data, self.provide_label = provide_data, provide_label

    def __str__(self) -> str:
        shapes = [x.shape for x in self.data], [x.shape for x in self.label or []]
        return f"DataBatch: data shapes: {shapes[0]} label shapes: {shapes[1]}"


class DataIter:
    """Base class of iterators over batches: override `next` (which raises `StopIteration` at the end) and `reset`."""

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Start again from the beginning."""

    def next(self) -> DataBatch:
        """The next batch."""
        raise TypeError(f"{type(self).__name__} must override next")


class NDArrayIter(DataIter):
    """Batches of arrays. After a pass, which ends with `StopIteration`, `reset` starts the next.

    Args:
        data: an array, a list of arrays, or a dict of arrays by name, with the samples along axis 0. What is not an
            NDArray becomes one of float32.
        label: the labels, in the same way, or None.
        batch_size: samples a batch; every batch has exactly so many.
        shuffle: a new random order at each pass, from lamina's random streams.
        last_batch_handle: what becomes of the samples left at the end: ``"pad"`` fills the batch up with samples from
            the beginning (`pad` says how many); ``"discard"`` drops them; ``"roll_over"`` puts them in front of the
            next pass.
        data_name, label_name: what a single array is called in `provide_data`, `provide_label`; several are called
            ``_0_data``, ``_1_data`` ….

    Raises:
        ShapeError: if the arrays differ in length.

    >>> train = NDArrayIter(np.arange(6).reshape(3, 2), np.array([0, 1, 2]), batch_size=2)
    >>> [(batch.label[0].asnumpy().tolist(), batch.pad) for batch in train]
    [([0.0, 1.0], 0), ([2.0, 0.0], 1)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
    ) -> None:
        super().__init__(batch_size)
        if last_batch_handle not in _LAST_BATCH:
            known = ", ".join(map(repr, _LAST_BATCH))
            raise ValueError(f"last_batch_handle must be one of {known}, not {last_batch_handle!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.data, self.label = _named(data, data_name), _named(label, label_name)
        if not self.data:
            raise ShapeError("NDArrayIter: there are no data")
        lengths = {name: len(x) for name, x in self.data + self.label}
        self.num_data = len(self.data[0][1])
        if set(lengths.values()) != {self.num_data}:
            raise ShapeError(f"NDArrayIter: all arrays must have the same length, found {lengths}")
        self.shuffle, self.last_batch_handle = shuffle, last_batch_handle
        self.hard_reset()

    @property
    def provide_data(self) -> list[DataDesc]:
        """Names, shapes and dtypes of a batch's data."""
        return [self._described(name, x) for name, x in self.data]

    @property
    def provide_label(self) -> list[DataDesc]:
        """Names, shapes and dtypes of a batch's labels."""
        return [self._described(name, x) for name, x in self.label]

    def _described(self, name: str, x: NDArray) -> DataDesc:
        return DataDesc(name, (self.batch_size, *x.shape[1:]), x.dtype)

    def reset(self) -> None:
        """Start the next pass, in a new order if shuffled, after what rolled over."""
        self._order = np.concatenate([self._rolled_over, self._new_order()])
        self._position = 0
        self._rolled_over = self._order[:0]

    def hard_reset(self) -> None:
        """Start anew: nothing rolls over."""
        self._rolled_over = np.zeros(0, np.int64)
        self.reset()

    def _new_order(self) -> np.ndarray:
        order = np.arange(self.num_data)
        if not self.shuffle or self.num_data < 2:
            return order
        return shuffled(array(order, dtype=np.int64)).asnumpy()

    def next(self) -> DataBatch:
        """The next batch; raises `StopIteration` after the last."""
        mark_step()
        index = self._order[self._position : self._position + self.batch_size]
        missing = self.batch_size - len(index)
        if len(index) == 0 or (missing and self.last_batch_handle != "pad"):
            if self.last_batch_handle == "roll_over":
                self._rolled_over = index
            self._position = len(self._order)
            raise StopIteration
        if missing:
            index = np.concatenate([index, np.resize(self._order, missing)])
        self._position += self.batch_size
        return DataBatch(
            data=[rows_of(x, index) for _, x in self.data],
            label=[rows_of(x, index) for _, x in self.label],
            pad=missing,
            index=index,
            provide_data=self.provide_data,
            provide_label=self.provide_label,
        )


def _named(arrays: Any, name: str) -> list[tuple[str, NDArray]]:
    """Arrays with their names: those of a dict in the order of the names."""
    if arrays is None:
        return []
    if isinstance(arrays, Mapping):
        return [(key, _as_array(x)) for key, x in sorted(arrays.items())]
    if not isinstance(arrays, list | tuple):
        return [(name, _as_array(arrays))]
    several: Sequence[Any] = arrays
    if len(several) == 1:
        return [(name, _as_array(several[0]))]
    return [(f"_{i}_{name}", _as_array(x)) for i, x in enumerate(several)]


def _as_array(x: Any) -> NDArray:
    return x if isinstance(x, NDArray) else array(x)
