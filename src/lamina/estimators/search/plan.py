"""The plan of a search, which determines the configuration of each trial.

It depends only on the trial's number, the seed and the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.estimators.declaring import CANDIDATES, declared
from lamina.estimators.monotone_columns import constrained_settings
from lamina.estimators.search.budget import round_begins
from lamina.estimators.search.training import CYCLES_END, Configuration
from lamina.estimators.search.trial import Trial
from lamina.estimators.settings import Settings, as_list
from lamina.table.schema import Task

# --- settings: first the presets, then random values drawn by each setting's `Draw` -----------------------------------
# The ranges come from RealMLP's tuning for TabArena (Erickson et al., 2025, arXiv 2506.16791; Holzmüller, Grinsztajn,
# Steinwart, 2024, arXiv 2407.04491), for all parameters that the estimators share. Label smoothing is left out, since
# it makes the log-loss of calibrated outputs worse.


_FIRST_ROWS = 32_768
"""Number of rows on which the preset `fast` takes a second or two for any table."""
_TIMES_MORE = 8
_OF_ONE_KIND = 2
_KINDS = 4
"""Number of kinds of networks: one varies `realmlp`, which takes ten times as long, the others vary `medium`."""
CYCLE = _OF_ONE_KIND * _KINDS
"""Number of trials after which the kinds of networks repeat."""
OPENINGS = ("medium", "medium", "realmlp", "medium")
"""The presets of the first trials after `fast`; the networks of `medium` differ by their random numbers."""
FEW_MEMBERS, MORE_OPENINGS = 5, ("medium", "medium", "medium")
"""The presets that follow where a trial has few networks, so that their mean has enough."""
EARLIER_OPENINGS = ("medium", "realmlp")
"""The same in searches that earlier versions began."""


def openings(rows: int, presets: Sequence[str] = OPENINGS) -> list[tuple[str, int]]:
    """The first trials of every search, as pairs of a preset and a number of rows per member.

    Small trials come first, for early results.

    >>> openings(10_000)
    [('fast', 10000), ('medium', 10000), ('medium', 10000), ('realmlp', 10000), ('medium', 10000)]
    >>> [rows for preset, rows in openings(1_000_000) if preset == "fast"]
    [32768, 262144, 1000000]
    """
    sizes = [_FIRST_ROWS]
    while sizes[-1] < rows:
        sizes.append(sizes[-1] * _TIMES_MORE)
    return [*(("fast", min(size, rows)) for size in sizes), *((preset, rows) for preset in presets)]


def preset_of(number: int) -> str:
    """The preset from which a random trial's settings are varied.

    >>> [preset_of(number) for number in (0, 5, 6, 7, 8)]
    ['medium', 'medium', 'realmlp', 'realmlp', 'medium']
    """
    return "realmlp" if number % CYCLE >= CYCLE - _OF_ONE_KIND else "medium"


def suggested(seed: int, number: int, task: Task) -> Mapping[str, Any]:
    """The settings of a random trial: the preset, and random values for other settings.

    Settings that need recompilation are the same for `_OF_ONE_KIND` consecutive trials, since compiling takes as long
    as a few epochs.
    """
    kind = np.random.default_rng([seed, number // _OF_ONE_KIND, 1])
    rng = np.random.default_rng([seed, number, 2])
    preset = preset_of(number)
    usual = Settings(preset, task)
    draws = [(about.draw, name) for name, about in declared(Settings).items() if about.draw is not None]
    drawn = {
        name: draw.draw(kind if draw.compiles else rng, usual)
        for draw, name in sorted(draws, key=lambda pair: pair[0].place)
    }
    return {"preset": preset, **drawn}


class Plan:
    """The configurations of a search's trials.

    Args:
        estimator: the user's estimator; settings that the user has set apply to all trials.
        seed: the seed of the draws.
        rows: the number of training rows per member.
        members: the number of networks of a trial.
        stored: the trials of an earlier run of the search, which goes on in its order.
    """

    def __init__(
        self, estimator: Any, seed: int, rows: int, members: int, stored: Iterable[Trial] = ()
    ) -> None:
        self._estimator, self._seed, self._rows = estimator, seed, rows
        more = MORE_OPENINGS if members <= FEW_MEMBERS else ()
        for presets in ((*OPENINGS, *more), EARLIER_OPENINGS):
            first, *others = openings(rows, presets)
            self._openings = [first, *((name, rows) for name in as_list(estimator.candidates)), *others]
            if all(self._preset_of(one.number) in one.settings.values() for one in stored):
                break

    def bare(self, **settings: Any) -> Any:
        """A copy of the user's estimator with these settings, but without a search."""
        given = self._estimator.get_params(deep=False)
        given |= dict.fromkeys(("time_limit", "trials", "candidates", "callbacks"))
        return type(self._estimator)(
            **{**given, "preset": "default", "n_jobs": 1, "verbose": False, **settings}
        )

    def configuration(self, number: int) -> Configuration:
        """The configuration of trial `number`."""
        rows, drawn = self._rows, number - len(self._openings)
        if drawn < 0:
            preset, rows = self._openings[number]
            chosen: dict[str, Any] = {}
            if preset in CANDIDATES:
                return self.candidate(preset, number)
        else:
            free = dict(suggested(self._seed, drawn, self._estimator._task))
            preset = free.pop("preset")
            fixed = constrained_settings(self._estimator, Settings(preset, self._estimator._task))
            chosen = {k: v for k, v in free.items() if getattr(self._estimator, k) is None and k not in fixed}
        settings = {"preset": preset, "rows": rows, **chosen}
        return Configuration(number, self.bare(preset=preset, **chosen), settings, rows)

    def candidate(self, name: str, number: int = -1) -> Configuration:
        """The configuration of a model that is no network."""
        return Configuration(number, self.bare(), {"candidate": name, "rows": self._rows}, self._rows)

    def compared(self, tried: Configuration) -> list[int]:
        """The numbers of the trials with which `tried` is compared, for early stopping; [] for none."""
        if tried.candidate or tried.estimator._resolved().learning_rate not in CYCLES_END:
            return []
        before = round_begins(tried.number, len(self._openings), CYCLE)
        preset = tried.settings["preset"]
        return [number for number in range(before) if self._preset_of(number) == preset]

    def _preset_of(self, number: int) -> str:
        drawn = number - len(self._openings)
        return self._openings[number][0] if drawn < 0 else preset_of(drawn)
