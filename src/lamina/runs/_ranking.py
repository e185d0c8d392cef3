"""How well probabilities rank rows: ROC and precision-recall curves, and where on them it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.estimators.meaning import decided
from lamina.runs._measure import Measured

__all__ = ["Curve", "Ranking", "rankings"]

_MOST_CLASSES = 5
_MOST_POINTS = 400
_CALLED = {"lamina": "network", "linear": "linear model"}


@dataclass(frozen=True)
class Curve:
    """Points (x, y) in order, and the area under them that names the curve's quality."""

    x: np.ndarray
    y: np.ndarray
    area: float
    decision: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ranking:
    """The curves of one class by one model.

    Attributes:
        name: of the model, or of several classes that of the class.
        share: how many of the rows are of the class.
        roc: the true positive rate over the false positive rate; its area is the AUC.
        precision_recall: precision over recall; its area is the average precision.
    """

    name: str
    share: float
    roc: Curve
    precision_recall: Curve


def rankings(
    measured: Measured, names: Sequence[str], positive: int, threshold: float | None
) -> list[Ranking]:
    """The curves on rows of known classes; of two classes the network's and the linear model's, for the positive one.

    Of more classes they are the network's for each class against the rest, where there are more than five for those
    with the lowest average precision. None where rows are all of one class.
    """
    known = measured.rows.target >= 0
    target, outputs = measured.rows.target[known], measured.outputs[known]
    if len(names) == 2:
        models = {"lamina": outputs}
        models |= {key: one.outputs[known] for key, one in measured.baselines.items() if key in _CALLED}
        predicted = decided(outputs, positive, threshold) == positive
        found = [
            _ranking(_CALLED[key], target == positive, p[:, positive], predicted if key == "lamina" else None)
            for key, p in models.items()
        ]
        return [one for one in found if one is not None]
    each = (_ranking(name, target == j, outputs[:, j]) for j, name in enumerate(names))
    worst = sorted((one for one in each if one), key=lambda one: one.precision_recall.area)[:_MOST_CLASSES]
    return sorted(worst, key=lambda one: names.index(one.name))


def _ranking(
    name: str, is_so: np.ndarray, probability: np.ndarray, predicted: np.ndarray | None = None
) -> Ranking | None:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    if is_so.all() or not is_so.any():
        return None
    false_rate, true_rate, _ = roc_curve(is_so, probability)
    precision, recall, _ = precision_recall_curve(is_so, probability, drop_intermediate=True)
    at_roc = at_recall = None
    if predicted is not None and predicted.any():
        reached = float(predicted[is_so].mean())
        at_roc = float(predicted[~is_so].mean()), reached
        at_recall = reached, float(is_so[predicted].mean())
    return Ranking(
        name,
        float(is_so.mean()),
        Curve(*_few(false_rate, true_rate), float(auc(false_rate, true_rate)), at_roc),
        Curve(*_few(recall, precision), float(average_precision_score(is_so, probability)), at_recall),
    )


def _few(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As many points as a drawing shows, evenly along the curve."""
    if len(x) <= _MOST_POINTS:
        return x, y
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _MOST_POINTS)))
    return x[kept], y[kept]
