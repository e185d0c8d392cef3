"""Turning deferred evaluation on and off."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from threading import get_ident
from typing import Any, Self

import numpy as np

from lamina.compiler.deferral._queue import DeferralQueue
from lamina.core.array import Value
from lamina.core.interrupts import compiling
from lamina.core.ownership import COUNTS_REFERENCES
from lamina.core.primitive import Immediate, Primitive, set_compilation
from lamina.core.state import Queue, flush_pending, pending, state


def start(thread: int) -> None:
    """Turn on deferral for the thread with this identifier, unless ``LAMINA_EAGER=1``.

    Operators of arrays on devices use the compiler even without deferral. Deferral needs a Python with reference
    counts, which show whether a result can still be read.
    """
    set_compilation(_evaluate_on_device, _kernel)
    if os.environ.get("LAMINA_EAGER", "0") != "0" or not COUNTS_REFERENCES:
        return
    queue = DeferralQueue()
    if thread == get_ident():
        state.queue = queue
    else:  # it imported lamina, and another thread is the first to use arrays
        state.queues[thread] = queue
    pending.flush = queue.end
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=flush_pending)


def _evaluate_on_device(*application: Any) -> Value:
    from lamina.compiler.single import evaluate_on_device

    return evaluate_on_device(*application)


_finding: set[int] = set()
"""Threads inside `_kernel`."""


def _kernel(primitive: Primitive, dtype: np.dtype, inputs: int) -> Callable[..., Any] | None:
    """The compiled code of a primitive; see `lamina.core.primitive.kernel`.

    The result is None also in a signal handler that interrupts this function, and during interpreter exit. NumPy is
    used then.
    """
    own = get_ident()
    if own in _finding or sys.is_finalizing() or os.environ.get("LAMINA_COMPILE", "1") == "0":
        return None
    with compiling():  # imports, too: a child that is forked meanwhile would wait for their locks for ever
        _finding.add(own)
        try:
            from lamina.compiler.cpu.eager import kernel

            return kernel(primitive, dtype, inputs)
        finally:
            _finding.discard(own)


class eager(ContextDecorator):  # noqa: N801 - used as `with lamina.eager():`
    """``with lamina.eager():`` computes each operator inside immediately, which helps to find numerical errors.

    ``@lamina.eager()`` does so for all calls of a function. Some operators round differently when compiled. Use this
    where results must have the same bits whatever was executed before, as in lamina's own training.

    >>> import lamina
    >>> from lamina import nd
    >>> with lamina.eager():
    ...     x = nd.ones((2,)) + 1
    >>> x.asnumpy()
    array([2., 2.], dtype=float32)
    """

    def __init__(self) -> None:
        self._saved: list[Queue | None] = []

    def _recreate_cm(self) -> Self:
        return type(self)()  # one for each call, since threads may call the function at the same time

    def __enter__(self) -> None:
        flush_pending()
        self._saved.append(state.queue)
        if state.queue is not None and not state.queue.is_immediate:
            state.queue = None

    def __exit__(self, *_exception: object) -> None:
        state.queue = self._saved.pop()


class by_numpy(eager):  # noqa: N801 - as `eager`
    """As `eager`, but by NumPy alone, without gradients: for computations that would take less time than compiling."""

    def __enter__(self) -> None:
        super().__enter__()
        if state.queue is None:
            state.queue = Immediate()
