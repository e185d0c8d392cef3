"""The estimators keep scikit-learn's rules: its own checks, and its tools around them."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamina import MLPClassifier, MLPRegressor

REASON = "weights are relative, and batches are drawn: docs/adr/weights.md"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}
SMALL = {"preset": "fast", "members": 1, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
CHECKED = {**SMALL, "members": 2, "max_iter": 20, "number_embedding": False}
"""Checks have tables of many shapes, and each takes a network that is compiled for it: small ones."""
X, Y = load_iris(return_X_y=True)


class OfNumbers:
    """Tags by which checks draw fractions, too: for categories, as estimators take them, they round all numbers."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = False
        return tags


class ClassifierOfNumbers(OfNumbers, MLPClassifier): ...


class RegressorOfNumbers(OfNumbers, MLPRegressor): ...


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [kind(**CHECKED) for kind in (MLPRegressor, RegressorOfNumbers, ClassifierOfNumbers)],
    expected_failed_checks=lambda _estimator: EXPECTED,
)
def test_the_checks_of_scikit_learn_for_others(estimator, check):
    check(estimator)


@pytest.mark.few(8)
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(**CHECKED)], expected_failed_checks=lambda _estimator: EXPECTED)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_partial_fit_goes_on_and_can_be_pickled():
    model = MLPClassifier(**SMALL)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert model.n_iter_ == 3
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.partial_fit(X, Y).n_iter_ == 4


@pytest.mark.slow
def test_partial_fit_after_fit_trains_the_new_network():
    model = MLPClassifier(**SMALL).partial_fit(X, Y).fit(X, Y)
    before = model.coefs_[0]
    model.partial_fit(X, Y)
    assert not np.array_equal(model.coefs_[0], before)


@pytest.mark.slow
def test_grid_search_over_a_pipeline():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(**SMALL)), {"mlpclassifier__dropout": [0.0, 0.1]}, cv=2
    )
    assert 0 <= search.fit(X, Y).best_score_ <= 1


@pytest.mark.slow
def test_columns_transformed_by_kind():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(color=["red", "blue", "green"] * 50)
    transformer = make_column_transformer((OneHotEncoder(), ["color"]), (StandardScaler(), list("abcd")))
    model = make_pipeline(transformer, MLPClassifier(**{**SMALL, "max_iter": 60})).fit(frame, Y)
    assert model.score(frame, Y) > 0.8
    as_frames = make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).set_output(transform="pandas")
    assert list(as_frames.fit(frame[list("abcd")], Y)[-1].feature_names_in_) == list("abcd")


@pytest.mark.slow
def test_cross_validation_in_processes():
    # Large enough for joblib to share it as a file that must not be written.
    table, y = np.repeat(X, 250, axis=0), np.repeat(Y, 250)
    model = MLPClassifier(**{**SMALL, "batch_size": 5000, "preset": "sklearn", "early_stopping": True})
    alone = cross_val_score(model, table, y, cv=2)
    np.testing.assert_array_equal(cross_val_score(model, table, y, cv=2, n_jobs=2), alone)


@pytest.mark.slow
def test_calibration():
    calibrated = CalibratedClassifierCV(MLPClassifier(**SMALL), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("store", [pickle, joblib])
def test_a_stored_model_is_the_same(tmp_path, estimator, store):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=[f"kind {i % 30}" for i in range(150)])
    model = estimator(**SMALL, normalization="batch").fit(frame, Y)
    with (tmp_path / "model").open("wb") as file:
        store.dump(model, file)
    with (tmp_path / "model").open("rb") as file:
        copy = store.load(file)
    np.testing.assert_array_equal(copy.predict(frame), model.predict(frame))
    assert copy.loss_curve_ == model.loss_curve_ and copy.get_params() == model.get_params()
    np.testing.assert_array_equal(copy.fit(frame, Y).predict(frame), model.fit(frame, Y).predict(frame))


def test_clones_are_not_fitted_and_keep_every_parameter():
    model = MLPRegressor(**SMALL, dropout=[0.1], callbacks=[print], column_kinds={"a": "drop"}, loss="huber")
    copy = clone(model.set_params(column_kinds=None, callbacks=None).fit(X, Y))
    assert copy.get_params() == model.get_params() and not hasattr(copy, "coefs_")
    with pytest.raises(NotFittedError, match="not fitted"):
        copy.predict(X)


def test_the_same_seed_gives_the_same_model():
    model = MLPClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(clone(model).fit(X, Y).predict_proba(X), model.predict_proba(X))


@pytest.mark.slow
def test_a_fit_gives_the_same_bits_however_often_it_came_before() -> None:
    X, y = load_iris(return_X_y=True)
    fits = [MLPClassifier(preset="fast", max_iter=4, random_state=0).fit(X, y) for _ in range(4)]
    first, *others = [model.predict_proba(X).tobytes() for model in fits]
    assert others == [first] * 3


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_weights_count_as_rows_where_batches_are_whole_and_encoding_is_given(kind, times):
    """What their check of weights asks, but for float32: it allows 1e-7, and sums in another order differ by more."""
    rng = np.random.RandomState(42)
    table, y, weights = rng.rand(15, 30), rng.randint(0, 3, 15), times * rng.randint(0, 5, 15)
    settings = {
        **SMALL,
        "max_iter": 20,
        "batch_size": 200,
        "early_stopping": False,
        "number_embedding": False,
    }
    settings |= {"preprocess": False, "input_scale": False, "learned_activation": False, "dropout": 0.0}
    settings |= {"weight_decay": 0.0, "alpha": 0.0, "ntk": False, "drop_last": False}
    weighted = kind(**settings).fit(table, y, sample_weight=weights)
    repeated = kind(**settings).fit(table.repeat(weights, axis=0), y.repeat(weights))
    plain = kind(**settings).fit(table, y)
    method = "predict_proba" if kind is MLPClassifier else "predict"
    found, expected, other = (getattr(model, method)(table) for model in (weighted, repeated, plain))
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(other - expected).max() > 0.01


@pytest.mark.parametrize("quantile", [None, [0.1, 0.9]])
def test_partial_fit_predicts_targets_beyond_those_of_the_first_call(quantile):
    X = np.linspace(-1, 1, 60)[:, None]
    y = 3 * X.ravel()
    loss = {} if quantile is None else {"loss": "quantile", "quantile": quantile}
    model = MLPRegressor(preset="fast", members=1, random_state=0, **loss).partial_fit(X[20:40], y[20:40])
    for _ in range(40):
        model.partial_fit(X, y)
    assert np.abs(model.predict(X)).max() > 2  # the first call's targets are within 1


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1), (2, 3)])
def test_partial_fit_has_the_same_number_of_targets(first, then):
    X = np.linspace(-1, 1, 20)[:, None]
    model = MLPRegressor(preset="fast", members=1).partial_fit(X, np.repeat(X, first, axis=1))
    with pytest.raises(ValueError, match=f"has {then} targets?, but before it had {first}"):
        model.partial_fit(X, np.repeat(X, then, axis=1))


def test_a_warm_start_has_the_same_widths():
    X = np.linspace(-1, 1, 20)[:, None]
    settings = {"preset": "fast", "members": 1, "max_iter": 2, "warm_start": True}
    model = MLPRegressor(hidden_layer_sizes=(4, 3), **settings).fit(X, X.ravel())
    model.fit(X, X.ravel())
    with pytest.raises(ValueError, match=r"hidden_layer_sizes was \[4, 3\] and is now \[8\]; a warm start"):
        model.set_params(hidden_layer_sizes=8).fit(X, X.ravel())


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "a", True])
def test_class_weights_are_numbers_that_are_not_negative(weight):
    X = np.linspace(-1, 1, 20)[:, None]
    with pytest.raises(ValueError, match="class_weight: the weight of 1 must be a finite number >= 0, got"):
        MLPClassifier(class_weight={0: 1, 1: weight}).fit(X, X.ravel() > 0)


@pytest.mark.parametrize("between", [lambda model: model, lambda model: pickle.loads(pickle.dumps(model))])
def test_partial_fit_after_fit_keeps_what_was_learned(between):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    model = MLPRegressor(preset="fast", members=1, random_state=0).fit(X[:200], y[:200])
    scores = [model.score(X, y)]
    for _ in range(3):
        model = between(model).partial_fit(X[200:], y[200:])
        scores.append(model.score(X, y))
    assert min(scores) > scores[0] - 0.05, scores
    whole = model.set_params(learning_rate_init=0.1).fit(X[:200], y[:200])
    assert whole.partial_fit(X[200:], y[200:]).score(X, y) < scores[0] - 0.2, "a rate that is set holds"


def test_partial_fit_from_the_beginning_has_the_whole_rate():
    X, y = np.linspace(-1, 1, 60)[:, None], np.linspace(-1, 1, 60)
    rates = []
    for rate in (None, MLPRegressor(preset="fast")._resolved().learning_rate_init):
        model = MLPRegressor(preset="fast", members=1, learning_rate_init=rate, random_state=0)
        for _ in range(3):
            model = pickle.loads(pickle.dumps(model.partial_fit(X, y)))
        rates.append(model.predict(X))
    np.testing.assert_array_equal(*rates)


@pytest.mark.parametrize("between", [lambda model: model, lambda model: pickle.loads(pickle.dumps(model))])
def test_partial_fit_after_a_warm_start_is_after_fit(between):
    X = np.linspace(-1, 1, 60)[:, None]
    y = 3 * X.ravel()
    settings = {"preset": "fast", "members": 1, "max_iter": 2, "warm_start": True, "random_state": 0}
    model = between(MLPRegressor(**settings).partial_fit(X, y)).fit(X, y)
    fitted = MLPRegressor(**settings).set_params(warm_start=False)
    fitted.fitted_, fitted.n_features_in_ = copy.deepcopy(model.fitted_), 1
    fitted.loss_curve_, fitted.n_iter_, fitted.t_ = [], 0, 0
    fitted.best_loss_, fitted.best_validation_score_, fitted.validation_scores_ = np.inf, None, None
    np.testing.assert_array_equal(model.partial_fit(X, y).predict(X), fitted.partial_fit(X, y).predict(X))


def test_partial_fit_after_a_search_is_after_fit():
    X = np.linspace(-1, 1, 60)[:, None]
    model = MLPRegressor(preset="fast", members=1, random_state=0).partial_fit(X, X.ravel())
    model = pickle.loads(pickle.dumps(model)).set_params(preset="best", trials=1).fit(X, X.ravel())
    score = model.score(X, X.ravel())
    model.set_params(preset="fast", trials=None).partial_fit(X, X.ravel())
    assert model.score(X, X.ravel()) > score - 0.05
