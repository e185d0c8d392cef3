"""Several quantiles in one model: what they are, that they never cross, and that everything around them knows."""

import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score, mean_pinball_loss

import lamina
from lamina import MLPRegressor
from lamina.estimators.targets import Numbers, Quantiles, pinball

LEVELS = [0.1, 0.5, 0.9]
SMALL = {"preset": "fast", "hidden_layer_sizes": (16,), "members": 2, "random_state": 0}
ASKED = {"loss": "quantile", "quantile": LEVELS}
rng = np.random.default_rng(0)
X = rng.uniform(0, 1, (800, 2))
Y = 2 * X[:, 0] + rng.normal(0, 0.1 + X[:, 0])
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def model():
    return MLPRegressor(**SMALL, **ASKED).fit(X[:600], Y[:600])


@pytest.mark.slow
def test_each_is_the_value_below_which_its_share_lies(model):
    found = model.predict(X[600:])
    assert found.shape == (200, 3) and found.dtype == np.float64
    shares = (Y[600:, None] <= found).mean(axis=0)
    np.testing.assert_allclose(shares, LEVELS, atol=4 * np.sqrt(0.25 / 200))
    spread = found[:, 2] - found[:, 0]
    assert spread[X[600:, 0] > 0.8].mean() > 2 * spread[X[600:, 0] < 0.2].mean()


@given(arrays(np.float32, (4, 5), elements=finite), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_predictions_never_cross(outputs, center, scale):
    one = [np.array([x]) for x in (center - 9 * scale, center + 9 * scale, center, scale)]
    target = Quantiles.of_numbers(Numbers(*one, flat=True), [0.1, 0.2, 0.3, 0.4, 0.5])
    assert (np.diff(target.predictions(outputs), axis=1) >= 0).all()
    assert (np.diff(target.clamped(outputs), axis=1) >= 0).all()


@given(
    arrays(np.float64, (5, 3), elements=st.floats(-9, 9)), arrays(np.float64, 5, elements=st.floats(-9, 9))
)
def test_the_pinball_loss_is_scikit_learns_and_order_does_not_raise_it(predicted, target):
    found = pinball(target, predicted, LEVELS).mean()
    theirs = [mean_pinball_loss(target, p, alpha=level) for p, level in zip(predicted.T, LEVELS, strict=True)]
    np.testing.assert_allclose(found, np.mean(theirs), atol=1e-12)
    assert pinball(target, np.sort(predicted, axis=1), LEVELS).mean() <= found + 1e-12


@pytest.mark.slow
def test_the_training_loss_is_the_pinball_loss():
    model = MLPRegressor(**SMALL, **ASKED, early_stopping=False, dropout=0.0, max_iter=1, batch_size=600)
    model.set_params(
        learning_rate_init=1e-30, members=1
    )  # so that the network after the step is that before it
    model.fit(X[:600], Y[:600])
    fitted = model.fitted_
    outputs = fitted.outputs(fitted.encode(X[:600]))
    scaled = fitted.target.encode(Y[:600])[:, 0]
    np.testing.assert_allclose(model.loss_, pinball(scaled, outputs, LEVELS).mean(), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.pictures
def test_scores(model):
    predicted = model.predict(X[600:])
    theirs = [d2_pinball_score(Y[600:], p, alpha=level) for p, level in zip(predicted.T, LEVELS, strict=True)]
    assert model.score(X[600:], Y[600:]) == pytest.approx(np.mean(theirs))
    seen = []
    asked = MLPRegressor(
        **SMALL | {"max_iter": 2},
        **ASKED,
        scoring=lambda truth, found: seen.append((truth.shape, found.shape)) or 0,
    )
    asked.fit(X[:100], Y[:100])
    assert {(len(truth), len(found)) for truth, found in seen} == {(1, 2)} and seen[0][1][1] == 3
    assert model.best_validation_score_ < 0  # minus the loss
    assert model.plot_importance().unit == "pinball loss"


def test_files_pickles_and_clones(model, tmp_path):
    lamina.save(model, tmp_path / "m.safetensors")
    for copy in (lamina.load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        assert copy.fitted_.target.levels == tuple(LEVELS)
    assert clone(model).quantile == LEVELS


@pytest.mark.slow
def test_levels_may_be_an_array_and_are_in_the_file(tmp_path):
    model = MLPRegressor(**SMALL | ASKED | {"max_iter": 2, "quantile": np.array(LEVELS)}).fit(X, Y)
    lamina.save(model, tmp_path / "m.safetensors")
    again = lamina.load(tmp_path / "m.safetensors")
    assert again.quantile == LEVELS
    np.testing.assert_array_equal(again.fit(X, Y).predict(X), model.predict(X))
    alone = MLPRegressor(**SMALL | ASKED | {"max_iter": 2, "quantile": np.array(0.5)}).fit(X, Y)
    assert alone.predict(X).shape == Y.shape


def test_each_quantile_is_explained_by_its_name(model):
    assert model.shap_values(X[:2]).output_names == tuple(f"quantile {level:g}" for level in LEVELS)


def test_a_warm_start_has_the_same_quantiles():
    model = MLPRegressor(**SMALL | ASKED | {"max_iter": 2}, warm_start=True).fit(X, Y).fit(X, Y)
    for quantile in ([0.2, 0.8], 0.5):
        with pytest.raises(ValueError, match=r"the quantiles were \[.*\] and are now .*train a new one"):
            model.set_params(quantile=quantile).fit(X, Y)


@pytest.mark.slow
def test_one_level_in_a_list_is_one_column():
    found = MLPRegressor(**SMALL | {"max_iter": 2}, loss="quantile", quantile=[0.9]).fit(X, Y).predict(X)
    alone = MLPRegressor(**SMALL | {"max_iter": 2}, loss="quantile", quantile=0.9).fit(X, Y).predict(X)
    np.testing.assert_allclose(found[:, 0], alone, rtol=1e-5, atol=1e-5)


def test_weights_and_an_eval_set():
    weights = np.where(X[:, 1] < 0.5, 1.0, 0.0)
    mixed = np.where(X[:, 1] < 0.5, Y, Y + 100)
    model = MLPRegressor(**SMALL, **ASKED).fit(X, mixed, sample_weight=weights, eval_set=(X[:100], Y[:100]))
    assert model.predict(X).max() < 50


@pytest.mark.slow
def test_a_table_that_is_streamed():
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
    model = MLPRegressor(**SMALL, **ASKED).fit(frame.lazy(), "y")
    found = model.predict(frame.drop("y"))
    np.testing.assert_allclose((Y[:, None] <= found).mean(axis=0), LEVELS, atol=0.1)
    np.testing.assert_array_equal(model.predict(frame.lazy()), found)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"quantile": [0.9, 0.1]}, r"ascending, got \[0.9, 0.1\]; write \[0.1, 0.9\]"),
        ({"quantile": []}, "between 0 and 1"),
        ({"quantile": [0.5, 1.0]}, "between 0 and 1"),
        ({"quantile": 0}, "between 0 and 1"),
        ({"quantile": "median"}, "between 0 and 1"),
        ({"loss": None}, "several quantiles need loss='quantile', not None"),
        ({"scoring": "r2"}, "scoring 'r2' needs one prediction per row, but there are 3 quantiles"),
    ],
)
def test_settings_that_cannot_work(asked, said):
    with pytest.raises(ValueError, match=said):
        MLPRegressor(**SMALL | ASKED | asked).fit(X, Y)


def test_several_targets_are_refused():
    with pytest.raises(ValueError, match="several quantiles need a single target, but y has 2 columns"):
        MLPRegressor(**SMALL, **ASKED).fit(X, np.stack([Y, Y], axis=1))
