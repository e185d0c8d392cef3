"""The current thread's state: whether it records, trains, traces or defers operators."""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from lamina.core.denormals import Saved, flush_denormals, restore_denormals
from lamina.core.interrupts import Turn, free_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.core.array import Array, UserArray, Value
    from lamina.core.precision import Precision
    from lamina.core.primitive import Operand, Primitive


class Trace(Protocol):
    """The interface of a trace for `bind` and arrays; `lamina.compiler.front._capture` implements it."""

    def bind(self, primitive: Primitive, inputs: tuple[Operand, ...], params: dict[str, object]) -> Value:
        """Add a node for a primitive to the graph; returns the value of its result."""
        ...

    def value(self, array: Array) -> Value:
        """The graph value that `array` has at the current point of the trace."""
        ...

    def assign(self, array: Array, value: Array) -> None:
        """Set the graph value of `array` to the current value of `value`."""

    def call_each_step(self, function: Callable[[], float], integer: bool) -> float:
        """A placeholder for the result of `function`, which the compiled step calls before each execution."""
        ...

    def after_run(self, function: Callable[[], None]) -> None:
        """Register a function to call after each execution of the compiled step."""

    def uses_gradient(self, array: Array) -> None:
        """Record that the trace depends on the gradient attached to `array`."""

    def note_labels(self, label: object, classes: int, who: str) -> None:
        """Record that an argument contains class numbers, to be checked whenever the compiled step runs."""

    def source(self, array: Array, owner: Any, name: str, position: int) -> None:
        """Record that `array` is at this position of the owner's list `name`, to notice its replacement later."""


class Queue(Protocol):
    """The interface of the queue of deferred operators; `lamina.compiler.deferral` implements it."""

    is_immediate: bool = False
    """Whether each operator is computed at once, so that evaluation is eager."""
    asleep: int = 0
    """The number of further operators that run immediately, before the queue defers operators again."""
    current: Any
    """The sequence of events that is being recorded. Its `next` is the expected next event, or None. The event's
    function ``note(event, current, primitive, inputs, params)`` records an operator and returns its pending result, or
    None if the operator is not this event; `bind` is called then."""

    def bind(self, primitive: Primitive, inputs: tuple[Operand, ...], params: dict[str, object]) -> UserArray:
        """The result of a primitive, computed or pending."""

    def write(self, array: Array, value: Array) -> bool:
        """Defer the copying of `value`'s contents into `array`; returns False if the caller must copy them now."""
        return False

    def backward(self, heads: Sequence[Array], head_grads: Sequence[Array], retain_graph: bool) -> bool:
        """Defer a whole backward pass over the tape; returns False if the caller must execute it now."""
        return False

    def look(self, array: Array) -> None:
        """Prepare for reading values of `array`; callers must call this before each read."""

    def mark(self, *, recording: bool = False) -> None:
        """Record that a training step may begin here: a batch is fetched, or gradient `recording` begins."""


class _Pending:
    """The process-wide state of deferral: whether arrays are pending, and the function that computes them.

    ``lock`` is held while pending arrays are computed, and while contents stored by compiled steps are used or
    returned. Both use the same lock, since each may lead to the other, and two locks could deadlock.
    """

    __slots__ = ("flush", "is_open", "lock")

    def __init__(self) -> None:
        self.is_open = False
        self.lock = free_in_children(threading.RLock())
        self.flush: Callable[[], None] = lambda: None


pending = _Pending()


def flush_pending() -> None:
    """Compute all pending arrays; called before memory is exported or changed outside the queue."""
    if pending.is_open:
        pending.flush()


def wait_for_pending() -> None:
    """Wait until no other thread is computing pending arrays, so that contents can be read."""
    with pending.lock:
        pass


is_silent = ContextVar("is silent", default=False)
"""Whether NumPy's floating-point warnings are off, inside a call of `_State.silently`."""


class _State(threading.local):
    recording: bool = False
    training: bool = False
    trace: Trace | None = None
    queue: Queue | None = None
    runs_as_written: bool = False
    """Whether compiled functions run as plain Python: inside another compiled function, or during anomaly detection."""
    products: tuple[Precision, bool] = ("float32", False)
    """The precision and the `independent_rows` of the compiled function whose operators are being recorded."""
    queues: ClassVar[dict[int, Queue]] = {}
    """The queues for threads that do not have a state yet, by thread identifier."""

    def __init__(self) -> None:
        self.queue = self.queues.pop(threading.get_ident(), None)
        self.turn = Turn()
        """Taken by code that moves arrays' contents. If a signal's handler then runs a compiled step, the interrupted
        code notices that it has lost the turn, and looks up the contents again."""
        context = copy_context()
        context.run(np.seterr, all="ignore")
        context.run(is_silent.set, True)
        self.silently: Callable[..., Any] = context.run
        """``silently(function, *args)``: call a function with NumPy's floating-point warnings off.

        NumPy keeps its error handling in a context variable. Entering a context in which it is off takes a twentieth
        of the time of ``with np.errstate(...)``. A context can't be entered twice, so each thread has its own.
        """


state = _State()


class Mode:
    """A context that sets recording and training mode (None: unchanged). While recording, denormals are flushed."""

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._recording = None if recording is None else bool(recording)
        self._training = None if training is None else bool(training)
        self._saved: list[tuple[bool, bool, Saved]] = []

    def __enter__(self) -> None:
        if self._recording and not state.recording and state.queue is not None:
            state.queue.mark(recording=True)
        saved = None if self._recording is None else flush_denormals()
        try:
            self._saved.append((state.recording, state.training, saved))
        except BaseException:  # an interrupt, which may come at any call
            restore_denormals(saved)
            raise
        if self._recording is not None:
            state.recording = self._recording
        if self._training is not None:
            state.training = self._training

    def __exit__(self, *_exception: object) -> None:
        state.recording, state.training, saved = self._saved[-1]
        restore_denormals(saved)
        self._saved.pop()


class traced_by:  # noqa: N801 - used as `with traced_by(trace):`
    """A context in which only `trace` records operators; with None, operators run eagerly."""

    def __init__(self, trace: Trace | None) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        self._saved = (state.trace, state.queue, state.recording)
        state.trace, state.queue, state.recording = self._trace, None, False
        if self._trace is not None:  # so that `concrete`, which each deferred step enters, stays cheap
            self._ran_as_written, state.runs_as_written = state.runs_as_written, True

    def __exit__(self, *_exception: object) -> None:
        state.trace, state.queue, state.recording = self._saved
        if self._trace is not None:
            state.runs_as_written = self._ran_as_written


def concrete() -> traced_by:
    """A context without tracing, deferring and recording: operators run immediately, once, on real buffers.

    It serves to create state during a trace, such as a deferred parameter or an optimizer's momenta. If a signal's
    handler raises an error at the start of `__exit__`, tracing, deferring and recording stay suspended. Where
    interrupts are frequent, use this context inside `interrupts_later`.
    """
    return traced_by(None)


def mark_step() -> None:
    """Record that a training step may begin here; operators deferred earlier are computed."""
    if state.queue is not None:
        state.queue.mark()


def after_run(function: Callable[[], None]) -> None:
    """Call a function now; inside `lamina.compile`, call it after each execution of the compiled step instead."""
    if state.trace is None:
        function()
    else:
        state.trace.after_run(function)


def call_each_step(function: Callable[[], float], *, integer: bool = False) -> float:
    """The result of `function()`, recomputed at each step, such as a scheduled learning rate or a step count.

    Inside `lamina.compile`, the compiled step calls `function` before each execution. So the result may change, and
    `function` may have state, without recompilation.
    """
    if state.trace is None:
        return function()
    return state.trace.call_each_step(function, integer)
