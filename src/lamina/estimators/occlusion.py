"""The effect of a text's words on a prediction: the change when a word is removed.

The method is called occlusion, or erasure: Li, Monroe, Jurafsky, "Understanding Neural Networks through Representation
Erasure", 2016, arXiv 1612.08220.
"""

from __future__ import annotations

import warnings
from string import punctuation
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.shapley import predicted
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.messages import DataWarning
from lamina.table.ngrams import folded
from lamina.table.tables import Table, as_table
from lamina.table.types import Text

_MOST_WORDS = 500
"""Maximum number of distinct words per text; later words are not explained."""


def text_columns(fitted: FittedModel[Any]) -> list[str]:
    """The names of the text columns, for `word_values`."""
    return [column.name for column in fitted.encoder.schema.used if isinstance(column.type, Text)]


def word_values(fitted: FittedModel[Any], data: Any, column: str) -> list[dict[str, Any]]:
    """See `lamina.MLPRegressor.word_values`."""
    table, texts_of = as_table(data), text_columns(fitted)
    if column not in texts_of or column not in table:
        known = f"the model's text columns are {texts_of}" if texts_of else "the model has no text columns"
        raise DataError(f"{column!r} is not a text column; {known}")
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

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # about texts that training did not have
        found = predicted(fitted, fitted.encode(Table(table.names, len(rows), of_rows, named=table.named)))
    changes = iter(found[owners] - found[table.rows :])
    return [{word: _plain(next(changes)) for word in different} for different in words]


def _bare(word: str) -> str:
    """A word in lower case, without the punctuation around it."""
    return folded(word).strip(punctuation) or word


def _plain(change: np.ndarray) -> Any:
    return float(change[0]) if len(change) == 1 else change
