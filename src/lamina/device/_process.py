"""Ownership of devices by the process that opened them.

A forked child has neither the driver's threads nor its memory.
"""

from __future__ import annotations

import os
import sys

from lamina.errors import DeviceError


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
