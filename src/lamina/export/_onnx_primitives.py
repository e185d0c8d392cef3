"""The ONNX form of every primitive that has one, in `EMITTERS`.

ONNX Runtime implements most operators for float32 (and float16, by conversion), many for float64, a few for integers.
For other dtypes, values are converted to the nearest supported dtype, and the result is converted back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.compiler.passes.graph import Node
from lamina.errors import LaminaError
from lamina.export._onnx_graph import Emission, Emitter
from lamina.export.traced import Rows

EMITTERS: dict[str, Emitter] = {}
"""Emitters by primitive name."""

FLOAT, DOUBLE, INTEGER, TRUTH = (np.dtype(name) for name in ("float32", "float64", "int64", "bool"))
_OF_ONE_PRECISION = {
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Elu", "Erf", "HardSigmoid", "ReduceProd", "Selu",
    "Sinh", "Softplus", "Softsign", "Tan",
}  # fmt: skip
"""Operators that ONNX Runtime 1.16 lacks for float64."""

OfTensor = Callable[[Emission, str, Any], str]
"""A function that emits a unary operator, from an emission, a tensor, and its float dtype."""


def _emits(*names: str) -> Callable[[Emitter], Emitter]:
    def enter(emitter: Emitter) -> Emitter:
        for name in names:
            EMITTERS[name] = emitter
        return emitter

    return enter


def _through(e: Emission, op: str, inputs: Sequence[str], dtype: np.dtype, **attributes: Any) -> str:
    """Add a node that computes in `dtype`, or in float32 if ONNX Runtime lacks the operator for float64."""
    if dtype == DOUBLE and op in _OF_ONE_PRECISION:
        return e.cast(e.add(op, *(e.cast(x, DOUBLE, FLOAT) for x in inputs), **attributes), FLOAT, DOUBLE)
    return e.add(op, *inputs, **attributes)


# --- one input ---------------------------------------------------------------------------------------------------


def _op(name: str) -> OfTensor:
    return lambda e, x, dtype: _through(e, name, [x], dtype)


def _times(op: str, factor: float) -> OfTensor:
    return lambda e, x, dtype: e.add("Mul", e.add(op, x), e.constant(factor, dtype))


def _round(e: Emission, x: str, dtype: Any) -> str:
    """Round to integers, with halves away from zero."""
    size = e.add("Abs", x)
    whole = e.add("Floor", size)
    up = e.add("GreaterOrEqual", e.add("Sub", size, whole), e.constant(0.5, dtype))
    return e.add("Mul", e.add("Sign", x), e.add("Add", whole, e.cast(up, TRUTH, dtype)))


def _log1p(e: Emission, x: str, dtype: Any) -> str:
    return e.add("Log", e.add("Add", x, e.constant(1, dtype)))


def _softrelu(e: Emission, x: str, dtype: Any) -> str:
    if dtype != DOUBLE:
        return e.add("Softplus", x)
    small = _log1p(e, e.add("Exp", e.add("Neg", e.add("Abs", x))), dtype)
    return e.add("Add", e.add("Relu", x), small)


_ALIKE = {
    "negative": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "rint": "Round", "exp": "Exp",
    "same_exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "erf": "Erf", "sigmoid": "Sigmoid", "relu": "Relu",
}  # fmt: skip
"""ONNX's operators for the primitives that it has, too."""

_UNARY: dict[str, OfTensor] = {
    **{name: _op(op) for name, op in _ALIKE.items()},
    "trunc": lambda e, x, dtype: e.add("Mul", e.add("Sign", x), e.add("Floor", e.add("Abs", x))),
    "round": _round,
    "expm1": lambda e, x, dtype: e.add("Sub", e.add("Exp", x), e.constant(1, dtype)),
    "log2": _times("Log", 1 / np.log(2)),
    "log10": _times("Log", 1 / np.log(10)),
    "log1p": _log1p,
    "rsqrt": lambda e, x, dtype: e.add("Reciprocal", e.add("Sqrt", x)),
    "cbrt": lambda e, x, dtype: e.add(
        "Mul", e.add("Sign", x), e.add("Pow", e.add("Abs", x), e.constant(1 / 3, dtype))
    ),
    # ONNX Runtime lacks the cosine of float64.
    "cos": lambda e, x, dtype: (
        e.add("Cos", x) if dtype != DOUBLE else e.add("Sin", e.add("Add", x, e.constant(np.pi / 2, dtype)))
    ),
    "softrelu": _softrelu,
    "nan_to_zero": lambda e, x, dtype: e.add("Where", e.add("IsNaN", x), e.constant(0, dtype), x),
}
_ROUNDING = {"floor", "ceil", "trunc", "rint", "round", "nan_to_zero"}


@_emits(*_UNARY)
def _unary(e: Emission, node: Node) -> str:
    """Emit a unary function; integers are converted to float64 first, as in lamina."""
    (x,) = node.inputs
    name, tensor = node.op.name, e.tensor(x)
    if x.dtype.kind == "f":
        return _UNARY[name](e, tensor, x.dtype)
    if name in _ROUNDING:
        return tensor
    return e.cast(_UNARY[name](e, e.cast(tensor, x.dtype, DOUBLE), DOUBLE), DOUBLE, node.dtype)


# --- two inputs --------------------------------------------------------------------------------------------------


def _computed(dtype: np.dtype) -> np.dtype:
    """The nearest dtype with arithmetic in ONNX Runtime."""
    return dtype if dtype.kind == "f" or dtype in (np.dtype(np.int32), INTEGER) else INTEGER


def _operands(e: Emission, node: Node, dtype: np.dtype) -> list[str]:
    return [e.cast(e.tensor(x), x.dtype, dtype) for x in _unexpanded(node)]


def _unexpanded(node: Node) -> list[Node]:
    """A node's inputs without the broadcasts before them, if ONNX broadcasts the inputs itself."""
    found = list(node.inputs)
    for i, x in enumerate(found):
        if x.is_op("broadcast_to"):
            others = [other.shape for other in (*found[:i], x.inputs[0], *found[i + 1 :])]
            found[i] = x.inputs[0] if np.broadcast_shapes(*others) == node.shape else x
    return found


_ARITHMETIC = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min"}


@_emits(*_ARITHMETIC)
def _arithmetic(e: Emission, node: Node) -> str:
    dtype = _computed(node.dtype)
    return e.cast(e.add(_ARITHMETIC[node.op.name], *_operands(e, node, dtype)), dtype, node.dtype)


@_emits("divide")
def _divide(e: Emission, node: Node) -> str:
    """Emit a division; integers are divided in float64, and integer division by 0 gives 0."""
    if node.dtype.kind == "f":
        return e.add("Div", *_operands(e, node, node.dtype))
    x, y = _operands(e, node, DOUBLE)
    zero = e.constant(0, DOUBLE)
    quotient = e.add("Where", e.add("Equal", y, zero), zero, e.add("Div", x, y))
    return e.cast(e.cast(quotient, DOUBLE, INTEGER), INTEGER, node.dtype)


@_emits("power")
def _power(e: Emission, node: Node) -> str:
    if node.dtype.kind == "f":
        return e.add("Pow", *_operands(e, node, node.dtype))
    powered = e.add("Pow", *_operands(e, node, DOUBLE))
    finite = e.add("Less", e.add("Abs", powered), e.constant(np.inf, DOUBLE))
    powered = e.add("Where", finite, powered, e.constant(0, DOUBLE))
    return e.cast(e.cast(powered, DOUBLE, INTEGER), INTEGER, node.dtype)


@_emits("mod")
def _mod(e: Emission, node: Node) -> str:
    """Emit the remainder with the divisor's sign."""
    dtype = _computed(node.dtype)
    x, y = _operands(e, node, dtype)
    if dtype.kind != "f":
        return e.cast(e.add("Mod", x, y), dtype, node.dtype)
    rest, zero = e.add("Mod", x, y, fmod=1), e.constant(0, dtype)
    wrong = e.add("Less", e.add("Mul", e.add("Sign", rest), e.add("Sign", y)), zero)
    return e.add("Where", wrong, e.add("Add", rest, y), rest)


@_emits("hypot", "arctan2")
def _of_triangle(e: Emission, node: Node) -> str:
    """Emit √(x² + y²); or the angle 2 · atan(y / (√(x² + y²) + x)), where y = 0 π if x < 0, otherwise 0."""
    dtype = node.dtype if node.dtype.kind == "f" else DOUBLE
    y, x = _operands(e, node, dtype)
    root = e.add("Sqrt", e.add("Add", e.add("Mul", x, x), e.add("Mul", y, y)))
    if node.op.name == "hypot":
        return e.cast(root, dtype, node.dtype)
    zero, pi = e.constant(0, dtype), e.constant(np.pi, dtype)
    half = _through(e, "Atan", [e.add("Div", y, e.add("Add", root, x))], dtype)
    angle = e.add("Mul", half, e.constant(2, dtype))
    at_zero = e.add("Where", e.add("Less", x, zero), pi, zero)
    return e.cast(e.add("Where", e.add("Equal", y, zero), at_zero, angle), dtype, node.dtype)


# --- truth -------------------------------------------------------------------------------------------------------

_COMPARISONS = {
    "equal": "Equal", "not_equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less",
    "less_equal": "LessOrEqual",
}  # fmt: skip
_LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def _truth(e: Emission, node: Node) -> str:
    """Emit whether the elements of a node are nonzero, as a boolean tensor."""
    name, known = node.op.name, e.known(node)
    if known is not None:
        return e.graph.constant(known != 0)
    if name in _COMPARISONS:
        first, second = node.inputs
        if name == "not_equal" and first is second and first.dtype.kind == "f":
            return e.add("IsNaN", e.tensor(first))
        dtype = np.result_type(first.dtype, second.dtype)
        found = e.add(_COMPARISONS[name], *_operands(e, node, _computed(dtype)))
        return e.add("Not", found) if name == "not_equal" else found
    if name in _LOGIC:
        return e.add(_LOGIC[name], *(_truth(e, x) for x in node.inputs))
    if name == "take":
        return _taken(e, node, _truth(e, node.inputs[0]))
    return e.cast(e.tensor(node), node.dtype, TRUTH)


@_emits(*_COMPARISONS, *_LOGIC)
def _comparison(e: Emission, node: Node) -> str:
    return e.cast(_truth(e, node), TRUTH, node.dtype)


@_emits("where")
def _where(e: Emission, node: Node) -> str:
    condition, *values = _unexpanded(node)
    dtype = _computed(node.dtype)
    chosen = [e.cast(e.tensor(x), x.dtype, dtype) for x in values]
    return e.cast(e.add("Where", _truth(e, condition), *chosen), dtype, node.dtype)


@_emits("cast")
def _cast(e: Emission, node: Node) -> str:
    """Emit a conversion; floats outside the range of small or unsigned integers wrap around, as in lamina."""
    (x,) = node.inputs
    if x.is_op(*_COMPARISONS, *_LOGIC):
        return e.cast(_truth(e, x), TRUTH, node.dtype)
    if x.is_op(*_PLACES):
        return e.cast(_place(e, x), INTEGER, node.dtype)
    tensor = e.tensor(x)
    if x.dtype.kind == "f" and node.dtype.kind in "iu":
        wide = np.dtype(np.int32) if node.dtype.itemsize < 4 else INTEGER
        return e.cast(e.cast(tensor, x.dtype, wide), wide, node.dtype)
    return e.cast(tensor, x.dtype, node.dtype)


@_emits("independent", "output_layer", "stop_gradient", "straight_through", "to_context")
def _to_context(e: Emission, node: Node) -> str:
    return e.tensor(node.inputs[0])


# --- products and sums -------------------------------------------------------------------------------------------


@_emits("matmul")
def _matmul(e: Emission, node: Node) -> str:
    flags, dtype = (node.params["transpose_a"], node.params["transpose_b"]), _computed(node.dtype)
    pairs = zip(node.inputs, flags, strict=True)
    factors = [e.cast(_transposed(e, x, flag), x.dtype, dtype) for x, flag in pairs]
    return e.cast(e.add("MatMul", *factors), dtype, node.dtype)


def _transposed(e: Emission, node: Node, flag: bool) -> str:
    if not flag:
        return e.tensor(node)
    known = e.known(node)
    if known is not None:
        return e.graph.constant(np.ascontiguousarray(known.swapaxes(-1, -2)))
    axes = list(range(len(node.shape)))
    return e.add("Transpose", e.tensor(node), perm=[*axes[:-2], axes[-1], axes[-2]])


_REDUCTIONS = {"sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}


@_emits(*_REDUCTIONS)
def _reduction(e: Emission, node: Node) -> str:
    (x,) = node.inputs
    axes, keepdims = node.params["axis"], bool(node.params["keepdims"])
    tensor = e.tensor(x)
    if not axes:
        return tensor if node.shape == x.shape else e.reshaped(tensor, e.shape(node))
    dtype = _computed(x.dtype)
    tensor = e.cast(tensor, x.dtype, dtype)
    if node.op.name == "sum":
        out = e.add("ReduceSum", tensor, e.integers(*axes), keepdims=int(keepdims))
    else:
        out = _through(e, _REDUCTIONS[node.op.name], [tensor], dtype, axes=list(axes), keepdims=int(keepdims))
    out = e.cast(out, dtype, node.dtype)
    return out if keepdims or len(axes) < len(x.shape) else e.reshaped(out, (1,))


_PLACES = {"argmax": "ArgMax", "argmin": "ArgMin"}


@_emits(*_PLACES)
def _arg_reduction(e: Emission, node: Node) -> str:
    return e.cast(_place(e, node), INTEGER, node.dtype)


def _place(e: Emission, node: Node) -> str:
    """Emit the index of the largest or smallest element along an axis, int64."""
    (x,) = node.inputs
    dtype, keepdims = x.dtype if x.dtype.kind == "f" else DOUBLE, node.params["keepdims"]
    tensor = e.cast(e.tensor(x), x.dtype, dtype)
    place = e.add(_PLACES[node.op.name], tensor, axis=node.params["axis"], keepdims=int(keepdims))
    return place if keepdims or len(x.shape) > 1 else e.reshaped(place, e.shape(node))


@_emits("softmax", "log_softmax")
def _softmax(e: Emission, node: Node) -> str:
    op = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[node.op.name]
    return e.add(op, e.tensor(node.inputs[0]), axis=node.params["axis"])


# --- movement ----------------------------------------------------------------------------------------------------


@_emits("reshape", "reshape_copy")
def _reshape(e: Emission, node: Node) -> str:
    return e.reshaped(e.tensor(node.inputs[0]), e.params(node)["shape"])


@_emits("broadcast_to")
def _broadcast_to(e: Emission, node: Node) -> str:
    return e.add("Expand", e.tensor(node.inputs[0]), e.sizes(e.params(node)["shape"]))


@_emits("transpose")
def _transpose(e: Emission, node: Node) -> str:
    return e.add("Transpose", e.tensor(node.inputs[0]), perm=list(node.params["axes"]))


@_emits("concat")
def _concat(e: Emission, node: Node) -> str:
    return e.add("Concat", *(e.tensor(x) for x in node.inputs), axis=node.params["axis"])


_FAR = (1 << 31) - 1


@_emits("slice", "slice_copy")
def _slice(e: Emission, node: Node) -> str:
    x, steps = node.inputs[0], e.params(node)["step"]
    begin, end = _bounds(e, node, "begin"), _bounds(e, node, "end")
    end = [-_FAR if step < 0 and stop < 0 else stop for stop, step in zip(end, steps, strict=True)]
    axes = e.integers(*range(len(x.shape)))
    return e.add("Slice", e.tensor(x), e.integers(*begin), e.integers(*end), axes, e.integers(*steps))


def _bounds(e: Emission, node: Node, name: str) -> list[int]:
    """The slice bounds, with a large number for the end of all rows."""
    shape, found = e.shape(node.inputs[0]), []
    for position, size in zip(e.params(node)[name], shape, strict=True):
        if isinstance(position, Rows) and position != size:
            raise _of_part(e, node)
        found.append(_FAR if isinstance(position, Rows) else position)
    return found


def _of_part(e: Emission, node: Node) -> LaminaError:
    return LaminaError(
        f"the operator {node.op.name!r}{e.traced.place(node)} indexes or slices the axis of rows, which cannot be "
        "exported, since the number of rows varies; do this outside of the network"
    )


@_emits("place", "slice_assign")
def _slice_assign(e: Emission, node: Node) -> str:
    """Emit a slice assignment: new values within the slice, elsewhere the old array's values, or 0."""
    params, shape = e.params(node), e.shape(node)
    inside = np.ones((), bool)
    values = e.tensor(node.inputs[-1])
    for axis, size in enumerate(shape):
        begin, end, step = (params[name][axis] for name in ("begin", "end", "step"))
        if isinstance(size, Rows):
            if (begin, end, step) != (0, size, 1):
                raise _of_part(e, node)
            inside = inside[..., None]
            continue
        where = range(begin, end, step)
        places = np.array([where.index(i) if i in where else 0 for i in range(size)], np.int64)
        hit = np.array([i in where for i in range(size)], bool)
        inside = inside[..., None] & hit
        if not where:
            return e.tensor(node.inputs[0])
        values = e.add("Gather", values, e.graph.constant(places), axis=axis)
    dtype = _computed(node.dtype)
    values = e.cast(values, node.dtype, dtype)
    is_new = node.op.name == "place"
    before = e.constant(0, dtype) if is_new else e.cast(e.tensor(node.inputs[0]), node.dtype, dtype)
    return e.cast(e.add("Where", e.graph.constant(inside), values, before), dtype, node.dtype)


# --- addresses ---------------------------------------------------------------------------------------------------


def _positions(e: Emission, indices: Node, size: Any, mode: str, node: Node) -> str:
    """Emit indices as int64 in [0, size); others are clipped or wrapped, depending on `mode`."""
    if isinstance(size, Rows):
        raise _of_part(e, node)
    known = e.known(indices)
    if known is not None:
        known = known.astype(np.int64)
        return e.graph.constant(known % size if mode == "wrap" else known.clip(0, max(size - 1, 0)))
    whole = e.cast(e.tensor(indices), indices.dtype, INTEGER)
    if mode == "wrap":
        return e.add("Mod", whole, e.constant(size, INTEGER))
    return e.add("Clip", whole, e.constant(0, INTEGER), e.constant(max(size - 1, 0), INTEGER))


_LOOKUPS = {"take": "Gather", "take_along": "GatherElements"}


@_emits(*_LOOKUPS)
def _take(e: Emission, node: Node) -> str:
    return _taken(e, node, e.tensor(node.inputs[0]))


def _taken(e: Emission, node: Node, values: str) -> str:
    x, indices = node.inputs
    axis = node.params["axis"]
    positions = _positions(e, indices, e.shape(x)[axis], node.params["mode"], node)
    return e.add(_LOOKUPS[node.op.name], values, positions, axis=axis)


@_emits("gather_nd")
def _gather_nd(e: Emission, node: Node) -> str:
    x, indices = node.inputs
    depth, rank = indices.shape[0], len(indices.shape)
    sizes = e.shape(x)[:depth]
    if any(isinstance(size, Rows) for size in sizes):
        raise _of_part(e, node)
    most = np.reshape([size - 1 for size in sizes], (depth, *[1] * (rank - 1)))
    whole = e.cast(e.tensor(indices), indices.dtype, INTEGER)
    inside = e.add("Min", e.add("Max", whole, e.constant(0, INTEGER)), e.graph.constant(most, np.int64))
    return e.add("GatherND", e.tensor(x), e.add("Transpose", inside, perm=[*range(1, rank), 0]))


@_emits("one_hot")
def _one_hot(e: Emission, node: Node) -> str:
    (x,) = node.inputs
    whole = e.add("Unsqueeze", e.cast(e.tensor(x), x.dtype, INTEGER), e.integers(len(x.shape)))
    found = e.add("Equal", whole, e.integers(*range(node.params["depth"])))
    return e.cast(found, TRUTH, node.dtype)


@_emits("full")
def _full(e: Emission, node: Node) -> str:
    (x,) = node.inputs
    return e.add("Expand", e.cast(e.tensor(x), x.dtype, node.dtype), e.sizes(e.params(node)["shape"]))


@_emits("sort", "argsort")
def _sort(e: Emission, node: Node) -> str:
    """Emit a stable sort: equal elements keep their order."""
    (x,) = node.inputs
    axis, size = node.params["axis"], e.shape(x)[node.params["axis"]]
    dtype = x.dtype if x.dtype.kind == "f" else INTEGER
    values, places = e.graph.add_several(
        "TopK", e.cast(e.tensor(x), x.dtype, dtype), e.sizes((size,)), results=2, axis=axis,
        largest=int(not node.params["ascending"]),
    )  # fmt: skip
    return (
        e.cast(values, dtype, node.dtype) if node.op.name == "sort" else e.cast(places, INTEGER, node.dtype)
    )
