"""A search's models other than networks: linear models, nearest neighbours, and boosted trees.

Like networks, these candidates are fitted to each member's training rows, scored on held-out rows, and offered for
the ensemble. A fitted candidate is stored as a `Network` with a special `Architecture`, so that averages, files and
exports treat it like any member. In a categorical column with many values, each value is encoded as the
smoothed mean target of its rows; in training, a row's own target is left out (Micci-Barreca, 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lamina import nd
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Data
from lamina.estimators.fitted import own_outputs
from lamina.estimators.linear_path import lines
from lamina.estimators.network import Ensemble, Network, path_inputs
from lamina.estimators.search.boosting import LIBRARIES, Rows, Tree, arrays_of
from lamina.estimators.search.training import Configuration, Shared, TrialRun, TrialTraining, settled
from lamina.estimators.search.trial import Budget, TimeIsOver, Trial
from lamina.estimators.targets import Classes
from lamina.training.loop import Epoch

_MOST_VALUES = 1 << 26
"""Maximum rows · inputs of a member's training; of larger tables, a sample of the rows is used."""
_MOST_MEANS = 8
"""The maximum number of mean targets that encode a category."""
_SMOOTHING = 10.0
"""The weight, in rows, of the whole table's mean in a category's smoothed mean."""
_FOLDS = 5
_LINEAR_ROWS = 50_000
_NEAR_ROWS = 2048
"""The maximum number of training rows that a member stores."""
_NEIGHBOURS = (3, 10, 30)
_FEWEST_ROUNDS, _MOST_ROUNDS = 8, 600
_PATIENCE = 1
"""Stages without improvement after which boosting stops."""
_SECONDS_A_VALUE = 3e-7
"""Expected seconds to prepare boosting, per value of the table."""
_VARIES = 1.5
_COMPILED_BLOCK = 256
"""Rows computed at a time by compiled functions."""


def planned(tried: Configuration, shared: Shared) -> int:
    """The maximum number of epochs of a trial, or of rounds if the trial trains boosted trees."""
    if tried.candidate is None:
        return settled(tried, shared).epochs
    return _MOST_ROUNDS if tried.candidate in LIBRARIES else 1


def training_of(shared: Shared, tried: Configuration, *others: Any) -> Any:
    """The training of a trial: a `TrialTraining` or a `CandidateTraining`, which have the same interface."""
    kind: Any = TrialTraining if tried.candidate is None else CandidateTraining
    return kind(shared, tried, *others)


@dataclass(frozen=True)
class _Member:
    """A member's training rows, prepared for a candidate.

    Attributes:
        inputs: the numeric inputs and the mean targets of the row's codes, (rows, features), float32.
        wanted: the encoded target.
        weights: row weights, or None.
        means: the mean targets of the codes of each code column, (codes, means) each.
    """

    inputs: np.ndarray
    wanted: np.ndarray
    weights: np.ndarray | None
    means: Sequence[np.ndarray]


@dataclass(frozen=True)
class Stage:
    """A fitted model, with its outputs for held-out rows, and a function that returns its networks."""

    outputs: np.ndarray
    members: Callable[[], list[Network]]


class CandidateTraining(TrialRun):
    """The training of a candidate, with the interface of `TrialTraining`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._scores: list[float] = []

    def run(self) -> None:
        """Fit, and offer the best fit for the ensemble.

        Raises:
            TimeIsOver: the deadline had passed before the start.
        """
        if not self.budget.has(0):
            raise TimeIsOver
        best = self.fit()
        self._kept = self._failure() if best is None else self._trial(*best)
        if best is not None:
            self.offer(self._kept)

    def fit(self) -> tuple[float, int, Stage] | None:
        """The score, the number and the model of the best fit; None if there is no fit.

        Fits follow until the score no longer improves, or the time is over.
        """
        judge, y, weights = self.shared.judge(self.tried.estimator), self.shared.y, self.shared.weights
        stages = _STAGES.get(self.tried.candidate or "", partial(_trees, self.tried.candidate))
        members, seed = [*self._members()], int(self.rng.integers(2**31))
        best: tuple[float, int, Stage] | None = None
        for stage in stages(self.shared, members, seed, self.budget):
            score = float(judge._score_outputs(stage.outputs, y, weights))
            is_best = np.isfinite(score) and (best is None or score > best[0])
            self._scores.append(score)
            self.tell(Epoch(len(self._scores), np.nan, score, is_best, self.budget.seconds() - self._begun))
            if is_best:
                best = score, len(self._scores), stage
            elif best is None or len(self._scores) - best[1] >= _PATIENCE:
                break
        return best

    def result(self) -> Trial | None:
        """The best fit as a trial; None before `run` has ended.

        If there was no fit, the result is a failed trial.
        """
        return self._kept

    def _failure(self) -> Trial:
        outputs = np.empty((0, self.shared.target.outputs), np.float32)
        architecture = _architecture(self.shared, 1)
        return self._made(-np.inf, outputs, epochs=0, best_epoch=0, complete=True, architecture=architecture)

    def _trial(self, score: float, number: int, stage: Stage) -> Trial:
        members, shared = stage.members(), self.shared
        network = Ensemble(members)
        own_outputs(network, [part.some(slice(_COMPILED_BLOCK)) for part in shared.held_out])  # compiles
        begun = self.budget.seconds()
        outputs = own_outputs(network, shared.held_out)
        took = (self.budget.seconds() - begun) * (len(members) if len(shared.held_out) > 1 else 1)
        return self._made(
            score, outputs, epochs=planned(self.tried, shared), best_epoch=number, complete=True,
            scores=self._scores, architecture=network.architecture, members=len(members), state=network.state(),
            predicting=1000 * took / len(outputs),
        )  # fmt: skip

    def _members(self) -> Iterator[_Member]:
        shared = self.shared
        for part in shared.train:
            step = -(-len(part) * len(shared.encoder.numeric_names) // _MOST_VALUES) or 1
            rows = part.some(slice(None, None, step)).chosen()
            wanted = part.target[rows]
            weights = None if part.weights is None else part.weights[rows]
            means, inputs = list[np.ndarray](), [np.asarray(part.numeric[rows], np.float32)]
            for j, count in enumerate(shared.encoder.cardinalities):
                assert part.codes is not None
                targets = _indicators(shared.target, wanted)
                table, own = _mean_targets(part.codes[rows, j], count, targets, weights, self.rng)
                means.append(table)
                inputs.append(own)
            yield _Member(np.concatenate(inputs, axis=1), wanted, weights, means)


def _indicators(target: Any, wanted: np.ndarray) -> np.ndarray:
    """The target values whose means encode categories, (rows, means).

    They are numbers, labels, or 0/1 indicators of all classes but the first.
    """
    if not isinstance(target, Classes) or target.multilabel:
        return wanted[:, :_MOST_MEANS]
    classes = np.arange(1, min(target.outputs, _MOST_MEANS + 1))
    return (wanted[:, None] == classes).astype(np.float32)


def _mean_targets(
    codes: np.ndarray, count: int, targets: np.ndarray, weights: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The mean targets of each code, (count, means), and the mean targets for each row's code, (rows, means).

    A row's mean is over the rows of other folds, so that it excludes the row's target. All means are divided by their
    standard deviation.
    """
    weights = np.ones(len(codes)) if weights is None else weights
    fold, total = rng.permutation(len(codes)) % _FOLDS, np.average(targets, axis=0, weights=weights)

    def means(rows: Any) -> np.ndarray:
        size = np.bincount(codes[rows], weights[rows], count)[:, None] + _SMOOTHING
        sums = [np.bincount(codes[rows], weights[rows] * one[rows], count) for one in (targets - total).T]
        return np.stack(sums, axis=1) / size

    table, own = means(slice(None)), np.empty(targets.shape)
    for i in range(_FOLDS):
        own[fold == i] = means(fold != i)[codes[fold == i]]
    scale = np.maximum(table[codes].std(axis=0), 1e-6)
    return (table / scale).astype(np.float32), (own / scale).astype(np.float32)


# --- as networks -----------------------------------------------------------------------------------------------------


def _architecture(shared: Shared, means: int, **parts: Any) -> Architecture:
    """The architecture of a candidate's members.

    `means`: the number of mean targets that encode a category.
    """
    encoder = shared.encoder
    return Architecture(
        encoder.n_numbers, len(encoder.numeric_names), tuple(encoder.cardinalities), shared.target.outputs, (),
        number_embedding=False, embedding_width=means, input_scale=False, learned_activation=False, ntk=False, **parts,
    )  # fmt: skip


def _network(shared: Shared, member: _Member, arrays: dict[str, np.ndarray], **parts: Any) -> Network:
    """A candidate's member as a network.

    `arrays` has all arrays of the network except for the mean targets of categories.
    """
    own = {f"embedding{j}": table for j, table in enumerate(member.means)}
    means = member.means[0].shape[1] if member.means else 1
    found = {name: np.ascontiguousarray(x, np.float32) for name, x in {**own, **arrays}.items()}
    return Network.from_state(_architecture(shared, means, **parts), found)


def _stage(
    shared: Shared, members: Sequence[_Member], arrays: Sequence[dict[str, np.ndarray]], **parts: Any
) -> Stage:
    """The members as networks with these arrays, and their outputs."""
    networks = [_network(shared, *pair, **parts) for pair in zip(members, arrays, strict=True)]
    return Stage(own_outputs(Ensemble(networks), shared.held_out), networks.copy)


# --- linear models, and near rows ------------------------------------------------------------------------------------


def _linear(shared: Shared, members: Sequence[_Member], _seed: int, _budget: Budget) -> Iterator[Stage]:
    """Ridge or logistic regressions of the inputs, clipped and unclipped, for decreasing penalties."""
    count = len(shared.encoder.numeric_names)
    rows, inputs = list[Data](), list[np.ndarray]()
    for member in members:
        step = -(-len(member.inputs) // _LINEAR_ROWS)
        x = member.inputs[::step]
        unclipped = path_inputs(nd.array(x[:, :count]))[1].asnumpy()
        inputs.append(np.concatenate([x, unclipped], axis=1, dtype=np.float64))
        weights = None if member.weights is None else member.weights[::step]
        rows.append(Data(x, None, member.wanted[::step], weights))
    for of_members in lines(shared.target, rows, inputs):
        yield _stage(shared, members, [_of_line(line, count) for line in of_members], skip=True)


def _of_line(line: np.ndarray, numbers: int) -> dict[str, np.ndarray]:
    """The weight and bias of the last layer, from a linear model's coefficients `line`.

    The layer gets the `numbers` numeric inputs twice, so the weight has rows of zeros for the second copies.
    """
    whole = len(line) - 1 - numbers
    return {"weight0": np.insert(line[:-1], [whole] * numbers, 0, axis=0), "bias0": line[-1]}


def _near(shared: Shared, members: Sequence[_Member], seed: int, _budget: Budget) -> Iterator[Stage]:
    """Weighted means of training rows' targets, for several numbers k of neighbours (Nadaraya, 1964; Watson, 1964).

    The weight of a row at the distance d is exp(−d² / w), where w is the median of d² to the k-th nearest row.
    """
    rng, kept = np.random.default_rng(seed), min(_NEAR_ROWS, *(len(member.inputs) for member in members))
    chosen = [np.sort(rng.permutation(len(member.inputs))[:kept]) for member in members]
    for k in _NEIGHBOURS:
        arrays: list[dict[str, np.ndarray]] = []
        for member, rows in zip(members, chosen, strict=True):
            x = member.inputs[rows].astype(np.float64)
            squares = (x**2).sum(axis=1)
            some = x[:: max(kept // 256, 1)]
            far = squares + (some**2).sum(axis=1)[:, None] - 2 * some @ x.T
            width = max(float(np.median(np.sort(far, axis=1)[:, min(k, kept - 1)])), 1e-6)
            said = _indicators_of_all(shared.target, member.wanted[rows])
            center = said.mean(axis=0)
            log_weights = 0 if member.weights is None else np.log(np.maximum(member.weights[rows], 1e-9))
            arrays.append({
                "running.rows": 2 * x.T / width, "running.nearness": log_weights - squares / width,
                "weight0": said - center, "bias0": center,
            })  # fmt: skip
        yield _stage(shared, members, arrays, near=kept)


def _indicators_of_all(target: Any, wanted: np.ndarray) -> np.ndarray:
    """The outputs that represent each training row's target in a mean over neighbours.

    For classes, these are logits, 4 for the row's class and 0 for the others; for labels, the logits are 4 or -4.
    """
    if not isinstance(target, Classes):
        return wanted
    return 4.0 * (2 * wanted - 1 if target.multilabel else np.eye(target.outputs)[wanted.astype(int)])


_STAGES = {"linear": _linear, "neighbours": _near}

# --- trees -----------------------------------------------------------------------------------------------------------


def _trees(
    library: Any, shared: Shared, members: Sequence[_Member], seed: int, budget: Budget
) -> Iterator[Stage]:
    """Boosted trees with an increasing number of rounds, until the time is over."""
    is_common = len(shared.held_out) == 1  # an `eval_set`
    parts = [*shared.held_out] * (len(members) if is_common else 1)
    grown = [_Grown(library, shared, *pair, seed) for pair in zip(members, parts, strict=True)]
    done, seconds = 0, _SECONDS_A_VALUE * members[0].inputs.size
    while done < _MOST_ROUNDS:
        rounds = min(max(_FEWEST_ROUNDS, done // 3), _MOST_ROUNDS - done)
        for one in grown:
            if not budget.has(_VARIES * seconds + budget.cost("end")):
                return
            begun = budget.seconds()
            one.grow(rounds)
            seconds = (budget.seconds() - begun) * 1.5
        done += rounds
        each = [one.outputs() for one in grown]
        outputs = np.mean(each, axis=0) if is_common else np.concatenate(each)
        yield Stage(outputs.astype(np.float32), partial(_networks, grown, done))


def _networks(grown: Sequence[_Grown], rounds: int) -> list[Network]:
    """The first `rounds` rounds of each member as a network.

    All these networks have the same architecture.
    """
    trees = [[tree for of_round in one.rounds[:rounds] for tree in of_round] for one in grown]
    nodes = max(sum(len(tree.said) for tree in of_member) for of_member in trees)
    depth = max(tree.depth for of_member in trees for tree in of_member)
    parts: dict[str, Any] = {"trees": (rounds, len(trees[0]) // rounds), "nodes": nodes, "depth": depth}
    return [one.network(of_member, **parts) for one, of_member in zip(grown, trees, strict=True)]


class _Grown:
    """The boosted trees of a member, and the sums of the trees' outputs for held-out rows.

    A round has a tree for each output, or a single tree for two classes.
    """

    def __init__(self, library: str, shared: Shared, member: _Member, held_out: Data, seed: int) -> None:
        target, rows = shared.target, held_out.chosen()
        parts = [np.asarray(held_out.numeric[rows], np.float32)]
        for j, table in enumerate(member.means):
            assert held_out.codes is not None
            parts.append(table[held_out.codes[rows, j]])
        self._shared, self._member, self._unseen = shared, member, np.concatenate(parts, axis=1)
        is_binary = isinstance(target, Classes) and target.is_binary
        self._maps = np.array([[-0.5, 0.5]]) if is_binary else np.eye(target.outputs)
        self._sums = np.zeros((len(self._unseen), len(self._maps)))
        self._models = _models(library, target, member, seed)
        self.rounds: list[Sequence[Tree]] = []

    def grow(self, rounds: int) -> None:
        parts = [model.more(rounds) for model in self._models]
        for same in zip(*parts, strict=True):
            trees = [tree for part in same for tree in part]
            self._sums += np.stack([tree.outputs(self._unseen) for tree in trees], axis=1)
            self.rounds.append(trees)

    def outputs(self) -> np.ndarray:
        return self._sums @ self._maps + self._begin

    @property
    def _begin(self) -> np.ndarray:
        return np.concatenate([model.begin for model in self._models]) @ self._maps

    def network(self, chosen: Sequence[Tree], nodes: int, **parts: Any) -> Network:
        """A network that computes these trees, padded to `nodes` nodes."""
        arrays = {**arrays_of(chosen, nodes), "weight0": self._maps, "bias0": self._begin}
        return _network(self._shared, self._member, arrays, nodes=nodes, **parts)


def _models(library: str, target: Any, member: _Member, seed: int) -> list[Any]:
    """The boosting models of a member.

    Several classes share a model; each label or number has a separate model.
    """
    is_classification = isinstance(target, Classes)
    x, weights, absent = member.inputs, member.weights, np.zeros(0)
    columns = member.wanted.reshape(len(x), -1)
    if is_classification and not target.multilabel:
        absent = np.setdiff1d(np.arange(target.outputs), columns)
    if len(absent):  # a class without rows gets a row of hardly any weight
        weights = np.append(np.ones(len(x)) if weights is None else weights, np.full(len(absent), 1e-6))
        x = np.concatenate([x, x[: len(absent)]])
        columns = np.concatenate([columns, absent[:, None]])
    return [LIBRARIES[library](Rows(is_classification, x, y, weights, seed)) for y in columns.T]
