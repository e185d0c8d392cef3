"""What `infer` makes of every kind of column, and how it speaks about the ones it cannot use."""

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.check import check
from lamina.table.dates import day_in
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema
from lamina.table.types import Calendar, Duration, Number, RowNumbers, TimeOfDay

GOOD = list(range(100))


def kinds_of(frame, **options):
    return {column.name: column.kind for column in infer(frame, **options).columns}


def test_the_kinds_of_a_usual_table():
    frame = pl.DataFrame(
        {
            "age": [39, 50, None, 28],
            "rank": [1, 2, 1, 2],
            "wage": [1.5, float("nan"), 3.0, 4.0],
            "color": ["red", "blue", None, "red"],
            "member": [True, False, None, True],
        }
    )
    schema = infer(frame)
    assert {c.name: c.kind for c in schema.columns} == {
        "age": "numeric",
        "rank": "numeric",
        "wage": "numeric",
        "color": "categorical",
        "member": "boolean",
    }
    assert [c.missing for c in schema.columns] == [1, 0, 1, 1, 1]
    assert schema["age"].low == 28 and schema["age"].high == 50 and schema["age"].mean == 39
    assert (schema["color"].categories, schema["color"].counts) == (("blue", "red"), (1, 2))
    assert schema["member"].categories == ("false", "true")
    assert schema["rank"].reason == "" and schema.named and schema.rows == 4


def test_categories_in_several_spellings_are_reported():
    with pytest.warns(
        DataWarning, match="column 'a' has categories that differ only in capitals or spaces: 'No', 'no'"
    ):
        infer(pl.DataFrame({"a": ["no", "No", "yes"] * 30, "x": range(90)}))


@pytest.mark.parametrize("place", [0, 30])
def test_a_row_of_totals_is_reported(place):
    sales, names = [float(i) for i in range(1, 31)], [f"shop {i % 7}" for i in range(30)]
    rows = [*zip(names, sales, strict=True)]
    rows.insert(place, (" TOTAL:", sum(sales)))
    frame = pl.DataFrame(rows, schema=["shop", "sales"], orient="row").with_columns(x=pl.int_range(31) % 5)
    with pytest.warns(
        DataWarning, match=rf"^row {place} .*: 'shop' is ' TOTAL:', and 'sales' is the sum of all other"
    ):
        infer(frame, "sales")
    warnings.simplefilter("error")
    infer(frame.with_columns(sales=pl.col("sales").clip(0, 400)), "sales")  # another number
    infer(frame.with_columns(shop=pl.col("shop").replace(" TOTAL:", "shop 3")), "sales")


def test_choices_override_and_are_checked():
    frame = pl.DataFrame({"rank": [1, 2, 1], "size": ["1", "2", "30"], "junk": [1, 2, 3]})
    choices = {"rank": "categorical", "size": "numeric", "junk": "drop"}
    assert kinds_of(frame, kinds=choices) == {"rank": "categorical", "size": "numeric", "junk": "dropped"}
    assert infer(np.array([[1, 2], [2, 2]]), kinds={0: "categorical"})["x0"].categories == ("1", "2")
    with pytest.raises(DataError, match=r"'sizes'.*Did you mean 'size'"):
        infer(frame, kinds={"sizes": "drop"})
    with pytest.raises(DataError, match="not 'nominal'"):
        infer(frame, kinds={"size": "nominal"})
    with pytest.warns(DataWarning, match=r"'x' .*'three'.*row 2"):
        assert kinds_of(pl.DataFrame({"x": ["1", "2", "three"]}), kinds={"x": "numeric"}) == {"x": "numeric"}
    with pytest.raises(DataError, match=r"'x' .*'one'.*row 0"):
        infer(pl.DataFrame({"x": ["one", "two", "three"]}), kinds={"x": "numeric"})


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([7] * 100, "constant", "'bad'"),
        (["x"] * 100, "constant", "same value"),
        ([None] * 100, "missing", "without any value"),
        ([float("nan")] * 100, "missing", "'bad'"),
        ([f"A-{i}" for i in range(100)], "id", "differs in"),
        ([f"the dog number {i} was seen" for i in range(100)], "id", "differs in"),
    ],
)
def test_columns_left_out_with_a_warning(values, kind, message):
    frame = pl.DataFrame({"good": GOOD, "bad": values})
    with pytest.warns(DataWarning, match=message) as record:
        assert kinds_of(frame) == {"good": "numeric", "bad": kind}
    assert record[0].filename == __file__


def test_many_left_out_columns_make_one_warning():
    frame = pl.DataFrame({"good": GOOD} | {f"c{i}": [1] * 100 for i in range(50)})
    with pytest.warns(DataWarning, match="left out 50 column.*and 45 more") as record:
        infer(frame)
    assert len(record) == 1


def test_one_value_and_missing_ones_is_not_constant():
    frame = pl.DataFrame({"a": ["yes", None, "yes"], "b": [1, None, 1]})
    assert kinds_of(frame) == {"a": "categorical", "b": "numeric"}


def test_unique_text_stays_where_it_may_be_chance_or_is_chosen():
    assert kinds_of(pl.DataFrame({"name": ["a", "b", "c"]})) == {"name": "categorical"}
    names = pl.DataFrame({"name": [f"n{i}" for i in range(100)]})
    assert kinds_of(names, kinds={"name": "categorical"}) == {"name": "categorical"}


def test_an_infinite_number_is_missing_in_a_frame_and_refused_in_an_array():
    for make in (pl.DataFrame, pd.DataFrame):
        frame = make({"a": [1.0, 2.0, 3.0], "b": [0.5, -np.inf, 1.5]})
        with pytest.warns(DataWarning, match=r"'b' has infinite values, such as -inf in row 1 .* missing"):
            found = infer(frame)["b"]
        assert (found.missing, found.low, found.high) == (1, 0.5, 1.5)
    with pytest.raises(DataError, match=r"'x1' has an infinite value.*row 0"):
        infer(np.array([[np.nan, np.inf], [1, 2]]))


def test_numbers_in_text():
    measured = [str(i / 7) for i in range(100)]
    with pytest.warns(DataWarning, match="'x' holds numbers as text"):
        schema = infer(pd.DataFrame({"x": [*measured, " "]}))
    assert (schema["x"].kind, schema["x"].missing, schema["x"].low) == ("numeric", 1, 0.0)
    with pytest.warns(DataWarning, match=r"'x' holds numbers, but 'n.d.' in row 100 .*it counts as missing"):
        schema = infer(pd.DataFrame({"x": [*measured, "n.d."]}))
    assert [part.name for part in schema["x"].parts] == ["x"] and schema["x"].parts[0].missing == 1
    assert kinds_of(pd.DataFrame({"x": ["1", "2", "1"]})) == {"x": "categorical"}
    with pytest.warns(DataWarning, match="'x' holds numbers in 98 % of its rows, but 'V57' in row 40"):
        assert kinds_of(pd.DataFrame({"x": ["250", "251"] * 20 + ["V57"]})) == {"x": "categorical"}


def test_numbers_and_words_are_numbers_and_categories_unless_the_numbers_are_few():
    half = [str(i) if i % 2 else "abc" for i in range(100)]
    number, words = infer(pd.DataFrame({"x": half}))["x"].parts
    assert (number.name, number.low, number.high, number.missing) == ("x", 1, 99, 50)
    assert (words.name, words.categories, words.counts, words.missing) == ("x: words", ("abc",), (50,), 50)
    few = [str(i % 7) if i % 3 else "abc" for i in range(99)]
    with pytest.warns(DataWarning, match="'x' holds numbers in 67 % of its rows, but 'abc' in row 0"):
        assert kinds_of(pd.DataFrame({"x": few})) == {"x": "categorical"}
    assert kinds_of(pd.DataFrame({"x": ["a", "b", "c"] * 20 + ["1"]})) == {"x": "categorical"}


@pytest.mark.parametrize("words", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_true_and_false_in_text_are_booleans(words):
    schema = infer(pd.DataFrame({"x": [words[i % 3 == 0] for i in range(9)] + [None]}))
    assert (schema["x"].kind, schema["x"].missing) == ("boolean", 1)
    assert (schema["x"].categories, schema["x"].counts) == (("false", "true"), (3, 6))
    assert kinds_of(pd.DataFrame({"x": [*words, "maybe"]})) == {"x": "categorical"}


def test_mixed_types_are_named_with_the_first_odd_row():
    frame = pd.DataFrame({"m": pd.Series(["a", "b", 3, "a"], dtype=object)})
    with pytest.warns(DataWarning, match=r"'m' mixes types: mostly str, but 3 \(int\) in row 2"):
        assert infer(frame)["m"].categories == ("3", "a", "b")


def test_objects_that_are_nothing_to_learn_from_are_left_out():
    objects = pd.Series([object(), object()], dtype=object)
    frame = pd.DataFrame({"o": objects, "b": [b"\xff", b"\xfe"], "good": [1, 2]})
    with pytest.warns(DataWarning, match=r"left out 2 columns of objects or bytes .*: 'o', 'b'"):
        assert kinds_of(frame) == {"o": "objects", "b": "objects", "good": "numeric"}
    assert kinds_of(frame, kinds={"o": "drop", "b": "drop"})["o"] == "dropped"


def test_sizes():
    with pytest.raises(DataError, match="no rows"):
        infer(pl.DataFrame({"a": []}))
    with pytest.raises(DataError, match="only 1 row"):
        infer(pl.DataFrame({"a": [1]}))
    with pytest.raises(
        DataError, match=r"0 feature\(s\) \(shape=\(5, 0\)\) while a minimum of 1 is required"
    ):
        infer(np.ones((5, 0)))
    with pytest.warns(DataWarning), pytest.raises(DataError, match=r"none of the 1 columns.*'a' is constant"):
        infer(pl.DataFrame({"a": [1, 1]}))


def test_arrays_keep_all_columns_silently():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = infer(np.array([[1.0, 5.0, np.nan], [2.0, 5.0, np.nan], [np.nan, 5.0, np.nan]]))
    assert [(c.kind, c.missing) for c in schema.columns] == [("numeric", 1), ("numeric", 0), ("numeric", 3)]
    assert not schema.named
    mixed = np.array([["a", 1.5], ["b", 2.5], ["a", 3.5]], object)
    assert kinds_of(mixed) == {"x0": "categorical", "x1": "numeric"}


def test_the_target_is_not_a_column():
    frame = pl.DataFrame({"a": [1, 2, 3], "y": ["u", "v", "u"]})
    schema = infer(frame, "y")
    assert [c.name for c in schema.columns] == ["a"] and schema.target.classes == ("u", "v")
    assert infer(frame.select("a"), ["u", "v", "u"]).target.counts == (2, 1)
    with pytest.raises(DataError, match=r"'b' to predict.*'a', 'y'"):
        infer(frame, "b")
    with pytest.raises(DataError, match="2 values, but the table has 3 rows"):
        infer(frame, [1, 2])


@pytest.mark.slow
def test_a_hundred_thousand_categories():
    names = [f"c{i % 100_000}" for i in range(200_000)]
    schema = infer(pl.DataFrame({"c": names}))
    assert len(schema["c"].categories) == 100_000 and sum(schema["c"].counts) == 200_000


@pytest.mark.slow
def test_thousands_of_columns():
    wide = pl.DataFrame({f"c{i}": [1.0, 2.0, float(i)] for i in range(3000)})
    assert len(infer(wide).used) == 3000


cells = st.one_of(
    st.none(), st.text(max_size=4), st.integers(-9, 9), st.booleans(), st.floats(allow_infinity=False)
)


@example([1.5e308, 1.7e308])
@given(st.lists(cells, min_size=2, max_size=30))
def test_any_column_gives_a_schema_that_survives_json_or_an_error(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            schema = infer(pd.DataFrame({"c": pd.Series(values, dtype=object), "good": range(len(values))}))
        except DataError as error:
            assert "'c'" in str(error)
            return
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_whole_numbers_that_float64_cannot_tell_apart():
    frame = pl.DataFrame({"id": [2**60 + i % 2 for i in range(40)], "x": range(40)})
    with pytest.warns(DataWarning, match="1 column of whole numbers that become equal in float64.*'id'"):
        schema = infer(frame)
    assert [column.name for column in schema.used] == ["x"]


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "ID",
        "customer_id",
        "PassengerId",
        "index",
        "row",
        "rownames",
        "#",
        "No.",
        "lfd. Nr.",
        "SNo",
        "Unnamed: 0",
        "",
    ],
)
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_row_numbers_under_a_name_that_says_so_are_left_out(name, first, make):
    frame = make({name: range(first, first + 100), "good": GOOD[::-1]})
    with pytest.warns(DataWarning, match="left out 1 column of row numbers: .*'numeric'.* would keep it"):
        schema = infer(frame)
    assert [column.type for column in schema.columns] == [RowNumbers(), Number("int64", whole=True)]
    assert kinds_of(frame, kinds={name: "numeric"}) == {name: "numeric", "good": "numeric"}
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    "columns",
    [
        {"age": range(100)},  # the values alone
        {"paid": range(100)},
        {"rows": range(100)},
        {"id": range(99, -1, -1)},  # the name alone
        {"id": range(2, 102)},
        {"id": [*range(98), 99, 98]},
        {"id": [*range(99), 7]},
        {"id": [*range(99), None]},
        {"id": [float(i) for i in range(100)]},
        {"id": range(19)},  # few rows
    ],
)
def test_other_numbers_are_not_row_numbers(columns):
    assert set(kinds_of(pl.DataFrame(columns, strict=False)).values()) == {"numeric"}


# --- times of day and durations ----------------------------------------------------------------------------------

TIMES = [datetime.time(0, 1), None, datetime.time(13, 45, 10, 500_000)]
DURATIONS = [datetime.timedelta(days=1), None, datetime.timedelta(seconds=1.5)]
TIMED = {
    "polars": pl.DataFrame({"at": TIMES, "lasts": DURATIONS}),
    "pandas": pd.DataFrame({"at": TIMES, "lasts": pd.to_timedelta(DURATIONS)}),
    "objects": pd.DataFrame(
        {"at": pd.Series(TIMES, dtype=object), "lasts": pd.Series(DURATIONS, dtype=object)}
    ),
    "arrow": pa.table({"at": pa.array(TIMES), "lasts": pa.array(DURATIONS)}),
    "pandas of arrow": pa.table({"at": pa.array(TIMES), "lasts": pa.array(DURATIONS)}).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
}


@pytest.mark.parametrize("library", TIMED)
def test_times_of_day_and_durations_are_numbers_of_seconds(library):
    at, lasts = infer(TIMED[library]).columns
    assert (at.kind, at.low, at.high, at.missing) == ("numeric", 60.0, 49510.5, 1)
    assert (lasts.kind, lasts.low, lasts.high, lasts.missing) == ("numeric", 1.5, 86400.0, 1)
    assert (at.type, lasts.type) == (TimeOfDay(), Duration())
    kinds = {"at": "categorical", "lasts": "categorical"}
    assert kinds_of(TIMED[library], kinds=kinds) == kinds


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_and_durations_of_arrays_are_categories_by_name(unit):
    moments = np.array([["2011-10-02T13:45"], ["NaT"], ["2011-10-03"], ["2011-10-02T13:45"]], f"M8[{unit}]")
    for values, names in (
        (moments, ("2011-10-02 13:45:00", "2011-10-03 00:00:00")),
        (moments - moments[0], ("0:00:00", "10:15:00")),
    ):
        column = infer(values, kinds={0: "categorical"}).columns[0]
        assert (column.categories, column.counts, column.missing) == (names, (2, 1), 1)


def test_no_duration_is_not_minus_zero():
    lasts = pd.DataFrame({"lasts": pd.to_timedelta([datetime.timedelta(0), None, datetime.timedelta(1)])})
    assert str(infer(lasts.astype("m8[ms]")).columns[0].low) == "0.0"


@pytest.mark.parametrize(
    ("texts", "low", "high"),
    [
        (["0:01", " 13:45:10", "?", None], 60, 49510),
        (["1:00 PM", "12:00 am", "11:59:59.5 a.m."], 0, 46800),
        ([f"{i // 60:02}:{i % 60:02}" for i in range(1440)], 0, 86340),
    ],
)
@pytest.mark.parametrize("choice", [None, "numeric"])
def test_texts_that_are_times_of_day_are_numbers_of_seconds(texts, low, high, choice):
    frame = pl.DataFrame({"at": texts, "good": range(len(texts))})
    column = infer(frame, kinds={} if choice is None else {"at": choice}).columns[0]
    assert (column.kind, column.low, column.high) == ("numeric", low, high)
    assert kinds_of(frame, kinds={"at": "categorical"})["at"] == "categorical"


@pytest.mark.parametrize("odd", ["24:00", "1:60", "13:00 pm", "9h30", "noon", "1:2:3:4"])
def test_a_text_that_is_no_time_of_day_leaves_categories(odd):
    assert kinds_of(pl.DataFrame({"at": ["9:30", "10:00", odd] * 5})) == {"at": "categorical"}


def test_a_target_of_times_is_what_it_was():
    with pytest.raises(DataError, match="'at' has type Time, which can be neither classes nor numbers"):
        infer(pl.DataFrame({"at": [datetime.time(1)] * 4, "x": range(4)}), "at")
    assert (
        infer(pl.DataFrame({"at": ["9:30", "10:00"] * 4, "x": range(8)}), "at").target.task
        == "classification"
    )


# --- dates -------------------------------------------------------------------------------------------------------

DAYS = [datetime.date(1970, 1, 2), None, datetime.date(2011, 10, 2)]
MOMENTS = [datetime.datetime(2011, 10, 2, 13, 45, 10, 500_000), None, datetime.datetime(1969, 12, 31, 12)]
EAST = datetime.timezone(datetime.timedelta(hours=2))
ZONED = [moment and moment.replace(tzinfo=EAST) for moment in MOMENTS]
IN_UTC = [moment and moment.astimezone(datetime.UTC).replace(tzinfo=None) for moment in ZONED]
VALUES = {"day": DAYS, "at": MOMENTS, "zoned": ZONED}
DATED = {
    "polars": pl.DataFrame(VALUES),
    "pandas": pd.DataFrame({name: pd.to_datetime(values) for name, values in VALUES.items()}),
    "milliseconds": pd.DataFrame(
        {
            "day": DAYS,
            "at": pd.to_datetime(MOMENTS).astype("M8[ms]"),
            "zoned": pd.to_datetime(ZONED).tz_convert("Asia/Tokyo"),
        }
    ),
    "objects": pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in VALUES.items()}),
    "arrow": pa.table(VALUES),
    "pandas of arrow": pa.table(VALUES).to_pandas(types_mapper=pd.ArrowDtype),
    "array": np.stack([np.array(values, "M8[us]") for values in (DAYS, MOMENTS, IN_UTC)], axis=1),
    "text": pl.DataFrame(
        {name: [value and value.isoformat() for value in values] for name, values in VALUES.items()}
    ),
}


@pytest.mark.parametrize("library", DATED)
def test_dates_are_numbers_of_days(library):
    columns = infer(DATED[library]).columns
    assert [(type(column.type), column.kind, column.missing) for column in columns] == [
        (Calendar, "date", 1)
    ] * 3
    day, at, zoned = ((column.parts[0].low, column.parts[0].high) for column in columns)
    seconds = 15249 * 86400 + 49510.5
    assert day == (1.0, 15249.0)
    assert at == (-0.5, seconds / 86400)
    assert zoned == (-0.5 - 2 / 24, (seconds - 7200) / 86400)
    if library != "array":
        assert kinds_of(DATED[library], kinds={"day": "categorical"})["day"] == "categorical"


@pytest.mark.parametrize(
    ("texts", "low", "high"),
    [
        (["2011-10-02", " 2011/10/3", "?", None], 15249, 15250),
        (["2011-10-02T06:00Z", "2011-10-02 12:00 UTC", "2011-10-02 6:00 pm"], 15249.25, 15249.75),
        (
            ["2011-10-02 06:00+02:00", "2011-10-02T06:00:00-0600", "2011-10-02 06:00+00"],
            15249 + 4 / 24,
            15249.5,
        ),
        ([str(datetime.date(2011, 10, 2) + datetime.timedelta(i)) for i in range(1000)], 15249, 16248),
    ],
)
@pytest.mark.parametrize("choice", [None, "numeric"])
def test_texts_that_are_dates_as_in_iso_8601_are_numbers_of_days(texts, low, high, choice):
    frame = pl.DataFrame({"when": texts, "good": range(len(texts))})
    column = infer(frame, kinds={} if choice is None else {"when": choice}).columns[0]
    assert (column.kind, column.parts[0].low, column.parts[0].high) == ("date", low, high)
    assert len(column.parts) == 1 or choice != "numeric"
    assert kinds_of(frame, kinds={"when": "categorical"})["when"] == "categorical"


def test_a_text_that_is_no_date_leaves_categories():
    assert kinds_of(pl.DataFrame({"when": ["2011-10-02", "2011-10-03", "soon"] * 5})) == {
        "when": "categorical"
    }


@pytest.mark.parametrize(
    "make", [lambda table: table, lambda table: table.to_pandas(types_mapper=pd.ArrowDtype)]
)
def test_dates_that_arrow_counts_in_milliseconds_are_dates(make):
    table = make(pa.table({"day": pa.array(DAYS, pa.date64()), "x": range(3)}))
    day = infer(table)["day"]
    assert (day.kind, day.parts[0].low, day.parts[0].high, day.missing) == ("date", 1.0, 15249.0, 1)


MINUTES = [f"9:{i:02}" for i in range(60)]


@pytest.mark.parametrize("at", [0, 59])
@pytest.mark.parametrize("times", [1, 5])
def test_a_word_among_many_times_is_missing_and_the_column_is_not_of_ids(at, times):
    texts = MINUTES * times
    texts[at] = "unknown"
    frame = pl.DataFrame({"when": texts, "good": range(len(texts))})
    said = f"'when' holds times of day, but 'unknown' in row {at} .*; it counts as missing"
    with pytest.warns(DataWarning, match=said):
        found = infer(frame)["when"]
    assert found.missing == 1 and found.type.tag == "time"
    with pytest.warns(DataWarning, match=said):
        schema = Schema.from_dict(infer(frame).to_dict())
    np.testing.assert_array_equal(np.isnan(check(schema, frame).column("when").numbers()).nonzero(), [[at]])
    with pytest.raises(
        DataError, match=f"'unknown' in row {at} .*; correct it or make it missing, or use .*'cat"
    ):
        infer(frame, kinds={"when": "numeric"})
    assert kinds_of(frame, kinds={"when": "categorical"})["when"] == "categorical"


def test_a_word_among_few_times_is_told():
    frame = pl.DataFrame({"when": [*(MINUTES[:3] * 10), "unknown"]})
    with pytest.warns(
        DataWarning, match="'when' holds times of day in 97 % of its rows, but 'unknown' in row 30"
    ):
        assert kinds_of(frame) == {"when": "categorical"}


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
@example(datetime.datetime(2011, 10, 2, 13, 45, 10, 1))
def test_dates_of_all_libraries_and_texts_are_the_same_bits(moment):
    values = [moment, datetime.datetime(2300, 1, 1)]
    frames = [
        pl.DataFrame({"at": values}),
        pd.DataFrame({"at": values}),
        pl.DataFrame({"at": [*map(str, values)]}),
    ]
    expected = np.datetime64(moment, "us").astype(int) / 86_400_000_000
    assert {infer(frame).columns[0].parts[0].low for frame in frames} == {expected}


def test_a_target_of_dates_is_an_error():
    frame = pl.DataFrame({"at": [datetime.date(2011, 1, 1 + i) for i in range(25)], "x": range(25)})
    with pytest.raises(DataError, match="'at' has type Date, which can be neither classes nor numbers"):
        infer(frame, "at")
    with pytest.raises(DataError, match="'at' has 25 classes in 25 rows, all dates; first convert them"):
        infer(frame.with_columns(pl.col("at").cast(pl.String)), "at")


@pytest.mark.parametrize("zone", ["+99:99", "+24:00", "-23:60", "+2400", "+1:0"])
def test_a_zone_that_there_is_not_makes_no_date(zone: str) -> None:
    assert day_in(f"2011-10-02T13:45{zone}") is None
    assert day_in("2011-10-02T13:45-23:59") == day_in("2011-10-03T13:44Z")
