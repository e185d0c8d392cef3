"""The parts of a table: every row once, and known by its number."""

import datetime
import math
from contextlib import ExitStack

import numpy as np
import polars as pl
import pytest

from lamina import MLPRegressor
from lamina.errors import DataError
from lamina.runs.data import Request, known_rows, prepare
from lamina.runs.report import resolved_settings
from lamina.runs.streamed import prepare_streamed
from lamina.runs.training import estimator_for
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
    with pytest.warns(DataWarning, match="of row numbers: 'id'"):
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


@pytest.mark.parametrize("preset, patience, dropout", [("medium", math.inf, 0.1), ("fast", None, None)])
def test_runs_of_earlier_versions_go_on_to_their_end(tmp_path, table, preset, patience, dropout):
    table.write_csv(tmp_path / "table.csv")
    new = Request((str(tmp_path / "table.csv"),), "y", preset=preset, has_additions=True)
    prepared = prepare(new)
    of_now = estimator_for(prepared, new, [])
    assert of_now.n_iter_no_change is of_now.dropout is None
    asked = new.to_dict()
    del asked["has_additions"]
    early = estimator_for(prepared, Request.from_dict(asked), [])
    assert (early.n_iter_no_change, early.dropout) == (patience, dropout)


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


@pytest.mark.parametrize("streams", [False, True])
def test_rows_without_a_target_are_left_out(tmp_path, streams):
    """Rows to predict are often in the same file; lines are still those of the file."""
    frame = pl.DataFrame(
        {"x": np.arange(60) % 7 + 0.5, "y": [None if i % 12 == 3 else i / 4 for i in range(60)]}
    )
    file, whole = tmp_path / "table.csv", tmp_path / "whole.csv"
    frame.write_csv(file)
    frame.drop_nulls().write_csv(whole)
    said = rf"the target 'y' is missing in 5 of 60 rows, first in line 5 of {file}; left out"
    with ExitStack() as stack:
        stack.enter_context(pytest.warns(DataWarning, match=said))
        if streams:
            found, expected = (
                stack.enter_context(prepare_streamed(Request((str(one),), "y"), tmp_path))
                for one in (file, whole)
            )
        else:
            found, expected = (prepare(Request((str(one),), "y")) for one in (file, whole))
        assert found.schema == expected.schema
        for part, other in ((found.train, expected.train), (found.test, expected.test)):
            assert part.frame.equals(other.frame) and np.array_equal(part.target, other.target)
            lines = [part.places.within(int(number))[2] for number in part.numbers]
            assert [4 * value + 2 for value in part.target] == lines


@pytest.mark.parametrize("streams", [False, True])
def test_a_table_without_any_target_is_refused(tmp_path, streams):
    (tmp_path / "table.csv").write_text("x,y\n1,\n2,?\n")
    request = Request((str(tmp_path / "table.csv"),), "y")
    with pytest.raises(DataError, match=r"'y' has no values \(2 rows, all missing\)"), ExitStack() as stack:
        stack.enter_context(prepare_streamed(request, tmp_path)) if streams else prepare(request)


@pytest.mark.parametrize("streams", [False, True])
def test_totals_are_left_out(tmp_path, streams):
    rows = [f"s{i % 4},{i},{2 * i}" for i in range(40)]
    (tmp_path / "table.csv").write_text(
        "\n".join(["shop,x,y", *rows, f"Total,{sum(range(40))},{2 * sum(range(40))}"])
    )
    file = str(tmp_path / "table.csv")
    request = Request((file,), "y", test=None if streams else file)
    with (
        pytest.warns(DataWarning, match=r"line 42 of .* looks like a total: .*; it is left out"),
        ExitStack() as stack,
    ):
        prepared = stack.enter_context(prepare_streamed(request, tmp_path)) if streams else prepare(request)
    assert prepared.schema.rows == 40
    assert prepared.schema["x"].high == 39
    assert prepared.schema.target.high == 78
    assert streams or len(prepared.test) == 40


def test_a_row_without_a_target_before_a_total(tmp_path):
    rows = [f"s{i % 4},{i},{2 * i if i != 7 else ''}" for i in range(40)]
    (tmp_path / "table.csv").write_text("\n".join(["shop,x,y", *rows, f"Total,{sum(range(40))},9"]))
    with pytest.warns(DataWarning) as said, ExitStack() as stack:
        request = Request((str(tmp_path / "table.csv"),), "y")
        prepared = stack.enter_context(prepare_streamed(request, tmp_path))
    assert prepared.schema.rows == 39
    assert prepared.schema["x"].high == 39
    assert ["line 42" in str(one.message) or "line 9" in str(one.message) for one in said] == [True, True]


@pytest.mark.parametrize("rows, dropout", [(2000, 0.1), (2001, 0.05)])
def test_the_settings_of_a_run_have_the_dropout_of_its_networks(rows, dropout):
    x = np.linspace(-1, 1, rows)
    model = MLPRegressor(preset="medium", members=1, max_iter=1, hidden_layer_sizes=(2,)).fit(x[:, None], x)
    assert model.fitted_.network.architecture.dropout == dropout
    assert resolved_settings(model)["dropout"] == dropout
