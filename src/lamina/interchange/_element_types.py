"""ONNX's element types by number; the numbers are part of the file format, so no package is needed."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from lamina.errors import DataError

__all__ = ["ELEMENT_TYPES", "ElementType", "element_type"]


class ElementType(IntEnum):
    """``TensorProto.DataType`` of onnx.proto."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4E2M1 = 23


ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    ElementType.FLOAT: np.dtype("f4"), ElementType.DOUBLE: np.dtype("f8"), ElementType.FLOAT16: np.dtype("f2"),
    ElementType.BOOL: np.dtype("?"), ElementType.INT8: np.dtype("i1"), ElementType.INT16: np.dtype("i2"),
    ElementType.INT32: np.dtype("i4"), ElementType.INT64: np.dtype("i8"), ElementType.UINT8: np.dtype("u1"),
    ElementType.UINT16: np.dtype("u2"), ElementType.UINT32: np.dtype("u4"), ElementType.UINT64: np.dtype("u8"),
}  # fmt: skip
"""NumPy dtypes of the ONNX types that lamina computes with."""


def element_type(number: int) -> np.dtype[Any]:
    """The NumPy dtype for ONNX's number of an element type.

    Raises:
        DataError: lamina doesn't support the type.
    """
    if number not in ELEMENT_TYPES:
        known = {each.value: each.name for each in ElementType}
        raise DataError(f"elements of type {known.get(number, number)}, which lamina doesn't compute with")
    return ELEMENT_TYPES[number]
