"""The book's programs give the same numbers deferred and compiled, operator by operator, and without a compiler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from both_modes import deferring

import lamina
from lamina import nd
from lamina.deferral import _path

# Behind what is installed: the folder has scripts that are called as packages are.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from book import PROGRAMS, SMALL
from same_values import same_numbers

Program = Callable[[object], list[float]]


def numbers(program: Program) -> np.ndarray:
    """What a program sees, from the same random numbers each time."""
    nd.random.seed(0)
    return np.array(program(SMALL))


def eagerly(program: Program) -> np.ndarray:
    with lamina.eager():
        return numbers(program)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_numbers_compiled(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMINA_DEBUG", "1")
    monkeypatch.setattr(_path, "_times", {})
    wanted = eagerly(PROGRAMS[name])
    with deferring() as compiled:
        for _ in range(2):
            assert same_numbers(numbers(PROGRAMS[name]), wanted)
    assert compiled
    assert "since" not in capsys.readouterr().err, "something has no compiled form"


@pytest.mark.few(9)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_bits_without_a_compiler(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    with deferring() as compiled:
        assert numbers(PROGRAMS[name]).tobytes() == eagerly(PROGRAMS[name]).tobytes()
    assert not compiled
