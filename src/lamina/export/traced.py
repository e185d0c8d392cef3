"""A prediction as a function of arrays, and the graphs of functions or blocks for any number of rows.

`prediction_of` converts a `Prediction`, which contains the trained networks. Strings and dates, which a graph can't
process, are converted to codes and numbers by the exporters' readers.

`traced` captures a graph for two numbers of rows. Sizes that are equal in both graphs are constants; other sizes must
be proportional to the number of rows, and become `Rows` in the merged graph. Each node has its layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.compiler.front.graphs import FunctionGraph, graph_of
from lamina.compiler.passes.graph import Constant, Input, Node, topological
from lamina.core.primitive import Primitive
from lamina.core.state import state
from lamina.errors import LaminaError
from lamina.export._prediction import Prediction
from lamina.gluon.block import Block
from lamina.nd.facade import leaves
from lamina.nd.ndarray import NDArray


def prediction_of(prediction: Prediction, precision: Any = np.float64) -> Callable[..., list[NDArray]]:
    """Convert a prediction to a function of arrays, from encoding to decoded outputs.

    For a table, the function takes two arrays:

    * ``numbers``, (rows, `Table.numbers`), with NaN for missing values: float64, or float32 (also for the encoding) if
      every column of the training table was float32.
    * ``codes``, int32 (rows, categories), where 0 is missing or unknown and 1, 2, … are a category's names in order.

    Without numbers, or without categories, the array has no columns. For rows that are arrays, the function takes
    these, such as an image's pixels, uint8 (rows, height · width).

    The function returns a list of arrays:

    * for classes, the probabilities, (rows, classes), of dtype `precision`, and the position of the predicted class,
      int64 (rows,);
    * for multilabel targets, the probability of each label, and whether it is predicted, int64 (rows, labels);
    * for numbers, the target, float64 (rows, targets).

    >>> import lamina
    >>> from lamina import nd
    >>> from lamina.export import describe
    >>> X, y = np.linspace(0, 1, 50).reshape(-1, 1), np.repeat([0, 1], 25)
    >>> model = lamina.MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(X, y)
    >>> predict = prediction_of(describe(model))
    >>> probabilities, decided = predict(nd.array(X, dtype="float64"), nd.zeros((50, 0), dtype="int32"))
    >>> np.allclose(probabilities.asnumpy(), model.predict_proba(X), rtol=1e-5)
    True
    """
    network, meaning = prediction.network, prediction.output.traced
    encoded: Callable[..., Any] = prediction.inputs.encoded
    return lambda *arrays: meaning(network(*encoded(*arrays)), precision)


# --- the inputs of bare networks ----------------------------------------------------------------------------------


def examples_of(block: Block, inputs: Any, call: str) -> list[NDArray]:
    """Convert example inputs, one or a list, to arrays; None becomes a row of zeros for the first dense layer.

    `call` is the caller's name, for messages.

    Raises:
        LaminaError: `inputs` is None, and the block has no dense layer.
    """
    given = [_first_input(block, call)] if inputs is None else inputs
    given = given if isinstance(given, list | tuple) else [given]
    return [
        x if isinstance(x, NDArray) else nd.array(np.asarray(x), dtype=np.asarray(x).dtype) for x in given
    ]


def _first_input(block: Block, call: str) -> NDArray:
    for parameter in block.collect_params().values():
        shape = parameter.shape
        if parameter.name.endswith("weight") and shape and len(shape) == 2 and shape[1] > 0:
            return nd.zeros((1, shape[1]), dtype=parameter.dtype)
    raise LaminaError(
        f"{block.name}: the shape of its inputs is unknown; give an example array, whose first axis is rows: "
        f"{call}(net, path, inputs=nd.zeros((1, 784)))"
    )


# --- graphs for any number of rows -----------------------------------------------------------------------------------

_ROWS = (6, 10)
"""Two numbers of rows; both are even, so that blocks that need pairs of rows can be captured."""


@dataclass(frozen=True)
class Rows:
    """A size or position that is `times` the number of rows."""

    times: Fraction = Fraction(1)


Size = int | Rows


@dataclass
class Traced:
    """A function's graph for any number of rows.

    Attributes:
        results: the returned nodes.
        contents: known arrays by input slot: parameters, and other arrays that the function uses.
        shapes, params: the shape and the parameters of each node; sizes that depend on the number of rows are `Rows`.
        layers: the layer names of each node.
    """

    results: list[Node]
    contents: dict[int, np.ndarray]
    shapes: dict[Node, tuple[Size, ...]] = field(default_factory=dict[Node, tuple[Size, ...]])
    params: dict[Node, dict[str, Any]] = field(default_factory=dict[Node, dict[str, Any]])
    layers: dict[Node, str] = field(default_factory=dict[Node, str])
    _known: dict[Node, np.ndarray | None] = field(default_factory=dict[Node, "np.ndarray | None"])

    def known(self, node: Node) -> np.ndarray | None:
        """The value of a node that depends on neither an argument nor the number of rows, else None."""
        if node not in self._known:
            self._known[node] = self._evaluated(node)
        return self._known[node]

    def _evaluated(self, node: Node) -> np.ndarray | None:
        if isinstance(node.op, Constant):
            return np.asarray(node.op.value, node.dtype)
        if isinstance(node.op, Input):
            return self.contents.get(node.op.slot)
        if not isinstance(node.op, Primitive) or node.op.name.startswith("random"):
            return None
        params = self.params.get(node, node.params)
        if any(isinstance(x, Rows) for x in leaves(tuple(params.values()))):
            return None
        values = [self.known(x) for x in node.inputs]
        if any(value is None for value in values):
            return None
        return np.asarray(state.silently(node.op.eval, *values, **params), node.dtype).reshape(node.shape)

    def place(self, node: Node) -> str:
        """The layer of a node for messages, as " in LAYER"; empty if unknown."""
        return _in(self.layers.get(node))


def traced(
    function: Callable[..., Any], inputs: Sequence[tuple[tuple[int, ...], Any]], name: str = "the function"
) -> Traced:
    """Capture the graph of a function, or of a block in prediction mode.

    Args:
        function: takes arrays with rows along their first axis. A block must be initialized.
        inputs: for each input, the shape without rows, and the dtype.
        name: the function's name, for messages.

    Raises:
        TraceError: the function reads array values.
        LaminaError: the computation depends on the number of rows, or modifies stored arrays.
    """
    layers: dict[Node, str] = {}
    first, second = (_captured(function, inputs, rows, layers) for rows in _ROWS)
    for found in (first, second):
        if found.graph.writes:
            raise LaminaError(
                f"{name} changes a stored array, which an ONNX graph can't do; return the new value instead"
            )
    for node in topological(first.graph.results):
        if isinstance(node.op, Primitive) and node.op.name.startswith("random"):
            raise LaminaError(
                f"the operator {node.op.name!r}{_in(layers.get(node))} draws random numbers, which an ONNX graph "
                "can't reproduce; pass the numbers as an input, or draw none in prediction mode"
            )
    merged = Traced(first.graph.results, first.contents, layers=layers)
    nodes = [topological(found.graph.results) for found in (first, second)]
    if [_structure(found) for found in nodes[:1]] != [_structure(found) for found in nodes[1:]]:
        raise LaminaError(
            f"{name} computes different functions for {_ROWS[0]} and for {_ROWS[1]} rows; an ONNX graph is the same "
            "for any number of rows"
        )
    for one, other in zip(*nodes, strict=True):
        merged.shapes[one] = _merged(one.shape, other.shape, merged, one)
        params = one.params.items()
        merged.params[one] = {name: _merged(x, other.params[name], merged, one) for name, x in params}
        if isinstance(one.op, Constant) and one.op != other.op:
            raise _dependent("a number", one, merged, one.op.value, other.op.value)
    return merged


def _leave(stack: list[str]) -> None:
    stack.pop()


def _in(layer: str | None) -> str:
    return f" in {layer}" if layer else ""


def _captured(
    function: Callable[..., Any],
    inputs: Sequence[tuple[tuple[int, ...], Any]],
    rows: int,
    layers: dict[Node, str],
) -> FunctionGraph:
    """Capture the graph for `rows` rows, and enter the layer of each node in `layers`."""
    stack: list[str] = []

    def note(node: Node) -> None:
        if stack:
            layers[node] = stack[-1]

    arguments = [nd.zeros((rows, *shape), dtype=dtype) for shape, dtype in inputs]
    with ExitStack() as hooks, autograd.pause(train_mode=False):
        for one in _all_blocks(function) if isinstance(function, Block) else ():
            hooks.enter_context(one.register_forward_pre_hook(lambda one, _inputs: stack.append(one.name)))
            hooks.enter_context(one.register_forward_hook(lambda _one, _inputs, _output: _leave(stack)))
        return graph_of(function, arguments, note)


def _all_blocks(block: Block) -> list[Block]:
    """A block and all its descendants, each once."""
    found: dict[int, Block] = {}
    block.apply(lambda one: found.setdefault(id(one), one))
    return list(found.values())


def _structure(nodes: Sequence[Node]) -> list[tuple[Any, ...]]:
    """The operators, dtypes and connections of nodes, without shapes and parameters."""
    numbers = {node: i for i, node in enumerate(nodes)}
    ops = ["number" if isinstance(node.op, Constant) else node.op for node in nodes]
    return [(op, node.dtype, *(numbers[x] for x in node.inputs)) for op, node in zip(ops, nodes, strict=True)]


def _merged(one: Any, other: Any, traced: Traced, node: Node) -> Any:
    """A size, or tuple of sizes, from the graphs for both numbers of rows; sizes that differ become `Rows`."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(_merged(x, y, traced, node) for x, y in zip(one, other, strict=True))
    if one == other:
        return one
    times = Fraction(one, _ROWS[0]) if isinstance(one, int) else Fraction(0)
    if not times or other != times * _ROWS[1]:
        raise _dependent(f"the operator {node.op.name!r}", node, traced, one, other)
    return Rows(times)


def _dependent(what: str, node: Node, traced: Traced, one: Any, other: Any) -> LaminaError:
    return LaminaError(
        f"{what}{traced.place(node)} depends on the number of rows: it is {one} for {_ROWS[0]} rows and {other} for "
        f"{_ROWS[1]}, but an ONNX graph is the same for any number; compute each row by itself"
    )
