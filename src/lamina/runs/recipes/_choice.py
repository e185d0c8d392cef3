"""The short trainings that decide how a training sees pictures: their size, length and judging pictures.

What suits pictures in a long training must show in a short one. Two things make it show: only some of the pictures are
trained on, so that each is seen several times; and the log-loss of others judges, which grows where a network knows its
pictures by heart, while the accuracy still rises.
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
"""The fewest pictures that allow holding some out to judge by; with fewer, nothing is chosen."""

SHORTEST = 200.0
"""Seconds in which there is time to choose, on most machines."""

_MOST = 1 / 3  # of a time limit, for all short trainings together
_SLACK = 0.05
_FEWEST_EPOCHS = 2  # with fewer, losses tell little
_SHARE = 0.025  # of a training's epochs, for each short one
_TRAINED, _JUDGED = 6, 6  # one in six pictures each
_STREAM = (1 << 41) - 1  # of random numbers


def divided(pictures: Digits, seed: int) -> tuple[Digits, Digits]:
    """Pictures to train on and pictures to judge by, drawn by the seed."""
    rows = generator(seed, _STREAM).permutation(len(pictures)).astype(np.int32)
    trained, judged = len(rows) // _TRAINED, len(rows) // _JUDGED
    return pictures.at(rows[:trained]), pictures.at(rows[trained : trained + judged])


def in_short(settings: Settings) -> Settings:
    """The settings of a short training: with a time limit, too, all of them take as many steps, to be comparable."""
    epochs = _FEWEST_EPOCHS if settings.epochs is None else round(settings.epochs * _SHARE * _TRAINED)
    return replace(settings, epochs=max(_FEWEST_EPOCHS, epochs), time_limit=None)


class TooSlowError(Exception):
    """The short trainings would leave too little of a time limit: a wide network, many pictures, a slow machine."""


class Hurry(Observer):
    """Ends short trainings with a `TooSlowError` when their share of the remaining time limit is over."""

    watches_steps = True

    def __init__(self, limit: TimeLimit) -> None:
        self._limit, self._end = limit, limit.used + _MOST * limit.left

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        if self._limit.used > self._end:
            raise TooSlowError


def chosen(losses: Mapping[str, float]) -> str:
    """The first of the variants whose loss is at most a twentieth above the least.

    Those come first that change pictures more, since what is learned from them takes longer, so that a short training
    has them look worse than a long one; what mirrors comes last, so that it must do better than what does not.

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
