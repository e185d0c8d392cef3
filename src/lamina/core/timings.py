"""Where a command's time goes: ``lamina --timings COMMAND``. Off, each `timed` costs a function call."""

from __future__ import annotations

import builtins
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["begin", "noted", "report", "timed", "timed_parts"]

P = ParamSpec("P")
T = TypeVar("T")

_STARTING, _OTHER = "starting Python and lamina", "everything else"
_seconds: Counter[str] = Counter()
_notes: Counter[str] = Counter()
_inside = [_OTHER]
"""What the main thread is at: each second is counted once, for the last of these. Empty by `begin` alone."""
_since: list[float] = []
"""When that was noted last; nothing, where nobody wants to know."""


def begin(started: float) -> None:
    """Count from now on; `started`: when the process was, by `time.perf_counter`."""
    _since[:] = [started]
    _pass_to(_STARTING)
    imported = builtins.__import__

    def timed_import(*arguments: Any, **more: Any) -> Any:
        with timed("importing"):
            return imported(*arguments, **more)

    builtins.__import__ = timed_import


def _pass_to(name: str) -> None:
    """The seconds since this was last called are this one's."""
    now = time.perf_counter()
    _seconds[name] += now - _since[0]  # pyright: ignore[reportArgumentType] - seconds
    _since[0] = now


@contextmanager
def timed(name: str) -> Generator[None]:
    """The time inside is that of `name`, but for what is timed inside by another name. Of the main thread only."""
    if not _since or threading.current_thread() is not threading.main_thread():
        yield
        return
    _pass_to(_inside[-1])
    _inside.append(name)
    try:
        yield
    finally:
        _pass_to(_inside.pop())


def timed_parts(name: str) -> Callable[[Callable[P, Generator[T]]], Callable[P, Generator[T]]]:
    """For a generator function: the time that each part takes is that of `name`."""

    def decorate(make: Callable[P, Generator[T]]) -> Callable[P, Generator[T]]:
        @wraps(make)
        def run(*arguments: P.args, **more: P.kwargs) -> Generator[T]:
            end: Any = object()
            with closing(make(*arguments, **more)) as parts:
                while True:
                    with timed(name):
                        part = next(parts, end)
                    if part is end:
                        return
                    yield part

        return run

    return decorate


def noted(what: str) -> None:
    """Count something that explains the times: "kernels compiled", "kernels from the cache"."""
    if _since:
        _notes[what] += 1


def report() -> str:
    """A line for each name, the longest first, whose seconds add up to the first line's; "" before `begin`."""
    if not _since:
        return ""
    _pass_to(_OTHER)
    lines = [f"  {seconds:7.3f} s  {name}" for name, seconds in _seconds.most_common()]
    notes = [f"{what}: {count}" for what, count in sorted(_notes.items())]
    return "\n".join(
        [f"{sum(_seconds.values()):9.3f} s  in all", *lines, *([", ".join(notes)] if notes else [])]
    )
