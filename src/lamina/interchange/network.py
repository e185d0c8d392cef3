"""The Gluon block for an ONNX file, `ImportedNetwork`."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import Primitive, evaluate
from lamina.core.state import traced_by
from lamina.device.context import cpu
from lamina.errors import DataError, LaminaError, ShapeError
from lamina.gluon.block import HybridBlock
from lamina.gluon.parameter import Constant, Parameter
from lamina.interchange._elementwise import ELEMENTWISE
from lamina.interchange._graph import ML, Graph, GraphInput, Node, arguments
from lamina.interchange._layers import LAYERS, MOVEMENT
from lamina.interchange._of_sklearn import OF_SKLEARN
from lamina.interchange._roles import Roles
from lamina.interchange._values import MOST_KNOWN, Labels, Value, array_of, is_known, require_small
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import ShapesOnly

OPERATORS: dict[tuple[str, str], Callable[..., Any]] = {
    **{("", name): function for name, function in (ELEMENTWISE | LAYERS | MOVEMENT).items()},
    **{(ML, name): function for name, function in OF_SKLEARN.items()},
}
"""Functions from a node and its input values to a value or a tuple of values, by domain and name."""

_OF_SHAPES = {
    "Abs", "Add", "And", "Cast", "Ceil", "Concat", "Div", "Equal", "Expand", "Floor", "Gather", "Greater",
    "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mul", "Neg", "Not", "Or", "Range",
    "Reciprocal", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Slice", "Sqrt", "Squeeze", "Sub",
    "Unsqueeze", "Where",
}  # fmt: skip
"""Operators that compute shapes, axes and single numbers; their results are known if all their inputs are."""


def require_supported(node: Node) -> None:
    """Raise `DataError` if the operator is unsupported, or has a wrong number of inputs."""
    function = OPERATORS.get((node.domain, node.op))
    if function is None:
        raise node.error("the operator is unsupported; lamina imports dense networks only")
    try:
        inspect.signature(function).bind(node, *arguments(node, node.inputs))
    except TypeError as error:
        raise node.error(f"it has {len(node.inputs)} inputs: {error}") from error


def apply(node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    """Compute the values of a node's outputs.

    Raises:
        DataError: the node computes fewer outputs than it declares.
    """
    folds = not node.domain and node.op in _OF_SHAPES and all(map(_is_small_number, inputs))
    with _folding(node) if folds else nullcontext():
        found = OPERATORS[node.domain, node.op](node, *arguments(node, inputs))
    results = found if isinstance(found, tuple) else (found,)
    if any(node.outputs[len(results) :]):
        raise node.error(f"it has {len(node.outputs)} outputs; lamina computes only {len(results)} of them")
    if not folds:
        return results
    known: list[Any] = [x._data if isinstance(x, NDArray) else x for x in results]
    return tuple(known)


def _is_small_number(value: Value) -> bool:
    """Whether a value is omitted, or known and small, and does not consist of strings."""
    return value is None or (is_known(value) and value.size <= MOST_KNOWN and value.dtype.kind in "iufb")


@contextmanager
def _folding(node: Node) -> Generator[None]:
    """A context in which operators compute small arrays at once."""
    with cpu(), traced_by(_Small(node)):
        yield


class _Small(ShapesOnly):
    """A trace that computes known values, and raises an error before one would be large."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> np.ndarray:
        super().bind(primitive, inputs, params)
        return evaluate(primitive, [x._data if isinstance(x, Array) else x for x in inputs], params)

    def check(self, shape: tuple[int, ...]) -> None:
        require_small(self._node, shape)


class ImportedNetwork(HybridBlock):
    """A network read by `import_onnx`, which computes the operators of the file in the file's order.

    A call takes one array per input, and returns one array per output (a tuple if several). String labels are
    returned as positions (int64) in `classes`; `predict` returns the strings. The first axis of inputs, the batch, may
    have any size. Parameters keep the file's names (`save_parameters`, `load_parameters`, `collect_params`).

    Attributes:
        input_names, output_names: the names in the file, in order.
        classes: for each output of string labels, by name, the possible strings.
        metadata: the file's metadata, strings by name.
    """

    def __init__(
        self, graph: Graph, nodes: Sequence[Node], roles: Roles, outputs: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._inputs: tuple[GraphInput, ...] = tuple(graph.inputs)
        self._nodes = tuple(nodes)
        self.input_names = tuple([given.name for given in graph.inputs])
        self.output_names = tuple(outputs)
        self.metadata = dict(graph.metadata)
        self.classes: dict[str, np.ndarray] = {}
        self._finished = _last_uses(nodes, outputs)
        used = {name for node in nodes for name in node.inputs} | set(outputs)
        self._known: dict[str, np.ndarray] = {}
        for name, array in graph.tensors.items():
            if name in roles.trained | roles.statistics | roles.fixed:
                self._add(name, array, roles)
            elif name in used:
                self._known[name] = array

    def _alias(self) -> str:
        return "imported"

    def _add(self, name: str, array: np.ndarray, roles: Roles) -> None:
        full = self.params.prefix + re.sub(r"\W", "_", name)
        while full in self.params:
            full += "_"
        if name in roles.fixed:
            parameter: Parameter = Constant(full, nd.array(array, dtype=array.dtype))
            parameter.initialize()
        else:
            trained = name in roles.trained
            request = "write" if trained else "null"
            parameter = Parameter(full, request, array.shape, array.dtype, differentiable=trained)
            parameter._take(array, None, array.dtype)
        self.params.update({full: parameter})
        self._reg_params[name] = parameter

    # --- running --------------------------------------------------------------------------------------------------

    def forward(self, *args: Any) -> Any:
        """Compute the outputs, from one array per input."""
        found = tuple([self._visible(value) for value in self.values(*args)])
        return found[0] if len(found) == 1 else found

    def values(self, *args: NDArray) -> list[Value]:
        """Compute the outputs as arrays, known values or labels; see `lamina.interchange._values`."""
        values: dict[str, Value] = {**self._known, **self._arrays(args), **self._taken(args)}
        for node, finished in zip(self._nodes, self._finished, strict=True):
            inputs = [values[name] if name else None for name in node.inputs]
            values.update(zip(node.outputs, _applied(node, inputs), strict=False))
            for name in finished:
                values.pop(name, None)
        return [values[name] for name in self.output_names]

    def _taken(self, args: Sequence[Any]) -> dict[str, NDArray]:
        """Convert the arguments to the inputs' dtypes; return them by input name."""
        if len(args) != len(self._inputs):
            wanted = ", ".join(map(str, self._inputs))
            raise TypeError(f"{self.name} takes {len(self._inputs)} arrays, {wanted}; got {len(args)}")
        return {given.name: _fitting(given, x) for given, x in zip(self._inputs, args, strict=True)}

    def _visible(self, value: Value) -> NDArray:
        """Convert an output to an array; labels become positions."""
        if isinstance(value, Labels):
            return value.positions
        return value if isinstance(value, NDArray) else array_of(value)

    def predict(self, *args: Any) -> dict[str, np.ndarray]:
        """Compute the outputs for NumPy arrays, by output name, with string labels as strings.

        The outputs are as from ONNX Runtime, but probabilities that the file returns as dictionaries are a matrix with
        a column per class.
        """
        arrays = [array_of(x, given.dtype) for x, given in zip(args, self._inputs, strict=False)]
        outputs = self(*arrays, *args[len(arrays) :])
        found = outputs if isinstance(outputs, tuple) else (outputs,)
        result: dict[str, np.ndarray] = {}
        for name, output in zip(self.output_names, found, strict=True):
            choices, numbers = self.classes.get(name), output.asnumpy()
            result[name] = numbers if choices is None else _chosen(name, choices, numbers)
        return result

    def __repr__(self) -> str:
        counts = Counter(node.op for node in self._nodes)
        operators = ", ".join(f"{count} {op}" for op, count in counts.most_common())
        inputs = ", ".join(map(str, self._inputs))
        return f"ImportedNetwork({inputs} -> {', '.join(map(repr, self.output_names))}: {operators})"


def _applied(node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    """Compute a node's results; errors name the node."""
    try:
        return apply(node, inputs)
    except LaminaError as error:
        if str(error).startswith(str(node)):
            raise
        raise type(error)(f"{node}: {error}") from error


def _chosen(name: str, choices: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Select the strings at these positions; raise `DataError` if a position is out of range."""
    if positions.size and not -len(choices) <= positions.min() <= positions.max() < len(choices):
        raise DataError(f"the output {name[:80]!r} has an index out of range for its {len(choices)} strings")
    return choices[positions].astype(str)


def _fitting(given: GraphInput, x: Any) -> NDArray:
    """Convert the argument for an input to the input's dtype; raise an error if its shape does not fit."""
    if not isinstance(x, NDArray):
        raise TypeError(f"input {given} needs an NDArray, got {type(x).__name__}; make one with nd.array")
    sizes = zip(given.shape[1:], x.shape[1:], strict=False)
    if len(x.shape) != len(given.shape) or not all(wanted in (None, size) for wanted, size in sizes):
        raise ShapeError(f"input {given} can't be an array of shape {x.shape}")
    return x if np.dtype(x.dtype) == given.dtype else nd.cast(x, given.dtype)


def _last_uses(nodes: Sequence[Node], outputs: Sequence[str]) -> list[tuple[str, ...]]:
    """For each node, the names of the values that no later node needs."""
    kept, found = set(outputs), list[tuple[str, ...]]()
    for node in reversed(nodes):
        names = ({*node.inputs, *node.outputs} - kept) - {""}
        found.append(tuple(names))
        kept |= names
    return found[::-1]
