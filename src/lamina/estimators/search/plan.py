"""The plan of a search, which determines the configuration of each trial.

It depends only on the trial's number, the seed and the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.estimators.declaring import CANDIDATES
from lamina.estimators.monotone_columns import constrained_settings
from lamina.estimators.search import space
from lamina.estimators.search.comparison import round_begins
from lamina.estimators.search.training import CYCLES_END, Configuration
from lamina.estimators.search.trial import Trial
from lamina.estimators.settings import Settings, as_list


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
        more = space.MORE_OPENINGS if members <= space.FEW_MEMBERS else ()
        for presets in ((*space.OPENINGS, *more), space.EARLIER_OPENINGS):
            first, *others = space.openings(rows, presets)
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
            free = dict(space.suggested(self._seed, drawn, self._estimator._task))
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
        before = round_begins(tried.number, len(self._openings), space.CYCLE)
        preset = tried.settings["preset"]
        return [number for number in range(before) if self._preset_of(number) == preset]

    def _preset_of(self, number: int) -> str:
        drawn = number - len(self._openings)
        return self._openings[number][0] if drawn < 0 else space.preset_of(drawn)
