"""What people read of a table's columns and target."""

import pytest

from lamina.table.describe import column_rows, describe_target
from lamina.table.schema import ColumnSchema, Schema, Target
from lamina.table.types import Constant, Date, Number, TimeOfDay


def test_of_many_classes_the_most_frequent_are_named():
    names = tuple(f"c{i:04}" for i in range(1200))
    counts = (*range(1, 1200), 8801)
    text = describe_target(Target("y", "classification", "", names, counts))
    assert text.startswith("classification of 'y' into 1,200 classes: c1199 (1.2 %), c1198 (0.2 %)")
    assert text.endswith("and 1,190 rarer ones")


@pytest.mark.parametrize("left_out", [False, True])
def test_numbered_columns_are_one_line(left_out):
    kinds = [Constant() if left_out and i < 3 else Number() for i in range(9)]
    columns = tuple(ColumnSchema(f"pixel_{i}", kind, low=0.0, high=255.0) for i, kind in enumerate(kinds))
    (row,) = column_rows(Schema(columns, 10, True))
    assert row.name == "pixel_0 … pixel_8 (9 columns)" and row.used
    assert row.values == "0 … 255" + (", 3 constant" if left_out else "")


def test_constrained_columns_are_told_apart():
    columns = tuple(ColumnSchema(f"x{i}", Number(), low=0.0, high=1.0) for i in range(20))
    rows = column_rows(Schema(columns, 10, True), {f"x{i}": 1 for i in range(10)} | {"x19": -1})
    assert [row.name for row in rows] == ["x0 … x9 (10 columns)", "x10 … x18 (9 columns)", "x19"]
    assert [row.treatment for row in rows] == [
        "number, scaled; predictions never fall with it",
        "number, scaled",
        "number, scaled; predictions never rise with it",
    ]


def test_dates_and_times_are_shown_as_such_also_together():
    columns = [
        ColumnSchema("day", Date(), low=15249.0, high=15710.5),
        ColumnSchema("one", Constant("date"), low=15249.0, high=15249.0),
        *(ColumnSchema(f"d{i}", Date(), low=15249.0 + i, high=15710.0) for i in range(9)),
        *(ColumnSchema(f"d{i}", TimeOfDay(), low=60.0 * i, high=3600.0) for i in range(9, 18)),
    ]
    rows = column_rows(Schema(tuple(columns), rows=9, named=True))
    assert [row.values for row in rows] == [
        "2011-10-02 … 2013-01-05 12:00 (dates in days)",
        "2011-10-02",
        "2011-10-02 … 2013-01-05 (dates in days)",
        "00:09 … 01:00 (times of day in seconds)",
    ]
    assert rows[0].treatment == "number, scaled"


def test_years_are_written_as_years():
    assert Number().range_said(1965.0, 2016.0) == "1965 … 2016"
    assert Number().range_said(965.0, 2016.0) == "965 … 2,016"
    assert Number().range_said(1965.5, 20160.0) == "1,965.5 … 20,160"
