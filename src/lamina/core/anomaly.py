"""`detect_anomaly`: find the operator whose result or gradient is the first NaN or infinity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import ContextDecorator
from functools import partial
from typing import Any

import numpy as np

from lamina.core.array import Array, UserArray
from lamina.core.primitive import Immediate, Primitive, apply
from lamina.core.state import Queue, flush_pending, state
from lamina.core.tape import TapeNode
from lamina.errors import AnomalyError
from lamina.support.messages import user_location


class Watch(Immediate):
    """A queue that runs each operator immediately and checks its result, instead of deferring the operator."""

    def __init__(self) -> None:
        self._gradients = 0  # nested gradient computations, whose operators are not checked

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> UserArray:
        """Compute a primitive immediately, check its result for NaN and infinity, and return it."""
        out = apply(primitive, inputs, params)
        if state.trace is None:
            if not self._gradients:
                _require_finite(f"the result of {primitive.name}", out, inputs, inputs, user_location)
            if out._node is not None and out._node.primitive is primitive:
                self._watch_gradient(out._node)
        return out

    def _watch_gradient(self, node: TapeNode) -> None:
        """Make `backward` check an operator's gradients; errors show the user's line that called the operator."""
        primitive, line = node.primitive, user_location()

        def checked(vjp: Callable[..., Any], *args: Any, **params: Any) -> Any:
            self._gradients += 1
            try:
                found = vjp(*args, **params)
            finally:
                self._gradients -= 1
            _require_finite(f"the gradient of {primitive.name}", found, args, args[2:], lambda: line)
            return found

        if primitive.vjp is None or node.inputs is None:
            return
        of_each = zip(node.inputs, primitive.vjp, strict=False)
        vjp = tuple(None if one is None else partial(checked, one) for _, one in of_each)
        node.primitive = Primitive(
            primitive.name, primitive.eval, primitive.infer, vjp, primitive.lowering, primitive.same_dtype
        )


class detect_anomaly(ContextDecorator):  # noqa: N801 - PyTorch's name, used as `with lamina.detect_anomaly():`
    """``with lamina.detect_anomaly():`` finds the operator that makes the first NaN or infinity from finite numbers.

    Inside the context, each operator runs immediately and its result is checked. The gradients of operators recorded
    inside are checked when `backward` computes them. Hybridized blocks and compiled functions run as plain Python,
    operator by operator, which is slow. NaNs in the inputs are not anomalies, nor are infinities that the program
    writes, as in ``nd.where(mask, x, -math.inf)``. The context applies to the current thread.
    ``@lamina.detect_anomaly()`` decorates a function.

    Raises:
        AnomalyError: an operator or its gradient made NaN or infinity from finite numbers. The message gives the
            operator's name, the shapes of its arrays, and the line of the user's program that called it.

    >>> import lamina
    >>> from lamina import autograd, nd
    >>> x = nd.array([4.0, 0.0])
    >>> x.attach_grad()
    >>> with lamina.detect_anomaly(), autograd.record():  # doctest: +ELLIPSIS
    ...     nd.sqrt(x).backward()
    Traceback (most recent call last):
    lamina.errors.AnomalyError: ...: the gradient of sqrt of arrays (2,) has infinity at index [1] of (2,), ...
    """

    def __init__(self) -> None:
        self._saved: list[tuple[Queue | None, bool]] = []

    def _recreate_cm(self) -> detect_anomaly:
        return detect_anomaly()  # one for each call, since threads may call the function at the same time

    def __enter__(self) -> None:
        self._saved.append((state.queue, state.runs_as_written))
        if state.trace is None:
            flush_pending()
            state.queue, state.runs_as_written = Watch(), True

    def __exit__(self, *_exception: object) -> None:
        state.queue, state.runs_as_written = self._saved.pop()


_until_turned_off = detect_anomaly()


def set_detect_anomaly(mode: bool) -> None:
    """Turn on `detect_anomaly` for all later operators of this thread; ``mode=False`` turns it off again.

    >>> import lamina
    >>> lamina.set_detect_anomaly(True)
    >>> lamina.set_detect_anomaly(False)
    """
    is_on = isinstance(state.queue, Watch)
    if mode and not is_on:
        _until_turned_off.__enter__()
    elif is_on and not mode:
        _until_turned_off.__exit__()


def _require_finite(
    what: str, out: Any, inputs: Sequence[Any], arrays: Sequence[Any], line: Callable[[], str]
) -> None:
    """Raise `AnomalyError` if `out` contains NaN or infinity although all inputs are finite.

    `what` is the message's description of `out`. The message also shows the shapes of `arrays` and ``line()``, the line
    of the user's program.
    """
    if not isinstance(out, Array) or _is_finite(out) or not all(map(_is_finite, _flat(inputs))):
        return
    numbers = out._numbers()
    place = tuple(map(int, np.argwhere(~np.isfinite(numbers))[0]))
    kind = "NaN" if np.isnan(numbers[place]) else "infinity"
    shapes = ", ".join(str(x.shape) for x in _flat(arrays) if isinstance(x, Array))
    raise AnomalyError(
        f"{line()}: {what}{f' of arrays {shapes}' if shapes else ''} has {kind} at index {list(place)} of "
        f"{numbers.shape}, though all its inputs are finite{_there(inputs, numbers.shape, place)}"
    )


def _there(inputs: Sequence[Any], shape: tuple[int, ...], place: tuple[int, ...]) -> str:
    """The inputs' values at index `place` as text for the message; "" unless all inputs have the shape `shape`."""
    arrays = [x for x in _flat(inputs) if isinstance(x, Array)]
    if not arrays or any(x.shape != shape for x in arrays):
        return ""
    return f" (there: {', '.join(f'{x._numbers()[place]:.7g}' for x in arrays)})"


def _flat(values: Iterable[Any]) -> list[Any]:
    return [x for value in values for x in (value if isinstance(value, list | tuple) else [value])]


def _is_finite(x: Any) -> bool:
    if isinstance(x, Array):
        numbers = x._numbers()
        return numbers.dtype.kind != "f" or bool(np.isfinite(numbers).all())
    return not isinstance(x, float) or math.isfinite(x)
