"""What the current thread is doing: recording a tape, training, tracing for the compiler."""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lamina.core.denormals import Saved, flush_denormals, restore_denormals

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.core.array import Array, Value
    from lamina.core.primitive import Operand, Primitive

__all__ = ["Mode", "Trace", "call_each_step", "concrete", "is_silent", "state"]


class Trace(Protocol):
    """What `bind` and the arrays ask of a trace; `lamina.compiler.front._capture` provides the one implementation."""

    def bind(
        self, primitive: Primitive, inputs: tuple[Operand, ...], params: dict[str, object]
    ) -> tuple[Value, ...]:
        """Add a node for this primitive to the graph; return its values."""
        ...

    def value(self, array: Array) -> Value:
        """The graph value that this array holds at this point of the trace."""
        ...

    def assign(self, array: Array, value: Array) -> None:
        """From here on, `array` holds what `value` holds now."""
        ...

    def call_each_step(self, function: Callable[[], float], integer: bool) -> float:
        """A number that Python computes anew before every step."""
        ...

    def uses_gradient(self, array: Array) -> None:
        """Remember that it matters which gradient is attached to `array`."""
        ...

    def source(self, array: Array, getter: Callable[[], Array]) -> None:
        """Remember where `array` was found, so that its replacement is noticed."""
        ...


is_silent = ContextVar("is silent", default=False)
"""Whether NumPy's floating-point warnings are off because this is called by what `_State.silently` calls."""


class _State(threading.local):
    recording: bool = False
    training: bool = False
    trace: Trace | None = None

    def __init__(self) -> None:
        context = copy_context()
        context.run(np.seterr, all="ignore")
        context.run(is_silent.set, True)
        self.silently: Callable[..., Any] = context.run
        """``silently(function, *args)``: the call, with NumPy's floating-point warnings off.

        NumPy keeps its error handling in a context variable. Entering a context in which it is off takes a twentieth
        of the time of ``with np.errstate(...)``. A context can't be entered twice, so each thread has its own.
        """


state = _State()


class Mode:
    """A context manager that sets recording and training inside; None leaves one as it is.

    Inside a mode that sets recording, which is what training happens in, denormals are flushed to zero.
    """

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._recording, self._training = recording, training
        self._saved: list[tuple[bool, bool, Saved]] = []

    def __enter__(self) -> None:
        saved = None if self._recording is None else flush_denormals()
        self._saved.append((state.recording, state.training, saved))
        if self._recording is not None:
            state.recording = self._recording
        if self._training is not None:
            state.training = self._training

    def __exit__(self, *_exception: object) -> None:
        state.recording, state.training, saved = self._saved.pop()
        restore_denormals(saved)


class concrete:  # noqa: N801 - used as `with concrete():`
    """Suspend tracing and recording: what runs inside runs now, once, on real buffers.

    For state that is made on the way (a parameter initialized on the first forward, an optimizer's momenta).
    """

    def __enter__(self) -> None:
        self._saved = (state.trace, state.recording)
        state.trace, state.recording = None, False

    def __exit__(self, *_exception: object) -> None:
        state.trace, state.recording = self._saved


def call_each_step(function: Callable[[], float], *, integer: bool = False) -> float:
    """A number that Python computes anew at each step: a scheduled learning rate, a step count.

    Eagerly this is `function()`. Inside `lamina.compile` the compiled step calls `function` before each of its
    runs, so the number may change (and the function may count) without a recompilation.
    """
    if state.trace is None:
        return function()
    return state.trace.call_each_step(function, integer)
