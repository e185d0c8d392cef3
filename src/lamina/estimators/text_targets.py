"""Features of texts that predict the target: ridge regressions of the target on the texts' n-grams.

The other features of a text (`lamina.table.ngrams`) are learned without the target. They tell texts apart, but have
little information about the words that matter for the target. Here the target is regressed on all n-grams (ridge:
Hoerl and Kennard, 1970). A training row's feature is predicted by a model fitted without the row's fold (stacking:
Wolpert, 1992); any other row's feature is predicted by a model fitted to all training rows. This model is linear in
the n-grams, so it is an additional column of the encoder's weights; files, pages and C libraries need no code for it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.estimators.targets import Classes
from lamina.table.columns import Column, value_name
from lamina.table.distinct import distinct_values
from lamina.table.marks import folds_of
from lamina.table.ngram_targets import FOLDS, coefficients, standardized
from lamina.table.ngrams import LONGEST_TEXT, TextEncoder
from lamina.table.schema import ColumnSchema, Schema, free_name
from lamina.table.tables import as_table
from lamina.table.types.text import Text

_LEAST_GAIN = 0.01
"""Minimum share of the target's variance that is predicted out of fold; below it, a column gets no target feature."""
_FEW = 2
"""Number of other features of a text that does not predict the target."""
_BLOCK = 1 << 15
"""Number of texts whose predictions are computed at a time."""
_MOST_ENTRIES = 1 << 26
"""Maximum number of n-grams of all texts, times coefficients per n-gram; with more, the models see fewer texts."""


def with_text_targets(
    schema: Schema,
    data: Any,
    target: Any,
    wanted: np.ndarray,
    weights: np.ndarray | None = None,
    folds: np.ndarray | None = None,
) -> tuple[Schema, dict[str, np.ndarray], TextTargets]:
    """The schema with target features in its text columns, and the features' values for the training rows.

    The features are added to each text column that predicts the target. A schema that already has such features, e.g.
    in a warm start, is returned unchanged.

    Args:
        schema: the training table's schema.
        data: the training table, or a sample of its rows.
        target: the target's encoding, such as `Classes`.
        wanted: the encoded target of each row.
        weights: the weight of each row, (rows,); None: equal.
        folds: the fold of each row, see `lamina.table.marks.folds_of`; None: random.

    Returns:
        The schema; the out-of-fold values of each feature by the name of its numeric part, float64 (rows,), NaN
        for missing texts; and the regressions, which give other training rows their values.
    """
    found = list(schema.columns)
    texts = [i for i, column in enumerate(found) if isinstance(column.type, Text)]
    values, models = dict[str, np.ndarray](), dict[str, tuple[TextEncoder, list[str]]]()
    if not texts:
        return schema, values, TextTargets(models)
    table, folds = as_table(data), folds_of(len(wanted), None, None) if folds is None else folds
    is_taught = any(found[i].type.targets for i in texts)
    taken = {*schema.input_names, *(one.name for one in found)}
    targets = regression_targets(target, wanted, weights)
    for i in texts:
        column = found[i]
        name = column.name if column.name in table else table.names[schema.positions[column.name]]
        if is_taught and not column.type.targets:
            continue
        learned = _learned(column, table.column(name), targets, weights, folds)
        if learned is None:
            continue
        found[i] = column if is_taught else learned.applied_to(column, taken)
        if found[i].type.targets:
            models[name] = learned.by_fold, _names(found[i])
            values |= zip(models[name][1], learned.out_of_fold.T, strict=True)
    return (schema if is_taught else replace(schema, columns=tuple(found))), values, TextTargets(models)


def regression_targets(target: Any, wanted: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The targets of the regressions, see `standardized`; the arguments are those of `with_text_targets`."""
    has_classes = isinstance(target, Classes) and not target.multilabel
    return standardized(wanted, target.outputs if has_classes else None, weights)


@dataclass(frozen=True)
class TextTargets:
    """Regressions of the target on texts, each fitted without the rows of a fold.

    Attributes:
        models: by the text column's name, an encoder that returns a prediction per fold and target, and the features'
            names.
    """

    models: Mapping[str, tuple[TextEncoder, list[str]]]

    def values(self, data: Any, folds: np.ndarray) -> dict[str, np.ndarray]:
        """The values of each feature, float64 (rows,), of a table's training rows with these folds."""
        found = dict[str, np.ndarray]()
        for name, (encoder, names) in self.models.items():
            found |= zip(names, _out_of_fold(encoder, as_table(data).column(name), folds).T, strict=True)
        return found


@dataclass(frozen=True)
class _Learned:
    """Ridge regressions of the targets on the n-grams of a text column.

    Attributes:
        encoder: a `TextEncoder` with only the weights of the regressions on all rows; it returns a prediction per
            target.
        by_fold: a `TextEncoder` with the weights of the regressions fitted without a fold, see `TextTargets`.
        out_of_fold: each training row's predictions by the regressions fitted without the row's fold, (rows, targets);
            NaN for missing texts; empty if they are not used.
        gain: the fraction of the targets' variance that the regressions predict out of fold.
    """

    encoder: TextEncoder
    by_fold: TextEncoder
    out_of_fold: np.ndarray
    gain: float

    def applied_to(self, column: ColumnSchema[Any], taken: Container[str]) -> ColumnSchema[Any]:
        """The column with the regressions' predictions as additional numeric parts, whose names are not taken.

        They follow the parts of the encoder's other weights. If they predict next to nothing, the column has only the
        first few of those instead; repeated values stay categories.
        """
        count, weights = self.encoder.weights.shape[1], column.arrays["weights"]
        known = weights.shape[1]
        if self.gain < _LEAST_GAIN:
            arrays = {**column.arrays, "weights": weights[:, :_FEW].copy()}
            return replace(column, parts=(*column.parts[:_FEW], *column.parts[known:]), arrays=arrays)
        numbers = [f" {j + 1}" if count > 1 else "" for j in range(count)]
        names = [free_name(f"{column.name}: target{number}", taken) for number in numbers]
        parts = [_part(column.parts[0], *pair) for pair in zip(names, self.out_of_fold.T, strict=True)]
        arrays = {**column.arrays, "weights": np.concatenate([weights, self.encoder.weights], axis=1)}
        parts = (*column.parts[:known], *parts, *column.parts[known:])
        return replace(column, type=replace(column.type, targets=count), parts=parts, arrays=arrays)


def _part(like: ColumnSchema[Any], name: str, values: np.ndarray) -> ColumnSchema[Any]:
    """The schema of a numeric part with these values, otherwise like `like`."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    mean = None if like.mean is None else float(np.nanmean(values))
    return replace(like, name=name, missing=0, low=low, high=high, mean=mean)


def _names(column: ColumnSchema[Any]) -> list[str]:
    """The names of a column's target features."""
    last = column.arrays["weights"].shape[1]
    return [part.name for part in column.parts[last - column.type.targets : last]]


def _learned(
    column: ColumnSchema[Any],
    texts: Column,
    targets: np.ndarray,
    weights: np.ndarray | None,
    folds: np.ndarray,
) -> _Learned | None:
    """The regressions of the targets on a text column; None if the column's encoder has no n-grams."""
    encoder, count = column.type.encoder(column), targets.shape[1]
    values, positions = distinct_values(texts)
    named = ["" if value is None else value_name(value) for value in values]
    if not len(encoder.hashes):
        return None
    step = 1 + 2 * sum(len(text[:LONGEST_TEXT]) for text in named) * (FOLDS + 1) * count // _MOST_ENTRIES
    seen = positions % step == 0
    by_fold, size = positions[seen] // step * FOLDS + folds[seen], len(named[::step]) * FOLDS
    weights = np.ones(len(positions), np.float32) if weights is None else weights
    sums = np.empty((size // FOLDS, FOLDS, count))
    for j, y in enumerate(targets.T):
        sums[:, :, j] = np.bincount(by_fold, (y * weights)[seen], size).reshape(-1, FOLDS)
    rows = np.bincount(by_fold, weights[seen], size).reshape(-1, FOLDS)
    matrix = encoder.matrix(named[::step])
    found, gain = coefficients(matrix, rows, sums)
    scaled = (encoder.idf[:, None, None] * found).astype(np.float16)
    each = replace(encoder, weights=scaled[:, :FOLDS].reshape(len(scaled), -1))
    is_used = gain >= _LEAST_GAIN or column.type.targets
    values = _out_of_fold(each, texts, folds, matrix if step == 1 else None) if is_used else np.empty(0)
    return _Learned(replace(encoder, weights=scaled[:, FOLDS]), each, values, gain)


def _out_of_fold(encoder: TextEncoder, texts: Column, folds: np.ndarray, matrix: Any = None) -> np.ndarray:
    """Each row's predictions by the regressions without its fold, (rows, targets); NaN for missing texts.

    `encoder` returns a prediction per fold and target. `matrix` is its `matrix` of the column's distinct values, if
    that is known.
    """
    values, positions = distinct_values(texts)
    named = ["" if value is None else value_name(value) for value in values]
    found = np.empty((len(positions), encoder.weights.shape[1] // FOLDS))
    order = np.argsort(positions, kind="stable")
    for first in range(0, len(named), _BLOCK):  # all texts at once may need more memory than the table
        begin, end = np.searchsorted(positions, [first, first + _BLOCK], sorter=order)
        block, of_block = slice(first, first + _BLOCK), order[begin:end]
        own = encoder.encode(named[block]) if matrix is None else encoder.features(matrix[block])
        of_folds = own.reshape(len(own), FOLDS, -1)
        found[of_block] = of_folds[positions[of_block] - first, folds[of_block]]
    found[np.array([value is None for value in values])[positions]] = np.nan
    return found
