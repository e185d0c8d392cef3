"""ROC and precision-recall curves of a report, against scikit-learn's metrics."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from lamina.estimators.meaning import Decision
from lamina.runs.data import Part
from lamina.runs.evaluation import Baseline, Measured, rankings
from lamina.table.places import Places


def measured(classes, rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(-1, classes, rows).astype(np.int32)  # -1: classes that training lacks
    noisy = rng.normal(size=(2, rows, classes)) + np.eye(classes)[target] * (target >= 0)[:, None]
    ours, linear = np.exp(noisy) / np.exp(noisy).sum(axis=2, keepdims=True)
    part = Part(pl.DataFrame(), target, Places(), np.arange(rows))
    return Measured("test", part, ours, {}, {"linear": Baseline(linear), "trivial": Baseline(linear)})


@pytest.mark.parametrize("positive, threshold", [(1, None), (0, 0.8)])
def test_two_classes(positive, threshold):
    found = measured(2)
    known = found.rows.target >= 0
    is_so = found.rows.target[known] == positive
    network, linear = rankings(found, ["a", "b"], Decision(positive=positive, threshold=threshold))
    assert (network.name, linear.name) == ("network", "linear model")
    for one, outputs in ((network, found.outputs), (linear, found.baselines["linear"].outputs)):
        p = outputs[known, positive]
        assert one.share == is_so.mean()
        assert one.roc.area == pytest.approx(roc_auc_score(is_so, p))
        assert one.precision_recall.area == pytest.approx(average_precision_score(is_so, p))
        assert len(one.roc.x) <= 400 and len(one.precision_recall.x) <= 400
        # What is left of the points is the same curve.
        assert np.trapezoid(one.roc.y, one.roc.x) == pytest.approx(one.roc.area, abs=2e-3)
    predicted = found.outputs[known, positive] >= (threshold or 0.5)
    recall, precision = recall_score(is_so, predicted), precision_score(is_so, predicted)
    assert network.precision_recall.decision == pytest.approx((recall, precision))
    assert network.roc.decision == pytest.approx((predicted[~is_so].mean(), recall))
    assert linear.roc.decision is None


def test_of_many_classes_the_worst():
    found = measured(8)
    known = found.rows.target >= 0
    target, names = found.rows.target[known], list("abcdefgh")
    areas = {
        name: average_precision_score(target == j, found.outputs[known, j]) for j, name in enumerate(names)
    }
    worst = sorted(sorted(areas, key=lambda name: areas[name])[:5])
    drawn = rankings(found, names, Decision())
    assert [one.name for one in drawn] == worst
    assert [one.precision_recall.area for one in drawn] == pytest.approx([areas[name] for name in worst])


def test_rows_of_one_class_have_no_curves():
    found = measured(2)
    found.rows.target[:] = 1
    assert rankings(found, ["a", "b"], Decision()) == []
