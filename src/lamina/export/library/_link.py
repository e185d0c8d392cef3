"""Links an object file to a shared library, with any linker found."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamina.compiler.cpu.machine import Machine
from lamina.errors import LaminaError

__all__ = ["linked"]

_DRIVERS = ("cc", "gcc", "clang")
_SHARED = ("-shared", "-nostdlib")
_MOST_SECONDS = 300


def linked(code: bytes, machine: Machine, needs: Sequence[str]) -> bytes | None:
    """Link an object file to a shared library; None if no installed linker supports that machine.

    `needs`: the C library functions that it calls.

    Raises:
        LaminaError: the linker fails.
    """
    for command in _linkers(machine):
        program = shutil.which(command[0])
        if program is not None:
            return _run([program, *command[1:]], code, ["-lm"] if needs and _is_driver(command[0]) else [])
    return None


def _is_driver(name: str) -> bool:
    """Whether a program is a compiler driver, which knows where the libraries are."""
    return "gcc" in name or name in _DRIVERS


def _linkers(machine: Machine) -> Iterator[Sequence[str]]:
    """Linker commands for a machine, the likeliest to work first."""
    if not machine.triple or machine.triple.startswith(_own_platform()):
        if sys.platform == "darwin":
            yield "cc", "-dynamiclib", "-nostdlib", "-lSystem"
        elif sys.platform == "linux":
            yield from ((driver, *_SHARED) for driver in _DRIVERS)
            yield "ld", "-shared"
    elif machine.triple:
        yield f"{machine.triple.replace('-unknown', '')}-gcc", *_SHARED
    if machine.triple.endswith("linux-gnu") or (not machine.triple and sys.platform == "linux"):
        yield "ld.lld", "-shared"  # for any processor


def _own_platform() -> str:
    names = {"amd64": "x86_64", "arm64": "aarch64"}
    processor = platform.machine().lower()
    return f"{names.get(processor, processor)}-unknown-{sys.platform}"


def _run(command: Sequence[str], code: bytes, libraries: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "code.o"), Path(folder, "library")
        source.write_bytes(code)
        whole = [*command, "-o", str(result), str(source), *libraries]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=_MOST_SECONDS, check=False)
        if done.returncode:
            said = " ".join(done.stderr.split())[:300]
            raise LaminaError(f"{Path(command[0]).name} cannot link the library: {said}")
        return result.read_bytes()
