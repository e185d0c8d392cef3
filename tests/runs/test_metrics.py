"""Metrics: of numbers of any size; of classes as scikit-learn has them."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    roc_auc_score,
)

from lamina.estimators.meaning import Decision
from lamina.runs.metrics import compared, metrics_of


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e160, 1e200, 1e307])
def test_metrics_of_extreme_numbers(unit):
    target, outputs = np.array([1.0, 3.0, 4.0]), np.array([1.5, 2.0, 4.0])
    usual = metrics_of("regression", target, outputs)
    extreme = metrics_of("regression", target * unit, outputs * unit)
    assert extreme["r2"] == pytest.approx(usual["r2"])
    assert extreme["rmse"] / unit == pytest.approx(usual["rmse"])
    assert extreme["mae"] / unit == pytest.approx(usual["mae"])


@pytest.mark.parametrize("unit, shown", [(1e-30, "5e-31"), (1e30, "5e+29"), (1.0, "0.5000"), (1e5, "50,000")])
def test_extreme_numbers_can_be_read(unit, shown):
    metrics = metrics_of("regression", np.array([1.0, 3.0]) * unit, np.array([1.5, 2.5]) * unit)
    _, rows = compared({"lamina": metrics})
    assert [text for text, _ in rows["lamina"]] == [shown, shown, "0.7500"]


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_classes_are_those_of_scikit_learn(classes, seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, 400)
    scores = rng.normal(size=(400, classes)) + 0.8 * np.eye(classes)[target]
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    predicted = p.argmax(axis=1)
    found = metrics_of("classification", target, p)
    several = {"average": "macro"} if classes > 2 else {}
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(target, predicted),
            "balanced_accuracy": balanced_accuracy_score(target, predicted),
            "f1": f1_score(target, predicted, **several),
            "average_precision": average_precision_score(target, p if classes > 2 else p[:, 1]),
            "auc": roc_auc_score(target, p, multi_class="ovr")
            if classes > 2
            else roc_auc_score(target, p[:, 1]),
            "log_loss": log_loss(target, p),
        }
    )


@pytest.mark.parametrize("positive", [0, 1])
def test_a_threshold_decides_what_is_counted(positive):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 300)
    p = rng.random(300)
    p = np.c_[1 - p, p]
    predicted = np.where(p[:, positive] >= 0.3, positive, 1 - positive)
    found = metrics_of("classification", target, p, Decision(positive=positive, threshold=0.3))
    assert found["accuracy"] == accuracy_score(target, predicted)
    assert found["f1"] == f1_score(target, predicted, pos_label=positive)
    assert found["balanced_accuracy"] == balanced_accuracy_score(target, predicted)
    assert found["average_precision"] == average_precision_score(target == positive, p[:, positive])


def test_what_is_not_defined_has_no_number():
    p = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = metrics_of("classification", np.array([0, 0]), p)
    assert (found["f1"], found["average_precision"], found["auc"]) == (None, None, None)
    assert (found["accuracy"], found["balanced_accuracy"]) == (1.0, 1.0)
    assert set(metrics_of("classification", np.array([-1, -1]), p).values()) == {0.0, None}
    assert set(metrics_of("classification", np.array([], int), p[:0]).values()) == {None}
