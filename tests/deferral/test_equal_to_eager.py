"""Deferred evaluation gives what eager evaluation gives: random programs that repeat, in both modes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from repeated_programs import Program, run
from same_values import same_numbers

import lamina
from lamina.core.interrupts import Turn, make
from lamina.core.state import concrete, pending, state
from lamina.deferral import _path, _queue
from lamina.deferral._entries import Applied

pytestmark = pytest.mark.filterwarnings(
    "ignore::lamina.errors.NonFiniteWarning"
)  # random programs may diverge

FIRST_SEED = int(os.environ.get("LAMINA_FUZZ_SEED", "0"))
PROGRAMS = int(os.environ.get("LAMINA_FUZZ_PROGRAMS", "2000"))
COMPILED = int(os.environ.get("LAMINA_FUZZ_COMPILED", str(max(1, PROGRAMS // 20))))
"""So many are compiled in earnest, which takes a tenth of a second each; `make modes` does it with all."""
PARTS = [*range(2), *(pytest.param(part, marks=pytest.mark.slow) for part in range(2, 20))]
"""The programs in 20 parts, most of them slow; `make modes` runs what is compiled of all."""


class Interpreted:
    """A `Plan` that computes operator by operator what a compiled program gives: so all bits must be the same."""

    def __init__(
        self, entries: Sequence[Any], results: Sequence[int], _values: Any, numbers: Sequence[Any]
    ) -> None:
        self.entries, self.results, self._count = entries, list(results), len(numbers)

    def gives(self, results: frozenset[int], numbers: int) -> bool:
        return numbers == self._count and results.issubset(self.results)

    def run(self, values: list[Any], numbers: Sequence[Any], turn: Turn, then: Any) -> None:
        arrays, remaining = list(values), iter(numbers)
        for entry in self.entries:  # writes were counted when they were noted
            for target in entry.targets:
                values[target]._writes[0] -= 1
        for entry in self.entries:
            if isinstance(entry, Applied):
                arrays[entry.output] = None
        for entry in self.entries:
            out = entry.run(arrays, remaining)
            if isinstance(entry, Applied):
                arrays[entry.output] = out
        make(turn.take(then([arrays[i]._data.copy() for i in self.results])))


@pytest.fixture
def deferring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A queue of its own, which puts off everything that it saw twice."""
    monkeypatch.setattr(_path, "FEWEST_EVENTS", 1)
    before, flush = state.queue, pending.flush
    pending.flush()
    with_queue_of_its_own()
    yield
    pending.flush()
    state.queue, pending.flush = before, flush


def with_queue_of_its_own() -> None:
    queue = _queue.DeferralQueue()
    state.queue, pending.flush = queue, queue.end


def seeds(part: int, programs: int) -> range:
    """A part of the programs, so that parts can be run side by side."""
    return range(FIRST_SEED + part * programs // len(PARTS), FIRST_SEED + (part + 1) * programs // len(PARTS))


def eagerly(program: Program) -> list[Any]:
    with lamina.eager():
        return run(program)


def same_bits(x: Any, y: Any) -> bool:
    return x == y if isinstance(x, str) else x.shape == y.shape and x.tobytes() == y.tobytes()


def assert_same_bits(program: Program, got: list[Any], wanted: list[Any], way: str) -> None:
    differs = [i for i, (x, y) in enumerate(zip(wanted, got, strict=True)) if not same_bits(x, y)]
    assert not differs, f"{program}\nat {differs[0]}: eager\n{wanted[differs[0]]}\n{way}\n{got[differs[0]]}"


@pytest.mark.few(1)
@pytest.mark.usefixtures("deferring")
@pytest.mark.parametrize("part", PARTS)
def test_the_same_bits_operator_by_operator(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put off, and computed by NumPy at the end; and with ``LAMINA_COMPILE=0``, where nothing is put off."""
    monkeypatch.setattr(_path, "Plan", Interpreted)
    programs = [Program(seed) for seed in seeds(part, PROGRAMS)]
    wanted = [eagerly(program) for program in programs]
    for program, numbers in zip(programs, wanted, strict=True):
        assert_same_bits(program, run(program), numbers, "deferred")
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    pending.flush()
    with_queue_of_its_own()
    for program, numbers in zip(programs, wanted, strict=True):
        assert_same_bits(program, run(program), numbers, "without a compiler")


@pytest.mark.slow
@pytest.mark.usefixtures("deferring")
@pytest.mark.parametrize("part", PARTS)
def test_the_same_numbers_compiled(part: int) -> None:
    for seed in seeds(part, COMPILED):
        assert_the_same_numbers(Program(seed))


def assert_the_same_numbers(program: Program) -> None:
    for x, y in zip(eagerly(program), run(program), strict=True):
        if isinstance(x, str):
            assert x == y, str(program)
        else:
            assert same_numbers(x, y), f"{program}\n{x}\n{y}"


def test_concrete_is_not_noted() -> None:
    with concrete():
        assert state.queue is None
