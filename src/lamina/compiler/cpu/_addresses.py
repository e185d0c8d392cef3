"""Addresses of NumPy arrays' data, read quickly because every call of a compiled function needs them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import numpy as np

_DATA = object.__basicsize__
"""Where NumPy's C interface puts an array's data pointer: first after the object's head (`PyArrayObject_fields`)."""


def _from_interface(array: np.ndarray) -> int:
    return array.ctypes.data


_pointer_at = ctypes.c_void_p.from_address


def _from_object(array: np.ndarray) -> int:
    return _pointer_at(id(array) + _DATA).value or 0


def _choose() -> Callable[[np.ndarray], int]:
    """The fast reader, if objects have the memory layout that CPython and NumPy document."""
    if sys.implementation.name != "cpython":
        return _from_interface
    samples = [np.empty(3), np.empty((4, 5), np.int8)[1:, 2:], np.empty(7, np.float32)[::-1]]
    if all(_from_object(sample) == _from_interface(sample) for sample in samples):
        return _from_object
    return _from_interface


address_of = _choose()
"""The address of an array's first element."""
