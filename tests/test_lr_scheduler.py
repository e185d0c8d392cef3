"""Schedules against their definitions, update by update."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina import optimizer
from lamina.lr_scheduler import (
    CosineScheduler,
    FactorScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def test_factor_drops_after_every_step_and_stops() -> None:
    schedule = FactorScheduler(step=3, factor=0.1, stop_factor_lr=0.005, base_lr=1.0)
    rate, since = 1.0, 0  # MXNet's own loop, which carries state
    for n in range(1, 20):
        while n > since + 3:
            since += 3
            rate = max(rate * 0.1, 0.005)
        assert schedule(n) == rate, "to the last bit"
    assert schedule(0) == 1.0


def test_what_was_asked_before_makes_no_difference() -> None:
    asked = (1, 30, 7, 31, 200, 2, 100)
    for make in (lambda: FactorScheduler(3, 0.7, 1e-6), lambda: MultiFactorScheduler([3, 6, 9, 40], 0.7)):
        schedule = make()
        assert [schedule(n) for n in asked] == [make()(n) for n in asked]


def test_changes_are_logged_as_in_mxnet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    schedule = FactorScheduler(step=2, factor=0.5, base_lr=1.0)
    for n in range(1, 5):
        schedule(n)
    assert caplog.messages == ["Update[3]: Change learning rate to 5.00000e-01"]


def test_multi_factor() -> None:
    schedule = MultiFactorScheduler(step=[2, 5], factor=0.5, base_lr=8.0)
    assert [schedule(n) for n in range(8)] == [8, 8, 8, 4, 4, 4, 2, 2]


@pytest.mark.parametrize(
    ("make", "left"),
    [
        (lambda **k: PolyScheduler(10, pwr=3, **k), lambda x: (1 - x) ** 3),
        (lambda **k: PolyScheduler(10, **k), lambda x: (1 - x) ** 2),
        (lambda **k: CosineScheduler(10, **k), lambda x: (1 + math.cos(math.pi * x)) / 2),
    ],
)
def test_decays(make: Callable[..., LRScheduler], left: Callable[[float], float]) -> None:
    schedule = make(base_lr=2.0, final_lr=0.5, warmup_steps=4, warmup_begin_lr=0.4)
    for n in range(4):
        assert schedule(n) == pytest.approx(0.4 + 1.6 * n / 4)
    for n in range(4, 11):
        assert schedule(n) == pytest.approx(0.5 + 1.5 * left((n - 4) / 6))
    assert schedule(11) == schedule(1000) == pytest.approx(0.5)


def test_constant_warm_up() -> None:
    schedule = FactorScheduler(100, base_lr=1.0, warmup_steps=2, warmup_begin_lr=0.1, warmup_mode="constant")
    assert [schedule(n) for n in range(4)] == [0.1, 0.1, 1.0, 1.0]


def test_a_schedule_can_be_entered_anywhere() -> None:
    assert FactorScheduler(10, 0.5, base_lr=1.0)(35) == 0.125


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorScheduler(0), "step must be at least 1"),
        (lambda: FactorScheduler(1, factor=2), "factor must be at most 1"),
        (lambda: MultiFactorScheduler([3, 3], 0.1), "increasing"),
        (lambda: MultiFactorScheduler([], 0.1), "increasing"),
        (lambda: PolyScheduler(0), "max_update must be positive"),
        (lambda: CosineScheduler(5, warmup_steps=5), "after the warm-up of 5"),
        (lambda: CosineScheduler(5, warmup_steps=-1), "must not be negative"),
        (lambda: CosineScheduler(5, warmup_steps=1, warmup_begin_lr=1.0), "warm-up must rise"),
        (lambda: CosineScheduler(5, warmup_mode="sudden"), "not 'sudden'"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], LRScheduler], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("step", [1, 3, 2.0, 2.5, np.float64(4), np.array(2)], ids=repr)
def test_a_step_may_be_a_part_of_an_update_as_in_mxnet(step: float) -> None:
    expected, rate, count = [], 1.0, 0.0
    for update in range(1, 40):
        while update > count + step:
            count += step
            rate *= 0.5
        expected.append(rate)
    schedule = FactorScheduler(step, 0.5, stop_factor_lr=0, base_lr=1.0)
    assert [schedule(update) for update in range(1, 40)] == expected


def test_rates_are_not_computed_in_the_precision_of_a_setting() -> None:
    half = np.float16(0.3)
    schedules = [PolyScheduler(9, base_lr=x, pwr=x, final_lr=x) for x in (half, float(half))]
    assert schedules[0](4) == schedules[1](4)


def test_an_array_without_axes_stays_as_it_was_and_rates_stay_apart() -> None:
    rate: Any = np.array(0.5)
    schedule = FactorScheduler(1, 0.5, base_lr=rate)
    assert [schedule(update) for update in (1, 2, 3)] == [0.5, 0.25, 0.125]
    assert rate == 0.5


def test_a_step_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="step must be at least 1 update, got nan"):
        FactorScheduler(math.nan)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="step must be a number, not '2'"):
        FactorScheduler("2")


SCHEDULES: dict[str, tuple[Callable[[], LRScheduler], list[float], list[float]]] = {
    "factor": (
        lambda: FactorScheduler(3, 0.5, base_lr=0.1),
        [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05], [0.1, 0.1, 0.1, 0.05, 0.05, 0.3, 0.15, 0.15],
    ),
    "steps": (
        lambda: MultiFactorScheduler([3, 6], 0.5, base_lr=0.1),
        [0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05], [0.1, 0.1, 0.1, 0.05, 0.05, 0.3, 0.15, 0.15],
    ),
    "polynomial": (
        lambda: PolyScheduler(8, 0.1, pwr=2, final_lr=0.01),
        [0.0789, 0.0606, 0.0452, 0.0325, 0.0227, 0.0156, 0.0114, 0.01],
        [0.0789, 0.0606, 0.0452, 0.0325, 0.0227, 0.0156, 0.0114, 0.01],
    ),
    "cosine after a warm-up": (
        lambda: CosineScheduler(8, 0.1, warmup_steps=3, warmup_begin_lr=0.001),
        [0.034, 0.067, 0.1, 0.0905, 0.0655, 0.0345, 0.0095, 0.0],
        [0.034, 0.067, 0.1, 0.0905, 0.0655, 0.0345, 0.0095, 0.0],
    ),
    "factor after a warm-up": (
        lambda: FactorScheduler(3, 0.5, base_lr=0.1, warmup_steps=3, warmup_begin_lr=0.001),
        [0.034, 0.067, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05], [0.034, 0.067, 0.1, 0.05, 0.05, 0.3, 0.15, 0.15],
    ),
}  # fmt: skip
"""Rates of MXNet 1.9.1 if the optimizer has a rate of 0.2, and if `base_lr` is set to 0.3 after five updates."""


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:learning rate from ``lr_scheduler``:UserWarning")
def test_rates_of_mxnet(name: str) -> None:
    make, *expected = SCHEDULES[name]
    for rate, rates in zip((0.2, None), expected, strict=True):
        made = optimizer.SGD(learning_rate=rate, lr_scheduler=make())
        found = []
        for update in range(8):
            if rate is None and update == 5:
                made.lr_scheduler.base_lr = 0.3  # pyright: ignore[reportOptionalMemberAccess]
            found.append(made._step_size(0))
        assert found == pytest.approx(rates, abs=6e-5)


def test_schedules_pickled_by_an_earlier_version() -> None:
    old = {"base_lr": 1.0, "warmup_steps": 2, "warmup_begin_lr": 0.0, "warmup_mode": "linear"}
    cases: list[tuple[LRScheduler, dict[str, Any]]] = [
        (
            FactorScheduler(3, 0.5, base_lr=1.0, warmup_steps=2),
            {"step": 3, "factor": 0.5, "stop_factor_lr": 0.0},
        ),
        (MultiFactorScheduler([3, 5], 0.5, base_lr=1.0, warmup_steps=2), {"step": [3, 5], "factor": 0.5}),
        (PolyScheduler(10, base_lr=1.0, warmup_steps=2), {"max_update": 10, "final_lr": 0, "power": 2}),
        (CosineScheduler(10, base_lr=1.0, warmup_steps=2), {"max_update": 10, "final_lr": 0}),
    ]
    for made, settings in cases:
        falling = {"_falling": vars(made)["_falling"]} if "_falling" in vars(made) else {}
        loaded: LRScheduler = object.__new__(type(made))
        vars(loaded).update({k: v for k, v in vars(made).items() if k in ("power", "pwr")})
        loaded.__setstate__({**old, **settings, **falling})
        assert [loaded(n) for n in range(1, 12)] == [made(n) for n in range(1, 12)]
        loaded.base_lr = 0.5
        assert copy.deepcopy(loaded).base_lr == 0.5


def test_the_rate_of_ftrl_is_for_training_without_a_scheduler_as_in_mxnet() -> None:
    for rate in (None, 0.1, 0.3):
        made = optimizer.Ftrl(learning_rate=rate, lr_scheduler=FactorScheduler(2, 0.5, base_lr=0.2))
        made.num_update = 1
        assert made.learning_rate == 0.2
