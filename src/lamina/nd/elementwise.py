"""Elementwise functions of one array, and of two operands with broadcasting: arithmetic and comparisons.

Functions of two operands take arrays and numbers, and have MXNet's names, for example ``add``, ``broadcast_add`` and
(for some functions) ``elemwise_add``. Comparisons return 0 or 1 in the dtype of their operands.

>>> from lamina import nd
>>> nd.sqrt(nd.array([1, 4, 9])).asnumpy()
array([1., 2., 3.], dtype=float32)
>>> nd.add(nd.array([[1], [2]]), nd.array([10, 20])).asnumpy()
array([[11., 21.],
       [12., 22.]], dtype=float32)
>>> nd.greater(nd.array([1, 2, 3]), 2).asnumpy()
array([0., 0., 1.], dtype=float32)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.nd.operators import NDArray, Operator, combine, named, operator
from lamina.primitives import BINARY, COMPARISON, UNARY, element_type, elementwise, where

__all__ = [
    "BlockGrad", "Cast", "ElementWiseSum", "abs", "add", "add_n", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "broadcast_add", "broadcast_div", "broadcast_equal", "broadcast_greater",
    "broadcast_greater_equal", "broadcast_hypot", "broadcast_lesser", "broadcast_lesser_equal",
    "broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor", "broadcast_maximum",
    "broadcast_minimum", "broadcast_minus", "broadcast_mod", "broadcast_mul", "broadcast_not_equal",
    "broadcast_plus", "broadcast_power", "broadcast_sub", "cast", "cbrt", "ceil", "clip", "cos", "cosh", "degrees",
    "digamma", "divide", "elemwise_add", "elemwise_div", "elemwise_mul", "elemwise_sub", "equal", "erf", "erfinv",
    "exp", "expm1", "fix", "floor", "gamma", "gammaln", "greater", "greater_equal", "hypot", "identity", "lesser",
    "lesser_equal", "log", "log1p", "log2", "log10", "logical_and", "logical_not", "logical_or", "logical_xor",
    "maximum", "minimum", "modulo", "multiply", "negative", "not_equal", "power", "radians", "rcbrt", "reciprocal",
    "rint", "round", "rsqrt", "sign", "sin", "sinh", "smooth_l1", "sqrt", "square", "stop_gradient", "subtract",
    "tan", "tanh", "true_divide", "trunc",
]  # fmt: skip


def _unary(name: str, doc: str, formula: Callable[[NDArray], NDArray] | None = None) -> Operator[NDArray]:
    """Make the operator `name`, which applies `formula`, or by default the primitive called `name`."""
    if formula is None:
        primitive = UNARY[name]
        formula = lambda data: bind(primitive, data)  # noqa: E731 - it gets its name below, as any formula
    formula.__annotations__ = {"data": "NDArray", "return": "NDArray"}
    return operator(named(formula, name, doc))


abs = _unary("abs", "The absolute value; its gradient is the sign, 0 at 0.")
sign = _unary("sign", "The sign, -1, 0 or 1; there is no gradient.")
negative = _unary("negative", "-x.")
floor = _unary("floor", "The largest integer not above x; there is no gradient.")
ceil = _unary("ceil", "The smallest integer not below x; there is no gradient.")
trunc = _unary("trunc", "The integer part of x, rounded toward zero; there is no gradient.")
fix = trunc
round = _unary("round", "The nearest integer, with halves away from zero; there is no gradient.")
exp = _unary("exp", "e to the power of x.")
expm1 = _unary("expm1", "exp(x) - 1, accurate near 0.")
log = _unary("log", "The natural logarithm; -inf at 0, NaN below.")
log2 = _unary("log2", "The logarithm to base 2.")
log10 = _unary("log10", "The logarithm to base 10.")
log1p = _unary("log1p", "log(1 + x), accurate near 0.")
sqrt = _unary("sqrt", "The square root; NaN below 0.")
rsqrt = _unary("rsqrt", "1 / sqrt(x).")
cbrt = _unary("cbrt", "The cube root.")
sin = _unary("sin", "The sine of an angle in radians.")
cos = _unary("cos", "The cosine of an angle in radians.")
tan = _unary("tan", "The tangent of an angle in radians.")
arcsin = _unary("arcsin", "The angle in [-π/2, π/2] whose sine is x.")
arccos = _unary("arccos", "The angle in [0, π] whose cosine is x.")
arctan = _unary("arctan", "The angle in (-π/2, π/2) whose tangent is x.")
sinh = _unary("sinh", "The hyperbolic sine.")
cosh = _unary("cosh", "The hyperbolic cosine.")
tanh = _unary("tanh", "The hyperbolic tangent.")
arcsinh = _unary("arcsinh", "The inverse of `sinh`.")
arccosh = _unary("arccosh", "The inverse of `cosh`; NaN below 1.")
arctanh = _unary("arctanh", "The inverse of `tanh`.")
erf = _unary("erf", "The error function, 2/√π ∫₀ˣ exp(-t²) dt.")
erfinv = _unary("erfinv", "The inverse of `erf` on (-1, 1).")
gammaln = _unary("gammaln", "log |Γ(x)|.")
digamma = _unary("digamma", "The derivative of log Γ(x).")


def _rint(data: NDArray) -> NDArray:
    return ceil(data - 0.5) if np.dtype(data.dtype).kind == "f" else data.copy()


rint = _unary("rint", "The nearest integer, with halves down as in MXNet; there is no gradient.", _rint)
square = _unary("square", "x².", lambda data: data * data)
reciprocal = _unary("reciprocal", "1 / x.", lambda data: 1.0 / data)
rcbrt = _unary("rcbrt", "1 / ∛x.", lambda data: 1.0 / cbrt(data))
degrees = _unary("degrees", "An angle in radians, converted to degrees.", lambda data: data * (180 / math.pi))
radians = _unary("radians", "An angle in degrees, converted to radians.", lambda data: data * (math.pi / 180))
logical_not = _unary(
    "logical_not", "1 where the element is 0, else 0, in the dtype of `data`.", lambda data: data == 0
)
identity = _unary("identity", "A copy, through which gradients flow.", lambda data: data.copy())


@operator
def gamma(data: NDArray) -> NDArray:
    """Γ(x), which is (x - 1)! for positive integers, computed as ±exp(log |Γ(x)|).

    Γ(±0) is ±inf; at negative integers and -inf the result is NaN, as in MXNet and C's ``tgamma``.

    >>> from lamina import nd
    >>> nd.gamma(nd.array([5.0])).asscalar().round().item()
    24.0
    >>> nd.gamma(nd.array([-0.0, -1.0])).asnumpy()
    array([-inf,  nan], dtype=float32)
    """
    equal, less, below = COMPARISON["equal"], COMPARISON["less"], floor(data)
    minus_zero = bind(equal, data, 0.0) * bind(less, reciprocal(data), 0.0)
    odd = bind(less, data, 0.0) * bind(COMPARISON["not_equal"], below, floor(below * 0.5) * 2.0)
    poles = bind(less, data, 0.0) * bind(equal, below, data)
    return bind(where, poles, math.nan, exp(gammaln(data)) * (1.0 - 2.0 * (odd + minus_zero)))


@operator
def clip(data: NDArray, a_min: float, a_max: float) -> NDArray:
    """Limit x to [a_min, a_max]; the gradient is 0 outside these limits.

    >>> from lamina import nd
    >>> nd.clip(nd.array([-2, 0, 5]), -1, 1).asnumpy()
    array([-1.,  0.,  1.], dtype=float32)
    """
    number = {"f": float, "b": bool}.get(np.dtype(data.dtype).kind, int)
    low, high = number(a_min), number(a_max)
    return bind(BINARY["minimum"], bind(BINARY["maximum"], data, low), high)


@operator
def smooth_l1(data: NDArray, scalar: float = 1.0) -> NDArray:
    """(σx)²/2 where |x| < 1/σ², else |x| - 1/(2σ²), with σ = `scalar` (Girshick, "Fast R-CNN", 2015)."""
    sigma2 = float(scalar) ** 2
    size = abs(data)
    return bind(where, size < 1 / sigma2, (0.5 * sigma2) * data * data, size - 0.5 / sigma2)


@operator
def cast(data: NDArray, dtype: Any) -> NDArray:
    """Convert to another dtype; floats are truncated to integers.

    >>> from lamina import nd
    >>> nd.cast(nd.array([1.9, -1.9]), dtype="int32").asnumpy()
    array([ 1, -1], dtype=int32)
    """
    return bind(elementwise.cast, data, dtype=element_type(dtype))


@operator
def stop_gradient(data: NDArray) -> NDArray:
    """A copy of `data` through which no gradient flows back.

    >>> from lamina import autograd, nd
    >>> x = nd.array([3.0])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     y = x * nd.stop_gradient(x)
    >>> y.backward()
    >>> x.grad.asscalar().item()
    3.0
    """
    return bind(elementwise.stop_gradient, data)


Cast = cast
BlockGrad = stop_gradient


# --- functions of two operands ----------------------------------------------------------------------------------------

Binary = Callable[..., "NDArray"]


def _binary(primitive_name: str, name: str, doc: str, symmetric: bool = False) -> Binary:
    """Make a binary operator.

    With `symmetric` a number becomes the second operand: then the array gets the gradient at a tie, as in MXNet.
    """
    primitive = BINARY.get(primitive_name) or COMPARISON[primitive_name]

    def function(lhs: NDArray | float, rhs: NDArray | float) -> NDArray:
        if symmetric and not isinstance(lhs, Array):
            lhs, rhs = rhs, lhs
        return combine(primitive, lhs, rhs)

    return operator(named(function, name, doc))


add = _binary("add", "add", "The sum x + y.")
subtract = _binary("subtract", "subtract", "The difference x - y.")
multiply = _binary("multiply", "multiply", "The product x · y.")
divide = _binary("divide", "divide", "The quotient x / y, truncated to an integer for integers.")
modulo = _binary("mod", "modulo", "The remainder of x / y, with the sign of y.")
_AT_A_TIE = "of each two elements; at a tie the first array gets the gradient."
maximum = _binary("maximum", "maximum", f"The larger {_AT_A_TIE}", True)
minimum = _binary("minimum", "minimum", f"The smaller {_AT_A_TIE}", True)
hypot = _binary("hypot", "hypot", "√(x² + y²).")
arctan2 = _binary("arctan2", "arctan2", "The angle of the point (y, x), in (-π, π].")

equal = _binary("equal", "equal", "1 where x = y, else 0.")
not_equal = _binary("not_equal", "not_equal", "1 where x ≠ y, else 0.")
greater = _binary("greater", "greater", "1 where x > y, else 0.")
greater_equal = _binary("greater_equal", "greater_equal", "1 where x ≥ y, else 0.")
lesser = _binary("less", "lesser", "1 where x < y, else 0.")
lesser_equal = _binary("less_equal", "lesser_equal", "1 where x ≤ y, else 0.")
logical_and = _binary("logical_and", "logical_and", "1 where both operands are nonzero, else 0.")
logical_or = _binary("logical_or", "logical_or", "1 where at least one operand is nonzero, else 0.")
logical_xor = _binary("logical_xor", "logical_xor", "1 where exactly one operand is nonzero, else 0.")


@operator
def power(base: NDArray | float, exp: NDArray | float) -> NDArray:
    """`base` to the power of `exp`."""
    return combine(BINARY["power"], base, exp)


true_divide = divide
broadcast_add = broadcast_plus = elemwise_add = add
broadcast_sub = broadcast_minus = elemwise_sub = subtract
broadcast_mul = elemwise_mul = multiply
broadcast_div = elemwise_div = divide
broadcast_mod, broadcast_hypot = modulo, hypot
broadcast_power = _binary("power", "broadcast_power", "x to the power of y.")
broadcast_maximum, broadcast_minimum = maximum, minimum
broadcast_equal, broadcast_not_equal = equal, not_equal
broadcast_greater, broadcast_greater_equal = greater, greater_equal
broadcast_lesser, broadcast_lesser_equal = lesser, lesser_equal
broadcast_logical_and, broadcast_logical_or, broadcast_logical_xor = logical_and, logical_or, logical_xor


OF_TWO: dict[str, Binary] = {
    "add": add, "sub": subtract, "mul": multiply, "div": divide, "mod": modulo, "power": power, "maximum": maximum,
    "minimum": minimum, "hypot": hypot, "equal": equal, "not_equal": not_equal, "greater": greater,
    "greater_equal": greater_equal, "lesser": lesser, "lesser_equal": lesser_equal, "logical_and": logical_and,
    "logical_or": logical_or, "logical_xor": logical_xor,
}  # fmt: skip
"""Functions of two operands by the stem of their operators' names in MXNet's files."""


@operator
def add_n(*args: NDArray) -> NDArray:
    """The sum of any number of arrays.

    >>> from lamina import nd
    >>> nd.add_n(nd.ones(2), nd.ones(2), nd.ones(2)).asnumpy()
    array([3., 3.], dtype=float32)
    """
    arrays: Any = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
    if not arrays:
        raise TypeError("add_n: needs at least one array")
    total: Any = sum(arrays[1:], arrays[0])
    return total if len(arrays) > 1 else total.copy()


ElementWiseSum = add_n
