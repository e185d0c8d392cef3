"""The progress of a search: a live table of trials, a status line, or a plain line per trial."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lamina.cli._console import note, output, say
from lamina.cli._table_views import titled_table
from lamina.estimators.scoring import shown_score
from lamina.estimators.search.trial import SearchObserver, SearchView, Trial
from lamina.runs.data import Request
from lamina.runs.wording import settings_that_differ, short_name, value_in_words
from lamina.support.messages import printable
from lamina.table.messages import counted
from lamina.training.loop import Epoch

_NARROW, _MORE_THAN_ANY = 60, 10_000
"""Terminal widths: too narrow for settings, and larger than any terminal."""
_AROUND = 8
"""Terminal lines not available to the table's rows: head, status and prompt."""
_FEWEST = 4


class SearchDisplay(SearchObserver):
    """An observer that displays the progress of a search.

    With `live`, the display is a table on standard output or, if that is not a terminal, a plain line per trial on
    standard error. Without `live`, the display is a temporary status line on standard error.

    Args:
        request: the run's request.
        since: a function that returns the seconds since the command's start.
        live: whether to show each trial.
        as_json: whether standard output is reserved for JSON.
    """

    in_order = False

    def __init__(self, request: Request, since: Callable[[], float], *, live: bool, as_json: bool) -> None:
        self._request, self._since, self._is_live = request, since, live
        self._score_name, self._sign = shown_score(request.scoring)
        self._has_table = live and not as_json and sys.stdout.isatty()
        self._has_line = not self._has_table and not live and sys.stderr.isatty()
        self._trials: dict[int, dict[str, Any]] = {}
        self._shares: Mapping[int, float] = {}
        self._best: float | None = None
        self._running: dict[int, dict[str, Any]] = {}
        self._earlier, self._has_begun = 0.0, False
        self._display: Any = None

    # --- events of the search ------------------------------------------------------------------------------------

    def on_search_begin(self, search: SearchView) -> None:
        self._has_begun, self._earlier = True, search.earlier_seconds
        if search.trials and self._is_live:
            note(f"resuming after {counted(len(search.trials), 'trial')}")
        if self._has_table or self._has_line:
            self._start()

    def on_trial_begin(
        self, search: SearchView, number: int, settings: Mapping[str, Any], epochs: int
    ) -> None:
        row = {"number": number, "settings": dict(settings), "epochs": epochs, "begun": self._since()}
        self._running[number] = row

    def on_trial_epoch(self, search: SearchView, number: int, epoch: Epoch) -> None:
        if number in self._running:
            self._running[number] = {**self._running[number], "epoch": epoch.number, "score": epoch.score}

    def on_trial_waits(self, search: SearchView, trial: Trial) -> None:
        self._running[trial.number] = _row(trial)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        self._trials[trial.number] = _row(trial)
        self._running.pop(trial.number, None)
        if self._has_begun and self._is_live and not self._has_table:
            say(self._line(trial), error=True)

    def on_new_best(self, search: SearchView) -> None:
        self._best, self._shares = search.best_score, dict(search.shares)

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        self._running, self._shares = {}, dict(search.shares)
        if self._display is not None:
            self._display.stop()
            self._display = None

    # --- the display ---------------------------------------------------------------------------------------------

    def _line(self, trial: Trial) -> str:
        said = ", ".join(f"{short_name(k)} {value_in_words(v)}" for k, v in trial.settings.items())
        ended = "" if trial.complete else ", cut"
        score = f"{self._score_name} {self._shown(trial.score)} in {trial.seconds:.1f} s{ended}"
        return f"trial {trial.number}: {score} ({said}); {self._status()}"

    def _shown(self, score: float) -> str:
        """Format a score, with a loss as a positive number; a diverged trial's score becomes a dash."""
        return f"{self._sign * score:.4f}" if math.isfinite(score) else "–"

    def _status(self) -> str:
        """Describe the best score so far, and the remaining trials and time."""
        parts: list[str] = []
        if self._best is not None:
            mean = f" (the mean of {len(self._shares)} trials)" if len(self._shares) > 1 else ""
            parts.append(f"best {self._shown(self._best)}{mean}")
        if self._request.trials is not None:
            parts.append(f"{len(self._trials)} of {self._request.trials} trials")
        if self._request.time_limit is not None:
            parts.append(f"{_clock(self._request.time_limit - self._earlier - self._since())} left")
        return ", ".join(parts)

    def _start(self) -> None:
        console = self._console = output() if self._has_table else Console(file=sys.stderr)
        self._display = Live(
            console=console, get_renderable=self._view, refresh_per_second=4, transient=not self._has_table,
            redirect_stdout=False, redirect_stderr=self._has_table, vertical_overflow="crop",
        )  # fmt: skip
        self._display.start()

    def _view(self) -> Any:
        status = Text(self._now(), no_wrap=True, overflow="ellipsis")
        return Group(self._table(), status) if self._has_table else status

    def _now(self) -> str:
        """Describe the running trials, the best score and the remaining time, for the line below the table."""
        running = [row for row in self._rows_that_run() if "seconds" not in row]
        if not running:
            return self._status() or "beginning …"
        at = ", ".join(
            f"trial {row['number']}: "
            + (f"epoch {row['epoch']} of {row['epochs']}" if "epoch" in row else "compiling …")
            for row in running
        )
        return f"{at}; {self._status()}".removesuffix("; ")

    def _rows_that_run(self) -> list[dict[str, Any]]:
        """The rows of trials that are running, or trained and waiting, by number.

        The rows are copied first, since other threads may change them.
        """
        running = self._running.copy()
        return [running[number] for number in sorted(running)]

    def _table(self) -> Table:
        running = self._rows_that_run()
        rows = self._rows(max(self._console.height - _AROUND - max(len(running) - 1, 0), _FEWEST))
        width = self._console.width
        names = settings_that_differ([*rows, *running]) if width >= _NARROW else []
        table = self._table_of(rows, running, names, wide=True)
        unbound = self._console.options.update(width=_MORE_THAN_ANY)
        is_wide = not names or self._console.measure(table, options=unbound).maximum <= width
        return table if is_wide else self._table_of(rows, running, names, wide=False)

    def _table_of(
        self, rows: list[dict[str, Any]], running: list[dict[str, Any]], names: list[str], *, wide: bool
    ) -> Table:
        """Build the table of trials.

        If `wide`, each setting has a column; otherwise all settings share a column, whose text may be cut.
        """
        more = len(self._trials) - len(rows)
        table = titled_table(f"Trials ({more} more that are neither averaged nor new)" if more else "Trials")
        for name in ("trial", self._score_name, "share", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in [short_name(name) for name in names] if wide else ["settings"]:
            # rich narrows columns that may wrap first; settings in a single text column are cut instead.
            table.add_column(printable(name), no_wrap=wide)
        best = max((row["score"] for row in rows), default=None)
        for row in [*rows, *running]:
            style = "dim" if row in running else "bold" if row["score"] == best else None
            texts = _settings(row["settings"], names, wide)
            said = (Text(one, no_wrap=True, overflow="ellipsis") for one in texts)
            table.add_row(*self._cells(row), *said, style=style)
        return table

    def _rows(self, most: int) -> list[dict[str, Any]]:
        """The rows of at most `most` finished trials, by number: the averaged trials, then the newest others."""
        by_share = sorted(self._shares, key=lambda number: -self._shares[number])
        newest = sorted(self._trials, reverse=True)
        chosen = list(dict.fromkeys(number for number in (*by_share, *newest) if number in self._trials))
        return [self._trials[number] for number in sorted(chosen[:most])]

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        share = self._shares.get(row["number"], 0.0)
        seconds = row["seconds"] if "seconds" in row else self._since() - row["begun"]
        score = "" if row.get("score") is None else self._shown(row["score"])
        return [str(row["number"]), score, f"{100 * share:.0f} %" if share else "", f"{seconds:.1f}"]


def _row(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in ("settings", "number", "score", "seconds")}


def _settings(settings: Mapping[str, Any], names: list[str], wide: bool) -> list[str]:
    if wide:
        return [printable(value_in_words(settings.get(name))) for name in names]
    known = [name for name in names if settings.get(name) is not None]
    return [printable(", ".join(f"{short_name(name)} {value_in_words(settings[name])}" for name in known))]


def _clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, with hours if there are any.

    >>> _clock(83.2), _clock(3723), _clock(-1)
    ('1:23', '1:02:03', '0:00')
    """
    whole = max(int(seconds), 0)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
