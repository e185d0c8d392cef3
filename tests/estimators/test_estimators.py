"""What the estimators offer beyond scikit-learn's: losses, weights, validation sets, callbacks."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

import lamina
from lamina import MLPClassifier, MLPRegressor, nd
from lamina.errors import LaminaError

SMALL = {"preset": "fast", "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3)).astype(np.float32)
COUNTS = rng.poisson(np.exp(X[:, 0] / 2)).astype(float)


def test_quantiles_cover_their_share():
    y = rng.normal(size=1000)
    settings = {**SMALL, "max_iter": 40}
    model = MLPRegressor(**settings, loss="quantile", quantile=0.9).fit(np.zeros((1000, 1)), y)
    assert np.mean(y <= model.predict(np.zeros((1000, 1)))) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    "loss", ["huber", "poisson", "absolute_error", lambda z, y: nd.sum((z - y) ** 2, axis=1)]
)
def test_losses_of_a_regressor(loss):
    model = MLPRegressor(**{**SMALL, "max_iter": 30}, loss=loss).fit(X, COUNTS)
    assert np.corrcoef(model.predict(X), COUNTS)[0, 1] > 0.3


def test_several_labels_and_several_outputs():
    labels = (X[:, :2] > 0).astype(int)
    classifier = MLPClassifier(**{**SMALL, "max_iter": 60}).fit(X, labels)
    assert (classifier.predict(X) == labels).mean() > 0.8
    assert MLPRegressor(**SMALL).fit(X, X[:, :2]).predict(X).shape == (120, 2)


def test_the_best_epoch_of_an_evaluation_set_is_kept():
    model = MLPRegressor(**{**SMALL, "max_iter": 12}).fit(X, X[:, 0], eval_set=(X[:40], X[:40, 0]))
    assert model.best_validation_score_ == max(model.validation_scores_)
    scale = X[:, 0].astype(float).std()
    error = np.mean((model.predict(X[:40]) - X[:40, 0]) ** 2) / scale**2 / 2
    assert error <= -model.best_validation_score_ + 1e-4


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_validation_judges_what_is_predicted_which_stays_in_the_range_of_training(loss):
    model = MLPRegressor(**SMALL, loss=loss).fit(X, COUNTS)
    highest = float(COUNTS.max())
    limit = np.log(highest) if loss == "poisson" else (highest - COUNTS.mean()) / COUNTS.std()
    target = np.float32([[1.0]])
    beyond, within = (model._score_outputs(np.float32([[z]]), target, None) for z in (limit + 5, limit))
    assert beyond == pytest.approx(within)
    assert beyond < model._score_outputs(np.float32([[limit / 2]]), target, None)


def test_members_are_networks_of_their_own_whose_outputs_are_averaged():
    model = MLPRegressor(**SMALL, members=3).fit(X, X[:, 0])
    encoded = model._encoder.transform(X)
    outputs = [net.forward(nd.array(encoded.numeric), None).asnumpy() for net in model._network.members]
    assert not np.allclose(outputs[0], outputs[1], atol=1e-3)
    np.testing.assert_allclose(model._raw(X), np.mean(outputs, axis=0), rtol=1e-4, atol=1e-5)


def test_the_first_member_is_initialized_as_a_single_network_is():
    still = {**SMALL, "max_iter": 1, "learning_rate_init": 1e-30, "early_stopping": False}
    single, several = (MLPRegressor(**still, members=n).fit(X, X[:, 0]) for n in (1, 2))
    for one, other in zip(single.coefs_, several.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_callbacks_stop_the_training():
    model = MLPRegressor(**SMALL, callbacks=lambda _, epoch: epoch.number == 2).fit(X, X[:, 0])
    assert model.n_iter_ == 2


def test_class_weights_move_probabilities():
    y = rng.random(120) < 0.1
    plain = MLPClassifier(**SMALL).fit(X, y)
    balanced = MLPClassifier(**SMALL, class_weight="balanced").fit(X, y)
    assert balanced.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()


def test_any_number_of_threads_gives_the_same_model():
    before = lamina.get_num_threads()
    try:
        models = []
        for threads in (1, 2):
            lamina.set_num_threads(threads)
            models.append(MLPRegressor(**SMALL).fit(X, X[:, 0]).predict(X))
    finally:
        lamina.set_num_threads(before)
    np.testing.assert_array_equal(*models)


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(LaminaError, match="learning_rate_init"):
        MLPRegressor(**SMALL, loss=lambda z, y: nd.sum((z - y) * float("nan"), axis=1)).fit(X, X[:, 0])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("preset", "fats"),
        ("activation", "rleu"),
        ("dropout", 1.0),
        ("loss", "what"),
        ("solver", "lbfgs"),
        ("number_pieces", -1),
        ("members", 0),
    ],
)
def test_settings_that_cannot_be_are_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        MLPRegressor(**{**SMALL, setting: value}).fit(X, X[:, 0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_preset_sklearn_is_as_good_as_scikit_learn():
    inputs, y = load_iris(return_X_y=True)
    settings = {"max_iter": 150, "learning_rate_init": 0.01, "random_state": 0}
    peer = SklearnMLPClassifier(**settings).fit(inputs, y)
    model = MLPClassifier(preset="sklearn", **settings).fit(inputs, y)
    assert [w.shape for w in model.coefs_] == [w.shape for w in peer.coefs_]
    assert [b.shape for b in model.intercepts_] == [b.shape for b in peer.intercepts_]
    assert (model.n_layers_, model.out_activation_) == (peer.n_layers_, peer.out_activation_)
    assert model.score(inputs, y) > peer.score(inputs, y) - 0.05
