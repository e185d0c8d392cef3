"""`DataLoader`, which makes mini-batches of a data set, optionally shuffled and prefetched by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any
from weakref import finalize

import numpy as np

from lamina.core.array import Facade
from lamina.core.state import mark_step
from lamina.errors import DataError, ShapeError
from lamina.gluon.data.dataset import draw
from lamina.gluon.data.deferred import gather
from lamina.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from lamina.nd import NDArray, array, stack
from lamina.nd.facade import plain, presented
from lamina.support.argument_checks import answering, check_numbers, is_number
from lamina.support.foreign_names import LOADERS_ARGUMENTS
from lamina.support.messages import in_a_line

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]


@answering(LOADERS_ARGUMENTS)
class DataLoader:
    """Mini-batches of a data set; each iteration over the loader is a pass over the data set.

    With the default `batchify_fn` a batch of tuples ``(data, label)`` is a list of two arrays, with the samples along
    axis 0 and in the data set's dtype. A batch of dictionaries is a dictionary of arrays; see `default_batchify_fn`.

    Args:
        dataset: a `Dataset`, or any object with ``len(dataset)`` and ``dataset[i]``.
        batch_size: samples per batch.
        shuffle: whether each pass has a new random order, seeded as in `RandomSampler`.
        sampler: an iterable of the samples' indices, to replace `shuffle`.
        last_batch: the treatment of a last, smaller batch: ``"keep"`` (default), ``"discard"``, or ``"rollover"``,
            which moves its samples to the next pass.
        batch_sampler: an iterable of lists of indices, to replace `batch_size`, `shuffle`, `sampler` and `last_batch`.
        batchify_fn: a function that makes a batch from a list of samples.
        num_workers: the number of threads that prepare batches ahead. The order of batches stays the same, but with
            more than one thread, random numbers in a transform are drawn in an order that depends on timing.
        prefetch: the number of batches to prepare ahead, by default twice `num_workers`.
        timeout: the longest wait for a batch from a worker, in seconds.
        auto_reload: whether workers start the next pass as soon as a pass ends. `refresh` starts a pass immediately,
            and `clean` discards prepared batches.
        pin_memory, pin_device_id, thread_pool, try_nopython: MXNet's arguments; accepted and ignored.

    >>> from lamina import gluon, nd
    >>> data = gluon.data.ArrayDataset(nd.arange(6).reshape((3, 2)), [7, 8, 9])
    >>> [label.asnumpy().tolist() for x, label in DataLoader(data, batch_size=2)]
    [[7, 8], [9]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        last_batch: str | None = None,
        batch_sampler: Iterable[Iterable[int]] | None = None,
        batchify_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        prefetch: int | None = None,
        thread_pool: bool = False,
        timeout: float = 120,
        auto_reload: bool = False,
        try_nopython: bool | None = None,
    ) -> None:
        self._dataset = dataset
        check_numbers(timeout=timeout)
        if not timeout > 0:
            raise ValueError(f"DataLoader: timeout must be positive, given {timeout}")
        if batch_sampler is None:
            batch_sampler = _batch_sampler(dataset, batch_size, shuffle, sampler, last_batch)
        elif batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            raise ValueError(
                "DataLoader: batch_sampler makes the batches; don't pass batch_size, shuffle, sampler or last_batch too"
            )
        self._batch_sampler = batch_sampler
        self._batchify = batchify_fn or default_batchify_fn
        if not (isinstance(num_workers, bool) or is_number(num_workers)) or num_workers % 1:
            raise ValueError(
                f"DataLoader: num_workers is the number of threads that prepare batches, not {in_a_line(num_workers)}"
            )
        self._workers = max(0, int(num_workers))
        if prefetch is not None:
            check_numbers(prefetch=prefetch)
        self._prefetch = max(1, 2 * self._workers if prefetch is None else int(prefetch))
        self._timeout = timeout
        self._prepared: Iterator[Any] | None = None
        self.auto_reload = auto_reload
        if auto_reload:
            self.refresh()

    def __len__(self) -> int:
        if not isinstance(self._batch_sampler, Sized):
            raise TypeError(f"{type(self._batch_sampler).__name__} has no length, so the DataLoader has none")
        return len(self._batch_sampler)

    def refresh(self) -> None:
        """Start preparing the next pass now; its first batches are then ready when the pass begins."""
        self._prepared = self._pass()

    def clean(self) -> None:
        """Discard the batches that workers have prepared since `refresh`."""
        self._prepared = None

    def __iter__(self) -> Iterator[Any]:
        prepared, self._prepared = self._prepared, None
        batches = self._pass() if prepared is None else prepared
        return self._reloading(batches) if self.auto_reload else batches

    def _reloading(self, batches: Iterator[Any]) -> Iterator[Any]:
        yield from batches
        if self._prepared is None:
            self.refresh()

    def _pass(self) -> Iterator[Any]:
        if self._workers == 0:
            return map(self._batch, self._batch_sampler)
        return self._prefetched()

    def _batch(self, indices: Iterable[int]) -> Any:
        mark_step()
        return self._batchify(list(draw(self._dataset, indices)))

    def _prefetched(self) -> Iterator[Any]:
        """An iterator over the batches of a pass, whose first batches worker threads begin to prepare at once."""
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="lamina-data")
        indices = iter(self._batch_sampler)
        ahead = deque(pool.submit(self._batch, each) for each in islice(indices, self._prefetch))
        # A prepared pass may never be iterated.
        finalize(ahead, pool.shutdown, wait=False, cancel_futures=True)
        return self._arriving(pool, indices, ahead)

    def _arriving(
        self, pool: ThreadPoolExecutor, indices: Iterator[Iterable[int]], ahead: deque[Future[Any]]
    ) -> Iterator[Any]:
        try:
            for each in indices:
                ahead.append(pool.submit(self._batch, each))
                yield self._result(ahead.popleft())
            while ahead:
                yield self._result(ahead.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _result(self, batch: Future[Any]) -> Any:
        mark_step()
        try:
            return batch.result(self._timeout)
        except TimeoutError:
            if batch.done():  # a TimeoutError of the transform
                raise
            raise DataError(
                f"DataLoader: a worker needed more than {self._timeout} s for a batch; "
                "a transform or a file system may hang; otherwise pass a larger timeout"
            ) from None


def _batch_sampler(
    dataset: Any, batch_size: int | None, shuffle: bool, sampler: Iterable[int] | None, last_batch: str | None
) -> BatchSampler:
    if batch_size is None:
        raise ValueError("DataLoader: pass batch_size, or a batch_sampler")
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: shuffle must be False when a sampler is given")
    if sampler is None:
        if not isinstance(dataset, Sized):
            raise TypeError(
                f"DataLoader: a data set needs __len__ and __getitem__, as in gluon.data.ArrayDataset(x, y); "
                f"{type(dataset).__name__} has no length"
            )
        sampler = (RandomSampler if shuffle else SequentialSampler)(len(dataset))
    return BatchSampler(sampler, batch_size, last_batch or "keep")


# --- joining samples into a batch -------------------------------------------------------------------------------------


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """Stack samples along a new axis 0, in the samples' dtype, to make a mini-batch.

    Tuples are stacked item by item into a list, named tuples into a named tuple of the same type, and dictionaries key
    by key into a dictionary, at any depth of nesting. Strings become a list of strings.

    Raises:
        ShapeError: samples differ in shape.
        DataError: dictionaries differ in their keys, or tuples in length.

    >>> images, labels = default_batchify_fn([(np.zeros(2), 1), (np.ones(2), 0)])
    >>> images.shape, labels.asnumpy()
    ((2, 2), array([1, 0]))
    >>> batch = default_batchify_fn([{"x": np.zeros(2), "id": "a"}, {"x": np.ones(2), "id": "b"}])
    >>> batch["x"].shape, batch["id"]
    ((2, 2), ['a', 'b'])
    """
    first = data[0]
    if isinstance(first, NDArray | Facade):
        rows = [plain(row) for row in data]
        batch = gather(rows)
        return presented(_stacked(rows) if batch is None else batch)
    if isinstance(first, tuple):
        try:
            parts = [default_batchify_fn(part) for part in list(zip(*data, strict=True))]
        except (TypeError, ValueError):
            _require_alike(data, tuple, len, "number of items")
            raise
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    if isinstance(first, Mapping):
        _require_alike(data, Mapping, set, "keys")
        return {key: default_batchify_fn([sample[key] for sample in data]) for key in first}
    if isinstance(first, str | bytes):
        return list(data)
    try:
        numbers = np.asarray(data)
    except ValueError:
        raise _do_not_stack([np.shape(sample) for sample in data]) from None
    return presented(array(numbers, dtype=numbers.dtype))


default_mp_batchify_fn = default_batchify_fn
"""MXNet's name for the function that worker processes call."""


def _require_alike(samples: Sequence[Any], kind: type, form: Callable[[Any], Any], what: str) -> None:
    """Raise `DataError` unless all samples have type `kind` and the same ``form(sample)``.

    The message shows the first sample that differs; `what` names the form in the message.
    """
    for place, sample in enumerate(samples):
        if not isinstance(sample, kind) or form(sample) != form(samples[0]):
            raise DataError(
                f"DataLoader: sample {place} of a batch is {in_a_line(sample)}, but sample 0 is "
                f"{in_a_line(samples[0])}; give all samples the same {what}, or pass a batchify_fn of your own"
            )


def _stacked(rows: Sequence[NDArray]) -> NDArray:
    shapes = [row.shape for row in rows]
    if len(set(shapes)) != 1:
        raise _do_not_stack(shapes)
    return stack(*rows, axis=0)


def _do_not_stack(shapes: Sequence[tuple[int, ...]]) -> ShapeError:
    found = ", ".join(map(str, sorted(set(shapes))))
    return ShapeError(
        f"DataLoader: samples of shapes {found} do not stack into one batch; "
        "give them one shape in the data set's transform, or pass a batchify_fn of your own"
    )
