"""Measures how a command's time is distributed over its activities, for ``lamina --timings COMMAND``.

While measuring is off, each `timed` context costs only a function call.
"""

from __future__ import annotations

import builtins
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_STARTING, _OTHER = "starting Python and lamina", "everything else"
_seconds: Counter[str] = Counter()
_notes: Counter[str] = Counter()
_inside = [_OTHER]
"""The main thread's nested activities, outermost first. Each second counts only for the innermost."""
_since: list[float] = []
"""The last reading of the clock; empty until `begin`."""


def begin(started: float) -> None:
    """Start measuring; `started` is the time when the process started, on the clock of `time.perf_counter`."""
    _since[:] = [started]
    _pass_to(_STARTING)
    imported = builtins.__import__

    def timed_import(*arguments: Any, **more: Any) -> Any:
        with timed("importing"):
            return imported(*arguments, **more)

    builtins.__import__ = timed_import


def _pass_to(name: str) -> None:
    """Add the seconds since the last call of this function to the time of `name`."""
    now = time.perf_counter()
    _seconds[name] += now - _since[0]  # pyright: ignore[reportArgumentType] - seconds
    _since[0] = now


class timed:  # noqa: N801 - used as `with timed("reading"):` and `@timed("reading")`
    """A context whose duration on the main thread is added to `name`, minus the duration of inner `timed` contexts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts = False

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*arguments: P.args, **more: P.kwargs) -> T:
            if not _since:
                return function(*arguments, **more)
            with timed(self._name):
                return function(*arguments, **more)

        return run

    def __enter__(self) -> None:
        self._counts = bool(_since) and threading.current_thread() is threading.main_thread()
        if self._counts:
            _pass_to(_inside[-1])
            _inside.append(self._name)

    def __exit__(self, *_exception: object) -> None:
        if self._counts:
            _pass_to(_inside.pop())


def timed_parts(name: str) -> Callable[[Callable[P, Generator[T]]], Callable[P, Generator[T]]]:
    """A decorator of generator functions that adds the time for computing each item to `name`."""

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
    """Count an event that helps to explain the times, such as "kernels compiled" or "kernels from the cache"."""
    if _since:
        _notes[what] += 1


def report() -> str:
    """The total time and the time of each activity as text, the longest first; "" before `begin`."""
    if not _since:
        return ""
    _pass_to(_OTHER)
    lines = [f"  {seconds:7.3f} s  {name}" for name, seconds in _seconds.most_common()]
    notes = ", ".join(f"{what}: {count}" for what, count in sorted(_notes.items()))
    whole = f"{sum(_seconds.values()):9.3f} s  in all"
    return "\n".join([whole, *lines, *([notes] if notes else [])])
