"""The plan of a search, which determines the configuration of each trial.

It depends only on the trial's number, the seed and the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from lamina.core.threads import get_num_threads
from lamina.errors import MissingPackageError
from lamina.estimators.declaring import CANDIDATES, LIBRARIES, declared
from lamina.estimators.monotone_columns import constrained_settings
from lamina.estimators.search.training import CYCLES_END, Configuration
from lamina.estimators.search.trial import Trial, round_begins
from lamina.estimators.settings import DECLARED, Settings, as_list
from lamina.table.schema import Task
from lamina.training.time_limit import seconds_of

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
LONGER, _TIMES_LONGER = "longer", 3
"""The name of the last of them: `medium` with three times as many epochs, for tables that networks go on learning."""
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
        usual = (*OPENINGS, *(MORE_OPENINGS if members <= FEW_MEMBERS else ()))
        longer = () if estimator.max_iter else (LONGER,)
        for presets in ((*usual, *longer), usual, EARLIER_OPENINGS):
            first, *others = openings(rows, presets)
            self._openings = [first, *((name, rows) for name in as_list(estimator.candidates)), *others]
            if all(self._preset_of(one.number) in _names(one.settings) for one in stored):
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
            if preset == LONGER:
                preset, chosen = "medium", {"max_iter": _TIMES_LONGER * self._epochs("medium")}
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

    def _epochs(self, preset: str) -> int:
        """The number of epochs of a preset."""
        estimator = self.bare(preset=preset)
        return estimator._settled_epochs(estimator._resolved(), self._rows).epochs

    def _preset_of(self, number: int) -> str:
        drawn = number - len(self._openings)
        return self._openings[number][0] if drawn < 0 else preset_of(drawn)


def _names(settings: Mapping[str, Any]) -> Sequence[Any]:
    """The names that a trial with these settings may have among the first ones."""
    return [LONGER] if "max_iter" in settings else [*settings.values()]


# --- checks of an estimator's settings before a search ----------------------------------------------------------------
TRIALS = 16
"""The number of trials of `preset="best"` without limits."""


def limits_of(estimator: Any, eval_set: Any) -> tuple[float | None, int | None]:
    """The time limit of a search in seconds, and the maximum number of trials; None means unlimited.

    Raises:
        ValueError: a setting is invalid, or incompatible with a search.
    """
    limit = None if estimator.time_limit is None else seconds_of(estimator.time_limit)
    trials = estimator.trials
    DECLARED["trials"].check("trials", trials)
    said = asked_for(estimator)
    if estimator.preset not in ("default", "best"):
        raise ValueError(
            f"{said} tries the settings of the presets 'fast' and 'medium' and others; leave out "
            f"preset={estimator.preset!r}, or use preset='best'"
        )
    for name, about in declared(estimator.__class__).items():
        value = getattr(estimator, name)
        if about.not_in_search and value is not None and value is not False:
            raise ValueError(
                f"{name}={value!r} can't be combined with {said}: {about.not_in_search}; leave one of them out"
            )
    if estimator.candidates:
        _require_candidates(estimator)
    if estimator.early_stopping is False and eval_set is None:
        raise ValueError(
            f"{said} compares networks on rows that they were not trained on, and early_stopping=False holds none out; "
            "leave early_stopping out, or give fit an eval_set"
        )
    if trials is None:
        return limit, TRIALS if limit is None else None
    return limit, int(trials)


def _require_candidates(estimator: Any) -> None:
    """Raise an error if a candidate model in the estimator's settings can't be fitted."""
    for name in as_list(estimator.candidates):
        if name in LIBRARIES and find_spec(name) is None:
            raise MissingPackageError(
                f"the candidate {name!r} needs its library, which is not installed: pip install {name}"
            )
    if other := only_of_networks(estimator):
        raise ValueError(
            f"candidates={estimator.candidates!r} can't be combined with {other}={getattr(estimator, other)!r}, "
            "which only networks support; leave one of them out"
        )


def only_of_networks(estimator: Any) -> str | None:
    """The name of a setting that only networks support; None if there is none."""
    others = {
        "loss": estimator.loss not in (None, "squared_error", "log_loss"),
        "monotone": estimator.monotone,
        "preprocess": estimator.preprocess is False,
    }
    return next((name for name, is_given in others.items() if is_given), None)


def require_held_out(estimator: Any, held_out: Any, rows: int) -> None:
    """Raise `ValueError` if there are no held-out rows on which networks can be compared."""
    if not held_out:
        raise ValueError(
            f"{asked_for(estimator)} compares networks on rows that they were not trained on, and {rows} rows are too "
            "few to hold any out; leave it out, or give fit an eval_set"
        )


def require_no_steps(observers: Sequence[Any], jobs: int) -> None:
    """Raise `ValueError` if there are observers of training steps, and trials are trained in parallel.

    Workers don't report steps.
    """
    if observers and jobs > 1:
        raise ValueError(
            f"a {type(observers[0]).__name__} among callbacks observes training steps, but {jobs} trials at a time "
            "are trained by workers, which don't report steps; pass n_jobs=1, or observe epochs with a SearchObserver "
            "or a function"
        )


def usual_jobs(estimator: Any, in_order: Sequence[Any]) -> int:
    """The number of parallel trials if the user gives none: one per thread.

    It is 1 on other devices, with the user's own loss or score, and with callbacks that expect trials `in_order`.
    """
    is_own = bool(in_order) or callable(estimator.loss) or callable(estimator.scoring)
    return 1 if is_own or estimator.device != "cpu" else get_num_threads()


def asked_for(estimator: Any) -> str:
    """The setting that starts the search, as the user wrote it, e.g. "trials=5"."""
    for name in ("time_limit", "trials"):
        if getattr(estimator, name) is not None:
            return f"{name}={getattr(estimator, name)!r}"
    return "preset='best'"
