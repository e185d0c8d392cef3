"""PTX of captured functions, and what NVIDIA's assembler says of it (`nvidia-cuda-nvcc`, of the development extra)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphs import capture

from lamina.compiler.gpu._schedule import Schedule
from lamina.compiler.gpu.target import written_for
from lamina.core.precision import Precision
from lamina.device.interface import Limits

__all__ = ["Assembled", "assembled", "ptxas"]


@cache
def ptxas() -> str | None:
    """The assembler, if it is installed."""
    places = (Path(entry) for entry in sys.path)
    return next((str(p) for place in places for p in place.glob("nvidia/cu*/bin/ptxas")), None)


@dataclass(frozen=True)
class Assembled:
    """A program's launches, its PTX, and the most registers that a thread of it has."""

    schedule: Schedule
    text: str
    registers: int


def assembled(
    function: Callable[..., Any],
    arrays: list[Any],
    architecture: str = "sm_90",
    precision: Precision = "float32",
) -> Assembled:
    """Assemble it; it must have no spills, no memory of a thread's own, and no access without a known memory."""
    program = ptxas()
    if program is None:
        pytest.skip("NOT TESTED: assembling for NVIDIA GPUs, without ptxas (pip: nvidia-cuda-nvcc)")
    limits = Limits(architecture, 1024, 132, has_float64=True, has_float16=True, has_tensor_cores=True)
    graph = replace(capture(function, *arrays), precision=precision)
    written = written_for(graph, "nvptx", limits)
    text = written.assembly()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "code.ptx")
        source.write_text(text)
        done = subprocess.run(
            [program, "-v", f"-arch={architecture}", source, "-o", Path(folder, "code.cubin")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    frames = re.findall(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr
    )
    assert frames
    assert set(frames) == {("0", "0", "0")}, done.stderr
    assert ".local" not in text
    assert not re.search(r"\b(?:ld|st|atom)\.(?:[bfusv]\d|relaxed\.\w+\.[bfus]\d)", text), (
        "generic addressing"
    )
    assert "ld.global.nc" not in text, "a cache that sees no writes"
    return Assembled(written.schedule, text, max(map(int, re.findall(r"Used (\d+) registers", done.stderr))))
