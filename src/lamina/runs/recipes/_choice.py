"""Short trainings that choose the augmentation of images: their data, length and criterion.

A short training must predict the best choice for a long one. Two things help: only some of the images are
trained on, so that each is seen several times; and the criterion is the log-loss of others, which grows when a network
overfits, while the accuracy still rises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lamina.primitives.random import generator
from lamina.runs.recipes._settings import Settings
from lamina.runs.recipes.digits import Digits
from lamina.training.loop import Loop, Observer
from lamina.training.time_limit import TimeLimit

__all__ = ["FEWEST", "SHORTEST", "Hurry", "TooSlowError", "choice_said", "chosen", "divided", "in_short"]

FEWEST = 3000
"""Minimum number of images for holding some out; with fewer, nothing is chosen."""

SHORTEST = 200.0
"""Minimum time limit for choosing, in seconds, on most machines."""

_MOST = 1 / 3  # of a time limit, for all short trainings together
_SLACK = 0.05
_FEWEST_EPOCHS = 2  # with fewer, losses tell little
_SHARE = 0.025  # of a training's epochs, for each short one
_TRAINED, _JUDGED = 6, 6  # one in six pictures each
_STREAM = (1 << 41) - 1  # of random numbers


def divided(pictures: Digits, seed: int) -> tuple[Digits, Digits]:
    """Training images and held-out images, split by the seed."""
    rows = generator(seed, _STREAM).permutation(len(pictures)).astype(np.int32)
    trained, judged = len(rows) // _TRAINED, len(rows) // _JUDGED
    return pictures.at(rows[:trained]), pictures.at(rows[trained : trained + judged])


def in_short(settings: Settings) -> Settings:
    """The settings of a short training; all have the same number of steps, even with a time limit, to be comparable."""
    epochs = _FEWEST_EPOCHS if settings.epochs is None else round(settings.epochs * _SHARE * _TRAINED)
    return replace(settings, epochs=max(_FEWEST_EPOCHS, epochs), time_limit=None)


class TooSlowError(Exception):
    """Short trainings would take too much of the time limit, for a wide network, many images or a slow machine."""


class Hurry(Observer):
    """Ends short trainings with `TooSlowError` when their share of the remaining time is used up."""

    watches_steps = True

    def __init__(self, limit: TimeLimit) -> None:
        self._limit, self._end = limit, limit.used + _MOST * limit.left

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        if self._limit.used > self._end:
            raise TooSlowError


def chosen(losses: Mapping[str, float]) -> str:
    """The first variant whose loss is within 5 % of the lowest.

    Stronger variants come first, since learning from them takes longer, so that a short training
    underrates them; mirroring ones come last, so that they must do better than the others.

    >>> chosen({"bent": 0.142, "moved": 0.140, "mirrored": 0.231}), chosen({"bent": 0.38, "moved": 0.35})
    ('bent', 'moved')
    """
    known = {variant: math.inf if math.isnan(loss) else loss for variant, loss in losses.items()}
    most = (1 + _SLACK) * min(known.values())
    return next(variant for variant, loss in known.items() if loss <= most)


def choice_said(losses: Mapping[str, float], variant: str) -> str:
    """The choice and its reason, in words."""
    said = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    return f"pictures are {variant} at random, by the log-loss of short trainings: {said}"
