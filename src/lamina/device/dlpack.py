"""Zero-copy exchange of device memory with other libraries, by DLPack capsules.

The structures are those of dlpack.h (https://dmlc.github.io/dlpack/latest/c_api.html). Synchronization follows the
Python specification there. The address of a CUDA array is a device pointer. The address of an OpenCL array is a
`cl_mem`: lamina exports a `cl_mem` for its shared virtual memory, and imports only a `cl_mem` made for such memory.
"""

from __future__ import annotations

import ctypes
import math
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

from lamina.device.choice import device, found
from lamina.device.interface import Device, DeviceArray, Region
from lamina.errors import ContextError, DTypeError

CUDA, OPENCL, _CUDA_MANAGED = 2, 4, 13
"""Values of DLDeviceType."""
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
"""Values of DLDataTypeCode by NumPy's dtype kind."""


class _Device(ctypes.Structure):
    _fields_ = [("type", c_int32), ("id", c_int32)]


class _Type(ctypes.Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", _Device),
        ("ndim", c_int32),
        ("dtype", _Type),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", c_void_p), ("deleter", c_void_p)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _Tensor),
    ]


_READ_ONLY = 1
_Callback = ctypes.CFUNCTYPE(None, c_void_p)
_api = ctypes.pythonapi
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, c_char_p, c_void_p)(("PyCapsule_New", _api))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, c_char_p)(("PyCapsule_IsValid", _api))
_pointer_of = ctypes.PYFUNCTYPE(c_void_p, ctypes.py_object, c_char_p)(("PyCapsule_GetPointer", _api))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, c_char_p)(("PyCapsule_SetName", _api))
_is_valid_at = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, c_char_p)(("PyCapsule_IsValid", _api))
_pointer_at = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", _api))

_NAME, _USED = b"dltensor", b"used_dltensor"
_NAME_VERSIONED, _USED_VERSIONED = b"dltensor_versioned", b"used_dltensor_versioned"


# --- given -------------------------------------------------------------------------------------------------------

_given: dict[int, tuple[Any, ...]] = {}
"""By the address of a DLPack structure, objects kept alive while another library uses the structure."""


@_Callback
def _give_up(address: int) -> None:
    _given.pop(address, None)


@_Callback
def _never_taken(capsule: int) -> None:
    if _is_valid_at(capsule, _NAME):
        _given.pop(_pointer_at(capsule, _NAME), None)


def device_type(value: DeviceArray) -> tuple[int, int]:
    """DLPack's device type and device number for an array. Raises `ContextError` for devices without a DLPack type."""
    there: Any = value.device
    if there.kind == "cuda":
        return CUDA, there.ordinal
    if there.kind == "opencl":
        return OPENCL, there.number
    raise ContextError(
        f"gpu({there.number}) is emulated, and other libraries can't access its memory; copy the array with "
        "as_in_context(mx.cpu()) first"
    )


def exported(value: DeviceArray, stream: int | None) -> Any:
    """A DLPack capsule of an array's memory. The other library's `stream` waits until the contents are computed."""
    kind, number = device_type(value)
    there: Any = value.device
    kept: list[Any] = [value]
    if kind == CUDA:
        address, offset = value.region.buffer.address, value.region.offset  # pyright: ignore
        if stream != _NO_WAITING:
            there.wait_in(_LEGACY_STREAM if stream is None else stream)
    else:
        there.synchronize()
        memory = there.as_cl_mem(value.region.buffer)
        kept.append(memory)
        address, offset = memory.int_ptr, value.region.offset
    count = len(value.shape)
    sizes = (c_int64 * max(count, 1))(*value.shape)
    strides = (c_int64 * max(count, 1))(*[math.prod(value.shape[a + 1 :]) for a in range(count)])
    kind_of_element = _Type(_CODES[value.dtype.kind], 8 * value.dtype.itemsize, 1)
    tensor = _Tensor(address, _Device(kind, number), count, kind_of_element, sizes, strides, offset)
    managed = _Managed(tensor, None, ctypes.cast(_give_up, c_void_p))
    place = ctypes.addressof(managed)
    _given[place] = (managed, sizes, strides, *kept)
    return _new_capsule(place, _NAME, ctypes.cast(_never_taken, c_void_p))


_NO_WAITING = -1
_LEGACY_STREAM = 1  # CUDA's default stream, the meaning of None in DLPack


# --- taken -------------------------------------------------------------------------------------------------------


class ForeignBuffer:
    """Memory of another library, released when no object in lamina refers to it any more."""

    __slots__ = ("__weakref__", "_give_back", "address", "device", "kept", "nbytes")

    def __init__(self, device: Device, address: int, nbytes: int, kept: Any, give_back: Any) -> None:
        self.device, self.address, self.nbytes, self.kept = device, address, nbytes, kept
        self._give_back = give_back

    def __del__(self) -> None:
        self._give_back()


def device_of_capsule(kind: int, number: int) -> Any:
    """The device with DLPack's device type `kind` and device number. Raises `ContextError` if there is none."""
    if kind in (CUDA, _CUDA_MANAGED):
        for i, one in enumerate(found()):
            if one.kind == "cuda" and getattr(there := device(i), "ordinal", None) == number:
                return there
    elif kind == OPENCL and 0 <= number < len(found()) and found()[number].kind == "opencl":
        return device(number)
    raise ContextError(
        f"from_dlpack: the array is on device {number} of type {kind}, which is not among lamina's devices; "
        "copy it to the CPU first"
    )


def imported(capsule: Any) -> tuple[DeviceArray, bool]:
    """The array in a DLPack capsule, and whether it is read-only. The capsule can't be used again."""
    is_versioned = bool(_is_valid(capsule, _NAME_VERSIONED))
    if not is_versioned and not _is_valid(capsule, _NAME):
        raise ValueError("from_dlpack: the capsule was used before, or is not a DLPack capsule")
    place = _pointer_of(capsule, _NAME_VERSIONED if is_versioned else _NAME)
    managed: Any = (_Versioned if is_versioned else _Managed).from_address(place)
    tensor = managed.tensor
    there = device_of_capsule(tensor.device.type, tensor.device.id)
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    dtype = _dtype_of(tensor.dtype)
    _check_order(tensor, shape)
    nbytes = math.prod(shape) * dtype.itemsize
    address, kept = tensor.data or 0, None
    if tensor.device.type == OPENCL:
        address, kept = there.address_of_cl_mem(address)
    _rename(capsule, _USED_VERSIONED if is_versioned else _USED)
    deleter = managed.deleter

    def give_back() -> None:
        if deleter:
            _Callback(deleter)(place)

    buffer = ForeignBuffer(there, address, tensor.byte_offset + nbytes, kept, give_back)
    value = DeviceArray(Region(buffer, tensor.byte_offset), shape, dtype)
    buffer.kept = kept, value.sharing  # a second reference, so that lamina never owns the memory alone
    return value, is_versioned and bool(managed.flags & _READ_ONLY)


def _dtype_of(kind: Any) -> np.dtype:
    letters = {code: letter for letter, code in _CODES.items()}
    if kind.code not in letters or kind.lanes != 1 or kind.bits % 8:
        raise DTypeError(
            f"from_dlpack: arrays can't have elements of DLPack's type {kind.code} with {kind.bits} bits"
        )
    return np.dtype(f"{letters[kind.code]}{kind.bits // 8}")


def _check_order(tensor: Any, shape: tuple[int, ...]) -> None:
    if not tensor.strides or 0 in shape:
        return
    for axis, size in enumerate(shape):
        if size != 1 and tensor.strides[axis] != math.prod(shape[axis + 1 :]):
            raise ValueError(
                f"from_dlpack: the array of shape {shape} is not C-contiguous; make a contiguous one first"
            )
