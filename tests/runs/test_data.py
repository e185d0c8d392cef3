"""The parts of a table: every row once, and known by its number."""

import datetime

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError
from lamina.runs.data import Request, known_rows, prepare
from lamina.runs.streamed import prepare_streamed
from lamina.table.messages import DataWarning


@pytest.fixture
def table(tmp_path):
    frame = pl.DataFrame({"x": np.arange(50) % 7 + 0.5, "y": np.arange(50) % 2})
    frame.write_csv(tmp_path / "table.csv")
    return frame


def test_rows_keep_their_numbers(tmp_path, table):
    prepared = prepare(Request((str(tmp_path / "table.csv"),), "y"))
    parts = [prepared.train, prepared.validation, prepared.test]
    assert [len(part) for part in parts] == [36, 4, 10]
    assert sorted(np.concatenate([part.numbers for part in parts])) == list(range(50))
    for part in parts:
        assert part.frame.equals(table[part.numbers])
        assert part.places.of(7) == f"line 9 of {tmp_path / 'table.csv'}"


def test_files_of_their_own(tmp_path, table):
    table[40:].write_csv(tmp_path / "test.csv")
    table[:40].write_csv(tmp_path / "first.csv")
    files = (str(tmp_path / "first.csv"), str(tmp_path / "test.csv"))
    prepared = prepare(Request(files, "y", test=files[1], validation="0"))
    assert (len(prepared.train), prepared.validation, len(prepared.test)) == (50, None, 10)
    assert prepared.test.places.of(7) == f"line 9 of {files[1]}"
    assert prepared.train.places.of(47) == f"line 9 of {files[1]}"
    assert prepared.test.numbers.tolist() == list(range(10))


def test_only_classes_can_be_unknown(tmp_path, table):
    """A negative number is a value like others, −1 a class that training lacks."""
    table.with_columns(y=pl.col("x") - 4).write_csv(tmp_path / "numbers.csv")
    part = prepare(Request((str(tmp_path / "numbers.csv"),), "y")).train
    assert part.target.min() < -1 and len(known_rows(part)) == len(part)
    table.with_columns(y=pl.lit("new")).write_csv(tmp_path / "new.csv")
    with pytest.warns(DataWarning, match="1 class that training did not have"):
        prepared = prepare(
            Request(
                (str(tmp_path / "table.csv"),), "y", task="classification", test=str(tmp_path / "new.csv")
            )
        )
    assert (len(prepared.test), len(known_rows(prepared.test))) == (50, 0)
    with (
        pytest.warns(DataWarning, match="1 class that training did not have"),
        pytest.raises(DataError, match=r"no validation row has a class .* \(validation: .*new\.csv\)"),
    ):
        prepare(Request((str(tmp_path / "table.csv"),), "y", validation=str(tmp_path / "new.csv")))


def test_few_rows_all_train(tmp_path, table):
    table[:9].write_csv(tmp_path / "few.csv")
    with pytest.warns(DataWarning, match="9 rows are too few to hold any out"):
        prepared = prepare(Request((str(tmp_path / "few.csv"),), "y"))
    assert (len(prepared.train), prepared.judged[0]) == (9, "training")


def test_a_share_beside_a_file_that_lacks_the_target(tmp_path, table):
    table.drop("y").write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match=r"test.csv has no column 'y'"):
        prepare(Request((str(tmp_path / "table.csv"),), "y", test=str(tmp_path / "test.csv")))


def test_runs_of_earlier_versions_keep_their_row_numbers(tmp_path, table):
    """What was asked of such a run says nothing of them, and it goes on with the columns that it began with."""
    table.with_row_index("id").write_csv(tmp_path / "table.csv")
    request = Request((str(tmp_path / "table.csv"),), "y", keeps_row_numbers=False)
    asked = request.to_dict()
    del asked["keeps_row_numbers"]
    early = Request.from_dict(asked)
    with pytest.warns(DataWarning, match="only counts the rows: 'id'"):
        assert [column.name for column in prepare(request).schema.used] == ["x"]
    assert [column.name for column in prepare(early).schema.used] == ["id", "x"]
    with prepare_streamed(early, tmp_path) as prepared:
        assert [column.name for column in prepared.schema.used] == ["id", "x"]


def test_runs_of_earlier_versions_keep_their_networks():
    """What was the preset "default" is now called "realmlp"; a search's trials have their presets' names."""
    for asked, preset in (({}, "realmlp"), ({"preset": "fast"}, "fast"), ({"trials": 3}, "default")):
        early = Request(("table.csv",), "y", **asked).to_dict()
        del early["has_additions"]
        assert Request.from_dict(early).preset == preset
    new = Request(("table.csv",), "y", has_additions=True)
    assert Request.from_dict(new.to_dict()) == new


def test_runs_of_earlier_versions_go_on_without_intervals(tmp_path, table):
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(41 * i) for i in range(len(table))]
    dated = table.with_columns(arrives=pl.Series(days), leaves=pl.Series(days) + datetime.timedelta(2))
    dated.write_csv(tmp_path / "table.csv")
    request = Request((str(tmp_path / "table.csv"),), "y", has_additions=True)
    asked = request.to_dict()
    del asked["has_additions"]
    for given, has in ((request, True), (Request.from_dict(asked), False)):
        assert bool(prepare(given).schema.intervals) is has
        with prepare_streamed(given, tmp_path) as prepared:
            assert bool(prepared.schema.intervals) is has
            assert prepared.streamed.survey.schema == prepared.schema
