"""Forks and signals wait for compilations to end, and for certain locks to be free.

Signals are handled between compilations too: a handler's operations must not be captured, nor may it
find half-imported modules of the compiler.

A compiling thread holds locks: Python's import locks, LLVM's, its function's. In a child process
forked meanwhile, no thread would ever release them.
"""

from __future__ import annotations

import os
import threading
import time

from lamina.core.interrupts import interrupts_later

_PATIENCE_SECONDS = 10.0
_threads: list[int] = []  # identifiers of compiling threads, once for each of their nested compilations
_locks: list[threading.RLock] = []


class compiling:  # noqa: N801 - used as `with compiling():`
    """A context that delays forks by other threads and signal handlers, except the default handler of Ctrl-C."""

    def __enter__(self) -> None:
        _threads.append(threading.get_ident())
        self._later = interrupts_later(but_ctrl_c=True)
        self._later.__enter__()

    def __exit__(self, *_exception: object) -> None:
        _threads.remove(threading.get_ident())
        self._later.__exit__()


def free_in_children(lock: threading.RLock) -> threading.RLock:
    """Register a lock that forking threads take first, so that no other thread holds it in the child."""
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
