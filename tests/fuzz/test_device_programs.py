"""Random programs, compiled for the emulator, give what they give eagerly on the CPU.

Each launch runs in two orders of its blocks and threads, and must give the same bits. `make fuzz` runs as many as one
likes, from a seed on.
"""

from __future__ import annotations

import warnings
from typing import Any

import gpu_emulator  # noqa: F401 - LAMINA_DEVICE names it
import numpy as np
import pytest
from program_outcomes import compare, outcome
from random_programs import Program
from seeds import run_seeds

import lamina
from lamina.context import device_of

pytestmark = pytest.mark.filterwarnings(
    "ignore::lamina.errors.NonFiniteWarning"
)  # random programs may diverge

SECONDS = [1.5, pytest.param(4.0, marks=pytest.mark.slow)]


def check(program: Program, gpu: Any) -> None:
    with lamina.cpu():
        eager = program.world()
        exact = None if program.exact else program.world(np.float64)
    with gpu:
        other = program.world()
    compiled = lamina.compile(other["program"], keep_gradients=True)
    for call in range(2):
        with lamina.cpu():
            for world in (eager, exact):
                if world is not None:
                    program.change(world, call)
            plain = outcome(eager["program"], program.arguments(call), eager, program.gradients)
            want = exact and outcome(
                exact["program"], program.arguments(call, np.float64), exact, program.gradients
            )
        with gpu:
            program.change(other, call)
            found = outcome(compiled, program.arguments(call), other, program.gradients)
        if not isinstance(plain, list) or not isinstance(found, list):
            assert not isinstance(plain, list) and not isinstance(found, list), (plain, found)
            assert plain[0] is found[0], (plain, found)
            return
        compare(plain, found, want)


def run(seed: int, gpu: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lamina.compile")  # what runs eagerly is eager
        with np.errstate(all="ignore"), lamina.eager():
            program = Program(seed)
            try:
                check(program, gpu)
            except Exception as error:
                raise AssertionError(f"{program!r}\n{type(error).__name__}: {error}") from error


@pytest.mark.slow
@pytest.mark.parametrize("seconds", SECONDS)
def test_random_programs_on_the_emulator(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_DEVICE", "emulator")
    gpu = lamina.gpu()
    monkeypatch.setattr(device_of(gpu), "repeats", 2)
    run_seeds(lambda seed: run(seed, gpu), seconds)
