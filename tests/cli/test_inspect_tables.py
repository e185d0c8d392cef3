"""`lamina inspect DATA [NEW]` and `lamina inspect RUN NEW`: a table is looked at without training."""

import json
import re

import numpy as np
import polars as pl
import pytest

from lamina.cli import main
from lamina.table.inspection import inspect, read_sample

rng = np.random.default_rng(0)
ROWS = 240
CASUAL, REGISTERED = rng.poisson(20, ROWS), rng.poisson(80, ROWS)
RIDES = pl.DataFrame(
    {
        "id": range(1, ROWS + 1),
        "weather": rng.choice(["clear", "mist", "rain"], ROWS),
        "wind": pl.Series(rng.normal(10, 3, ROWS).round(2)).scatter(
            rng.choice(ROWS, 60, replace=False), None
        ),
        "casual": CASUAL,
        "registered": REGISTERED,
        "count": CASUAL + REGISTERED,
    }
)


@pytest.fixture
def rides(tmp_path):
    RIDES[:160].write_csv(tmp_path / "rides.csv")
    new = RIDES[160:].with_columns(wind=pl.col("wind") + 8, weather=pl.lit("storm"))
    new.write_csv(tmp_path / "new.csv")
    return tmp_path


def test_the_example_of_an_override_is_one_that_works(cli, tmp_path):
    RIDES.select("weather", gender=pl.Series(["male", "female"] * (ROWS // 2))).write_csv(tmp_path / "a.csv")
    _, out, _ = cli("inspect", tmp_path / "a.csv")
    assert "--kind weather=text (or numeric" in out


def test_columns_are_shown_with_examples_and_how_to_override(cli, rides):
    code, out, err = cli("inspect", rides / "rides.csv")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert re.search(r"id +id +– +160 +1 +left out: row numbers", lines["id"])
    first = RIDES["weather"][0]
    assert re.search(rf"weather +categorical +– +3 +{first} ", lines["weather"])
    missing = RIDES[:160]["wind"].null_count()
    assert re.search(rf"wind +numeric +{missing} \(\d+ %\) +\d+ +\S+ +\S+ … \S+", lines["wind"])
    assert "--kind casual=categorical" in out or "--kind wind=categorical" in out
    assert "--target COLUMN would show leakage" in out


def test_leakage_is_shown_and_kinds_may_be_tried(cli, rides):
    code, out, _ = cli("inspect", rides / "rides.csv", "--target", "count")
    assert code == 0 and "'casual' + 'registered' = 'count'" in out
    assert "regression of 'count'" in out
    code, out, _ = cli(
        "inspect", rides / "rides.csv", "-t", "count", "--drop", "casual", "--kind", "registered=categorical"
    )
    assert code == 0 and "no leakage" in out
    assert re.search(r"registered +categorical \(as requested\)", out) and re.search(r"casual +dropped", out)


def test_a_new_table_is_compared(cli, rides):
    code, out, err = cli("inspect", rides / "rides.csv", rides / "new.csv", "-t", "count")
    assert (code, err) == (0, "")
    drift = out[out.index("Drift of") :]
    assert drift.index("weather") < drift.index("wind")
    assert "'weather': 1 category that training lacks, in 80 rows (100 %)" in drift
    assert "Holm" in drift


def test_json_holds_what_the_function_finds(cli, rides):
    code, out, _ = cli("inspect", rides / "rides.csv", rides / "new.csv", "-t", "count", "--json")
    found = json.loads(out)
    assert code == 0
    tables = [pl.read_csv(rides / name) for name in ("rides.csv", "new.csv")]
    expected = inspect(tables[0], "count", tables[1]).to_dict()
    assert found["findings"] == json.loads(json.dumps(expected["findings"]))
    assert found["drift"] == json.loads(json.dumps(expected["drift"]))
    assert (found["rows"], found["rows_read"], found["new_rows"]) == (160, 160, 80)


def test_a_run_knows_the_table_it_was_trained_on(cli, rides):
    quick = ("--preset", "fast", "--epochs", "1", "--hidden", "4")
    with pytest.raises(SystemExit) as ended:
        main(["train", str(rides / "rides.csv"), "-t", "count", *quick, "-o", str(rides / "run"), "--quiet"])
    assert ended.value.code == 0
    code, out, _ = cli("inspect", rides / "run", rides / "new.csv")
    assert code == 0 and "weather" in out[out.index("Drift of") :] and "Columns" not in out
    (rides / "rides.csv").rename(rides / "moved.csv")
    code, _, err = cli("inspect", rides / "run", rides / "new.csv")
    assert code == 2 and "there is no file" in err and "lamina inspect DATA --target count" in err
    code, _, err = cli("inspect", rides / "run", "--target", "count")
    assert code == 2 and "is a run, which has its own columns and target" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ride.csv"], "there is no file 'ride.csv'. Did you mean 'rides.csv'?"),
        (["rides.csv", "-t", "cuont"], "there is no column 'cuont' to predict. Did you mean 'count'?"),
        (["rides.csv", "old.csv"], "there is no file 'old.csv'"),
        (["rides.xlsx"], "rides.xlsx is not a readable spreadsheet"),
        (["rides.csv", "--drop", "winds"], "Did you mean 'wind'?"),
        (
            ["rides.csv", "--kind", "wind=cold"],
            "--kind wind=cold: write COLUMN=numeric",
        ),
        (["empty.csv"], "empty"),
        (["picture.png"], ""),
        (["absent"], "there is no run absent"),
    ],
)
def test_errors_are_a_line(cli, rides, monkeypatch, arguments, said):
    monkeypatch.chdir(rides)
    (rides / "empty.csv").write_text("")
    (rides / "picture.png").write_bytes(b"no picture")
    RIDES.write_csv(rides / "rides.xlsx")
    code, out, err = cli("inspect", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert said in err


def test_what_training_would_refuse_is_a_finding(cli, tmp_path):
    odd = pl.DataFrame({"x": [1.0, 3.5, 2.0] * 10, "y": [0.5, 0.5, 0.5] * 10, "z": range(30)})
    odd.write_parquet(tmp_path / "odd.parquet")
    code, out, _ = cli("inspect", tmp_path / "odd.parquet", "-t", "y")
    shown = " ".join(out.split())
    assert code == 0
    assert "training would refuse the table: the target 'y' is constant: 0.5 in all 30 rows" in shown


def test_rows_without_a_target_are_left_out_as_in_training(cli, tmp_path):
    pl.DataFrame({"x": range(30), "y": [None, 1.5, float("nan")] * 10}).write_parquet(tmp_path / "t.parquet")
    code, out, err = cli("inspect", tmp_path / "t.parquet", "-t", "y", "--json")
    assert code == 0 and "'y' is missing in 20 of 30 rows, first in row 0 (counting from 0); left out" in err
    assert "would refuse" in out  # 1.5 alone
    assert (json.loads(out)["rows"], json.loads(out)["rows_read"]) == (10, 10)
    code, out, _ = cli("inspect", tmp_path / "t.parquet", "-t", "y")
    assert code == 0 and "Rows: 10\n" in out and "sample" not in out


@pytest.mark.few(1)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_fit_the_terminal(cli, tmp_path, monkeypatch, width):
    columns = {f"a name of a column that is long {'x' * i}": rng.normal(size=60) for i in range(5)}
    columns |= {f"pixel_{i}": rng.integers(0, 255, 60) for i in range(200)}
    columns["evil\x1b[31m\nname"] = ["v\x1b[2J\nw", "[bold]b[/bold]", "c"] * 20
    pl.DataFrame(columns).write_parquet(tmp_path / "wide.parquet")
    monkeypatch.setattr("lamina.cli._console._WIDTH_OF_A_PIPE", width)
    code, out, _ = cli("inspect", tmp_path / "wide.parquet", tmp_path / "wide.parquet")
    assert code == 0 and "\x1b" not in out and "numeric" in out
    assert max(map(len, out.splitlines())) <= width
    if width == 200:
        assert "[bold]b[/bold]" in out and "pixel_0 … pixel_199 (200 columns)" in out


def test_a_table_larger_than_the_bound_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr("lamina.table.inspection._MOST_BYTES", 8 * 20_000)
    frame = pl.DataFrame({"x": range(50_000)})
    frame.write_parquet(tmp_path / "long.parquet")
    kept, numbers, rows = read_sample(tmp_path / "long.parquet")
    assert (len(kept), rows) == (20_000, 50_000)
    assert kept["x"].to_list() == numbers.tolist() == sorted(set(numbers.tolist()))
