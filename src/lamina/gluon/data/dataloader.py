"""`DataLoader`, which makes mini-batches of a data set, optionally shuffled and prefetched by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from itertools import islice
from typing import Any
from weakref import finalize

from lamina.core.state import mark_step
from lamina.errors import DataError
from lamina.gluon.data.batchify import default_batchify_fn
from lamina.gluon.data.dataset import draw
from lamina.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from lamina.support.argument_checks import answering, check_numbers, is_number
from lamina.support.foreign_names import LOADERS_ARGUMENTS
from lamina.support.messages import in_a_line

__all__ = ["DataLoader"]


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
        except FutureTimeoutError:
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
