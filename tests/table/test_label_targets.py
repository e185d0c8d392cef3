"""Whole numbers that name things are categories, if they tell more about the target than their order does."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import lamina
from lamina.table.inspection import Look
from lamina.table.kinds import infer
from lamina.table.label_targets import _told, _unexplained, _with_ranges, may_be_labels, which_are_labels
from lamina.table.types import Number

SUBJECTS, TIMES = 80, 5


def panel(seed=0, noise=0.5):
    """Subjects in random order, each with its own level; the target rises with the dose."""
    rng = np.random.default_rng(seed)
    subject = rng.permutation(np.repeat(np.arange(SUBJECTS), TIMES))
    dose = rng.normal(size=len(subject))
    y = rng.normal(size=SUBJECTS)[subject] + 0.5 * dose + noise * rng.normal(size=len(subject))
    return pl.DataFrame({"subject": 3 * subject + 7, "dose": dose, "y": y})


def kind_of(frame, column="subject", **how):
    return infer(frame, "y", **({"labels": True} | how))[column].type.tag


def test_numbers_of_subjects_are_categories():
    schema = infer(panel(), "y", labels=True)
    assert schema["subject"].type.tag == "category"
    assert schema["subject"].reason == "numbers that name things"
    assert len(schema["subject"].categories) == SUBJECTS
    assert isinstance(schema["dose"].type, Number)
    assert Look(panel(), "y").schemas["subject"] == schema["subject"]


def test_a_kind_that_is_given_counts():
    assert kind_of(panel(), kinds={"subject": "numeric"}) == "number"
    assert kind_of(panel(), labels=False) == "number"
    assert kind_of(panel(), monotone=["subject"]) == kind_of(panel(), monotone=[0]) == "number"
    assert kind_of(panel(), monotone=["dose"]) == "category"


def test_numbers_whose_squares_are_beyond_float64():
    frame = panel().with_columns(size=1e200 * panel(1)["dose"])
    assert kind_of(frame) == "category"


@pytest.mark.parametrize("target", ["noise", "trend", "wave", "steps", "bands", "exact"])
def test_numbers_whose_order_matters_stay_numbers(target):
    frame, rng = panel(), np.random.default_rng(1)
    x = frame["subject"].to_numpy() / 240
    signal = {
        "noise": 0 * x,
        "trend": 3 * x,
        "wave": np.sin(12 * x),
        "steps": np.floor(4 * x) % 2,
        "exact": 20 * frame["dose"].to_numpy() + rng.normal(size=SUBJECTS)[(80 * x).astype(int) % SUBJECTS],
        "bands": rng.normal(size=11)[(10 * x).astype(int)],
    }[target]
    y = signal + 0.3 * rng.normal(size=len(x))
    assert kind_of(frame.with_columns(y=pl.Series(y))) == "number"


def test_classes_show_labels_too():
    frame = panel().with_columns(y=pl.Series(np.where(panel(noise=0.2)["y"] > 0, "high", "low")))
    assert kind_of(frame) == "category"


def test_years_few_values_and_numbers_without_repeats_stay_numbers():
    frame = panel()
    years = frame.with_columns(subject=pl.Series(1900 + (frame["subject"] - 7) // 3))
    assert kind_of(years) == "number"
    of_rows = frame.with_columns(subject=pl.Series(np.random.default_rng(0).permutation(len(frame))))
    assert kind_of(of_rows) == "number"
    few = frame.with_columns(subject=pl.Series((frame["subject"].to_numpy() - 7) // 3 % 19))
    assert (
        kind_of(
            few.with_columns(
                y=few["subject"].replace_strict(range(19), [*np.random.default_rng(2).normal(size=19)])
            )
        )
        == "number"
    )


@pytest.mark.parametrize("x", [[], [np.nan] * 20, [0.5, *range(20)] * 4, [1e300, np.inf] * 40])
def test_other_columns_are_not_examined(x):
    assert not may_be_labels(np.array(x, float))


def test_missing_values_and_many_values_are_no_obstacle():
    rng = np.random.default_rng(0)
    x = rng.permutation(np.repeat(np.arange(6000.0), 4))
    y = (rng.normal(size=6000)[x.astype(int)] + 0.5 * rng.normal(size=len(x)))[:, None]
    x[rng.random(len(x)) < 0.1] = np.nan
    assert may_be_labels(x)
    assert which_are_labels([0], y, [x]) == [0]
    assert which_are_labels([0], rng.permutation(y), [x]) == []


def test_what_labels_tell_is_what_ridge_regressions_on_indicators_tell():
    frame = panel()
    y = frame["y"].to_numpy()
    at = np.unique(frame["subject"], return_inverse=True)[1]
    folds = np.random.default_rng(0).permutation(len(y)) % 5
    own, others = _told(at, y[:, None] - y.mean(), folds)
    split = PredefinedSplit(folds)
    models = (make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge(penalty)) for penalty in (1, 3, 10))
    peer = max(r2_score(y, cross_val_predict(model, at[:, None], y, cv=split)) for model in models)
    assert own == pytest.approx(peer, abs=0.01)
    assert others < 0.05


def test_a_column_is_taken_out_of_the_regressions_on_all():
    rng, folds = np.random.default_rng(0), np.sort(np.arange(300) % 5)
    numbers, code = rng.normal(size=(3, 300)), rng.integers(4, size=300)
    wanted = (numbers[1] + (code == 2) + rng.normal(size=300))[:, None]
    wanted -= wanted.mean()
    both = _unexplained([0, 1], np.arange(300), folds, wanted, [*numbers], [code])
    for j, left in enumerate(both):
        features = np.concatenate([_with_ranges(np.delete(numbers, j, axis=0).T, 8), np.eye(4)[code]], axis=1)
        models = (Ridge(penalty, fit_intercept=False) for penalty in (1, 10))
        split = PredefinedSplit(folds)
        peers = [wanted - cross_val_predict(x, features, wanted, cv=split).reshape(-1, 1) for x in models]
        np.testing.assert_allclose(left, min(peers, key=np.linalg.norm), atol=1e-9)


def test_estimators_learn_labels_unless_groups_are_kept_together():
    frame = panel(noise=0.2)
    X, y, rows = frame.drop("y"), frame["y"].to_numpy(), np.arange(len(frame)) % 5 < 4
    train, test = X.filter(rows), X.filter(~rows)
    model = lamina.MLPRegressor(preset="fast", random_state=0).fit(train, y[rows])
    assert model.fitted_.encoder.code_names == ("subject",)
    assert model.score(test, y[~rows]) > 0.85
    by_number = lamina.MLPRegressor(preset="fast", random_state=0, column_kinds={"subject": "numeric"})
    assert by_number.fit(train, y[rows]).score(test, y[~rows]) < 0.7
    by_order = lamina.MLPRegressor(preset="fast", random_state=0, monotone={"subject": 1}, max_iter=1)
    assert by_order.fit(train, y[rows]).fitted_.encoder.code_names == ()
    by_groups = lamina.MLPRegressor(preset="fast", random_state=0).fit(X, y, groups=X["subject"].to_numpy())
    assert by_groups.fitted_.encoder.code_names == ()


def test_a_step_that_a_proxy_leaves_at_one_value_is_no_label():
    """A price follows from a rating; of 20 such tables, 0 to 1 have a label, which was 8."""
    rng, found = np.random.default_rng(5), 0
    for _ in range(20):
        tilt, quality, noise = rng.normal(size=(3, 500))
        age, rating = np.clip(40 + 12 * tilt, 18, 90).astype(int), np.round(60 + 20 * quality)
        price = 5 * np.round(np.exp(3 + 0.5 * quality))
        y = 2.0 * ((age > 30) & (rating > 50)) + 0.1 * noise
        schema = infer(pl.DataFrame({"age": age, "rating": rating, "price": price, "y": y}), "y", labels=True)
        found += any(one.type.tag == "category" for one in schema.columns)
    assert found <= 1
