"""Compiled functions under ``autograd.record()``.

A call runs the forward pass, a compiled step, and adds one node to the tape. The node's gradient runs another compiled
step, the pullback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.compiler.front._arguments import Arguments, Call, leaves
from lamina.compiler.front._capture import Capture, Captured, Result, context_of, on_device, tracing
from lamina.compiler.front._guards import Guards
from lamina.compiler.passes.graph import Graph, Input, Node, topological
from lamina.compiler.passes.simplify import simplify
from lamina.compiler.target import Overlap
from lamina.core.array import Array
from lamina.core.interrupts import compiling
from lamina.core.lowering import Elementwise, Movement, Reshape
from lamina.core.primitive import Primitive
from lamina.core.state import state
from lamina.core.tape import gradients, is_recorded, record_node, recording, recording_suspended
from lamina.errors import AutogradError

if TYPE_CHECKING:
    from lamina.compiler.front._specialization import Specialization
    from lamina.compiler.front.compiled import CompiledFunction
    from lamina.nd.ndarray import NDArray

_MOST_PULLBACKS = 64


def call_recorded(compiled: CompiledFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a compiled function, and record the call on the tape as a single node."""
    call = Call(args, kwargs)
    plain, taken = compiled.specialize(call)
    if plain is None:
        return compiled.original(*args, **kwargs)
    recorded = _recorded(compiled, plain, call, taken)
    with recording_suspended():
        if recorded is None:
            return plain.run(taken.arrays, taken.numbers)
        return recorded.run(taken.arrays, taken.numbers)


class _Recorded:
    """A specialization as two compiled steps: the forward pass and its pullback.

    The forward pass also returns residuals: the intermediate values that the pullback reads.

    `inputs` are all differentiable arrays that the function reads, arguments by position. `read` are other arrays that
    the pullback reads; they must not change before it runs. `outputs` has, for each output array, whether it has a
    gradient.
    """

    def __init__(
        self,
        forward: Specialization,
        pullback: Specialization,
        inputs: Sequence[int | Array],
        read: Sequence[int | Array],
        outputs: Sequence[bool],
    ) -> None:
        self._forward, self._pullback = forward, pullback
        self._inputs, self._differentiable = [*inputs, *read], len(inputs)
        places, flags = leaves(forward.captured.result[0]), iter(outputs)
        self._outputs = [isinstance(x, Result) and x.context is not None and next(flags) for x in places]

    def run(self, arrays: Sequence[Array], numbers: Sequence[float]) -> Any:
        """Run the forward pass, and add a node to the tape that connects the outputs to the differentiable inputs."""
        values = self._forward.number_values(numbers)
        result, residuals = self._forward.run_with(arrays, values)
        inputs = tuple(arrays[x] if isinstance(x, int) else x for x in self._inputs)
        outputs = tuple(compress(leaves(result), self._outputs))
        self._record(inputs, outputs, [*arrays, *residuals], values)
        return result

    def _record(
        self,
        inputs: tuple[Array, ...],
        outputs: tuple[NDArray, ...],
        arguments: Sequence[Array],
        values: Sequence[float],
    ) -> None:
        latest: list[Any] = [None, ()]

        def all_gradients(g: Any) -> tuple[NDArray, ...]:
            if state.recording:
                raise AutogradError(
                    "a compiled function can't be differentiated twice from outside; compute second derivatives (grad "
                    "with create_graph=True) inside the compiled function, or differentiate its `.original`"
                )
            if latest[0] is not g:
                cotangents = list(g) if isinstance(g, list) else [g]
                try:
                    latest[:] = [g, self._pullback.run_with([*cotangents, *arguments], values)]
                except Overlap as overlap:  # too late to run eagerly
                    raise AutogradError(f"the compiled gradient can't be computed: {overlap}") from None
            return latest[1]

        def vjp_of(i: int) -> Callable[..., NDArray]:
            return lambda g, _out, *_inputs: all_gradients(g)[i]

        def never(*_inputs: Any) -> Any:
            raise AutogradError(
                "a recorded call of a compiled function can't be evaluated again: call the function"
            )

        vjps = tuple(vjp_of(i) for i in range(self._differentiable))
        primitive = Primitive("compiled function", never, never, vjps, None, same_dtype=False)
        record_node(primitive, inputs, {}, outputs)


def _recorded(
    compiled: CompiledFunction, plain: Specialization, call: Call, taken: Arguments
) -> _Recorded | None:
    """The forward pass and pullback for these arguments, compiled on first use; None if nothing has a gradient."""
    differentiable = tuple(is_recorded(x) for x in taken.arrays)
    key = (taken.key, call.names, differentiable, state.training)
    known = compiled.pullbacks.get(key)
    if known is not None and known[1]():
        return known[0]
    with compiling():
        made, is_valid = _compile_recorded(compiled, plain, call, taken)
    compiled.pullbacks[key] = made, is_valid
    if len(compiled.pullbacks) > _MOST_PULLBACKS:
        del compiled.pullbacks[next(iter(compiled.pullbacks))]
    return made


def _compile_recorded(
    compiled: CompiledFunction, plain: Specialization, call: Call, taken: Arguments
) -> tuple[_Recorded | None, Callable[[], bool]]:
    """Compile the forward pass and pullback; returns them, and a function that checks whether they are still valid.

    The first result is None if nothing has a gradient.
    """
    capture = Capture(
        keep_gradients=True,
        of_pullback=True,
        precision=compiled.precision,
        independent_rows=compiled.independent_rows,
    )
    guards = Guards(compiled.original, taken.others)
    made = _capture_with_gradients(compiled, plain, capture, call)
    captured = made.captured
    guards.complete(captured.arrays, captured.with_leaves)
    if not made.cotangents:
        return None, guards.hold
    arguments_at = [capture.slot_of(x) for x in taken.arrays]
    cotangents_at = [capture.slot_of(x) for x in made.cotangents]
    forward, pullback = _built(captured, guards, arguments_at, cotangents_at)
    position = {slot: i for i, slot in enumerate(arguments_at)}

    def place(slot: int) -> int | Array:
        return position.get(slot, captured.arrays[slot])

    inputs = [capture.slot_of(leaf) for leaf in made.leaves]
    apart = {*inputs, *cotangents_at}
    read = [slot for slot in pullback.step.used_slots if slot < len(captured.arrays) and slot not in apart]
    recorded = _Recorded(
        forward, pullback, [place(slot) for slot in inputs], [place(slot) for slot in read], made.outputs
    )
    return recorded, forward.is_valid


@dataclass(frozen=True)
class _WithGradients:
    """A capture of a function that returns (result, gradients), or () if nothing has a gradient.

    The gradients are with respect to the arrays `leaves`. `outputs` has, for each output array, whether it has a
    gradient. `cotangents` are arrays of the same types as the outputs that have a gradient.
    """

    captured: Captured
    leaves: Sequence[Array]
    outputs: Sequence[bool]
    cotangents: Sequence[NDArray]


def _capture_with_gradients(
    compiled: CompiledFunction, plain: Specialization, capture: Capture, call: Call
) -> _WithGradients:
    found: list[Array] = []
    with tracing(capture):
        arguments = compiled.traced(capture, call)
        with recording():
            result = call.of_function(compiled.original, arguments)
        made = [y for y in leaves(result) if isinstance(y, Array) and not capture.has_input(y)]
        outputs = [is_recorded(y) for y in made]
        cotangents = list(compress(_cotangents(plain), outputs))
        if not cotangents:
            return _WithGradients(capture.finish(()), (), outputs, ())
        head_grads: list[Any] = [capture.argument(g, is_outside=False) for g in cotangents]
        by_id = gradients(
            list(compress(made, outputs)),
            head_grads,
            retain_graph=False,
            wanted=lambda leaf: found.append(leaf) is None,
        )
        captured = capture.finish((result, tuple(by_id[id(leaf)] for leaf in found)))
    return _WithGradients(captured, found, outputs, cotangents)


def _built(
    captured: Captured, guards: Guards, inputs: list[int], cotangents: list[int]
) -> tuple[Specialization, Specialization]:
    """Build the forward pass and the pullback from a capture of a function that returned (result, gradients)."""
    from lamina.compiler.front._specialization import Specialization

    result, gradients_ = captured.result
    count = len(_results_in(result))
    forward, pullback = split(simplify(captured.graph), count)
    added = range(len(captured.arrays), len(pullback.inputs))
    residuals = [on_device(np.zeros(*pullback.inputs[slot]), context_of(captured.arrays)) for slot in added]
    places = [Result(count + i, x._context) for i, x in enumerate(residuals)]
    first = replace(captured, graph=forward, result=(result, places))
    second = replace(
        captured,
        graph=pullback,
        arrays=[*captured.arrays, *residuals],
        result=tuple(replace(x, number=x.number - count) if isinstance(x, Result) else x for x in gradients_),
        stale=set[int](),
        after_run=[],
    )
    slots = [*cotangents, *inputs, *added]
    return (Specialization(first, inputs, guards), Specialization(second, slots, guards))


def _cotangents(plain: Specialization) -> list[NDArray]:
    """New arrays of the same types as the output arrays of a specialization."""
    results = plain.captured.graph.results
    places = [place for place in _results_in(plain.captured.result) if place.context is not None]
    return [on_device(np.zeros(results[x.number].shape, results[x.number].dtype), x.context) for x in places]


def _results_in(template: Any) -> list[Result]:
    """The placeholders of outputs in a function's return value, in order."""
    return [x for x in leaves(template) if isinstance(x, Result)]


# --- Splitting a graph that computes results and then gradients into a forward pass and a pullback -------------------
#
# Values of the forward pass that the pullback needs are *residuals*: additional results of the first and inputs of the
# second. Values that are almost free to compute from the inputs (a reshape, a cast, a broadcast bias) are recomputed
# instead.


def split(graph: Graph, results: int) -> tuple[Graph, Graph]:
    """Split a graph into its forward pass and its pullback.

    The forward pass has the first `results` results, all writes, and the residuals as further results. The pullback has
    the other results; its inputs are those of the graph, then the residuals.
    """
    forward_roots = [*graph.results[:results], *graph.writes.values()]
    residuals, order = _needed(graph, set(topological(forward_roots)), graph.results[results:])
    slots = {node: len(graph.inputs) + i for i, node in enumerate(residuals)}
    new: dict[Node, Node] = {}
    for node in order:
        if node in slots:
            new[node] = Node(Input(slots[node]), (), {}, node.shape, node.dtype)
        else:
            new[node] = node.with_inputs([new[x] for x in node.inputs])
    forward = replace(graph, results=[*graph.results[:results], *residuals])
    inputs = [*graph.inputs, *((node.shape, node.dtype) for node in residuals)]
    gradients = [new[node] for node in graph.results[results:]]
    pullback = replace(graph, results=gradients, writes={}, inputs=inputs)
    return forward, pullback


def _needed(graph: Graph, forward: set[Node], gradients: list[Node]) -> tuple[list[Node], list[Node]]:
    """The residuals, and the pullback's nodes in order, where residuals replace the nodes that compute them."""
    cheap = _cheap(graph, forward)
    residuals: dict[Node, None] = {}
    needed: set[Node] = set()
    stack = list(reversed(gradients))
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        if node in forward and node not in cheap:
            residuals[node] = None
        else:
            stack.extend(reversed(node.inputs))
    return list(residuals), [node for node in topological(gradients) if node in needed]


def _cheap(graph: Graph, forward: set[Node]) -> set[Node]:
    """The nodes that the pullback recomputes: numbers, unchanged inputs, and cheap values computed from only these."""
    cheap: set[Node] = set()
    for node in topological(forward):
        if isinstance(node.op, Input):
            is_cheap = node.op.slot not in graph.writes
        else:
            is_cheap = isinstance(node.lowering, Elementwise | Movement | Reshape | None)
        if is_cheap and all(x in cheap for x in node.inputs):
            cheap.add(node)
    return cheap
