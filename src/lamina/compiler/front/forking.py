"""A process is forked between compilations, not during one.

A thread that compiles holds locks: Python's of the modules that it imports, LLVM's, its function's. In a child that is
forked meanwhile nobody would ever release them.
"""

from __future__ import annotations

import os
import threading
import time

__all__ = ["HOLDING", "compiling"]

_PATIENCE_SECONDS = 10.0
_threads: list[int] = []  # that compile now; twice, if one compilation is inside another


HOLDING = threading.RLock()
"""Taken while arrays are held or given back, and while a step that holds arrays runs (see `holding`).

One for all steps: a step that meets an array which another one holds has it given back, and with a lock each they could
wait for each other.
"""


class compiling:  # noqa: N801 - used as `with compiling():`
    """Inside, other threads that fork wait for this one."""

    def __enter__(self) -> None:
        _threads.append(threading.get_ident())

    def __exit__(self, *_exception: object) -> None:
        _threads.remove(threading.get_ident())


def _before() -> None:
    own, end = threading.get_ident(), time.monotonic() + _PATIENCE_SECONDS
    while any(thread != own for thread in _threads) and time.monotonic() < end:
        time.sleep(0.001)
    HOLDING.acquire()


def _in_child() -> None:
    own = threading.get_ident()
    _threads[:] = [thread for thread in _threads if thread == own]
    HOLDING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=HOLDING.release, after_in_child=_in_child)
