"""`lamina train` and `tune` with `--group` and `--time`."""

import json
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from lamina.runs.data import Request, prepare
from lamina.runs.run_folder import open_run
from lamina.runs.streamed import prepare_streamed

QUICK = ["--preset", "fast", "--hidden", "4", "--epochs", "2"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + rng.integers(0, 300, 240)
    frame = pl.DataFrame(
        {
            "customer": np.repeat([f"c{n:02}" for n in range(24)], 10),
            "sold": days.astype(str),
            "x": rng.normal(size=240),
        }
    )
    late = np.where(days < np.datetime64("2020-10-01"), rng.choice(["a", "b"], 240), "new")
    path = tmp_path_factory.mktemp("table") / "sales.csv"
    frame.with_columns(y=frame["x"] * 2, kind=pl.Series(late)).write_csv(path)
    return path


def parts(prepared):
    found = prepared.train, prepared.validation, prepared.test
    return [part.frame for part in found if part is not None]


@pytest.mark.slow
def test_a_run_says_how_rows_were_divided_and_goes_on_the_same_way(cli, table, tmp_path):
    run = tmp_path / "run"
    code, shown, error = cli("train", table, "-t", "y", *QUICK, "--group", "customer", "-o", run)
    assert code == 0, error
    assert "are adjacent" not in error
    words = "divided by groups; 'customer' is not a predictor (--kind customer=categorical would change that)"
    assert words in " ".join(shown.split())
    assert words.replace("'", "&#39;") in " ".join((run / "report.html").read_text().split())
    settings = json.loads((run / "settings.json").read_text())
    assert settings["group"] == "customer" and settings["time"] is None
    request = Request.from_dict(
        {name: settings[name] for name in Request(("",)).to_dict()} | {"data": [str(table)]}
    )
    again = prepare(request)
    assert again.rows == open_run(run)[1]["results"]["rows"]
    own = [set(frame["customer"]) for frame in parts(again)]
    assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2])
    assert "customer" not in [column.name for column in again.schema.used]


def test_groups_may_be_learned_from(table):
    request = Request((str(table),), "y", group="customer", kinds={"customer": "categorical"})
    assert "customer" in [column.name for column in prepare(request).schema.used]


def test_the_last_rows_test_and_a_gap_is_left_out(table):
    request = Request((str(table),), "y", time="sold", time_gap=10.0, preset="fast")
    prepared = prepare(request)
    dates = [frame["sold"].cast(pl.String).str.to_date() for frame in parts(prepared)]
    for earlier, later in pairwise(dates):
        assert (later.min() - earlier.max()).days > 10
    assert "sold" in [column.name for column in prepared.schema.used]
    left_out = 240 - sum(prepared.rows.values())
    assert left_out and f"{left_out} rows between the parts left out" in prepared.divided


@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("mark", ["time", "group"])
def test_codes_of_a_period_or_group_tell_nothing_of_another(tmp_path, mark):
    of_period = np.repeat(np.random.default_rng(1).normal(size=20), 30)
    codes = [f"{chr(65 + i // 30)}K{i * 7919 % 997}{chr(65 + i % 7)}" for i in range(600)]
    months = [f"{1 + i // 30 % 12:02}/15/{2001 + i // 360}" for i in range(600)]
    frame = pl.DataFrame({"code": codes, "month": months, "y": of_period, "x": range(600)})
    frame.write_csv(tmp_path / "codes.csv")
    found = {}
    for stream in (False, True):
        for asked in ({}, {mark: "month"}):
            request = Request((str(tmp_path / "codes.csv"),), "y", stream=stream, **asked)
            with prepare_streamed(request, tmp_path) if stream else nullcontext(prepare(request)) as prepared:
                found[stream, bool(asked)] = prepared.schema["code"].type.tag
    assert found[False, False] == found[True, False] == "text"
    assert found[False, True] == found[True, True] != "text"


def test_classes_that_only_the_last_rows_have_are_unknown_and_said(table):
    request = Request((str(table),), "kind", time="sold", validation="0")
    with pytest.warns(
        UserWarning, match="1 class that training did not have: 'new' in .* rows, first in line"
    ):
        prepared = prepare(request)
    assert prepared.target.classes == ("a", "b") and (prepared.test.target == -1).any()


def test_a_search_divides_the_same_way_when_it_goes_on(cli, table, tmp_path):
    run = tmp_path / "run"
    asked = ["-t", "y", "--time", "sold", "--drop", "kind", "--month-first", "--trials", "1", "--quiet"]
    code, _, error = cli("tune", table, *asked, "-o", run)
    assert code == 0, error
    for other, began in (
        (("tune", "--time", "customer"), "--time sold"),
        (("tune", "--kind", "x=text"), "--drop kind"),
        (("tune", "--day-first"), "--month-first"),
        (("train", "--stream"), "no --stream"),
    ):
        code, _, error = cli(*other, "--resume", run)
        assert code == 2 and f"the run began with {began}, which can't change" in error, error
    code, _, error = cli("tune", "--resume", run, "--trials", "2", "--quiet")
    assert code == 0, error  # the stored trial is of the same rows, which its fingerprint says


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--group", "custmer"], "--group custmer: there is no such column. Did you mean 'customer'?"),
        (["--time", "y"], "--time y: that is the column to predict; name another column, or omit --time"),
        (["--time-gap", "3"], "--time-gap 3 needs rows that are divided in time; add --time COLUMN"),
        (["--time", "customer"], "--time customer: the values, such as 'c00' in line 2 of"),
        (["--group", "kind", "--time", "sold"], "leave one option out"),
        (
            ["--stream", "--group", "customer", "--time", "sold"],
            "--group and --time together are for tables in memory",
        ),
    ],
)
def test_what_cannot_divide_the_table(cli, table, tmp_path, asked, message):
    code, _, error = cli("train", table, "-t", "y", *QUICK, *asked, "-o", tmp_path / "run")
    assert code == 2 and message in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_random_division_of_groups_is_warned_about(cli, table, tmp_path):
    code, _, error = cli("train", table, "-t", "y", *QUICK, "-o", tmp_path / "run")
    assert code == 0 and error.count("are adjacent") == 1
    assert "rows with the same 'customer' are adjacent" in error and "--group customer" in error
