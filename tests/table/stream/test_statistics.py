"""Statistics of a table's blocks, merged or not, say what `infer` says of the whole table."""

import dataclasses
import datetime
import math
import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import DataError
from lamina.table.describe import describe_target
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.stream import statistics
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Calendar, TimeOfDay

rng = np.random.default_rng(0)
N = 200
FRAME = pl.DataFrame(
    {
        "number": rng.normal(size=N),
        "gaps": [None if i % 7 == 0 else i % 50 for i in range(N)],
        "nan": [math.nan if i % 5 == 0 else float(i) for i in range(N)],
        "word": [["x", "y", "z", None][i % 4] for i in range(N)],
        "flag": [i % 3 == 0 for i in range(N)],
        "text flag": [["TRUE", "false"][i % 2] for i in range(N)],
        "id": [f"id {i}" for i in range(N)],
        "one": [1] * N,
        "same": ["a"] * N,
        "none": pl.Series([None] * N, dtype=pl.Float64),
        "as text": [str(i * 1.5) for i in range(N)],
        "zip": [i % 9 for i in range(N)],
        "at": [f"{i % 24}:{i % 60:02}" if i % 9 else None for i in range(N)],
        "typed at": [datetime.time(i % 24, i % 60) if i % 9 else None for i in range(N)],
        "lasts": [datetime.timedelta(seconds=i * 1.25) if i % 11 else None for i in range(N)],
        "day": [datetime.date(2011, 10, 2) + datetime.timedelta(i) if i % 13 else None for i in range(N)],
        "when": [datetime.datetime(2011, 10, 2, i % 24, i % 60) if i % 11 else None for i in range(N)],
        "text day": [f"2011-10-{1 + i % 28:02} {i % 24}:00" if i % 13 else None for i in range(N)],
        "shift": [datetime.time(8 * (i % 3)) for i in range(N)],
        "kind": pl.Series([f"k{i % 3}" for i in range(N)], dtype=pl.Categorical),
        "class": [["no", "yes"][i % 2] for i in range(N)],
        "few": [i % 3 for i in range(N)],
        "count": [i * i for i in range(N)],
        "price": rng.normal(100, 20, N),
        "index": range(1, N + 1),
        "row_id": range(N),
        "group_id": [*range(N - 2), N - 1, N - 2],
    }
)
KINDS = {"zip": "categorical", "shift": "categorical", "as text": "numeric"}


def test_rare_values_of_another_type_do_not_count_more_than_their_rows():
    """A few unreadable cells in one row each were a fifth of the values of a column, where periods repeat."""
    days = [datetime.date(2011, 1, 5) + datetime.timedelta(37 * (i % 40)) for i in range(320)]
    periods = [f"{day:%m/%d/%Y} - {day + datetime.timedelta(9):%m/%d/%Y}" for day in days]
    frame = pl.DataFrame({"x": [*periods, *(f"to be done {i}" for i in range(12))]})
    statistics = TableStatistics(frame.schema)
    statistics.update(frame)
    with pytest.warns(DataWarning, match="holds periods of two dates, but 'to be done"):
        found, expected = statistics.schema()["x"], infer(frame)["x"]
    assert found.type == expected.type and found.type.tag == "period"


def of_parts(frame, cuts, target, order=None, **named):
    """Statistics of the parts between the cuts, merged in this order."""
    ends = [0, *sorted(cuts), len(frame)]
    parts = []
    for begin, end in pairwise(ends):
        part = TableStatistics(frame.schema, target, first=begin, **named)
        for block in frame[begin:end].iter_slices(30):
            part.update(block)
        parts.append(part)
    parts = [parts[i] for i in order or range(len(parts))]
    for other in parts[1:]:
        parts[0].merge(other)
    return parts[0]


def alike(found, expected):
    """Whether two of these records are the same, but for the last bits of means and words on many numbers."""
    a, b = dataclasses.asdict(found), dataclasses.asdict(expected)
    means = [[one.pop("mean") for one in (record, *record.get("parts", ()))] for record in (a, b)]
    if a.get("task") == "regression":
        a.pop("reason"), b.pop("reason")
    return a == b and all(x == pytest.approx(y) for x, y in zip(*means, strict=True))


@pytest.mark.few(1)
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize(
    "target",
    ["class", "count", "price", *(pytest.param(one, marks=pytest.mark.slow) for one in ("few", "flag"))],
)
def test_they_say_what_is_said_of_the_whole_table(target):
    expected = infer(FRAME, target, kinds=KINDS)

    @settings(max_examples=6)
    @given(st.lists(st.integers(0, N), max_size=4), st.randoms())
    def check(cuts, random):
        order = [*range(len(cuts) + 1)]
        random.shuffle(order)
        statistics = of_parts(FRAME, cuts, target, order, kinds=KINDS)
        found = statistics.schema()
        assert found.rows == N and alike(found.target, expected.target)
        assert all(alike(a, b) for a, b in zip(found.columns, expected.columns, strict=True)), cuts
        sample, numbers, _ = statistics.sample.rows()
        assert sorted(numbers.tolist()) == list(range(N)) and sample.equals(FRAME[numbers])

    check()


def test_the_spread_of_numbers_is_that_of_all_rows():
    moments = of_parts(FRAME, [17, 90], "price").moments()
    assert moments.deviation == pytest.approx(float(FRAME["price"].std(ddof=0)))


def test_the_warnings_are_those_of_the_whole_table():
    frame = FRAME.select("number", "id", "one", "none", "as text", "class")
    with pytest.warns(DataWarning) as expected:
        infer(frame, "class")
    with pytest.warns(DataWarning) as found:
        of_parts(frame, [50], "class").schema()
    assert [str(w.message) for w in found] == [str(w.message) for w in expected]


BROKEN = {
    "target of dates": ("y", [datetime.date(2024, 1, 1 + i % 5) for i in range(40)]),
    "missing target": ("y", ["a", "b", None, "b"] * 10),
    "one class": ("y", ["a"] * 40),
    "constant target": ("y", [1.5] * 40),
    "infinite target": ("y", [1.0, -math.inf] * 20),
    "words told to be numbers": ("x", ["a", "b"] * 20),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_told_as_of_the_whole_table(what):
    name, values = BROKEN[what]
    frame = pl.DataFrame({"a": range(40), "x": range(40), "y": ["a", "b"] * 20}).with_columns(
        pl.Series(name, values)
    )
    kinds = {"x": "numeric"} if what == "words told to be numbers" else {}
    with pytest.raises(DataError) as expected:
        infer(frame, "y", kinds=kinds)
    with pytest.raises(DataError) as found:
        of_parts(frame, [3, 20], "y", kinds=kinds).schema()
    example = re.compile(r"such as '[^']*'")  # which one, is not said
    assert example.sub("", str(found.value)) == example.sub("", str(expected.value))


def test_infinite_numbers_count_as_missing():
    frame = FRAME.select("price", "class").with_columns(
        price=pl.Series([math.inf, -math.inf, *FRAME["price"][2:]])
    )
    said = "column 'price' has infinite values, such as inf in row 0 .*; they count as missing"
    with pytest.warns(DataWarning, match=said):
        expected = infer(frame, "class")["price"]
    with pytest.warns(DataWarning, match=said):
        found = of_parts(frame, [50], "class").schema()["price"]
    assert (found.missing, found.low, found.high) == (expected.missing, expected.low, expected.high)
    assert found.mean == pytest.approx(expected.mean)


def test_a_block_of_infinite_targets_alone_is_refused():
    frame = FRAME.select("number").with_columns(
        y=pl.Series([math.inf] * 2 + [0.5, 1.5] * (len(FRAME) // 2 - 1))
    )
    with pytest.raises(DataError, match="the target 'y' is infinite in row 0"):
        of_parts(frame, [2], "y").schema()


def test_a_column_of_too_many_texts_is_left_out(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_VALUES", 100)
    frame = FRAME.select("number", "id", "class")
    with pytest.warns(DataWarning, match="different values, which are too many to be counted"):
        schema = of_parts(frame, [50], "class").schema()
    assert schema["id"].kind == "id" and not schema["id"].used
    with pytest.raises(DataError, match=r"column 'id' has more than .* different values"):
        of_parts(frame, [50], "class", kinds={"id": "categorical"}).schema()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["class", "few", "price", "count"])
def test_like_targets_together_are_noticed(target):
    mixed = FRAME.sample(fraction=1, shuffle=True, seed=1)
    assert not of_parts(mixed, [40], target).is_in_runs
    assert of_parts(FRAME.sort(target), [40], target).is_in_runs


def test_a_target_of_whole_numbers_is_described():
    frame = FRAME.select("price", "count")
    target, expected = of_parts(frame, [40], "count").schema().target, infer(frame, "count").target
    assert (
        target is not None and type(target.low) is type(target.high) is float
    )  # Python 3.11's int is no float
    assert describe_target(target).startswith("regression of 'count': 0 … 39,601")
    assert describe_target(target) == describe_target(expected)


def test_parts_of_other_columns_do_not_merge():
    with pytest.raises(DataError, match="parts of the table differ in the types of the columns 'price'"):
        of_parts(FRAME, [], "class").merge(of_parts(FRAME.drop("price"), [], "class"))


def test_few_rows_and_names_that_are_not_there_are_told():
    with pytest.raises(DataError, match="the table has only 1 row"):
        of_parts(FRAME[:1], [], "class").schema()
    with pytest.raises(DataError, match=r"there is no column 'clas' to predict\. Did you mean 'class'"):
        TableStatistics(FRAME.schema, "clas")
    with pytest.raises(DataError, match="kinds names a column 'zipp'"):
        TableStatistics(FRAME.schema, "class", kinds={"zipp": "categorical"})


@pytest.mark.few(1)
@pytest.mark.parametrize("cuts", [[], [50], [20, 120]])
@pytest.mark.parametrize("kind", [Calendar, TimeOfDay])
def test_too_many_texts_that_are_dates_or_times_are_numbers(monkeypatch, cuts, kind):
    monkeypatch.setattr(statistics, "MOST_VALUES", 100)
    start = datetime.datetime(2011, 10, 2, 12)
    moments = [start + datetime.timedelta(minutes=59 * i) for i in range(N)]
    written = map(str, moments) if kind is Calendar else (str(moment.time()) for moment in moments)
    texts = [text if i % 9 else ["?", None][i % 2] for i, text in enumerate(written)]
    frame = FRAME.select("number", "class").with_columns(at=pl.Series(texts))
    expected = infer(frame, "class")["at"]
    found = of_parts(frame, cuts, "class").schema()["at"]
    assert type(expected.type) is kind and expected.missing == 23 and alike(found, expected)
    with pytest.raises(DataError, match=r"'at' has more than .* different values, too many"):
        of_parts(frame, cuts, "class", kinds={"at": "categorical"}).schema()
    odd = frame.with_columns(at=pl.Series([*texts[:-1], "soon"]))
    with pytest.warns(DataWarning, match="'soon' in row"):
        assert type(of_parts(odd, cuts, "class").schema()["at"].type) is kind


CODES = pl.DataFrame(
    {
        "tail": [f"N{100 + 7 * i}{['AB', 'CD', 'EF', 'GH'][i * i % 11 % 4]}" for i in range(600)],
        "count": [f"S-{i:05}" for i in range(600)],
        "who": [f"g{i % 40}" for i in range(600)],
        "day": range(600),
        "subject": [3 * (i * 37 % 80) + 7 for i in range(600)],
        "y": [i * i % 11 % 4 + 5.0 * (i * 37 % 80 * 29 % 17) for i in range(600)],
    }
)


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("cuts", [[], [3, 7, 400], [*range(50, 600, 50)]])
def test_codes_and_labels_are_those_of_the_whole_table(cuts):
    frame, how = CODES.drop("who", "day"), {"y": pl.col("y") + pl.col("tail").str.ends_with("AB") * 40}
    for columns in (how, {"y": pl.col("y")}):
        frame = frame.with_columns(**columns)
        expected = infer(frame, "y", labels=True)
        found = of_parts(frame, cuts, "y").schema(labels=True)
        assert [one.type.tag for one in found.columns] == [one.type.tag for one in expected.columns]
        assert found["tail"].reason == expected["tail"].reason
        assert found["subject"].categories == expected["subject"].categories
        assert found["subject"].counts == expected["subject"].counts
    assert found["subject"].type.tag == "category" and found["count"].type.tag == "identifier"


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_labels_are_no_groups_and_not_what_rises():
    assert of_parts(CODES, [], "y").schema()["subject"].type.tag == "number"
    for how in ({"monotone": ["subject"]}, {"marks": {"groups": "who"}}, {"marks": {"time": "day"}}):
        assert of_parts(CODES, [], "y").schema(labels=True, **how)["subject"].type.tag == "number"


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_codes_of_a_period_tell_nothing_of_another():
    y = np.repeat(np.random.default_rng(1).normal(size=20), 30)
    frame = pl.DataFrame(
        {
            "code": [f"{chr(65 + i // 30)}K{i * 7919 % 997}{chr(65 + i % 7)}" for i in range(600)],
            "day": range(600),
            "y": y,
        }
    )
    parts = of_parts(frame, [100], "y")
    assert parts.schema()["code"].type.tag == "text"
    assert parts.schema(marks={"time": "day", "groups": None})["code"].type.tag != "text"
    with_group = frame.with_columns(day=pl.col("day") // 30)
    assert of_parts(with_group, [100], "y").schema(marks={"groups": "day"})["code"].type.tag != "text"


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_codes_that_count_rows_are_known_by_a_sample(monkeypatch):
    monkeypatch.setattr(statistics, "_SAMPLE_ROWS", 150)
    frame = pl.DataFrame(
        {"code": [f"S{i:06}" for i in range(2000)], "y": np.arange(2000.0), "x": [1.5, 2.5] * 1000}
    )
    assert of_parts(frame, [700], "y").schema()["code"].type.tag == "identifier"
