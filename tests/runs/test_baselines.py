"""The linear baseline, on part of the rows."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from lamina.runs import evaluation
from lamina.runs.data import Request, prepare
from lamina.runs.metrics import metrics_of
from lamina.runs.training import train


@pytest.mark.slow
def test_numbers_of_any_size(tmp_path):
    """What ridge regression multiplies would be infinite for a target of 1e200."""
    x = np.linspace(-1, 1, 60)
    scores = []
    for unit in (1.0, 1e200, 1e-200):
        file = tmp_path / f"{unit}.csv"
        pl.DataFrame({"x": x, "y": (2 * x + 1) * unit}).write_csv(file)
        request = Request((str(file),), "y", task="regression", preset="fast", epochs=1, hidden=(4,))
        prepared = prepare(request)
        model = train(prepared, request).model
        outputs = evaluation.baseline_outputs(
            model.estimator, model.estimator.fitted_.encoder, model.schema, prepared, prepared.test
        )
        scores.append(metrics_of("regression", prepared.test.target, outputs["linear"].outputs)["r2"])
    assert scores[0] > 0.9
    np.testing.assert_allclose(scores, scores[0], rtol=1e-6)


@pytest.fixture(scope="module")
def sorted_by_class(tmp_path_factory):
    """A table whose first half is of one class."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    file = tmp_path_factory.mktemp("sorted") / "table.csv"
    pl.DataFrame({"x": labels + 0.3 * rng.normal(size=200), "y": labels}).write_csv(file)
    request = Request((str(file),), "y", preset="fast", epochs=1, hidden=(4,))
    prepared = prepare(request)
    return prepared, train(prepared, request).model


@pytest.mark.slow
def test_few_of_the_rows_are_drawn_from_all(sorted_by_class, monkeypatch):
    prepared, model = sorted_by_class
    monkeypatch.setattr(evaluation, "_MOST_LINEAR_ROWS", 40)
    outputs = evaluation.baseline_outputs(
        model.estimator, model.estimator.fitted_.encoder, model.schema, prepared, prepared.test
    )
    assert np.mean(outputs["linear"].outputs.argmax(axis=1) == prepared.test.target) > 0.85
    shares = np.bincount(prepared.train.target) / len(prepared.train)
    np.testing.assert_array_equal(outputs["trivial"].outputs, np.tile(shares, (len(prepared.test), 1)))


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """A table whose first class by alphabet is one in twenty."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    y = np.where(x + rng.normal(size=2000) > 2.3, "a", "b")
    file = tmp_path_factory.mktemp("rare") / "table.csv"
    pl.DataFrame({"x": x, "y": y}).write_csv(file)
    return file


@pytest.mark.few(1)
@pytest.mark.parametrize("weights", ["balanced", {"a": 10.0}])
def test_the_linear_model_has_the_weights_and_the_threshold(rare, weights):
    """Else a network that has them would be compared with a model that was asked for something else."""
    asked = {"preset": "fast", "epochs": 1, "hidden": (4,), "class_weight": weights, "threshold": "f1"}
    request = Request((str(rare),), "y", **asked)
    prepared = prepare(request)
    model = train(prepared, request).model
    encoder = model.estimator.fitted_.encoder
    found = evaluation.baseline_outputs(model.estimator, encoder, model.schema, prepared, prepared.train)[
        "linear"
    ]
    inputs, names = encoder.transform(prepared.train.frame.drop("y")).numeric, np.array(["a", "b"])
    expected = LogisticRegression(class_weight=weights).fit(inputs, names[prepared.train.target])
    np.testing.assert_allclose(found.outputs, expected.predict_proba(inputs), rtol=1e-3, atol=1e-4)
    is_rare = prepared.train.target == 0
    scores = [f1_score(is_rare, found.outputs[:, 0] >= cut) for cut in np.linspace(0.01, 0.99, 99)]
    assert f1_score(is_rare, found.outputs[:, 0] >= found.threshold) >= max(scores) - 1e-9
