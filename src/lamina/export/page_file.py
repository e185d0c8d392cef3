"""Export of a network as a self-contained web page, for drawing digits or filling in a table row.

A page contains a description of the prediction as JSON, and its computation as JavaScript.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamina import nd
from lamina.errors import DataError
from lamina.export._describe import describe
from lamina.export._javascript import Script, script_of
from lamina.export._prediction import Classes, Column, Composite, Numbers, Prediction, Table
from lamina.export.warnings import warn_of_texts
from lamina.nd.ndarray import NDArray
from lamina.support.files.atomic import atomic_write
from lamina.support.html import content_policy, filled
from lamina.support.messages import printable
from lamina.table import types
from lamina.table.categories import unknown_values
from lamina.table.columns import as_column, is_missing, value_name
from lamina.table.dates import page_shapes
from lamina.table.number_texts import page_words
from lamina.table.types import ColumnSchema, Mixed
from lamina.table.types.period import Period
from lamina.table.types.vector import Vector


class Page(NamedTuple):
    """A kind of page; NAME.html is its body, and NAME_start.js the program that shows it.

    Attributes:
        scripts: the JavaScript files that the program needs.
        title: the title; {target} is the target.
        act: what a person does with it, as a verb.
        examples: examples that all such pages have; None: a run's rows.
    """

    scripts: tuple[str, ...]
    title: str
    act: str
    examples: Callable[[], list[dict[str, str]]] | None = None


def _digits() -> list[dict[str, str]]:
    """The first of MNIST's test images of each digit."""
    from lamina.support.datasets import mnist

    data = mnist()
    firsts = [data.test_images[np.argmax(data.test_labels == digit)] for digit in range(10)]
    return [{"label": str(digit), "pixels": _base64(image.tobytes())} for digit, image in enumerate(firsts)]


PAGES = {
    "digits": Page(("network.js", "common.js", "digits.js"), "Draw a digit", "draw", _digits),
    "table": Page(
        ("network.js", "common.js", "dates.js", "numbers.js", "table.js"), "Predict {target}", "enter"
    ),
}
"""The kinds of pages, by `RowForm.page`."""


def export_page(
    model: Any, path: str | os.PathLike[str], *, examples: Iterable[Mapping[str, Any]] | None = None
) -> None:
    """Write a page for trying a model: one self-contained file that opens without a server.

    For a run on MNIST the page has a canvas to draw on; for a table a form with a field per column, the prediction, its
    dependence on the most important columns, and example rows to start from. The network runs in the page and matches
    `predict_proba` and `predict` to 1e-5.

    Args:
        model: a run's folder or model file, or a fitted estimator; see `describe`.
        path: the file to write.
        examples: for a table, rows to start from, as dictionaries by column; a target value is shown as
            the truth. The page contains them in readable form. None: a run's ``examples.jsonl``.

    Raises:
        LaminaError: unsupported model, or an operator without a form in JavaScript.
        OSError: the file cannot be written.

    >>> import pathlib, tempfile, numpy as np
    >>> from lamina import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X.ravel())
    >>> path = pathlib.Path(tempfile.mkdtemp(), "page.html")
    >>> export_page(model, path, examples=[{"x0": 0.5}])
    >>> path.read_text("utf-8").splitlines()[0]
    '<!doctype html>'
    """
    write_page(describe(model), path, examples=examples_of(model) if examples is None else examples)


def write_page(
    prediction: Prediction, path: str | os.PathLike[str], *, examples: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Write the page of a prediction; see `export_page`."""
    warn_of_texts(prediction, "a page", _is_read)
    content = page_of(prediction, examples)
    with atomic_write(path, "w") as file:
        file.write(content)


def _is_read(one: ColumnSchema[Any]) -> bool:
    return not isinstance(one.type, types.Composite) or one.type.on_pages(one)


def examples_of(model: Any) -> list[dict[str, Any]]:
    """The example rows that are stored with a run on a table; empty for other models."""
    from lamina.runs.data import read_examples

    return read_examples(model) if isinstance(model, str | os.PathLike) else []


def page_of(prediction: Prediction, examples: Iterable[Mapping[str, Any]] = ()) -> str:
    """Build the page's HTML; see `export_page`."""
    content, computed = page_model(prediction, examples)
    name = prediction.inputs.form.page
    page = PAGES[name]
    if page.examples is not None:
        content["examples"] = page.examples()
    readers = (f"READERS[{_json(tag)}] = {script};" for tag, script in _readers_of(prediction.inputs).items())
    sources = "\n".join((*map(_source, page.scripts), *readers)) + f"\nconst prediction = {computed.text};\n"
    script = f"(() => {{\n{sources}\n{_source(f'{name}_start.js')}}})();\n"
    style = _source("style.css")
    body = filled(_source(f"{name}.html"), _texts(prediction, page))
    parts = {
        "policy": escape(content_policy(script, style)),
        "title": escape(page.title.format(target=_target(prediction))),
        "style": style,
        "body": body,
        "model": _json(content),
        "weights": _base64(computed.content),
        "script": script,
    }
    return filled(_source("page.html"), parts)


# --- assembly ----------------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    return (files("lamina.export") / "page" / name).read_text("utf-8")


def _json(content: Any) -> str:
    """Serialize JSON in ASCII, without characters that HTML could interpret as markup."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


# --- texts --------------------------------------------------------------------------------------------------------


def _target(prediction: Prediction) -> str:
    return shown(prediction.target or "a row")


def _texts(prediction: Prediction, page: Page) -> dict[str, str]:
    from lamina.runs.wording import networks_in_words

    networks = networks_in_words(prediction.network.widths, prediction.network.candidates)
    promise = f"The network runs in this page: nothing that you {page.act} leaves it."
    texts = {
        "about": f"{networks}{_quality(prediction)} {promise}",
        "footer": f"Made by lamina {prediction.version}.",
        "task": "classification" if isinstance(prediction.output, Classes) else "regression",
        "target": _target(prediction),
        "order": "The most important columns come first." if prediction.importance else "",
    }
    return {name: escape(text) for name, text in texts.items()}


def _quality(prediction: Prediction) -> str:
    """The measured quality, as the end of a sentence; only a full stop if the quality is unknown."""
    from lamina.runs.metrics import METRIC_NAMES, format_metric

    if (accuracy := prediction.metrics.get("test_accuracy")) is not None:
        return f" that reads {100 * accuracy:.2f} % of MNIST’s test digits."

    measured = prediction.metrics.items()
    told = [f"{METRIC_NAMES[name]} {format_metric(value, name)}" for name, value in measured]
    return f": {', '.join(told)}." if told else "."


PAGE = "page.html"

_MOST_BYTES, _MOST_COLUMNS = 24 << 20, 2000
"""Maximum bytes of weights and number of columns for a default page, since browsers are slow with more."""


def write_run_page(folder: Path, to: Path | None = None) -> Path | None:
    """Write the page of a complete run into its folder; return the page's path.

    The result is None, and no page is written, if the page would be too large.

    Args:
        folder: the run's folder.
        to: another folder for the page.

    Raises:
        OSError: the folder is not writable.
    """
    prediction = describe(folder)
    if _is_large(prediction):
        return None
    page = (to or folder) / PAGE
    write_page(prediction, page, examples=examples_of(folder))
    return page


def _is_large(prediction: Prediction) -> bool:
    layers = chain.from_iterable(map(pairwise, prediction.network.widths))
    size = sum(4 * inputs * units for inputs, units in layers)
    return size > _MOST_BYTES or len(prediction.inputs.columns) > _MOST_COLUMNS


# --- the description and the computation -----------------------------------------------------------------------------

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
    values = ["values", "decided"] if isinstance(prediction.output, Classes) else ["values"]
    names = [*values, "inputs", "codes"]
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

    rows = [nd.zeros((1, length), dtype=dtype) for length, dtype in prediction.inputs.rows]
    return script_of(computed, rows)


def shown(value: object) -> str:
    """Format a name or value from data for display: printable, shortened, and never blank.

    >>> shown("a\\u2028b"), shown(3.0), shown(" ")
    ('a\\\\u2028b', '3', '(empty)')
    """
    text = printable(value_name(value), keep="")
    if len(text) > _LONGEST_NAME:
        text = text[: _LONGEST_NAME - 1] + "…"
    return text if text.strip() else "(empty)"


def _readers_of(inputs: Table) -> dict[str, str]:
    """The JavaScript readers of composite columns, by the columns' type tag."""
    kinds = [one.schema.type for one in _fields(inputs) if isinstance(one, Composite)]
    return {kind.tag: kind.page_script for kind in kinds}


def _fields(table: Table) -> list[Column | Composite]:
    """The form's fields: columns, and whole composite columns for which the page has a reader."""
    return table.fields(lambda schema: schema.type.on_pages(schema))


def _owner(table: Table, column: Column | Composite) -> str:
    """The name of the table column to which a field belongs."""
    if isinstance(column, Composite):
        return column.schema.name
    place = table.columns.index(column)
    return next((one.schema.name for one in table.composites if place in one.columns), column.name)


def _column(column: Column | Composite, table: Table) -> dict[str, Any]:
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


def _form(column: Column, table: Table) -> dict[str, Any]:
    """The text format of a column, unless its texts are plain numbers."""
    place = table.columns.index(column)
    wholes = [one.schema for one in table.composites if one.schema.type.derives and place in one.columns]
    data = wholes[0].type.page_data(wholes[0]) if wholes else column.schema.type.page_data()
    return {"form": data} if data else {}


def _shared(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Data of the page's parsers of texts that is stored once for all columns: shapes of dates, words of numbers."""
    readers = {column.get("reader") for column in columns}
    found = {"dates": page_shapes()} if readers & {"date", Period.tag} else {}
    return found | ({"numbers": page_words()} if readers & {"written", Mixed.tag, Vector.tag} else {})


def _encoded(value: Any) -> Any:
    """Convert a value for JSON; an array becomes its element type and its bytes in base64."""
    if not isinstance(value, np.ndarray):
        return value
    code = f"{value.dtype.kind}{value.dtype.itemsize}"
    return {"array": code, "bytes": _base64(np.ascontiguousarray(value).tobytes())}


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
    order = sorted(places, key=lambda i: ranks.get(_owner(table, fields[i]), len(ranks)))
    rows = [{"row": _row(table, fields, one), "truth": _truth(prediction, one)} for one in examples]
    return {"order": order, "ranked": bool(ranks), "examples": rows}


def _row(
    table: Table, fields: Sequence[Column | Composite], example: Mapping[str, Any]
) -> list[float | str | None]:
    known = {**example, **_parts(table, fields, example)}
    return [_value(column, known.get(column.name)) for column in fields]


def _parts(table: Table, fields: Sequence[Column | Composite], example: Mapping[str, Any]) -> dict[str, Any]:
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
        with unknown_values({}):
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
