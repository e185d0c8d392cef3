"""Samplers, which determine the order of samples and group samples into mini-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lamina.nd import array, shuffle
from lamina.support.argument_checks import whole_number

__all__ = [
    "BatchSampler", "FilterSampler", "IntervalSampler", "RandomSampler", "Sampler", "SequentialSampler",
]  # fmt: skip

_LAST_BATCH = ("keep", "discard", "rollover")


@runtime_checkable
class IndexedData(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class Sampler:
    """A base class of samplers, which are iterables of samples' indices with a length."""

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} must define __len__")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__} must define __iter__")


class _Listed(Sampler):
    """A sampler with the same indices in each pass."""

    _indices: Sequence[int]

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)


class SequentialSampler(_Listed):
    """The indices ``start, start + 1, …``, `length` in total.

    >>> list(SequentialSampler(3, start=2))
    [2, 3, 4]
    """

    def __init__(self, length: int, start: int = 0) -> None:
        self._indices = range(start, start + length)


class RandomSampler(Sampler):
    """The indices 0 … length - 1, in a new random order at each pass.

    `lamina.random.seed` determines the order. Without a seed the orders are the same in each run of a program, too.
    (MXNet uses NumPy's global generator; ``numpy.random.seed`` has no effect here.)

    >>> sorted(RandomSampler(4))
    [0, 1, 2, 3]
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self._length)
        if self._length > 1:
            order = shuffle(array(order, dtype=np.int64)).asnumpy()
        return iter(order.tolist())


class FilterSampler(_Listed):
    """The indices of the samples for which `fn` is true, found when the sampler is created.

    >>> list(FilterSampler(lambda sample: sample > 1, [0, 1, 2, 3]))
    [2, 3]
    """

    def __init__(self, fn: Callable[[Any], Any], dataset: IndexedData) -> None:
        self._indices = [i for i in range(len(dataset)) if fn(dataset[i])]


class IntervalSampler(_Listed):
    """Every `interval`-th index from 0 on; with `rollover`, then every `interval`-th index from 1 on, and so on.

    >>> list(IntervalSampler(7, interval=3))
    [0, 3, 6, 1, 4, 2, 5]
    """

    def __init__(self, length: int, interval: int, rollover: bool = True) -> None:
        if not 0 < interval <= length:
            raise ValueError(f"IntervalSampler: interval must be from 1 to length {length}, not {interval}")
        starts = range(interval if rollover else 1)
        self._indices = [i for start in starts for i in range(start, length, interval)]


class BatchSampler(Sampler):
    """Lists of `batch_size` indices, grouped from another sampler.

    `last_batch` is the treatment of a last, smaller list: ``"keep"`` yields the list, ``"discard"`` drops it,
    ``"rollover"`` moves its indices to the start of the next pass.

    >>> list(BatchSampler(SequentialSampler(5), 2, "discard"))
    [[0, 1], [2, 3]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, last_batch: str = "keep") -> None:
        if last_batch not in _LAST_BATCH:
            known = ", ".join(map(repr, _LAST_BATCH))
            raise ValueError(f"last_batch must be one of {known}, not {last_batch!r}")
        self._batch_size = whole_number("batch_size", batch_size, "rows", least=1)
        self._sampler, self._last_batch = sampler, last_batch
        self._left_over: list[int] = []

    def __len__(self) -> int:
        if not isinstance(self._sampler, Sized):
            raise TypeError(f"{type(self._sampler).__name__} has no length, so its batches have none either")
        count = len(self._left_over) + len(self._sampler)
        return -(-count // self._batch_size) if self._last_batch == "keep" else count // self._batch_size

    def __iter__(self) -> Iterator[list[int]]:
        batch, self._left_over = self._left_over, []
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif self._last_batch == "rollover":
            self._left_over = batch
