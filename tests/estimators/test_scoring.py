"""Validation scores: scikit-learn's metrics on the same predictions are the oracle."""

import numpy as np
import pytest
from sklearn import metrics

from lamina import MLPClassifier, MLPRegressor

SMALL = {
    "preset": "fast",
    "members": 1,
    "number_embedding": False,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
}
rng = np.random.default_rng(0)
X = rng.normal(size=(150, 3))
BINARY = np.where(X[:, 0] > 0.3, "yes", "no")
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
LABELS = (X > 0).astype(int)
SCORINGS = [
    (BINARY, "roc_auc", lambda y, p, _: metrics.roc_auc_score(y == "yes", p[:, 1])),
    (BINARY, "balanced_accuracy", lambda y, _, c: metrics.balanced_accuracy_score(y, c)),
    (BINARY, None, lambda y, p, _: -metrics.log_loss(y, p)),
    (CLASSES, "f1_macro", lambda y, _, c: metrics.f1_score(y, c, average="macro")),
    (CLASSES, "roc_auc_ovr", lambda y, p, _: metrics.roc_auc_score(y, p, multi_class="ovr")),
    (CLASSES, "accuracy", lambda y, _, c: metrics.accuracy_score(y, c)),
    (
        CLASSES,
        metrics.make_scorer(metrics.cohen_kappa_score),
        lambda y, _, c: metrics.cohen_kappa_score(y, c),
    ),
    (
        CLASSES,
        lambda y, p: -np.mean(1 - p[np.arange(len(y)), y]),
        lambda y, p, _: np.mean(p[np.arange(len(y)), y]) - 1,
    ),
    (LABELS, "f1_micro", lambda y, _, c: metrics.f1_score(y, c, average="micro")),
    (LABELS, None, lambda y, p, _: -np.mean([metrics.log_loss(y[:, j], p[:, j]) for j in range(3)])),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("y", "scoring", "oracle"), SCORINGS)
def test_scores_of_a_classifier(y, scoring, oracle):
    held_out = X[100:], y[100:]
    model = MLPClassifier(**SMALL, scoring=scoring).fit(X[:100], y[:100], eval_set=held_out)
    expected = oracle(held_out[1], model.predict_proba(held_out[0]), model.predict(held_out[0]))
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-5)
    assert len(model.validation_scores_) == 3
    assert model.best_validation_score_ >= max(model.validation_scores_)  # which are without the linear path


@pytest.mark.parametrize(
    ("scoring", "oracle"),
    [
        ("r2", metrics.r2_score),
        ("neg_root_mean_squared_error", lambda y, p: -metrics.root_mean_squared_error(y, p)),
        (lambda y, p: -np.abs(y - p).max(), lambda y, p: -metrics.max_error(y, p)),
    ],
)
@pytest.mark.parametrize("loss", [None, "poisson"])
def test_scores_of_a_regressor_are_in_the_units_of_the_target(scoring, oracle, loss):
    y = rng.poisson(np.exp(X[:, 0])) * 10.0
    model = MLPRegressor(**SMALL, loss=loss, scoring=scoring).fit(
        X[:100], y[:100], eval_set=(X[100:], y[100:])
    )
    assert model.best_validation_score_ == pytest.approx(oracle(y[100:], model.predict(X[100:])), rel=1e-5)


def test_a_loss_is_scored_in_its_own_units():
    y = X[:, :2] * 5
    model = MLPRegressor(**SMALL, scoring="loss").fit(X[:100], y[:100], eval_set=(X[100:], y[100:]))
    scaled = (model.predict(X[100:]) - y[100:]) / y[:100].std(axis=0)
    assert model.best_validation_score_ == pytest.approx(-np.mean(scaled**2) / 2, rel=1e-4)


def test_weights_count_in_the_validation_score():
    weights = np.where(BINARY == "yes", 1.0, 1e-6)
    # Whoever says yes everywhere is right in all rows that count.
    constant = metrics.accuracy_score(BINARY, np.full(150, "yes"), sample_weight=weights)
    settings = {**SMALL, "max_iter": 30}
    model = MLPClassifier(**settings, scoring="accuracy").fit(X, BINARY, sample_weight=weights)
    assert model.best_validation_score_ == pytest.approx(constant, rel=1e-4)
    assert metrics.accuracy_score(BINARY, model.predict(X)) < 0.9


def test_unknown_scorings_are_named_before_training():
    with pytest.raises(ValueError, match=r"'roc_auk' is unknown\. Did you mean 'roc_auc'"):
        MLPClassifier(**SMALL, scoring="roc_auk").fit(X, BINARY)


def test_early_stopping_follows_the_metric():
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.2, 0.1])
    settings = {**SMALL, "max_iter": 20, "n_iter_no_change": 3}
    model = MLPClassifier(**settings, scoring=lambda _y, _p: next(scores)).fit(X, BINARY)
    assert (model.n_iter_, model.best_epoch_, model.best_validation_score_) == (5, 4, 0.5)
