"""Random number streams. Each draw uses a new stream, identified by the seed and a counter of draws."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

from lamina.core.state import call_each_step

__all__ = ["Source", "drawing_from", "seed", "source"]

_STREAMS = sys.maxsize
"""The number of values of the stream counter."""


class Source:
    """A source of random streams, with a seed and a counter of streams."""

    def __init__(self, seed: int = 0, stream: int = 0) -> None:
        self.lock = threading.RLock()  # a signal handler may draw while this thread holds the lock
        self.go_to(seed, stream)

    @property
    def seed(self) -> int:
        return self._at[0]

    def next_stream(self) -> int:
        with self.lock:
            return next(self._at[1])  # atomic under interrupts

    def position(self) -> tuple[int, int]:
        """The seed and the number of the next stream, which together determine all later draws."""
        with self.lock:
            seed, streams = self._at
            return seed, _STREAMS - length_hint(streams)

    def go_to(self, seed: int, stream: int) -> None:
        """Continue from `seed` and `stream`, an earlier `position`."""
        with self.lock:
            self._at = seed, iter(range(stream, _STREAMS))


source = Source()
"""The source that `seed` sets, shared by all threads except inside `drawing_from`."""


class _Chosen(threading.local):
    source: Source | None = None


_chosen = _Chosen()


@contextmanager
def drawing_from(own: Source) -> Generator[None]:
    """A context in which this thread draws from `own`; steps compiled inside draw from `own` later, too.

    A training run with a separate source is independent of random draws elsewhere, also in other threads.
    """
    before, _chosen.source = _chosen.source, own
    try:
        yield
    finally:
        _chosen.source = before


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Seed all random numbers; the same seed starts the same sequence of draws."""
    source.go_to(int(seed_state), 0)


def next_stream() -> tuple[float, float]:
    """The seed and an unused stream number; in a compiled step, new values at each call."""
    drawn = _chosen.source or source
    return call_each_step(lambda: drawn.seed, integer=True), call_each_step(drawn.next_stream, integer=True)
