"""Schedules by progress, against their definitions."""

import numpy as np
import pytest

from lamina import schedules
from lamina.schedules import SCHEDULES

T = np.linspace(0.0, 1.0, 41)

DEFINITIONS = {
    "constant": np.ones_like,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: np.cos(np.pi * t / 2) ** 2,
    "flat_cos": lambda t: np.where(t < 0.5, 1.0, np.sin(np.pi * t) ** 2),
    "one_cycle": lambda t: np.where(t < 0.15, t / 0.15, np.cos(np.pi / 2 * (t - 0.15) / 0.85) ** 2),
    "coslog4": lambda t: np.sin(np.pi * np.log2(1 + 15 * t)) ** 2,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    found = [SCHEDULES[name](float(t)) for t in T]
    np.testing.assert_allclose(found, DEFINITIONS[name](T), rtol=1e-9, atol=1e-12)


def test_coslog4_has_four_cycles_whose_lengths_double() -> None:
    for k in range(5):
        assert schedules.coslog4((2**k - 1) / 15) == pytest.approx(0.0, abs=1e-12)
    for k in range(4):
        assert schedules.coslog4((2 ** (k + 0.5) - 1) / 15) == pytest.approx(1.0)


def test_one_cycle_with_a_warm_up_of_ones_own() -> None:
    assert [schedules.one_cycle(t, warm_up=0.1) for t in (0.0, 0.05, 0.1)] == [0.0, 0.5, 1.0]
    assert schedules.one_cycle(0.55, warm_up=0.1) == pytest.approx(0.5)
    assert schedules.one_cycle(1.0, warm_up=0.1) == pytest.approx(0.0, abs=1e-12)


def test_schedules_by_the_number_of_the_update() -> None:
    assert schedules.polynomial(0.5, 3) == 0.125
    assert [schedules.warm_up(n, 4, begin=1.0, end=3.0) for n in (0, 1, 4)] == [1.0, 1.5, 3.0]
