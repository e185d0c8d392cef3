"""Calibration: the factor, and the factors and constants of classes, are the most probable ones, in the last layer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from sklearn.linear_model import LogisticRegression

import lamina
from lamina import MLPClassifier, nd
from lamina.estimators._calibration import MeanLikelihood, OfClasses, OfLabels, best_factor, class_map
from lamina.export import describe
from lamina.export.traced import prediction_of

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


# --- factors and constants of classes -------------------------------------------------------------------------------


def drawn(outputs, matrix, constants, seed=0):
    """Class numbers drawn by the softmax of outputs · matrix + constants."""
    noise = np.random.default_rng(seed).gumbel(size=outputs.shape)
    return (outputs @ matrix + constants + noise).argmax(axis=1)


def loss_of(outputs, target):
    return -OfClasses(outputs, target).values(1.0).mean()


def test_a_known_distortion_of_outputs_is_undone():
    outputs = 2 * np.random.default_rng(1).normal(size=(40_000, 4))
    changes = np.array([0.3, -0.2, 0.0, 0.1])
    true = np.eye(4) + (np.eye(4) - 1 / 4) * changes, np.array([0.5, -0.5, 0.3, 0.0])
    target = drawn(outputs, *true)
    matrix, constants = class_map(outputs, target, None)
    new = 2 * np.random.default_rng(2).normal(size=(40_000, 4))
    told = drawn(new, *true, seed=3)
    best, before, after = (
        loss_of(new @ true[0] + true[1], told),
        loss_of(new, told),
        loss_of(new @ matrix + constants, told),
    )
    assert after - best < 0.01 * (before - best)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_map_is_the_most_probable_one_that_scipy_finds(weighted):
    r = np.random.default_rng(0)
    outputs = 3 * r.normal(size=(500, 3))
    target = drawn(outputs, np.diag([1.5, 1.0, 0.8]), [0.5, 0, 0])
    weights = r.random(500) * 2 if weighted else None
    z = outputs - outputs.mean(axis=1, keepdims=True)
    size = np.sqrt(np.mean(z * z))

    def cost(found):
        losses = -OfClasses(z + z / size * found[:3] + found[3:], target).values(1.0)
        return (losses if weights is None else losses * weights).sum() + found @ found / (2 * 0.1**2)

    peer = minimize(cost, np.zeros(6), tol=1e-9).x
    matrix, constants = class_map(outputs, target, weights)
    np.testing.assert_allclose(constants, peer[3:], atol=1e-4)
    np.testing.assert_allclose(np.diag(matrix), 1 + 2 / 3 * peer[:3] / size, atol=1e-4)


@given(
    st.integers(3, 6), st.integers(100, 400), st.floats(0.1, 10.0), st.floats(0.0, 3.0), st.integers(0, 1000)
)
def test_no_rows_that_the_map_is_fitted_to_are_worse_and_row_constants_change_nothing(
    k, rows, scale, noise, seed
):
    r = np.random.default_rng(seed)
    outputs = scale * r.normal(size=(rows, k))
    target = (outputs + noise * scale * r.normal(size=(rows, k))).argmax(axis=1)
    found, shifted = (class_map(x, target, None) for x in (outputs, outputs + r.normal(size=(rows, 1))))
    if found is None:
        assert shifted is None and loss_of(outputs, target) * rows < 20.01 * k
        return
    matrix, constants = found
    assert loss_of(outputs @ matrix + constants, target) <= loss_of(outputs, target)
    np.testing.assert_allclose(shifted[0], matrix, atol=1e-8)
    np.testing.assert_allclose(shifted[1], constants, atol=1e-8)


def test_whole_weights_count_as_often_as_rows_and_probabilities_as_classes():
    outputs = np.random.default_rng(4).normal(size=(600, 3))
    target = drawn(outputs, np.eye(3), [0.4, 0, 0])
    times = np.arange(600) % 3
    of_weights, of_rows = (
        class_map(outputs, target, times),
        class_map(outputs.repeat(times, 0), target.repeat(times), None),
    )
    one_hot = class_map(outputs, np.eye(3)[target], times)
    for i in range(2):
        np.testing.assert_allclose(of_weights[i], of_rows[i], atol=0.02)
        np.testing.assert_array_equal(of_weights[i], one_hot[i])


@pytest.mark.parametrize(
    "outputs", [np.zeros((90, 3)), np.full((90, 3), np.inf), 50 * np.eye(3)[np.arange(90) % 3]]
)
def test_rows_that_say_nothing_of_classes_give_no_map(outputs):
    with np.errstate(invalid="ignore"):
        assert class_map(outputs, np.arange(90) % 3, None) is None


ROWS = np.random.default_rng(5).normal(size=(900, 3))
NOISE = np.random.default_rng(6).normal(size=900)
RARE = np.where(ROWS[:, 0] + NOISE > 0.8, 2, (ROWS[:, 1] > 0).astype(int))


class WithoutClassMap(MLPClassifier):
    def _calibrate_classes(self, outputs, held_out):
        """Calibrated by one factor only."""
        return True


def class_models(y=RARE, **settings):
    """A model, and the same one without factors and constants of classes."""
    chosen = {**SMALL, "max_iter": 6, "members": 2, **settings}
    return MLPClassifier(**chosen).fit(ROWS, y), WithoutClassMap(**chosen).fit(ROWS, y)


@pytest.mark.parametrize("settings", [{}, {"linear_path": True}, {"preset": "medium"}], ids=str)
def test_the_last_layers_hold_the_map(settings):
    model, plain = class_models(**settings)
    before, after = (one.fitted_.outputs(one.fitted_.encode(ROWS)) for one in (plain, model))
    inputs = np.column_stack([before, np.ones(len(ROWS))])
    found, *_ = np.linalg.lstsq(inputs.astype(float), after.astype(float))
    np.testing.assert_allclose(inputs @ found, after, atol=1e-4)
    assert np.abs(found[:3] - found[0, 0] * np.eye(3)).max() > 1e-3
    assert model.best_validation_score_ > plain.best_validation_score_
    assert [x.shape for x in model.coefs_] == [x.shape for x in plain.coefs_]


@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (ROWS[:, 0] > 0, {}),
        ((ROWS > 0).astype(int), {}),
        (RARE, {"calibrate": False}),
        (RARE, {"early_stopping": False}),
    ],
    ids=["two classes", "labels", "uncalibrated", "none held out"],
)
def test_where_there_is_no_map_all_bits_stay(y, settings):
    model, plain = class_models(y, **settings)
    np.testing.assert_array_equal(model.predict_proba(ROWS), plain.predict_proba(ROWS))


@pytest.mark.parametrize("sign", [1, -1])
def test_outputs_whose_score_would_fall_stay(sign):
    model, plain = class_models(scoring=lambda y, p: sign * float(p[:, 1].mean()))
    assert model.best_validation_score_ >= plain.best_validation_score_
    if model.best_validation_score_ == plain.best_validation_score_:
        np.testing.assert_array_equal(model.predict_proba(ROWS), plain.predict_proba(ROWS))
    else:
        assert np.abs(model.predict_proba(ROWS) - plain.predict_proba(ROWS)).max() > 1e-3


def test_files_and_graphs_hold_the_map(tmp_path):
    model, plain = class_models()
    expected = model.predict_proba(ROWS)
    assert np.abs(expected - plain.predict_proba(ROWS)).max() > 1e-3
    lamina.save(model, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.safetensors").predict_proba(ROWS), expected)
    found, *_ = prediction_of(describe(model))(nd.array(ROWS, dtype="float64"), None)
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-6, atol=1e-6)
