"""Capture: executes the user's function once, with graph nodes in place of values."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lamina.compiler.front._arguments import Derived, StepNumber, is_whole, mapped
from lamina.compiler.passes.graph import Constant, Graph, Input, Node, Op, Scalar
from lamina.compiler.target import COMPILED_DTYPES
from lamina.compiler.targets import target_of
from lamina.core.array import Array
from lamina.core.interrupts import free_in_children
from lamina.core.lowering import Contraction, Decompose, Elementwise, Uncompilable
from lamina.core.precision import Precision
from lamina.core.primitive import REGISTRY, Primitive, bind
from lamina.core.state import state, traced_by
from lamina.core.tape import Leaf, recording_suspended
from lamina.device.context import Context, current_context
from lamina.errors import TraceError
from lamina.nd.ndarray import NDArray
from lamina.primitives.indexing import take
from lamina.support.messages import user_location

Source = Callable[[], float] | int | Derived


class FoundOutside(Exception):  # noqa: N818 - not an error: the capture starts again
    """Raised if a function uses some of its arguments, with these `ids`, also as globals or closure variables."""

    def __init__(self, ids: set[int]) -> None:
        super().__init__(ids)
        self.ids = ids


@dataclass
class Captured:
    """The result of a capture.

    Attributes:
        graph: the captured step.
        arrays: for each input slot, the array found outside the function, or the argument's stand-in.
        result: the function's return value, with a `Result` or `Returned` in place of each array.
        numbers: for each scalar slot, its source: a function, the position of an argument, or a `Derived` number.
        sources: for slots whose array may be replaced, its owner, the name of the owner's list, and the position in it.
        stale: slots of gradients that the step both computes and reads, and therefore does not store.
        with_leaves: arrays found outside the function whose gradient was used.
        labels: for arrays of class numbers, the slot, whether only rows of its array are used, the number of classes,
            and the operator that uses them.
        after_run: functions to call after each execution.
    """

    graph: Graph
    arrays: list[Array]
    result: Any
    numbers: list[Source]
    sources: dict[int, tuple[Any, str, int]]
    stale: set[int] = field(default_factory=set)
    with_leaves: list[Array] = field(default_factory=list)
    labels: list[tuple[int, bool, int, str]] = field(default_factory=list)
    after_run: list[Callable[[], None]] = field(default_factory=list)


class Capture:
    """A single trace of a function, active as `lamina.core.state.state.trace`.

    With `stacked`, the results of many steps are stacked, and all returned arrays become outputs. `products` are the
    graph's precision and whether its rows are independent.
    """

    def __init__(
        self,
        keep_gradients: bool,
        *,
        stacked: bool = False,
        products: tuple[Precision, bool] = ("float32", False),
    ) -> None:
        precision, independent_rows = products
        self._graph = Graph([], {}, [], [], precision=precision, independent_rows=independent_rows)
        self._captured = Captured(self._graph, [], None, [], {})  # to be completed by `finish`
        self._keep_gradients, self._stacked = keep_gradients, stacked
        self._arguments: dict[int, Array] = {}  # the stand-in for each argument, by the argument's id
        self._off_tape: list[tuple[Array, Any]] = []
        self._with_leaves: dict[int, Array] = {}
        # By id of a stand-in: its argument's id and gradient.
        self._own_leaves: dict[int, tuple[int, Leaf]] = {}
        self._used_leaves: set[int] = set()
        self._current: dict[int, Node] = {}  # the current node of each array made outside, by id
        self._slots: dict[int, int] = {}
        self._counted: list[list[int]] = []  # for each write to an array made outside, its count of writes
        self._written: dict[int, None] = {}  # ids of arrays, in the order in which they were written first
        self._gradients: set[int] = set()
        self._read_after_write: set[int] = set()
        self._read_before_write: set[int] = set()
        self._nodes: set[Node] = set()
        self._returned: dict[int, Result] = {}
        self._rows: dict[int, int] = {}  # the input slot of each argument, by the id of its rows
        self._dtypes = COMPILED_DTYPES  # extended once the step's device is known to support more

    # --- what `bind` and the arrays ask for ----------------------------------------------------------------------

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Node:
        """Add a node for a primitive to the graph, and return the result's node. Compositions are expanded first."""
        lowering = primitive.lowering
        if lowering is None:
            raise Uncompilable(f"the operator {primitive.name!r}")
        if "context" in params and not _are_together([inputs[0]._context, params["context"]]):
            raise Uncompilable("as_in_context", "moves an array to another device")
        if isinstance(lowering, Decompose):
            primitive.infer(*inputs, **params)  # for its errors
            with recording_suspended():
                return self.value(lowering.function(*inputs, **params))
        nodes = self._operands(primitive, inputs)
        shape, dtype = primitive.infer(*nodes, **params)
        if isinstance(lowering, Contraction) and dtype.kind != "f":
            raise Uncompilable(f"the operator {primitive.name!r} for {dtype}")
        return self._node(primitive, nodes, params, shape, dtype)

    def value(self, array: Array) -> Node:
        """The node for the array's current value."""
        leaf = array._leaf
        if leaf is not None:
            self._gradients.add(id(leaf.grad))
        data = array._data
        if isinstance(data, Node):
            if state.recording:
                self.uses_gradient(array)
            if data not in self._nodes:
                raise TraceError(
                    f"{user_location()}: an array of shape {array.shape} was made inside another call of a compiled "
                    "function and can't be used here; return it from that function instead of storing it"
                )
            return self._fresh_view(array, data)
        if state.recording:
            self._with_leaves[id(array)] = array
        key = id(array)
        if key in self._written:
            self._read_after_write.add(key)
        else:
            self._read_before_write.add(key)
        if key not in self._current:
            self._current[key] = self._input(array)
        return self._current[key]

    def assign(self, array: Array, value: Array) -> None:
        """Set the array's value in the trace from here on, converted to the array's shape and dtype."""
        node = self._as_type(self.value(value), array.shape, np.dtype(array.dtype))
        if isinstance(array._data, Node):
            view = array._view
            if view is not None:
                view.base_value = self.value(view.base)  # so that the new contents are not taken for old ones
            array._data = node
            if view is not None:
                with recording_suspended():
                    self.assign(view.base, view.write(view.base, array))
                view.base_value = self.value(view.base)
            if id(array) in self._slots:  # it stands for an argument
                self._current[id(array)] = node
                self._written[id(array)] = None
            return
        key = id(array)
        self._counted.append(array._writes)
        if key not in self._slots:
            self._current[key] = self._input(array)
        self._current[key] = node
        self._written[key] = None
        self._read_after_write.discard(key)

    def call_each_step(self, function: Callable[[], float], integer: bool) -> Any:
        """A new scalar input of the graph; `function` returns its value before each step."""
        return self.number(function, np.dtype(np.int64 if integer else np.float64), None)

    def after_run(self, function: Callable[[], None]) -> None:
        """Register a function to call after each execution of the step."""
        self._captured.after_run.append(function)

    def uses_gradient(self, array: Array) -> None:
        """Record that the result depends on the gradient buffer attached to an array."""
        if not isinstance(array._data, Node):
            self._with_leaves[id(array)] = array
            return
        argument, leaf = self._own_leaves.get(id(array), (0, None))
        if leaf is not None and array._leaf is leaf:
            self._used_leaves.add(argument)

    def source(self, array: Array, owner: Any, name: str, position: int) -> None:
        """Record the list of the owner that has `array`, to find a replacement before each execution."""
        self.value(array)
        if id(array) in self._slots:
            self._captured.sources[self._slots[id(array)]] = (owner, name, position)

    # --- what the caller of a capture asks for -------------------------------------------------------------------

    def number(self, source: Source, dtype: np.dtype, argument: str | None) -> StepNumber:
        """A stand-in for a number in a new scalar slot: a function, an argument's position, or an expression."""
        slot = len(self._graph.scalars)
        node = self._node(Scalar(slot), (), {}, (), dtype)
        self._captured.numbers.append(source)
        self._graph.scalars.append(dtype)
        return StepNumber(self, node, argument, slot)

    def declare(self, array: Array) -> None:
        """Assign the next input slot to an array that has none yet."""
        if id(array) not in self._slots:
            self._current[id(array)] = self._input(array)

    def argument(self, array: Array, *, is_outside: bool) -> Array:
        """The symbolic array for an argument, in the next input slot.

        This is the array itself if the function also finds it outside (`is_outside`), else a stand-in. If the function
        turns out to find the array outside although it has a stand-in, or to use its attached gradient, the array gets
        a separate input, and `finds_outside` reports it.
        """
        given = self._arguments.get(id(array))
        if given is None:
            given = array if is_outside else self._stand_in(array)
            self._arguments[id(array)] = given
            self.declare(given)
        return given

    def rows(self, array: Array, index: Array) -> Array:
        """Select rows of an argument by `index`."""
        found = bind(take, array, index, axis=0, mode="clip")
        self._rows[id(found)] = self._slots[id(array)]
        return found

    def note_labels(self, label: Any, classes: int, who: str) -> None:
        """Record that an argument, or some of its rows, has class numbers below `classes`, used by operator `who`."""
        are_rows = id(label) in self._rows
        slot = self._rows[id(label)] if are_rows else self._slots.get(id(label))
        if slot is not None and id(label) not in self._written:
            self._captured.labels.append((slot, are_rows, classes, who))

    def slot_of(self, argument: Array) -> int:
        """The input slot of an argument."""
        return self._slots[id(self._arguments.get(id(argument), argument))]

    def finds_outside(self, arrays: Iterable[Array]) -> set[int]:
        """The ids of the arrays in `arrays` that the function found outside, or whose gradients it used."""
        found = self._slots.keys() | self._with_leaves.keys() | self._used_leaves
        return {id(x) for x in arrays if id(x) in found}

    def restore(self) -> None:
        """Put arrays found outside back on the tape, and undo the counting of writes, since nothing was written."""
        while self._off_tape:
            array, node = self._off_tape.pop()
            array._node = node
        while self._counted:
            self._counted.pop()[0] -= 1

    def finish(self, result: Any) -> Captured:
        """The captured graph, whose outputs are the arrays in `result` and the written arrays."""
        results: list[Node] = []
        template = self._template(result, results)
        writes = {self._slots[key]: self._current[key] for key in self._written if not self._is_used_up(key)}
        stale = {self._slots[key] for key in self._written if self._is_used_up(key)}
        places = [x._context for x in self._captured.arrays] + [x.context for x in self._returned.values()]
        if not _are_together(places):
            names = ", ".join(sorted(set(map(str, places))))
            raise Uncompilable("what it computes", f"is on several devices: {names}")
        return replace(
            self._captured,
            graph=replace(self._graph, results=results, writes=writes),
            result=template,
            stale=stale,
            with_leaves=list(self._with_leaves.values()),
        )

    def scalar_array(self, node: Node, dtype: np.dtype, context: Context) -> Array:
        """An array whose contents are a scalar node, converted to a dtype."""
        return NDArray(self._as_type(node, (), dtype), context)

    # --- inside --------------------------------------------------------------------------------------------------

    def _node(self, op: Op, inputs: Sequence[Node], params: Any, shape: tuple[int, ...], dtype: Any) -> Node:
        node = Node(op, inputs, params, shape, np.dtype(dtype))
        if node.dtype not in self._dtypes:
            raise Uncompilable(f"the dtype {node.dtype}")
        self._nodes.add(node)
        return node

    def _constant(self, value: Any, dtype: np.dtype) -> Node:
        return self._node(Constant(np.asarray(value, dtype).item()), (), {}, (), dtype)

    def _input(self, array: Array) -> Node:
        if not array._context.is_host:
            self._dtypes = target_of(array._context).dtypes
        slot = len(self._captured.arrays)
        self._captured.arrays.append(array)
        self._slots[id(array)] = slot
        self._graph.inputs.append((array.shape, np.dtype(array.dtype)))
        node = self._node(Input(slot), (), {}, array.shape, array.dtype)
        if isinstance(array._data, Node):
            array._data = node
        elif array._node is not None:  # found outside: in the captured step, it is a constant
            self._off_tape.append((array, array._node))
            array._node = None
        return node

    def _stand_in(self, array: Array) -> Array:
        """A stand-in of the same type for an argument. Writes to the stand-in don't affect the tape outside."""
        shape, dtype = array.shape, np.dtype(array.dtype)
        # Its node becomes that of an input slot when it is declared.
        stand_in = NDArray(Node(Constant(0), (), {}, shape, dtype), array._context)
        stand_in._leaf = array._leaf
        if array._leaf is not None:
            self._own_leaves[id(stand_in)] = id(array), array._leaf
        return stand_in

    def _operands(self, primitive: Primitive, inputs: tuple[Any, ...]) -> list[Node]:
        """Nodes for all inputs. Numbers get the dtype of the arrays, or int64 or float64 if there are no arrays."""
        nodes = [self.value(x) if isinstance(x, Array) else x for x in inputs]
        dtypes = [n.dtype for n in nodes if isinstance(n, Node)]
        is_conditional = isinstance(primitive.lowering, Elementwise) and primitive.lowering.conditional
        if is_conditional and len(dtypes) > 1:
            dtypes = [n.dtype for n in nodes[1:] if isinstance(n, Node)]
        for i, x in enumerate(nodes):
            if isinstance(x, StepNumber):
                nodes[i] = self._as_type(x.node, (), dtypes[0] if dtypes else x.node.dtype)
            elif not isinstance(x, Node):
                own = np.dtype(np.int64 if is_whole(x) else np.float64)
                nodes[i] = self._constant(x, dtypes[0] if dtypes else own)
        return nodes

    def _as_type(self, node: Node, shape: tuple[int, ...], dtype: np.dtype) -> Node:
        if node.dtype != dtype:
            node = self._node(REGISTRY["cast"], (node,), {"dtype": dtype}, node.shape, dtype)
        if node.shape == shape:
            return node
        if node.size == int(np.prod(shape)):
            return self._node(REGISTRY["reshape"], (node,), {"shape": shape}, shape, dtype)
        inferred = REGISTRY["broadcast_to"].infer(node, shape=shape)  # raises where it does not fit
        return self._node(REGISTRY["broadcast_to"], (node,), {"shape": shape}, *inferred)

    def _fresh_view(self, array: Array, data: Node) -> Node:
        """The node for the current value of an array; a view is read again if its base has changed."""
        view = array._view
        if view is None:
            return data
        base = self.value(view.base)
        if base is not view.base_value:
            with recording_suspended():
                data = self.value(view.read(view.base))
            array._data, view.base_value = data, base
        return data

    def _is_used_up(self, key: int) -> bool:
        """Whether a gradient is temporary: computed and read inside, unless the user keeps gradients."""
        is_temporary = key in self._read_after_write and key not in self._read_before_write
        return key in self._gradients and not self._keep_gradients and is_temporary

    def _template(self, result: Any, results: list[Node]) -> Any:
        """The value `result` with placeholders: a `Returned` for each argument, a `Result` for each other array."""

        def place(x: Any) -> Any:
            if isinstance(x, StepNumber):
                results.append(x.node)
                return Result(len(results) - 1, None)
            if not isinstance(x, Array):
                return x
            if not self._stacked:
                if any(x is argument for argument in self._arguments.values()):
                    return Returned(self._slots[id(x)])
                if not isinstance(x._data, Node):
                    return x
            if id(x) not in self._returned:  # one that is returned twice has one memory
                results.append(self.value(x))
                self._returned[id(x)] = Result(len(results) - 1, x._context)
            return self._returned[id(x)]

        return mapped(result, place)


@dataclass(frozen=True)
class Result:
    """A placeholder in the function's return value for an output: an array, or a number if `context` is None."""

    number: int
    context: Any


@dataclass(frozen=True)
class Returned:
    """A placeholder in the function's return value for an argument: the array in this input slot."""

    slot: int


def _are_together(contexts: Sequence[Context]) -> bool:
    """Whether a single target can compute with arrays on all these devices."""
    return len({None if context.is_host else context for context in contexts}) < 2


def context_of(arrays: Sequence[Array]) -> Context:
    """The first array's context, or the current context if there are no arrays."""
    return arrays[0]._context if arrays else current_context()


def on_device(array: np.ndarray, context: Context) -> NDArray:
    """A concrete array on a device with a copy of these values, even while tracing."""
    return NDArray(target_of(context).from_numpy(array), context)


class tracing(traced_by):  # noqa: N801 - used as `with tracing(capture):`
    """``with tracing(capture):`` makes `capture` the current trace. Recording is off until the function turns it on.

    Garbage collection is suspended in all threads, as the operators in a ``__del__`` would be traced with the function.
    Signals are suspended, too (see `compiling`).
    """

    _lock = free_in_children(threading.RLock())
    _collects, _captures = False, 0
    """Whether the collector was on before the first capture in progress, and the number of captures in progress."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(capture)
        self._capture = capture

    def __enter__(self) -> None:
        with self._lock:
            if not tracing._captures:
                tracing._collects = gc.isenabled()
            tracing._captures += 1
            gc.disable()
        super().__enter__()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        with self._lock:
            tracing._captures -= 1
            if not tracing._captures and tracing._collects:
                gc.enable()
        self._capture.restore()
