"""Arrays from and to other libraries, without a copy where none is needed; and `waitall`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.context import cpu, current_context
from lamina.errors import DTypeError
from lamina.nd.ndarray import NDArray, array

__all__ = ["from_dlpack", "from_numpy", "to_dlpack_for_read", "to_dlpack_for_write", "waitall"]


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> NDArray:
    """An array that shares memory with a C-contiguous NumPy array (``zero_copy=False``: a copy of any).

    The dtype stays as it is.

    >>> import numpy as np
    >>> from lamina import nd
    >>> numbers = np.zeros(2, np.float32)
    >>> nd.from_numpy(numbers)[:] = 5
    >>> numbers
    array([5., 5.], dtype=float32)
    """
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    if not ndarray.flags.c_contiguous or ndarray.ndim == 0:
        raise ValueError(
            f"from_numpy: an array of shape {ndarray.shape} that is not C-contiguous (or has no axes) cannot be "
            "shared; pass zero_copy=False"
        )
    if ndarray.dtype.kind not in "fiub":
        raise DTypeError(f"from_numpy: elements of type {ndarray.dtype} are not numbers")
    return NDArray(ndarray, current_context())


def from_dlpack(dlpack: Any) -> NDArray:
    """An array that shares memory with a CPU array of another library (anything that has ``__dlpack__``)."""
    shared = np.from_dlpack(dlpack if hasattr(dlpack, "__dlpack__") else _Capsule(dlpack))
    if not shared.flags.c_contiguous or shared.ndim == 0:
        return array(shared, dtype=shared.dtype)
    return NDArray(shared, current_context())


class _Capsule:
    """An old-style DLPack capsule in the clothes of the protocol."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (cpu().device_typeid, 0)


def to_dlpack_for_read(data: NDArray) -> Any:
    """A DLPack capsule that shares the memory of `data`, for another library to read."""
    return data.__dlpack__()


def to_dlpack_for_write(data: NDArray) -> Any:
    """A DLPack capsule that shares the memory of `data`, for another library to write.

    What is written there is not noticed by `autograd`.
    """
    return data.__dlpack__()


def waitall() -> None:
    """MXNet's synchronisation point; here every result is there already."""
