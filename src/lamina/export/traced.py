"""A complete prediction as a function of arrays: encoding, networks, decoding of outputs.

Every exporter works from the function's traced graph, which contains the trained networks. Strings and dates, which a
graph can't process, are converted to codes and numbers by the exporters' readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from lamina import nd
from lamina.export._prediction import Pictures, Prediction, Table
from lamina.nd.ndarray import NDArray


def prediction_of(prediction: Prediction, precision: Any = np.float64) -> Callable[..., list[NDArray]]:
    """Convert a prediction to a function of arrays, from encoding to decoded outputs.

    For a table, the function takes two arrays:

    * ``numbers``, (rows, `Table.numbers`), with NaN for missing values: float64, or float32 (also for the encoding) if
      every column of the training table was float32.
    * ``codes``, int32 (rows, categories), where 0 is missing or unknown and 1, 2, … are a category's names in order.

    Without numbers, or without categories, the array has no columns. For images, the function takes the pixels, uint8
    (rows, height · width).

    The function returns a list of arrays:

    * for classes, the probabilities, (rows, classes), of dtype `precision`, and the position of the predicted class,
      int64 (rows,);
    * for multilabel targets, the probability of each label, and whether it is predicted, int64 (rows, labels);
    * for numbers, the target, float64 (rows, targets).

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
    inputs, network, meaning = prediction.inputs, prediction.network, prediction.output.traced
    if isinstance(inputs, Pictures):
        return lambda pixels: meaning(network(pixels), precision)
    return lambda numbers, codes: meaning(network(*encoded(inputs, numbers, codes)), precision)


def encoded(table: Table, numbers: NDArray, codes: NDArray) -> tuple[NDArray, NDArray | None]:
    """Encode numbers and codes, as in `prediction_of`, to the networks' inputs."""
    return table.encoder.traced(_with_derived(table, numbers), codes)


def _with_derived(table: Table, x: NDArray) -> NDArray:
    """Add the derived numbers to numbers (rows, numbers); the result is (rows, quantities of the encoder)."""
    places = {number.name: i for i, number in enumerate(table.numbers)}
    scaled = [column.name for column in table.encoder.schema.quantities]
    if scaled == [*places]:
        return x
    derived: dict[str, NDArray] = {}
    for one in table.composites:
        if one.derived:
            first = _columns(x, places[table.columns[one.columns[0]].name], 1)
            found = one.schema.type.derived(one.schema, first)
            derived |= {name: found[i] for name, i in zip(one.derived, one.places, strict=True)}
    for one in table.encoder.schema.intervals:
        derived[one.name] = one.type.between(lambda date: _columns(x, places[date], 1))
    parts: list[NDArray] = []
    for is_derived, run in groupby(scaled, derived.__contains__):
        names = [*run]
        parts += map(derived.__getitem__, names) if is_derived else _runs(x, [places[name] for name in names])
    return parts[0] if len(parts) == 1 else nd.concat(*parts, dim=1)


def _runs(x: NDArray, columns: Sequence[int]) -> list[NDArray]:
    """Select columns of x, with an array for each group of adjacent columns."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and runs[-1][-1] + 1 == column:
            runs[-1].append(column)
        else:
            runs.append([column])
    return [_columns(x, run[0], len(run)) for run in runs]


def _columns(x: NDArray, begin: int, count: int) -> NDArray:
    return nd.slice_axis(x, axis=1, begin=begin, end=begin + count)
