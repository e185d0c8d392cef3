"""Subgraphs that become a single ONNX node: activations, layer normalization, softmax and linear maps.

A pattern is captured as the graph of lamina's function, with the shape of the node to be matched, and with marker
numbers instead of the function's settings (`_Example`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler.front.graphs import graph_of
from lamina.compiler.passes.graph import Constant, Input, Node
from lamina.core.primitive import Primitive
from lamina.estimators.meaning import ascending, logistic, softmax
from lamina.estimators.network import layer_normalized
from lamina.export._onnx_graph import Codes, Emission, Pattern
from lamina.nd.ndarray import NDArray

# ---------------------------------------------------------------------------------------------------------------------
# A graph pass that merges linear maps of rows into single products, since each node costs ONNX Runtime about 1 µs.
#
# A linear map is a sum of products x · matrix and a bias. Constant rows that are added to the map, or multiplied with
# the map or its inputs, are folded into matrices and bias: input scales, a layer's factor, batch normalization, the
# mean of several networks. A product with a concatenation becomes a sum of products with its parts, each with its own
# scale; all lookups among the parts are merged into one.


@dataclass
class _Part:
    """A product x · matrix: the input x is (rows, n), and the matrix, float64, is (n, outputs)."""

    x: Node
    matrix: np.ndarray


@dataclass
class _Linear:
    """A linear map: a sum of products, and an optional bias, (outputs,)."""

    parts: list[_Part]
    bias: np.ndarray | None = None

    def plus(self, other: np.ndarray | None) -> _Linear:
        """The map with a constant row, if not None, added to its output."""
        if other is None or self.bias is None:
            return _Linear(self.parts, self.bias if other is None else other)
        return _Linear(self.parts, self.bias + other)

    def times(self, row: np.ndarray) -> _Linear:
        """The map with its output multiplied elementwise by a constant row."""
        parts = [_Part(part.x, part.matrix * row) for part in self.parts]
        return _Linear(parts, None if self.bias is None else self.bias * row)


def linear_map(e: Emission, node: Node) -> str | None:
    """Emit a matrix product, merged with linear operations before and after it; None for other nodes."""
    found = _linear(e, node) if node.dtype.kind == "f" and len(node.shape) == 2 else None
    if found is None:
        return None
    x, matrix = _beside_each_other(e, _united(found.parts))
    factors = x, e.constant(matrix, node.dtype)
    if found.bias is None:
        return e.add("MatMul", *factors)
    return e.add("Gemm", *factors, e.constant(np.broadcast_to(found.bias, node.shape[1:]), node.dtype))


def _united(parts: Sequence[_Part]) -> list[_Part]:
    """One product for each input; the products of all slices of a matrix become a product of the matrix."""
    matrices: dict[Node, np.ndarray] = {}
    sliced = Counter(part.x.inputs[0] for part in parts if _entry_of_split(part.x) is not None)
    for part in parts:
        x, matrix, entry = part.x, part.matrix, _entry_of_split(part.x)
        if entry is not None and sliced[x.inputs[0]] == x.inputs[0].shape[1] // x.shape[1]:
            before = entry * len(matrix)
            x = x.inputs[0]
            matrix = np.pad(matrix, ((before, x.shape[1] - before - len(matrix)), (0, 0)))
        matrices[x] = matrices[x] + matrix if x in matrices else matrix
    return [_Part(x, matrix) for x, matrix in matrices.items()]


def _linear(e: Emission, node: Node) -> _Linear | None:
    """Convert a node to a linear map; None unless the matrix is constant."""
    if node.is_op("matmul") and not node.params["transpose_a"]:
        weight = e.known(node.inputs[1])
        if weight is None:
            return None
        matrix = (weight.T if node.params["transpose_b"] else weight).astype(np.float64)
        return _Linear(_parts(e, node.inputs[0], matrix))
    if not node.is_op("add", "subtract", "multiply", "divide"):
        return None
    first, second = node.inputs
    row, first_row = _row(e, second, node), _row(e, first, node)
    if first_row is not None and node.is_op("add", "multiply"):
        first, row = second, first_row
    found = None if e.is_shared(first) else _linear(e, first)
    if found is None:
        return None
    if row is None:
        other = _linear(e, second) if node.is_op("add") and not e.is_shared(second) else None
        if other is None or first.shape != second.shape:
            return None
        return _Linear(found.parts + other.parts, found.bias).plus(other.bias)
    if node.is_op("add", "subtract"):
        return found.plus(row if node.is_op("add") else -row)
    return found.times(row if node.is_op("multiply") else 1 / row)


def _row(e: Emission, node: Node, result: Node) -> np.ndarray | None:
    """The constant operand `node` of `result` as a row, float64 (columns,) or (1,); None for other operands."""
    value = e.known(node)
    if value is None or len(result.shape) != 2 or value.ndim > 2 or (value.ndim == 2 and len(value) != 1):
        return None
    return value.astype(np.float64).reshape(-1)


def _parts(e: Emission, x: Node, matrix: np.ndarray) -> list[_Part]:
    """Split the product x · matrix by the inputs of x, if x is a concatenation.

    Constant factors of the inputs are folded into the matrices.
    """
    if x.is_op("concat") and x.params["axis"] == 1:
        ends = np.cumsum([part.shape[1] for part in x.inputs])[:-1]
        pairs = zip(x.inputs, np.split(matrix, ends), strict=True)
        return [part for inputs, rows in pairs if len(rows) for part in _parts(e, inputs, rows)]
    if x.is_op("multiply", "divide"):
        row = _row(e, x.inputs[1], x)
        if row is not None and x.inputs[0].shape == x.shape:
            factor = row if x.is_op("multiply") else 1 / row
            return _parts(e, x.inputs[0], matrix * factor[:, None])
    return [_Part(x, matrix)]


def _beside_each_other(e: Emission, parts: list[_Part]) -> tuple[str, np.ndarray]:
    """Concatenate the inputs of several products into one tensor, and their matrices into one matrix."""
    lookups: list[_Lookup] = []
    pairs: list[tuple[str, np.ndarray]] = []
    for part in parts:
        lookup = _as_lookup(e, part)
        if lookup is None or lookup.column in [other.column for other in lookups]:
            pairs.append((e.tensor(part.x), part.matrix))
        else:
            lookups.append(lookup)
    pairs += [_looked_up(e, lookups)] if lookups else []
    tensors, matrices = zip(*pairs, strict=True)
    x = tensors[0] if len(tensors) == 1 else e.add("Concat", *tensors, axis=1)
    return x, np.concatenate(matrices)


# --- lookups -----------------------------------------------------------------------------------------------------


@dataclass
class _Lookup:
    """A product of a matrix with the rows of an embedding table that a column of codes selects."""

    codes: Codes
    column: int
    table: np.ndarray
    matrix: np.ndarray


def _as_lookup(e: Emission, part: _Part) -> _Lookup | None:
    """Convert a product to a lookup; None unless all codes are certain to be in the embedding table."""
    if not part.x.is_op("take") or part.x.params["axis"] != 0:
        return None
    table, index = e.known(part.x.inputs[0]), part.x.inputs[1]
    if table is None or table.ndim != 2 or not index.is_op("reshape"):
        return None
    codes, column = _column(index.inputs[0])
    known = e.codes.get(codes.op.slot) if isinstance(codes.op, Input) else None
    if known is None or known.counts[column] > len(table):
        return None
    return _Lookup(known, column, table, part.matrix)


def _column(node: Node) -> tuple[Node, int]:
    """The matrix from which a node (rows, 1) takes a column, and the column's position."""
    while (part := part_of_concatenation(node)) is not None:
        node = part
    if node.is_op("slice", "slice_copy") and node.shape[1:] == (1,):
        return node.inputs[0], node.params["begin"][1]
    return node, 0


def _looked_up(e: Emission, lookups: list[_Lookup]) -> tuple[str, np.ndarray]:
    """Emit all lookups as one node, in tables that are padded to the same width and stacked vertically."""
    codes = lookups[0].codes
    lookups = sorted(lookups, key=lambda lookup: codes.order.index(lookup.column))
    width = max(lookup.table.shape[1] for lookup in lookups)

    def filled(array: np.ndarray, axis: int) -> np.ndarray:
        padding = [(0, 0), (0, 0)]
        padding[axis] = (0, width - array.shape[axis])
        return np.pad(array, padding)

    table = np.concatenate([filled(lookup.table, 1) for lookup in lookups])
    matrix = np.concatenate([filled(lookup.matrix, 0) for lookup in lookups])
    begins = np.cumsum([0, *(len(lookup.table) for lookup in lookups[:-1])]).tolist()
    places = codes.shifted([lookup.column for lookup in lookups], begins)
    values = e.add("Gather", e.graph.constant(table), places, axis=0)
    return e.add("Reshape", values, e.integers(0, len(matrix))), matrix


def part_of_concatenation(node: Node) -> Node | None:
    """The input of a concatenation that a slice selects exactly; None for other slices."""
    if not node.is_op("slice", "slice_copy") or any(step != 1 for step in node.params["step"]):
        return None
    (x,) = node.inputs
    begins: Any = node.params["begin"]
    if x.shape == node.shape:
        return x
    if not x.is_op("concat"):
        return None
    axis, begin = x.params["axis"], 0
    for part in x.inputs:
        if begin == begins[axis] and part.shape == node.shape:
            return part
        begin += part.shape[axis]
    return None


def _entry_of_split(node: Node) -> int | None:
    """The position of a node among slices that divide a matrix into equally wide ones; None for other nodes."""
    if not node.is_op("slice", "slice_copy") or len(node.shape) != 2 or node.params["step"] != (1, 1):
        return None
    (x,), width, begin = node.inputs, node.shape[1], node.params["begin"][1]
    is_whole = x.shape[0] == node.shape[0] and width and x.shape[1] % width == begin % width == 0
    return begin // width if is_whole else None


# ---------------------------------------------------------------------------------------------------------------------

_SETTINGS = (0.7310585786300049, 0.2689414213699951, 0.0474258731775668)
"""Marker numbers for settings in a pattern; no lamina function contains them."""

Form = Callable[..., NDArray]
Emit = Callable[[Emission, list[Node], list[float]], str]
"""A function that emits ONNX for a match, from the emission, the nodes matched to the arrays, and the settings."""


class _Example:
    """A pattern captured from a function.

    Args:
        function: takes an array of the result's shape, further arrays, and settings.
        emit: emits the function's ONNX form.
        settings: the number of settings.
        others: a function that returns the shapes of the further arrays from the result's shape.
        of_doubles: whether ONNX Runtime supports the form for float64.
        axes: the result's number of axes; None: any.
    """

    def __init__(
        self,
        function: Form,
        emit: Emit,
        settings: int = 0,
        others: Callable[[tuple[int, ...]], list[tuple[int, ...]]] = lambda shape: [],
        of_doubles: bool = False,
        axes: int | None = None,
    ) -> None:
        self._function, self._emit, self._others, self._axes = function, emit, others, axes
        self._settings, self._of_doubles = _SETTINGS[:settings], of_doubles
        self._graph = cache(self._traced)

    def __call__(self, e: Emission, node: Node) -> str | None:
        if node.dtype.kind != "f" or not node.shape or (node.dtype == np.float64 and not self._of_doubles):
            return None
        if self._axes not in (None, len(node.shape)):
            return None
        small = self._graph((2,) * len(node.shape), node.dtype)
        if small.op is not node.op:
            return None
        root = self._graph(node.shape, node.dtype)
        match = _Match(self._settings)
        if not match.fits(root, node):
            return None
        arrays = [match.arrays[slot] for slot in sorted(match.arrays)]
        return self._emit(e, arrays, [match.settings[value] for value in self._settings])

    def _traced(self, shape: tuple[int, ...], dtype: np.dtype) -> Node:
        arrays = [nd.zeros(one, dtype=dtype) for one in (shape, *self._others(shape))]
        return graph_of(lambda *given: self._function(*given, *self._settings), arrays).graph.results[0]


class _Match:
    """A match of a pattern with a graph: nodes for the pattern's arrays, and values for its settings."""

    def __init__(self, settings: Sequence[float]) -> None:
        self._wanted = settings
        self._fitting: set[tuple[Node, Node]] = set()
        self.arrays: dict[int, Node] = {}
        self.settings: dict[float, float] = {}

    def fits(self, pattern: Node, node: Node) -> bool:
        """Whether the graph equals the pattern, except for arrays and settings."""
        if isinstance(pattern.op, Input):
            same_type = (pattern.shape, pattern.dtype) == (node.shape, node.dtype)
            return same_type and self.arrays.setdefault(pattern.op.slot, node) is node
        if isinstance(pattern.op, Constant):
            return isinstance(node.op, Constant) and self._same_number(pattern, float(node.op.value))
        if (pattern, node) in self._fitting:  # already matched, for another node that reads it
            return True
        if (
            not isinstance(pattern.op, Primitive)
            or pattern.op is not node.op
            or pattern.params != node.params
            or len(pattern.inputs) != len(node.inputs)
            or not all(map(self.fits, pattern.inputs, node.inputs))
        ):
            return False
        self._fitting.add((pattern, node))
        return True

    def _same_number(self, pattern: Node, value: float) -> bool:
        assert isinstance(pattern.op, Constant)
        for setting in self._wanted:
            if pattern.op.value == np.asarray(setting, pattern.dtype).item():
                return self.settings.setdefault(setting, value) == value
        return pattern.op.value == value


def _one(op: str, *names: str) -> Emit:
    """Create an `Emit` function for a single ONNX node, whose attributes `names` are the settings."""
    return lambda e, arrays, settings: e.add(
        op, *map(e.tensor, arrays), **dict[str, Any](zip(names, settings, strict=True))
    )


def _prelu(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    """Emit PRelu with reshaped slopes: ONNX aligns them with the last axes, lamina with axis 1."""
    x, slopes = arrays
    shape = (-1, *[1] * (len(x.shape) - 2))
    known = e.known(slopes)
    aligned = e.reshaped(e.tensor(slopes), shape) if known is None else e.graph.constant(known.reshape(shape))
    return e.add("PRelu", e.tensor(x), aligned)


def _layer_norm(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    return e.add("LayerNormalization", *map(e.tensor, arrays), axis=-1, epsilon=settings[0])


# --- rows --------------------------------------------------------------------------------------------------------


def _sorted(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    x, count = arrays[0], e.integers(arrays[0].shape[1])
    return e.graph.add_several("TopK", e.tensor(x), count, results=2, axis=1, largest=0, sorted=1)[0]


_ascending = _Example(ascending, _sorted, of_doubles=True, axes=2)


def _ascending_rows(e: Emission, node: Node) -> str | None:
    """Emit TopK for a network of exchanges that sorts each row; None for other nodes.

    The pattern is large, with an exchange for each pair of columns. To save time, it is compared only with nodes that
    may match.
    """
    exchanged = node.is_op("concat") and all(x.is_op("minimum", "maximum") for x in node.inputs)
    return _ascending(e, node) if exchanged and node.shape[1:] == (len(node.inputs),) else None


# --- numbers -----------------------------------------------------------------------------------------------------


def _part(e: Emission, node: Node) -> str | None:
    part = part_of_concatenation(node)
    return None if part is None else e.tensor(part)


def _split(e: Emission, node: Node) -> str | None:
    """Emit Split for slices that divide a matrix; None for other nodes."""
    entry, width = _entry_of_split(node), node.shape[-1] if node.shape else 0
    count = node.inputs[0].shape[1] // width if entry is not None else 0
    if entry is None or e.readers[node.inputs[0]] < count:
        return None
    sizes = e.integers(*[width] * count)
    return e.graph.add_several("Split", e.tensor(node.inputs[0]), sizes, results=count, axis=1)[entry]


def _clip(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    x = arrays[0]
    return e.add("Clip", e.tensor(x), *(e.constant(setting, x.dtype) for setting in settings))


_NEUTRAL = {"subtract": 0, "multiply": 1, "divide": 1}


def _without_effect(e: Emission, node: Node) -> str | None:
    """Emit x − 0, x · 1 and x / 1 as x; None for other nodes."""
    if node.op.name not in _NEUTRAL or (node.inputs[0].shape, node.inputs[0].dtype) != (
        node.shape,
        node.dtype,
    ):
        return None
    known = e.known(node.inputs[1])
    is_neutral = known is not None and np.all(known == _NEUTRAL[node.op.name])
    return e.tensor(node.inputs[0]) if is_neutral else None


def _product_of_constants(e: Emission, node: Node) -> str | None:
    """Emit x · a · b with constants a and b as x · (a · b); None for other nodes."""
    if not node.is_op("multiply") or not node.inputs[0].is_op("multiply") or node.dtype.kind != "f":
        return None
    (x, a), b = node.inputs[0].inputs, node.inputs[1]
    factors = e.known(a), e.known(b)
    if factors[0] is None or factors[1] is None or e.known(x) is not None or e.is_shared(node.inputs[0]):
        return None
    return e.add("Mul", e.tensor(x), e.constant(factors[0] * factors[1], node.dtype))


def _sum_of_products(e: Emission, node: Node) -> str | None:
    """Emit A · x + row + B · y of stacks, with constants A, row and B, as [A B] · [x; y] + row."""
    if not node.is_op("add") or len(node.shape) != 3 or not node.inputs[0].is_op("add"):
        return None
    (first, row), second = node.inputs[0].inputs, node.inputs[1]
    matrices: list[np.ndarray] = []
    for product in first, second:
        known = (
            e.known(product.inputs[0])
            if product.is_op("matmul") and not product.params["transpose_b"]
            else None
        )
        if known is None or known.ndim != 3 or e.known(row) is None:
            return None
        matrices.append(known.swapaxes(1, 2) if product.params["transpose_a"] else known)
    parts = e.add("Concat", *(e.tensor(product.inputs[1]) for product in (first, second)), axis=1)
    whole = e.constant(np.concatenate(matrices, axis=2), node.dtype)
    return e.add("Add", e.add("MatMul", whole, parts), e.tensor(row))


PATTERNS: list[Pattern] = [
    linear_map,
    _sum_of_products,
    _part,
    _split,
    _without_effect,
    _product_of_constants,
    _Example(nd.selu, _one("Selu")),
    _Example(nd.softsign, _one("Softsign")),
    _Example(
        nd.mish,
        lambda e, x, _: e.add("Mul", e.tensor(x[0]), e.add("Tanh", e.add("Softplus", e.tensor(x[0])))),
    ),
    _Example(
        lambda x, row: nd.mish(x) + x * row,
        lambda e, x, _: e.add(
            "Mul",
            e.tensor(x[0]),
            e.add("Add", e.add("Tanh", e.add("Softplus", e.tensor(x[0]))), e.tensor(x[1])),
        ),
        others=lambda shape: [shape[-1:]],
    ),
    _Example(lambda x: nd.maximum(x, nd.zeros_like(x)), _one("Relu"), of_doubles=True),
    _Example(nd.hard_sigmoid, _one("HardSigmoid", "alpha", "beta"), 2),
    _Example(nd.leaky_relu, _one("LeakyRelu", "alpha"), 1, of_doubles=True),
    _Example(nd.elu, _one("Elu", "alpha"), 1),
    _Example(nd.prelu, _prelu, others=lambda shape: [(1,)], of_doubles=True),
    _Example(
        nd.prelu, _prelu, others=lambda shape: [shape[1:2]] if len(shape) > 1 else [(1,)], of_doubles=True
    ),
    _Example(
        lambda x, g, b, eps: nd.LayerNorm(x, g, b, eps=eps),
        _layer_norm,
        1,
        lambda shape: [shape[-1:]] * 2,
        of_doubles=True,
    ),
    _Example(layer_normalized, _layer_norm, 1, lambda shape: [shape[-1:]] * 2, axes=2),
    _Example(softmax, _one("Softmax"), of_doubles=True, axes=2),  # ONNX's default axis is the last
    _ascending_rows,
    _Example(logistic, _one("Sigmoid"), of_doubles=True),
    _Example(nd.clip, _clip, 2, of_doubles=True),
]
"""The patterns, tried in this order, larger ones first."""
