"""The ensemble of a search: the weighted average of trials' outputs that has the best score.

Each new trial may improve the average. A worse average never replaces a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lamina.estimators._outputs import own_outputs
from lamina.estimators.network import Ensemble, Network
from lamina.estimators.search.training import Shared
from lamina.estimators.search.trial import Trial
from lamina.estimators.targets import Classes

_ROUNDS = 20


def greedy(outputs: Sequence[np.ndarray], measure: Callable[[np.ndarray], float]) -> list[int]:
    """The number of times that each model's outputs occur in the best mean of outputs.

    The mean begins empty. In each round, the model that improves the mean most is added, possibly again, until no
    model improves it.

    Args:
        outputs: each model's outputs for the same rows.
        measure: the score of outputs, higher is better.

    >>> truth = np.array([0.0, 1.0, 2.0])
    >>> models = [truth + [1.0, -1.0, 0.5], truth - [1.0, -1.0, 0.5], truth + 9.0]
    >>> greedy(models, lambda mean: -float(((mean - truth) ** 2).mean()))
    [1, 1, 0]
    """
    counts = [0] * len(outputs)
    total, best = np.zeros_like(outputs[0]), -np.inf
    for taken in range(_ROUNDS):
        scores = [measure((total + one) / np.float32(taken + 1)) for one in outputs]
        i = int(np.argmax(scores))
        if not scores[i] > best:
            break
        best, total = scores[i], total + outputs[i]
        counts[i] += 1
    return counts


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def mixture(outputs: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """The weighted sum of the outputs, with the shares as weights, float32."""
    return np.sum([one * np.float32(share) for one, share in zip(outputs, shares, strict=True)], axis=0)


_MOST_POOLED = 12
"""Maximum number of candidate trials, besides those in the current average; the best trials are kept."""
_MOST_COMPARED = 1 << 16
"""Maximum number of held-out outputs for choosing an average, which is then scored on all held-out rows."""
_FOLDS = 5
"""Folds of the held-out rows for measuring a gain."""
_LEAST_GAIN = 0.005
"""The least gain worth telling, as a share of the log-loss or of the root mean squared error."""


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
        step = -(-len(shared.y) * shared.target.outputs // _MOST_COMPARED) or 1
        begins = np.cumsum([0, *map(len, shared.held_out)])
        self._parts = [part.some(slice(None, None, step)) for part in shared.held_out]
        self._rows = np.concatenate([np.arange(*pair, step) for pair in pairwise(begins)])
        self._deviates = len(self._parts) > 2 and measuring._chosen_scoring() is None
        self._known: dict[tuple[int, int], np.ndarray] = {}

    @property
    def shares(self) -> Mapping[int, float]:
        """The share of each trial in the best average, by the trial's number."""
        return {} if self.best is None else self.best.by_number()

    def offer(self, *trials: Trial) -> bool:
        """Choose the best average from the candidates and these trials; return whether the average improved."""
        offered = {trial.number: trial for trial in _ranked(trials)[:_MOST_POOLED]}
        pool = list({**self._pool, **offered}.values())
        best = max(self._chosen(pool), key=lambda one: _known(one.score))
        is_better = self.best is None or _known(best.score) > _known(self.best.score)
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
        self._known = {key: x for key, x in self._known.items() if key[0] in {*self._pool, *self.shares}}
        return dropped

    def score_with(self, others: Sequence[np.ndarray], loss: Any) -> float | None:
        """The expected score of the best average with these models; None if they hardly lower the loss.

        The shares of the models are chosen on four fifths of the held-out rows, and the gain is measured on the rest.

        Args:
            others: the calibrated outputs of other models for the held-out rows, (rows, outputs) each.
            loss: an estimator that scores outputs by the negative loss.
        """
        if self.best is None or self.best.score is None or not others:
            return None
        pairs = zip(self.best.trials, self.best.shares, strict=True)
        spread = [self._with_deviations(one) * np.float32(share * self.best.factor) for one, share in pairs]
        whole = np.sum(spread, axis=0)
        rest = np.zeros_like(whole[1:])  # other models' members hardly deviate from each other
        outputs = [whole, *(np.concatenate([one[None, self._rows], rest]) for one in others)]
        fold, gains = np.arange(len(self._rows)) % _FOLDS, list[tuple[float, float]]()
        for i in range(_FOLDS):
            rows = fold != i
            parts = [x[:, rows] for x in outputs]
            mean = mixture(outputs, _shares(greedy(parts, lambda x, rows=rows: self._score(x, loss, rows))))
            rows = fold == i
            both = (loss, self._measuring)
            mean, alone = mean[:, rows], whole[:, rows]
            gains.append(tuple(self._score(mean, of, rows) - self._score(alone, of, rows) for of in both))
        (gain, more), errors = np.mean(gains, axis=0), np.std(gains, axis=0, ddof=1) / np.sqrt(_FOLDS)
        least = _LEAST_GAIN * (1 if isinstance(self._shared.target, Classes) else 2)  # of a root
        is_worth = gain > max(errors[0], -least * self._score(whole, loss))
        return self.best.score + float(more) if is_worth and more > 0 else None

    def _chosen(self, pool: Sequence[Trial]) -> list[Best]:
        """Possible ensembles of these trials: the best trial alone and, if any, an average of several trials."""
        outputs = [self._with_deviations(one) for one in pool]
        scores = [self._gain(x) + one.score for one, x in zip(pool, outputs, strict=True)]
        single = max(range(len(pool)), key=lambda i: (scores[i], -pool[i].number))
        found = [Best(scores[single], [pool[single]], [1.0])]
        counts = greedy(outputs, self._score)
        if sum(map(bool, counts)) > 1:
            trials = [one for one, count in zip(pool, counts, strict=True) if count]
            shares = [share for share in _shares(counts) if share]
            mean, y, weights = _mixed(trials, shares), self._shared.y, self._shared.weights
            score, factor = (
                judge(mean, y, weights) for judge in (self._judging._score_outputs, self._judging._factor)
            )
            score += self._gain(mixture(outputs, _shares(counts)) * np.float32(factor))
            found.append(Best(float(score), trials, shares, factor))
        return found

    def _with_deviations(self, trial: Trial) -> np.ndarray:
        """Calibrated outputs for a sample of the held-out rows, and the members' deviations: (2, rows, outputs).

        A row's deviation is half the difference of two members that have trained on the row; for new rows, members
        deviate about as much. Scores other than the loss need no deviations, so that the result is (1, rows, outputs).
        """
        key = trial.number, trial.best_epoch
        if key not in self._known:
            parts, found = self._parts, [trial.outputs[self._rows]]
            if self._deviates and trial.members == len(parts):
                network = Ensemble.from_state([trial.architecture] * len(parts), trial.state)
                turned = [own_outputs(network, [*parts[k:], *parts[:k]]) for k in (1, 2)]
                one, other = (np.roll(x, sum(map(len, parts[:k])), axis=0) for k, x in enumerate(turned, 1))
                found.append((one - other) * np.float32(np.sqrt((1 - 1 / len(parts)) / 2)))
            elif self._deviates:
                found.append(np.zeros_like(found[0]))
            self._known[key] = np.array(found) * np.float32(trial.factor)
        return self._known[key]

    def _score(self, outputs: np.ndarray, of: Any = None, rows: Any = slice(None)) -> float:
        """The score of outputs that `_with_deviations` returned, for these rows of the sample."""
        of, rows = of or self._measuring, self._rows[rows]
        y, weights = self._shared.y[rows], self._shared.weights
        weights = None if weights is None else weights[rows]
        own, *deviations = outputs
        score = float(of._score_outputs(own, y, weights))
        for one in deviations:  # the gain of a mean of members over a single one (Krogh and Vedelsby, 1995)
            score += score - np.mean([of._score_outputs(x, y, weights) for x in (own + one, own - one)])
        return float(score)

    def _gain(self, outputs: np.ndarray) -> float:
        """The increase of the score by averaging members, which held-out rows don't show."""
        return self._score(outputs) - self._score(outputs[:1])


def _ranked(trials: Iterable[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda one: (-one.score, one.number))


def _known(score: float | None) -> float:
    """The score; −∞ for None, since any score is better."""
    return -np.inf if score is None else score


def _mixed(trials: Sequence[Trial], shares: Sequence[float]) -> np.ndarray:
    """The average of the trials' outputs for held-out rows, after calibration of each trial's outputs."""
    return mixture(
        [one.outputs for one in trials], [one.factor * w for one, w in zip(trials, shares, strict=True)]
    )
