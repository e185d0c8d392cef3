"""Conversion of a `Prediction` for a page: a description as JSON, and the computation as JavaScript."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina import nd
from lamina.errors import DataError
from lamina.export._javascript import Script, script_of
from lamina.export._prediction import Classes, Column, Composite, Numbers, Prediction, Table, Whole
from lamina.nd.ndarray import NDArray
from lamina.support.messages import printable
from lamina.table.columns import as_column, is_missing, value_name
from lamina.table.dates import page_shapes
from lamina.table.types import Mixed
from lamina.table.written_numbers import page_words

_LONGEST_NAME = 120
"""Maximum length of a displayed name or value, in characters."""


def page_model(
    prediction: Prediction, examples: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], Script]:
    """Convert a prediction to the page's description and its computation.

    Args:
        prediction: the prediction.
        examples: for a table, rows as dictionaries by column name; a target value is shown as the truth.

    Returns:
        The description, including the script's arrays, as JSON values; and the script.

    Raises:
        LaminaError: an operator of the model has no JavaScript form.
    """
    script, inputs = _computed(prediction), prediction.inputs
    names = [
        *(["values", "decided"] if isinstance(prediction.output, Classes) else ["values"]),
        "inputs",
        "codes",
    ]
    fields = _fields(inputs)
    columns = [_column(column, inputs) for column in fields]
    content: dict[str, Any] = {
        "arrays": script.arrays,
        "results": dict(zip(names, script.results, strict=False)),
        "inputs": {"columns": columns},
        **_names(prediction),
        **_table(prediction, fields, examples),
        **_shared(columns),
    }
    return content, script


def _computed(prediction: Prediction) -> Script:
    """Translate the prediction of a row to JavaScript; further results are the network's inputs, if encoded."""
    network, meaning = prediction.network, prediction.output.traced
    encoded: Any = prediction.inputs.encoded

    def computed(*row: NDArray) -> list[NDArray]:
        numeric, codes = encoded(*row)
        further = [] if numeric is row[0] else [numeric, *([] if codes is None else [codes])]
        return [*meaning(network(numeric, codes)), *further]

    return script_of(
        computed, [nd.zeros((1, length), dtype=dtype) for length, dtype in prediction.inputs.rows]
    )


def shown(value: object) -> str:
    """Format a name or value from data for display: printable, shortened, and never blank.

    >>> shown("a\\u2028b"), shown(3.0), shown(" ")
    ('a\\\\u2028b', '3', '(empty)')
    """
    text = printable(value_name(value), keep="")
    if len(text) > _LONGEST_NAME:
        text = text[: _LONGEST_NAME - 1] + "…"
    return text if text.strip() else "(empty)"


def readers_of(inputs: Table | Whole) -> dict[str, str]:
    """The JavaScript readers of composite columns, by the columns' type tag."""
    kinds = [one.schema.type for one in _fields(inputs) if isinstance(one, Composite)]
    return {kind.tag: kind.page_script for kind in kinds}


def _fields(table: Table | Whole) -> list[Column | Composite]:
    """The form's fields: columns, and whole composite columns for which the page has a reader."""
    return table.fields(lambda schema: bool(schema.type.page_script))


def _owner(table: Table | Whole, column: Column | Composite) -> str:
    """The name of the table column to which a field belongs."""
    if isinstance(column, Composite):
        return column.schema.name
    place = table.columns.index(column)
    return next((one.schema.name for one in table.composites if place in one.columns), column.name)


def _column(column: Column | Composite, table: Table | Whole) -> dict[str, Any]:
    if isinstance(column, Composite):
        kind, schema = column.schema.type, column.schema
        example = kind.example(schema)
        return {
            "name": shown(schema.name),
            "reader": kind.tag,
            "data": {name: _encoded(value) for name, value in kind.page_data(schema).items()},
            "parts": [int(not table.columns[place].is_number) for place in column.columns],
            "typical": None if is_missing(example) else value_name(example),
        }
    schema, name = column.schema, shown(column.name)
    if not column.is_number:
        return {"name": name, "names": [*map(shown, schema.categories)], "counts": schema.counts}
    return {
        "name": name,
        "unit": schema.type.unit,
        "reader": schema.type.reader,
        **_form(column, table),
        "whole": schema.type.is_whole(schema),
        **{what: getattr(column, what) for what in ("center", "factor", "fill", "rough", "exact")},
        "low": schema.low,
        "high": schema.high,
    }


def _form(column: Column, table: Table | Whole) -> dict[str, Any]:
    """The text format of a column, unless its texts are plain numbers."""
    place = table.columns.index(column)
    wholes = [one.schema for one in table.composites if one.schema.type.derives and place in one.columns]
    data = wholes[0].type.page_data(wholes[0]) if wholes else column.schema.type.page_data()
    return {"form": data} if data else {}


def _shared(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Data of the page's parsers of texts that is stored once for all columns: shapes of dates, words of numbers."""
    readers = {column.get("reader") for column in columns}
    found = {"dates": page_shapes()} if "date" in readers else {}
    return found | ({"numbers": page_words()} if readers & {"written", Mixed.tag} else {})


def _encoded(value: Any) -> Any:
    """Convert a value for JSON; an array becomes its element type and its bytes in base64."""
    if not isinstance(value, np.ndarray):
        return value
    code = f"{value.dtype.kind}{value.dtype.itemsize}"
    return {"array": code, "bytes": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")}


def _names(prediction: Prediction) -> dict[str, Any]:
    output = prediction.output
    if isinstance(output, Classes):
        names = [shown(label) for label in output.labels]
        decided = {"threshold": output.threshold, "positive": output.positive}
        return {"output": decided, "classes": names, "several": output.multilabel, "outputs": names}
    name = shown(prediction.target or "prediction")
    count = len(output.center)
    if output.levels:
        names = [f"{name}, quantile {level:g}" for level in output.levels]
    else:
        names = [name] if count == 1 else [f"{name} {i}" for i in range(1, count + 1)]
    return {"output": {}, "outputs": names, "low": float(output.low[0]), "high": float(output.high[0])}


def _table(
    prediction: Prediction, fields: Sequence[Column | Composite], examples: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    ranks = {name: rank for rank, name in enumerate(prediction.importance)}
    table, places = prediction.inputs, range(len(fields))
    return {
        "order": sorted(places, key=lambda i: ranks.get(_owner(table, fields[i]), len(ranks))),
        "ranked": bool(ranks),
        "examples": [
            {"row": _row(table, fields, example), "truth": _truth(prediction, example)}
            for example in examples
        ],
    }


def _row(
    table: Table | Whole, fields: Sequence[Column | Composite], example: Mapping[str, Any]
) -> list[float | str | None]:
    known = {**example, **_parts(table, fields, example)}
    return [_value(column, known.get(column.name)) for column in fields]


def _parts(
    table: Table | Whole, fields: Sequence[Column | Composite], example: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of the parts, by name, of composite columns that the page can't read as a whole.

    For a column with derived parts, a number in `example` is the first part's value, as in a run's ``examples.jsonl``.
    """
    found: dict[str, Any] = {}
    for one in table.composites:
        name, schema = one.schema.name, one.schema
        given = example.get(name)
        if one in fields or given is None or (one.derived and not isinstance(given, str)):
            continue
        try:
            columns = schema.type.split(schema, as_column([given], name))
        except (TypeError, ValueError, OverflowError, DataError):
            continue
        for part, column in zip(schema.parts, columns, strict=True):
            found[part.name] = next((value for value, _ in column.value_counts()), None)
    return found


def _value(column: Column | Composite, value: Any) -> float | str | None:
    """Convert an example's value for a field: to a number, a category's code, or a composite column's text.

    Missing and invalid values become None, or code 0.
    """
    if isinstance(column, Composite):
        return None if is_missing(value) else value_name(value)
    if not column.is_number:
        return 0 if is_missing(value) else column.spellings.get(value_name(value), 0)
    try:
        number = float(column.schema.type.fitted(column.name, as_column([value])).numbers()[0])
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
