"""Elementwise functions of two operands, with broadcasting: arithmetic and comparisons.

Each function takes arrays and numbers, and has MXNet's names, for example ``add``, ``broadcast_add`` and (for some
functions) ``elemwise_add``. Comparisons return 0 or 1 in the dtype of their operands.

>>> from lamina import nd
>>> nd.add(nd.array([[1], [2]]), nd.array([10, 20])).asnumpy()
array([[11., 21.],
       [12., 22.]], dtype=float32)
>>> nd.greater(nd.array([1, 2, 3]), 2).asnumpy()
array([0., 0., 1.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.core.array import Array
from lamina.nd.operators import NDArray, combine, named, operator
from lamina.primitives.elementwise import BINARY, COMPARISON

__all__ = [
    "ElementWiseSum", "add", "add_n", "arctan2", "broadcast_add", "broadcast_div", "broadcast_equal",
    "broadcast_greater", "broadcast_greater_equal", "broadcast_hypot", "broadcast_lesser", "broadcast_lesser_equal",
    "broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor", "broadcast_maximum",
    "broadcast_minimum", "broadcast_minus", "broadcast_mod", "broadcast_mul", "broadcast_not_equal",
    "broadcast_plus", "broadcast_power", "broadcast_sub", "divide", "elemwise_add", "elemwise_div", "elemwise_mul",
    "elemwise_sub", "equal", "greater", "greater_equal", "hypot", "lesser", "lesser_equal", "logical_and",
    "logical_or", "logical_xor", "maximum", "minimum", "modulo", "multiply", "not_equal", "power", "subtract",
    "true_divide",
]  # fmt: skip

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
