"""The linear path beside networks: what is fitted, when it is taken, and that files, exports and so on have it."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.metrics import log_loss

import lamina
from lamina import MLPClassifier, MLPRegressor, nd
from lamina.estimators import linear_path
from lamina.estimators._initialize import build_network
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Data
from lamina.estimators.fitted import outputs_of, own_outputs
from lamina.estimators.linear_path import _best, _inputs, _posterior, lines, optimism, with_linear_path
from lamina.estimators.network import Ensemble, path_inputs
from lamina.estimators.targets import Classes, Numbers
from lamina.export import describe
from lamina.export.traced import prediction_of
from lamina.training.loop import Epoch

SMALL = {
    "preset": "fast", "hidden_layer_sizes": 8, "max_iter": 4, "members": 2, "number_embedding": False, "random_state": 0
}  # fmt: skip
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)) * [1, 10, 0.1, 1, 1] + [0, 5, 0, 0, 1]
LINE = X @ [1, 0.3, -20, 0.5, 0]
NOISY = LINE + 4 * RNG.normal(size=400)
FRAME = pd.DataFrame(X).add_prefix("x").assign(kind=RNG.choice([f"k{i}" for i in range(30)], 400))
FRAME.loc[::7, "x1"] = None


def has_path(model):
    return model.fitted_.network.architecture.skip


@pytest.mark.slow
def test_a_linear_target_costs_next_to_nothing():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1400, 5)) * [1, 10, 0.1, 1, 1] + [0, 5, 0, 0, 1]
    y = rows @ [1, 0.3, -20, 0.5, 0] + 4 * rng.normal(size=1400)
    ridge = (
        RidgeCV(np.logspace(-3, 3, 13))
        .fit(rows[:400] / rows.std(0), y[:400])
        .predict(rows[400:] / rows.std(0))
    )
    model, alone = (
        MLPRegressor(preset="fast", random_state=1, linear_path=given).fit(rows[:400], y[:400])
        for given in (None, False)
    )
    errors = [
        np.sqrt(np.mean((found - y[400:]) ** 2))
        for found in (model.predict(rows[400:]), alone.predict(rows[400:]), ridge)
    ]
    assert errors[0] < 1.004 * errors[2]
    assert errors[1] > 1.008 * errors[2]


@pytest.mark.slow
def test_networks_stay_as_they_are_where_a_line_says_nothing():
    y = np.sign(X[:, 0]) * np.sign(X[:, 3])
    given = {**SMALL, "hidden_layer_sizes": 32, "max_iter": 40}
    model, alone = (MLPClassifier(**given, linear_path=path).fit(X, y) for path in (None, False))
    assert not has_path(model)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def test_linear_models_far_behind_the_networks_are_not_fitted_to_the_end(monkeypatch):
    rows, values = load_digits(return_X_y=True)
    fitted = []

    def noted(*given, **named):
        for found in lines(*given, **named):
            fitted.append(found)
            yield found

    monkeypatch.setattr(linear_path, "lines", noted)
    model = MLPClassifier(preset="fast", random_state=0)
    predicted = model.fit(rows, values).predict_proba(rows)
    few, _ = len(fitted), fitted.clear()
    monkeypatch.setattr(linear_path, "_FAR", np.inf)
    to_the_end = model.fit(rows, values).predict_proba(rows)
    assert few < len(fitted)
    assert not has_path(model)
    np.testing.assert_array_equal(predicted, to_the_end)


@pytest.mark.parametrize("columns", [3, 40])
def test_the_loss_below_which_no_penalty_comes_is_foreseen(columns):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, columns)).astype(np.float32)
    values = (rows @ rng.normal(size=(columns, 3)) + rng.gumbel(size=(900, 3))).argmax(axis=1)
    classes = Classes.of(values)
    data = Data(rows / 5, None, classes.encode(values))
    parts = [data.some(slice(600))], [data.some(slice(600, None))]
    best, said, foreseen = _best(classes, *parts, (), lambda *_: False)
    reached = log_loss(values[600:], classes.probabilities(said))
    highest = max(limit for limit, _ in foreseen)
    assert 0.7 * reached < highest < 1.01 * reached
    assert _best(classes, *parts, (), lambda limit, _: limit >= highest) is None
    again, *_ = _best(classes, *parts, (), lambda limit, _: limit > highest)
    np.testing.assert_array_equal(again, best)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "y",
    [NOISY, NOISY > 3, np.digitize(NOISY, [0, 4]), np.c_[NOISY, X[:, 0]], np.c_[NOISY > 0, X[:, 0] > 0]],
    ids=["number", "two classes", "classes", "numbers", "labels"],
)
def test_files_pickles_and_exports_have_it(y, tmp_path):
    is_number = np.asarray(y).dtype.kind == "f"
    kind = MLPRegressor if is_number else MLPClassifier
    model = kind(**SMALL).fit(FRAME, y if y.ndim == 1 or is_number else y.astype(int))
    assert has_path(model) and model.fitted_.network.architecture.effects
    expected = model.predict(FRAME) if is_number else model.predict_proba(FRAME)
    lamina.save(model, tmp_path / "model.safetensors")
    for one in (lamina.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        found = one.predict(FRAME) if is_number else one.predict_proba(FRAME)
        np.testing.assert_array_equal(found, expected)
    described = describe(model)
    names = described.inputs.columns[-1].schema.categories
    codes = np.array([[1 + names.index(value)] for value in FRAME["kind"]], np.int32)
    numbers = nd.array(FRAME.drop(columns="kind").to_numpy(), dtype="float64")
    found, *_ = prediction_of(described)(numbers, nd.array(codes, dtype="int32"))
    np.testing.assert_allclose(found.asnumpy().reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_warm_start_trains_the_path_further():
    model = MLPRegressor(**SMALL, warm_start=True).fit(X, NOISY)
    shapes, before = [x.shape for x in model.coefs_], model.score(X, NOISY)
    model.fit(X, NOISY)
    assert has_path(model) and [x.shape for x in model.coefs_] == shapes
    assert model.score(X, NOISY) > before - 0.02


@pytest.mark.slow
def test_calibration_and_intervals_are_of_networks_with_their_paths():
    model = MLPRegressor(**SMALL).fit(X[:300], NOISY[:300])
    low, high = model.predict_interval(X[300:], coverage=0.8)
    assert has_path(model)
    assert 0.65 < np.mean((low <= NOISY[300:]) & (NOISY[300:] <= high)) < 0.95


def test_rows_of_an_eval_set_choose_for_all_members_together():
    model = MLPRegressor(**SMALL).fit(X[:300], NOISY[:300], eval_set=(X[300:], NOISY[300:]))
    assert has_path(model)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "huber"},
        {"monotone": {0: 1}},
        {"early_stopping": False},
        {"loss": "quantile", "quantile": [0.1, 0.9]},
    ],
)
def test_what_no_path_is_for(settings):
    given = {**SMALL, "number_embedding": None, **settings}
    assert not has_path(MLPRegressor(**given).fit(X, NOISY))


def test_lines_are_those_of_scikit_learn():
    weights = RNG.uniform(0.5, 2, 400).astype(np.float32)
    target = Numbers.of(NOISY)
    data = Data((X / (3 * np.abs(X).max(0))).astype(np.float32), None, target.encode(NOISY), weights)
    both = np.concatenate([x.asnumpy() for x in path_inputs(nd.array(data.numeric))], axis=1)
    inputs = np.append(both, np.ones((400, 1)), axis=1).astype(float)
    standard = inputs[:, :-1] - np.average(inputs[:, :-1], axis=0, weights=weights)
    standard /= np.sqrt(np.average(standard**2, axis=0, weights=weights))
    own = weights * (400 / weights.sum())
    for (line,), penalty in zip(lines(target, [data]), 10.0 ** np.arange(4.0, 0, -0.5), strict=False):
        ridge = Ridge(alpha=penalty).fit(standard, data.target[:, 0], sample_weight=own)
        np.testing.assert_allclose((inputs @ line)[:, 0], ridge.predict(standard), rtol=1e-4, atol=1e-5)
    values = np.digitize(NOISY, [0, 4])
    classes = Classes.of(values)
    data = dataclasses.replace(data, target=classes.encode(values))
    for (line,), penalty in zip(lines(classes, [data]), 10.0 ** np.arange(4.0, 0, -0.5), strict=False):
        logistic = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000)
        expected = logistic.fit(standard, values, sample_weight=own).predict_proba(standard)
        np.testing.assert_allclose(classes.probabilities(inputs @ line), expected, atol=0.01)


@pytest.mark.parametrize(
    "columns, lowest", [(5, -2.5), (40, -0.5)]
)  # with 40, steps are float32, at most 100
def test_logistic_regressions_converge_where_classes_are_clear(columns, lowest):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, columns))
    outputs = 6 * rows @ rng.normal(size=(columns, 3))
    values = (outputs + rng.gumbel(size=outputs.shape)).argmax(axis=1)
    classes, standard = Classes.of(values), (rows - rows.mean(0)) / rows.std(0)
    data = Data(rows.astype(np.float32), None, classes.encode(values))
    for (line,), penalty in zip(
        lines(classes, [data], [rows]), 10.0 ** np.arange(4, lowest, -0.5), strict=False
    ):
        found = np.append(rows, np.ones((300, 1)), axis=1) @ line
        logistic = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit(standard, values)
        expected = log_loss(values, logistic.predict_proba(standard))
        assert log_loss(values, classes.probabilities(found)) == pytest.approx(expected, rel=0.02)


@pytest.mark.slow
def test_few_rows_cost_little_against_logistic_regression():
    losses = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(2300, 10))
        outputs = rows @ rng.normal(size=(10, 2)) * 6 / np.sqrt(10)
        y = (outputs + rng.gumbel(size=outputs.shape)).argmax(axis=1)
        logistic = LogisticRegressionCV(
            Cs=np.logspace(-4, 3, 8),
            cv=4,
            scoring="neg_log_loss",
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
        models = logistic, MLPClassifier(preset="fast", random_state=seed)
        losses.append(
            [log_loss(y[300:], model.fit(rows[:300], y[:300]).predict_proba(rows[300:])) for model in models]
        )
    (expected, found), ratios = np.mean(losses, axis=0), [b / a for a, b in losses]
    assert found < 1.06 * expected, ratios


@pytest.mark.parametrize("estimator, y", [(MLPRegressor, NOISY), (MLPClassifier, np.digitize(NOISY, [0, 4]))])
def test_a_path_compiles_no_outputs_of_its_own(estimator, y):
    model = estimator(**SMALL).fit(X, y)
    assert has_path(model)
    assert "own" not in model.fitted_.network.compiled


def test_outputs_of_a_path_are_known_without_it():
    target = Numbers.of(NOISY)
    data = Data((X / (3 * np.abs(X).max(0))).astype(np.float32), None, target.encode(NOISY))
    parts = Architecture(numbers=5, inputs=5, cardinalities=(), outputs=1, hidden=(4,))
    members = [build_network(parts, data, np.random.default_rng(seed)) for seed in range(2)]
    held_out = [data.some(slice(300, None)), data.some(slice(150, 260))]
    network, outputs = with_linear_path(Ensemble(members), target, [data, data.some(slice(300))], held_out)
    assert all(member.architecture.skip for member in network.members)
    np.testing.assert_allclose(outputs, own_outputs(network, held_out), atol=2e-5)


def test_linear_models_of_members_are_those_of_each_alone():
    classes = Classes.of(np.digitize(NOISY, [0, 4]))
    data = Data(X.astype(np.float32) / 100, None, classes.encode(np.digitize(NOISY, [0, 4])))
    constant = np.where(np.arange(5) == 2, 0, data.numeric).astype(np.float32)  # fewer components
    parts = [data.some(slice(250)), dataclasses.replace(data, numeric=constant), data.some(slice(100, None))]
    alone = zip(*(lines(classes, [part]) for part in parts), strict=True)
    for together, each in zip(lines(classes, parts), alone, strict=True):
        for part, line, (own,) in zip(parts, together, each, strict=True):
            x = np.append(_inputs(part, ())[:, :-1], np.ones((len(part), 1)), axis=1)
            np.testing.assert_allclose(
                classes.probabilities(x @ line), classes.probabilities(x @ own), atol=2e-3
            )


def test_the_weight_of_few_rows_is_less_certain():
    target, losses = Numbers.of(NOISY), np.square([0.9, 0.95, 1.0])
    few, many = (_posterior(target, losses, rows) for rows in (10, 10_000))
    np.testing.assert_allclose(few / few[0], (losses / losses[0]) ** -5.0)
    np.testing.assert_allclose(many, [1, 0, 0], atol=1e-6)


def test_lines_of_codes_are_ridge_regressions_of_one_hot_columns():
    target = Numbers.of(NOISY)
    codes = RNG.integers(1, 8, (400, 1), dtype=np.int32)
    numeric = (X / (3 * np.abs(X).max(0))).astype(np.float32)
    data = Data(numeric, codes, target.encode(NOISY + codes[:, 0] ** 2))
    both = np.concatenate([x.asnumpy() for x in path_inputs(nd.array(numeric))], axis=1).astype(float)
    one_hot = np.eye(9)[codes[:, 0]]
    standard = np.append((both - both.mean(0)) / both.std(0), one_hot, axis=1)
    inputs = np.concatenate([both, one_hot, np.ones((400, 1))], axis=1)
    for (line,), penalty in zip(
        lines(target, [data], cardinalities=(9,)), 10.0 ** np.arange(4, 0, -0.5), strict=False
    ):
        ridge = Ridge(alpha=penalty).fit(standard, data.target[:, 0])
        np.testing.assert_allclose((inputs @ line)[:, 0], ridge.predict(standard), rtol=1e-4, atol=1e-5)


def test_a_map_of_outputs_maps_effects_of_categories():
    model = MLPClassifier(**SMALL).fit(FRAME, np.digitize(NOISY, [0, 4]))
    fitted = model.fitted_
    assert fitted.network.architecture.effects
    network, encoded = fitted.network.copy(), fitted.encode(FRAME)
    rows = Data(encoded.numeric, encoded.codes, np.zeros(len(FRAME), np.float32))
    matrix, constant = RNG.normal(size=(3, 3)), RNG.normal(size=3)
    expected = 2 * (outputs_of(network, rows) @ matrix + constant)
    network.map_outputs(matrix, constant)
    network.scale_outputs(2.0)
    np.testing.assert_allclose(outputs_of(network, rows), expected, rtol=1e-4, atol=1e-4)


def test_the_optimism_of_the_best_epoch_is_against_epochs_that_other_parts_choose():
    parts = [Data(np.zeros((4, 1), np.float32), None, np.zeros(4, np.float32))] * 2
    sums = [[4.0, 9.0], [8.0, 4.0], [5.0, 6.0]]  # the last epoch is the best; each part's best is another
    past = [Epoch(i, 0.0, -sum(one), False, 0.0, part_losses=one) for i, one in enumerate(sums)]
    # Part 0 gets the epoch that is best for part 1, the second, and part 1 the first.
    assert optimism(past, parts) == ((8 + 9) - (5 + 6)) / 8
    assert optimism(past[:1], parts) == optimism([], parts) == optimism(past, parts[:1]) == 0
    assert optimism([*past, Epoch(3, 0.0, 0.0, False, 0.0)], parts) == 0  # an epoch of an earlier version


def test_epochs_note_the_losses_of_members_parts_and_do_not_show_them():
    epochs, y = [], RNG.permutation(NOISY)
    given = SMALL | {"max_iter": 12, "learning_rate_init": 0.1}
    MLPRegressor(**given, callbacks=[lambda _, epoch: epochs.append(epoch)]).fit(X, y)
    held_out = [Data(X, None, y)] * 2
    assert optimism(epochs, held_out) > 0
    assert all(len(epoch.part_losses) == 2 for epoch in epochs)
    assert set(epochs[0].line()) == {"epoch", "loss", "validation_score", "best", "seconds"}
