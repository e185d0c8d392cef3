"""Flushing denormal numbers to zero during training, as MXNet and compiled code do.

Once a network is confident, its softmax and gradients contain values below 1.2e-38. Processors compute with such
denormals in microcode, about a hundred times more slowly, although they hardly affect the result. Bits of the
floating-point control register make the processor treat them as zero: flush-to-zero and denormals-are-zero in MXCSR on
x86-64 (Intel SDM, volume 1, 10.2.3), FZ in FPCR on AArch64 (Arm ARM, C5.2.8). Each thread has its own register. The C
library's ``fegetenv`` and ``fesetenv`` read and write it as part of the floating-point environment.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import NamedTuple

import numpy as np


class _Layout(NamedTuple):
    """The layout of a C library's ``fenv_t``.

    `words` is its size in 32-bit words, `register` the index of the control register's word, `bits` the bits to set.
    """

    words: int
    register: int
    bits: int


FLUSHING_BITS = {"x86_64": 0x8040, "aarch64": 1 << 24}
"""The bits of MXCSR and of FPCR, by architecture: those that lamina's compiler knows."""
_LAYOUTS = {
    ("linux", "x86_64"): _Layout(words=8, register=7, bits=FLUSHING_BITS["x86_64"]),  # glibc and musl
    ("linux", "aarch64"): _Layout(words=2, register=0, bits=FLUSHING_BITS["aarch64"]),
    ("darwin", "x86_64"): _Layout(words=4, register=1, bits=FLUSHING_BITS["x86_64"]),
    ("darwin", "arm64"): _Layout(words=4, register=2, bits=FLUSHING_BITS["aarch64"]),
}

Saved = tuple["ctypes.Array[ctypes.c_uint32]", int] | None
"""The saved state for `restore_denormals`; None if there is nothing to undo."""


# Computed before any flushing: NumPy up to 2.3 computes the limits at the first use, and warns where denormals vanish.
_SMALLEST_NORMAL, *_ = [np.finfo(dtype).tiny for dtype in (np.float32, np.float64, np.float16, np.longdouble)]


class _Register:
    """Access to the calling thread's floating-point control register."""

    def __init__(self, layout: _Layout) -> None:
        self._register, self._bits = layout.register, layout.bits
        self._environment = ctypes.c_uint32 * layout.words
        self._spare: list[ctypes.Array[ctypes.c_uint32]] = []  # allocating takes as long as reading
        library = ctypes.PyDLL(None)  # PyDLL: far too short a call to be worth releasing the GIL
        self._get, self._set = library.fegetenv, library.fesetenv

    def set_bits(self) -> Saved:
        try:
            environment = self._spare.pop()
        except IndexError:
            environment = self._environment()
        self._get(environment)
        before = environment[self._register]
        if before & self._bits == self._bits:
            self._spare.append(environment)
            return None
        environment[self._register] = before | self._bits
        self._set(environment)
        return environment, before

    def restore(self, saved: Saved) -> None:
        if saved is not None:
            environment, before = saved
            environment[self._register] = before
            self._set(environment)
            self._spare.append(environment)


def _working_register() -> _Register | None:
    """The control register, if a test shows that setting its bits flushes denormals on this system; else None."""
    layout = _LAYOUTS.get((sys.platform, platform.machine()))
    if layout is None:
        return None
    try:
        register = _Register(layout)
    except (OSError, AttributeError):  # another C library
        return None
    saved = register.set_bits()
    flushed = _makes_denormals()
    register.restore(saved)
    return register if saved is not None and not flushed and _makes_denormals() else None


def _makes_denormals() -> bool:
    smallest = np.full(4, _SMALLEST_NORMAL)
    return bool((smallest * np.float32(0.5)).any())


_register = _working_register()


def flush_denormals() -> Saved:
    """Treat denormals as 0 in this thread, if the system can; returns the argument of `restore_denormals`."""
    return None if _register is None else _register.set_bits()


def restore_denormals(saved: Saved) -> None:
    """Undo the `flush_denormals` call of this thread that returned `saved`."""
    if saved is not None and _register is not None:
        _register.restore(saved)
