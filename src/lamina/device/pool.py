"""A memory pool for a device, which keeps freed blocks for later arrays of the same size.

Requesting memory from a driver takes as long as many kernels, and returning it waits for the device. So a freed block
goes into a list for reuse. As a device works in call order, the block may be reused at once, even if the last kernel
that uses it has not run yet.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from lamina.errors import DeviceError, DeviceMemoryError, ParameterError


class PooledBuffer:
    """A buffer whose memory returns to its device's pool when no object refers to it any more."""

    __slots__ = ("__weakref__", "_returned", "address", "device", "nbytes", "size")

    def __init__(self, device: Any, nbytes: int, size: int, address: int) -> None:
        self.device, self.nbytes, self.size, self.address = device, nbytes, size, address
        self._returned = device.returned

    def __del__(self) -> None:
        # By any thread, at any time, also inside `allocate`: so no lock is taken, and no driver called.
        self._returned.append((self.size, self.address))


class PooledDevice(ABC):
    """A device with a pool of its memory. A subclass for each driver completes `lamina.device.interface.Device`.

    As a context, the device is locked for the thread. Only the process that opened the device can use it: a forked
    child has neither the driver's threads nor its memory.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number
        self._label = f"gpu({number}), {name},"
        self._lock = threading.RLock()
        self._process, self._lost = os.getpid(), ""
        self.returned: deque[tuple[int, int]] = deque()
        """The size and address of each block whose buffer is gone."""
        self._kept: dict[int, list[int]] = {}
        self._limit: int | None = None
        """The maximum number of bytes taken from the driver; None means no limit."""
        self._held = 0  # bytes of buffers that are in use
        self._taken = 0  # bytes taken from the driver: in use, or kept for reuse

    # --- what a driver does --------------------------------------------------------------------------------------

    @abstractmethod
    def take_memory(self, nbytes: int) -> int | None:
        """The address of new memory; None if no memory is left."""

    @abstractmethod
    def free_memory(self, address: int) -> None:
        """Free memory that is not used any more."""

    @abstractmethod
    def free_and_total(self) -> tuple[int, int]:
        """The free and total bytes of the device's memory."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work is done."""

    # --- memory --------------------------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> PooledBuffer:
        """Allocate `nbytes` bytes of uninitialized memory. Raises `DeviceMemoryError`."""
        size = _rounded(nbytes)
        with self:
            self._take_back()
            kept = self._kept.get(size)
            address = kept.pop() if kept else self._new(size, nbytes)
            self._held += size
        return PooledBuffer(self, nbytes, size, address)

    def release_kept_memory(self) -> None:
        """Return all blocks kept for reuse to the driver."""
        with self:
            self._take_back()
            if any(self._kept.values()):
                self.synchronize()
            for size, addresses in self._kept.items():
                while addresses:
                    self._taken -= size
                    self.free_memory(addresses.pop())
            self._kept.clear()

    def memory_info(self) -> tuple[int, int]:
        """The free bytes, including memory kept for reuse, and the total number of bytes."""
        with self:
            self._take_back()
            free, total = self.free_and_total()
            free += self._taken - self._held
            if self._limit is None:
                return free, total
            return min(free, self._limit - self._held), min(total, self._limit)

    def _take_back(self) -> None:
        while self.returned:
            size, address = self.returned.popleft()
            self._held -= size
            self._kept.setdefault(size, []).append(address)

    def _new(self, size: int, nbytes: int) -> int:
        address = self._from_driver(size)
        if address is None:
            self.release_kept_memory()
            address = self._from_driver(size)
        if address is None:
            raise out_of_memory(
                self._label.rstrip(","), nbytes, self._held, *self.free_and_total(), self._limit
            )
        self._taken += size
        return address

    def _from_driver(self, size: int) -> int | None:
        if self._limit is not None and self._taken + size > self._limit:
            return None
        return self.take_memory(size)

    # --- the process that opened it ------------------------------------------------------------------------------

    def __enter__(self) -> None:
        """Lock the device for this thread. Raises `DeviceError` in any other process, or if the device was lost."""
        if os.getpid() != self._process:
            raise DeviceError(
                f"{self._label} can't be used in this process, since the parent process opened the device before the "
                'fork. Start processes by multiprocessing.get_context("spawn"), or use gpu() only in child processes.'
            )
        if self._lost:
            raise DeviceError(
                f"{self._label} can't be used any more, since {self._lost}. The contents of its arrays are lost; "
                "restart the program."
            )
        self._lock.acquire()

    def __exit__(self, *_exception: object) -> None:
        self._lock.release()

    @property
    def _is_here(self) -> bool:
        """Whether this is the owning process and the device works. Otherwise no memory on the device may be freed."""
        return not self._lost and not sys.is_finalizing() and os.getpid() == self._process

    def _lose(self, why: str) -> DeviceError:
        """Mark the device as lost for the reason `why`, and return the error to raise."""
        self._lost = self._lost or why
        return DeviceError(f"{self._label} failed: {why}")


def out_of_memory(
    name: str, nbytes: int, held: int, free: int, total: int, limit: int | None = None
) -> DeviceMemoryError:
    """The error for a failed allocation; its message shows the requested, used and free memory, and gives advice."""
    allowed = "" if limit is None else f", and LAMINA_DEVICE_MEMORY allows {in_words(limit)}"
    return DeviceMemoryError(
        f"{name} is out of memory: {in_words(nbytes)} were requested; lamina's arrays hold {in_words(held)}, "
        f"{in_words(free)} of {in_words(total)} are free{allowed}. Use smaller batches, or delete arrays that are no "
        "longer needed."
    )


_SMALLEST = 512
_LARGE = 1 << 21


def _rounded(nbytes: int) -> int:
    """The size rounded up, by at most a quarter, to let arrays of similar sizes reuse each other's blocks."""
    if nbytes <= _SMALLEST:
        return _SMALLEST
    if nbytes >= 16 * _LARGE:
        return -(-nbytes // _LARGE) * _LARGE
    step = max(_SMALLEST, 1 << ((nbytes - 1).bit_length() - 3))
    return -(-nbytes // step) * step


_UNITS = {
    "": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9,
}  # fmt: skip


def memory_limit(total: int) -> int | None:
    """The memory limit in ``LAMINA_DEVICE_MEMORY``, such as "6GiB" or "80%"; None if it is not set."""
    text = os.environ.get("LAMINA_DEVICE_MEMORY", "").strip().upper()
    if not text:
        return None
    parts = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(%|[KMG]?I?B|)", text)
    if parts is None:
        raise ParameterError(f'LAMINA_DEVICE_MEMORY={text!r} must be an amount such as "6GiB" or "80%"')
    number, unit = float(parts[1]), parts[2]
    return int(number / 100 * total) if unit == "%" else int(number * _UNITS[unit])


def in_words(nbytes: int) -> str:
    """A number of bytes as text, with a unit.

    >>> in_words(3 << 29)
    '1.5 GiB'
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= size:
            return f"{nbytes / size:.1f} {unit}"
    return f"{nbytes} B"
