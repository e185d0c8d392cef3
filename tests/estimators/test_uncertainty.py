"""Intervals, sets of classes and the members' spread: they hold what they promise, and say where they can't."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_classification, make_multilabel_classification
from tables import mixture, new_table, regressor

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError
from lamina.estimators.conformal import HeldOut, interval, likely
from lamina.estimators.network import Ensemble
from lamina.estimators.targets import Classes, Numbers
from lamina.files.tensors import load_tensors, save_tensors

SMALL = {
    "preset": "fast",
    "number_embedding": False,
    "hidden_layer_sizes": (16,),
    "max_iter": 20,
    "random_state": 0,
}
FILES = Path(__file__).parent / "files"


def table(seed, rows=1000):
    """Noise grows with the prediction."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (rows, 3))
    return X, 2 * X[:, 0] + X[:, 1] + (0.1 + X[:, 0]) * rng.normal(size=rows)


X, Y = table(0)


@pytest.fixture(scope="module")
def model():
    return MLPRegressor(**SMALL, members=3).fit(X[:500], Y[:500])


def bound(coverage, known, tested):
    """Three and a half standard deviations of a share that both samples move."""
    return 3.5 * np.sqrt(coverage * (1 - coverage) * (1 / known + 1 / tested))


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"members": 3, "validation_fraction": 0.2},
        {"members": 1, "validation_fraction": 0.3},
        {"members": 1, "validation_fraction": 0.3, "loss": "quantile", "quantile": [0.05, 0.25, 0.75, 0.95]},
    ],
)
def test_intervals_hold_the_share_that_they_promise(asked):
    tables = [table(seed) for seed in range(3)]
    models = [MLPRegressor(**SMALL, **asked).fit(A[:500], a[:500]) for A, a in tables]
    known = sum(len(model.fitted_.held_out) for model in models)
    for coverage in (0.5, 0.9):
        shares = []
        for model, (A, a) in zip(models, tables, strict=True):
            low, high = model.predict_interval(A[500:], coverage)
            assert low.shape == high.shape == (500,) and (low <= high).all()
            shares.append(np.mean((low <= a[500:]) & (a[500:] <= high)))
        assert abs(np.mean(shares) - coverage) < bound(coverage, known, 1500)


def test_intervals_are_wide_where_errors_are_large(model):
    low, high = model.predict_interval(X[500:])
    predicted = model.predict(X[500:])
    assert ((low <= predicted) & (predicted <= high)).all()
    width = high - low
    assert width[predicted > 2].mean() > 1.3 * width[predicted < 1].mean()


@given(st.integers(20, 300), st.integers(0, 99), st.sampled_from([0.5, 0.8, 0.9]))
def test_without_differences_the_width_is_a_quantile_of_the_distances(rows, seed, coverage):
    rng = np.random.default_rng(seed)
    one = np.ones(1)
    target = Numbers(-9 * one, 9 * one, 0 * one, one, flat=True)
    errors = rng.normal(size=(rows, 1)).astype(np.float32)
    held_out = HeldOut.of(target, np.zeros((rows, 1), np.float32), errors)
    low, high = interval(target, held_out, np.zeros((1, 1), np.float32), coverage)
    distances = np.abs(errors.astype(np.float64))
    wanted = np.quantile(distances, (np.ceil((rows + 1) * coverage) - 0.5) / rows, method="inverted_cdf")
    np.testing.assert_allclose([low[0], high[0]], [-wanted, wanted], rtol=1e-5)


@pytest.mark.slow
def test_a_member_that_holds_out_what_it_has_seen_is_no_member():
    """All rows count once: each member's own part, by that member's outputs."""
    model = MLPRegressor(**SMALL, members=5, validation_fraction=0.2).fit(X[:100], Y[:100])
    assert len(model.fitted_.held_out) == 100
    truth = model.fitted_.target.decode(model.fitted_.held_out.target)
    np.testing.assert_allclose(np.sort(truth), np.sort(Y[:100]), atol=1e-5)


def test_an_eval_set_tells_how_wide(model):
    wide = MLPRegressor(**SMALL, members=2).fit(X[:500], Y[:500], eval_set=(X[500:700], Y[500:700] + 50))
    assert len(wide.fitted_.held_out) == 200
    low, high = wide.predict_interval(X[700:])
    assert (high - low).mean() > 50


def test_several_targets_each_have_their_interval():
    both = np.stack([Y, -3 * Y], axis=1)
    model = MLPRegressor(**SMALL, members=2).fit(X[:500], both[:500])
    low, high = model.predict_interval(X[500:], 0.8)
    held = ((low <= both[500:]) & (both[500:] <= high)).mean(axis=0)
    assert low.shape == (500, 2)
    np.testing.assert_allclose(held, 0.8, atol=bound(0.8, len(model.fitted_.held_out), 500))


def test_counts_are_never_negative():
    counts = np.random.default_rng(0).poisson(0.5 + X[:, 0])
    model = MLPRegressor(**SMALL, members=2, loss="poisson").fit(X, counts)
    low, high = model.predict_interval(X)
    assert low.min() >= 0 and (counts <= high).mean() > 0.85


def test_weights_say_which_rows_count():
    weights = np.where(X[:, 2] < 0.5, 1.0, 1e-3)
    noisy = Y + np.where(X[:, 2] < 0.5, 0, 20) * np.random.default_rng(1).normal(size=len(Y))
    model = MLPRegressor(**SMALL, members=2).fit(X, noisy, sample_weight=weights)
    low, high = model.predict_interval(X)
    counted = X[:, 2] < 0.5
    held = np.mean((low <= noisy)[counted] & (noisy <= high)[counted])
    assert abs(held - 0.9) < 0.06
    assert (high - low).mean() < 8


@pytest.mark.slow
def test_sets_hold_the_share_that_they_promise():
    A, a = make_classification(1500, 8, n_informative=4, n_classes=4, class_sep=0.6, random_state=0)
    model = MLPClassifier(**SMALL, members=3).fit(A[:700], a[:700])
    for coverage in (0.6, 0.9):
        sets = model.predict_set(A[700:], coverage)
        assert sets.shape == (800, 4) and sets.dtype == bool and sets.any(axis=1).all()
        held = sets[np.arange(800), a[700:]].mean()
        # The likeliest class is in a set also where it would be empty, so that they may hold more.
        assert held > coverage - bound(coverage, len(model.fitted_.held_out), 800)
    assert abs(held - 0.9) < bound(0.9, len(model.fitted_.held_out), 800)
    assert sets.sum(axis=1).mean() < 3.5
    assert (np.take_along_axis(sets, model.predict_proba(A[700:]).argmax(1)[:, None], 1)).all()


def test_a_set_has_what_is_as_probable_as_the_threshold():
    held_out = HeldOut(np.array([0.2, 0.4, 0.6, 0.8], np.float32))
    probabilities = np.array([[0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.9, 0.05, 0.05]])
    # Four of five rows, by four: all of them count, and the least is 0.2. Three of five: 0.4.
    assert likely(held_out, probabilities, 0.8).tolist() == [
        [True, True, False],
        [True] * 3,
        [True, False, False],
    ]
    assert likely(held_out, probabilities, 0.6).tolist() == [
        [True, True, False],
        [True, False, False],
        [True, False, False],
    ]


def test_only_so_many_rows_are_kept_and_always_the_same():
    target = Classes(np.arange(2))
    outputs = np.random.default_rng(0).normal(size=(9000, 2)).astype(np.float32)
    first, second = (HeldOut.of(target, outputs, np.zeros(9000)) for _ in range(2))
    assert len(first) == 4000
    np.testing.assert_array_equal(first.said, second.said)


@pytest.mark.few(1)
@pytest.mark.parametrize("asked", [{}, {"loss": "quantile", "quantile": [0.1, 0.9]}])
def test_files_and_pickles_give_the_same_intervals(asked, tmp_path):
    model = MLPRegressor(**SMALL | {"max_iter": 2}, **asked, members=2)
    model.fit(X, Y, sample_weight=np.linspace(1, 2, len(Y)))
    lamina.save(model, tmp_path / "m")
    for copy in (lamina.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copy.predict_interval(X[:50]), model.predict_interval(X[:50]))


def test_files_give_the_same_sets(tmp_path):
    model = MLPClassifier(**SMALL, members=2).fit(X, Y > 1.5)
    lamina.save(model, tmp_path / "m")
    np.testing.assert_array_equal(lamina.load(tmp_path / "m").predict_set(X, 0.7), model.predict_set(X, 0.7))


@pytest.mark.parametrize("name", ["said", "target"])
def test_a_file_whose_held_out_rows_do_not_fit_is_refused(model, name, tmp_path):
    lamina.save(model, tmp_path / "m")
    arrays, metadata = load_tensors(tmp_path / "m")
    arrays[f"held_out.{name}"] = arrays[f"held_out.{name}"][:5]
    save_tensors(tmp_path / "m", arrays, metadata)
    with pytest.raises(DataError, match="held-out rows have the shapes"):
        lamina.load(tmp_path / "m")


@pytest.mark.parametrize("file", ["regressor.safetensors", "regressor_format_2.safetensors"])
def test_an_older_file_says_that_it_knows_nothing(file):
    old = lamina.load(FILES / file)
    with pytest.raises(DataError, match="saved by an older lamina"):
        old.predict_interval(np.zeros((2, old.n_features_in_)))


def test_what_cannot_be_said_is_an_error(model):
    with pytest.raises(ValueError, match=r"coverage must be between 0 and 1, such as 0\.9, got 90"):
        model.predict_interval(X, 90)
    with pytest.raises(DataError, match=r"coverage=0\.999 needs 999 held-out rows, but there are 1"):
        model.predict_interval(X, 0.999)
    labels = MLPClassifier(**SMALL | {"max_iter": 1}).fit(*make_multilabel_classification(60, random_state=0))
    with pytest.raises(ValueError, match="several labels"):
        labels.predict_set(np.zeros((1, 20)))
    with pytest.raises(AttributeError, match="not fitted"):
        MLPRegressor().predict_interval(X)


@pytest.mark.few(1)
@pytest.mark.parametrize("how", ["early_stopping", "partial_fit", "warm_start"])
def test_rows_that_training_may_have_seen_say_nothing(how):
    if how == "early_stopping":
        model = MLPRegressor(**SMALL | {"max_iter": 1}, early_stopping=False).fit(X, Y)
    elif how == "partial_fit":
        model = MLPRegressor(**SMALL | {"max_iter": 1}).fit(X, Y).partial_fit(X, Y)
    else:
        model = MLPRegressor(**SMALL | {"max_iter": 1}, warm_start=True).fit(X, Y).fit(X, Y)
        again = MLPRegressor(**SMALL | {"max_iter": 1}, warm_start=True).fit(X[:500], Y[:500])
        again.fit(X[:500], Y[:500], eval_set=(X[500:], Y[500:])).predict_interval(X)
    with pytest.raises(DataError, match="predict_interval needs the predictions of members"):
        model.predict_interval(X)


def alone(model):
    """Each member by itself."""
    for member in model.fitted_.network.members:
        copy = pickle.loads(pickle.dumps(model))
        vars(copy)["fitted_"] = type(model.fitted_)(
            model.fitted_.encoder, Ensemble([member]), model.fitted_.target
        )
        yield copy


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "asked", [{}, {"loss": "poisson"}, {"loss": "quantile", "quantile": [0.1, 0.9]}, {"members": 2}]
)
def test_the_spread_is_that_of_the_members_predictions(asked):
    model = MLPRegressor(**SMALL | {"max_iter": 3, "members": 3} | asked).fit(X, np.abs(Y))
    mean, std = model.predict(X[:40], return_std=True)
    np.testing.assert_array_equal(mean, model.predict(X[:40]))
    wanted = np.std([one.predict(X[:40]) for one in alone(model)], axis=0, ddof=1)
    np.testing.assert_allclose(std, wanted, rtol=1e-4, atol=1e-7)
    one = next(alone(model))
    with pytest.raises(DataError, match="this model has only one"):
        one.predict(X, return_std=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:left out 1 column with the same value")
@pytest.mark.filterwarnings("ignore:.*values? that training did not have")
def test_the_spread_of_members_with_shares():
    model, new = mixture(regressor), new_table()
    std = model.predict(new, return_std=True)[1]
    said = np.array([one.predict(new) for one in alone(model)])
    wanted = [np.sqrt(np.cov(row, aweights=model.fitted_.network.shares)) for row in said.T]
    np.testing.assert_allclose(std, wanted, rtol=1e-3, atol=1e-6)


def test_the_spread_of_probabilities():
    model = MLPClassifier(**SMALL | {"max_iter": 3}, members=3).fit(X, np.digitize(Y, [1, 2]))
    mean, std = model.predict_proba(X[:40], return_std=True)
    np.testing.assert_array_equal(mean, model.predict_proba(X[:40]))
    wanted = np.std([one.predict_proba(X[:40]) for one in alone(model)], axis=0, ddof=1)
    np.testing.assert_allclose(std, wanted, rtol=1e-4, atol=1e-7)
