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
from collections import deque
from typing import Any, Protocol

from lamina.errors import DeviceError, DeviceMemoryError, ParameterError


class Driver(Protocol):
    """The operations that a pool needs from the device's driver."""

    def take_memory(self, nbytes: int) -> int | None:
        """The address of new memory; None if no memory is left."""
        ...

    def free_memory(self, address: int) -> None:
        """Free memory that is not used any more."""

    def free_and_total(self) -> tuple[int, int]:
        """The free and total bytes of the device's memory."""
        ...

    def synchronize(self) -> None:
        """Wait until all work is done."""


class PooledBuffer:
    """A buffer whose memory returns to its pool when no object refers to it any more."""

    __slots__ = ("__weakref__", "_returned", "address", "device", "nbytes", "size")

    def __init__(
        self, device: Any, nbytes: int, size: int, address: int, returned: deque[tuple[int, int]]
    ) -> None:
        self.device, self.nbytes, self.size, self.address = device, nbytes, size, address
        self._returned = returned

    def __del__(self) -> None:
        # By any thread, at any time, also inside `allocate`: so no lock is taken, and no driver called.
        self._returned.append((self.size, self.address))


class Pool:
    """The memory of a device. `limit` is the maximum number of bytes taken from the driver; None means no limit."""

    def __init__(self, driver: Driver, name: str, limit: int | None = None) -> None:
        self._driver, self._name, self._limit = driver, name, limit
        self._returned: deque[tuple[int, int]] = deque()
        self._kept: dict[int, list[int]] = {}
        self._lock = threading.RLock()
        self.held = 0
        """The bytes of buffers that are in use."""
        self.taken = 0
        """The bytes taken from the driver: in use, or kept for reuse."""

    def allocate(self, device: Any, nbytes: int) -> PooledBuffer:
        """Allocate `nbytes` bytes of uninitialized memory. Raises `DeviceMemoryError`."""
        size = _rounded(nbytes)
        with self._lock:
            self._take_back()
            kept = self._kept.get(size)
            address = kept.pop() if kept else self._new(size, nbytes)
            self.held += size
        return PooledBuffer(device, nbytes, size, address, self._returned)

    def release_kept(self) -> None:
        """Return all blocks kept for reuse to the driver."""
        with self._lock:
            self._take_back()
            if any(self._kept.values()):
                self._driver.synchronize()
            for size, addresses in self._kept.items():
                while addresses:
                    self.taken -= size
                    self._driver.free_memory(addresses.pop())
            self._kept.clear()

    def free_and_total(self) -> tuple[int, int]:
        """The free bytes, including memory kept for reuse, and the total number of bytes."""
        with self._lock:
            self._take_back()
            free, total = self._driver.free_and_total()
            free += self.taken - self.held
            return (
                (free, total)
                if self._limit is None
                else (min(free, self._limit - self.held), min(total, self._limit))
            )

    def _take_back(self) -> None:
        returned = self._returned
        while returned:
            size, address = returned.popleft()
            self.held -= size
            self._kept.setdefault(size, []).append(address)

    def _new(self, size: int, nbytes: int) -> int:
        address = self._from_driver(size)
        if address is None:
            self.release_kept()
            address = self._from_driver(size)
        if address is None:
            free, total = self._driver.free_and_total()
            raise out_of_memory(self._name, nbytes, self.held, free, total, self._limit)
        self.taken += size
        return address

    def _from_driver(self, size: int) -> int | None:
        if self._limit is not None and self.taken + size > self._limit:
            return None
        return self._driver.take_memory(size)


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
    "": 1,
    "B": 1,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}


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


# --- The process that opened a device: a forked child has neither the driver's threads nor its memory ----------------


class Owner:
    """The process that opened a device, and whether the device still works."""

    __slots__ = ("_lost", "_name", "_process")

    def __init__(self, name: str) -> None:
        self._name, self._process, self._lost = name, os.getpid(), ""

    def check(self) -> None:
        """Raise `DeviceError` in any other process, or if the device was lost."""
        if os.getpid() != self._process:
            raise DeviceError(
                f"{self._name} can't be used in this process, since the parent process opened the device before the "
                'fork. Start processes by multiprocessing.get_context("spawn"), or use gpu() only in child processes.'
            )
        if self._lost:
            raise DeviceError(
                f"{self._name} can't be used any more, since {self._lost}. The contents of its arrays are lost; "
                "restart the program."
            )

    @property
    def is_here(self) -> bool:
        """Whether this is the owning process and the device works. Otherwise no memory on the device may be freed."""
        return not self._lost and not sys.is_finalizing() and os.getpid() == self._process

    def lose(self, why: str) -> DeviceError:
        """Mark the device as lost for the reason `why`, and return the error to raise."""
        self._lost = self._lost or why
        return DeviceError(f"{self._name} failed: {why}")
