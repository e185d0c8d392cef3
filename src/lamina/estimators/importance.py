"""What predictions depend on: permutation importance, Shapley values, and the words of texts.

Permutation importance (Breiman, 2001) is the increase in loss when a column is shuffled."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from string import punctuation
from typing import Any

import numpy as np

from lamina.core import blas
from lamina.errors import DataError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import Classes, Quantiles, pinball
from lamina.support.extras import require
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.encode import Encoded
from lamina.table.messages import DataWarning
from lamina.table.ngrams import folded
from lamina.table.tables import Table, as_table
from lamina.table.types import Text

MOST_ROWS = 2000
REPEATS = 5
_FIRST_LOOK_ROWS = 200
_MOST_COLUMNS = 30


@dataclass(frozen=True)
class Importance:
    """The increase of a loss (see `loss_name`) when `column` is shuffled.

    `low` and `high` are the ends of a 95 % interval, 1.96 standard errors from `mean`. The standard error includes the
    randomness of the sampled rows and of the shuffles.
    """

    column: str
    mean: float
    low: float
    high: float


def loss_name(target: Any) -> str:
    """The name of the loss from which importances are computed.

    It is the log-loss for classes, the pinball loss for quantiles, and otherwise the RMSE. Pinball loss and RMSE are
    in the target's unit.
    """
    if isinstance(target, Classes):
        return "log-loss"
    return "pinball loss" if isinstance(target, Quantiles) else "RMSE"


def permutation_importance(
    fitted: FittedModel[Any],
    encoded: Encoded,
    target: np.ndarray,
    rng: np.random.Generator,
    n_jobs: int | None = None,
) -> list[Importance]:
    """The permutation importance of each column, largest first.

    Each column is shuffled five times. For a table with more than 30 columns, a first pass with 200 rows and one
    shuffle selects the 30 most important columns.

    Args:
        fitted: the fitted model.
        encoded: rows not used in training; more than `MOST_ROWS` rows are not needed.
        target: for classification the result of `Classes.encode`, for regression values in the target's unit.
        rng: generates the shuffles.
        n_jobs: the number of columns to evaluate in parallel, by joblib; the result does not depend on it.
    """
    from joblib import Parallel, delayed  # imports asyncio, which predictions do not need

    columns = fitted.encoder.positions
    names: list[str] = list(columns)

    def growths(encoded: Encoded, target: np.ndarray, names: list[str], repeats: int) -> list[Any]:
        orders = [[rng.permutation(len(target)) for _ in range(repeats)] for _ in names]
        before = _shares(fitted, encoded, target)
        one = delayed(_growth)
        tasks = (
            one(fitted, encoded.numeric, encoded.codes, target, columns[name], before, own)
            for name, own in zip(names, orders, strict=True)
        )
        return list(Parallel(n_jobs)(tasks))

    if len(names) > _MOST_COLUMNS:
        few = slice(None, _FIRST_LOOK_ROWS)
        glance = Encoded(encoded.numeric[few], encoded.codes[few])
        growth = [mean for mean, _ in growths(glance, target[few], names, 1)]
        names = [names[i] for i in np.argsort(growth)[::-1][:_MOST_COLUMNS]]
    found = [
        Importance(name, mean, mean - 1.96 * error, mean + 1.96 * error)
        for name, (mean, error) in zip(names, growths(encoded, target, names, REPEATS), strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.mean)


def _growth(
    fitted: FittedModel[Any],
    numeric: np.ndarray,
    codes: np.ndarray,
    target: np.ndarray,
    positions: tuple[list[int], list[int]],
    before: tuple[float, np.ndarray],
    orders: list[np.ndarray],
) -> tuple[float, float]:
    """The mean increase of the loss when a column is shuffled, over all `orders`, and its standard error.

    `positions` has the positions of the column's numeric inputs and of its codes; `before` is `_shares` of the
    unshuffled rows. In a shuffle, each row has two roles: it receives another row's value, and another row receives
    its value. The increase is thus a mean over pairs of rows, and the standard error is computed from each row's
    contributions in both roles (Hoeffding, 1948, on U-statistics). For an RMSE, the root of a mean, a first-order
    expansion gives the contributions.
    """
    growth, shares, repeats = 0.0, np.zeros(len(target)), len(orders)
    for order in orders:
        shuffled = numeric.copy(), codes.copy()
        for array, columns in zip(shuffled, positions, strict=True):
            array[:, columns] = array[order][:, columns]
        after = _shares(fitted, Encoded(*shuffled), target)
        growth += (after[0] - before[0]) / repeats
        shares += (after[1] - before[1]) / repeats
        shares[order] += after[1] / repeats
    error = float(shares.std(ddof=1)) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return growth, error


def _shares(fitted: FittedModel[Any], encoded: Encoded, target: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss of all rows (see `loss_name`), and a value for each row, (rows,), whose spread gives its standard error.

    The values are the rows' losses; for the RMSE they are the squared errors divided by 2 · RMSE, its linearization.
    """
    outputs = fitted.outputs(encoded)
    if isinstance(fitted.target, Classes):
        losses = -fitted.target.log_likelihood(outputs, target)
        return float(losses.mean()), losses
    if isinstance(fitted.target, Quantiles):
        losses = pinball(target, fitted.target.predictions(outputs), fitted.target.levels)
        return float(losses.mean()), losses
    squares = ((fitted.target.predictions(outputs) - target) ** 2).reshape(len(target), -1).mean(axis=1)
    rmse = float(np.sqrt(squares.mean()))
    return rmse, squares / (2 * rmse) if rmse else squares


# --- Shapley values: the contribution of each table column to a prediction --------------------------------------------
# The difference between a prediction f(x) and the mean prediction of background rows is divided among the columns, like
# the gain of a game among its players (Shapley, 1953). The value v(S) of a set S of columns is the mean of f over rows
# that have x's values in the columns S, and a background row's values elsewhere ("interventional" SHAP values: Lundberg
# and Lee, "A Unified Approach to Interpreting Model Predictions", 2017, arXiv 1705.07874; Janzing, Minorics, Blöbaum,
# 2020, arXiv 1910.13413).
#
# All encoded inputs of a column are a single player, e.g. a number and its missing flag, or a category's one-hot
# inputs.


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


# --- the effect of a text's words on a prediction: the change when a word is removed ----------------------------------
# The method is called occlusion, or erasure: Li, Monroe, Jurafsky, "Understanding Neural Networks through
# Representation Erasure", 2016, arXiv 1612.08220.


_MOST_WORDS = 500
"""Maximum number of distinct words per text; later words are not explained."""


_MOST_TEXTS, _MOST_CHANGES = 200, 5000
"""The maximum numbers of rows, and of words in them, that are examined to rank a column's words."""

_FEWEST_ROWS, _MOST_SHOWN = 2, 10
"""The minimum number of rows that contain an important word, and the maximum number of important words."""


@dataclass(frozen=True)
class Word:
    """The effect of a word in a text column.

    Attributes:
        word: the word, in lower case.
        rows: the number of examined rows that contain the word.
        size: the mean absolute change of the prediction, or for classes the mean probability that moves between
            classes.
        change: the mean change of the prediction, or for two classes of the second class's probability; None for
            more classes or outputs.
    """

    word: str
    rows: int
    size: float
    change: float | None


def important_words(fitted: FittedModel[Any], data: Any, seed: int = 0) -> dict[str, list[Word]]:
    """The words of each text column that change predictions most, at most ten, in descending order.

    At most 200 random rows are examined, with at most 5,000 words.

    Args:
        fitted: the model.
        data: a polars frame with all columns.
        seed: the seed for the random choice of rows.
    """
    drawn = np.random.default_rng(seed).permutation(len(data))[:_MOST_TEXTS]
    is_class = isinstance(fitted.target, Classes)
    found: dict[str, list[Word]] = {}
    for column in text_columns(fitted):
        texts = data[column][drawn].to_list()
        words = np.cumsum([0 if text is None else min(len(str(text).split()), _MOST_WORDS) for text in texts])
        chosen = drawn[: max(1, int(np.searchsorted(words, _MOST_CHANGES, side="right")))]
        changes: dict[str, list[np.ndarray]] = {}
        for values in word_values(fitted, data[chosen], column):
            for word, change in values.items():
                changes.setdefault(word, []).append(np.atleast_1d(change))
        ranked = [_word(word, np.array(each), is_class) for word, each in changes.items()]
        ranked = [one for one in ranked if one.rows >= _FEWEST_ROWS and one.size > 0]
        found[column] = sorted(ranked, key=lambda one: (-one.rows * one.size, one.word))[:_MOST_SHOWN]
    return {column: ranked for column, ranked in found.items() if ranked}


def _word(word: str, changes: np.ndarray, is_class: bool) -> Word:
    """The effect of a word.

    `changes`: the changes of predictions in the rows that contain the word, (rows, outputs).
    """
    outputs = changes.shape[1]
    if outputs == 1 or (is_class and outputs == 2):
        # Summed in the order of its sizes, so that none is smaller.
        changes = np.ascontiguousarray(changes[:, -1])
        return Word(word, len(changes), float(np.abs(changes).mean()), float(changes.mean()))
    sizes = np.abs(changes).sum(axis=1) / 2 if is_class else np.abs(changes).mean(axis=1)
    return Word(word, len(changes), float(sizes.mean()), None)


def text_columns(fitted: FittedModel[Any]) -> list[str]:
    """The names of the model's text columns."""
    return [column.name for column in fitted.encoder.schema.used if isinstance(column.type, Text)]


def word_values(fitted: FittedModel[Any], data: Any, column: str) -> list[dict[str, Any]]:
    """The effect of each word in a text column on a row's prediction; see `lamina.MLPRegressor.word_values`."""
    table, texts_of = as_table(data), text_columns(fitted)
    if column not in texts_of or column not in table:
        known = f"the model's text columns are {texts_of}" if texts_of else "the model has no text columns"
        raise DataError(f"{column!r} is not a text column of both the model and the table; {known}")
    values, positions = distinct_values(table.column(column))
    cells = [values[position] for position in positions.tolist()]
    split = [[] if cell is None else value_name(cell).split() for cell in cells]
    words = [[*dict.fromkeys(map(_bare, found))][:_MOST_WORDS] for found in split]
    texts: list[Any] = list(cells)
    for all_words, different in zip(split, words, strict=True):
        texts += [" ".join(one for one in all_words if _bare(one) != word) for word in different]
    owners = np.repeat(np.arange(table.rows), [*map(len, words)])
    rows = np.concatenate([np.arange(table.rows), owners])

    def of_rows(place: int) -> Column:
        name = table.names[place]
        if name == column:
            return ArrayColumn(name, np.array([*texts, None], object)[:-1])
        different, where = distinct_values(table.column(name))
        return DistinctColumn(name, different, where[rows])

    # The warnings are about texts that training did not have.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        found = predicted(fitted, fitted.encode(Table(table.names, len(rows), of_rows, named=table.named)))
    changes = iter(found[owners] - found[table.rows :])
    return [{word: _plain(next(changes)) for word in different} for different in words]


def _bare(word: str) -> str:
    """A word in lower case, without surrounding punctuation."""
    return folded(word).strip(punctuation) or word


def _plain(change: np.ndarray) -> Any:
    return float(change[0]) if len(change) == 1 else change
