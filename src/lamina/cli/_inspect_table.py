"""``lamina inspect`` for a table, alone or compared with a new table, and for a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lamina.cli import _table_views as views
from lamina.cli._console import output, say, warnings_as_lines
from lamina.errors import DataError, LaminaError
from lamina.estimators.saved_network import BlockNetwork
from lamina.runs.run_folder import open_model, reading_of
from lamina.runs.wording import decision_said, how_trained
from lamina.support.extras import require
from lamina.support.messages import printable
from lamina.table.describe import column_groups, column_rows, describe_rows, describe_target
from lamina.table.findings.left_out import rows_to_learn
from lamina.table.findings.results import LEVEL, Drift, share_said
from lamina.table.inspection import ColumnFacts, Inspection, Look, read_sample
from lamina.table.messages import counted, format_number, listed, rows_numbered
from lamina.table.places import Places
from lamina.table.read import ReadOptions
from lamina.table.values import number_in

_SHOWN = {
    "column": "*column", "recognized as": "recognized as", "missing": "missing>", "distinct": "distinct>",
    "example": "example", "values": "values",
}  # fmt: skip
"""Columns of the table of columns, as for `titled_table`, by name."""
_NARROW = 72
_MOST_DRIFTS = 20
_LONGEST_EXAMPLE, _LONGEST_NUMBER = 24, 12
_PURPOSE = "inspecting a table"


def inspect_data(
    data: Sequence[str],
    new: Sequence[str],
    reading: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Describe the table in the files `data`, and its differences from the table in the files `new`, if any."""
    require(_PURPOSE, "scikit-learn", "polars")

    with warnings_as_lines():
        found, sizes = _inspected(data, new, ReadOptions(**reading), asked)
    _show(found, sizes, new, as_json=as_json)


def inspect_new(run: Path, new: Sequence[str], reading: Mapping[str, Any], *, as_json: bool) -> None:
    """Compare the table in the files `new` with a run's training table, which is read again."""
    require(_PURPOSE, "scikit-learn", "polars")
    model, details = open_model(run)
    settings = details["settings"] or {}
    data = settings.get("data")
    if not data:
        raise LaminaError(
            f"{run} has no record of its training table, so {new[0]} can't be compared with it; name both tables: "
            f"lamina inspect DATA {new[0]}"
        )
    asked: dict[str, Any] = {
        "target": model.target.name,
        "task": model.target.task,
        "kinds": settings["kinds"],
        "date_format": settings.get("date_format"),
    }

    options = ReadOptions(**{**reading_of(details), "format": settings["options"]["format"], **reading})
    with warnings_as_lines():
        try:
            found, sizes = _inspected(data, new, options, asked)
        except DataError as error:
            if "there is no file" not in str(error):
                raise
            raise LaminaError(
                f"{error} The run in {run} was trained on it; name the training table where it is now: "
                f"lamina inspect DATA --target {model.target.name} {' '.join(new)}"
            ) from error
    _show(replace(found, columns=()), sizes, new, as_json=as_json)


def _inspected(
    data: Sequence[str], new: Sequence[str], options: ReadOptions, asked: Mapping[str, Any]
) -> tuple[Inspection, dict[str, int]]:
    """Inspect the table `data`, and compare it with the table `new`, if any; also return the numbers of rows.

    These are the rows of each table, "rows" and "new_rows", without those that training leaves out, and of the samples
    read from them, "…_read".

    `asked` has the target, and the other choices for columns, as arguments of `Request`.
    """

    places, new_places = Places(), Places()
    how: dict[str, Any] = {name: asked.get(name) for name in ("task", "kinds")}
    frame, numbers, rows = read_sample(data, options, places)
    if target := asked.get("target"):
        with places.named(), rows_numbered(numbers):
            frame, kept = rows_to_learn(frame, target, how["task"])
        rows -= len(numbers) - len(frame)
        numbers = numbers[kept]
    with places.named(), rows_numbered(numbers):
        look = Look(frame, asked.get("target"), **how, dates=asked.get("date_format"))
    sizes = {"rows": rows, "rows_read": len(frame)}
    if not new:
        return look.inspection(), sizes
    as_text = (*options.as_text, *look.schema.text_columns)
    more, new_numbers, new_rows = read_sample(new, replace(options, as_text=as_text), new_places)
    with new_places.named(), rows_numbered(new_numbers):
        return look.inspection(more), sizes | {"new_rows": new_rows, "new_rows_read": len(more)}


def _show(found: Inspection, sizes: dict[str, int], new: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found.to_dict() | sizes))
        return
    console = output()
    if found.columns:
        console.print(_columns_table(found, console.width))
        console.print(views.override_hint(found.schema), style="dim", markup=False)
        if found.schema.target is not None:
            target = found.schema.target
            console.print(f"[bold]Task[/bold]: {escape(f'{describe_target(target)} ({target.reason})')}")
    console.print(f"[bold]Rows[/bold]: {_rows_said(found, sizes, new)}\n")
    _show_findings(console, found, compared=bool(new))
    if found.drift is not None:
        console.print()
        _show_drift(console, found.drift, " ".join(new))


def _sampled(rows: int, read: int) -> str:
    return f", a random sample of {read:,} of them read" if read < rows else ""


def _rows_said(found: Inspection, sizes: Mapping[str, int], new: Sequence[str]) -> str:
    said = f"{sizes['rows']:,}" + _sampled(sizes["rows"], sizes["rows_read"])
    if found.sampled < sizes["rows_read"]:
        said += f"; leakage and drift by a random sample of {found.sampled:,}"
    if new:
        of_new = f"; {sizes['new_rows']:,} in {_in_a_line(' '.join(new))}"
        said += of_new + _sampled(sizes["new_rows"], sizes["new_rows_read"])
    return escape(said)


# --- columns ---------------------------------------------------------------------------------------------------------


def _in_a_line(text: str) -> str:
    """Escape control characters, including line breaks, in text from the data."""
    return printable(text, keep="")


def _columns_table(found: Inspection, width: int) -> Table:
    """Build a table of the columns: recognized kind, missing values, example, and contents.

    Numbered columns of the same kind share a row; a narrow terminal shows fewer details.
    """
    left_out = {"distinct", "example"} if width < _NARROW else set[str]()
    table = views.titled_table("Columns", *(_SHOWN[name] for name in _SHOWN if name not in left_out))
    groups = {group[0].name: group for group in column_groups(found.schema.columns)}
    members = {column.name for group in groups.values() for column in group}
    lines = [facts for facts in found.columns if facts.name in groups or facts.name not in members]
    kept = [i for i, name in enumerate(_SHOWN) if name not in left_out]

    def row(facts: ColumnFacts) -> tuple[Sequence[str], bool]:
        group = groups.get(facts.name, [])
        cells, used = _of_group(found, group) if len(group) > 1 else _of_column(found, facts)
        return [cells[i] for i in kept], used

    views.fill(table, map(row, lines), views.MOST_ROWS)
    return table


def _of_column(found: Inspection, facts: ColumnFacts) -> tuple[Sequence[str], bool]:
    missing = f"{facts.missing:,} ({share_said(facts.missing, found.rows)})" if facts.missing else "–"
    example = _example(facts)
    kind, values, used = "target", "", True
    if facts.schema is not None:
        (row,) = column_rows(replace(found.schema, columns=(facts.schema,)))
        kind, values, used = row.kind, row.values if row.used else row.treatment, row.used
    elif facts.refused:
        kind, values, used = "nothing", "refused, see below", False
    return (_in_a_line(facts.name), kind, missing, f"{facts.distinct:,}", example, values), used


def _example(facts: ColumnFacts) -> str:
    """Format a column's first value; a long number gets fewer digits, and a long text is cut."""
    text = "" if facts.example is None else _in_a_line(facts.example)
    if len(text) > _LONGEST_NUMBER and facts.schema is not None and (number := number_in(text)) is not None:
        return format_number(number)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"


def _of_group(found: Inspection, group: Sequence[Any]) -> tuple[Sequence[str], bool]:
    (row,) = column_rows(replace(found.schema, columns=tuple(group)))
    return (row.name, row.kind, row.missing, "", "", row.values), row.used


# --- findings --------------------------------------------------------------------------------------------------------


def _show_findings(console: Console, found: Inspection, *, compared: bool) -> None:
    """Print a line for each finding, and the names of the checks that found nothing."""
    if found.findings:
        table = views.titled_table("Findings", "", "", "", plain=True)
        for one in found.findings:
            style = "bold yellow" if one.level == "warning" else "dim"
            table.add_row(f"[{style}]{one.level}[/]", one.kind, escape(_in_a_line(one.message)))
        console.print(table)
    kinds = {one.kind for one in found.findings}
    absent = [what for kind, what in _SOUGHT.items() if kind not in kinds]
    if found.schema.target is None:
        absent = [what for what in absent if what != _SOUGHT["leakage"]]
    if absent:
        console.print(f"no {' and no '.join(absent)} found")
    if found.schema.target is None and "target" not in kinds and not compared:
        console.print("--target COLUMN would show leakage, and rows that contradict each other", style="dim")


_SOUGHT = {"leakage": "leakage", "duplicates": "repeated rows"}


# --- drift -----------------------------------------------------------------------------------------------------------


def _show_drift(console: Console, drift: Drift, name: str) -> None:
    """Print the drifted columns with p-values, largest drift first, and the categories that training lacks."""
    found = drift.found
    if found:
        console.print(_drift_table(drift, name))
    alike = len(drift.columns) - len(found)
    of_all = f"{alike} of {counted(len(drift.columns), 'comparison')}"
    console.print(
        f"{of_all} show no drift. By chance alone, fewer than one table in {1 / LEVEL:.0f} shows any (Holm's method); "
        f"a size below {drift.detectable:.2g} would mostly go unnoticed."
    )
    if drift.auc is not None and drift.auc_adjusted is not None:
        sure = drift.auc_adjusted < LEVEL
        result = "tells the tables apart" if sure else "cannot tell the tables apart"
        console.print(
            f"All columns together: a classifier {result} (AUC {drift.auc:.3f}, p {p_said(drift.auc_adjusted)})."
        )
    for column, (names, rows) in list(drift.new_categories.items())[:_MOST_DRIFTS]:
        said = f"{_in_a_line(column)!r}: {counted(names, 'category', 'categories')} that training lacks, in "
        console.print(f"{said}{counted(rows, 'row')} ({share_said(rows, drift.rows)})", markup=False)


def _drift_table(drift: Drift, name: str) -> Table:
    title = escape(f"Drift of {_in_a_line(name)} against training, by size")
    table = views.titled_table(title, "*column", "size>", "change", "test", "p>")
    rows = (
        (_in_a_line(one.column), f"{one.size:.2f}", _in_a_line(one.change), one.test, p_said(one.adjusted))
        for one in drift.found
    )
    views.fill(table, ((row, True) for row in rows), _MOST_DRIFTS)
    return table


def p_said(p_value: float) -> str:
    """Format a p-value as text.

    >>> p_said(0.04321), p_said(1e-30), p_said(1.0)
    ('0.043', '< 0.001', '1')
    """
    return "< 0.001" if p_value < 0.001 else f"{p_value:.2g}"


# --- runs -------------------------------------------------------------------------------------------------------------


def inspect_run(run: Path, *, as_json: bool) -> None:
    """Describe a run's network, its training table, and its metrics."""
    model, details = open_model(run)
    results = details["results"]
    fitted = model.fitted
    if as_json:
        schema = model.schema.to_dict()
        schema["columns"] = [{"kind": column.kind, **column.to_dict()} for column in model.schema.columns]
        said = {} if model.schema.row_form.whole else {"schema": schema}
        print(json.dumps({**_network_summary(fitted), **details, **said}))
        return
    console = output()
    console.print(f"{describe_target(model.target)}", markup=False, style="bold")
    _show_network(console, fitted)
    if done := details.get("done"):
        console.print("\n".join(done))
        return
    if results is None:
        if model.target.reason:
            console.print(f"{model.target.name!r}: {model.target.reason}; --target names it", markup=False)
        if not model.schema.named:
            console.print("columns: without names in training, so a table's columns are taken in order")
        if isinstance(fitted.network, BlockNetwork):
            names = listed([column.name for column in model.schema.columns], limit=20)
            console.print(f"columns: {names}, plain numbers", markup=False)
        else:
            console.print(views.columns_table(model.schema, fitted.monotone))
        say(f"the file has no metrics; with a table with {model.target.name!r}: lamina evaluate {run} DATA")
        return
    ended = ", interrupted" if results["interrupted"] else ""
    rows = describe_rows(results["rows"])
    console.print(f"{how_trained(results)}{ended}; rows: {rows}\n")
    if results.get("search"):
        console.print(views.search_table(results["search"]["chosen"]))
    console.print(views.columns_table(model.schema, fitted.monotone))
    console.print(views.metrics_table(views.measured_title(results), results["metrics"]))
    for column, words in results["words"].items():
        effects = [one["size"] if one["change"] is None else one["change"] for one in words]
        said = ", ".join(f"{one['word']} {x:.3g}" for one, x in zip(words, effects, strict=True))
        said = f"words of {column!r} that change predictions: {printable(said, keep='')}"
        console.print(said, markup=False)
    for text in decision_said(results["decision"]):
        console.print(text, markup=False)


def _network_summary(fitted: Any) -> dict[str, Any]:
    """Summarize the network for JSON; its "architecture" is the first member's."""
    network = fitted.network
    if isinstance(network, BlockNetwork):
        return {"parameters": network.parameter_count, "network": repr(network.block), "shape": network.shape}
    return {
        "parameters": network.parameter_count,
        "members": len(network.members),
        "architecture": vars(network.architecture),
        "networks": [
            {"share": share, "architecture": vars(member.architecture)}
            for member, share in zip(network.members, network.shares, strict=True)
        ],
    }


def _show_network(console: Any, fitted: Any) -> None:
    network, parameters = fitted.network, fitted.network.parameter_count
    if isinstance(network, BlockNetwork):
        console.print(f"{network.said}: {parameters:,} parameters")
        return
    parts, members = network.architecture, network.members
    networks = f"{len(members)} networks"
    if len({(one.architecture, share) for one, share in zip(members, network.shares, strict=True)}) > 1:
        console.print(f"{networks}: {parameters:,} parameters")
        console.print(_inputs(parts))
        console.print(views.members_table(network))
        return
    count = "" if len(members) == 1 else f"{networks} with "
    console.print(f"{count}layers {' – '.join(map(str, fitted.layers))}: {parameters:,} parameters")
    console.print(_inputs(parts))
    hidden = f"activation {parts.activation}{' (learned blend)' if parts.learned_activation else ''}"
    console.print(f"{hidden}, dropout {parts.dropout}, normalization {parts.normalization or 'none'}")


def _inputs(parts: Any) -> str:
    texts = [f"{parts.numbers} numbers" + (" with embeddings" if parts.embeds_numbers else "")]
    if parts.inputs > parts.numbers:
        texts.append(f"{parts.inputs - parts.numbers} one-hot and flag columns")
    if parts.cardinalities:
        texts.append(
            f"{len(parts.cardinalities)} embedded columns of {', '.join(map(str, parts.cardinalities))} codes"
        )
    return "inputs: " + ", ".join(texts)
