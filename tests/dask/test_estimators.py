"""`lamina.dask` on a real cluster: the same as a streamed table, whatever the workers; and what it refuses."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from any_texts import sentences

import lamina
from lamina.errors import DataError
from lamina.table.stream import cache

dask = pytest.importorskip("dask", reason="NOT TESTED: Dask, which is not installed")
import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402

from lamina import dask as on_dask  # noqa: E402
from lamina.estimators.base import BaseMLP  # noqa: E402

SMALL = {"preset": "fast", "hidden_layer_sizes": (16,), "max_iter": 4, "random_state": 0}


def table(rows=900):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=rows),
            "gaps": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "text": rng.choice(["u", "v", "w"], rows),
            "kind": pd.Categorical(rng.choice(["x", "y"], rows)),
        }
    )
    return frame.assign(answer=np.where(frame.number + (frame.text == "u") > 0, "yes", "no"))


FRAME = table()
INPUTS = FRAME.drop(columns="answer")


def collections(parts):
    whole = dd.from_pandas(FRAME, npartitions=parts, sort=False)
    return whole[list(INPUTS)], whole["answer"]


@pytest.mark.slow
def test_one_partition_gives_what_a_streamed_table_gives(client):
    X, y = collections(1)
    found = on_dask.MLPClassifier(**SMALL).fit(X, y).to_local()
    assert type(found) is lamina.MLPClassifier
    plain = FRAME.assign(kind=FRAME.kind.astype(str))
    streamed = lamina.MLPClassifier(**SMALL).fit(pl.from_pandas(plain).lazy(), "answer")
    inputs = pl.from_pandas(plain.drop(columns="answer"))
    np.testing.assert_array_equal(found.predict_proba(inputs), streamed.predict_proba(inputs))
    assert found.loss_curve_ == streamed.loss_curve_


def test_the_workers_change_no_bit_and_predictions_stay_with_them(client, one_worker, monkeypatch):
    monkeypatch.setattr(
        cache, "_GROUP_BYTES", 1
    )  # so that the rows are fetched in several groups and windows
    monkeypatch.setattr(cache, "_FEWEST_ROWS", 50)
    monkeypatch.setattr(cache, "_WINDOW_BYTES", 1)
    models = []
    for one in (client, one_worker):
        with one.as_current():
            X, y = collections(4)
            model = on_dask.MLPClassifier(**SMALL, client=one).fit(X, y)
            assert model.client_ is one
            models.append(model)
            probabilities = model.predict_proba(X)
            assert isinstance(probabilities, da.Array)
            assert probabilities.shape[1] == 2
            local = model.to_local()
            np.testing.assert_array_equal(one.compute(probabilities).result(), local.predict_proba(INPUTS))
            assert one.compute(model.predict(X)).result().tolist() == local.predict(INPUTS).tolist()
            assert model.score(X, y) == local.score(INPUTS, FRAME.answer) > 0.9
    first, second = (model.to_local().predict_proba(INPUTS) for model in models)
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marks", "gap"), [({"groups": "who"}, 0), ({"time": "when"}, 0), ({"time": "when"}, 20)], ids=str
)
def test_groups_and_times_divide_rows_as_those_of_a_streamed_table(client, monkeypatch, marks, gap):
    rng = np.random.default_rng(2)
    days = np.datetime64("2024-01-01") + rng.integers(0, 400, 900)
    who = [f"customer {i}" for i in rng.integers(0, 40, 900)]
    frame = FRAME[["number", "answer"]].assign(who=who, when=days.astype(str))
    divisions = []

    def divided(estimator, table, eval_set=None):
        divisions.append(table.division)
        return fit_streamed(estimator, table, eval_set)

    fit_streamed = BaseMLP._fit_streamed
    monkeypatch.setattr(BaseMLP, "_fit_streamed", divided)
    settings = {**SMALL, "time_gap": gap, "early_stopping": True}
    lamina.MLPClassifier(**settings).fit(pl.from_pandas(frame).lazy(), "answer", **marks)
    pieces = [frame[:400], frame[400:400], frame[400:]]  # of which one has no row
    whole = dd.concat([dd.from_pandas(piece, npartitions=1) for piece in pieces])
    model = on_dask.MLPClassifier(**settings).fit(whole, "answer", **marks)
    expected, found = divisions
    np.testing.assert_array_equal(found.validation.numbers, expected.validation.numbers)
    assert (found.training, found.above) == (expected.training, expected.above)
    (name,) = marks.values()
    held = set(found.validation.frame[name])
    others = set(frame[name][frame.index.difference(found.validation.numbers)])
    assert not held & others and 0 < len(found.validation) < 300
    assert model.fitted_.encoder.schema["who"].used == ("groups" not in marks)
    if gap:
        assert found.training < 900 - len(found.validation)


def test_groups_and_times_are_names_of_columns(client):
    X, y = collections(2)
    for marks in ({"groups": y}, {"time": "whenn"}):
        with pytest.raises(
            ValueError, match="of a collection of Dask must be the name of a column, one of 'number'"
        ):
            on_dask.MLPClassifier(**SMALL).fit(X, y, **marks)
    with pytest.raises(DataError, match=r"time is missing in .* rows, first in row"):
        on_dask.MLPClassifier(**SMALL, early_stopping=True).fit(X, y, time="gaps")


@pytest.mark.slow
def test_arrays_and_a_target_among_the_columns(client):
    numbers = INPUTS[["number", "gaps"]].fillna(0).to_numpy()
    X, y = da.from_array(numbers, chunks=(300, 2)), da.from_array(3 * numbers[:, 0], chunks=300)
    model = on_dask.MLPRegressor(**{**SMALL, "max_iter": 20}).fit(X, y)
    assert model.predict(X).shape == (900,)
    assert model.score(X, y) > 0.9
    assert model.score(X, y) == pytest.approx(model.to_local().score(numbers, 3 * numbers[:, 0]))
    whole = dd.from_pandas(FRAME, npartitions=3, sort=False)
    named = on_dask.MLPClassifier(**SMALL).fit(whole, "answer", eval_set=(INPUTS, FRAME.answer))
    assert named.score(whole, whole["answer"]) > 0.9
    assert named.to_local().fitted_.encoder.schema.target.name == "answer"


def test_quantiles_are_columns_and_intervals_are_of_tables_in_memory(client):
    numbers = INPUTS[["number", "gaps"]].fillna(0).to_numpy()
    X, y = da.from_array(numbers, chunks=(300, 2)), da.from_array(3 * numbers[:, 0], chunks=300)
    model = on_dask.MLPRegressor(**SMALL, loss="quantile", quantile=[0.1, 0.5, 0.9]).fit(X, y)
    found = model.predict(X)
    assert found.shape == (900, 3)
    np.testing.assert_array_equal(found.compute(), model.to_local().predict(numbers))
    assert model.score(X, y) == pytest.approx(model.to_local().score(numbers, 3 * numbers[:, 0]))
    low, high = model.predict_interval(numbers, 0.9)
    assert np.mean((low <= 3 * numbers[:, 0]) & (3 * numbers[:, 0] <= high)) > 0.8
    with pytest.raises(TypeError, match=r"a table in memory: X\.compute"):
        model.predict_interval(X)


def test_a_pickle_has_no_client(client):
    X, y = collections(2)
    model = on_dask.MLPClassifier(**{**SMALL, "max_iter": 1}, client=client).fit(X, y)
    moved = pickle.loads(pickle.dumps(model))
    assert moved.client is None
    np.testing.assert_array_equal(
        moved.to_local().predict_proba(INPUTS), model.to_local().predict_proba(INPUTS)
    )


def test_partitions_of_other_types_and_without_rows_are_one_table(one_worker):
    """As pieces of a table are that were written one by one: each column has the type of its piece's values."""
    texts = sentences(400, 1)
    whole = {
        "x": [i % 90 if i < 300 or i % 3 else "No home" for i in range(400)],
        "told": texts,
        "gap": [None if i < 200 else f"w{i % 5}" for i in range(400)],
        "n": [i if i < 200 else i + 0.5 for i in range(400)],
        "y": [text.count("a") - text.count("e") + 0.25 for text in texts],
    }

    def piece(i):
        return pd.DataFrame({name: values[i * 100 : (i + 1) * 100] for name, values in whole.items()})

    with one_worker.as_current():
        X = dd.from_map(piece, [4, 0, 1, 4, 2, 3], meta=piece(3), enforce_metadata=False)
        found = on_dask.MLPRegressor(**SMALL).fit(X, "y").to_local()
        schema = found.fitted_.encoder.schema
        assert {one.name: one.type.tag for one in schema.columns} == {
            "x": "mixed", "told": "text", "gap": "category", "n": "number"
        }  # fmt: skip
        assert schema["gap"].missing == 200 and schema["n"].high == 399.5
        assert schema["told"].type.targets == 1
        inputs = pd.DataFrame(whole).drop(columns="y")
        in_parts = on_dask.MLPRegressor(**SMALL).fit(X, "y").predict(X.drop(columns="y")).compute()
        np.testing.assert_array_equal(in_parts, found.predict(inputs))
        other = dd.from_map(
            lambda i: piece(i).rename(columns={"x": f"x{i}"}), [0, 1], meta=piece(3), enforce_metadata=False
        )
        with pytest.raises(DataError, match="partitions differ in their columns"):
            on_dask.MLPRegressor(**SMALL).fit(other, "y")


def test_what_does_not_fit_is_refused(client):
    X, y = collections(2)
    model = on_dask.MLPClassifier(**SMALL)
    numbers = da.ones((40, 4), chunks=(20, 2))
    for (inputs, target), error, message in [
        ((INPUTS, FRAME.answer), TypeError, "X is a DataFrame; lamina.dask takes Dask arrays and frames"),
        ((X, FRAME.answer), TypeError, "y is a Series"),
        ((X, collections(3)[1]), DataError, "X has 2 partitions and y 3"),
        (
            (X, da.from_array(np.arange(900) % 2, chunks=(400, 500))),
            DataError,
            "a partition of X has 450 rows",
        ),
        ((numbers, numbers[:, 0]), DataError, "X has 2 chunks of columns"),
        ((X, "answre"), DataError, "no column 'answre'"),
    ]:
        with pytest.raises(error, match=message):
            model.fit(inputs, target)
    with pytest.raises(ValueError, match="sample_weight is for tables in memory"):
        model.fit(X, y, sample_weight=y)
    with pytest.raises(AttributeError, match="not fitted"):
        model.predict(X)
