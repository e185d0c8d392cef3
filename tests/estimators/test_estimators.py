"""What the estimators offer beyond scikit-learn's: losses, weights, validation sets, callbacks."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

import lamina
from lamina import MLPClassifier, MLPRegressor, nd
from lamina.errors import LaminaError

SMALL = {
    "preset": "fast",
    "members": 1,
    "number_embedding": False,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
}
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


@pytest.mark.slow
def test_several_labels_and_several_outputs():
    labels = (X[:, :2] > 0).astype(int)
    classifier = MLPClassifier(**{**SMALL, "max_iter": 60}).fit(X, labels)
    assert (classifier.predict(X) == labels).mean() > 0.8
    assert MLPRegressor(**SMALL).fit(X, X[:, :2]).predict(X).shape == (120, 2)


def test_the_best_epoch_of_an_evaluation_set_is_kept():
    model = MLPRegressor(**{**SMALL, "max_iter": 12}, linear_path=False)
    model.fit(X, X[:, 0], eval_set=(X[:40], X[:40, 0]))
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
    model = MLPRegressor(**{**SMALL, "members": 3}, linear_path=False).fit(X, X[:, 0])
    encoded = model.fitted_.encoder.transform(X)
    outputs = [
        net.forward(nd.array(encoded.numeric), None).asnumpy() for net in model.fitted_.network.members
    ]
    assert not np.allclose(outputs[0], outputs[1], atol=1e-3)
    np.testing.assert_allclose(
        model.fitted_.outputs(model.fitted_.encode(X)), np.mean(outputs, axis=0), rtol=1e-4, atol=1e-5
    )


def test_the_first_member_is_initialized_as_a_single_network_is():
    still = {**SMALL, "max_iter": 1, "learning_rate_init": 1e-30, "early_stopping": False}
    single, several = (MLPRegressor(**{**still, "members": n}).fit(X, X[:, 0]) for n in (1, 2))
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


@pytest.mark.few(1)
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_normalized_networks_learn_what_plain_ones_do(estimator, normalization):
    y = X[:, 0] > 0 if estimator is MLPClassifier else X[:, 0]
    settings = {**SMALL, "max_iter": 80, "normalization": normalization}
    model = estimator(**settings).fit(X, y)
    assert model.score(X, y) > 0.8
    np.testing.assert_array_equal(
        model.predict(X)[:7], model.predict(X[:7])
    )  # running statistics, not the batch's


def test_settings_by_layer():
    settings = {**SMALL, "hidden_layer_sizes": (8, 4), "activation": ["relu", "gelu"], "dropout": [0.5, 0.0]}
    model = MLPRegressor(**settings).fit(X, X[:, 0])
    assert model.fitted_.network.architecture.activation == ("relu", "gelu")
    assert model.fitted_.network.architecture.dropouts() == [0.5, 0.0]
    assert [w.shape[1] for w in model.coefs_] == [8, 4, 1]
    for name, value in (("activation", ["relu"]), ("dropout", [0.1])):
        with pytest.raises(ValueError, match=f"{name} has 1 values .* for 2 hidden layers"):
            MLPRegressor(**{**settings, name: value}).fit(X, X[:, 0])


@pytest.mark.few(1)
@pytest.mark.parametrize("hidden", [(), 5, [6, 3]])
def test_layers_in_any_form(hidden):
    model = MLPRegressor(**{**SMALL, "hidden_layer_sizes": hidden}).fit(X, X[:, 0])
    assert model.n_layers_ == 2 + len(np.atleast_1d(hidden))


def test_a_warm_start_goes_on():
    settings = {**SMALL, "warm_start": True, "early_stopping": False}
    model = MLPRegressor(**settings).fit(X, X[:, 0])
    after_first, scaling = model.coefs_[0].copy(), model.fitted_.encoder.state()[1]["center"]
    model.set_params(max_iter=2).fit(X + 0.1, X[:, 0])
    assert len(model.loss_curve_) == model.n_iter_ == 5
    np.testing.assert_array_equal(model.fitted_.encoder.state()[1]["center"], scaling)
    cold = MLPRegressor(**{**settings, "warm_start": False}).fit(X, X[:, 0])
    np.testing.assert_array_equal(cold.coefs_[0], after_first)
    assert cold.set_params(max_iter=1).fit(X, X[:, 0]).n_iter_ == 1


def test_callbacks_see_the_estimator_and_every_epoch():
    seen = []
    callbacks = [lambda model, epoch: seen.append((model.n_iter_, epoch.number, epoch.loss)), lambda *_: None]
    model = MLPRegressor(**SMALL, callbacks=callbacks).fit(X, X[:, 0])
    assert [(n, number) for n, number, _ in seen] == [(1, 1), (2, 2), (3, 3)]
    assert [loss for *_, loss in seen] == model.loss_curve_


def test_the_best_epoch_is_restored():
    states = []
    keep = {"callbacks": lambda model, _: states.append(model.coefs_[0])}
    model = MLPRegressor(**{**SMALL, "max_iter": 15}, **keep).fit(X, X[:, 0])
    assert model.best_epoch_ == 1 + max(
        i for i, s in enumerate(model.validation_scores_) if s == max(model.validation_scores_)
    )
    np.testing.assert_array_equal(model.coefs_[0], states[model.best_epoch_ - 1])


WEIGHTS = np.arange(120) % 4.0
NUMBERS = np.where(WEIGHTS[:, None] > 0, X, 100 * X)
MIXED = pl.DataFrame(
    {"a": NUMBERS[:, 0], "b": np.where(X[:, 1] > 0, "none", np.where(WEIGHTS > 0, "low", "high"))}
)


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "tables",
    [
        lambda rows: NUMBERS[rows],
        lambda rows: csr_array(NUMBERS)[rows],
        lambda rows: MIXED[rows],
        lambda rows: MIXED[rows].to_pandas(),
        lambda rows: MIXED[rows].to_arrow(),
    ],
    ids=["NumPy", "SciPy", "polars", "pandas", "pyarrow"],
)
def test_rows_of_weight_zero_are_as_if_they_were_not_there(tables, method):
    """To the bit: they have no part in scales, categories, batches or validation."""
    rows, y = np.flatnonzero(WEIGHTS), np.where(WEIGHTS > 0, X[:, 0], 50.0)
    every, fewer = tables(np.arange(120)), tables(rows)
    model, other = MLPRegressor(**SMALL), MLPRegressor(**SMALL)
    getattr(model, method)(every, y, sample_weight=WEIGHTS)
    getattr(other, method)(fewer, y[rows], sample_weight=WEIGHTS[rows])
    np.testing.assert_array_equal(model.predict(fewer), other.predict(fewer))
    assert model.loss_curve_ == other.loss_curve_


def test_a_class_whose_rows_have_no_weight_is_a_class():
    y, groups = np.array(["a", "b", "c"])[np.arange(120) % 3], [f"g{i % 7}" for i in range(120)]
    weights = np.where(y == "c", 0.0, 1.0)
    model = MLPClassifier(**SMALL, class_weight="balanced").fit(X, y, sample_weight=weights, groups=groups)
    assert model.classes_.tolist() == ["a", "b", "c"] and model.predict_proba(X).shape == (120, 3)


def test_rows_of_weight_zero_teach_nothing():
    wrong = np.concatenate([X[:, 0], np.full(60, 100.0)])
    table, weights = np.concatenate([X, X[:60]]), np.concatenate([np.ones(120), np.zeros(60)])
    settings = {**SMALL, "max_iter": 60}
    model = MLPRegressor(**settings).fit(table, wrong, sample_weight=weights)
    assert model.predict(X).max() < 10
    for weights, message in (
        (np.zeros(120), "non-zero|all weights are zero"),
        (np.eye(120)[7] * 2, r"only row 7 has a weight above 0, of 120 rows; training needs at least 2"),
        (-np.ones(120), "[Nn]egative"),
        ([1, 2], "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            MLPRegressor(**SMALL).fit(X, X[:, 0], sample_weight=weights)


def test_class_weights_are_checked():
    with pytest.raises(ValueError, match="class_weight must be 'balanced', a dict"):
        MLPClassifier(**SMALL, class_weight="even").fit(X, X[:, 0] > 0)


@pytest.mark.parametrize(
    "setting", ["learning_rate_init", "alpha", "validation_fraction", "max_iter", "weight_decay", "n_jobs"]
)
def test_texts_are_no_numbers(setting):
    with pytest.raises(ValueError, match=f"{setting} must be .*got 'x'"):
        MLPRegressor(**{**SMALL, setting: "x"}).fit(X, X[:, 0])


def test_the_warning_of_a_training_without_an_end_points_to_the_call_of_fit():
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as warned:
        MLPRegressor(preset="sklearn", hidden_layer_sizes=2, max_iter=1).fit(X, X[:, 0])
    assert warned[0].filename == __file__


@pytest.mark.filterwarnings("ignore:the optimizer reached")
def test_inputs_beyond_float32_are_errors_and_not_the_first_class():
    x = np.linspace(-1, 1, 1000).reshape(20, 50)
    model = MLPClassifier(preset="sklearn", max_iter=3, random_state=0).fit(x, x[:, 0] > 0)
    with pytest.raises(ValueError, match="beyond the range of float32"):
        model.predict([[1e39] + [0] * 49])
    with pytest.raises(ValueError, match=r"row 1 of X .*output exceeds float32"):
        model.predict([[0] * 50, [3.3e38, -3.3e38] * 25])


@pytest.mark.slow
def test_a_table_of_embedded_categories_alone() -> None:
    codes = np.random.default_rng(0).integers(0, 60, 400)
    X = pd.DataFrame({"city": [f"city {code}" for code in codes]})
    model = MLPClassifier(preset="fast", max_iter=30, random_state=0).fit(X, codes % 2)
    assert model.score(X, codes % 2) > 0.95
