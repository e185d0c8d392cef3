"""What is known of a search: its trials, and how good the best was when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.estimators.search.trial import SearchObserver, SearchView, Trial

__all__ = ["SearchLog"]

_KEPT = ("number", "score", "seconds", "ended", "epochs", "best_epoch", "complete")


@dataclass
class SearchLog(SearchObserver):
    """Notes a search while it runs.

    Attributes:
        trials: of each trial that ended what JSON can hold of it, by number.
        best: seconds since the search began, and the score of the ensemble that was the best from then on.
        shares: of each trial in the present ensemble.
        seconds: how long the search took, of all runs.
        resumed: how many trials an earlier run left.
    """

    trials: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    best: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    shares: Mapping[int, float] = field(default_factory=dict[int, float])
    seconds: float = 0.0
    resumed: int = 0
    _has_begun: bool = False
    _pending: list[float] = field(default_factory=list[float])

    def on_search_begin(self, search: SearchView) -> None:
        self._has_begun, self.resumed = True, len(self.trials)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        line = {name: getattr(trial, name) for name in _KEPT} | {"settings": dict(trial.settings)}
        line["score"] = trial.score if math.isfinite(trial.score) else None  # diverged, or never measured
        self.trials.append(line)
        if not self._has_begun:  # one that was stored; what became the best with it did so when it ended
            self.best += [(trial.ended, score) for score in self._pending[-1:]]
            self._pending.clear()

    def on_new_best(self, search: SearchView) -> None:
        self.shares = dict(search.shares)
        if search.best_score is not None and self._has_begun:
            self.best.append((search.seconds(), search.best_score))
        elif search.best_score is not None:
            self._pending.append(search.best_score)

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        self.seconds, self.shares = search.seconds(), dict(search.shares)

    def lines(self) -> list[dict[str, Any]]:
        """Each trial with its share."""
        return [{**trial, "share": self.shares.get(trial["number"], 0.0)} for trial in self.trials]

    def summary(self) -> dict[str, Any]:
        """What the run's results hold: how much was searched, and which trials are averaged."""
        return {
            "trials": len(self.trials),
            "seconds": round(self.seconds, 3),
            "best": [[round(seconds, 3), score] for seconds, score in self.best],
            "chosen": [line for line in self.lines() if line["share"]],
        }
