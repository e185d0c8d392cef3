"""MXNet's data iterators, such as `NDArrayIter` for mini-batches of arrays in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np

from lamina.core.state import mark_step
from lamina.errors import DataError, ShapeError
from lamina.nd import NDArray, array
from lamina.nd import shuffle as shuffled
from lamina.nd.lookup import rows_of
from lamina.support.argument_checks import whole_number
from lamina.support.files.idx import read_idx
from lamina.support.unsupported import names_of_others

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "MNISTIter", "NDArrayIter", "PrefetchingIter", "ResizeIter",
]  # fmt: skip

_LAST_BATCH = ("pad", "discard", "roll_over")


class _NamedShape(NamedTuple):
    name: str
    shape: tuple[int, ...]


class DataDesc(_NamedShape):
    """The name and shape of an input, with its `dtype` and `layout`.

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

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """The position of the batch axis N in a layout such as ``"NCHW"``, or 0 for None.

        >>> DataDesc.get_batch_axis("TNC")
        1
        """
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(
        shapes: Iterable[tuple[str, tuple[int, ...]]], types: Iterable[tuple[str, Any]] | None
    ) -> list[DataDesc]:
        """Descriptions of inputs from pairs (name, shape) and pairs (name, dtype)."""
        if types is None:
            return [DataDesc(name, shape) for name, shape in shapes]
        dtypes = dict(types)
        return [DataDesc(name, shape, dtypes[name]) for name, shape in shapes]


class DataBatch:
    """A mini-batch, with lists of arrays `data` and `label`.

    `pad` is the number of padding samples at the end; `index` has the samples' positions in the data.
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
        for what, arrays in (("data", data), ("label", label)):
            if arrays is not None and not isinstance(arrays, list | tuple):
                raise TypeError(
                    f"DataBatch: {what} must be a list of NDArrays, not a {type(arrays).__name__}"
                )
        self.data, self.label, self.pad, self.index = data, label, pad, index
        self.bucket_key = bucket_key
        self.provide_data, self.provide_label = provide_data, provide_label

    def __str__(self) -> str:
        data, label = [x.shape for x in self.data], [x.shape for x in self.label] if self.label else None
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"


class DataIter:
    """A base class of iterators over batches.

    A subclass overrides either `next`, which raises `StopIteration` at the end, or `iter_next` (advance to the next
    batch and return whether there is one) together with `getdata`, `getlabel`, `getpad` and `getindex`.
    """

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Start a new pass from the first batch."""

    def next(self) -> DataBatch:
        """The next batch."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def iter_next(self) -> bool:
        """Advance to the next batch, or return False at the end."""
        raise TypeError(f"{type(self).__name__} must override next, or iter_next and what it uses")

    def getdata(self) -> list[NDArray]:
        """The data of the current batch."""
        raise TypeError(f"{type(self).__name__} must override getdata")

    def getlabel(self) -> list[NDArray]:
        """The labels of the current batch."""
        raise TypeError(f"{type(self).__name__} must override getlabel")

    def getindex(self) -> np.ndarray | None:
        """The positions of the current batch's samples in the data, or None if unknown."""
        return None

    def getpad(self) -> int | None:
        """The number of padding samples at the end of the current batch."""
        return None


class NDArrayIter(DataIter):
    """An iterator over batches of arrays in memory; `StopIteration` ends a pass, `reset` starts the next.

    Args:
        data: an array, a list of arrays, or a dict of arrays by name, with samples along one axis. Other types become
            float32.
        label: the labels, in the same forms, or None.
        batch_size: the number of samples in every batch.
        shuffle: whether each pass has a new random order, from lamina's random streams.
        last_batch_handle: the treatment of remaining samples, too few for a batch: ``"pad"`` fills the batch with
            samples from the beginning (`pad` of this batch counts the added samples); ``"discard"`` drops the remaining
            samples; ``"roll_over"`` moves them to the first batch of the next pass (whose `pad` counts them).
        data_name, label_name: the name of a single array in `provide_data` and `provide_label`. Several arrays are
            called ``_0_data``, ``_1_data`` and so on.
        layout: a letter for each axis; N is the sample axis.

    Raises:
        ShapeError: the arrays differ in length.

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
        layout: str = "NCHW",
    ) -> None:
        super().__init__(whole_number("batch_size", batch_size, "rows", least=1))
        if last_batch_handle not in _LAST_BATCH:
            known = ", ".join(map(repr, _LAST_BATCH))
            raise ValueError(f"last_batch_handle must be one of {known}, not {last_batch_handle!r}")
        self.data, self.label = _named(data, data_name), _named(label, label_name)
        if not self.data:
            raise ShapeError("NDArrayIter: data must have at least one array")
        self.layout, self._axis = layout, layout.find("N")
        if self._axis < 0:
            raise ValueError(f"layout must have an N for the samples' axis, not {layout!r}")
        lengths = {name: x.shape[self._axis] for name, x in self.data + self.label}
        self.num_data = lengths[self.data[0][0]]
        if set(lengths.values()) != {self.num_data}:
            raise ShapeError(f"NDArrayIter: all arrays must have the same length, found {lengths}")
        self.shuffle, self.last_batch_handle = shuffle, last_batch_handle
        self.hard_reset()

    @property
    def provide_data(self) -> list[DataDesc]:
        """The names, shapes and dtypes of a batch's data."""
        return [self._described(name, x) for name, x in self.data]

    @property
    def provide_label(self) -> list[DataDesc]:
        """The names, shapes and dtypes of a batch's labels."""
        return [self._described(name, x) for name, x in self.label]

    def _described(self, name: str, x: NDArray) -> DataDesc:
        shape = list(x.shape)
        shape[self._axis] = self.batch_size
        return DataDesc(name, tuple(shape), x.dtype, self.layout)

    @property
    def idx(self) -> np.ndarray:
        """The indices of all samples in the order of this pass."""
        return self._order[len(self._order) - self.num_data :]

    def reset(self) -> None:
        """Start the next pass, in a new order if shuffled, with rolled-over samples first."""
        self._begun_with = len(self._rolled_over)
        self._order = np.concatenate([self._rolled_over, self._new_order()])
        self._position = -self.batch_size
        self._rolled_over = self._order[:0]

    def hard_reset(self) -> None:
        """Start the next pass without rolled-over samples."""
        self._rolled_over = np.zeros(0, np.int64)
        self.reset()

    def _new_order(self) -> np.ndarray:
        order = np.arange(self.num_data)
        if not self.shuffle or self.num_data < 2:
            return order
        return shuffled(array(order, dtype=np.int64)).asnumpy()

    def iter_next(self) -> bool:
        mark_step()
        self._position = min(self._position + self.batch_size, len(self._order))
        left = len(self._order) - self._position
        if left == 0 or (left < self.batch_size and self.last_batch_handle != "pad"):
            if left and self.last_batch_handle == "roll_over":
                self._rolled_over = self._order[self._position :]
            self._position = len(self._order)
            return False
        return True

    def next(self) -> DataBatch:
        batch = super().next()
        batch.provide_data, batch.provide_label = self.provide_data, self.provide_label
        return batch

    def getdata(self) -> list[NDArray]:
        return self._rows(self.data)

    def getlabel(self) -> list[NDArray]:
        return self._rows(self.label)

    def getpad(self) -> int:
        """The number of padding samples at the end of the current batch.

        For a pass's first batch with ``"roll_over"``, the number of samples moved to it from the previous pass.
        """
        if self._position == 0 and self._begun_with:
            return self._begun_with
        return max(0, self._position + self.batch_size - len(self._order))

    def getindex(self) -> np.ndarray:
        if not 0 <= self._position < len(self._order):
            raise DataError("NDArrayIter: there is no current batch; call iter_next, or reset after the last")
        index = self._order[self._position : self._position + self.batch_size]
        missing = self.batch_size - len(index)
        return np.concatenate([index, np.resize(self._order, missing)]) if missing else index

    def _rows(self, arrays: Sequence[tuple[str, NDArray]]) -> list[NDArray]:
        index = self.getindex()
        return [rows_of(x, index, self._axis) for _, x in arrays]


def MNISTIter(  # noqa: N802 - MXNet's name
    image: str, label: str, batch_size: int = 128, shuffle: bool = True, flat: bool = False, **_ignored: Any
) -> NDArrayIter:
    """An iterator over the batches in MNIST's files; remaining samples, too few for a batch, are left out.

    Args:
        image, label: the IDX files, gzipped or not.
        flat: whether samples have shape (784,), not (1, 28, 28). Pixels are float32 from 0 to 255/256.

    Raises:
        FileNotFoundError: there is no such file. `lamina.test_utils.get_mnist` has the arrays without files.
    """
    pictures = read_idx(image).astype(np.float32) / 256
    shape = (-1,) if flat else (1, *pictures.shape[1:])
    rows = pictures.reshape(len(pictures), *shape)
    return NDArrayIter(rows, read_idx(label).astype(np.float32), batch_size, shuffle, "discard")


def CSVIter(  # noqa: N802 - MXNet's name
    data_csv: str,
    data_shape: Sequence[int],
    batch_size: int,
    label_csv: str | None = None,
    label_shape: Sequence[int] = (1,),
    **_ignored: Any,
) -> NDArrayIter:
    """An iterator over the rows of files of numbers with commas, without a title; the last batch is padded.

    Args:
        data_csv, label_csv: the files. Without `label_csv` labels are 0.
        data_shape, label_shape: the shapes of a sample; labels of shape (1,) make batches of shape (batch_size,).
    """
    data = np.loadtxt(data_csv, np.float32, delimiter=",", ndmin=2).reshape(-1, *data_shape)
    labels = np.zeros((len(data), *label_shape), np.float32)
    if label_csv is not None:
        labels = np.loadtxt(label_csv, np.float32, delimiter=",", ndmin=2).reshape(-1, *label_shape)
    return NDArrayIter(data, labels[:, 0] if tuple(label_shape) == (1,) else labels, batch_size)


class _OfWholeBatches(DataIter):
    """A base class of iterators whose `iter_next` stores the next batch as `current_batch`."""

    current_batch: DataBatch | None

    def next(self) -> DataBatch:
        if not self.iter_next():
            raise StopIteration
        return self._current()

    def getdata(self) -> list[NDArray]:
        return self._current().data

    def getlabel(self) -> list[NDArray]:
        return self._current().label or []

    def getindex(self) -> np.ndarray | None:
        return self._current().index

    def getpad(self) -> int | None:
        return self._current().pad

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            raise DataError(f"{type(self).__name__}: there is no current batch; call iter_next first")
        return self.current_batch


class ResizeIter(_OfWholeBatches):
    """An iterator that takes `size` batches per pass from another iterator, which is reset whenever it ends.

    Args:
        data_iter: the wrapped iterator.
        size: the number of batches per pass.
        reset_internal: whether `reset` also resets the wrapped iterator.

    >>> batches = NDArrayIter(np.arange(3.0), batch_size=1)
    >>> [batch.data[0].item() for batch in ResizeIter(batches, 5)]
    [0.0, 1.0, 2.0, 0.0, 1.0]
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.size = whole_number("size", size, "batches", least=0)
        self.data_iter, self.reset_internal = data_iter, reset_internal
        self.provide_data: list[DataDesc] = data_iter.provide_data  # pyright: ignore[reportAttributeAccessIssue]
        self.provide_label: list[DataDesc] = data_iter.provide_label  # pyright: ignore[reportAttributeAccessIssue]
        self.cur = 0
        self.current_batch = None

    def reset(self) -> None:
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        if self.cur >= self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True


Renames = Sequence[Mapping[str, str]] | None
"""New names of data or labels by their names, for each iterator."""


class PrefetchingIter(_OfWholeBatches):
    """An iterator that prefetches batches of other iterators in threads and merges them into one batch.

    Args:
        iters: an iterator, or a list of iterators of the same length.
        rename_data, rename_label: for each iterator, a mapping from old to new names of arrays.

    >>> batches = PrefetchingIter([NDArrayIter(np.zeros((4, 2)), batch_size=2), NDArrayIter(np.ones(4), batch_size=2)])
    >>> [[x.shape for x in batch.data] for batch in batches]
    [[(2, 2), (2,)], [(2, 2), (2,)]]
    """

    def __init__(
        self, iters: DataIter | list[DataIter], rename_data: Renames = None, rename_label: Renames = None
    ) -> None:
        self.iters: list[Any] = iters if isinstance(iters, list) else [iters]
        if not self.iters:
            raise ValueError("PrefetchingIter: iters must have at least one iterator")
        self.n_iter = len(self.iters)
        self.rename_data, self.rename_label = rename_data, rename_label
        super().__init__(self.provide_data[0].shape[0])
        self._pool = ThreadPoolExecutor(self.n_iter, thread_name_prefix="lamina-io")
        self.current_batch = None
        self._fetch()

    def __del__(self) -> None:
        pool: ThreadPoolExecutor | None = self.__dict__.get("_pool")
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def provide_data(self) -> list[DataDesc]:
        """The names, shapes and dtypes of all iterators' data."""
        return _renamed([one.provide_data for one in self.iters], self.rename_data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """The names, shapes and dtypes of all iterators' labels."""
        return _renamed([one.provide_label for one in self.iters], self.rename_label)

    def _fetch(self) -> None:
        self._coming = [self._pool.submit(next, one, None) for one in self.iters]

    def reset(self) -> None:
        """Start a new pass of all iterators."""
        wait(self._coming)
        for one in self.iters:
            one.reset()
        self._fetch()

    def iter_next(self) -> bool:
        mark_step()
        batches = [coming.result() for coming in self._coming]
        there = [batch for batch in batches if batch is not None]
        if len(there) not in (0, len(batches)) or len({batch.pad for batch in there}) > 1:
            raise DataError("PrefetchingIter: the iterators have different numbers of samples")
        if not there:
            return False
        self._fetch()
        data = [x for batch in there for x in batch.data]
        label = [x for batch in there for x in batch.label or []]
        pad, index = there[0].pad, there[0].index
        self.current_batch = DataBatch(data, label, pad, index, None, self.provide_data, self.provide_label)
        return True


def _renamed(described: list[list[Any]], names: Renames) -> list[DataDesc]:
    full = [[x if isinstance(x, DataDesc) else DataDesc(*x) for x in each] for each in described]
    if names is None:
        return [x for each in full for x in each]
    pairs = zip(names, full, strict=True)
    return [DataDesc(new[x.name], x.shape, x.dtype) for new, each in pairs for x in each]


def _named(arrays: Any, name: str) -> list[tuple[str, NDArray]]:
    """Pairs of name and array, sorted by name for a dict."""
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


__getattr__ = names_of_others("lamina.io")
