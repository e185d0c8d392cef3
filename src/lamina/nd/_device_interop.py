"""Zero-copy exchange of device arrays with other libraries, by DLPack."""

from __future__ import annotations

from typing import Any

from lamina.core.array import Array
from lamina.core.primitive import new_array
from lamina.core.state import flush_pending
from lamina.device.context import gpu
from lamina.device.dlpack import device_of_capsule, exported, imported
from lamina.errors import ContextError
from lamina.nd.operators import NDArray
from lamina.primitives.typing import element_type

_CPU = (1, 0)


def capsule_of(
    x: Array,
    *,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """The DLPack capsule of `x`, with the arguments of ``x.__dlpack__``.

    The capsule always has the first version of the protocol, which every `max_version` allows.
    """
    if dl_device == _CPU:
        if copy is False:
            raise BufferError(
                f"an array on {x._context} must be copied to get to the CPU; don't pass copy=False"
            )
        return x._numbers().__dlpack__()
    flush_pending()
    value: Any = x._data
    if copy:
        value = value.copy()
    else:
        x._note_export()
    return exported(value, stream)


def from_device(exporter: Any, kind: int, number: int) -> NDArray:
    """An array that shares device memory with `exporter`, another library's array.

    `kind` and `number` are the device type and index in ``exporter.__dlpack_device__()``.
    """
    there = device_of_capsule(kind, number)
    stream = getattr(there, "stream", None)
    try:
        capsule = exporter.__dlpack__(stream=stream, max_version=(1, 0))
    except TypeError:  # an exporter older than DLPack's versions
        capsule = exporter.__dlpack__(stream=stream)
    return from_capsule(capsule)


def from_capsule(capsule: Any) -> NDArray:
    """Import an array from a DLPack capsule of device memory; read-only memory is copied."""
    value, must_not_be_written = imported(capsule)
    if element_type(value.dtype) != value.dtype:
        raise ContextError(f"from_dlpack: arrays on devices can't have elements of type {value.dtype}")
    if not value.shape:
        value = value.part(0, (1,))
    if must_not_be_written:
        value = value.copy()
    result = new_array(value, gpu(value.device.number))
    result._note_export()
    return result
