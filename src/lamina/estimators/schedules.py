"""Schedules: factors on a rate as training goes from t = 0 to t = 1."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "Schedule"]

Schedule = Callable[[float], float]


def _coslog4(t: float) -> float:
    """Four cosine cycles whose lengths double (RealMLP-TD, arXiv 2407.04491): ½(1 − cos(2π·log₂(1 + 15t)))."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))


def _flat_cos(t: float) -> float:
    """1 until t = ½, then a cosine to 0."""
    return 1.0 if t < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * t - 1)))


def _one_cycle(t: float) -> float:
    """A linear warm-up over the first 15 %, then a cosine to 0 (Smith and Topin, 2018)."""
    return t / 0.15 if t < 0.15 else 0.5 * (1 + math.cos(math.pi * (t - 0.15) / 0.85))


SCHEDULES: dict[str, Schedule] = {
    "constant": lambda t: 1.0,
    "coslog4": _coslog4,
    "flat_cos": _flat_cos,
    "one_cycle": _one_cycle,
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "linear": lambda t: 1 - t,
}
