"""The effect of a text's words on a prediction: the change when a word is removed.

The method is called occlusion, or erasure: Li, Monroe, Jurafsky, "Understanding Neural Networks through Representation
Erasure", 2016, arXiv 1612.08220.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from string import punctuation
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.shapley import predicted
from lamina.estimators.targets import Classes
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.messages import DataWarning
from lamina.table.ngrams import folded
from lamina.table.tables import Table, as_table
from lamina.table.types import Text

_MOST_WORDS = 500
"""Maximum number of distinct words per text; later words are not explained."""


_MOST_ROWS, _MOST_CHANGES = 200, 5000
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
    drawn = np.random.default_rng(seed).permutation(len(data))[:_MOST_ROWS]
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
