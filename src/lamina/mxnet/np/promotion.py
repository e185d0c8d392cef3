"""Type promotion by MXNet's rules for operands of two dtypes, and binary operators that apply the rules.

Functions in this module take and return `NDArray`. The common dtype of two floats is the larger one. Of a float and an
integer, it is the float (whatever their sizes); of bool and another dtype, it is the other dtype; of two integers, it
is a dtype that can represent both (int32 for int8 and uint8). A Python number takes the array's dtype. Quotients of
integers and bools are float32, and comparisons give bool.
"""

from __future__ import annotations

from typing import Any

import numpy as onp

from lamina.core.array import Array
from lamina.core.primitive import Primitive, bind
from lamina.mxnet.np.conversion import as_array
from lamina.nd.operators import whole_number
from lamina.primitives.elementwise import BINARY, COMPARISON, cast

_BOOL, _FLOAT, _INT = onp.dtype(bool), onp.dtype(onp.float32), onp.dtype(onp.int64)
NUMBERS = (int, float, onp.number, onp.bool_)


def cast_to(x: Any, dtype: onp.dtype) -> Any:
    """`x` converted to `dtype`, or `x` itself if it already has this dtype."""
    return x if x._dtype == dtype else bind(cast, x, dtype=dtype)


def as_bool(x: Any) -> Any:
    """Convert to bool: nonzero elements become True."""
    return x if x._dtype == _BOOL else bind(cast, bind(COMPARISON["not_equal"], x, 0), dtype=_BOOL)


def as_float(x: Any) -> Any:
    """Convert integers and bools to float32; floats stay unchanged."""
    return x if x._dtype.kind == "f" else bind(cast, x, dtype=_FLOAT)


def common_type(a: onp.dtype, b: onp.dtype) -> onp.dtype:
    """The result dtype for operands of dtypes `a` and `b`."""
    if a == b:
        return a
    if a.kind == "f" or b.kind == "f":
        return max((t for t in (a, b) if t.kind == "f"), key=lambda t: t.itemsize)
    found = onp.promote_types(a, b)
    return onp.dtype(onp.int32) if found == onp.int16 and {a.kind, b.kind} == {"i", "u"} else found


def joined(*arrays: Any) -> list[Any]:
    """The arrays, converted to their common dtype."""
    dtype = arrays[0]._dtype
    for x in arrays[1:]:
        dtype = common_type(dtype, x._dtype)
    return [cast_to(x, dtype) for x in arrays]


def arithmetic(primitive: Primitive, x: Any, y: Any) -> Any:
    """Apply a binary primitive in the operands' common dtype, where one operand may be a number."""
    if isinstance(x, Array) and isinstance(y, Array):
        if x._dtype is not y._dtype and x._dtype != y._dtype:
            x, y = joined(x, y)
        return bind(primitive, x, y)
    if isinstance(x, Array):
        if isinstance(y, NUMBERS):
            x = _beside_number(x)
            return bind(primitive, x, _number_for(x, y))
        return arithmetic(primitive, x, as_array(y))
    if isinstance(x, NUMBERS):
        y = _beside_number(y)
        return bind(primitive, _number_for(y, x), y)
    return arithmetic(primitive, as_array(x), y)


def _beside_number(x: Any) -> Any:
    """`x` as an operand next to a Python number, with bools converted to int64."""
    return bind(cast, x, dtype=_INT) if x._dtype == _BOOL else x


def _number_for(x: Any, number: Any) -> int | float:
    """`number` as an operand for `x`, a float or an integer like the elements of `x`.

    Raises `DTypeError` if `x` has integers and `number` is not a whole number.
    """
    return float(number) if x._dtype.kind == "f" else whole_number(x, number)


def divided(x: Any, y: Any) -> Any:
    """The quotient x / y, always in floats."""
    if isinstance(x, Array):
        other_is_float = isinstance(y, Array) and y._dtype.kind == "f"
        x = x if other_is_float else as_float(x)
    elif isinstance(y, Array):
        y = as_float(y)
    if isinstance(y, Array) and isinstance(x, Array) and x._dtype.kind == "f":
        y = cast_to(y, x._dtype) if y._dtype.kind != "f" else y
    return arithmetic(BINARY["divide"], x, y)


def compared(primitive: Primitive, x: Any, y: Any) -> Any:
    """Apply a comparison, with a bool result; a number takes the array's dtype if that dtype can hold it."""
    if isinstance(x, Array) and isinstance(y, NUMBERS):
        x = _comparable(x, y)
    elif isinstance(x, NUMBERS) and isinstance(y, Array):
        y = _comparable(y, x)
    return bind(cast, arithmetic(primitive, x, y), dtype=_BOOL)


def _comparable(x: Any, number: Any) -> Any:
    """`x` for a comparison with `number`, converted to float64 if `x` has integers and `number` is a fraction."""
    is_whole = x._dtype.kind == "f" or number == number // 1
    return x if is_whole else bind(cast, x, dtype=onp.dtype(onp.float64))
