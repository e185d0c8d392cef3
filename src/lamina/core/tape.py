"""The tape: operations recorded under `record()`, and the backward pass over them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from lamina.core.array import Array, UserArray, Value
from lamina.core.interrupts import Change
from lamina.core.state import flush_pending, state
from lamina.errors import AutogradError

if TYPE_CHECKING:
    from lamina.core.primitive import Primitive
    from lamina.device.context import Context

Arrays = Sequence[Array]
Operands = tuple[Any, ...]
"""The inputs of a primitive, arrays and numbers."""

_order = itertools.count()
_count_of = itemgetter(0)


class Leaf:
    """An array's gradient, and whether `backward` overwrites it (`req` is ``"write"``) or adds to it (``"add"``).

    ``known`` is the gradient's version, which each write changes, at the time when the array's ``fresh_grad`` was last
    set to False. The gradient is fresh if its version differs from ``known``.
    """

    __slots__ = ("grad", "known", "req")

    def __init__(self, grad: UserArray, req: str) -> None:
        self.grad, self.req, self.known = grad, req, grad._version


def become_leaf(x: Array) -> None:
    """Detach `x` from the graph, after computing pending arrays, which may still need the node that computed `x`."""
    flush_pending()
    x._node = None


class TapeNode:
    """A recorded call of a primitive.

    It stores the outputs' values instead of the arrays: an array refers to its node, which would make a reference
    cycle.
    """

    __slots__ = (
        "array_type", "context", "counts", "freed", "inputs", "order", "outputs", "params", "primitive", "written",
    )  # fmt: skip

    def __init__(
        self, primitive: Primitive, inputs: Operands, params: dict[str, Any], outputs: tuple[Array, ...]
    ) -> None:
        self.order = next(_order)
        self.freed = 0
        self.primitive = primitive
        self.inputs: Operands | None = inputs
        self.params = params
        self.outputs: list[Value] = [y._data for y in outputs]  # pending outputs become arrays
        self.array_type: type[Any] = type(outputs[0])
        self.context: Context = outputs[0]._context
        self.written = [x._writes for x in (*outputs, *inputs) if isinstance(x, Array)]
        self.counts = self.writes_now()

    def writes_now(self) -> list[int]:
        """How often each output and input has been written so far; the backward pass needs the same as at first."""
        return list(map(_count_of, self.written))

    def output(self, i: int) -> UserArray:
        """The i-th output as an array whose tape node is this one."""
        array = self.array_type(self.outputs[i], self.context)
        array._node, array._index = self, i
        return array

    def release(self) -> None:
        """Delete the references to inputs and outputs, to free memory and to detect a second backward pass.

        Later computations treat the outputs as constants, as in MXNet: a hidden state carried from one training step to
        the next needs no `detach`.
        """
        self.freed = next(_order)
        self.inputs = None
        self.outputs = []

    def releasing(self) -> list[Change]:
        """The calls that together do what `release` does, and keep inputs and outputs alive until then."""
        return [
            (setattr, self, "freed", next(_order)),
            (setattr, self, "inputs", None),
            (setattr, self, "outputs", []),
            (len, (self.inputs, self.outputs)),
        ]


def is_on_tape(x: Array) -> bool:
    """Whether `x` was computed from an array with a gradient by operators that the tape still has."""
    node = x._node
    return node is not None and node.inputs is not None


def is_recorded(x: object) -> bool:
    """Whether `x` is an array to or through which gradients flow."""
    return isinstance(x, Array) and x._is_recorded()


def record(primitive: Primitive, inputs: Operands, params: dict[str, Any], output: UserArray) -> None:
    """Record an operation with one output on the tape, if any of its inputs needs a gradient."""
    for x in inputs:
        if isinstance(x, Array):
            node = x._node
            if x._leaf is not None or (node is not None and node.inputs is not None):
                output._node = TapeNode(primitive, inputs, params, (output,))
                return


def record_node(
    primitive: Primitive, inputs: Operands, params: dict[str, Any], outputs: tuple[Array, ...]
) -> None:
    """Add a node for a primitive to the tape, and make it the origin of the arrays `outputs`."""
    node = TapeNode(primitive, inputs, params, outputs)
    for i, y in enumerate(outputs):
        y._node, y._index = node, i


def gradients(
    heads: Arrays,
    head_grads: Arrays,
    *,
    retain_graph: bool,
    wanted: Callable[[Array], bool] = lambda leaf: True,
    inner: Arrays = (),
    used_up: list[TapeNode] | None = None,
) -> dict[int, UserArray]:
    """The gradients of all leaves reached from `heads` for which `wanted` is true, by the `id` of the leaf.

    The result also has the gradients of the arrays `inner`, which need not be leaves. Nodes are visited in reverse
    order of recording, which is a topological order. A leaf that is reached only through operators without a gradient
    (a comparison, `stop_gradient`) gets zeros, as in MXNet; nothing is computed along such paths.

    Unless `retain_graph` is true, the visited nodes are released. If `used_up` is a list, they are appended to it
    instead, and the caller must release them.
    """
    found: dict[int, UserArray] = {}
    walk = _Walk()
    for head, grad in zip(heads, head_grads, strict=True):
        if grad.shape != head.shape:
            raise AutogradError(
                f"backward: a head of shape {head.shape} needs a head gradient of the same shape, got {grad.shape}"
            )
        if head._node is None and head._leaf is None:
            raise AutogradError(
                "backward: the array was not computed from arrays with a gradient under autograd.record(). "
                "Call attach_grad() on the parameters, compute the loss inside `with autograd.record():`, and update a "
                "parameter in place: `W[:] = W - lr * W.grad`, since `W = W - lr * W.grad` is a new array, without one."
            )
        walk.add(head, grad)
    visited: list[TapeNode] = []
    while walk.latest:
        node, slots = walk.pop_latest()
        visited.append(node)
        for x in inner:
            grad = slots[x._index] if x._node is node else None
            if grad is not None:
                found[id(x)] = grad
        _propagate(node, slots, walk)
    if used_up is not None:
        used_up += visited
    elif not retain_graph:
        for node in visited:
            node.release()
    for key, (leaf, grad) in walk.leaves.items():
        if wanted(leaf):
            found[key] = leaf.zeros_like() if grad is None else grad
    return found


def backward(heads: Arrays, head_grads: Arrays, *, retain_graph: bool) -> None:
    """Compute the gradients of all leaves reached from `heads`; write or add them, depending on each leaf's `req`."""
    if state.queue is not None and state.queue.backward(heads, head_grads, retain_graph):
        return
    for grad, value in walked(heads, head_grads, retain_graph=retain_graph):
        grad._write(value)


def backward_now(heads: Arrays, head_grads: Arrays, *, retain_graph: bool) -> None:
    """Do the same as `backward` immediately; the caller must ensure that nothing is pending."""
    for grad, value in walked(heads, head_grads, retain_graph=retain_graph):
        grad._write_now(value)


def walked(
    heads: Arrays, head_grads: Arrays, *, retain_graph: bool, used_up: list[TapeNode] | None = None
) -> Iterator[tuple[UserArray, UserArray]]:
    """Go back along the tape; yields each leaf's gradient array with its new values. For `used_up`, see `gradients`."""
    leaves: list[Array] = []

    def wanted(leaf: Array) -> bool:
        leaves.append(leaf)
        return True

    found = gradients(heads, head_grads, retain_graph=retain_graph, wanted=wanted, used_up=used_up)
    for x in leaves:
        leaf = x._leaf
        assert leaf is not None
        gradient = found[id(x)]
        yield leaf.grad, leaf.grad + gradient if leaf.req == "add" else gradient


class _Walk:
    """The state of a backward pass: the gradients of leaves, and of nodes not visited yet."""

    def __init__(self) -> None:
        self.latest: list[int] = []
        self.nodes: dict[int, tuple[TapeNode, list[UserArray | None]]] = {}
        self.leaves: dict[int, tuple[UserArray, UserArray | None]] = {}

    def add(self, x: Array, grad: UserArray | None, used_by: int = 0) -> None:
        """Add `grad` to the gradient of `x`; None means 0. `used_by` is the order of the node whose input `x` is."""
        if x._leaf is not None:
            known = self.leaves.get(id(x))
            self.leaves[id(x)] = x, grad if known is None else _sum(known[1], grad)
            return
        node = x._node
        assert node is not None
        if node.inputs is None:
            if node.freed < used_by:
                return  # a constant then
            raise AutogradError(
                "backward: this part of the graph was already used and freed. "
                "Pass retain_graph=True to the first backward, or record again."
            )
        order, i = node.order, x._index
        if order not in self.nodes:
            self.nodes[order] = node, [None] * len(node.outputs)
            heapq.heappush(self.latest, -order)
        slots = self.nodes[order][1]
        slots[i] = _sum(slots[i], grad)

    def pop_latest(self) -> tuple[TapeNode, list[UserArray | None]]:
        return self.nodes.pop(-heapq.heappop(self.latest))


def _sum(a: UserArray | None, b: UserArray | None) -> UserArray | None:
    """The sum of two gradients, where None is 0."""
    return b if a is None else a if b is None else a + b


def _propagate(node: TapeNode, slots: list[UserArray | None], walk: _Walk) -> None:
    """Compute the gradients of a node's inputs from those of its outputs, `slots`, and add them to `walk`."""
    inputs, primitive = node.inputs, node.primitive
    assert inputs is not None
    if primitive.vjp is None or (slots[0] is None and all(s is None for s in slots)):
        for x in inputs:
            if is_recorded(x):
                walk.add(x, None, node.order)
        return
    if node.writes_now() != node.counts:
        raise AutogradError(_what_changed(node, inputs))
    if len(slots) == 1:
        g, out = slots[0], node.output(0)
    else:
        out = [node.output(i) for i in range(len(slots))]
        g = [y.zeros_like() if s is None else s for s, y in zip(slots, out, strict=True)]
    # No gradient flows to inputs beyond the functions.
    for x, vjp in zip(inputs, primitive.vjp, strict=False):
        if isinstance(x, Array) and (x._node is not None or x._leaf is not None):
            walk.add(x, None if vjp is None else vjp(g, out, *inputs, **node.params), node.order)


def _what_changed(node: TapeNode, inputs: Operands) -> str:
    """The error message for an operand or result that was overwritten after it was recorded."""
    names = [f"the result of {node.primitive.name} (shape {value.shape})" for value in node.outputs]
    arrays = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Array)]
    names += [f"input {i} of {node.primitive.name} (shape {x.shape})" for i, x in arrays]
    counts = zip(names, node.counts, node.writes_now(), strict=True)
    changed = next(name for name, before, now in counts if before != now)
    return (
        f"backward: {changed} was changed in place after it was recorded, so its gradient would be wrong. "
        "Write to a copy, or call backward first."
    )


class recording_suspended:  # noqa: N801 - used as `with recording_suspended():`
    """A context in which nothing is recorded."""

    def __enter__(self) -> None:
        self._saved = state.recording
        state.recording = False

    def __exit__(self, *_exception: object) -> None:
        state.recording = self._saved
