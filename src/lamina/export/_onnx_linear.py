"""A graph pass that merges linear maps of rows into single products, since each node costs ONNX Runtime about 1 µs.

A linear map is a sum of products x · matrix and a bias. Constant rows that are added to the map, or multiplied with
the map or its inputs, are folded into matrices and bias: input scales, a layer's factor, batch normalization,
the mean of several networks. A product with a concatenation becomes a sum of products with its parts, each with its own
scale; all lookups among the parts are merged into one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.compiler.passes.graph import Input, Node
from lamina.export._onnx_emission import Codes, Emission


@dataclass
class _Part:
    """An input x, (rows, n), and the rows of the matrix that multiply x, float64 (n, outputs)."""

    x: Node
    matrix: np.ndarray


@dataclass
class _Linear:
    """A sum of products, each of concatenated parts, and an optional bias, (outputs,)."""

    products: list[list[_Part]]
    bias: np.ndarray | None = None

    def plus(self, other: np.ndarray | None) -> _Linear:
        """The map with a constant row added to its output."""
        if other is None or self.bias is None:
            return _Linear(self.products, self.bias if other is None else other)
        return _Linear(self.products, self.bias + other)

    def times(self, row: np.ndarray) -> _Linear:
        """The map with its output multiplied by a constant row."""
        products = [[_Part(part.x, part.matrix * row) for part in parts] for parts in self.products]
        return _Linear(products, None if self.bias is None else self.bias * row)


def linear_map(e: Emission, node: Node) -> str | None:
    """A matrix product, merged with the linear operations before and after it."""
    found = _linear(e, node) if node.dtype.kind == "f" and len(node.shape) == 2 else None
    if found is None:
        return None
    bias = None if found.bias is None else np.broadcast_to(found.bias, node.shape[1:])
    sum_ = None if bias is None else e.constant(bias, node.dtype)
    for parts in found.products:
        x, matrix = _beside_each_other(e, parts)
        factors = x, e.constant(matrix, node.dtype)
        sum_ = e.add("MatMul", *factors) if sum_ is None else e.add("Gemm", *factors, sum_)
    return sum_


def _linear(e: Emission, node: Node) -> _Linear | None:
    """A node as a linear map; None unless its matrix is constant."""
    if node.is_op("matmul") and not node.params["transpose_a"]:
        weight = e.known(node.inputs[1])
        if weight is None:
            return None
        matrix = (weight.T if node.params["transpose_b"] else weight).astype(np.float64)
        return _Linear([_parts(e, node.inputs[0], matrix)])
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
        return _Linear(found.products + other.products, found.bias).plus(other.bias)
    if node.is_op("add", "subtract"):
        return found.plus(row if node.is_op("add") else -row)
    return found.times(row if node.is_op("multiply") else 1 / row)


def _row(e: Emission, node: Node, result: Node) -> np.ndarray | None:
    """The constant row, float64 (columns,) or (1,), that a node applies to each row of `result`; None for others."""
    value = e.known(node)
    if value is None or len(result.shape) != 2 or value.ndim > 2 or (value.ndim == 2 and len(value) != 1):
        return None
    return value.astype(np.float64).reshape(-1)


def _parts(e: Emission, x: Node, matrix: np.ndarray) -> list[_Part]:
    """x · matrix as parts, one for each part of the concatenation x; scales are folded into the parts' matrices."""
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
    """The parts' inputs concatenated to one tensor, and the matrix that multiplies it."""
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
    """Rows of an embedding selected by an input column of codes, and the matrix that multiplies them."""

    codes: Codes
    column: int
    table: np.ndarray
    matrix: np.ndarray


def _as_lookup(e: Emission, part: _Part) -> _Lookup | None:
    """A part as a lookup; None unless all codes are certain to be in the table."""
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
    """All lookups as one node, in tables stacked vertically and padded to the same width."""
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
    """The part of a concatenation that a slice selects exactly; None for other slices."""
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
