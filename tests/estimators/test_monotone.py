"""Constrained columns: predictions never move against them, whatever else is so, and wherever the network is used."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError
from lamina.estimators.network import part_of
from lamina.export._describe import describe

ROWS = 120


def table(rng, rows=ROWS):
    return pl.DataFrame(
        {
            "up": rng.normal(size=rows),
            "free": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "down": np.exp(3 * rng.normal(size=rows)),
            "color": rng.choice(["red", "green", "blue"], rows),
        }
    ).with_columns(pl.col("free").fill_nan(None))


def swept(frame, column, rng):
    """Rows of the table, each with many values of a column in ascending order, also far beyond its range."""
    values = np.sort(
        np.concatenate([rng.normal(size=60) * 3, np.exp(4 * rng.normal(size=60)), [-1e35, -1e9, 1e9, 1e35]])
    )
    rows = np.repeat(np.arange(8), len(values))
    return frame[rows].with_columns(pl.Series(column, np.tile(values, 8))), len(values)


def steps(model, frame, column, rng):
    """By how much predictions grow from value to value of a column."""
    many, count = swept(frame, column, rng)
    is_class = hasattr(model, "classes_")
    predictions = (
        model.predict_proba(many)[:, 1] if is_class else model.predict(many).reshape(len(many), -1)[:, 0]
    )
    return np.diff(predictions.reshape(8, count), axis=1)


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    hidden=st.lists(st.integers(2, 12), min_size=0, max_size=3),
    is_class=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "normalization": st.sampled_from([None, "batch"]),
            "members": st.integers(1, 2),
            "preset": st.sampled_from(["fast", "realmlp"]),
            "ntk": st.booleans(),
            "input_scale": st.booleans(),
            "learned_activation": st.booleans(),
            "learning_rate_init": st.sampled_from([None, 0.5]),  # one at which training jumps about
        }
    ),
)
def test_predictions_never_move_against_a_constraint(seed, hidden, is_class, options):
    rng = np.random.default_rng(seed)
    frame = table(rng)
    target = rng.normal(size=ROWS) - 2 * frame["up"].to_numpy()  # which the constraint denies
    monotone = {"up": 1, "down": -1}
    estimator = MLPClassifier if is_class else MLPRegressor
    model = estimator(tuple(hidden), max_iter=4, random_state=0, monotone=monotone, **options)
    model.fit(frame, target > 0 if is_class else target)
    assert steps(model, frame, "up", rng).min() >= 0
    assert steps(model, frame, "down", rng).max() <= 0


def fitted(**options):
    rng = np.random.default_rng(0)
    frame = table(rng, 400)
    target = (
        3 * np.tanh(frame["up"].to_numpy()) - np.log1p(frame["down"].to_numpy()) + rng.normal(0, 0.1, 400)
    )
    options = {"preset": "fast", "members": 2, "random_state": 0, "monotone": {"up": 1, 2: -1}, **options}
    return MLPRegressor(**options).fit(frame, target), frame, target


@pytest.mark.slow
def test_a_true_constraint_costs_little_and_is_learned():
    model, frame, target = fitted(members=1)
    free, _, _ = fitted(members=1, monotone=None)
    errors = [np.sqrt(np.mean((one.predict(frame) - target) ** 2)) for one in (model, free)]
    assert errors[0] < 1.3 * errors[1] < 0.4 * target.std()
    rng = np.random.default_rng(1)
    assert steps(model, frame, "up", rng).max() > 0  # it is no constant


@pytest.mark.slow
def test_what_a_constraint_forbids_is_not_learned():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1))
    model = MLPRegressor(preset="fast", members=1, random_state=0, monotone={0: 1}).fit(X, -X[:, 0])
    assert np.ptp(model.predict(X)) < 0.2


@pytest.mark.slow
def test_rows_and_blocks_and_files_give_the_same(tmp_path):
    model, frame, target = fitted(max_iter=3)
    predictions = model.predict(frame)
    np.testing.assert_array_equal(predictions[7:8], model.predict(frame[7:8]))
    lamina.save(model, tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(frame), predictions)
    assert again.monotone == {"up": 1, "down": -1}  # a file's settings have names only
    np.testing.assert_array_equal(again.fit(frame, target).predict(frame), predictions)
    assert clone(model).monotone == {"up": 1, 2: -1}
    model.set_params(warm_start=True).fit(frame, target)
    assert steps(model, frame, "up", np.random.default_rng(0)).min() >= 0


@pytest.mark.few(1)
@pytest.mark.parametrize("before", [None, {"up": 1}])
def test_a_warm_start_has_the_same_constraints(before):
    model, frame, target = fitted(max_iter=1, members=1, monotone=before, warm_start=True)
    with pytest.raises(
        ValueError, match=r"monotone was .* and is now \{.down.: -1\}; a warm start must continue"
    ):
        model.set_params(monotone={"down": -1}).fit(frame, target)


def test_shards_keep_the_bounds():
    model, frame, _ = fitted(max_iter=1, shards=2, members=1)
    assert steps(model, frame, "down", np.random.default_rng(0)).max() <= 0


@pytest.mark.slow
def test_partial_fit_and_streams_keep_the_bounds():
    rng = np.random.default_rng(0)
    frame = table(rng, 300)
    target = rng.normal(size=300)
    model = MLPRegressor(preset="fast", random_state=0, monotone={"up": 1})
    for _ in range(2):
        model.partial_fit(frame, target)
    assert steps(model, frame, "up", rng).min() >= 0
    streamed = MLPRegressor(preset="fast", random_state=0, monotone={"up": 1}, max_iter=2)
    streamed.fit(frame.with_columns(pl.Series("y", target)).lazy(), "y")
    assert steps(streamed, frame, "up", rng).min() >= 0


def test_the_network_that_is_exported_obeys_by_its_weights():
    """What leaves lamina is an ordinary network; cosines of a constrained number, and it itself, have weight 0."""
    model, _, _ = fitted(max_iter=2)
    prediction = describe(model)
    assert [column.clips for column in prediction.inputs.numbers] == [False, True, False]
    for member in prediction.network.members:
        arrays, rises = member.state(), member.rises().asnumpy()
        assert not arrays["number"][[0, 2]].any() and arrays["number"][1].any()
        assert rises[0].min() >= 0 >= rises[2].max()
        assert not arrays["weight0"][[0, 2]].any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"monotone": {"upp": 1}}, DataError, "no column 'upp'. Did you mean 'up'"),
        ({"monotone": {"up": 2}}, ValueError, r"monotone\['up'\] must be 1 .*got 2"),
        ({"monotone": {"color": 1}}, DataError, "'color' is categorical, and only numbers have an order"),
        (
            {"monotone": {"pressure": 1}},
            DataError,
            "'pressure' holds numbers in the same words, and only a single",
        ),
        ({"monotone": ["up"]}, ValueError, "a dict of 1 and -1 by column, not list"),
        ({"monotone": {"up": np.array([1, 2])}}, ValueError, r"monotone\['up'\] must be 1 .*got array"),
        ({"monotone": {"up": 1, 0: -1}}, ValueError, "'up' has both 1 and -1"),
        ({"monotone": {True: 1}}, DataError, "no column True"),
        ({"monotone": {"up": 1}, "column_kinds": {"up": "drop"}}, DataError, "not used"),
        ({"monotone": {"up": 1}, "activation": "tanh"}, ValueError, "activation='relu', not 'tanh'"),
        ({"monotone": {"up": 1}, "normalization": "layer"}, ValueError, "'layer', which mixes all units"),
        ({"monotone": {"up": 1}, "number_embedding": False}, ValueError, "number_embedding"),
    ],
)
def test_what_cannot_be_constrained(options, error, message):
    frame = table(np.random.default_rng(0))
    frame = frame.with_columns(
        pressure=pl.Series([f"{90 + 7 * i % 110}/{50 + 3 * i % 61}" for i in range(ROWS)])
    )
    with pytest.raises(error, match=message):
        MLPRegressor(preset="fast", **options).fit(frame, np.arange(ROWS))


def test_of_several_classes_none_is_above_the_others():
    frame = table(np.random.default_rng(0))
    with pytest.raises(ValueError, match="the target has 3 classes"):
        MLPClassifier(preset="fast", monotone={"up": 1}).fit(frame, np.arange(ROWS) % 3)


def test_constraints_of_none_change_nothing():
    states = []
    for monotone in (None, {}, {"up": 0}):
        model, _, _ = fitted(monotone=monotone, max_iter=1, members=1)
        states.append(part_of(model.fitted_.network.state(), "0."))
    assert all((a == b).all() for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert states[0].keys() == states[2].keys()
