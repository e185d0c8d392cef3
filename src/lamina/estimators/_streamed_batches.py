"""Batches of rows from a file, with one window of rows in memory and the next being read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from lamina import nd
from lamina.nd.ndarray import NDArray
from lamina.table.stream.cache import EncodedRows

__all__ = ["StreamedBatches"]


class StreamedBatches:
    """Batches for members that train on the rows of a `RowCache` or similar.

    Each epoch reads the groups in a new random order. One window of groups is in memory at a time, and each member
    takes its rows in its own random order; leftover rows join the next window. The order depends only on the
    cache and the generator, not on available memory or disk speed.

    Args:
        cache: the rows.
        members: the number of jointly trained members.
    """

    def __init__(self, cache: EncodedRows, members: int) -> None:
        self.rows = cache.rows
        self._cache, self._members = cache, members
        self._window = cache.layout.window // cache.layout.group  # groups
        self._buffers: list[_Buffer] = []

    def fingerprints(self) -> list[str]:
        """The digest of the cache."""
        return [self._cache.digest]

    def epoch(
        self, rng: np.random.Generator, batch: int, drop_last: bool
    ) -> Iterator[tuple[np.ndarray, Sequence[NDArray]]]:
        """See `Batches`."""
        order = rng.permutation(self._cache.groups)
        windows = [order[i : i + self._window] for i in range(0, len(order), self._window)]
        buffers = self._ready_buffers(batch, len(windows))
        left = [np.empty(0, np.int32)] * self._members  # rows of the window before that no batch took
        is_first = True
        with ThreadPoolExecutor(1, "lamina-read") as reader:
            ahead = self._read(reader, buffers[0], windows[0])
            for i, window in enumerate(windows):
                buffer, before = buffers[i % 2], buffers[(i + 1) % 2]
                rows = ahead.result()
                own = [np.arange(rows, dtype=np.int32) for _ in left]
                for j, some in enumerate(left):
                    own[j] = np.concatenate([buffer.take(before, some, j), own[j]])
                    rng.shuffle(own[j])
                if i + 1 < len(windows):
                    ahead = self._read(reader, before, windows[i + 1])
                whole = len(own[0]) // batch * batch
                if whole:
                    is_first = False
                    yield np.concatenate([x[:whole].reshape(-1, batch) for x in own], axis=1), buffer.arrays
                left = [x[whole:] for x in own]
                if len(window) and i + 1 == len(windows) and len(left[0]) and (is_first or not drop_last):
                    yield np.concatenate(left).reshape(1, -1), buffer.arrays

    def _read(self, reader: ThreadPoolExecutor, buffer: _Buffer, window: np.ndarray) -> Future[int]:
        return reader.submit(self._cache.read, window.tolist(), buffer.content)

    def _ready_buffers(self, batch: int, windows: int) -> list[_Buffer]:
        """One buffer if a window holds all rows, otherwise two."""
        if not self._buffers:
            rows = min(self._cache.layout.window, self.rows)
            count = min(windows, 2)
            self._buffers = [_Buffer(self._cache, rows, batch, self._members) for _ in range(count)]
        return [self._buffers[0], self._buffers[-1]]


class _Buffer:
    """Memory for a window, followed by each member's leftover rows of the previous one, less than a batch."""

    def __init__(self, cache: EncodedRows, rows: int, batch: int, members: int) -> None:
        self._rows, self._batch = rows, batch
        self.content = cache.layout.arrays(rows + batch * members)
        self.arrays = [nd.from_numpy(x) for x in self.content if x.shape[-1]]

    def take(self, other: _Buffer, rows: np.ndarray, member: int) -> np.ndarray:
        """Copy a member's rows from another buffer; return their positions in this one, int32."""
        begin = self._rows + member * self._batch
        for own, source in zip(self.content, other.content, strict=True):
            own[begin : begin + len(rows)] = source[rows]
        return np.arange(begin, begin + len(rows), dtype=np.int32)
