"""Compiled equals eager, for random programs: some seconds in the suite, longer in slow tests.

`LAMINA_FUZZ_PROGRAMS=20000` runs so many instead, from `LAMINA_FUZZ_SEED` on. A seed that fails goes into `FAILED`,
with what was wrong, and is run first ever after.

Programs give the same bits eagerly and compiled, but for those of NaN and the sign of zero: operators have one
arithmetic (docs/adr/one-arithmetic.md). Processors without fused multiply-adds, and matrix units, round otherwise;
there smooth programs have a bound. Each runs three times: eagerly in float64 (taken as exact), eagerly in float32, and
compiled in float32. Two ways of rounding the same formula differ because sums are added in another order and products
are fused with additions. One operator's own error is at most n·eps times the sum of the absolute values of its n terms
(Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); how later operators magnify it is a
property of the program that both ways share, and that the eager error samples. So the compiled error may be a few times
the eager one (as a norm over the result: single elements are luck), plus n·eps of the largest magnitude on the way,
with n the longest sum of the program.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from guarded_memory import guard_arrays
from processors import PROCESSORS, needs
from program_outcomes import compare, outcome
from random_programs import Program
from same_values import has_one_arithmetic
from seeds import run_seeds

import lamina
from lamina.compiler.cpu._outline import Outline
from lamina.compiler.cpu.machine import compiling_for, named_machine
from lamina.core.denormals import flush_denormals, restore_denormals

pytestmark = pytest.mark.filterwarnings(
    "ignore::lamina.errors.NonFiniteWarning"
)  # random programs may diverge

SECONDS = [3.0, pytest.param(10.0, marks=pytest.mark.slow)]
SHARE_OF_OTHERS = 0.3
THREADS = (1, 2, 3, 8)

FAILED: dict[int, str] = {
    5039: "pick of no rows with an empty axis was an error only where compiled",
    2173: "concat of arrays that are all empty along the axis had no compiled form, and an internal error",
    2655: "the gradient of take along an axis, of an array without elements, was an error only eagerly",
    3102: "the same, of a matrix",
    508748: "a product without terms had an internal error where it is wide enough to look for zero columns",
    402178: "a constant that is also a result was read beyond its memory, if what it was broadcast to is one stretch",
}
"""Seeds that failed once, and why.

The first four failed in the generator's first version; since it makes other programs of them now, what failed is also
written out in ``tests/compiler/test_equal.py``.
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    before, saved = (
        lamina.get_num_threads(),
        flush_denormals(),
    )  # NumPy's arithmetic keeps them outside of record()
    yield monkeypatch
    restore_denormals(saved)
    lamina.set_num_threads(before)


def check(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outline, "gains_by_threads", program.several_threads)
    eager, other = program.world(), program.world()
    compiled = lamina.compile(other["program"], keep_gradients=True)
    exact = None if program.exact or has_one_arithmetic() else program.world(np.float64)
    again = program.world() if program.several_threads else None
    compiled_again = again and lamina.compile(again["program"], keep_gradients=True)
    for call in range(3):
        for world in (eager, other, exact, again):
            if world is not None:
                program.change(world, call)
        plain = outcome(eager["program"], program.arguments(call), eager, program.gradients)
        lamina.set_num_threads(THREADS[(program.seed + call) % 4])
        fused = outcome(compiled, program.arguments(call), other, program.gradients)
        if again is not None:  # the same bits for any number of threads
            lamina.set_num_threads(THREADS[(program.seed + call + 1 + call % 3) % 4])
            repeated = outcome(compiled_again, program.arguments(call), again, program.gradients)
            assert isinstance(repeated, list) is isinstance(fused, list), (repeated, fused)
            for x, y in zip(fused, repeated, strict=True) if isinstance(fused, list) else ():
                np.testing.assert_array_equal(x, y, err_msg="another number of threads")
        if not isinstance(plain, list) or not isinstance(fused, list):
            assert not isinstance(plain, list) and not isinstance(fused, list), (plain, fused)
            assert plain[0] is fused[0], (plain, fused)
            return
        want = exact and outcome(
            exact["program"], program.arguments(call, np.float64), exact, program.gradients
        )
        assert want is None or isinstance(want, list), want
        compare(plain, fused, want)


def run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lamina.compile")  # what runs eagerly is eager
        with np.errstate(all="ignore"):
            program = Program(seed)
            try:
                check(program, monkeypatch)
            except Exception as error:
                raise AssertionError(f"{program!r}\n{error}") from error


@pytest.mark.parametrize("seed", FAILED)
def test_programs_that_failed_once(seed: int, machine: pytest.MonkeyPatch) -> None:
    run(seed, machine)


@pytest.mark.parametrize("seconds", SECONDS)
def test_random_programs(seconds: float, machine: pytest.MonkeyPatch) -> None:
    run_seeds(lambda seed: run(seed, machine), seconds)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_random_programs_for_other_processors(
    processor: str, seconds: float, machine: pytest.MonkeyPatch
) -> None:
    needs(processor)
    guard_arrays(machine)
    with compiling_for(named_machine(processor)):
        run_seeds(lambda seed: run(seed, machine), seconds * SHARE_OF_OTHERS)
