"""The part of a report that tells which columns matter: to how good predictions are, and to what they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.estimators.importance import REPEATS, Importance
from lamina.runs import _captions as captions
from lamina.runs import _figures as figures
from lamina.runs._html import escape, figure, section, small, table
from lamina.runs._shap import MeanShap
from lamina.table.messages import counted

__all__ = ["importance_section"]

_MOST = 30  # columns
_MOST_CLASSES = 8


def importance_section(
    importance: Sequence[Importance],
    shap: MeanShap | None,
    *,
    unit: str,
    added: str,
    classes: Sequence[str],
    rows: str,
    pictures: bool,
) -> str:
    """The section; empty without importances.

    Args:
        importance: of the columns, the greatest first.
        shap: what the same columns add to predictions, if that is known.
        unit: the loss that importance is measured in.
        added: what it is that columns add to.
        classes: the classes' names; () of numbers.
        rows: on how many importance was measured, in words.
        pictures: whether to draw figures; else there are tables.
    """
    if not importance:
        return ""
    shown = _figures(importance, shap, unit, added) if pictures else _tables(importance, shap, unit, added)
    notes = small(
        f"Permutation importance (Breiman, 2001): how much {unit} grows when the column is shuffled, on {rows}; the "
        f"mean of {REPEATS} shuffles, with a 95&nbsp;% interval over rows and shuffles. A column whose interval holds "
        "0 is not needed, or others say the same."
    )
    if shap is None:
        return section("Which columns matter", shown + notes)
    by_class = _by_class(shap, classes) if shap.columns[0].classes else ""
    return section("Which columns matter", shown + notes + small(_shap_note(shap, added, classes)) + by_class)


def _figures(importance: Sequence[Importance], shap: MeanShap | None, unit: str, added: str) -> str:
    most = importance[:_MOST]
    svg = figures.importances(most, unit, wide=shap is None)
    first = figure(svg, "Importance", captions.importances(most, unit))
    if shap is None:
        return first
    svg = figures.mean_shap(shap.columns, added)
    second = figure(svg, "What columns add", captions.mean_shap(shap.columns, added))
    return f"<div class='row level'>{first}{second}</div>"


def _tables(importance: Sequence[Importance], shap: MeanShap | None, unit: str, added: str) -> str:
    def cells(name: str, mean: float, low: float, high: float) -> list[str]:
        return [escape(name), f"{mean:.4g}", f"{low:.4g} … {high:.4g}"]

    head = ["column", f"growth of {escape(unit)}", "95&nbsp;% interval"]
    rows = [cells(one.column, one.mean, one.low, one.high) for one in importance]
    shown = table(head, rows, numeric=(1, 2))
    if shap is not None:
        head = ["column", f"mean |SHAP|, {escape(added)}", "95&nbsp;% interval"]
        rows = [cells(one.column, one.mean, one.low, one.high) for one in shap.columns]
        shown += table(head, rows, numeric=(1, 2))
    return shown


def _shap_note(shap: MeanShap, added: str, classes: Sequence[str]) -> str:
    what = (
        f"how much the column adds to {escape(added)}, up or down"
        if not classes
        else "how much probability the column moves from some classes to others"
    )
    return (
        f"Mean |SHAP| (Lundberg and Lee, 2017): {what}, in the mean over {counted(shap.rows, 'row')}, each "
        f"compared with {shap.background} others, with a 95&nbsp;% interval over rows. It tells what predictions "
        "depend on, also where they are wrong."
    )


def _by_class(shap: MeanShap, names: Sequence[str]) -> str:
    """A table of columns and classes: those classes that columns move the most."""
    values = np.array([one.classes for one in shap.columns])
    shown = np.sort(np.argsort(-values.sum(axis=0), kind="stable")[:_MOST_CLASSES])
    head = ["column", *(escape(names[int(i)]) for i in shown)]
    rows = [[escape(one.column), *(f"{one.classes[i]:.4f}" for i in shown)] for one in shap.columns]
    what = "each class" if len(shown) == len(names) else f"the {len(shown)} classes that are moved the most"
    content = table(head, rows, numeric=range(1, len(head)))
    return f"<details><summary>Mean |SHAP| of {what}</summary>{content}</details>"
