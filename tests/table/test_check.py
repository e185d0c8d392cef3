"""A new table against the schema of the training table."""

import datetime
import gc
import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.table.categories import category_codes
from lamina.table.check import check
from lamina.table.columns import value_name
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.tables import Table
from lamina.table.types import Category

TRAIN = pl.DataFrame(
    {
        "age": [39, 50, 38, 28],
        "color": ["red", "blue", "red", "green"],
        "member": [True, False, True, None],
        "same": [1, 1, 1, 1],
        "income": ["low", "high", "low", "high"],
    }
)


@pytest.fixture(scope="module")
def schema():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        inferred = infer(TRAIN, "income")
    return Schema.from_dict(json.loads(json.dumps(inferred.to_dict())))


def new(**columns):
    return pl.DataFrame({"age": [1], "color": ["red"], "member": [True]} | columns)


@pytest.mark.parametrize("make", [pl.DataFrame.to_pandas, pl.DataFrame.to_arrow, pl.DataFrame.clone])
def test_columns_by_name_in_any_order_without_target_and_left_out_ones(schema, make):
    table = check(schema, make(TRAIN.select("member", "income", "same", "color", "age")))
    assert table.names == ("age", "color", "member")
    assert table.column("age").numbers().tolist() == [39, 50, 38, 28]
    assert check(schema, make(TRAIN.select("color", "age", "member"))).rows == 4


def test_missing_columns_are_all_named(schema):
    with pytest.raises(DataError, match=r"lacks 2 columns.*'age', 'member'.*Did you mean 'Age'"):
        check(schema, pl.DataFrame({"color": ["red"], "Age": [1]}))


def test_extra_columns_are_ignored_with_one_warning(schema):
    with pytest.warns(DataWarning, match=r"ignored 2 columns.*'u', 'v'") as record:
        assert "u" not in check(schema, new(u=[1], v=[2]))
    assert len(record) == 1 and record[0].filename == __file__


def test_numbers_as_text_and_booleans(schema):
    assert check(schema, new(age=[" 1.5"])).column("age").numbers().tolist() == [1.5]
    assert check(schema, new(age=[True])).column("age").numbers().tolist() == [1]
    assert np.isnan(check(schema, new(age=[None])).column("age").numbers()).all()
    assert np.isnan(check(schema, new(age=["NA"])).column("age").numbers()).all()
    with pytest.raises(DataError, match="'age' has type Date"):
        check(schema, new(age=[datetime.date(2024, 1, 1)])).column("age")


@pytest.mark.parametrize("values", [["true"], ["False"], [1], [0.0], ["NO"], [None], [""], pd.Series([True])])
def test_booleans_as_text_and_numbers(schema, values):
    column = check(schema, pd.DataFrame(new(member=[True]).to_dict(as_series=False) | {"member": values}))
    expected = {"true": ["true"], "1": ["true"], "True": ["true"]}.get(str(values[0]), ["false"])
    counts = column.column("member").value_counts()
    assert [str(value).lower() for value, _ in counts] == ([] if values[0] in (None, "") else expected)


def test_booleans_that_training_had_as_text():
    schema = infer(pl.DataFrame({"x": ["True", "False"] * 3}))
    for values in (["False", "True"], ["false", "true"], [False, True], [0, 1]):
        column = check(schema, pl.DataFrame({"x": values})).column("x")
        assert column.mapped(lambda value: value_name(value) == "true", np.int32).tolist() == [0, 1]
    for odd in ("maybe", 2):
        said = (
            f"'x' has 1 value that could not be read as true or false; it counts as missing: '{odd}' in row 0"
        )
        with pytest.warns(DataWarning, match=said):
            assert check(schema, pl.DataFrame({"x": [odd]})).column("x").missing() == 1


WRITTEN = {
    "number": lambda i: f"{i / 7:.3f}",
    "written number": lambda i: f"${1000 + 7 * i:,}",
    "time": lambda i: f"{i % 24}:{i % 60:02}",
    "calendar": lambda i: f"{1 + i % 28}/{1 + i % 12}/2019",
    "boolean": lambda i: ["yes", "no"][i % 2].replace("yes", "true").replace("no", "false"),
    "pattern": lambda i: f"{90 + 7 * i % 83}/{50 + 7 * i % 40}",
    "vector": lambda i: f"{i / 7:.3f}, {i / 3:.2f}",
    "period": lambda i: f"2019-03-{1 + i % 28:02} to 2020-04-{1 + i % 27:02}",
    "email": lambda i: f"a{i}@b{i % 9}.org",
    "record": lambda i: f'{{"a": {i}}}',
}


@pytest.mark.filterwarnings("ignore:column 'x' holds numbers as text")
@pytest.mark.parametrize("tag", WRITTEN)
def test_a_value_of_another_type_is_missing_and_told_but_a_wrong_column_is_an_error(tag):
    texts = [WRITTEN[tag](i) for i in range(100)]
    train = pl.DataFrame({"x": texts, "y": range(100)})
    schema = infer(train)
    assert schema["x"].type.tag == tag
    encoder = TableEncoder(schema).fit(train)
    odd = train.with_columns(x=pl.Series([*texts[:3], "n/a?", *texts[4:80], *["n/a?", "dunno"] * 10]))
    said = r"'x' has 2 values, in 21 rows, that could not be read as .*; they count as missing: .* in row 81 "
    with pytest.warns(DataWarning, match=said):
        found = encoder.transform(odd)
    gone = train.with_columns(x=pl.when(odd["x"].is_in(["n/a?", "dunno"])).then(None).otherwise(odd["x"]))
    np.testing.assert_array_equal(found.numeric, encoder.transform(gone).numeric)
    wrong = train.with_columns(x=pl.Series([*texts[:3], *["n/a?"] * 97]))
    with pytest.raises(DataError, match=r"'x': 97 of 100 values could not be read as .* such as 'n/a"):
        encoder.transform(wrong)


def test_arrays_are_matched_by_position():
    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    schema = infer(array)
    assert check(schema, array).matrix is array
    assert check(schema, pd.DataFrame({"a": [1], "b": [2]})).column("x1").numbers().tolist() == [2]
    with pytest.raises(DataError, match="has 3 columns, but the model was trained on 2"):
        check(schema, np.ones((1, 3)))


def test_an_array_for_a_schema_with_names(schema):
    array = np.array([[7, "red", True, 1]], object)
    assert check(schema, array).column("color").value_counts() == [("red", 1)]


def test_no_rows(schema):
    table = check(schema, TRAIN.head(0))
    assert table.rows == 0 and len(table.column("age").numbers()) == 0


# --- times of day and durations ----------------------------------------------------------------------------------

TIMED = pl.DataFrame({"at": ["9:30", "10:00"], "lasts": [datetime.timedelta(1), datetime.timedelta(2)]})


@pytest.mark.parametrize(
    "values",
    [
        ["0:01", None],
        [datetime.time(0, 1), None],
        [60, None],
        ["60", None],
        pl.Series(["12:01 AM", None], dtype=pl.Categorical),
    ],
    ids=str,
)
def test_times_of_day_come_in_many_forms(values):
    found = check(infer(TIMED), pl.DataFrame({"at": values, "lasts": [1.5, 2.5]}))
    np.testing.assert_array_equal(found.column("at").numbers(), [60, np.nan])
    np.testing.assert_array_equal(found.column("lasts").numbers(), [1.5, 2.5])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"at": TIMED["lasts"]}, "'at' has type Duration; in training, each value was a time of day"),
        (
            {"lasts": [datetime.time(1)] * 2},
            "'lasts' has type Time; in training, each value was a number",
        ),
    ],
)
def test_what_is_no_time_is_named(columns, said):
    table = check(infer(TIMED), TIMED.with_columns(**{k: pl.Series(v) for k, v in columns.items()}))
    with pytest.raises(DataError, match=said):
        table.column(next(iter(columns)))


def test_models_that_took_times_for_categories_still_do():
    """A schema as it was written when times of day were texts like others, and one whose user has chosen that."""
    texts = ColumnSchema("at", Category(), "String", categories=("10:00", "9:30"), counts=(2, 2))
    earlier = Schema((texts,), rows=4, named=True)
    for frame in (pl.DataFrame({"at": ["9:30", "10:00"]}), pd.DataFrame({"at": ["9:30", "10:00"]})):
        assert category_codes(earlier["at"], check(earlier, frame).column("at")).tolist() == [2, 1]
    chosen = infer(pl.DataFrame({"at": [datetime.time(9), datetime.time(10)]}), kinds={"at": "categorical"})
    again = pl.DataFrame({"at": [datetime.time(10), datetime.time(9)]})
    assert category_codes(chosen["at"], check(chosen, again).column("at")).tolist() == [2, 1]


# --- dates -------------------------------------------------------------------------------------------------------

DATED = pl.DataFrame({"day": ["2011-10-02", "2011-10-03"]})


@pytest.mark.parametrize(
    "values",
    [
        ["2011-10-02 12:00", None],
        ["2011/10/02 12:00", "NaT"],
        ["2011-10-02T14:00+02:00", ""],
        [datetime.datetime(2011, 10, 2, 12), None],
        [15249.5, None],
        ["15249.5", None],
        pl.Series(["2011-10-02 12:00", None], dtype=pl.Categorical),
        pl.Series([datetime.datetime(2011, 10, 2, 12), None], dtype=pl.Datetime("ms")),
    ],
    ids=str,
)
@pytest.mark.parametrize("train", [DATED, DATED.select(pl.col("day").str.to_date())], ids=["text", "typed"])
def test_dates_come_in_many_forms(train, values):
    found = check(infer(train), pl.DataFrame({"day": values}))
    np.testing.assert_array_equal(found.column("day").numbers(), [15249.5, np.nan])


@pytest.mark.parametrize(
    ("values", "odd", "row"), [(["2011-10-02", "soon"], "soon", 1), (["3/4/2011", "?"], "3/4/2011", 0)]
)
def test_texts_that_are_not_dates_count_as_missing(values, odd, row):
    table = check(infer(DATED), pl.DataFrame({"day": values}))
    with pytest.warns(
        DataWarning, match=f"'day' has 1 value .*; it counts as missing: '{odd}' in row {row} "
    ):
        numbers = table.column("day").numbers()
    assert np.isnan(numbers[row])


def test_a_type_that_holds_no_dates_is_named():
    said = "'day' has type Time; in training, each value was a date such as 2011-10-02"
    with pytest.raises(DataError, match=said):
        check(infer(DATED), pl.DataFrame({"day": [datetime.time(1)] * 2})).column("day")


@pytest.mark.parametrize("day", [20111002, 1317513600, 1317513600000.0], ids=str)
def test_numbers_that_are_no_days_are_no_dates(day):
    said = f"'day' has 1 value that could not be read as a date such as .*missing: '{day:.0f}' in row 1 "
    early = type(day)(15249)
    with pytest.warns(DataWarning, match=said):
        found = check(infer(DATED), pl.DataFrame({"day": [early, day]})).column("day").numbers()
    np.testing.assert_array_equal(found, [15249, np.nan])


def test_an_array_of_numbers_is_looked_at_for_dates_too():
    schema = infer(np.array([["2011-10-02"], ["2011-10-03"]], "M8[D]"))
    assert check(schema, np.array([[15249.5], [np.nan]])).column("x0").numbers()[0] == 15249.5
    with pytest.warns(DataWarning, match=r"'x0' has 1 value that could not be .*: '20111002' in row 0 "):
        assert np.isnan(check(schema, np.array([[20111002]])).column("x0").numbers()).all()


def test_numbers_that_are_no_seconds_of_a_day_are_no_times():
    with pytest.warns(DataWarning, match=r"'at' has 1 value that could not be .*: '134510' in row 1 "):
        found = check(infer(TIMED), TIMED.with_columns(at=pl.Series([60, 134510]))).column("at").numbers()
    np.testing.assert_array_equal(found, [60, np.nan])


def test_rows_without_any_date_are_missing_numbers():
    for values in (pl.Series([None, None]), pl.Series([None, None], dtype=pl.Datetime)):
        assert np.isnan(check(infer(DATED), pl.DataFrame({"day": values})).column("day").numbers()).all()


def test_a_table_is_freed_with_its_last_use():
    # In a cycle it would stay until the collector comes, and streamed tables make one for each block.
    dates = [datetime.date(2020, 1, 1) + datetime.timedelta(days=20 * i) for i in range(300)]
    frame = pl.DataFrame({"since": dates, "until": dates[::-1], "n": range(300)})
    schema = infer(frame)
    assert schema.intervals
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, Table) for one in gc.get_objects())
        table = check(schema, frame)
        [table.column(name).head(1) for name in table.names]
        assert sum(isinstance(one, Table) for one in gc.get_objects()) > before
        del table
        assert sum(isinstance(one, Table) for one in gc.get_objects()) == before
    finally:
        gc.enable()
