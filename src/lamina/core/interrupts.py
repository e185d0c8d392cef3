"""Deferral of signals, such as Ctrl-C's, until a computation that must not be interrupted has ended."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat, starmap
from operator import call
from typing import Any

_get_handler: Any = _signal.getsignal
_set_handler: Any = _signal.signal
"""The C functions behind `signal`'s, which save several microseconds per step: they don't convert to enumerations."""

_exhaust = deque[Any](maxlen=0).extend
"""Consume an iterator without executing a bytecode in between."""

_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
)
"""The signals whose Python handlers may raise or read arrays."""


class interrupts_later:  # noqa: N801 - used as `with interrupts_later():`
    """A context that runs signals' handlers at its end; with `but_ctrl_c`, Ctrl-C still raises immediately."""

    def __init__(self, *, but_ctrl_c: bool = False) -> None:
        self._but_ctrl_c = but_ctrl_c
        self._handlers: list[tuple[int, Any]] = []
        self._noted: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._handlers = [
            (number, handler)
            for number in _SIGNALS
            if callable(handler := _get_handler(number))
            and not (self._but_ctrl_c and handler is signal.default_int_handler)
        ]
        try:
            _exhaust(map(_set_handler, dict(self._handlers), repeat(self._note)))
        except BaseException:  # raised by a handler that is not replaced yet
            self._restore()
            raise

    def __exit__(self, *_exception: object) -> None:
        self._restore()
        handlers = dict(self._handlers)
        for number, frame in self._noted.items():
            handlers[number](number, frame)

    def _restore(self) -> None:
        """Restore all signal handlers, even if up to two of the restored handlers raise meanwhile.

        Each attempt is a single call instead of a loop, since Python checks for signals in each iteration of a loop (in
        3.13 outside any `try`).
        """
        try:
            _exhaust(starmap(_set_handler, self._handlers))
        except BaseException:
            try:
                _exhaust(starmap(_set_handler, self._handlers))
            finally:
                _exhaust(starmap(_set_handler, self._handlers))
            raise

    def _note(self, number: int, frame: Any) -> None:
        self._noted[number] = frame


# --- Changes that are atomic under interrupts: made completely or not at all -----------------------------------------
#
# Between any two bytecodes Python may run something else on the same thread: a signal's handler, ``__del__`` of what
# the collector found, a weak reference's callback, a debugger's function. A lock does not prevent this, since the same
# thread holds it already. So the code that runs in between must be able to complete or redo half-done work, and the
# interrupted code must notice this.
#
# So a visible change is first prepared as a list of calls of C functions. A single bytecode executes all of them
# (`make`). Until then another caller can take the turn; then nothing is executed, and the first caller starts again.


Change = tuple[Any, ...]
"""A C function and its arguments, such as ``(setattr, owner, name, value)`` or ``(setitem, items, key, value)``.

The call must not run Python code. A tuple, since making a `functools.partial` takes ten times as long.
"""


def make(changes: Iterator[Change]) -> list[Any]:
    """Execute the calls and return their results, or return [] if another caller has taken the turn (see `Turn`)."""
    return list(starmap(call, changes))


class Turn:
    """An exclusive right to make changes, which belongs to the last caller of `take` until `close` is called."""

    __slots__ = ("_changes", "is_closed")

    def __init__(self) -> None:
        self._changes: Iterator[Change] = iter(())
        self.is_closed = False

    def take(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Take the turn and return an iterator over `changes` for `make`. The previous owner's changes are dropped.

        The list `changes` may be filled after this call. State that is read after this call is still valid when
        `make` executes the changes: other code that changes it must take the turn, and then `make` executes nothing.
        """
        list(self._changes)
        self._changes = own = iter(changes)
        if self.is_closed:
            list(own)
        return own

    def close(self) -> None:
        """End the turn for all callers; no further changes are executed."""
        self.is_closed = True
        list(self._changes)


# --- Forks and signals wait for compilations to end, and for certain locks to be free --------------------------------
#
# Signals are handled only between compilations: a handler's operations must not be captured, nor may a handler find
# half-imported modules of the compiler.
#
# A compiling thread holds locks: Python's import locks, LLVM's, its function's. In a child process
# forked meanwhile, no thread would ever release them.


_PATIENCE_SECONDS = 10.0
_threads: list[int] = []  # identifiers of compiling threads, once for each of their nested compilations
_locks: list[threading.RLock] = []


class compiling:  # noqa: N801 - used as `with compiling():`
    """A context that delays other threads' forks and all signal handlers, except Ctrl-C's default handler."""

    def __enter__(self) -> None:
        _threads.append(threading.get_ident())
        self._later = interrupts_later(but_ctrl_c=True)
        self._later.__enter__()

    def __exit__(self, *_exception: object) -> None:
        _threads.remove(threading.get_ident())
        self._later.__exit__()


def free_in_children(lock: threading.RLock) -> threading.RLock:
    """Register a lock to be acquired before each fork, so that no other thread holds it in the child process."""
    _locks.append(lock)
    return lock


def _before() -> None:
    own, end = threading.get_ident(), time.monotonic() + _PATIENCE_SECONDS
    while any(thread != own for thread in _threads) and time.monotonic() < end:
        time.sleep(0.001)
    for lock in _locks:
        lock.acquire()


def _in_parent() -> None:
    for lock in _locks:
        lock.release()


def _in_child() -> None:
    own = threading.get_ident()
    _threads[:] = [thread for thread in _threads if thread == own]
    _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
