"""Elementwise primitives for arithmetic, comparisons, and unary functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.lowering import Elementwise
from lamina.core.primitive import Primitive, bind, by_dtype, kernel, primitive
from lamina.errors import DTypeError, ShapeError
from lamina.primitives.reduce import sum_to
from lamina.primitives.special import digamma_array, erf_array, erfinv_array, gammaln_array, polygamma_array
from lamina.primitives.typing import Type, broadcast_shapes, converted, dtype_of, like_first

Function = Callable[..., Any]


# --- one input ---------------------------------------------------------------------------------------------------


def _unary(
    name: str, function: Function, derivative: Function | None, emit: Function | None = None
) -> Primitive:
    """Make the primitive of a unary function.

    `derivative(x, out)` consists of lamina operators; None means that the derivative is 0 or undefined.
    """
    vjp = None if derivative is None else (lambda g, out, x: g * derivative(x, out),)

    lower = emit or _by_name(name)
    if name not in _OF_INTEGERS:
        lower = _through_float(lower)
    infer = _of_numbers(name, like_first) if name in _NOT_OF_BOOLEANS else like_first
    lowering = Elementwise(lower, expensive=name not in _OF_INTEGERS)
    declared = primitive(name, eval=_keeping_dtype(function), infer=infer, vjp=vjp, lowering=lowering)
    if name not in _OF_INTEGERS | _ROUNDED_BY_IEEE:
        declared.compute = _compiled(declared)
    return declared


def _by_name(name: str) -> Function:
    """A function that calls the code generator's method `name`."""
    method = _METHODS.get(name, name)
    return lambda b, *values: getattr(b, method)(*values)


_METHODS = {"negative": "neg", "subtract": "sub", "multiply": "mul"}
"""Methods of the code generator with another name than the primitive."""


_OF_INTEGERS = {"negative", "abs", "sign", "floor", "ceil", "trunc", "rint", "round", "nan_to_zero", "relu"}
"""Functions computed directly on integers, which take only a few instructions, also for floats."""


_ROUNDED_BY_IEEE = {"sqrt", "rsqrt"}


_NOT_OF_BOOLEANS = {"negative", "sign", "subtract"}
"""Functions that NumPy does not define for booleans."""


def _of_numbers(name: str, infer: Function) -> Function:
    """A version of `infer` that raises an error for arrays of bool."""

    def checked(x: Any, *others: Any) -> Type:
        shape, dtype = infer(x, *others)
        if dtype.kind == "b":
            raise DTypeError(f"{name}: not defined for arrays of bool; convert with astype('float32') first")
        return shape, dtype

    return checked


def _through_float(emit: Function) -> Function:
    """A version of `emit` that computes integers in float64, as eager evaluation does, and converts back."""

    def emit_any(b: Any, x: Any) -> Any:
        return emit(b, x) if x.dtype.kind == "f" else b.cast(emit(b, b.cast(x, np.float64)), x.dtype)

    return emit_any


def _keeping_dtype(function: Function) -> Function:
    """A function with integer dtypes kept, as in MXNet: integers are computed in float64 and converted back."""

    def eval(x: np.ndarray) -> np.ndarray:
        out = function(x)
        return out if out.dtype == x.dtype else converted(function(x.astype(np.float64)), x.dtype)

    return eval


def _compiled(unary: Primitive) -> Function:
    """A function that evaluates a primitive eagerly by compiled code, with the same bits as in compiled functions."""

    def find(dtype: np.dtype) -> Function | None:
        if dtype.kind != "f":
            found = kernel(unary, np.dtype(np.float64))
            return found and (lambda x: converted(found(x.astype(np.float64)), x.dtype))
        return kernel(unary, dtype) if dtype.char in "fd" else unary.eval  # other dtypes are never compiled

    return by_dtype(unary, find)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.reciprocal(1 + np.exp(-x))


def _softrelu(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) without overflow; np.logaddexp takes four times as long in float32."""
    return np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x)))


def _softrelu_emit(b: Any, x: Any) -> Any:
    return b.add(b.maximum(x, b.const(0, x.dtype, x.lanes)), b.log1p(b.exp(b.neg(b.abs(x)))))


def _nan_to_zero(x: np.ndarray) -> np.ndarray:
    """Replace NaN by 0; an array without NaN is returned itself."""
    nan = np.isnan(x)
    return np.where(nan, x.dtype.type(0), x) if nan.any() else x


def _round_half_away(x: np.ndarray) -> np.ndarray:
    """Round half away from zero. (``floor(x + 0.5)`` may round a number below a half up.)"""
    if x.dtype.kind != "f":
        return x
    whole = np.trunc(x)
    return whole + np.copysign(np.abs(x - whole) >= 0.5, x, dtype=x.dtype)


def _erf_slope(x: Any, _out: Any) -> Any:
    return (2 / math.sqrt(math.pi)) * bind(UNARY["exp"], -(x * x))


def _erfinv_slope(_x: Any, out: Any) -> Any:
    return (math.sqrt(math.pi) / 2) * bind(UNARY["exp"], out * out)


def _call(name: str, x: Any) -> Any:
    return bind(UNARY[name], x)


UNARY: dict[str, Primitive] = {
    p.name: p
    for p in (
        _unary("negative", np.negative, lambda x, y: -1.0),
        _unary("abs", np.abs, lambda x, y: _call("sign", x)),
        _unary("sign", np.sign, None),
        _unary("floor", np.floor, None),
        _unary("ceil", np.ceil, None),
        _unary("trunc", np.trunc, None),
        _unary("rint", np.rint, None),
        _unary("round", _round_half_away, None),
        _unary("exp", np.exp, lambda x, y: y),
        _unary("expm1", np.expm1, lambda x, y: y + 1.0),
        _unary("log", np.log, lambda x, y: 1.0 / x),
        _unary("log2", np.log2, lambda x, y: (1 / math.log(2)) / x),
        _unary("log10", np.log10, lambda x, y: (1 / math.log(10)) / x),
        _unary("log1p", np.log1p, lambda x, y: 1.0 / (1.0 + x)),
        _unary("sqrt", np.sqrt, lambda x, y: 0.5 / y),
        _unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * (y / x)),
        _unary("cbrt", np.cbrt, lambda x, y: 1.0 / (3.0 * (y * y))),
        _unary("sin", np.sin, lambda x, y: _call("cos", x)),
        _unary("cos", np.cos, lambda x, y: -_call("sin", x)),
        _unary("tan", np.tan, lambda x, y: 1.0 + y * y),
        _unary("arcsin", np.arcsin, lambda x, y: _call("rsqrt", 1.0 - x * x)),
        _unary("arccos", np.arccos, lambda x, y: -_call("rsqrt", 1.0 - x * x)),
        _unary("arctan", np.arctan, lambda x, y: 1.0 / (1.0 + x * x)),
        _unary("sinh", np.sinh, lambda x, y: _call("cosh", x)),
        _unary("cosh", np.cosh, lambda x, y: _call("sinh", x)),
        _unary("tanh", np.tanh, lambda x, y: 1.0 - y * y),
        _unary("arcsinh", np.arcsinh, lambda x, y: _call("rsqrt", x * x + 1.0)),
        _unary("arccosh", np.arccosh, lambda x, y: _call("rsqrt", x * x - 1.0)),
        _unary("arctanh", np.arctanh, lambda x, y: 1.0 / (1.0 - x * x)),
        _unary("erf", erf_array, _erf_slope),
        _unary("erfinv", erfinv_array, _erfinv_slope),
        _unary("gammaln", gammaln_array, lambda x, y: _call("digamma", x)),
        _unary("digamma", digamma_array, lambda x, y: bind(polygamma, x, order=1)),
        _unary("sigmoid", _sigmoid, lambda x, y: y * (1.0 - y)),
        _unary("softrelu", _softrelu, lambda x, y: _call("sigmoid", x), _softrelu_emit),
        _unary(
            "nan_to_zero",
            _nan_to_zero,
            lambda x, y: bind(COMPARISON["equal"], x, x),
            lambda b, x: b.where(b.equal(x, x), x, b.const(0, x.dtype, x.lanes)),
        ),
        _unary(
            "relu",
            lambda x: np.maximum(x, x.dtype.type(0)),
            lambda x, y: y > 0.0,
            lambda b, x: b.maximum(x, b.const(0, x.dtype, x.lanes)),
        ),
    )
}


polygamma = primitive(
    "polygamma",
    eval=polygamma_array,
    infer=like_first,
    vjp=(lambda g, out, x, order: g * bind(polygamma, x, order=order + 1),),
)
"""``polygamma(x, order=)``: a derivative of digamma. Never compiled, since only second gradients of Γ need it."""


# --- two inputs --------------------------------------------------------------------------------------------------


def _binary(
    name: str,
    function: Function,
    vjp: tuple[Function, Function] | None,
    emit: Function | None = None,
    *,
    expensive: bool = False,
) -> Primitive:
    """Make the primitive of a binary function.

    `vjp` has a function ``(g, out, x, y)`` for each operand, which returns the operand's gradient in the broadcast
    shape. This gradient is then summed to the operand's shape.
    """

    def infer(x: Any, y: Any) -> Type:
        return broadcast_shapes(name, x, y), dtype_of(x, y)

    return primitive(
        name,
        eval=function,
        infer=_of_numbers(name, infer) if name in _NOT_OF_BOOLEANS else infer,
        vjp=None if vjp is None else (_first(vjp[0]), _second(vjp[1])),
        lowering=Elementwise(emit or _by_name(name), expensive=expensive),
        same_dtype=True,
    )


def _first(derivative: Function) -> Function:
    return lambda g, out, x, y: sum_to(derivative(g, out, x, y), x.shape)


def _second(derivative: Function) -> Function:
    return lambda g, out, x, y: sum_to(derivative(g, out, x, y), y.shape)


def _divide(x: Any, y: Any) -> np.ndarray:
    """True division for floats; as in MXNet, integers truncate to integers, and division by zero gives 0."""
    dtype = dtype_of(x, y)
    out = np.true_divide(x, y)
    if dtype.kind == "f":
        return out
    return np.nan_to_num(np.trunc(out), posinf=0, neginf=0).astype(dtype)


def _of_two(name: str, function: Function, vjp: tuple[Function, Function]) -> Primitive:
    """A binary primitive evaluated by compiled code even eagerly, since NumPy rounds differently.

    Integers are computed in float64 and converted back; results that are not integers (5 to the power of -1, 1 / 0)
    become 0.
    """

    def emit(b: Any, x: Any, y: Any) -> Any:
        compute = getattr(b, name)
        if x.dtype.kind == "f":
            return compute(x, y)
        out = compute(b.cast(x, np.float64), b.cast(y, np.float64))
        return b.cast(b.where(b.less(b.abs(out), np.inf), out, 0.0), x.dtype)

    def through_float(function: Function, dtype: np.dtype) -> Function:
        def of_integers(x: Any, y: Any) -> np.ndarray:
            out = function(np.asarray(x, np.float64), np.asarray(y, np.float64))
            return converted(np.nan_to_num(out, posinf=0, neginf=0), dtype)

        return of_integers

    def eval(x: Any, y: Any) -> np.ndarray:
        dtype = dtype_of(x, y)
        return (function if dtype.kind == "f" else through_float(function, dtype))(x, y)

    def find(dtype: np.dtype) -> Function | None:
        if dtype.kind == "f":
            return kernel(declared, dtype, 2) if dtype.char in "fd" else eval
        found = kernel(declared, np.dtype(np.float64), 2)
        return found and through_float(found, dtype)

    declared = _binary(name, eval, vjp, emit, expensive=True)
    of_arrays = by_dtype(declared, find)

    def compute(x: Any, y: Any) -> np.ndarray:
        if name == "power" and not hasattr(y, "dtype") and y == 2 and x.dtype.kind == "f":
            return x * x  # equal bits, but faster
        return of_arrays(x if hasattr(x, "dtype") else np.asarray(x, dtype_of(x, y)), y)

    declared.compute = compute
    return declared


def _power_base_vjp(g: Any, out: Any, x: Any, y: Any) -> Any:
    if isinstance(y, int | float):
        return g * (float(y) * bind(power, x, y - 1))
    return g * (y * bind(power, x, y - 1.0))


def _power_exponent_vjp(g: Any, out: Any, x: Any, y: Any) -> Any:
    """The exponent's gradient g·out·log x, or 0 where x = 0 (the limit from the right)."""
    log = math.log(x) if isinstance(x, int | float) else bind(UNARY["log"], bind(where, x > 0.0, x, 1.0))
    return g * (out * log)


def _mod_vjp(g: Any, out: Any, x: Any, y: Any) -> Any:
    return -(g * bind(UNARY["floor"], x / y))


BINARY: dict[str, Primitive] = {
    p.name: p
    for p in (
        _binary("add", np.add, (lambda g, o, x, y: g, lambda g, o, x, y: g)),
        _binary("subtract", np.subtract, (lambda g, o, x, y: g, lambda g, o, x, y: -g)),
        _binary("multiply", np.multiply, (lambda g, o, x, y: g * y, lambda g, o, x, y: g * x)),
        _binary(
            "divide",
            _divide,
            (lambda g, o, x, y: g / y, lambda g, o, x, y: -(g * (o / y))),
            lambda b, x, y: b.div(x, y) if x.dtype.kind == "f" else b.divide_trunc(x, y),
            expensive=True,
        ),
        _of_two("power", np.power, (_power_base_vjp, _power_exponent_vjp)),
        _binary(
            "mod",
            lambda x, y: np.mod(x, y).astype(dtype_of(x, y), copy=False),
            (lambda g, o, x, y: g, _mod_vjp),
            expensive=True,
        ),
        _binary("maximum", np.maximum, (lambda g, o, x, y: g * (x >= y), lambda g, o, x, y: g * (y > x))),
        _binary("minimum", np.minimum, (lambda g, o, x, y: g * (x <= y), lambda g, o, x, y: g * (y < x))),
        _of_two(
            "arctan2",
            np.arctan2,
            (lambda g, o, x, y: g * (y / (x * x + y * y)), lambda g, o, x, y: -(g * (x / (x * x + y * y)))),
        ),
        _of_two("hypot", np.hypot, (lambda g, o, x, y: g * (x / o), lambda g, o, x, y: g * (y / o))),
    )
}
power = BINARY["power"]


def _comparison(name: str) -> Primitive:
    """The primitive of NumPy's comparison `name`, with results 0 or 1 in the operands' dtype, as in MXNet."""
    function = getattr(np, name)

    def eval(x: Any, y: Any) -> np.ndarray:
        return function(x, y).astype(dtype_of(x, y))

    def emit(b: Any, x: Any, y: Any) -> Any:
        return b.cast(getattr(b, name)(x, y), x.dtype)

    return _binary(name, eval, None, emit)


COMPARISON: dict[str, Primitive] = {
    name: _comparison(name)
    for name in (
        *("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
        *("logical_and", "logical_or", "logical_xor"),
    )
}


# --- choice and conversion ---------------------------------------------------------------------------------------


def _where_type(condition: Any, x: Any, y: Any) -> Type:
    return broadcast_shapes("where", condition, x, y), dtype_of(x, y)


def _where(condition: Any, x: Any, y: Any) -> np.ndarray:
    return np.where(condition != 0, x, y).astype(dtype_of(x, y), copy=False)


where = primitive(
    "where",
    eval=_where,
    infer=_where_type,
    vjp=(
        None,
        lambda g, out, c, x, y: sum_to(bind(where, c, g, 0.0), x.shape),
        lambda g, out, c, x, y: sum_to(bind(where, c, 0.0, g), y.shape),
    ),
    lowering=Elementwise(
        lambda b, c, x, y: b.where(b.not_equal(c, b.const(0, c.dtype, c.lanes)), x, y), conditional=True
    ),
)
"""``where(condition, x, y)``: x where the condition is nonzero, else y; all three broadcast."""


def _cast_vjp(g: Any, out: Any, x: Any, dtype: Any) -> Any:
    return bind(cast, g, dtype=np.dtype(x.dtype))


cast = primitive(
    "cast",
    eval=converted,
    infer=lambda x, dtype: (tuple(x.shape), np.dtype(dtype)),
    vjp=(_cast_vjp,),
    lowering=Elementwise(lambda b, x, dtype: b.cast(x, dtype)),
)
"""``cast(x, dtype=)``: conversion to another dtype; floats are truncated toward zero to integers."""

stop_gradient = primitive(
    "stop_gradient", eval=lambda x: x.copy(), infer=like_first, lowering=Elementwise(lambda b, x: x)
)
"""``stop_gradient(x)``: a copy that blocks gradients."""

to_context = primitive(
    "to_context",
    eval=lambda x, context: x.copy(),
    infer=like_first,
    vjp=(lambda g, out, x, context: g.as_in_context(x.context),),
    lowering=Elementwise(lambda b, x, context: x),
)
"""``to_context(x, context=)``: a copy on another device; its gradient is copied back."""


# --- a value whose gradient is given separately, such as a straight-through estimator -------------------------------


def _valued_type(value: Any, *others: Any) -> Type:
    if any(tuple(x.shape) != tuple(value.shape) for x in others):
        shapes = " and ".join(str(tuple(x.shape)) for x in (value, *others))
        raise ShapeError(f"a value and its gradient arrays must have the same shape, not {shapes}")
    return tuple(value.shape), dtype_of(value, *others)


def _value(value: np.ndarray, *others: np.ndarray) -> np.ndarray:
    _valued_type(value, *others)
    return value.copy()


def _valued(name: str, *vjp: Any) -> Primitive:
    """A primitive whose result is its first input, with the gradients `vjp`."""
    lowering = Elementwise(lambda b, value, *others: value)
    return primitive(name, eval=_value, infer=_valued_type, vjp=vjp, lowering=lowering, same_dtype=True)


straight_through = _valued("straight_through", None, lambda g, out, value, x: g)
"""``straight_through(value, x)``: `value`, with the gradient passed to `x` unchanged."""

independent = _valued("independent", lambda g, out, value, x: g, None)
"""``independent(value, x)``: `value`, with gradient 0 for `x`."""

output_layer = _valued("output_layer", None, lambda g, out, value, x, gradient: gradient, None)
"""``output_layer(value, x, gradient)``: `value`, where `gradient` replaces the gradient of `x`."""
