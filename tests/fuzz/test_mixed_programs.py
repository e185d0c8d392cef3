"""Programs that mix steps of several kinds over the same parameters give eager's numbers: see `mixed_programs`.

For some seconds (longer where slow tests are run), or as many as `LAMINA_FUZZ_PROGRAMS` says, from `LAMINA_FUZZ_SEED`
on. A seed that fails goes into `FAILED`, with what was wrong, and is run first ever after.
"""

from __future__ import annotations

import multiprocessing
import warnings

import joblib
import pytest
from both_modes import deferring
from mixed_programs import Program, differences, run, seen
from seeds import run_seeds

import lamina

pytestmark = pytest.mark.filterwarnings(
    "ignore::lamina.errors.NonFiniteWarning"
)  # random programs may diverge

SECONDS = [4.0, pytest.param(20.0, marks=pytest.mark.slow)]

FAILED: dict[int, str] = {
    2: "a walk back over gradients that a compiled step had used up ended in an AttributeError, once it was deferred",
    19: "a trainer's step on gradients that it had used within a compiled step was an error",
    44: "the same",
    103: "a trainer used gradients twice: compiling a deferred loop counted as a write to them",
    114: "the same",
    1678: "a trainer took the gradients of another grad_req for those that it had used",
    1765: "the same",
}
"""Seeds that failed once, and why."""


def eagerly(program: Program) -> list[object]:
    with lamina.eager():
        return run(program, compiling=False)


def check(seed: int, *, interrupted: bool = False) -> None:
    program = Program(seed)
    wanted = eagerly(program)
    try:
        with deferring():
            found = differences(wanted, run(program, interrupted=interrupted))
    except Exception as error:
        raise AssertionError(f"{program}\n{type(error).__name__}: {error}") from error
    assert not found, f"{program}\n{found[0]}"


@pytest.mark.few(1)
@pytest.mark.compiles
@pytest.mark.parametrize("seed", FAILED)
def test_programs_that_failed_once(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.parametrize("seconds", SECONDS)
def test_random_programs(seconds: float) -> None:
    run_seeds(check, seconds)


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.parametrize("seconds", SECONDS)
def test_random_programs_that_are_interrupted(seconds: float) -> None:
    """By a handler that looks at what is trained, predicts, and calls a compiled function."""
    run_seeds(lambda seed: check(seed, interrupted=True), seconds / 2)


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_other_processes(method: str) -> None:
    """Each trains in its own way, after this process did."""
    programs = [Program(seed) for seed in range(4)]
    wanted = [eagerly(program) for program in programs]
    seen(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        with multiprocessing.get_context(method).Pool(2) as pool:
            got = pool.map(seen, range(4), chunksize=2)
    for program, x, y in zip(programs, wanted, got, strict=True):
        assert not differences(x, y), f"{program}\n{differences(x, y)[0]}"


@pytest.mark.slow
@pytest.mark.compiles
def test_workers_of_joblib() -> None:
    programs = [Program(seed) for seed in range(4, 8)]
    got = joblib.Parallel(n_jobs=2)(joblib.delayed(seen)(seed) for seed in range(4, 8))
    for program, y in zip(programs, got, strict=True):
        x = eagerly(program)
        assert not differences(x, y), f"{program}\n{differences(x, y)[0]}"
