"""A request to each model that works as it stands, for its description and for people who try it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.serve._bodies import PIXELS
from lamina.serve._model import Model, TableModel
from lamina.table.describe import format_clock, format_date
from lamina.table.schema import TEMPORAL, ColumnSchema

__all__ = ["example_request", "example_value"]


def example_request(model: Model) -> dict[str, Any]:
    """A row such as training had many of: numbers near the middle, the most frequent categories; or a digit, a 1."""
    if isinstance(model, TableModel):
        return {"rows": [{column.name: example_value(column) for column in model.schema.used}]}
    picture = np.zeros((28, 28), int)
    picture[4:24, 13:15] = 255
    return {"rows": [picture.reshape(PIXELS).tolist()]}


def example_value(column: ColumnSchema) -> Any:
    """Of a column: a number, or a text, near the middle; the most frequent category."""
    if column.kind == "numeric":
        return _number(column)
    name = (
        max(zip(column.counts, column.categories, strict=True))[1] if column.counts else column.categories[0]
    )
    return name == "true" if column.kind == "boolean" else name


def _number(column: ColumnSchema) -> float | int | str:
    low, high = column.low or 0.0, column.high or 0.0
    middle = column.mean if column.mean is not None else low / 2 + high / 2
    if column.note == TEMPORAL["date"]:
        return format_date(round(middle))
    if column.note == TEMPORAL["time"]:
        return format_clock(middle)
    if "int" in column.type_name.lower():
        return round(middle)
    return float(f"{middle:.4g}") if low <= float(f"{middle:.4g}") <= high else middle
