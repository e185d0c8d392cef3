"""MXNet's ``mx.base``, with its error class and its tuples of numeric and string types."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import MXNetError
from lamina.support.unsupported import names_of_others, unsupported

__all__ = ["MXNetError", "integer_types", "mx_real_t", "numeric_types", "string_types"]

string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.int32, np.int64)
mx_real_t = np.float32
"""The default dtype of arrays."""

_LIB = NDArrayHandle = SymbolHandle = c_array = c_str = check_call = mx_float = mx_uint = unsupported(
    "lamina.libinfo"
)
"""Names of MXNet's C library, which many optimizers and iterators import without need; use is an error."""


def _as_list(obj: Any) -> Any:  # pyright: ignore[reportUnusedFunction] - programs import it
    """A list or tuple as it is, and any other object in a list."""
    return obj if isinstance(obj, list | tuple) else [obj]


__getattr__ = names_of_others("lamina.base")
