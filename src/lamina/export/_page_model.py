"""A `Prediction` as a page holds it: JSON that says what there is, and all float32 arrays in one piece."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.export._prediction import (
    Category,
    Classes,
    Column,
    Number,
    Numbers,
    Pictures,
    Prediction,
    Table,
)
from lamina.messages import printable
from lamina.table.columns import as_column, is_missing, value_name

__all__ = ["page_model", "shown"]

_LONGEST_NAME = 120
"""Letters of a name or a value; a label of more cannot be read."""


def page_model(prediction: Prediction, examples: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], bytes]:
    """What the page's scripts compute with.

    Args:
        prediction: what is predicted, from a table or from pictures.
        examples: of a table, rows by the columns' names; the target's, if it is there, is shown as the truth.

    Returns:
        What JSON holds, with ``{"$": [start, *shape]}`` in place of each array; and the arrays, little-endian.
    """
    arrays = _Arrays()
    content = {
        "inputs": _inputs(prediction.inputs, arrays),
        "members": [arrays.replaced(dataclasses.asdict(member)) for member in prediction.members],
        "output": _output(prediction.output),
        **_names(prediction),
    }
    if isinstance(prediction.inputs, Table):
        content |= _table(prediction, prediction.inputs, examples)
    return content, arrays.content()


def shown(value: object) -> str:
    """A name or a value from data as a person reads it: nothing invisible, not endless, not empty.

    >>> shown("a\\u2028b"), shown(3.0), shown(" ")
    ('a\\\\u2028b', '3', '(empty)')
    """
    text = printable(value_name(value), keep="")
    if len(text) > _LONGEST_NAME:
        text = text[: _LONGEST_NAME - 1] + "…"
    return text if text.strip() else "(empty)"


class _Arrays:
    """Arrays one after the other, and where each begins."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._size = 0

    def place(self, array: np.ndarray) -> dict[str, list[int]]:
        """Append an array; says where it is."""
        place = {"$": [self._size, *array.shape]}
        self._parts.append(array.astype("<f4").ravel())
        self._size += array.size
        return place

    def replaced(self, content: Any) -> Any:
        """Nested dictionaries and lists with a place for each array in them."""
        if isinstance(content, np.ndarray):
            return self.place(content)
        if isinstance(content, Mapping):
            return {key: self.replaced(value) for key, value in content.items()}
        if isinstance(content, list | tuple):
            return [self.replaced(value) for value in content]
        return content

    def content(self) -> bytes:
        """All of them."""
        return b"".join(part.tobytes() for part in self._parts)


def _inputs(inputs: Table | Pictures, arrays: _Arrays) -> dict[str, Any]:
    if isinstance(inputs, Pictures):
        return {"height": inputs.height, "width": inputs.width, "divisor": inputs.divisor}
    return {"columns": [_column(column, arrays) for column in inputs.columns]}


def _column(column: Column, arrays: _Arrays) -> dict[str, Any]:
    if isinstance(column, Number):
        return {
            "name": shown(column.name),
            "unit": column.unit,
            "reader": column.type.reader,
            "whole": column.type.is_whole(column),
            **{
                name: getattr(column, name)
                for name in ("center", "factor", "fill", "clips", "flag", "low", "high", "rough")
            },
        }
    return {
        "name": shown(column.name),
        "names": [shown(name) for name in column.names],
        "counts": column.counts,
        "encoded": None if column.encoded is None else arrays.place(column.encoded),
    }


def _output(output: Classes | Numbers) -> dict[str, Any]:
    if isinstance(output, Classes):
        deciding = {"threshold": output.threshold, "positive": output.positive}
        return {"labels": len(output.labels), "several": output.several, **deciding}
    limits = {name: getattr(output, name).tolist() for name in ("center", "scale", "low", "high")}
    return {**limits, "logarithmic": output.logarithmic, "ordered": bool(output.levels)}


def _names(prediction: Prediction) -> dict[str, Any]:
    """What the outputs are called."""
    output = prediction.output
    if isinstance(output, Classes):
        names = [shown(label) for label in output.labels]
        return {"classes": names, "several": output.several, "outputs": names}
    name = shown(prediction.target or "prediction")
    count = len(output.center)
    if output.levels:
        names = [f"{name}, quantile {level:g}" for level in output.levels]
    else:
        names = [name] if count == 1 else [f"{name} {i}" for i in range(1, count + 1)]
    return {"outputs": names, "low": float(output.low[0]), "high": float(output.high[0])}


def _table(prediction: Prediction, table: Table, examples: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    ranks = {name: rank for rank, name in enumerate(prediction.importance)}
    places = range(len(table.columns))
    return {
        "order": sorted(places, key=lambda i: ranks.get(table.columns[i].name, len(ranks))),
        "ranked": bool(ranks),
        "examples": [
            {"row": _row(table.columns, example), "truth": _truth(prediction, example)}
            for example in examples
        ],
    }


def _row(columns: Sequence[Column], example: Mapping[str, Any]) -> list[float | None]:
    return [_value(column, example.get(column.name)) for column in columns]


def _value(column: Column, value: Any) -> float | None:
    """A number, or None; or a category's code. What is neither counts as missing."""
    if isinstance(column, Category):
        return 0 if is_missing(value) else column.spellings.get(value_name(value), 0)
    try:
        number = float(column.type.fitted(column.name, as_column([value])).numbers()[0])
    except (TypeError, ValueError, OverflowError, DataError):
        return None
    return number if np.isfinite(number) else None


def _truth(prediction: Prediction, example: Mapping[str, Any]) -> str | None:
    truth = example.get(prediction.target)
    if is_missing(truth):
        return None
    if isinstance(prediction.output, Numbers) and isinstance(truth, float):
        return f"{truth:,.0f}" if 1e6 <= abs(truth) < 1e15 else f"{truth:,.6g}"
    return shown(truth)
