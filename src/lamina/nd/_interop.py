"""Exchange of arrays with other libraries, without a copy where possible, and `waitall`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.state import flush_pending
from lamina.device.context import cpu, current_context
from lamina.errors import DTypeError
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray
from lamina.primitives.typing import ELEMENT_TYPES, element_type

__all__ = ["from_dlpack", "from_numpy", "to_dlpack_for_read", "to_dlpack_for_write", "waitall"]


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> NDArray:
    """An array that shares memory with a C-contiguous NumPy array, or a copy with ``zero_copy=False``.

    The dtype is kept. A zero-dimensional array gets shape (1,).

    Raises `ValueError` if an array to be shared is not C-contiguous, and `DTypeError` for an unsupported dtype.

    >>> import numpy as np
    >>> from lamina import nd
    >>> numbers = np.zeros(2, np.float32)
    >>> nd.from_numpy(numbers)[:] = 5
    >>> numbers
    array([5., 5.], dtype=float32)
    """
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    if not ndarray.flags.c_contiguous:
        raise ValueError(
            f"from_numpy: an array of shape {ndarray.shape} that is not C-contiguous cannot be shared; "
            "pass zero_copy=False"
        )
    if ndarray.dtype not in ELEMENT_TYPES:
        element_type(ndarray.dtype)  # raises for a dtype that no array can have
        raise DTypeError(f"from_numpy: {ndarray.dtype} cannot be shared; pass zero_copy=False")
    return _shared(ndarray.reshape(ndarray.shape or (1,)))


def from_dlpack(dlpack: Any) -> NDArray:
    """An array that shares memory with a DLPack capsule or with an object that has ``__dlpack__``.

    The array may be on the CPU or on a device of `gpu()`; the result is on the same device. Read-only arrays (such as
    JAX's and pyarrow's) are copied, and also arrays on the CPU that are not C-contiguous.

    Raises:
        ContextError: the array is on a device that lamina does not use.
        ValueError: the array is on a device and is not C-contiguous.
        DTypeError: the dtype is not supported (complex numbers, bfloat16).

    >>> import numpy as np
    >>> from lamina import nd
    >>> numbers = np.zeros(2, np.float32)
    >>> nd.from_dlpack(numbers)[:] = 5
    >>> numbers
    array([5., 5.], dtype=float32)
    """
    if hasattr(dlpack, "__dlpack_device__") and dlpack.__dlpack_device__()[0] not in _HOST:
        from lamina.nd._device_interop import from_device

        kind, number = dlpack.__dlpack_device__()
        return from_device(dlpack, int(kind), number)
    capsule = _capsule(dlpack) if hasattr(dlpack, "__dlpack__") else dlpack
    old_form = '"dltensor"' in repr(
        capsule
    )  # an old capsule can't say whether it is read-only, so NumPy assumes that it is
    try:
        shared = np.from_dlpack(_Exporter(capsule))
    except RuntimeError as error:  # for bfloat16, which NumPy lacks
        raise DTypeError(
            f"from_dlpack: {str(error).rstrip('.')}; convert the array to float32 first"
        ) from error
    element_type(shared.dtype)  # raises for a dtype that no array can have
    if old_form and not _never_changes(dlpack):
        shared = np.asarray(_Writable(shared))
    if not shared.flags.writeable or not shared.flags.c_contiguous or shared.ndim == 0:
        return array(shared, dtype=shared.dtype)
    return _shared(shared)


def _shared(memory: np.ndarray) -> NDArray:
    context = current_context()
    result = NDArray(memory, context if context.is_host else cpu())
    result._note_export()
    return result


_HOST = (1, 3, 11)
"""DLPack device types of host memory, including memory pinned by CUDA (such as CuPy's) or ROCm."""


def _never_changes(exporter: Any) -> bool:
    """Whether NumPy sees the exporter's array as read-only, which unversioned capsules can't express."""
    return hasattr(exporter, "__array__") and not np.asarray(exporter).flags.writeable


def _capsule(exporter: Any) -> Any:
    try:
        return exporter.__dlpack__(max_version=(1, 0))
    except TypeError:  # an exporter older than DLPack's versions
        return exporter.__dlpack__()


class _Exporter:
    """A bare DLPack capsule, wrapped in an object with ``__dlpack__``."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (cpu().device_typeid, 0)


class _Writable:
    """A writable NumPy export of a read-only array's memory, which keeps the array alive."""

    def __init__(self, shared: np.ndarray) -> None:
        self._owner = shared
        interface = shared.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def to_dlpack_for_read(data: NDArray) -> Any:
    """A DLPack capsule that shares the memory of `data`, for another library to read."""
    return data.__dlpack__()


def to_dlpack_for_write(data: NDArray) -> Any:
    """A DLPack capsule that shares the memory of `data`, for another library to write.

    `autograd` does not notice writes through the capsule.
    """
    return data.__dlpack__()


def waitall() -> None:
    """Compute everything pending and wait for all devices; raises errors that occurred on devices."""
    from lamina.device.choice import opened

    flush_pending()
    for device in opened():
        device.synchronize()
