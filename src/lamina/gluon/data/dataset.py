"""Data sets, which return samples by index, and data sets derived from other data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from lamina.core.array import Facade
from lamina.gluon.data.deferred import RowSource
from lamina.gluon.data.sampler import FilterSampler, Sampler, SequentialSampler
from lamina.nd.facade import plain, shown
from lamina.nd.ndarray import NDArray

__all__ = ["ArrayDataset", "Dataset", "SimpleDataset", "draw"]

_ARRAYS = (NDArray, Facade)


class Dataset:
    """A base class of data sets; subclasses override ``__getitem__`` (the sample at an index) and ``__len__``.

    A sample may be any object. If it is a tuple, transforms get its items as separate arguments.
    """

    def __getitem__(self, idx: int) -> Any:
        raise TypeError(f"{type(self).__name__} must define __getitem__")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} must define __len__")

    def transform(self, fn: Callable[..., Any], lazy: bool = True) -> Dataset:
        """The data set of ``fn(*sample)``, computed at each access, or once in advance with ``lazy=False``.

        >>> list(SimpleDataset([1, 2]).transform(lambda x: 10 * x))
        [10, 20]
        """
        transformed = _TransformedDataset(self, fn)
        return transformed if lazy else SimpleDataset(list(draw(transformed, range(len(self)))))

    def transform_first(self, fn: Callable[[Any], Any], lazy: bool = True) -> Dataset:
        """The data set with `fn` applied to the first item of each sample, usually the image."""
        return self.transform(_First(fn), lazy)

    def filter(self, fn: Callable[[Any], Any]) -> Dataset:
        """The data set of the samples for which ``fn(sample)`` is true."""
        return _SampledDataset(self, FilterSampler(fn, self))

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Shard `index` of `num_shards` contiguous, disjoint shards, whose sizes differ by at most one.

        >>> [list(SimpleDataset(range(5)).shard(2, i)) for i in range(2)]
        [[0, 1, 2], [3, 4]]
        """
        if num_shards < 1 or not 0 <= index < num_shards:
            raise ValueError(f"shard: index must be from 0 to num_shards - 1, got {index} of {num_shards}")
        size, larger = divmod(len(self), num_shards)
        start = size * index + min(index, larger)
        return _SampledDataset(self, SequentialSampler(size + (index < larger), start))

    def take(self, count: int | None) -> Dataset:
        """The first `count` samples, or all samples if there are fewer."""
        size = len(self) if count is None else min(count, len(self))
        if size < 0:
            raise ValueError(f"take: count must not be negative, got {count}")
        return _SampledDataset(self, SequentialSampler(size))

    def sample(self, sampler: Sampler) -> Dataset:
        """The samples at the indices in `sampler`, which is iterated once, immediately."""
        if not isinstance(sampler, Sampler):
            raise TypeError(f"sample: needs a gluon.data.Sampler, not {type(sampler).__name__}")
        return _SampledDataset(self, sampler)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def _draw(self, indices: Iterable[int]) -> Iterator[Any]:
        """The samples at `indices`, in order, each computed only when needed.

        Subclasses override this method for speed. The samples must equal ``self[i]``, but arrays may be deferred rows.
        """
        return (self[i] for i in indices)


def draw(dataset: Any, indices: Iterable[int]) -> Iterator[Any]:
    """The samples of a batch, computed by the data set's `_draw`.

    If a subclass overrides only ``__getitem__``, the samples are computed by ``dataset[i]``.
    """
    for cls in type(dataset).__mro__:
        if "_draw" in vars(cls):
            return dataset._draw(indices)
        if "__getitem__" in vars(cls):
            break
    return (dataset[i] for i in indices)


class SimpleDataset(Dataset):
    """A data set whose samples are the items of a sequence, such as a list or an array.

    >>> from lamina import gluon
    >>> data = gluon.data.SimpleDataset([1, 2, 3]).transform(lambda x: 10 * x)
    >>> len(data), data[2]
    (3, 30)
    """

    def __init__(self, data: Sequence[Any] | NDArray | np.ndarray) -> None:
        self._data = data

    def __getitem__(self, idx: int) -> Any:
        return self._data[idx]

    def __len__(self) -> int:
        return len(self._data)


class ArrayDataset(Dataset):
    """A data set whose samples combine items of several sequences of equal length.

    A sample is a tuple with an item of each sequence, such as an image and its label; with a single sequence, the item
    itself. The items of an `NDArray` are its rows, or NumPy scalars if it has a single axis.

    >>> from lamina import nd
    >>> image, label = ArrayDataset(nd.zeros((3, 2)), [0, 1, 2])[2]
    >>> image.shape, label
    ((2,), 2)
    """

    def __init__(self, *args: Any) -> None:
        if not args:
            raise ValueError("ArrayDataset: needs at least one array")
        lengths = [len(data) for data in args]
        if len(set(lengths)) != 1:
            raise ValueError(f"ArrayDataset: all arrays must have the same length, found {lengths}")
        self._length = lengths[0]
        self._data: list[Any] = [x.asnumpy() if isinstance(x, _ARRAYS) and x.ndim == 1 else x for x in args]
        self._sources = [RowSource(plain(data)) if isinstance(data, _ARRAYS) else None for data in self._data]

    def __getitem__(self, idx: int) -> Any:
        if len(self._data) == 1:
            return self._data[0][idx]
        return tuple(data[idx] for data in self._data)

    def __len__(self) -> int:
        return self._length

    def _draw(self, indices: Iterable[int]) -> Iterator[Any]:
        pairs = zip(self._data, self._sources, strict=True)
        columns = [x.__getitem__ if source is None else _rows_of(x, source) for x, source in pairs]
        if len(columns) == 1:
            return map(columns[0], indices)
        return (tuple([column(i) for column in columns]) for i in indices)


def _rows_of(data: Any, source: RowSource) -> Callable[[int], Any]:
    """A function that returns the row of `data` at an index, as ``np.ndarray`` if `data` is an ``np.ndarray``."""
    rows = source.rows()
    return (lambda i: shown(rows(i))) if isinstance(data, Facade) else rows


class _TransformedDataset(Dataset):
    """A data set of ``fn(*sample)`` for each sample of another data set."""

    def __init__(self, data: Any, fn: Callable[..., Any]) -> None:
        self._data, self._fn = data, fn

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, idx: int) -> Any:
        return self._transformed(self._data[idx])

    def _transformed(self, sample: Any) -> Any:
        return self._fn(*sample) if isinstance(sample, tuple) else self._fn(sample)

    def _draw(self, indices: Iterable[int]) -> Iterator[Any]:
        return map(self._transformed, draw(self._data, indices))


class _SampledDataset(Dataset):
    """A data set of the samples at chosen indices of another data set."""

    def __init__(self, data: Any, sampler: Sampler) -> None:
        self._data, self._indices = data, list(sampler)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, idx: int) -> Any:
        return self._data[self._indices[idx]]

    def _draw(self, indices: Iterable[int]) -> Iterator[Any]:
        return draw(self._data, (self._indices[i] for i in indices))


class _First:
    """A function of several arguments that applies another function to the first of them."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, first: Any, *others: Any) -> Any:
        return (self._fn(first), *others) if others else self._fn(first)
