"""The ensemble of a search: the weighted average of trials' outputs that has the best score.

Each new trial may improve the average. A worse average never replaces a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators.network import Ensemble, Network
from lamina.estimators.search.training import Shared
from lamina.estimators.search.trial import Trial, known_score
from lamina.estimators.targets import Classes

_ROUNDS = 20


def greedy(
    outputs: Sequence[np.ndarray],
    measure: Callable[[np.ndarray], float],
    begun: Sequence[int] = (),
    is_gain: Callable[[np.ndarray, np.ndarray], bool] = lambda _old, _new: True,
) -> list[int]:
    """The number of times that each model's outputs occur in the best mean of outputs.

    In each round, the model that improves the mean most is added, possibly again, until no model improves it.

    Args:
        outputs: each model's outputs for the same rows.
        measure: the score of outputs, higher is better.
        begun: how often each model is in the mean at first; (): the mean begins empty.
        is_gain: whether to go on from a mean to a better one.

    >>> truth = np.array([0.0, 1.0, 2.0])
    >>> models = [truth + [1.0, -1.0, 0.5], truth - [1.0, -1.0, 0.5], truth + 9.0]
    >>> greedy(models, lambda mean: -float(((mean - truth) ** 2).mean()))
    [1, 1, 0]
    """
    counts = list(begun or [0] * len(outputs))
    total = np.zeros_like(outputs[0])
    for one, count in zip(outputs, counts, strict=True):
        total = total + one * np.float32(count) if count else total
    best = measure(total / np.float32(sum(counts))) if begun else -np.inf
    for taken in range(sum(counts), _ROUNDS):
        scores = [measure((total + one) / np.float32(taken + 1)) for one in outputs]
        i = int(np.argmax(scores))
        new = total + outputs[i]
        if not scores[i] > best:
            break
        if taken and not is_gain(total / np.float32(taken), new / np.float32(taken + 1)):
            break
        best, total = scores[i], new
        counts[i] += 1
    return counts


def mixture(outputs: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """The weighted sum of the outputs, with the shares as weights, float32."""
    return np.sum([one * np.float32(share) for one, share in zip(outputs, shares, strict=True)], axis=0)


_MOST_POOLED = 12
"""Maximum number of candidate trials, besides those in the current average; the best trials are kept."""
_MOST_COMPARED = 1 << 16
"""Maximum number of held-out outputs for choosing an average, which is then scored on all held-out rows."""
_FOLDS, _DEVIATIONS = 10, 2.0
"""Parts of the held-out rows for measuring a gain, and the number of standard errors above which it is significant."""
_LEAST_GAIN = 0.005
"""The least gain of a blend, as a share of the log-loss or of the root mean squared error."""


@dataclass(frozen=True)
class Best:
    """An average of trials; each trial's outputs are calibrated first.

    Attributes:
        score: the average's score on held-out rows; None if the average was never measured.
        trials: the averaged trials.
        shares: the trials' weights in the average.
        factor: the calibration factor of the average's outputs, which are less confident than each trial's.
    """

    score: float | None
    trials: Sequence[Trial]
    shares: Sequence[float]
    factor: float = 1.0

    def by_number(self) -> Mapping[int, float]:
        """The share of each trial, by the trial's number."""
        return {one.number: share for one, share in zip(self.trials, self.shares, strict=True)}

    def network(self) -> Ensemble:
        """An ensemble of the trials' networks, weighted by the shares, with calibrated outputs."""
        members: list[Network] = []
        shares: list[float] = []
        for trial, share in zip(self.trials, self.shares, strict=True):
            own = Ensemble.from_state([trial.architecture] * trial.members, trial.state)
            own.scale_outputs(trial.factor * self.factor)
            members += own.members
            shares += [share / trial.members] * trial.members
        return Ensemble(members, tuple(shares))

    def outputs(self) -> np.ndarray | None:
        """The calibrated average's outputs for held-out rows; None if the average was never measured."""
        return None if self.score is None else _mixed(self.trials, self.shares) * np.float32(self.factor)


class Average:
    """The best average so far, and the candidate trials.

    Args:
        shared: the common data, with the held-out rows.
        measuring: an estimator that scores outputs without calibration.
        judging: an estimator that calibrates outputs, and then scores them.
        on_better: called when there is a better average.
    """

    def __init__(self, shared: Shared, measuring: Any, judging: Any, on_better: Callable[[], None]) -> None:
        self._shared, self._measuring, self._judging, self._tell = shared, measuring, judging, on_better
        self._pool: dict[int, Trial] = {}
        self.best: Best | None = None

    @property
    def shares(self) -> Mapping[int, float]:
        """The share of each trial in the best average, by the trial's number."""
        return {} if self.best is None else self.best.by_number()

    def offer(self, *trials: Trial) -> bool:
        """Choose the best average from the candidates and these trials; return whether the average improved.

        An average with more trials that are `default` replaces one with fewer.
        """
        offered = {trial.number: trial for trial in _ranked(trials)[:_MOST_POOLED]}
        pool = list({**self._pool, **offered}.values())
        best = max(self._chosen(pool), key=_worth)
        is_better = self.best is None or _worth(best) > _worth(self.best)
        if is_better:
            self.accept(best)
        return is_better

    def accept(self, best: Best) -> None:
        """Replace the best average by `best`."""
        self.best = best
        self._tell()

    def keep(self, trial: Trial) -> list[int]:
        """Add a finished trial to the candidates; return the numbers of displaced trials."""
        if len(trial.outputs):
            self._pool[trial.number] = trial
        ranked = _ranked(self._pool.values())
        dropped = [one.number for one in ranked[_MOST_POOLED:] if one.number not in self.shares]
        for number in dropped:
            del self._pool[number]
        return dropped

    def score_with(self, others: Sequence[np.ndarray], loss: Any) -> float | None:
        """The expected score of the best average with these models; None if they would hardly lower the loss.

        The shares of the models are chosen on nine tenths of the held-out rows, and the gain is measured on the rest.

        Args:
            others: the calibrated outputs of other models for the held-out rows, (rows, outputs) each.
            loss: an estimator that scores outputs by the negative loss.
        """
        whole = None if self.best is None else self.best.outputs()
        if self.best is None or whole is None or not others or len(whole) < _FOLDS:
            return None
        outputs, y, weights = [whole, *others], self._shared.y, self._shared.weights

        def score(of: Any, mean: np.ndarray, rows: Any) -> float:
            return float(of._score_outputs(mean, y[rows], None if weights is None else weights[rows]))

        fold, gains = np.arange(len(y)) % _FOLDS, list[list[float]]()
        step = -(-whole.size // _MOST_COMPARED)
        for i in range(_FOLDS):
            some, rows = np.flatnonzero(fold != i)[::step], fold == i
            counts = greedy([one[some] for one in outputs], lambda mean, some=some: score(loss, mean, some))
            mean = mixture([one[rows] for one in outputs], _shares(counts))
            gains.append(
                [score(of, mean, rows) - score(of, whole[rows], rows) for of in (loss, self._measuring)]
            )
        (gain, more), error = np.mean(gains, axis=0), np.std(gains, axis=0, ddof=1)[0] / np.sqrt(_FOLDS)
        squares = not isinstance(self._shared.target, Classes)  # and not their root
        is_worth = gain > max(error, -(1 + squares) * _LEAST_GAIN * score(loss, whole, slice(None)))
        return known_score(self.best.score) + float(more) if is_worth and more > 0 else None

    def _chosen(self, pool: Sequence[Trial]) -> list[Best]:
        """Possible ensembles of these trials: the best trial alone and, if any, an average of several trials.

        An average begins with all trials that are `default`, in equal shares: a mean of more networks has at most
        their expected loss, so that nothing is chosen by chance.
        """
        defaults = [one for one in pool if _is_default(one)]
        single = max(defaults or pool, key=lambda one: (one.score, -one.number))
        found = [Best(single.score, [single], [1.0])]
        rows = slice(None, None, -(-single.outputs.size // _MOST_COMPARED))
        y, weights = self._shared.y[rows], self._shared.weights
        weights = None if weights is None else weights[rows]

        def score(outputs: np.ndarray, some: Any = slice(None)) -> float:
            of_rows = None if weights is None else weights[some]
            return float(self._measuring._score_outputs(outputs[some], y[some], of_rows))

        def is_gain(old: np.ndarray, new: np.ndarray) -> bool:
            parts = [np.arange(i, len(y), _FOLDS) for i in range(_FOLDS)]
            gains = [score(new, part) - score(old, part) for part in parts]
            return bool(np.mean(gains) > _DEVIATIONS * np.std(gains, ddof=1) / np.sqrt(_FOLDS))

        scaled = [one.outputs[rows] * np.float32(one.factor) for one in pool]
        if defaults:
            begun = [int(_is_default(one)) for one in pool]
            other = [int(_is_default(one) or _is_preset(one, "realmlp")) for one in pool]
            begun = max(begun, other, key=lambda counts: score(mixture(scaled, _shares(counts))))
            # Other scores than the loss may be undefined for a part of the rows.
            is_tested = self._measuring._chosen_scoring() is None and len(y) >= _FOLDS
            counts = greedy(scaled, score, begun, *([is_gain] if is_tested else []))
        else:
            counts = greedy(scaled, score)
        trials = [one for one, count in zip(pool, counts, strict=True) if count]
        if len(trials) > 1:
            shares = _shares([count for count in counts if count])
            mean, y_all, weights_all = _mixed(trials, shares), self._shared.y, self._shared.weights
            judges = self._judging._score_outputs, self._judging._factor
            best, factor = (judge(mean, y_all, weights_all) for judge in judges)
            found.append(Best(float(best), trials, shares, factor))
        return found


def _is_preset(trial: Trial, preset: str) -> bool:
    """Whether a trial has a preset's settings, and all of the search's rows."""
    return trial.settings.get("preset") == preset and {*trial.settings} == {"preset", "rows"}


def _is_default(trial: Trial) -> bool:
    """Whether a trial is `default`, trained to the end: `medium` with all members, on all rows."""
    return trial.complete and _is_preset(trial, "medium")


def _worth(best: Best) -> tuple[int, float]:
    return sum(map(_is_default, best.trials)), known_score(best.score)


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _ranked(trials: Iterable[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda one: (-one.score, one.number))


def _mixed(trials: Sequence[Trial], shares: Sequence[float]) -> np.ndarray:
    """The average of the trials' outputs for held-out rows, after calibration of each trial's outputs."""
    return mixture(
        [one.outputs for one in trials], [one.factor * w for one, w in zip(trials, shares, strict=True)]
    )
