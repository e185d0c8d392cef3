"""Tables and lines for the terminal about a table's columns, a network, a search and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from lamina.estimators.search.trial import named
from lamina.runs.metrics import compared, format_quantity
from lamina.runs.wording import share_in_words, value_in_words
from lamina.table.describe import column_rows
from lamina.table.messages import as_kind, counted
from lamina.table.schema import Schema
from lamina.table.types import CHOICES, Quantity

MOST_ROWS = 60
"""Maximum number of columns shown."""
_TOLD = 0.9
"""The coverage of the interval shown; the report shows intervals of all coverages."""


def titled_table(title: str | None, *columns: str, plain: bool = False) -> Table:
    """Create an empty table with a bold title; a plain table has no header row.

    A column that begins with * is bold, one that ends with > is aligned right; the others break long texts.
    """
    table = Table(
        title=title,
        box=None if plain else box.SIMPLE_HEAD,
        show_header=not plain,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for name in columns:
        is_right, style = name.endswith(">"), "bold" if name.startswith("*") else None
        justify, overflow = ("right", "ellipsis") if is_right else ("left", "fold")
        table.add_column(name.strip("*>"), style=style, justify=justify, overflow=overflow)
    return table


def columns_table(schema: Schema, monotone: Mapping[str, int]) -> Table:
    """Build a table of the columns: kind, missing values, contents, encoding, and constraint."""
    table = titled_table("Columns", "*column", "kind", "missing>", "values", "network inputs")
    fill(table, ((row.cells, row.used) for row in column_rows(schema, monotone)), MOST_ROWS)
    return table


def fill(table: Table, rows: Iterable[tuple[Sequence[str], bool]], most: int) -> None:
    """Add the first rows, cells and whether they stand out, and say how many more there are."""
    rows = list(rows)
    for cells, is_used in rows[:most]:
        table.add_row(*map(escape, cells), style=None if is_used else "dim")
    if len(rows) > most:
        table.add_row(f"… and {len(rows) - most} more", *[""] * (len(table.columns) - 1))


def override_hint(schema: Schema) -> str:
    """A hint on the option that overrides a column's kind, with one of these columns as the example."""
    quantities = [column for column in schema.columns if isinstance(column.type, Quantity)]
    used = [column for column in schema.columns if column.used]
    first = (*quantities, *used, *schema.columns)[0]
    choice = "text" if first.type.choice == "categorical" else "categorical"
    others = [one for one in CHOICES if one not in ("drop", choice, first.type.choice)]
    told = as_kind(first.name, choice) + (f" (or {', '.join(others)})" if others else "")
    options = f"{told}, {as_kind(first.name, 'drop')}"
    return f"to override: {options}, --task classification|regression"


def measured_title(results: Mapping[str, Any]) -> str:
    """The title of the table with a run's metrics.

    >>> measured_title({"measured_rows": 1200, "measured_on": "test"})
    'Metrics on 1,200 test rows'
    """
    return f"Metrics on {counted(results['measured_rows'], results['measured_on'] + ' row')}"


def intervals_said(results: Mapping[str, Any]) -> list[str]:
    """Describe the coverage of a regression's prediction intervals, if it was measured.

    >>> intervals_said({"intervals": [{"coverage": 0.9, "held": 0.912, "width": 1.5}], "measured_on": "test"})
    ['90 % intervals hold 91.2 % of the test rows; mean width 1.5000']
    """
    return [
        f"{100 * one['coverage']:g} % intervals hold {100 * one['held']:.1f} % of the {results['measured_on']} rows; "
        f"mean width {format_quantity(one['width'])}"
        for one in results.get("intervals", [])
        if one["coverage"] == _TOLD
    ]


def quantiles_said(results: Mapping[str, Any]) -> list[str]:
    """Describe a regression's quantiles, if any: the loss, and the coverage between the outermost two.

    >>> one = {"level": 0.05, "share": 0.04, "pinball": 0.25}, {"level": 0.95, "share": 0.93, "pinball": 0.75}
    >>> quantiles_said({"quantiles": one, "outermost": {"coverage": 0.9, "held": 0.89, "width": 1.5}})
    ['pinball loss 0.5000, the mean of the quantiles 0.05 and 0.95', \
'89.0 % of the rows lie between the outermost quantiles, which promise 90 %; mean width 1.5000']
    """
    below, outermost = results.get("quantiles") or [], results.get("outermost")
    lines: list[str] = []
    if below and below[0].get("pinball") is not None:
        mean = sum(one["pinball"] for one in below) / len(below)
        levels = [f"{one['level']:g}" for one in below]
        which = f"the mean of the quantiles {', '.join(levels[:-1])} and {levels[-1]}"
        lines.append(
            f"pinball loss {format_quantity(mean)}, {which if levels[1:] else f'quantile {levels[0]}'}"
        )
    if outermost:
        on = f"{results['measured_on']} rows" if "measured_on" in results else "rows"
        lines.append(
            f"{100 * outermost['held']:.1f} % of the {on} lie between the outermost quantiles, which promise "
            f"{100 * outermost['coverage']:g} %; mean width {format_quantity(outermost['width'])}"
        )
    return lines


def members_table(network: Any) -> Table:
    """Build a table of an ensemble's members: each member's share of the mean, and its settings."""
    table = titled_table(None, "share>", "layers", "activation", "dropout", "normalization")
    for member, share in zip(network.members, network.shares, strict=True):
        parts = member.architecture
        layers = parts.candidate or " – ".join(map(str, parts.widths))
        usual = (parts.activation, parts.dropout, parts.normalization or "none")
        made = ("", "", "") if parts.candidate else usual
        table.add_row(share_in_words(share), layers, *map(value_in_words, made))
    return table


def search_table(chosen: Sequence[Mapping[str, Any]]) -> Table:
    """Build a table of the averaged trials: score, seconds of fitting and of predicting 1,000 rows, and share."""
    table = titled_table("The search", "trial>", "what", "score>", "seconds>", "1,000 rows in>", "share>")
    for one in sorted(chosen, key=lambda one: -one["share"]):
        score = "–" if one["score"] is None else f"{one['score']:.4f}"
        predicting = "–" if one.get("predicting") is None else f"{one['predicting']:.2g} s"
        cells = (str(one["number"]), named(one["settings"]), score, f"{one['seconds']:.1f}", predicting)
        table.add_row(*cells, share_in_words(one["share"]))
    return table


def metrics_table(title: str, metrics: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Build a table with a row per model and a column per metric; the best values are bold."""
    titles, rows = compared(metrics)
    table = titled_table(title, "", *(f"{name}>" for name in titles))
    for model, cells in rows.items():
        table.add_row(model, *(f"[bold]{text}[/bold]" if best else text for text, best in cells))
    return table


def confusion_table(counts: Sequence[Sequence[int]], classes: Sequence[Any]) -> Table:
    """Build the confusion matrix, with true classes as rows and predicted classes as columns."""
    table = Table(title="Confusion matrix: rows are true classes, columns the network's answers")
    table.add_column("", justify="right", style="bold")
    for name in (*map(str, classes), "correct"):
        table.add_column(name, justify="right")
    for i, row in enumerate(counts):
        cells = [str(n) if n else "·" for n in row]
        table.add_row(str(classes[i]), *cells, f"{100 * row[i] / max(1, sum(row)):.1f} %")
    return table
