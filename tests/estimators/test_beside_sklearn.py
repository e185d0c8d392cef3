"""The preset "sklearn" beside scikit-learn's own networks."""

import numpy as np
import pytest
from sklearn import neural_network as peers
from sklearn.datasets import load_digits, load_iris, make_friedman1
from sklearn.model_selection import train_test_split

from lamina import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PIXELS, DIGITS = load_digits(return_X_y=True)
PARTS = train_test_split(PIXELS / 16, DIGITS, random_state=0)


def curves_agree(ours, theirs):
    """Losses after the same epochs; the initial weights differ, which the first epochs show most."""
    epochs = [epoch for epoch in (4, 9, 19) if epoch < min(len(ours), len(theirs))]
    np.testing.assert_allclose(np.array(ours)[epochs], np.array(theirs)[epochs], rtol=0.2)


@pytest.mark.parametrize("settings", [{}, {"alpha": 1.0}, {"solver": "sgd", "learning_rate_init": 0.1}])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_classifier_learns_as_scikit_learns_does(settings, early_stopping):
    train, test, train_y, test_y = PARTS
    scores, held_out = [], []
    for seed in range(3):  # which rows are held out decides much of how long either trains
        given = {**settings, "max_iter": 30, "early_stopping": early_stopping, "random_state": seed}
        model = MLPClassifier(preset="sklearn", **given).fit(train, train_y)
        peer = peers.MLPClassifier(**given).fit(train, train_y)
        scores.append((model.score(test, test_y), peer.score(test, test_y)))
        curves_agree(model.loss_curve_, peer.loss_curve_)
        if early_stopping:
            held_out.append((model.best_validation_score_, peer.best_validation_score_))
            assert model.best_loss_ is peer.best_loss_ is None
        else:
            assert model.best_loss_ == min(model.loss_curve_) and model.best_validation_score_ is None
    ours, theirs = np.mean(scores, axis=0)
    assert ours == pytest.approx(theirs, abs=0.03)
    if early_stopping:  # of 135 other rows, three times
        ours, theirs = np.mean(held_out, axis=0)
        assert ours == pytest.approx(theirs, abs=0.05)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_regressor_learns_as_scikit_learns_does_on_a_standardized_target(early_stopping):
    X, y = make_friedman1(800, random_state=0)
    y = (y - y.mean()) / y.std()
    settings = {"max_iter": 100, "early_stopping": early_stopping, "random_state": 0}
    model = MLPRegressor(preset="sklearn", **settings).fit(X, y)
    peer = peers.MLPRegressor(**settings).fit(X, y)
    assert model.score(X, y) == pytest.approx(peer.score(X, y), abs=0.05)
    if early_stopping:
        assert model.best_validation_score_ == pytest.approx(peer.best_validation_score_, abs=0.05)
    else:
        curves_agree(model.loss_curve_, peer.loss_curve_)


def test_training_stops_when_scikit_learns_does():
    train, _, train_y, _ = PARTS
    settings = {"max_iter": 200, "learning_rate_init": 0.02, "random_state": 0}
    for early_stopping in (False, True):
        model = MLPClassifier(preset="sklearn", early_stopping=early_stopping, **settings).fit(train, train_y)
        peer = peers.MLPClassifier(early_stopping=early_stopping, **settings).fit(train, train_y)
        assert model.n_iter_ == pytest.approx(peer.n_iter_, rel=0.5) and model.n_iter_ < 200


def test_the_attributes_are_scikit_learns():
    X, y = load_iris(return_X_y=True)
    settings = {"max_iter": 20, "random_state": 0}
    model, peer = (
        MLPClassifier(preset="sklearn", **settings).fit(X, y),
        peers.MLPClassifier(**settings).fit(X, y),
    )
    assert [w.shape for w in model.coefs_] == [w.shape for w in peer.coefs_]
    assert [b.shape for b in model.intercepts_] == [b.shape for b in peer.intercepts_]
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "n_features_in_"):
        assert getattr(model, name) == getattr(peer, name), name
    assert model.loss_ == model.loss_curve_[-1] and len(model.loss_curve_) == len(peer.loss_curve_)
