"""Metrics by name, composed, from functions; and what is refused."""

import math

import numpy as np
import pytest

from lamina import metric, nd
from lamina.errors import DataError, ShapeError

NAMES = {
    "acc": "accuracy",
    "accuracy": "accuracy",
    "top_k_acc": "top_k_accuracy_1",
    "top_k_accuracy": "top_k_accuracy_1",
    "f1": "f1",
    "mcc": "mcc",
    "ce": "cross-entropy",
    "nll_loss": "nll-loss",
    "mae": "mae",
    "mse": "mse",
    "rmse": "rmse",
    "pearsonr": "pearsonr",
    "perplexity": "perplexity",
    "loss": "loss",
}


@pytest.mark.parametrize("name", NAMES)
def test_by_name_and_before_the_first_batch(name: str) -> None:
    made = metric.create(name)
    found, value = made.get()
    assert found == NAMES[name]
    assert math.isnan(value)
    assert metric.create(made) is made


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"unknown metric 'accurracy'\. Did you mean 'accuracy'\?"):
        metric.create("accurracy")
    assert metric.create("top_k_acc", top_k=5).name == "top_k_accuracy_5"


def test_composite() -> None:
    both = metric.create(["acc", metric.MAE()])
    assert isinstance(both, metric.CompositeEvalMetric)
    both.add("mse")
    both.update([np.array([1, 0])], [np.array([1, 1])])
    assert both.get() == (["accuracy", "mae", "mse"], [0.5, 0.5, 0.5])
    assert both.get_metric(1).name == "mae"
    assert both.get_name_value()[0] == ("accuracy", 0.5)
    both.reset()
    assert all(math.isnan(v) for v in both.get()[1])
    assert "accuracy" in str(both)


def test_functions_as_metrics() -> None:
    def largest(label: np.ndarray, pred: np.ndarray) -> float:
        return float(np.abs(label - pred).max())

    for made in (metric.np(largest), metric.create(largest), metric.CustomMetric(largest)):
        made.update(nd.array([1.0, 2.0]), nd.array([1.0, 5.0]))
        made.update(np.array([0.0]), np.array([1.0]))
        assert made.get() == ("largest", 2.0)
    counted = metric.CustomMetric(lambda label, pred: (label.sum(), label.size))
    counted.update([1, 2, 3], [0, 0, 0])
    assert counted.get() == ("custom(<lambda>)", 2.0)


def test_extra_outputs() -> None:
    extra = metric.CustomMetric(lambda label, pred: pred.sum(), "s", allow_extra_outputs=True)
    extra.update([np.ones(1)], [np.ones(1), np.full(1, 9)])
    assert extra.get() == ("s", 1.0)
    with pytest.raises(ShapeError, match="1 arrays of labels, but 2 of predictions"):
        metric.MAE().update([np.ones(1)], [np.ones(1), np.ones(1)])


def test_named_outputs() -> None:
    chosen = metric.MAE(output_names=["y"], label_names=["t"])
    chosen.update_dict({"t": np.zeros(2), "u": np.ones(2)}, {"x": np.ones(2), "y": np.full(2, 4)})
    assert chosen.get() == ("mae", 4.0)
    composite = metric.CompositeEvalMetric([chosen])
    composite.update_dict({"t": np.zeros(2)}, {"y": np.zeros(2)})
    assert composite.get() == (["mae"], [2.0])


@pytest.mark.parametrize(
    ("made", "label", "pred", "message"),
    [
        (
            metric.Accuracy(),
            np.zeros(3),
            np.zeros((4, 2)),
            r"labels of shape \(3,\) do not fit predictions of shape \(4, 2\)",
        ),
        (metric.MSE(), np.zeros(3), np.zeros((3, 2)), r"mse: labels of shape \(3,\)"),
        (metric.CrossEntropy(), np.zeros(3), np.zeros((4, 2)), "cross-entropy: labels"),
        (metric.TopKAccuracy(2), np.zeros(3), np.zeros(3), "must have shape"),
        (metric.TopKAccuracy(2), np.zeros(3), np.zeros((2, 3)), "top_k_accuracy_2: labels"),
    ],
)
def test_shapes_that_do_not_fit(
    made: metric.EvalMetric, label: np.ndarray, pred: np.ndarray, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        made.update(label, pred)


def test_labels_out_of_range() -> None:
    with pytest.raises(DataError, match="labels from 0 to 7, but there are 2 classes"):
        metric.CrossEntropy().update(np.array([0, 7]), np.full((2, 2), 0.5))
    with pytest.raises(DataError, match="classes 0 and 1 only"):
        metric.F1().update(np.array([0, 2]), np.full((2, 3), 0.5))


def test_wrong_settings() -> None:
    for make in (lambda: metric.F1(average="x"), lambda: metric.PearsonCorrelation(average="x")):
        with pytest.raises(ValueError, match="'macro' or 'micro'"):
            make()
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        metric.TopKAccuracy(0)
    with pytest.raises(NotImplementedError, match="EvalMetric must override _add"):
        metric.EvalMetric("x").update([1], [1])


def test_the_number_of_classes_may_be_of_any_type() -> None:
    assert metric.TopKAccuracy(2.0).name == "top_k_accuracy_2"
    with pytest.raises(ValueError, match=r"top_k must be a whole number of classes, not 2\.5"):
        metric.TopKAccuracy(2.5)


def test_sums_of_a_function_are_float64() -> None:
    """With NumPy 1, with which MXNet 1.9.1 runs, a float and a float32 make a float64; with NumPy 2 a float32."""
    mean = metric.CustomMetric(lambda label, pred: pred.mean(), "mean")
    for _ in range(5000):
        mean.update([np.zeros(2, np.float32)], [np.full(2, 0.1, np.float32)])
    assert isinstance(mean.sum_metric, float)
    assert mean.get()[1] == np.float32(0.1)
