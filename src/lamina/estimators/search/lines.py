"""One line per trial, printed by `verbose` during a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.estimators.scoring import shown_score
from lamina.estimators.search.trial import SearchObserver, SearchView, Trial

__all__ = ["Lines"]


class Lines(SearchObserver):
    """Prints each trial's score and the ensemble's, with display names and signs."""

    def __init__(self, estimator: Any) -> None:
        self._name, self._sign = shown_score(estimator._chosen_scoring())

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        best, left = search.best_score, search.left()
        whole = "" if best is None else f", ensemble {self._sign * best:.4f}"
        rest = "" if left is None else f", {max(left, 0):.0f} s left"
        print(
            f"trial {trial.number}: {_described(trial.settings)}: validation {self._name} "
            f"{self._sign * trial.score:.4f}{whole}, {trial.seconds:.1f} s{rest}",
            flush=True,
        )


def _described(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
