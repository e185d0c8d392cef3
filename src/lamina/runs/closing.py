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
from lamina.training.time_limit import Pace, seconds_over

__all__ = ["Closing"]

_FEWEST_ROWS = 200
"""Of which the importance of columns is measured, however little time there is."""
_IMPORTANCE = 0.05
"""Of a limit, what the importance of columns may take where it takes long."""
_FIGURES = 7
_DRAWN = 2
"""Figures that are drawn to know the pace: a tenth of a second, in which others get their turns several times."""
_VARIES = 1.4
"""What is measured once may take so many times as long."""
_COMPUTED, _SPARE, _SPARE_SHARE = 0.4, 0.2, 0.01
"""Computed seconds, seconds, and of the limit, that stay free: files are written, and the process ends."""
_FIRST_START = 0.3
"""Seconds that any network takes to be compiled: with less, the first is not begun."""
_BLOCKS = 8
_LEAST = 1e-3  # a search has a limit above 0; with this one it ends before it compiles


class Closing(SearchObserver):
    """Moves a search's deadline so that what follows it is done in time.

    Fixed costs are measured before the search, by drawing a figure. What depends on the networks is measured with the
    first trial (compiling a forward pass, and rows through it), and in proportion to the networks that are averaged
    it is what these take. All that is known in computed seconds takes as many times as long on the wall's clock as
    what was measured did: beside other busy processes, twice or five times.

    Args:
        prepared: the table.
        limit: the seconds of the whole command.
        since: what tells the seconds since its start.
        pace: of this process; what is measured here is added to it.
    """

    def __init__(
        self, prepared: Prepared, limit: float, since: Callable[[], float], pace: Pace | None = None
    ) -> None:
        self._limit, self._since, self._pace = limit, since, pace or Pace()
        self._spare = _SPARE + _SPARE_SHARE * limit
        self._test_rows = len(prepared.judged[1])
        self._columns = min(len(prepared.schema.used), 30)
        self._figure = _computed_for_a_figure(self._pace)
        self._compiling = self._row = 0.0  # seconds for each layer, and for a row and a weight
        self._sizes: dict[int, tuple[int, int]] = {}  # layers and weights of each trial

    def search_seconds(self) -> float:
        """The seconds that a search may take that begins now, as long as no network is known."""
        left = self._limit - self._report - self._since()
        return left if left > _FIRST_START * self._pace.slowness else _LEAST

    def seconds_over(self) -> float:
        """How many seconds more than its limit the command has taken by now; 0 while that is kept."""
        return seconds_over(self._since(), self._limit)

    @property
    def _report(self) -> float:
        """The seconds that the report, the files and the process's end take, at the present pace."""
        return self._pace.slowness * (_VARIES * _FIGURES * self._figure + _COMPUTED) + self._spare

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
        depends = self._since() < self._limit - self._report  # there is a deadline yet that may be moved
        if depends and not self._row and trial.state:
            with self._pace.watching():
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


def _computed_for_a_figure(pace: Pace) -> float:
    """The seconds that drawing computes, once what draws is imported; 0 where that is not installed."""
    from lamina.errors import MissingPackageError

    try:
        _draw()
    except MissingPackageError:
        return 0.0
    begun = time.thread_time()
    with pace.watching():
        for _ in range(_DRAWN):
            _draw()
    return (time.thread_time() - begun) / _DRAWN


def _draw() -> None:
    from lamina.runs import _figures as figures

    line = {"epoch": 1, "loss": 1.0, "validation_score": -1.0}
    figures.learning_curves([line, {**line, "epoch": 2}], 1, "loss")
