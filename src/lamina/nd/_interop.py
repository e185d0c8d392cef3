"""Exchange of arrays with other libraries, without a copy where possible, and with files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.finite import look_at_saved
from lamina.core.primitive import new_array
from lamina.core.state import flush_pending
from lamina.device.context import Context, cpu, current_context, gpu
from lamina.errors import ContextError, DTypeError
from lamina.nd._shape import reshape
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray
from lamina.primitives.typing import ELEMENT_TYPES, element_type

__all__ = [
    "from_dlpack", "from_numpy", "load", "load_frombuffer", "save", "to_dlpack_for_read", "to_dlpack_for_write",
    "waitall",
]  # fmt: skip


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
        kind, number = dlpack.__dlpack_device__()
        return _from_device(dlpack, int(kind), number)
    capsule = _capsule(dlpack) if hasattr(dlpack, "__dlpack__") else dlpack
    # An old capsule can't say whether it is read-only, so NumPy assumes that it is.
    old_form = '"dltensor"' in repr(capsule)
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


def _capsule(exporter: Any, **options: Any) -> Any:
    try:
        return exporter.__dlpack__(max_version=(1, 0), **options)
    except TypeError:  # an exporter older than DLPack's versions
        return exporter.__dlpack__(**options)


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


def _from_device(exporter: Any, kind: int, number: int) -> NDArray:
    """An array that shares device memory with `exporter`, another library's array; read-only memory is copied.

    `kind` and `number` are the device type and index in ``exporter.__dlpack_device__()``.
    """
    from lamina.device.dlpack import device_of_capsule, imported

    there = device_of_capsule(kind, number)
    value, must_not_be_written = imported(_capsule(exporter, stream=getattr(there, "stream", None)))
    if element_type(value.dtype) != value.dtype:
        raise ContextError(f"from_dlpack: arrays on devices can't have elements of type {value.dtype}")
    if not value.shape:
        value = value.part(0, (1,))
    if must_not_be_written:
        value = value.copy()
    result = new_array(value, gpu(value.device.number))
    result._note_export()
    return result


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


# --- `save` and `load` in MXNet's `.params` format ----------------------------------------------------------------


Path = str | os.PathLike[str]


def save(fname: Path, data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Write an array, a list of arrays, or a dict of arrays to a file that MXNet 1.x can load.

    The file is replaced atomically.
    """
    from lamina.support.files.mxnet_params import save_params

    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, Mapping):
        for name in data:
            if not isinstance(name, str):
                raise TypeError(f"save: the names of arrays are strings, not {name!r}")
        save_params(fname, {name: _buffer(x) for name, x in data.items()})
        look_at_saved(data.values())
    else:
        data = list(data)
        save_params(fname, [_buffer(x) for x in data])
        look_at_saved(data)


def _buffer(x: object) -> np.ndarray:
    if not isinstance(x, NDArray):
        raise TypeError(f"save: takes NDArrays, a list or a dict of them; found {type(x).__name__}")
    return x._numbers()


def load(fname: Path, ctx: Context | None = None) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays of a file written by `save`, MXNet, safetensors or `torch.save`.

    Returns a dict if the arrays have names, else a list.

    >>> import tempfile
    >>> from lamina import nd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nd.save(f"{folder}/x.params", {"weight": nd.ones((2, 3))})
    ...     nd.load(f"{folder}/x.params")["weight"].shape
    (2, 3)
    """
    from lamina.support.files.mxnet_params import load_params
    from lamina.support.files.tensors import is_tensor_file, load_tensors
    from lamina.support.files.torch_file import is_torch_file, load_torch

    if is_torch_file(fname):
        return _arrays(load_torch(fname), ctx)
    return _arrays(load_tensors(fname)[0] if is_tensor_file(fname) else load_params(fname), ctx)


def load_frombuffer(buf: bytes, ctx: Context | None = None) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays in the bytes of a file, like `load`."""
    from lamina.support.files.mxnet_params import params_from_bytes

    if not isinstance(buf, bytes | bytearray):
        raise TypeError(f"load_frombuffer: takes the bytes of a file, not {type(buf).__name__}")
    return _arrays(params_from_bytes(bytes(buf)), ctx)


def _arrays(found: Any, ctx: Context | None) -> Any:
    if isinstance(found, dict):
        return {name: _own(x, ctx) for name, x in found.items()}
    return [_own(x, ctx) for x in found]


def _own(data: np.ndarray, ctx: Context | None) -> NDArray:
    made = array(data, ctx=ctx, dtype=data.dtype)
    return made if data.ndim else reshape(made, ())
