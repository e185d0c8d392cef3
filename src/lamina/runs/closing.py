"""How long it takes to finish a run after its search: what a deadline leaves for measuring, report and page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import MOST_ROWS, REPEATS
from lamina.estimators.network import Ensemble
from lamina.estimators.search.trial import SearchObserver, SearchView, Trial
from lamina.runs._shap import predictions_made
from lamina.runs.data import Prepared
from lamina.table.encode import Encoded

__all__ = ["Closing"]

_FEWEST_ROWS = 200
"""Of which the importance of columns is measured, however little time there is."""
_IMPORTANCE = 0.05
"""Of a limit, what the importance of columns may take where it takes long."""
_FIGURES = 5
_VARIES = 1.4
"""What is measured once may take so many times as long."""
_SPARE, _SPARE_SHARE = 0.6, 0.01
"""Seconds, and of the limit, that stay free: files are written, and the process ends."""
_BLOCKS = 8
_LEAST = 0.1  # seconds that any search has


class Closing(SearchObserver):
    """Moves a search's deadline so that what follows it is done in time.

    Fixed costs are measured before the search, by drawing a figure. What depends on the networks is measured with the
    first trial (compiling a forward pass, and rows through it), and in proportion to the networks that are averaged
    it is what these take.

    Args:
        prepared: the table.
        limit: the seconds of the whole command.
        since: what tells the seconds since its start.
    """

    def __init__(self, prepared: Prepared, limit: float, since: Callable[[], float]) -> None:
        self._limit, self._since = limit, since
        self._test_rows = len(prepared.judged[1])
        self._columns = min(len(prepared.schema.used), 30)
        self._report = _VARIES * _FIGURES * _seconds_of_a_figure() + _SPARE + _SPARE_SHARE * limit
        self._compiling = self._row = 0.0  # seconds for each layer, and for a row and a weight
        self._sizes: dict[int, tuple[int, int]] = {}  # layers and weights of each trial

    def search_seconds(self) -> float:
        """The seconds that a search may take that begins now, as long as no network is known."""
        return max(self._limit - self._report - self._since(), _LEAST)

    def on_search_begin(self, search: SearchView) -> None:
        """What earlier runs took is not left any more."""
        if search.earlier_seconds:
            self._limit -= search.earlier_seconds
            self._move(search)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        """Measure the first, and move the deadline."""
        parts = trial.architecture
        weights = sum(int(np.prod(one.shape)) for one in parts.parameters().values())
        self._sizes[trial.number] = trial.members * (len(parts.hidden) + 1), trial.members * weights
        if not self._row and trial.state:
            self._measure(trial)
        self._move(search)

    def on_new_best(self, search: SearchView) -> None:
        """Networks that are averaged now take another time."""
        self._move(search)

    def _move(self, search: SearchView) -> None:
        compiling, of_a_row = self._ensemble(search)
        rows = self._test_rows + self._explaining(MOST_ROWS)
        fewest = self._test_rows + self._explaining(_FEWEST_ROWS)
        allowed = max(fewest * of_a_row, min(rows * of_a_row, _IMPORTANCE * self._limit))
        ends = self._limit - self._report - _VARIES * (compiling + allowed)
        search.end_at(search.seconds() + ends - self._since())

    def _ensemble(self, search: SearchView) -> tuple[float, float]:
        """The seconds for compiling the present ensemble, and for one row through it."""
        sizes = [self._sizes.get(number, (0, 0)) for number in search.shares]
        return self._compiling * sum(n for n, _ in sizes), self._row * sum(n for _, n in sizes)

    def _measure(self, trial: Trial) -> None:
        parts = trial.architecture
        network, unused = Ensemble.from_state([parts] * trial.members, trial.state), cast("Any", None)
        fitted = FittedModel(unused, network, unused)
        layers, weights = self._sizes[trial.number]

        def seconds(rows: int) -> float:
            numeric = np.zeros((rows, parts.inputs), np.float32)
            codes = np.zeros((rows, len(parts.cardinalities)), np.int32)
            begun = time.perf_counter()
            fitted.outputs(Encoded(numeric, codes))
            return time.perf_counter() - begun

        self._compiling = seconds(256) / layers
        self._row = seconds(_BLOCKS * 256) / (_BLOCKS * 256 * weights)

    def _explaining(self, rows: int) -> int:
        """The predictions that tell which columns matter, where that is measured on so many rows."""
        return (self._columns * REPEATS + 1) * rows + predictions_made(rows, self._columns)

    def importance_rows(self, seconds_of_a_row: float) -> int:
        """On how many rows to measure the importance of columns, at so many seconds a row."""
        left = self._limit - self._report - self._since()
        rows = left / max(seconds_of_a_row * self._explaining(1), 1e-12)
        return int(min(max(rows, _FEWEST_ROWS), MOST_ROWS))


def _seconds_of_a_figure() -> float:
    """How long drawing takes, once what draws is imported; 0 where that is not installed."""
    from lamina.errors import MissingPackageError
    from lamina.runs import _figures as figures

    line = {"epoch": 1, "loss": 1.0, "validation_score": -1.0}
    try:
        figures.learning_curves([line, {**line, "epoch": 2}], 1, "loss")
        begun = time.perf_counter()
        figures.learning_curves([line, {**line, "epoch": 2}], 1, "loss")
    except MissingPackageError:
        return 0.0
    return time.perf_counter() - begun
