"""How a run decides between classes, in data and in words, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.runs._model import TableModel
from lamina.table.columns import value_name

__all__ = ["decision_of", "decision_said"]


def decision_of(model: TableModel) -> dict[str, Any] | None:
    """Of a classification the number of classes and, of two, the positive one and its threshold, as JSON holds it."""
    if model.target.task == "regression":
        return None
    classes = model.fitted.target.values.tolist()
    if len(classes) != 2:
        return {"classes": len(classes), "positive": None, "threshold": None}
    return {"classes": 2, "positive": value_name(classes[model.positive]), "threshold": model.threshold}


def decision_said(decision: Mapping[str, Any] | None) -> list[str]:
    """A line on what F1 and average precision are of, and from which probability on the positive class is predicted.

    >>> decision_said({"classes": 2, "positive": "fraud", "threshold": 0.25})
    ['F1 and average precision are of fraud, which is predicted from a probability of 0.25 on']
    >>> decision_said({"classes": 3, "positive": None, "threshold": None}), decision_said(None)
    (['F1, average precision and AUC are means over the 3 classes'], [])
    """
    if decision is None:
        return []
    if decision["positive"] is None:
        return [f"F1, average precision and AUC are means over the {decision['classes']} classes"]
    threshold = decision["threshold"]
    how = "" if threshold is None else f", which is predicted from a probability of {threshold:.3g} on"
    return [f"F1 and average precision are of {decision['positive']}{how}"]
