"""Columns of dates: how they are recognized and said, their parts, and where the same values come another way."""

import datetime
import json
import pickle

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.compiler.deferral import _path
from lamina.errors import DataError
from lamina.serve._errors import RequestError
from lamina.serve._rows import TableRows
from lamina.table.check import check
from lamina.table.columns import as_column
from lamina.table.describe import column_rows
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer, relearned
from lamina.table.messages import DataWarning, on_command_line
from lamina.table.schema import Schema
from lamina.table.stream.statistics import TableStatistics
from lamina.table.tables import as_table
from lamina.table.types import Calendar, Number

N = 120
DAYS = [datetime.date(2019, 1, 1) + datetime.timedelta(11 * i) for i in range(N)]
MOMENTS = [datetime.datetime(2019, 1, 1, 1, 30) + datetime.timedelta(hours=257 * i) for i in range(N)]
X = [float(i * i % 7) for i in range(N)]


def column_of(texts, **options):
    return infer(pl.DataFrame({"when": texts, "x": range(len(texts))}, strict=False), **options)["when"]


def written(form, moments=DAYS):
    return [moment.strftime(form) for moment in moments]


# --- what is a date ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (written("%Y-%m-%d"), ""),
        (written("%d %B %Y"), ""),
        (written("%d.%m.%Y"), "day first: 23.01.2019"),
        (written("%m/%d/%Y"), "month first: 01/23/2019"),
        (written("%d-%b-%y"), "years of two digits are 1969 to 2068"),
        (written("%Y%m%d"), "as %Y%m%d"),
        ([int(text) for text in written("%Y%m%d")], "as %Y%m%d"),
        ([float(text) for text in written("%Y%m%d")], "as %Y%m%d"),
    ],
)
@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame])
def test_a_column_is_read_as_a_whole(texts, reason, library):
    column = infer(library({"when": texts, "x": X}))["when"]
    assert (type(column.type), column.kind, column.reason, column.missing) == (Calendar, "date", reason, 0)
    assert column.parts[0].low == (DAYS[0] - datetime.date(1970, 1, 1)).days
    assert column.parts[0].high == (DAYS[-1] - datetime.date(1970, 1, 1)).days
    cells = column_rows(Schema((column,), N, named=True))[0].cells
    assert cells[3] == f"{DAYS[0]} … {DAYS[-1]} (dates in days)"
    assert cells[4] == "number, scaled; the position in the year and the week"


def test_the_order_that_no_value_tells_is_said():
    column = column_of(["03/04/2011", "05/06/2012"] * 5)
    assert column.type.order == "mdy"
    assert (
        column.reason
        == "month first, a guess, since no value decides; otherwise give date_format='day-first'"
    )
    assert column_of(["03.04.2011", "05.06.2012"] * 5).reason.startswith(
        "day first, a guess, since no value decides"
    )
    with on_command_line():  # the option takes each order
        assert "otherwise give --date-format month-first;" in column_of(["10.11.12", "09.08.07"] * 5).reason
    assert column_of(["03/04/2011", "05/06/2012"], dates="day-first").reason == "day first, as requested"
    first = [f"01/{i % 12 + 1:02}/{2011 + i // 12}" for i in range(40)]
    assert column_of(first).reason == "day first: the first number is always 1"


def test_the_zone_of_an_unsure_name_is_said():
    texts = [f"{text} IST" for text in written("%Y-%m-%d %H:%M", MOMENTS)]
    column = column_of(texts)
    assert column.reason == "IST is UTC+5.5"
    assert column.parts[0].low == column_of(written("%Y-%m-%d %H:%M", MOMENTS)).parts[0].low - 5.5 / 24
    assert column_of([f"{text} CET" for text in written("%Y-%m-%d %H:%M", MOMENTS)]).reason == ""


def test_a_zone_that_is_not_known_is_named_in_one_line(recwarn):
    texts = written("%Y-%m-%d %H:%M", MOMENTS)
    column = column_of([f"{text} Mars/Phobos" for text in texts])
    (line,) = (str(one.message) for one in recwarn)
    assert line.startswith("column 'when': the time zone 'mars/phobos' is not in this machine's database")
    assert column.parts[0].low == column_of(texts).parts[0].low
    column = column_of([f"{text} Europe/Berlin" for text in texts])
    assert len(recwarn) == 1 and column.kind == "date"
    assert 1 / 24 <= column_of(texts).parts[0].low - column.parts[0].low <= 2 / 24


@pytest.mark.parametrize("zeros", ["0000-00-00", " 0000-00-00 00:00:00"])
def test_dates_of_zeros_are_missing_and_that_is_said(zeros, recwarn):
    column = column_of(["2024-01-31", zeros, "2025-02-01"] * 20)
    assert (column.missing, column.reason, list(recwarn)) == (20, f"{zeros.strip()} counts as missing", [])


def test_what_is_no_date_in_prediction_is_called_so():
    frame = pl.DataFrame({"when": written("%Y-%m-%d"), "word": ["a", "b"] * (N // 2), "x": X})
    encoder = TableEncoder(infer(frame)).fit(frame)
    odd = frame[:2].with_columns(when=pl.Series(["2024-13-45", "2024-01-01"]))
    with pytest.warns(
        DataWarning, match="'when' has 1 value that could not be read as a date; .*'2024-13-45'"
    ):
        encoder.transform(odd)
    with pytest.warns(
        DataWarning, match="2 columns have values that training did not have or that could not be"
    ):
        encoder.transform(odd.with_columns(word=pl.lit("c")))


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame])
@pytest.mark.parametrize("place", [0, 7, N - 1])
def test_words_among_dates_count_as_missing(library, place):
    texts = written("%d/%m/%Y")
    texts[place] = "unknown"
    texts[(place + 3) % N] = "00/00/0000"
    frame = library({"when": texts, "x": X})
    with pytest.warns(
        DataWarning, match=rf"'when' holds dates, but 'unknown' in row {place} .*counts as missing"
    ) as seen:
        schema = infer(frame)
    assert len(seen) == 1 and schema["when"].missing == 2 and schema["when"].type.gaps
    encoder = TableEncoder(schema).fit(frame)  # without a further warning
    encoded = encoder.transform(library({"when": ["never", texts[1]], "x": [1, 2]}))
    assert encoder.numeric_names[-1] == "when missing"
    assert encoded.numeric[0, -1] > encoded.numeric[1, -1]


@pytest.mark.parametrize(
    "texts",
    [["13/02/2020", "14/02/2020", "15/03/2020"] * 20, written("%B %d, %Y"), ["Q1 2020", "Q2 2021"] * 30],
)
def test_other_types_leave_dates_alone(texts):
    with pytest.warns(DataWarning, match="'when' holds dates, but 'unknown' in row 1 "):
        assert isinstance(column_of([texts[0], "unknown", *texts[1:]]).type, Calendar)


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize(
    "values",
    [
        [f"{i % 30}.{i % 12}" for i in range(N)],
        [f"1.{i % 20}.{i % 9}" for i in range(N)],  # versions
        [f"{2000 + i % 20}-{(i + 1) % 20:02}" for i in range(N)],  # seasons
        [20_000_000 + 137 * i for i in range(N)],
        [1_600_000_000 + 86_400 * i for i in range(N)],
        [2000 + i % 20 for i in range(N)],
        ["20240503", "20240504"] * 60,  # too few to be more than chance
        [f"{i % 12 + 1}/{i % 5 + 1}" for i in range(N)],
        ["May", "June", "sat"] * 40,
    ],
    ids=lambda values: str(values[1]),
)
def test_what_looks_a_little_like_dates_is_none(values):
    assert not isinstance(column_of(values).type, Calendar)


@given(st.lists(st.integers(10_000_000, 99_999_999), min_size=20, max_size=50, unique=True))
def test_whole_numbers_of_eight_digits_stay_numbers(values):
    assert isinstance(column_of(values).type, Number)


@pytest.mark.parametrize(("unit", "size"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("name", ["timestamp", "event_ts", "epoch ms", "Unix time"])
def test_numbers_since_1970_under_a_name_that_says_so(unit, size, name):
    values = [1_600_000_000 * size + 3_600 * size * i for i in range(N)]
    column = infer(pl.DataFrame({name: values, "x": X}))[name]
    assert column.type.form == unit and column.parts[0].low == 1_600_000_000 / 86_400
    assert column.reason.endswith("seconds since 1970")
    assert isinstance(infer(pl.DataFrame({name: values, "x": X}), kinds={name: "numeric"})[name].type, Number)
    assert isinstance(infer(pl.DataFrame({"t": values, "x": X}))["t"].type, Number)
    assert infer(pl.DataFrame({"t": values, "x": X}), kinds={"t": "date"})["t"].type.form == unit


@pytest.mark.parametrize("name", ["created_at", "login time", "eventTs", "updatedAt", "order_date", "ts_2"])
@pytest.mark.parametrize(("unit", "size"), [("s", 1), ("ms", 1000)])
def test_recent_numbers_of_ten_or_thirteen_digits_under_a_name_of_times(name, unit, size):
    values = [size * (1_600_000_000 + 3_600 * i) for i in range(N)]
    table = pl.DataFrame({name: values, "x": X})
    column = infer(table)[name]
    assert column.type.form == unit and column.parts[0].low == 1_600_000_000 / 86_400
    assert isinstance(infer(table, kinds={name: "numeric"})[name].type, Number)
    for others in (
        [value // 100 for value in values],
        [3 * value for value in values],
        [*values[1:], 7 * size],
    ):
        assert isinstance(infer(pl.DataFrame({name: others, "x": X}))[name].type, Number)
    assert isinstance(infer(pl.DataFrame({"metres": values, "x": X}))["metres"].type, Number)


def test_numbers_of_days_of_excel_under_a_name_of_dates():
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(N)]
    numbers = [43_831 + i for i in range(N)]  # what Excel shows for these dates, formatted as numbers
    plain = column_of(days)
    for name, shift in (("date", 0), ("Order Date", 0.25), ("startDate", 0.5), ("date_sold", 0)):
        values = [number + shift for number in numbers]
        column = infer(pl.DataFrame({name: values, "x": X}))[name]
        assert column.type.form == "excel" and column.reason == "Excel's days since 1899-12-30"
        assert (column.parts[0].low, column.parts[0].high) == (
            plain.parts[0].low + shift,
            plain.parts[0].high + shift,
        )
        parts = column.type.split(column, as_column(values[:3], name))
        assert parts[0].numbers().tolist() == [plain.parts[0].low + shift + i for i in range(3)]
    assert not column.type.refusal(43_831) and column.type.refusal(1e9)
    for name in ("update", "candidates", "price"):
        assert isinstance(infer(pl.DataFrame({name: numbers, "x": X}))[name].type, Number)
    chosen = column_of([str(number) for number in numbers], kinds={"when": "date"}, dates="excel")
    assert chosen.parts[0].low == plain.parts[0].low


def test_what_the_user_says_of_dates():
    years = column_of([1990 + i % 20 for i in range(N)], kinds={"when": "date"})
    assert years.type.form == "%Y" and years.parts[0].low == 7305
    small = column_of([60 * i for i in range(N)], kinds={"when": "date"}, dates="s")
    assert small.parts[0].high == 60 * (N - 1) / 86_400
    days = [int(text) for text in written("%d%m%Y")]
    assert column_of(days, kinds={"when": "date"}, dates="%d%m%Y").parts[0].low == 17897
    told = column_of(written("%y/%m/%d"), dates="%y/%m/%d")
    assert told.reason == "as %y/%m/%d; years of two digits are 1969 to 2068" and told.parts[0].low == 17897
    assert column_of(written("%Y-%m-%d"), dates="%d.%m.%Y").reason == ""  # of other columns
    for values in (["soon", "late"] * 60, [i / 7 for i in range(N)]):
        with pytest.raises(
            DataError, match="'when' has the kind 'date', but most of its values are not read as dates"
        ):
            column_of(values, kinds={"when": "date"})
    with pytest.raises(DataError, match="the first is 'soon' in row 2"):
        column_of([*written("%Y-%m-%d")[:2], *["soon", "late"] * 59], kinds={"when": "date"})
    with pytest.raises(DataError, match=r"one of 'numeric', 'categorical', 'date', .*, not 'dates'"):
        column_of(written("%Y"), kinds={"when": "dates"})


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moments", "cycles"),
    [
        (MOMENTS, ["year", "week", "day"]),
        (DAYS, ["year", "week"]),
        (DAYS[:30], ["week"]),
        ([datetime.date(2000 + i, 1, 1) for i in range(50)], ["week"][:0]),
        ([datetime.date(2000 + i // 12, i % 12 + 1, 1) for i in range(50)], ["year"]),
        ([datetime.datetime(2000, 1, 1, i % 24, i) for i in range(50)], []),
        ([datetime.datetime(2000, 1, 1) + datetime.timedelta(hours=i) for i in range(50)], ["day"]),
        ([datetime.date(2000, 1, 3) + datetime.timedelta(7 * i) for i in range(20)], []),
    ],
)
def test_only_cycles_that_vary_are_parts(moments, cycles):
    column = column_of(moments)
    expected = [f"when: {cycle} {what}" for cycle in cycles for what in ("sine", "cosine")]
    assert [part.name for part in column.parts] == ["when", *expected]
    assert [part.name for part in column_of(moments, kinds={"when": "numeric"}).parts] == ["when"]


@pytest.mark.slow
@given(
    st.lists(
        st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)), min_size=3, max_size=20
    )
)
def test_the_places_in_cycles(moments):
    frame = pl.DataFrame({"when": MOMENTS + moments, "x": range(N + len(moments))})
    table = check(infer(frame), frame)
    for moment, row in zip(MOMENTS + moments, range(N + len(moments)), strict=True):
        if row % 40 and row < N:
            continue
        days = (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)
        seconds = moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
        shares = {"year": days / 365.2425, "week": moment.weekday() / 7, "day": seconds / 86_400}
        for cycle, share in shares.items():
            found = [table.column(f"when: {cycle} {what}").numbers()[row] for what in ("sine", "cosine")]
            np.testing.assert_allclose(
                found, [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)], atol=1e-7
            )


def test_the_places_are_those_of_the_columns_dates_whatever_writes_them():
    texts = written("%d/%m/%Y")
    schema = infer(pl.DataFrame({"when": texts, "x": X}))
    expected = TableEncoder(schema).fit(pl.DataFrame({"when": texts, "x": X}))
    numbers = expected.transform(pl.DataFrame({"when": texts, "x": X})).numeric
    days = [(day - datetime.date(1970, 1, 1)).days for day in DAYS]
    for values in (DAYS, written("%Y-%m-%d"), written("%d %b %Y"), days, [str(day) for day in days]):
        for library in (pl.DataFrame, pd.DataFrame):
            found = expected.transform(library({"when": values, "x": X})).numeric
            np.testing.assert_array_equal(found, numbers)
    again = relearned(schema, pl.DataFrame({"when": texts[:50], "x": X[:50]}))
    assert again["when"].type.order == "dmy" and again["when"].parts[0].low == schema["when"].parts[0].low


# --- streams, files, ways out ----------------------------------------------------------------------------------------

VALUES = {
    "texts": written("%d.%m.%Y %H:%M", MOMENTS),
    "typed": MOMENTS,
    "digits": [int(text) for text in written("%Y%m%d")],
    "timestamp": [1_600_000_000 + 3_600 * i for i in range(N)],
    "number": [20_000_101 + 7 * i for i in range(N)],
}


def test_streams_find_the_same():
    frame = pl.DataFrame({**VALUES, "y": X})
    expected = infer(frame)
    begin, end = TableStatistics(frame.schema), TableStatistics(frame.schema, first=50)
    begin.update(frame[:50])
    end.update(frame[50:])
    begin.merge(end)
    found = begin.schema()
    for name in VALUES:
        assert (found[name].type, found[name].reason) == (expected[name].type, expected[name].reason), name
        limits = [[(part.name, part.low, part.high) for part in one[name].parts] for one in (found, expected)]
        assert limits[0] == limits[1]


def test_rows_that_turn_in_fewer_cycles_keep_the_parts():
    schema = infer(pl.DataFrame({"typed": MOMENTS, "texts": written("%d.%m.%Y %H:%M", MOMENTS), "x": X}))
    some = pl.DataFrame({"typed": MOMENTS[:2], "texts": ["1.1.2019", "2.1.2019"], "x": X[:2]})
    for name in ("typed", "texts"):
        again = relearned(schema, some)[name]
        assert again.type == schema[name].type and len(again.parts) == len(schema[name].parts) == 7
        assert again.type.split(again, pl_column(some, name))[0].numbers()[0] == again.parts[0].low


def pl_column(frame, name):
    return as_table(frame).column(name)


@pytest.fixture(scope="module")
def frame():
    return pl.DataFrame({name: VALUES[name] for name in ("texts", "digits", "timestamp")} | {"x": X})


@pytest.fixture(scope="module")
def model(frame):
    settings = {"preset": "fast", "max_iter": 3, "random_state": 0, "number_embedding": False}
    return lamina.MLPRegressor(**settings).fit(frame, np.arange(N) % 12 / 3)


@pytest.mark.slow
def test_files_keep_how_dates_are_read(model, frame, tmp_path):
    expected = model.predict(frame)
    lamina.save(model, tmp_path / "model.safetensors")
    for again in (lamina.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(frame), expected)
    schema = model.fitted_.encoder.schema
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.slow
def test_onnx_computes_the_places_of_days(model, frame, tmp_path):
    lamina.export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert {one.name for one in session.get_inputs()} == set(frame.columns)
    table = check(model.fitted_.encoder.schema, frame)
    inputs = {name: table.column(name).numbers().reshape(-1, 1).astype(float) for name in frame.columns}
    np.testing.assert_allclose(session.run(None, inputs)[0].ravel(), model.predict(frame), rtol=1e-4)


def test_the_server_takes_dates_as_training_wrote_them(model, frame):
    schema = model.fitted_.encoder.schema
    rows = TableRows(schema)
    expected = rows.of_frame(frame).arrays
    objects = frame.rows(named=True)
    for change in (
        lambda row: row,
        lambda row: row | {"digits": str(row["digits"]), "timestamp": str(row["timestamp"])},
    ):
        for found, known in zip(rows.of_objects([*map(change, objects)]).arrays, expected, strict=True):
            np.testing.assert_array_equal(found, known)
    described = schema["texts"].type.json_schema(schema["texts"])["description"]
    example = schema["texts"].type.example(schema["texts"])
    assert example in frame["texts"].to_list() and example in described
    assert "in training from 2019-01-01 01:30 to 2022-" in described
    for column, value in (("texts", "soon"), ("digits", 20241301)):
        found = rows.of_objects([objects[0] | {column: value}])
        assert f"column {column!r}: '{value}' is not a date; it counts as missing" in found.notes[0]
    for column, value in (("texts", [1]), ("digits", True), ("timestamp", 10**400)):
        with pytest.raises(RequestError, match="is not a date"):
            rows.of_objects([objects[0] | {column: value}])


@pytest.mark.slow
def test_dates_that_turn_in_cycles_are_not_monotone():
    frame = pl.DataFrame({"when": DAYS, "x": X})
    settings = {"preset": "fast", "max_iter": 1, "random_state": 0}
    with pytest.raises(
        DataError,
        match="'when' is date, whose positions in the year and in the week are cyclic, not monotone; ",
    ):
        lamina.MLPRegressor(monotone={"when": 1}, **settings).fit(frame, X)
    rising = lamina.MLPRegressor(monotone={"when": 1}, column_kinds={"when": "numeric"}, **settings).fit(
        frame, X
    )
    assert (np.diff(rising.predict(frame.with_columns(x=pl.lit(1.0)))) >= 0).all()


@pytest.mark.slow
def test_a_model_takes_the_form_that_is_said():
    frame = pl.DataFrame({"when": ["03/04/2011", "05/06/2012"] * 30, "x": X[:60]})
    settings = {"preset": "fast", "max_iter": 1, "random_state": 0}
    for said, order in (("day-first", "dmy"), ("month-first", "mdy"), ("%d/%m/%Y", "dmy")):
        model = lamina.MLPRegressor(date_format=said, **settings).fit(frame, X[:60])
        assert model.fitted_.encoder.schema["when"].type.order == order
    with pytest.raises(ValueError, match="'first' is not a date format"):
        lamina.MLPRegressor(date_format="first", **settings).fit(frame, X[:60])


def test_dates_are_encoded_without_compiling(monkeypatch):
    """What the deferral queue has seen three times is compiled, which took longer, and may round differently."""
    monkeypatch.setattr(_path, "Plan", None)
    frame = pl.DataFrame(
        {"when": pl.date_range(datetime.date(2020, 1, 1), datetime.date(2022, 1, 1), eager=True)}
    )
    encoder = TableEncoder(infer(frame)).fit(frame)
    first, *others = (encoder.transform(frame).numeric for _ in range(4))
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize(("months", "kind"), [("Set Out", "categorical"), ("Ago Set Out", "date")])
def test_months_that_are_english_words_are_dates_beside_others(months, kind):
    texts = [f"{month}-{i:02}" for i in range(1, 16) for month in months.split()]
    assert infer(pl.DataFrame({"day": texts, "x": range(len(texts))}))["day"].kind == kind
