"""The operands of generated code: typed values (scalars or vectors), and pointers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DType = np.dtype[Any]

BOOL: DType = np.dtype(np.bool_)
BYTE: DType = np.dtype(np.int8)
INT32: DType = np.dtype(np.int32)
INDEX: DType = np.dtype(np.int64)
UINT64: DType = np.dtype(np.uint64)
FLOAT32: DType = np.dtype(np.float32)
FLOAT64: DType = np.dtype(np.float64)

_FLOATS = {2: "half", 4: "float", 8: "double"}
_type_names: dict[tuple[DType, int], str] = {}


def type_name(dtype: DType, lanes: int = 1) -> str:
    """LLVM's name for a scalar (`lanes` = 1) or vector type. Bool is `i1` in registers."""
    name = _type_names.get((dtype, lanes))
    if name is None:
        integer, floating = f"i{8 * dtype.itemsize}", _FLOATS.get(dtype.itemsize)
        element = {"b": "i1", "i": integer, "u": integer, "f": floating}.get(dtype.kind)
        if element is None:
            raise TypeError(f"generated code doesn't support the dtype {dtype}")
        name = element if lanes == 1 else f"<{lanes} x {element}>"
        _type_names[dtype, lanes] = name
    return name


def _both_ways(name: str) -> tuple[Callable[[Value, Operand], Value], Callable[[Value, Operand], Value]]:
    """The methods for an operator and its reflected form, which call the builder's method `name`."""
    return (
        lambda x, other: getattr(x.builder, name)(x, other),
        lambda x, other: getattr(x.builder, name)(other, x),
    )


@dataclass(slots=True, eq=False)  # frozen ones take three times as long to make, and a function has thousands
class Value:
    """An immutable value in a register: `lanes` elements of a NumPy dtype.

    Bool values are masks. `constant` is the Python number, if the value is constant. `+`, `-` and `*` call `add`, `sub`
    and `mul` of the value's builder, mostly for index arithmetic.
    """

    builder: Any
    name: str
    dtype: DType
    lanes: int = 1
    constant: float | int | bool | None = None

    @property
    def key(self) -> str:
        """A key that is equal for values of a function with the same bits, even of different dtypes (see `bitcast`)."""
        return self.name

    @property
    def type(self) -> str:
        return type_name(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        """The type and the register's name, in the form that LLVM assembly uses for operands."""
        return f"{type_name(self.dtype, self.lanes)} {self.name}"

    __add__, __radd__ = _both_ways("add")
    __sub__, __rsub__ = _both_ways("sub")
    __mul__, __rmul__ = _both_ways("mul")


@dataclass(slots=True, eq=False)
class Pointer:
    """An immutable address, on devices in one of several address spaces. Loads and stores say the elements' type."""

    name: str
    space: int = 0

    @property
    def typed(self) -> str:
        return f"ptr addrspace({self.space}) {self.name}" if self.space else f"ptr {self.name}"


Operand = Value | float | int | bool
