"""MXNet's ``mx.base``, with its error class and its tuples of numeric and string types."""

from __future__ import annotations

import numpy as np

from lamina.errors import MXNetError
from lamina.support.unsupported import names_of_others

__all__ = ["MXNetError", "integer_types", "mx_real_t", "numeric_types", "string_types"]

string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.int32, np.int64)
mx_real_t = np.float32
"""The default dtype of arrays."""


__getattr__ = names_of_others("lamina.base")
