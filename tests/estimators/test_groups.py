"""`fit(X, y, groups=, time=)`: members, searches and intervals see no group from both sides, and no future."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lamina import MLPClassifier, MLPRegressor, load, save
from lamina.errors import DataError
from lamina.estimators.search.engine import Search

SMALL = {"hidden_layer_sizes": 4, "max_iter": 2, "number_embedding": False, "random_state": 0}
RNG = np.random.default_rng(0)
ROWS = 200
GROUPS = np.repeat(np.arange(20), 10)
EFFECT = RNG.normal(size=20)[GROUPS]
X = np.column_stack([RNG.normal(size=ROWS), np.arange(ROWS)])
Y = X[:, 0] + 2 * EFFECT
TIME = np.arange(ROWS) // 4


def divided(estimator, monkeypatch, **marks):
    """The pairs of training and validation rows with which an estimator is trained."""
    seen = []
    train = type(estimator)._train

    def watched(self, parts, held_out, *rest, **more):
        seen[:] = [(a.rows, b.rows) for a, b in zip(parts, held_out, strict=True)]
        return train(self, parts, held_out, *rest, **more)

    monkeypatch.setattr(type(estimator), "_train", watched)
    y = Y if isinstance(estimator, MLPRegressor) else (EFFECT > 0).astype(int)
    estimator.fit(X, y, **marks)
    return seen


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("members", [1, 3, None])
def test_members_hold_out_whole_groups(kind, members, monkeypatch):
    pairs = divided(kind(**SMALL, members=members, preset="realmlp"), monkeypatch, groups=GROUPS)
    assert len(pairs) == (members or 5)
    for train, held in pairs:
        assert len(train) + len(held) == ROWS and len(held) == 40
        assert not set(GROUPS[train]) & set(GROUPS[held])
    assert len(set(np.concatenate([held for _, held in pairs]))) == 40 * len(pairs)


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 3])
def test_members_validate_on_what_comes_after_they_train_on(members, monkeypatch):
    pairs = divided(
        MLPRegressor(**SMALL, members=members, time_gap=2, preset="realmlp"), monkeypatch, time=TIME
    )
    assert len(pairs) == members
    for train, held in pairs:
        assert TIME[train].max() + 2 < TIME[held].min()
    held = np.concatenate([held for _, held in pairs])
    np.testing.assert_array_equal(np.sort(held), np.arange(ROWS - 40, ROWS))


@pytest.mark.slow
def test_a_search_compares_trials_on_groups_that_they_did_not_see(monkeypatch):
    seen = []
    run = Search.run

    def watched(self, encoder, target, train, held_out, seed, **more):
        seen[:] = [(a.rows, b.rows) for a, b in zip(train, held_out, strict=True)]
        return run(self, encoder, target, train, held_out, seed, **more)

    monkeypatch.setattr(Search, "run", watched)
    settings = {"hidden_layer_sizes": 4, "number_embedding": False, "random_state": 0, "trials": 1}
    MLPRegressor(**settings).fit(X, Y, groups=GROUPS)
    assert len(seen) == 10 and not any(set(GROUPS[a]) & set(GROUPS[b]) for a, b in seen)


@pytest.mark.slow
def test_intervals_know_how_far_other_groups_are():
    """Those of rows divided at random promise more than they hold for groups that training did not have."""
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(60), 20)
    effect = rng.normal(size=60)
    features = np.column_stack([rng.normal(size=1200), rng.normal(size=60)[of]])
    y = features[:, 0] * 0.1 + effect[of]
    new = of >= 40
    held = {}
    for name, marks in {"random": {}, "groups": {"groups": of[~new]}}.items():
        model = MLPRegressor(preset="fast", random_state=0, members=4).fit(features[~new], y[~new], **marks)
        low, high = model.predict_interval(features[new], coverage=0.8)
        held[name] = np.mean((low <= y[new]) & (y[new] <= high))
    assert held["random"] < 0.6
    assert held["groups"] > 0.7


def test_fewer_groups_than_a_small_table_has_members_make_fewer_members():
    model = MLPRegressor(**SMALL).fit(X, Y, groups=GROUPS // 7)
    assert len(model.fitted_.network.members) == 3
    with pytest.raises(DataError, match="there are 3 groups, and members=5 need at least 5"):
        MLPRegressor(**SMALL, members=5).fit(X, Y, groups=GROUPS // 7)


@pytest.mark.parametrize(
    "groups", [GROUPS.tolist(), GROUPS.astype(str), pd.Series(GROUPS.astype(str), index=range(7, 207))]
)
def test_groups_are_arrays_lists_or_series(groups, monkeypatch):
    for train, held in divided(MLPRegressor(**SMALL, members=2), monkeypatch, groups=groups):
        assert not set(GROUPS[train]) & set(GROUPS[held])


@pytest.mark.parametrize(
    ("marks", "error", "message"),
    [
        ({"groups": "customer"}, TypeError, r"groups=X\['customer'\]"),
        (
            {"time": X},
            TypeError,
            r"time must have one value for each row, \(rows,\), not the shape \(200, 2\)",
        ),
        ({"groups": GROUPS[:9]}, DataError, "groups has 9 values, but the table has 200 rows"),
        ({"time": ["soon"] * ROWS}, DataError, "time: the values, such as 'soon' in row 0"),
    ],
)
def test_what_is_no_mark_of_rows(marks, error, message):
    with pytest.raises(error, match=message):
        MLPRegressor(**SMALL).fit(X, Y, **marks)


def test_groups_of_a_streamed_table_are_one_of_its_columns():
    source = pl.DataFrame({"who": GROUPS, "when": TIME, "x": X[:, 0], "y": Y}).lazy()
    model = MLPRegressor(**SMALL, members=1).fit(source, "y", groups="who")
    kinds = {column.name: column.used for column in model.fitted_.encoder.schema.columns}
    assert kinds == {"who": False, "when": True, "x": True}
    MLPRegressor(**SMALL, members=1).fit(source, "y", time="when")
    rows = pl.DataFrame({"who": GROUPS, "when": TIME, "x": X[:, 0]})
    MLPRegressor(**SMALL, members=1, time_gap=3).fit(source, "y", time="when", eval_set=(rows, Y))
    for marks in ({"groups": GROUPS}, {"time": "whenn"}):
        with pytest.raises(
            ValueError, match="of a streamed table must be the name of a column, one of 'who', 'when'"
        ):
            MLPRegressor(**SMALL).fit(source, "y", **marks)
    with pytest.raises(ValueError, match="together are for tables in memory"):
        MLPRegressor(**SMALL).fit(source, "y", groups="who", time="when")


@pytest.mark.slow
def test_scikit_learns_tools_hand_groups_on(monkeypatch):
    given = []
    fit = MLPRegressor.fit
    monkeypatch.setattr(
        MLPRegressor, "fit", lambda self, X, y, **more: given.append(more) or fit(self, X, y, **more)
    )
    plain = MLPRegressor(**SMALL, members=2)
    cross_validate(
        plain, X, Y, groups=GROUPS, cv=GroupKFold(2), params={"groups": GROUPS}, error_score="raise"
    )
    assert [len(set(more["groups"])) for more in given] == [10, 10]
    given.clear()
    with config_context(enable_metadata_routing=True):
        asking = MLPRegressor(**SMALL, members=2).set_fit_request(groups=True, time=True)
        routed = make_pipeline(StandardScaler(), asking)
        cross_validate(routed, X, Y, cv=GroupKFold(2), params={"groups": GROUPS}, error_score="raise")
        routed.fit(X, Y, time=TIME)
    assert [sorted(name for name, value in more.items() if value is not None) for more in given] == [
        ["groups"], ["groups"], ["time"],
    ]  # fmt: skip


@pytest.mark.slow
def test_a_trend_goes_on_beyond_the_days_of_training():
    """Slower than it was, as numbers are clipped smoothly, but neither as a constant nor without bounds."""
    rng = np.random.default_rng(0)
    days = np.datetime64("2018-01-01") + np.sort(rng.integers(0, 1000, 1500))
    frame = pd.DataFrame({"day": days, "x": rng.normal(size=1500)})
    number = (days - days[0]).astype(float) / 1000
    y = 3 * number + 0.3 * frame["x"].to_numpy() + 0.2 * rng.normal(size=1500)
    past = number < 0.7
    model = MLPRegressor(preset="fast", random_state=0).fit(frame[past], y[past], time=days[past])
    found, true = model.predict(frame[~past]), y[~past]
    assert 1 < np.polyfit(number[~past], found, 1)[0] < 4  # 3 is true
    constant = y[past & (number > 0.6)].mean()
    assert np.mean(np.square(found - true)) < 0.5 * np.mean(np.square(constant - true))
    far = pd.DataFrame({"day": days[~past] + 36_500, "x": frame["x"].to_numpy()[~past]})
    assert np.abs(model.predict(far)).max() < 10 * np.abs(y).max()


def _series(values: np.ndarray) -> tuple[pd.DataFrame, np.ndarray, slice, slice]:
    """A day for each value; the first three quarters are to train on."""
    frame = pd.DataFrame({"day": pd.date_range("2019-01-01", periods=len(values))})
    return frame, values, slice(0, len(values) * 3 // 4), slice(len(values) * 3 // 4, None)


def _forecast(values: np.ndarray) -> tuple[MLPRegressor, np.ndarray, np.ndarray]:
    """A model of the past with times, its predictions for what follows, and the true values."""
    frame, y, past, future = _series(values)
    model = MLPRegressor(preset="fast", random_state=0).fit(frame[past], y[past], time=frame["day"][past])
    return model, model.predict(frame[future]), y[future]


@pytest.mark.parametrize("slope", [0.05, -0.05])
def test_a_line_leaves_the_range_of_the_training_targets(slope):
    k = np.arange(800)
    y = 50 + slope * k + np.random.default_rng(0).normal(size=800)
    model, found, true = _forecast(y)
    assert r2_score(true, found) > 0.4  # -2.3 within the range
    low, high = y[:600].min(), y[:600].max()
    assert found.max() > high if slope > 0 else found.min() < low
    far = pd.DataFrame({"day": pd.to_datetime(["2200-01-01"])})
    assert low - (high - low) <= model.predict(far)[0] <= high + (high - low)
    frame, _, past, _ = _series(y)
    unordered = MLPRegressor(preset="fast", random_state=0).fit(frame[past], y[past])
    later = unordered.predict(frame)
    assert low <= later.min() <= later.max() <= high


@pytest.mark.parametrize("kind", ["levels off", "walks at random", "noise"])
def test_other_series_stay_within_the_range(kind):
    rng, k = np.random.default_rng(0), np.arange(800)
    y = {
        "levels off": 50 * (1 - np.exp(-k / 150)) + rng.normal(size=800),
        "walks at random": np.cumsum(rng.normal(size=800)),
        "noise": rng.normal(size=800),
    }[kind]
    model, found, _ = _forecast(y)
    assert (model.fitted_.target.low[0], model.fitted_.target.high[0]) == (y[:600].min(), y[:600].max())
    assert y[:600].min() <= found.min() <= found.max() <= y[:600].max()


LINE = 50 + 0.05 * np.arange(800) + 0.3 * np.random.default_rng(0).normal(size=800)
"""With more noise, a processor's rounding decides whether predictions leave the range of the training targets."""
NOISE = np.random.default_rng(0).normal(size=800)


def _limits(y: np.ndarray, **settings) -> tuple[float, float]:
    """How far the limits of a model of the past are beyond its targets, in their range, below and above."""
    frame, y, past, _ = _series(y)
    model = MLPRegressor(random_state=0, **settings).fit(frame[past], y[past], time=frame["day"][past])
    target, low, high = model.fitted_.target, y[past].min(), y[past].max()
    return (low - target.low[-1]) / (high - low), (target.high[-1] - high) / (high - low)


@pytest.mark.slow
def test_a_search_sees_that_a_trend_goes_on():
    assert _limits(LINE, trials=1) == pytest.approx((1, 1))
    assert _limits(NOISE, trials=1) == (0, 0)


@pytest.mark.parametrize("quantile", [0.8, (0.1, 0.5, 0.9)])
def test_quantiles_see_that_a_trend_goes_on(quantile):
    settings = {"loss": "quantile", "quantile": quantile, "preset": "fast"}
    assert _limits(LINE, **settings) == pytest.approx((1, 1))
    assert _limits(NOISE, **settings) == (0, 0)


def test_an_extreme_quantile_decides_nothing_about_a_trend():
    assert _limits(LINE, loss="quantile", quantile=0.95, preset="fast") == (0, 0)


def test_a_trend_does_not_pass_zero_that_no_target_does(tmp_path):
    y = np.abs(40 - 0.05 * np.arange(800) + np.random.default_rng(0).normal(size=800))
    model, found, _ = _forecast(y)
    assert model.fitted_.target.low[0] == 0 < y[:600].min()
    assert found.min() < y[:600].min()
    frame, *_, future = _series(y)
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(frame[future]), found)
