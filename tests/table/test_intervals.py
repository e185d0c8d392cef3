"""The days between two columns of dates: which there are, what they are of any table, and where they come out."""

import datetime
import json

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker

import lamina
from lamina.errors import DataError
from lamina.serve._rows import TableRows
from lamina.table.check import check
from lamina.table.describe import column_rows
from lamina.table.kinds import infer, relearned
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics

N = 240
R = np.random.default_rng(7)
STARTS = [datetime.date(2015, 1, 1) + datetime.timedelta(int(d)) for d in R.integers(0, 2000, N)]
STAYS = R.integers(1, 30, N)
LEAVES = [start + datetime.timedelta(int(stay)) for start, stay in zip(STARTS, STAYS, strict=True)]
FRAME = pl.DataFrame(
    {"arrives": STARTS, "leaves": [f"{day:%d.%m.%Y}" for day in LEAVES], "x": R.random(N)}
).with_columns(arrives=pl.when(pl.int_range(N) % 9 != 4).then("arrives"))
PRICE = 100.0 * STAYS
NAME = "leaves: days since arrives"


def test_two_columns_of_dates_have_the_days_between_them():
    schema = infer(FRAME)
    (interval,) = schema.intervals
    assert (interval.name, schema.owners[NAME], schema.input_names[-1]) == (NAME, "leaves", NAME)
    lines = {row.name: row.treatment for row in column_rows(schema)}
    assert lines["leaves"].endswith("; the days since arrives") and "since" not in lines["arrives"]
    for frame in (FRAME, FRAME.to_pandas(), FRAME[::-1][:5]):
        found = check(schema, frame).column(NAME).numbers()
        days = pd.to_datetime(pd.Series(list(frame["leaves"])), dayfirst=True) - pd.to_datetime(
            pd.Series(list(frame["arrives"]))
        )
        np.testing.assert_array_equal(found, days.dt.days)
    assert interval.low <= STAYS.min() and STAYS.max() <= interval.high


def test_only_the_first_four_columns_of_dates_and_none_that_is_told_numeric():
    days = {f"d{i}": [day + datetime.timedelta(i * i) for day in LEAVES] for i in range(6)}
    names = [one.name for one in infer(pl.DataFrame(days)).intervals]
    assert len(names) == 6 and names[0] == "d1: days since d0" and names[-1] == "d3: days since d2"
    assert infer(FRAME, kinds={"arrives": "numeric"}).intervals == ()
    assert infer(FRAME.drop("leaves")).intervals == ()
    taken = infer(FRAME.with_columns(pl.col("x").alias(NAME)))
    assert [one.name for one in taken.intervals] == [NAME + "'"]


def test_streams_and_files_have_the_same():
    expected = infer(FRAME)
    statistics = TableStatistics(FRAME.schema)
    statistics.update(FRAME[:100])
    statistics.update(FRAME[100:])
    found = statistics.schema()
    assert found.intervals[0].name == NAME and found.intervals[0].low == expected.intervals[0].low
    again = Schema.from_dict(json.loads(json.dumps(expected.to_dict())))
    assert again == expected and expected.to_dict()["version"] == 3
    assert relearned(again, FRAME[:100]).intervals[0].type == expected.intervals[0].type


def test_files_of_version_2_have_no_intervals_nor_get_any():
    content = infer(FRAME).to_dict()
    del content["intervals"]
    old = Schema.from_dict(content | {"version": 2})
    assert old.intervals == relearned(old, FRAME).intervals == ()
    assert NAME not in check(old, FRAME).names and old.to_dict()["version"] == 2


@pytest.mark.parametrize("change", [{"since": "x"}, {"until": "nobody"}, {"tag": "number"}])
def test_a_damaged_interval_is_an_error(change):
    content = json.loads(json.dumps(infer(FRAME).to_dict()))
    kind = content["intervals"][0]["type"] | change
    content["intervals"][0]["type"] = {k: v for k, v in kind.items() if k != "since" or "tag" not in change}
    with pytest.raises(DataError, match="not a table's schema"):
        Schema.from_dict(content)


@pytest.fixture(scope="module")
def model():
    settings = {"preset": "fast", "max_iter": 8, "random_state": 0, "number_embedding": False}
    return lamina.MLPRegressor(**settings).fit(FRAME, PRICE)


@pytest.mark.slow
def test_a_saved_model_predicts_the_same(model, tmp_path):
    lamina.save(model, tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(FRAME), model.predict(FRAME))
    assert "leaves" in model.shap_values(FRAME[:2], FRAME[:9]).feature_names


@pytest.mark.slow
def test_the_server_reads_what_the_table_has(model):
    rows = TableRows(model.fitted_.encoder.schema)
    objects = json.loads(json.dumps(FRAME.rows(named=True), default=str))
    found = rows.of_objects(objects).arrays
    for one, known in zip(found, rows.of_frame(FRAME).arrays, strict=True):
        np.testing.assert_array_equal(one, known)


def test_onnx_computes_the_days_between(model, tmp_path):
    lamina.export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    table = check(model.fitted_.encoder.schema, FRAME)
    inputs = {name: table.column(name).numbers().reshape(-1, 1).astype(float) for name in FRAME.columns}
    assert {one.name for one in session.get_inputs()} == set(inputs)
    np.testing.assert_allclose(session.run(None, inputs)[0].ravel(), model.predict(FRAME), rtol=1e-4)


@pytest.mark.slow
@needs_linker
@pytest.mark.filterwarnings("ignore:.*does not read all columns")
def test_a_library_computes_the_days_between(model, tmp_path):
    table = check(model.fitted_.encoder.schema, FRAME)
    days = pl.DataFrame({name: table.column(name).numbers() for name in FRAME.columns})
    found, _ = TableLibrary(model, tmp_path / "model.so").predict(days)
    np.testing.assert_array_equal(found.ravel(), model.predict(FRAME))


def test_columns_with_intervals_are_not_monotone():
    settings = {"preset": "fast", "max_iter": 1, "random_state": 0}
    with pytest.raises(DataError, match="'leaves' is date"):
        lamina.MLPRegressor(monotone={"leaves": 1}, **settings).fit(FRAME, PRICE)
