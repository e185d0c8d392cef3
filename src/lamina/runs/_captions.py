"""What the figures of a report show, in words and numbers, for whoever can't see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.estimators.importance import Importance
from lamina.runs._intervals import Covered
from lamina.runs._ranking import Ranking
from lamina.runs._shap import ColumnShap
from lamina.table.messages import format_number

__all__ = [
    "calibration", "confusion", "coverage", "importances", "learning_curves", "precision_recall", "predicted_and_true",
    "residuals", "roc", "search",
]  # fmt: skip

_MOST_NAMED = 10


def learning_curves(
    history: Sequence[Mapping[str, Any]], best: int, loss_name: str, score: str = "loss", sign: int = -1
) -> str:
    """Where the two curves begin and end, and which epoch was kept."""
    first, last = history[0], history[-1]
    text = f"{loss_name} over {len(history)} epochs: training from {first['loss']:.4g} to {last['loss']:.4g}"
    if any(epoch["validation_score"] is None for epoch in history):
        return text + "."
    scores = [sign * epoch["validation_score"] for epoch in history]
    kept, what = scores[best - 1], "" if score == "loss" else f" {score}"
    return f"{text}, validation{what} from {scores[0]:.4g} to {scores[-1]:.4g}; kept is epoch {best} with {kept:.4g}."


def search(
    trials: Sequence[Mapping[str, Any]], best: Sequence[tuple[float, float]], score: str, sign: int
) -> str:
    """How good the best average was at first, halfway and at the end, and which trial is the best by itself."""
    (first, at_first), (last, at_last) = best[0], best[-1]
    middle = [value for seconds, value in best if seconds <= (first + last) / 2][-1]
    alone = max((trial for trial in trials if trial["score"] is not None), key=lambda trial: trial["score"])
    return (
        f"Validation {score} of the best average: {sign * at_first:.4g} after {first:.1f} s, {sign * middle:.4g} after "
        f"{(first + last) / 2:.1f} s, {sign * at_last:.4g} after {last:.1f} s. Of {len(trials)} trials, trial "
        f"{alone['number']} is the best by itself, with {sign * alone['score']:.4g}."
    )


def confusion(counts: np.ndarray, names: Sequence[str]) -> str:
    """How many rows of each class are right, and what the others are most often taken for."""
    said: list[str] = []
    for i in np.argsort(-counts.sum(axis=1), kind="stable")[:_MOST_NAMED]:
        rows, right = int(counts[i].sum()), int(counts[i, i])
        text = f"of {rows:,} rows of {names[i]}, {right:,} are right"
        wrong = np.where(np.arange(len(names)) == i, 0, counts[i])
        if wrong.any():
            text += f" and {int(wrong.max()):,} taken for {names[int(wrong.argmax())]}"
        said.append(text)
    more = f"; and {len(names) - _MOST_NAMED} more classes" if len(names) > _MOST_NAMED else ""
    return _sentence("; ".join(said) + more)


def calibration(said: np.ndarray, so: np.ndarray) -> str:
    """Each bin: what the network says, and how often it is so."""
    bins = ", ".join(f"{100 * a:.0f} % is {100 * b:.0f} %" for a, b in zip(said, so, strict=True))
    return f"What the network says and how often it is so, by bins: {bins}."


def roc(found: Sequence[Ranking]) -> str:
    """The areas under the curves, and where the network decides."""
    areas = ", ".join(f"{one.name} {one.roc.area:.3f}" for one in found)
    at = next((one.roc.decision for one in found if one.roc.decision), None)
    rates = ""
    if at is not None:
        rates = f" As predicted, {100 * at[1]:.1f} % of the class are found, and {100 * at[0]:.2g} % of the others too."
    return f"Area under the ROC curve: {areas}.{rates}"


def precision_recall(found: Sequence[Ranking]) -> str:
    """The average precisions, and where the network decides."""
    areas = ", ".join(f"{one.name} {one.precision_recall.area:.3f}" for one in found)
    at = next((one.precision_recall.decision for one in found if one.precision_recall.decision), None)
    said = "" if at is None else f" As predicted, recall is {at[0]:.3f} and precision {at[1]:.3f}."
    return f"Average precision: {areas}.{said}"


def coverage(found: Sequence[Covered]) -> str:
    """What intervals promise, and what they hold."""
    held = ", ".join(f"{100 * one.coverage:g} % hold {100 * one.held:.1f} %" for one in found)
    return f"Intervals and the share of rows that they hold: {held}."


def predicted_and_true(target: np.ndarray, predicted: np.ndarray) -> str:
    """How closely predictions and true values go together."""
    together = ""
    if target.std() > 0 and predicted.std() > 0:
        together = f" Their correlation is {np.corrcoef(target, predicted)[0, 1]:.3f}."
    return f"Predictions from {_range(predicted)}, true values from {_range(target)}.{together}"


def residuals(target: np.ndarray, predicted: np.ndarray) -> str:
    """The mean, spread and quartiles of the errors."""
    errors = target - predicted
    low, middle, high = map(format_number, np.quantile(errors, [0.25, 0.5, 0.75]))
    spread = f"standard deviation {format_number(errors.std())}"
    return f"Errors: mean {format_number(errors.mean())}, {spread}, quartiles {low}, {middle} and {high}."


def importances(found: Sequence[Importance], unit: str) -> str:
    """The columns that matter most, with their numbers."""
    return f"Growth of {unit}: {_columns(found)}."


def mean_shap(found: Sequence[ColumnShap], added: str) -> str:
    """The columns that add the most to predictions, with their numbers."""
    return f"Mean |SHAP|, {added}: {_columns(sorted(found, key=lambda one: -one.mean))}."


def _columns(found: Sequence[Importance | ColumnShap]) -> str:
    named = ", ".join(f"{one.column} {one.mean:.3g}" for one in found[:_MOST_NAMED])
    return named + (f", and {len(found) - _MOST_NAMED} more columns" if len(found) > _MOST_NAMED else "")


def _range(values: np.ndarray) -> str:
    return f"{format_number(float(values.min()))} to {format_number(float(values.max()))}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
