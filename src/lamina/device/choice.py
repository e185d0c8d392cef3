"""The available devices and their numbers: `mx.gpu(0)`, `mx.gpu(1)` …

NVIDIA's GPUs come first, in their driver's order, followed by OpenCL's GPUs of other vendors. The environment variable
``LAMINA_DEVICE`` selects other devices:

``cuda``              NVIDIA's GPUs only
``opencl``            all OpenCL devices, including CPUs, for tests of programs; never chosen by default
``none``              no devices

A list of kinds, separated by commas, such as ``opencl,cuda``, numbers the devices in this order. `OWN_DEVICES` has
further kinds, such as the tests' emulator; ``emulator:2`` selects two emulated devices.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from lamina.device.interface import Device
from lamina.errors import ContextError, LaminaError
from lamina.support.messages import counted, is_on_command_line


class Found(NamedTuple):
    """A device that was found but not opened yet."""

    kind: str
    name: str
    open: Callable[[int], Device]
    """``open(number)`` opens the device."""
    is_gpu: bool
    """Whether the device is presumably faster than the CPU: neither the emulator nor a CPU under OpenCL."""


OWN_DEVICES: dict[str, Found] = {}
"""Further kinds of devices, by their names in ``LAMINA_DEVICE``."""


class _Search(NamedTuple):
    found: list[Found]
    looked_for: list[str]
    """A description of the result of each search for devices."""


_process = os.getpid()
_lock = threading.RLock()
_searches: dict[str, _Search] = {}
_opened: dict[tuple[str, int], Device] = {}


def found() -> list[Found]:
    """The found devices, in order of their numbers."""
    return _search().found


def looked_for() -> str:
    """A description of the search for devices and its result.

    >>> isinstance(looked_for(), str)
    True
    """
    return "; ".join(_search().looked_for)


def device(number: int) -> Device:
    """Open the device with this number.

    Raises `ContextError` if no such device exists, `DeviceError` if it can't be opened.
    """
    known = _opened.get((_setting(), number))
    if known is not None:
        return known
    there = found()
    if not 0 <= number < len(there):
        raise ContextError(_no_device(number, there))
    with _lock:
        key = _setting(), number
        if key not in _opened:
            _opened[key] = there[number].open(number)
        return _opened[key]


def opened() -> list[Device]:
    """The devices opened by this process."""
    return list(_opened.values()) if _process == os.getpid() else []


def _setting() -> str:
    return os.environ.get("LAMINA_DEVICE", "").strip().lower()


def _no_device(number: int, there: list[Found]) -> str:
    if not there:
        return (
            f"gpu({number}) is not available: no device was found (num_gpus() is 0). Searched for: {looked_for()}. "
            f"Use {_the_cpu()} instead."
        )
    known = ", ".join(f"gpu({i}) is {one.name}" for i, one in enumerate(there))
    return f"gpu({number}) does not exist: num_gpus() is {len(there)}; {known}. Use one of these, or {_the_cpu()}."


def _the_cpu() -> str:
    return "--device cpu" if is_on_command_line() else "mx.cpu()"


def _search() -> _Search:
    setting = _setting()
    with _lock:
        if setting not in _searches:
            _searches[setting] = _searched(setting)
        return _searches[setting]


def _searched(setting: str) -> _Search:
    search = _Search([], [])
    for look in () if setting else _KINDS.values():
        look(search, all_kinds=False)
    for part in map(str.strip, setting.split(",") if setting else ()):
        kind, _, count = part.partition(":")
        if kind in OWN_DEVICES and (not count or count.isdecimal()):
            search.found.extend([OWN_DEVICES[kind]] * int(count or 1))
        elif part in _KINDS:
            _KINDS[part](search, all_kinds=True)
        elif part == "none":
            search.looked_for.append("nothing, since LAMINA_DEVICE=none")
        else:
            raise ContextError(
                f"LAMINA_DEVICE={setting!r} is unknown; known: {', '.join((*_KINDS, *OWN_DEVICES))}, none; "
                "separate several values by commas"
            )
    return search


def _look_for_cuda(search: _Search, **_: bool) -> None:
    from lamina.device.cuda import CudaDevice, find

    try:
        names = find()
    except LaminaError as error:
        search.looked_for.append(f"NVIDIA's driver ({error})")
        return
    usable = 0
    for ordinal, (name, reason) in enumerate(names):
        if reason is None:
            usable += 1
            search.found.append(Found("cuda", name, lambda number, at=ordinal: CudaDevice(at, number), True))
        else:
            search.looked_for.append(f"{name} ({reason})")
    search.looked_for.append(f"NVIDIA's driver ({counted(usable, 'GPU')})")


def _look_for_opencl(search: _Search, *, all_kinds: bool) -> None:
    from lamina.device.opencl import OpenCLDevice, find

    try:
        devices = find()
    except LaminaError as error:
        search.looked_for.append(f"OpenCL ({error})")
        return
    if not devices:
        search.looked_for.append("OpenCL (no platform has a device)")
    has_cuda = any(one.kind == "cuda" for one in search.found)
    for one in devices:
        if one.reason is not None:
            search.looked_for.append(f"OpenCL's {one.name} ({one.reason})")
        elif not all_kinds and not one.is_gpu:
            search.looked_for.append(f"OpenCL's {one.name} (no GPU; LAMINA_DEVICE=opencl takes it, too)")
        elif has_cuda and one.is_nvidia:
            continue
        else:
            open_it = lambda number, at=one: OpenCLDevice(at, number)  # noqa: E731
            search.found.append(Found("opencl", one.name, open_it, one.is_gpu))


_KINDS: dict[str, Callable[..., None]] = {"cuda": _look_for_cuda, "opencl": _look_for_opencl}
"""The searches by kind of device, in the order of devices' numbers."""


def _forget_lock() -> None:
    global _lock  # noqa: PLW0603 - in a forked child no thread would release it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
