"""Shapley values: the contribution of each table column to a prediction.

The difference between a prediction f(x) and the mean prediction of background rows is divided among the columns, like
the gain of a game among its players (Shapley, 1953). The value v(S) of a set S of columns is the mean of f over rows
that have x's values in the columns S, and a background row's values elsewhere ("interventional" SHAP values: Lundberg
and Lee, "A Unified Approach to Interpreting Model Predictions", 2017, arXiv 1705.07874; Janzing, Minorics, Blöbaum,
2020, arXiv 1910.13413).

All encoded inputs of a column are a single player, e.g. a number and its missing flag, or a category's one-hot inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.core import blas
from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import Classes, Quantiles
from lamina.support.extras import require
from lamina.table.encode import Encoded

BACKGROUND_ROWS = 100
_MOST_EXACT = 16
"""Maximum number of columns for the exact method, with 65,536 coalitions per background row."""

_EXACT = 6
"""Maximum number of columns for which the exact method is the default, as it is no slower than sampling."""

_ELEMENTS = 1 << 22
"""Maximum number of elements of a table created at a time."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The Shapley values of some predictions, with the data and names for plots.

    Attributes:
        values: float64, (rows, columns), or (rows, columns, outputs) for several classes, labels or targets.
        base_values: the mean prediction of the background rows, a number or (outputs,).
        predictions: the explained predictions, (rows,) or (rows, outputs): `base_values` plus the sum of `values`
            over the columns.
        data: the explained rows' values, (rows, columns), with their original types.
        feature_names: the columns' names.
        output_names: the classes', labels', targets' or quantiles' names; () for a single target.
    """

    values: np.ndarray
    base_values: Any
    predictions: np.ndarray
    data: np.ndarray
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...] = ()

    def of_output(self, which: str | int) -> Explanation:
        """The explanation of a single output (a class, label or target), by name or position.

        Raises:
            ValueError: there is only a single output, or the name is unknown.
        """
        place = self.place_of(which)
        values, predictions = self.values[..., place], self.predictions[:, place]
        return Explanation(values, self.base_values[place], predictions, self.data, self.feature_names)

    def place_of(self, which: str | int) -> int:
        """The position of an output in `output_names`.

        Raises:
            ValueError: there is only a single output, or the name is unknown.
        """
        names = self.output_names
        place = names.index(which) if which in names else which
        if not names or not isinstance(place, int | np.integer) or not -len(names) <= place < len(names):
            raise ValueError(
                f"of_output: {which!r} is not among the outputs {list(names)}; a single output has no name"
            )
        return int(place)

    def mean_absolute(self) -> np.ndarray:
        """The mean absolute Shapley value of each column over the rows, (columns,) or (columns, outputs)."""
        return np.abs(self.values).mean(axis=0)

    def to_shap(self) -> Any:
        """A `shap.Explanation` for the functions of `shap.plots`.

        Raises:
            MissingPackageError: shap is not installed.
        """
        require("a shap.Explanation", "shap")
        import shap

        base = np.broadcast_to(self.base_values, self.predictions.shape)
        return shap.Explanation(
            self.values,
            base_values=np.array(base),
            data=self.data,
            feature_names=list(self.feature_names),
            output_names=list(self.output_names) or None,
        )


@dataclass(frozen=True)
class Game:
    """The predictions for some rows, as games whose players are the columns.

    The gain of a game is the prediction for a row.

    Attributes:
        fitted: the fitted model.
        rows, background: encoded rows, in dense arrays.
        owners: the number of the player of each numeric input, and of each code.
        players: the number of players.
    """

    fitted: FittedModel[Any]
    rows: Encoded
    background: Encoded
    owners: tuple[np.ndarray, np.ndarray]
    players: int

    @classmethod
    def of(
        cls, fitted: FittedModel[Any], rows: Encoded, background: Encoded, alone: Sequence[str] | None = None
    ) -> Game:
        """The game whose players are all columns that the network uses, in table order.

        With `alone`, only these columns are separate players, in this order; all other columns form the last player.
        """
        positions = fitted.encoder.positions
        players = list(positions) if alone is None else list(alone)
        owners = tuple(np.full(x.shape[1], len(players)) for x in (rows.numeric, rows.codes))
        for player, name in enumerate(players):
            for owner, places in zip(owners, positions[name], strict=True):
                owner[places] = player
        together = len(players) < len(positions)
        return cls(fitted, rows, background, (owners[0], owners[1]), len(players) + together)

    @property
    def is_small(self) -> bool:
        """Whether the players are few enough for the exact method by default."""
        return self.players <= _EXACT

    @property
    def cost(self) -> int:
        """The number of predictions that the default method needs per row."""
        if self.is_small:
            return len(self.background.numeric) << self.players
        return len(self.background.numeric) * 2 * (self.players - 1)

    def values(self, rng: np.random.Generator, repeats: int = 1) -> np.ndarray:
        """The Shapley values (rows, players, outputs), computed by the default method."""
        return _exact_values(self) if self.is_small else _sampled_values(self, rng, repeats)

    def predict(self, encoded: Encoded) -> np.ndarray:
        """Predicted numbers or probabilities, (rows, outputs), float64."""
        return predicted(self.fitted, encoded)

    def mixed(self, row: int, is_rows: np.ndarray, background: np.ndarray) -> np.ndarray:
        """The predictions for cases that mix the values of row number `row` with a background row's values.

        A case has the row's values in the columns for which `is_rows` (cases, players) is true. In the other columns,
        it has the values of a background row, whose number is in `background` (cases,).
        """
        rows, others = self.rows, self.background
        pairs = zip((rows.numeric, rows.codes), (others.numeric, others.codes), self.owners, strict=True)
        numeric, codes = (
            np.where(is_rows[:, owner], own[row], other[background]) for own, other, owner in pairs
        )
        return self.predict(Encoded(numeric, codes))

    def cases_at_once(self) -> int:
        """The maximum number of cases per call of `mixed`."""
        return max(256, _ELEMENTS // max(1, len(self.owners[0]) + len(self.owners[1])))


def predicted(fitted: FittedModel[Any], encoded: Encoded) -> np.ndarray:
    """Predicted numbers or probabilities, (rows, outputs), float64."""
    found = fitted.target.results(fitted.outputs(encoded))
    return found.reshape(len(found), -1)


def _exact_values(game: Game) -> np.ndarray:
    """The exact Shapley values (rows, players, outputs), from all coalitions of the players."""
    players, others = game.players, len(game.background.numeric)
    coalitions = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1 == 1
    sizes = coalitions.sum(axis=1)
    joining = [1 / (players * math.comb(players - 1, size)) for size in range(players)]
    joined = np.array([0.0, *joining])[sizes]
    staying = np.array([*joining, 0.0])[sizes]
    weights = np.where(coalitions, joined[:, None], -staying[:, None]).T
    at_once = max(1, game.cases_at_once() // others)
    background = np.tile(np.arange(others), at_once)
    values: list[np.ndarray] = []
    for row in range(len(game.rows.numeric)):
        worth = [
            game.mixed(row, np.repeat(part, others, axis=0), background[: len(part) * others])
            .reshape(len(part), others, -1)
            .mean(axis=1)
            for part in (coalitions[i : i + at_once] for i in range(0, len(coalitions), at_once))
        ]
        values.append(blas.matmul(weights, np.concatenate(worth)))
    return np.stack(values)


def _sampled_values(game: Game, rng: np.random.Generator, repeats: int) -> np.ndarray:
    """Estimates of the Shapley values, (rows, players, outputs); the sum over the players is exact.

    For each background row, the columns are changed one after the other to the explained row's values, in `repeats`
    random orders and their reverses ("antithetic sampling": Mitchell, Cooper, Frank, Holmes, "Sampling Permutations
    for Shapley Value Estimation", 2022, arXiv 2104.12199). Each change of the prediction is credited to the changed
    column.
    """
    players, others = game.players, len(game.background.numeric)
    orders = _orders(rng, players, others * repeats)
    starts = game.predict(game.background)
    ends = game.predict(game.rows)
    values = np.zeros((len(ends), players, ends.shape[1]))
    at_once = max(1, game.cases_at_once() // max(players - 1, 1))
    for begin in range(0, len(orders), at_once):
        part = orders[begin : begin + at_once]
        whose = np.arange(begin, begin + len(part)) // 2 // repeats
        ranks = np.argsort(part, axis=1)
        is_rows = ranks[:, None, :] < np.arange(1, players)[:, None]  # (orders, steps, players)
        for row, end in enumerate(ends):
            between = game.mixed(row, is_rows.reshape(-1, players), np.repeat(whose, players - 1))
            path = np.empty((len(part), players + 1, len(end)))
            path[:, 0], path[:, -1] = starts[whose], end
            path[:, 1:-1] = between.reshape(len(part), players - 1, -1)
            gains = np.diff(path, axis=1)
            values[row] += np.take_along_axis(gains, ranks[:, :, None], axis=1).sum(axis=0)
    return values / len(orders)


def _orders(rng: np.random.Generator, players: int, count: int) -> np.ndarray:
    """Random permutations of the players: `count` permutations, each followed by its reverse."""
    orders = rng.permuted(np.tile(np.arange(players), (count, 1)), axis=1)
    return np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, players)


def explained(
    game: Game, data: np.ndarray, names: Sequence[str], method: str, repeats: float, rng: np.random.Generator
) -> Explanation:
    """The Shapley values of the predictions for `game.rows`.

    Args:
        game: the predictions as games among the columns.
        data: the original values of the same rows, (rows, columns), including columns that the network does not use.
        names: the names of all columns.
        method: "exact", "sampled", or "auto", which is exact for a few columns, otherwise sampled.
        repeats, rng: the arguments of `_sampled_values`.

    Raises:
        ValueError: the method is unknown, or there are too many columns for exact values.
    """
    if method not in ("auto", "exact", "sampled"):
        raise ValueError(f"method must be 'auto', 'exact' or 'sampled', not {method!r}")
    if method == "exact" and game.players > _MOST_EXACT:
        raise ValueError(
            f"method='exact' needs all sets of columns, 2 to the power of {game.players}, and is possible for at "
            f"most {_MOST_EXACT} columns; use method='sampled'"
        )
    if not isinstance(repeats, int | np.integer) or repeats < 1:
        raise ValueError(f"repeats must be a whole number of at least 1, not {repeats!r}")
    if method == "auto":
        found = game.values(rng, repeats)
    else:
        is_exact = method == "exact" or game.players == 1  # a single column has the whole difference
        found = _exact_values(game) if is_exact else _sampled_values(game, rng, repeats)
    seen = [*game.fitted.encoder.positions]
    values = np.zeros((len(found), len(names), found.shape[2]))
    values[:, [names.index(name) for name in seen]] = found
    base, predictions = game.predict(game.background).mean(axis=0), game.predict(game.rows)
    outputs = _output_names(game.fitted)
    if outputs:
        return Explanation(values, base, predictions, data, tuple(names), outputs)
    return Explanation(values[..., 0], float(base[0]), predictions[:, 0], data, tuple(names))


def _output_names(fitted: FittedModel[Any]) -> tuple[str, ...]:
    target = fitted.target
    if isinstance(target, Classes):
        return tuple(map(str, target.values.tolist()))
    if isinstance(target, Quantiles):
        return tuple(f"quantile {level:g}" for level in target.levels)
    return () if target.flat else tuple(f"target {i}" for i in range(target.outputs))
