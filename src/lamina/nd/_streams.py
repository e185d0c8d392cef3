"""The source of random numbers: a seed and the number of a stream, a new one for each draw."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

from lamina.core.state import call_each_step

__all__ = ["Source", "drawing_from", "next_stream", "seed", "source"]


_STREAMS = sys.maxsize
"""As many as there are."""


class Source:
    """The seed, and the number of the next stream."""

    def __init__(self, seed: int = 0, stream: int = 0) -> None:
        self.lock = threading.RLock()  # a signal's handler may draw while this thread holds it
        self.go_to(seed, stream)

    @property
    def seed(self) -> int:
        """The seed."""
        return self._at[0]

    def next_stream(self) -> int:
        with self.lock:
            return next(self._at[1])  # atomic under interrupts

    def position(self) -> tuple[int, int]:
        """The seed and the next stream: all that later numbers depend on."""
        with self.lock:
            seed, streams = self._at
            return seed, _STREAMS - length_hint(streams)

    def go_to(self, seed: int, stream: int) -> None:
        """Go on from a position."""
        with self.lock:
            self._at = seed, iter(range(stream, _STREAMS))


source = Source()
"""What `seed` sets: every thread draws from it, unless it is `drawing_from` another."""


class _Chosen(threading.local):
    source: Source | None = None


_chosen = _Chosen()


@contextmanager
def drawing_from(own: Source) -> Generator[None]:
    """Draw this thread's numbers from `own` inside; functions captured inside draw from it whenever they run.

    A training that draws from a source of its own neither disturbs others, in other threads too, nor is disturbed.
    """
    before, _chosen.source = _chosen.source, own
    try:
        yield
    finally:
        _chosen.source = before


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Start all random streams anew from this seed."""
    source.go_to(int(seed_state), 0)


def next_stream() -> tuple[float, float]:
    """The seed and a fresh stream: numbers that a compiled step asks for anew each time."""
    drawn = _chosen.source or source
    return call_each_step(lambda: drawn.seed, integer=True), call_each_step(drawn.next_stream, integer=True)
