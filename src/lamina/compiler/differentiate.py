"""Compiled functions under ``autograd.record()``: forward and pullback are two compiled steps, one node on the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lamina.compiler.arguments import Arguments, rebuild
from lamina.compiler.capture import Capture, Captured, tracing
from lamina.compiler.guards import Guards
from lamina.core.array import Array
from lamina.core.primitive import Primitive
from lamina.core.state import state
from lamina.core.tape import gradients, is_recorded, record_node, recording, recording_suspended
from lamina.errors import AutogradError

if TYPE_CHECKING:
    from lamina.compiler.compiled import CompiledFunction
    from lamina.compiler.specialization import Specialization
    from lamina.nd.ndarray import NDArray

__all__ = ["call_recorded"]


def call_recorded(compiled: CompiledFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a compiled function so that `backward` goes through it.

    The pullback computes the forward pass anew: memory for what it needs is not kept between the two, and random
    numbers are the same in both, since they come from the same streams.
    """
    values = [*args, *kwargs.values()]
    names = tuple(kwargs)
    forward, taken = compiled.specialize(values, names)
    if forward is None:
        return compiled.original(*args, **kwargs)
    with recording_suspended():
        numbers = forward.number_values(taken.numbers)
        result = forward.run_with(taken.arrays, numbers)
    inputs = {id(x) for x in [*taken.arrays, *forward.captured.arrays]}
    outputs = tuple(y for y in _arrays_in(result) if id(y) not in inputs)
    pullback = _pullback(compiled, values, names, taken, outputs)
    if pullback is not None and outputs:
        pullback.record(taken.arrays, numbers, outputs)
    return result


class _Pullback:
    """The compiled gradients of one specialization by everything differentiable that it reads."""

    def __init__(self, step: Specialization, inputs: list[int | Array], numbers: int) -> None:
        self._step, self._inputs, self._numbers = step, inputs, numbers

    def record(self, arrays: Sequence[Array], numbers: Sequence[float], outputs: tuple[NDArray, ...]) -> None:
        """Put one node on the tape, from the differentiable inputs to the outputs."""
        inputs = tuple(arrays[x] if isinstance(x, int) else x for x in self._inputs)
        latest: list[Any] = [None, ()]

        def all_gradients(g: Any) -> tuple[NDArray, ...]:
            if state.recording:
                raise AutogradError(
                    "second derivatives do not go through a compiled function from outside; compute them (grad "
                    "with create_graph=True) inside the compiled function, or differentiate its `.original`"
                )
            if latest[0] is not g:
                cotangents = list(g) if isinstance(g, list) else [g]
                padded = [*numbers, *[0.0] * (self._numbers - len(numbers))]
                latest[:] = [g, self._step.run_with([*arrays, *cotangents], padded)]
            return latest[1]

        def vjp_of(i: int) -> Callable[..., NDArray]:
            return lambda g, _out, *_inputs: all_gradients(g)[i]

        def never(*_inputs: Any) -> Any:
            raise AutogradError("a compiled function is evaluated by its machine code")

        vjps = tuple(vjp_of(i) for i in range(len(inputs)))
        primitive = Primitive("compiled function", never, never, vjps, None, same_dtype=False)
        record_node(primitive, inputs, {}, outputs)


def _pullback(
    compiled: CompiledFunction,
    values: Sequence[Any],
    names: tuple[str, ...],
    taken: Arguments,
    outputs: Sequence[Array],
) -> _Pullback | None:
    """The pullback for these argument types, captured on the first use; None if nothing is differentiable."""
    differentiable = tuple(is_recorded(x) for x in taken.arrays)
    key = (taken.key, names, "pullback", differentiable, state.training)
    known = compiled.pullbacks.get(key)
    if known is not None and (known[1] is None or known[1].is_valid()):
        return known[0]
    made = _compile_pullback(compiled, values, names, taken, differentiable, outputs)
    compiled.pullbacks[key] = (made, None if made is None else made._step)
    return made


def _compile_pullback(
    compiled: CompiledFunction,
    values: Sequence[Any],
    names: tuple[str, ...],
    taken: Arguments,
    differentiable: tuple[bool, ...],
    outputs: Sequence[Array],
) -> _Pullback | None:
    from lamina.compiler.program import build
    from lamina.compiler.specialization import Specialization

    capture = Capture(keep_gradients=True, of_pullback=True)
    cotangents = [_like(y) for y in outputs]
    found: list[Array] = []
    guards = Guards(compiled.original, taken.others)
    with tracing(capture):
        arguments = compiled.traced(capture, values)
        head_grads: list[Any] = [capture.argument(g, is_outside=False) for g in cotangents]
        with recording():
            count = len(values) - len(names)
            result = compiled.original(*arguments[:count], **dict(zip(names, arguments[count:], strict=True)))
        made = [y for y in _arrays_in(result) if not capture.has_input(y)]
        heads = [(y, g) for y, g in zip(made, head_grads, strict=True) if is_recorded(y)]
        if not heads:
            return None
        by_id = gradients(
            [y for y, _ in heads],
            [g for _, g in heads],
            retain_graph=False,
            wanted=lambda leaf: found.append(leaf) is None,
        )
        captured = capture.finish(tuple(by_id[id(leaf)] for leaf in found))
    captured = _without_writes(captured)
    guards.settle(captured.arrays, captured.with_leaves)
    slots = [capture.slot_of(x) for x in [*taken.arrays, *cotangents]]
    step = Specialization(build(captured.graph, {}), captured, slots, guards)
    position = {capture.slot_of(x): i for i, x in enumerate(taken.arrays)}
    inputs: list[int | Array] = [position.get(capture.slot_of(leaf), leaf) for leaf in found]
    return _Pullback(step, inputs, len(captured.numbers))


def _without_writes(captured: Captured) -> Captured:
    """What the forward pass writes (running statistics), it has written already."""
    captured.graph.writes.clear()
    captured.written.clear()
    captured.stale.clear()
    return captured


def _like(x: Array) -> NDArray:
    """An array of the same type, whose contents do not matter."""
    import numpy as np

    from lamina.nd.ndarray import NDArray

    return NDArray(np.zeros(x.shape, x.dtype), x._context)


def _arrays_in(result: Any) -> tuple[NDArray, ...]:
    found: list[NDArray] = []
    rebuild(result, found.append, lambda n: n)  # pyright: ignore[reportArgumentType]
    return tuple(found)
