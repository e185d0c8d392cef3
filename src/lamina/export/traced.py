"""A prediction as one function of arrays: encoding, networks, and what outputs stand for, in `lamina.nd`.

Traced, it is the graph that every way out is made of. The networks are the operators of `lamina.estimators.network`, in
the same order. Readers do what a graph can't: they make codes of texts, and numbers
of dates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from lamina import nd
from lamina.estimators.meaning import decided, holds, numbers, probabilities
from lamina.estimators.network import mean_by_shares
from lamina.export._prediction import (
    Category,
    Classes,
    Layer,
    Member,
    Normalization,
    NumberEmbedding,
    Numbers,
    Pictures,
    Prediction,
    Table,
)
from lamina.nd.activation import activation_by_name
from lamina.nd.ndarray import NDArray
from lamina.table.encode import clip_limit

__all__ = ["encoded_by", "finished_by", "forward_of", "prediction_of"]


def prediction_of(prediction: Prediction, precision: Any = np.float64) -> Callable[..., list[NDArray]]:
    """The whole prediction, as a function of arrays of the same number of rows.

    Its arguments are, of a table, ``numbers``, (rows, `Table.numbers`), where NaN is a missing value: float64, or
    float32, in which they are then encoded, where every column of the training table was float32; and
    ``codes``, int32 (rows, categories), where 0 is a missing or unknown value and 1, 2, … are a category's names in
    order; of pictures, the pixels, uint8 (rows, height · width). A table without numbers, or without categories, has
    arguments of no columns.

    It gives, of classes, their probabilities, (rows, classes), of the dtype `precision`, and the position of the class
    that is decided for, int64 (rows,); of several labels a row, the probability of each, and whether it holds, int64
    (rows, labels); of numbers, the target, float64 (rows, targets).

    >>> import lamina
    >>> from lamina import nd
    >>> from lamina.export import describe
    >>> X, y = np.linspace(0, 1, 50).reshape(-1, 1), np.repeat([0, 1], 25)
    >>> model = lamina.MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(X, y)
    >>> predict = prediction_of(describe(model))
    >>> probabilities, decided = predict(nd.array(X, dtype="float64"), nd.zeros((50, 0), dtype="int32"))
    >>> np.allclose(probabilities.asnumpy(), model.predict_proba(X), rtol=1e-5)
    True
    """
    inputs, forward = prediction.inputs, forward_of(prediction)
    finished = finished_by(prediction.output, precision)
    if isinstance(inputs, Pictures):
        return lambda pixels: finished(forward(pixels))
    encoded = encoded_by(inputs)
    return lambda numbers, codes: finished(forward(*encoded(numbers, codes)))


# --- encoding ----------------------------------------------------------------------------------------------------


def encoded_by(table: Table) -> Callable[[NDArray, NDArray], tuple[NDArray, NDArray | None]]:
    """The encoding of `numbers` and `codes`, see `prediction_of`: (inputs, codes) as `forward_of` takes them.

    The steps are those of `lamina.table.encode.TableEncoder`, each rounded once in float64.
    """
    categories = [column for column in table.columns if isinstance(column, Category)]
    embedded = [categories.index(column) for column in table.embedded]

    def encoded(x: NDArray, codes: NDArray) -> tuple[NDArray, NDArray | None]:
        parts: list[NDArray] = []
        x = _with_derived(table, x)
        missing = x != x  # noqa: PLR0124 - NaN is not equal to itself
        if table.numbers:
            parts.append(_scaled(table, x, missing))
        if table.flagged:
            parts.append(_flags(table, missing))
        for column in table.encoded:
            assert column.encoded is not None
            parts.append(nd.take(nd.array(column.encoded), codes[:, categories.index(column)]))
        if not parts:  # all columns are embedded: the network has no other inputs
            parts.append(x.astype(np.float32))
        inputs = parts[0] if len(parts) == 1 else nd.concat(*parts, dim=1)
        if not embedded:
            return inputs, None
        chosen = [nd.slice_axis(codes, axis=1, begin=j, end=j + 1) for j in embedded]
        return inputs, chosen[0] if len(chosen) == 1 else nd.concat(*chosen, dim=1)

    return encoded


def _with_derived(table: Table, x: NDArray) -> NDArray:
    """The numbers and those derived of them: (rows, `Table.scaled`)."""
    numbers, scaled = table.numbers, table.scaled
    if scaled == numbers:
        return x
    places = {number.name: i for i, number in enumerate(numbers)}
    derived: dict[str, NDArray] = {}
    for one in table.composites:
        if one.derived:
            first = _columns(x, places[table.columns[one.columns[0]].name], 1)
            found = one.schema.type.derived(one.schema, first)
            derived |= {part.name: found[i] for part, i in zip(one.derived, one.places, strict=True)}
    parts: list[NDArray] = []
    for is_derived, run in groupby(scaled, lambda number: number.name in derived):
        names = [number.name for number in run]
        parts += (
            [derived[name] for name in names] if is_derived else _runs(x, [places[name] for name in names])
        )
    return parts[0] if len(parts) == 1 else nd.concat(*parts, dim=1)


def _runs(x: NDArray, columns: Sequence[int]) -> list[NDArray]:
    """Columns, those beside each other together."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and runs[-1][-1] + 1 == column:
            runs[-1].append(column)
        else:
            runs.append([column])
    return [_columns(x, run[0], len(run)) for run in runs]


def _columns(x: NDArray, begin: int, count: int) -> NDArray:
    return nd.slice_axis(x, axis=1, begin=begin, end=begin + count)


def _flags(table: Table, missing: NDArray) -> NDArray:
    """Which of two values says whether a number is missing, (rows, `Table.flagged`)."""
    flags = np.array([column.flag for column in table.flagged])
    if len(flags) < len(table.scaled):
        flagged = nd.array([table.scaled.index(column) for column in table.flagged])
        missing = nd.take(missing, flagged, axis=1)
    gone, there = (nd.broadcast_to(_row(values, np.float32), missing.shape) for values in flags.T)
    return nd.where(missing, gone, there)


def _scaled(table: Table, x: NDArray, missing: NDArray) -> NDArray:
    numbers = table.scaled
    most = float(np.finfo(np.dtype(x.dtype).name).max)

    def row(values: Sequence[Any]) -> NDArray:
        return _row(values, x.dtype)

    factors = [min(column.factor, most) for column in numbers]
    fills = [(np.float64(column.fill) - column.center) * column.factor for column in numbers]
    scaled = (x - row([column.center for column in numbers])) * row(factors)
    scaled = nd.where(missing, nd.broadcast_to(row(fills), x.shape), scaled)
    clips = [column.clips for column in numbers]
    if all(clips):
        scaled = _smoothly_clipped(scaled)
    elif any(clips):
        is_clipped = nd.broadcast_to(row([float(clip) for clip in clips]), x.shape)
        scaled = nd.where(is_clipped, _smoothly_clipped(scaled), scaled)
    return scaled.astype(np.float32)


def _smoothly_clipped(x: NDArray) -> NDArray:
    """x / √(1 + (x/3)²), step by step as `smooth_clip` in lamina.table."""
    limit = clip_limit(x.dtype)
    x = nd.clip(x, -limit, limit)
    scale = x * (1 / 3)
    return x / nd.sqrt(scale * scale + 1)


def _row(values: Sequence[float] | np.ndarray, dtype: Any = np.float64) -> NDArray:
    return nd.array(np.asarray(values, dtype)[None], dtype=dtype)


# --- outputs -----------------------------------------------------------------------------------------------------


def finished_by(output: Classes | Numbers, precision: Any = np.float64) -> Callable[[NDArray], list[NDArray]]:
    """What outputs, float32 (rows, outputs), stand for: the results of `prediction_of`."""
    if isinstance(output, Numbers):
        limits = (output.center, output.scale, output.low, output.high)
        count = len(output.levels)

        def target(outputs: NDArray) -> list[NDArray]:
            units = map(_row, limits)
            return [numbers(outputs, *units, logarithmic=output.logarithmic, levels=count)]

        return target

    def classes(outputs: NDArray) -> list[NDArray]:
        found = probabilities(outputs, several=output.several, dtype=precision)
        if output.several:
            return [found, holds(outputs)]
        said = outputs if output.threshold is None else found
        return [found, decided(said, output.positive, output.threshold)]

    return classes


# --- networks ----------------------------------------------------------------------------------------------------


def forward_of(prediction: Prediction) -> Callable[..., NDArray]:
    """The mean output of all members, of (inputs, codes) of encoded rows, or of pixels."""
    inputs, members = prediction.inputs, prediction.members

    def forward(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        if isinstance(inputs, Pictures):
            numeric = numeric.astype(np.float32) / inputs.divisor
        outputs = [_output(member, numeric, codes) for member in members]
        return mean_by_shares(outputs, [member.share for member in members])

    return forward


def _output(member: Member, numeric: NDArray, codes: NDArray | None) -> NDArray:
    x = _embedded(member, numeric, codes)
    for layer in member.layers:
        x = _layer(layer, x)
    return x


def _embedded(member: Member, numeric: NDArray, codes: NDArray | None) -> NDArray:
    features = [numeric]
    if member.embedding is not None:
        features.append(_embedded_numbers(member.embedding, numeric))
    for j, table in enumerate(member.tables):
        assert codes is not None
        features.append(nd.take(nd.array(table), codes[:, j]))
    x = features[0] if len(features) == 1 else nd.concat(*features, dim=1)
    return x if member.scale is None else x * nd.array(member.scale)


def _embedded_numbers(embedding: NumberEmbedding, numeric: NDArray) -> NDArray:
    (count, _), rows = embedding.frequency.shape, numeric.shape[0]

    def each(values: np.ndarray) -> NDArray:
        """(numbers, n) as (numbers, 1, n), for all rows alike."""
        return nd.array(values[:, None])

    x = nd.transpose(nd.slice_axis(numeric, axis=1, begin=0, end=count)).reshape((count, rows, 1))
    waves = nd.cos(x * each(embedding.frequency) * (2 * math.pi) + each(embedding.phase))
    mapped = nd.batch_dot(waves, nd.array(embedding.maps)) + each(embedding.bias)
    if embedding.pieces is not None and embedding.knots is not None and embedding.slopes is not None:
        passed = nd.clip((x - each(embedding.knots)) * each(embedding.slopes), 0.0, 1.0)
        mapped = mapped + nd.batch_dot(passed, nd.array(embedding.pieces))
    return nd.transpose(mapped, (1, 0, 2)).reshape((rows, -1))


def _layer(layer: Layer, x: NDArray) -> NDArray:
    z = nd.dot(x, nd.array(layer.weight))
    if layer.factor != 1.0:
        z = z * layer.factor
    z = z + nd.array(layer.bias)
    if layer.normalization is not None:
        z = _normalized(layer.normalization, z)
    if layer.activation == "identity":
        return z
    value = activation_by_name(layer.activation)(z)
    return value if layer.blend is None else z + nd.array(layer.blend) * (value - z)


def _normalized(by: Normalization, z: NDArray) -> NDArray:
    gamma, beta = nd.array(by.gamma), nd.array(by.beta)
    if by.mean is None or by.variance is None:
        return nd.LayerNorm(z, gamma, beta, eps=by.epsilon)
    return (z - nd.array(by.mean)) * nd.rsqrt(nd.array(by.variance) + by.epsilon) * gamma + beta
