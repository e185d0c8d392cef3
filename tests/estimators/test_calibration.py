"""Temperature scaling: the factor is the likeliest one, and all that it does is to multiply the outputs."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from lamina import MLPClassifier
from lamina.estimators._calibration import MeanLikelihood, OfClasses, OfLabels, best_factor

SMALL = {
    "preset": "fast",
    "number_embedding": False,
    "hidden_layer_sizes": (8,),
    "max_iter": 1,
    "random_state": 0,
    "linear_path": False,  # which is no factor
}
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))


@pytest.mark.parametrize("true_factor", [0.3, 1.0, 2.5])
def test_the_factor_is_that_of_a_logistic_regression_on_the_outputs(true_factor):
    logits = rng.normal(size=(20_000, 1)) * 2
    labels = rng.random(20_000) < 1 / (1 + np.exp(-true_factor * logits[:, 0]))
    factor = best_factor(
        MeanLikelihood(lambda part: OfLabels(logits[part], labels[part, None]), 20_000, None)
    )
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(logits, labels)
    assert factor == pytest.approx(peer.coef_[0, 0], rel=0.01)


def test_few_rows_that_are_all_right_prove_little():
    outputs, target = np.array([[0.0, 1.0]] * 4), np.ones(4)
    factor = best_factor(MeanLikelihood(lambda part: OfClasses(outputs[part], target[part]), 4, None))
    assert 1 < factor < 2


@pytest.mark.parametrize(("rows", "scale"), [(20, 3.0), (75, 0.01), (75, 1.0), (75, 40.0), (5000, 2.0)])
@pytest.mark.parametrize("kind", [OfClasses, OfLabels])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_factor_is_the_most_probable_one_that_scipy_finds(rows, scale, kind, weighted):
    outputs = rng.normal(size=(rows, 3)) * scale
    numbers = (outputs + rng.normal(size=outputs.shape) * scale).argmax(axis=1)
    target = np.eye(3)[numbers] if kind is OfLabels else numbers
    likelihood = MeanLikelihood(
        lambda part: kind(outputs[part], target[part]), rows, rng.random(rows) if weighted else None
    )
    cost = lambda s: 2 / rows * s**2 - likelihood.value(math.exp(s))  # noqa: E731
    bounds = (math.log(0.02), math.log(5))
    peer = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    assert math.log(best_factor(likelihood)) == pytest.approx(peer.x, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("y", [(X[:, 0] > 0) + (X[:, 1] > 0), (X[:, :2] > 0).astype(int)])
@pytest.mark.parametrize("members", [1, 3])
def test_calibration_multiplies_outputs_by_one_factor(y, members):
    scaled, plain = (
        MLPClassifier(**SMALL, members=members, calibrate=calibrate).fit(X, y) for calibrate in (True, False)
    )
    before, after = (
        plain.fitted_.outputs(plain.fitted_.encode(X)),
        scaled.fitted_.outputs(scaled.fitted_.encode(X)),
    )
    factor = float((before * after).sum() / (before * before).sum())
    assert factor != pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(after, factor * before, rtol=1e-3, atol=1e-4)
    assert scaled.best_validation_score_ > plain.best_validation_score_


def test_outputs_of_a_loss_of_ones_own_stay_as_they_are():
    from lamina import nd

    hinge = lambda z, y: nd.sum(nd.maximum(1 - (2 * nd.one_hot(y, 2) - 1) * z, 0.0), axis=1)  # noqa: E731
    y = X[:, 0] > 0
    first, second = (MLPClassifier(**SMALL, loss=hinge, calibrate=c).fit(X, y) for c in (True, False))
    np.testing.assert_array_equal(
        first.fitted_.outputs(first.fitted_.encode(X)), second.fitted_.outputs(second.fitted_.encode(X))
    )


@pytest.mark.parametrize("outputs", [np.ones((9, 3)), np.eye(3)[np.arange(9) % 3] * 1e38, np.zeros((9, 1))])
def test_outputs_that_say_nothing_of_a_factor_leave_it_at_one(outputs):
    target = np.arange(9) % outputs.shape[1]
    assert best_factor(MeanLikelihood(lambda part: OfClasses(outputs[part], target[part]), 9, None)) == 1


def test_an_output_of_minus_infinity_is_a_class_that_is_ruled_out():
    outputs = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0]] * 3)
    ruled_out = np.column_stack([outputs, np.full(9, -np.inf)])
    target = np.array([0, 1, 0] * 3)
    with_it, without = (
        best_factor(MeanLikelihood(lambda part, x=x: OfClasses(x[part], target[part]), 9, None))
        for x in (ruled_out, outputs)
    )
    assert with_it == without
