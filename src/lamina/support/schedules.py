"""Learning-rate schedules as pure functions, which compute factors from progress or update numbers.

Progress t rises from 0 to 1; the estimators select functions of t by name from `SCHEDULES`. The classes of
`lamina.lr_scheduler` have MXNet's names and settings and use these formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def linear(t: float) -> float:
    """A factor that falls linearly from 1 to 0.

    >>> [linear(t) for t in (0, 0.5, 1)]
    [1, 0.5, 0]
    """
    return 1 - t


def polynomial(t: float, power: float) -> float:
    """A factor that falls from 1 to 0 as (1 - t)^power.

    >>> [polynomial(t, power=2) for t in (0, 0.5, 1)]
    [1.0, 0.25, 0.0]
    """
    return (1.0 - t) ** power


def cosine(t: float) -> float:
    """A factor that falls from 1 to 0 as ½(1 + cos(πt)) (Loshchilov and Hutter, SGDR, 2017, without restarts).

    >>> [round(cosine(t), 3) for t in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """
    return _above_trough(math.pi * t)


def flat_cos(t: float) -> float:
    """A factor that is 1 until t = ½, and then falls as a cosine to 0.

    The schedule is from Holzmüller, Grinsztajn and Steinwart, RealMLP, 2024, arXiv 2407.04491.

    >>> [round(flat_cos(t), 3) for t in (0.4, 0.75, 1)]
    [1.0, 0.5, 0.0]
    """
    return 1.0 if t < 0.5 else _above_trough(math.pi * (2 * t - 1))


def coslog4(t: float) -> float:
    """A factor of four cosine cycles with doubling lengths, ½(1 - cos(2π·log₂(1 + 15t))).

    The schedule is from RealMLP-TD, arXiv 2407.04491.

    >>> [round(coslog4(t), 3) for t in (0, 1 / 15, 3 / 15, 1)]
    [0.0, 0.0, 0.0, 0.0]
    """
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))


def one_cycle(t: float, warm_up: float = 0.15) -> float:
    """A factor that rises linearly from 0 to 1 until t = `warm_up`, then falls as a cosine to 0.

    The schedule is from Smith and Topin, 2018.

    >>> [round(one_cycle(t, warm_up=0.5), 3) for t in (0, 0.25, 0.5, 0.75, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return t / warm_up if t < warm_up else _above_trough(math.pi * (t - warm_up) / (1 - warm_up))


def _above_trough(angle: float) -> float:
    """The cosine wave ½(1 + cos(angle)), from 1 to 0."""
    return 0.5 * (1 + math.cos(angle))


SCHEDULES: dict[str, Schedule] = {
    "constant": lambda t: 1.0,
    "coslog4": coslog4,
    "flat_cos": flat_cos,
    "one_cycle": one_cycle,
    "cosine": cosine,
    "linear": linear,
}
"""The estimators' options for `learning_rate` and `regularization_schedule`."""

CYCLES_END: dict[str, tuple[float, ...]] = {"coslog4": (1 / 15, 3 / 15, 7 / 15)}
"""The shares of training, by schedule, after which the rate reaches 0 and a network is near a local optimum."""


def warm_up(update: int, steps: int, begin: float, end: float) -> float:
    """The learning rate at update number `update` of a linear warm-up from `begin` to `end` over `steps` updates.

    >>> [warm_up(update, steps=4, begin=0.0, end=0.1) for update in (0, 2, 4)]
    [0.0, 0.05, 0.1]
    """
    return begin + (end - begin) * update / steps
