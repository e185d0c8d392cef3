"""Bad tables: each has an error or a warning of one line that names column and row, and nothing is half-written."""

import json
import re
import sys

import numpy as np
import polars as pl
import pytest

from lamina.cli import main

QUICK = ("--preset", "fast", "--epochs", "1", "--hidden", "4")
N = 40


def table(**columns):
    """A table that trains, but for the columns given."""
    good = {"x": [float(i % 13) for i in range(N)], "c": ["abc"[i % 3] for i in range(N)]}
    return pl.DataFrame({**good, "y": [i % 2 for i in range(N)], **columns}).write_csv().encode()


def but(row, value, otherwise=lambda i: i % 2):
    """A column with another value in one row."""
    return [value if i == row else otherwise(i) for i in range(N)]


ERRORS = {
    "a file that is not there": (None, ["there is no file", "Did you mean 'table.csv'?"]),
    "no such target": (table().replace(b"y\n", b"yy\n", 1), ["no column 'y'", "Did you mean 'yy'"]),
    "a target without values": (table(y=pl.Series([None] * N, dtype=pl.String)), ["'y' has no values"]),
    "an infinite target": (table(y=but(3, np.inf, float)), ["'y' is infinite in line 5 of"]),
    "a constant target": (table(y=[2.5] * N), ["'y' is constant: 2.5 in all 40 rows"]),
    "one class": (table(y=["a"] * N), ["'y' has only one class, 'a'"]),
    "a ragged row": (b"a,b,y\n1,2,0\n1,2,1\n1,2\n", ["line 4: 2 fields instead of 3"]),
    "no rows": (b"a,b,y\n", ["no rows"]),
    "one row": (b"a,b,y\n1,2,0\n", ["only 1 row"]),
    "an empty file": (b"", ["is empty"]),
    "only the target": (b"y\n0\n1\n", ["no column besides 'y'"]),
    "not a table": (bytes(range(256)) * 9, ["not a text file"]),
}


@pytest.mark.few(6)
@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_one_line_and_leave_nothing(tmp_path, cli, case):
    content, parts = ERRORS[case]
    (tmp_path / "table.csv").write_bytes(content or b"")
    name = "tabel.csv" if content is None else "table.csv"
    code, out, err = cli("train", tmp_path / name, "-t", "y", *QUICK, "-o", tmp_path / "run")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("lamina: ")
    assert all(part in err for part in parts), err
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


OPTIONS = {
    "no target": ((), ["--target", "'x', 'c', 'y'"]),
    "an unknown kind": (("-t", "y", "--kind", "x=number"), ["--kind x=number", "numeric"]),
    "a kind of no column": (("-t", "y", "--kind", "xx=numeric"), ["'xx'", "Did you mean 'x'"]),
    "a column to drop that is not there": (
        ("-t", "y", "--drop", "xx"),
        ["--drop xx names a column", "mean 'x'"],
    ),
    "the target dropped": (("-t", "y", "--drop", "y"), ["'y' is the column to predict"]),
    "a share above 1": (("-t", "y", "--test", "1.5"), ["--test 1.5"]),
    "shares that leave nothing": (("-t", "y", "--test", "0.5", "--validation", "0.5"), ["validation (0.5)"]),
    "an unknown preset": (("-t", "y", "--preset", "quick"), ["--preset quick", "fast"]),
    "no epochs": (("-t", "y", "--epochs", "0"), ["--epochs 0"]),
    "a negative learning rate": (("-t", "y", "--lr", "-1"), ["--lr -1"]),
    "no layers": (("-t", "y", "--hidden", "a"), ["--hidden", "256,256"]),
    "empty layers": (("-t", "y", "--hidden", ""), ["--hidden", "or none for a linear model; not ''"]),
    "a negative seed": (("-t", "y", "--seed", "-3"), ["--seed -3"]),
    "an unknown task": (("-t", "y", "--task", "regresion"), ["--task regresion", "'regression'"]),
    "regression of text": (
        ("-t", "c", "--task", "regression"),
        ["'c' cannot be a regression", "in line 2 of"],
    ),
    "a missing test file": (("-t", "y", "--test", "absent.csv"), ["there is no file 'absent.csv'"]),
    "an unknown option": (("-t", "y", "--epoch", "3"), ["--epoch"]),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_cannot_work(tmp_path, cli, case):
    options, parts = OPTIONS[case]
    (tmp_path / "table.csv").write_bytes(table())
    code, out, err = cli("train", tmp_path / "table.csv", *options, "-o", tmp_path / "run")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert all(part in err for part in parts), err
    assert not (tmp_path / "run").exists()


ODD_COLUMNS = {
    "empty": pl.Series([None] * N, dtype=pl.String),
    "constant": [1] * N,
    "id": [f"u{i * 7919}" for i in range(N)],
    "code": but(33, "oops", lambda i: str(i % 7)),
}

WARNINGS = {
    "columns and classes": (
        table(**ODD_COLUMNS, y=but(5, "rare", lambda i: "ab"[i % 2])),
        [
            "without any value: 'empty'",
            "same value in every row: 'constant'",
            "'id' (--kind id=categorical would keep it)",
            "column 'code' holds numbers in 98 % of its rows, but 'oops' in line 35 of",
            "'y' has 1 class of a single row: 'rare'",
        ],
    ),
    "another encoding": (
        table(c=["städte", "dörfer"] * 20).decode().encode("latin-1"),
        ["not UTF-8 (line 2 has the byte 0xe4); it is read as windows-1252"],
    ),
    "numbers and one text": (
        table(x=but(33, "oops", lambda i: str(i * 1.5))),
        ["column 'x' holds numbers, but 'oops' in line 35 of"],
    ),
    "repeated names": (
        b"a,a,y\n" + b"1,2,0\n2,3,1\n" * 9,
        ["column names are repeated: 'a'; later ones are called 'a_2'"],
    ),
    "five rows": (b"a,y\n1,0\n2,1\n3,0\n4,1\n5,1\n", ["5 rows are too few"]),
}


@pytest.mark.pictures
@pytest.mark.slow
@pytest.mark.parametrize("case", WARNINGS)
def test_warnings_are_lines_and_training_goes_on(tmp_path, cli, case):
    content, parts = WARNINGS[case]
    (tmp_path / "table.csv").write_bytes(content)
    code, out, err = cli("train", tmp_path / "table.csv", "-t", "y", *QUICK, "-o", tmp_path / "run")
    assert code == 0 and "saved in" in out
    lines = err.splitlines()
    assert all(line.startswith("lamina: warning: ") for line in lines)
    assert [sum(part in line for line in lines) for part in parts] == [1] * len(lines), err


@pytest.mark.slow
def test_a_run_folder_is_never_overwritten(run, cli):
    before = (run / "model.safetensors").read_bytes()
    code, out, err = cli("train", run.parent / "table.csv", "-t", "y", *QUICK, "-o", run)
    assert code == 2 and out == "" and "contains a run already" in err
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_many_categories(tmp_path, cli):
    rows = 7000
    frame = pl.DataFrame(
        {"c": [f"item {i % 2700}" for i in range(rows)], "x": range(rows), "y": [i % 2 for i in range(rows)]}
    )
    frame.write_csv(tmp_path / "table.csv")
    code, out, _ = cli("train", tmp_path / "table.csv", "-t", "y", *QUICK, "-o", tmp_path / "run")
    assert code == 0 and "embedding of 2,700 categories" in out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "table.csv").write_bytes(table(flag=[i % 3 == 0 for i in range(N)]))
    with pytest.raises(SystemExit) as ended:
        main(["train", str(folder / "table.csv"), "-t", "y", *QUICK, "-o", str(folder / "run"), "-q"])
    assert ended.value.code == 0
    return folder / "run"


TABLES = {
    "reordered columns": (b"flag,c,x\ntrue,a,1\n", 0, []),
    "an extra column": (b"x,more,c,flag\n1,9,a,false\n", 0, ["ignored 1 column", "'more'"]),
    "the target too": (b"x,c,flag,y\n1,a,true,0\n", 0, []),
    "an unseen category": (
        b"x,c,flag\n1,zebra,true\n",
        0,
        ["column 'c' has 1 value that", "'zebra' in line 2 of"],
    ),
    "missing values": (b"x,c,flag\n,,\n", 0, ["1 row with predictions"]),
    "no rows": (b"x,c,flag\n", 0, ["0 rows with predictions"]),
    "flags as 0 and 1": (b"x,c,flag\n1,a,0\n", 0, []),
    "missing columns": (b"xx,flag\n1,true\n", 2, ["lacks 2 columns", "'x', 'c'", "Did you mean 'xx'"]),
    "text for numbers": (
        b"x,c,flag\n1,a,true\nmany,b,true\n",
        0,
        ["it counts as missing: 'many' in line 3 of"],
    ),
    "neither true nor false": (
        b"x,c,flag\n1,a,maybe\n",
        0,
        ["true or false; it counts", "'maybe' in line 2 of"],
    ),
    "another column": (
        b"x,c,flag\n" + b"many,a,true\n" * 40,
        2,
        ["column 'x': 40 of 40 values could not be read as a number", "'many' in line 2 of"],
    ),
    "decimal commas": (
        b"x;c;flag\n" + b"1,5;a;true\n" * 40,
        2,
        ["such as '1,5' in line 2 of", "decimal commas need --decimal ,"],
    ),
    "an infinite number": (b"x,c,flag\ninf,a,true\n", 0, ["column 'x' has infinite values", "in line 2 of"]),
    "a taken name": (
        b"x,c,flag,prediction\n1,a,true,7\n",
        2,
        ["already has a column 'prediction'", "--prefix"],
    ),
}


@pytest.mark.few(6)
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
@pytest.mark.parametrize("case", TABLES)
def test_tables_to_predict(tmp_path, run, cli, case):
    content, expected, parts = TABLES[case]
    (tmp_path / "new.csv").write_bytes(content)
    code, _, err = cli("predict", run, tmp_path / "new.csv", "-o", tmp_path / "out.csv")
    assert code == expected, err
    assert all(part in err for part in parts), err
    assert (tmp_path / "out.csv").exists() == (code == 0)
    if code == 0:
        out = pl.read_csv(tmp_path / "out.csv")
        assert len(out) == content.count(b"\n") - 1
        assert out.columns[: content.split(b"\n")[0].count(b",") + 1] == content.split(b"\n")[
            0
        ].decode().split(",")
        assert all(0 <= p <= 1 for p in out["probability_1"])


def test_what_is_not_a_run(tmp_path, run, cli):
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 50)
    (tmp_path / "new.csv").write_bytes(b"x,c,flag,y\n1,a,true,0\n")
    for command in (["predict", tmp_path, tmp_path / "new.csv"], ["inspect", tmp_path]):
        code, out, err = cli(*command)
        assert code == 2 and out == "" and err.count("\n") == 1
    code, _, err = cli("inspect", tmp_path / "absent")
    assert code == 2 and "there is no run" in err
    code, _, err = cli("evaluate", run)
    assert code == 2 and "the table to evaluate on is missing" in err
    (tmp_path / "new.csv").write_bytes(b"x,c,flag\n1,a,true\n")
    code, _, err = cli("evaluate", run, tmp_path / "new.csv")
    assert code == 2 and "no column 'y'" in err
    (tmp_path / "new.csv").write_bytes(b"x,c,flag,y\n")
    code, _, err = cli("evaluate", run, tmp_path / "new.csv")
    assert code == 2 and "no rows to evaluate on" in err


def test_new_files_are_read_as_the_training_table_was(tmp_path, cli):
    """What the user said of decimal points holds for prediction, until another is said."""
    semicolons = table(y=[i / 7 for i in range(N)]).replace(b",", b";").replace(b".", b",")
    (tmp_path / "table.csv").write_bytes(semicolons)
    asked = ("-t", "y", "--decimal", ",", *QUICK, "-q", "-o", tmp_path / "run")
    assert cli("train", tmp_path / "table.csv", *asked)[0] == 0
    assert cli("evaluate", tmp_path / "run", tmp_path / "table.csv")[0] == 0
    code, _, err = cli("evaluate", tmp_path / "run", tmp_path / "table.csv", "--decimal", ".")
    assert code == 2 and re.search(r"'x': \d+ of \d+ values could not .* '\d+,0' in line \d+ of", err)


def test_several_files_and_fields_of_several_lines(tmp_path, run, cli):
    (tmp_path / "a.csv").write_bytes(b"x,c,flag\n1,a,true\n")
    (tmp_path / "b.csv").write_bytes(b'x,c,flag\n\n1,"a\nb",true\nmany,c,true\n')
    code, _, err = cli("predict", run, tmp_path / "*.csv", "-o", tmp_path / "out.csv")
    assert code == 0 and f"('many' in line 5 of {tmp_path / 'b.csv'})" in err
    inf = pl.DataFrame({"x": [1.0, np.inf], "c": ["a", "b"], "flag": ["true", "false"]})
    inf.write_parquet(tmp_path / "c.parquet")
    code, _, err = cli("predict", run, tmp_path / "a.csv", tmp_path / "c.parquet", "-o", tmp_path / "out.csv")
    place = f"row 1 (counting from 0) of {tmp_path / 'c.parquet'}"
    assert code == 0 and f"'x' has infinite values, such as inf in {place}; they count as missing" in err


def test_a_format_that_cannot_be_written(tmp_path, run, cli):
    (tmp_path / "new.csv").write_bytes(b"x,c,flag\n1,a,true\n")
    code, _, err = cli("predict", run, tmp_path / "new.csv", "-o", tmp_path / "out.dta")
    assert code == 2 and "has no suffix of a known format" in err
    code, _, err = cli("predict", run, tmp_path / "new.csv", "-o", tmp_path / "absent/out.csv")
    assert code == 2 and "absent" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["doctor"], 0),
        (["predict", "run", "table.csv"], 2),
        (["predict", "run", "-", "-o", "p.csv"], 2),
        (["train", "-", "-t", "y"], 2),
        (["inspect", "run"], 0),
    ],
)
def test_closed_standard_input_and_output(run, capfd, monkeypatch, command, expected):
    """As Python has them where a process is started without."""
    monkeypatch.chdir(run.parent)
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(sys, "stdin", None)
        patched.setattr(sys, "stdout", None)
        main(command)
    error = capfd.readouterr().err
    assert ended.value.code == expected, error
    assert error.count("\n") == (1 if expected else 0)


def test_words_in_a_target_of_numbers_count_as_missing(tmp_path, cli):
    file = tmp_path / "data.csv"
    rows = [f"{i % 9},{i / 4 if i not in (7, 30) else '---'}" for i in range(80)]
    file.write_text("\n".join(["x,y", *rows]))
    code, out, err = cli(
        "train", file, "-t", "y", "--preset", "fast", "--epochs", "2", "-o", tmp_path / "run"
    )
    assert code == 0 and "Task: regression of 'y'" in out
    assert f"column 'y' holds numbers, but '---' in line 9 of {file}; it counts as missing" in err
    assert f"'y' is missing in 2 of 80 rows, first in line 9 of {file}; left out" in err
    code, out, err = cli("evaluate", tmp_path / "run", file)
    assert code == 0 and "Metrics on 78 rows" in out and f"'---' in line 9 of {file}" in err
    few = tmp_path / "few.csv"
    few.write_text("\n".join(["x,y", *rows[28:33]]))
    code, out, err = cli("evaluate", tmp_path / "run", few)
    assert code == 0 and "Metrics on 4 rows" in out and f"'---' in line 4 of {few}" in err
    code, _, err = cli("train", file, "-t", "y", "--stream", "-o", tmp_path / "stream")
    assert code == 2 and f"holds numbers, but '---' in line 9 of {file}; leave such rows out" in err


def test_rows_without_a_target_are_not_evaluated(tmp_path, run, cli):
    file = tmp_path / "new.csv"
    file.write_bytes(table(flag=[True] * N, y=but(7, None), c=but(20, "new", lambda i: "abc"[i % 3])))
    code, out, err = cli("evaluate", run, file, "--json")
    assert code == 0 and f"'y' is missing in 1 of 40 rows, first in line 9 of {file}; left out" in err
    assert f"it counts as missing: 'new' in line 22 of {file}" in err
    assert json.loads(out)["rows"] == 39
    file.write_bytes(table(flag=[True] * N, y=pl.Series([None] * N, dtype=pl.String)))
    code, _, err = cli("evaluate", run, file)
    assert code == 2 and "'y' has no values (40 rows, all missing)" in err
