"""`lamina explain`."""

import json
import os

import numpy as np
import polars as pl
import pytest
from command_line import without_pictures

import lamina
from lamina.cli import main
from lamina.files.tensors import load_tensors, save_tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on a table of 8 columns, of which two matter: of numbers, and of classes."""
    path = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {f"x{i}": rng.normal(size=120) for i in range(7)} | {"town": rng.choice(["a", "b"], 120)}
    )
    y = frame["x0"] * 3 + pl.Series(frame["town"] == "a").cast(float)
    frame = frame.with_columns(y=y)
    frame.write_csv(path / "numbers.csv")
    frame.with_columns(y=pl.when(y > 0).then(pl.lit("high")).otherwise(pl.lit("low"))).write_csv(
        path / "classes.csv"
    )
    frame.drop("y").head(7).write_csv(path / "new.csv")
    for name in ("numbers", "classes"):
        asked = ["-t", "y", "--preset", "fast", "--epochs", "3", "--hidden", "16", "--quiet"]
        with without_pictures(), pytest.raises(SystemExit) as ended:
            main(["train", str(path / f"{name}.csv"), *asked, "-o", str(path / name)])
        assert ended.value.code == 0
    return path


@pytest.mark.slow
def test_the_terminal_shows_what_the_most_important_columns_add(cli, folder):
    code, out, error = cli("explain", folder / "numbers", folder / "new.csv")
    assert code == 0, error
    assert "Row 0: " in out and "Row 4: " in out and "Row 5: " not in out
    assert "these are the first 5 rows; -o FILE writes all" in out
    assert "town" in out and "adds" in out


@pytest.mark.few(1)
@pytest.mark.parametrize("run, more", [("numbers", []), ("classes", ["--class", "low"]), ("classes", [])])
def test_what_columns_add_sums_to_the_prediction(cli, folder, run, more):
    code, out, error = cli("explain", folder / run, folder / "new.csv", "--json", *more)
    assert code == 0, error
    rows = [json.loads(line) for line in out.splitlines()]
    model, new = lamina.load(folder / run / "model.safetensors"), pl.read_csv(folder / "new.csv")
    found = model.predict(new) if run == "numbers" else model.predict_proba(new)[:, 1]
    assert len(rows) == 7
    for row, expected in zip(rows, found, strict=True):
        adds = [value for name, value in row.items() if name.startswith("adds_")]
        assert len(adds) == 8
        assert row["explained"] == pytest.approx(expected, abs=1e-6)
        assert row["mean"] + sum(adds) == pytest.approx(row["explained"], abs=1e-6)


def test_a_table_is_written_in_any_format(cli, folder, tmp_path):
    code, _, error = cli("explain", folder / "classes", folder / "new.csv", "-o", tmp_path / "out.parquet")
    assert code == 0 and "7 rows with columns' contributions" in error
    assert {"x0", "mean", "explained", "adds_town"} <= set(pl.read_parquet(tmp_path / "out.parquet").columns)


def test_rows_that_are_compared_with(cli, folder, tmp_path):
    """One row compared with itself: columns add nothing."""
    pl.read_csv(folder / "new.csv").head(1).write_csv(tmp_path / "one.csv")
    code, out, error = cli(
        "explain", folder / "numbers", tmp_path / "one.csv", "--background", tmp_path / "one.csv", "--json"
    )
    assert code == 0, error
    assert all(abs(value) < 1e-6 for name, value in json.loads(out).items() if name.startswith("adds_"))


@pytest.mark.parametrize(
    "run, more, message",
    [
        ("classes", ["--class", "hihg"], "--class"),
        ("numbers", ["--class", "low"], "'y' has numbers, not classes"),
        ("numbers", ["--background", "absent.csv"], "absent.csv"),
    ],
)
def test_what_cannot_be_explained(cli, folder, run, more, message):
    code, _, error = cli("explain", folder / run, folder / "new.csv", *more)
    assert code == 2 and message in error, error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
@pytest.mark.parametrize("name", ["pipe", "/dev/fd/99"])
def test_rows_of_a_pipe_are_not_looked_for_again(cli, folder, tmp_path, name):
    """A pipe that is called so now would be waited for, or has other rows."""
    os.mkfifo(tmp_path / "pipe")
    arrays, metadata = load_tensors(folder / "numbers" / "model.safetensors")
    table = json.loads(metadata["table"])
    table["settings"]["data"] = [str(tmp_path / name)]
    save_tensors(tmp_path / "model.safetensors", arrays, {**metadata, "table": json.dumps(table)})
    code, _, error = cli("explain", tmp_path, folder / "new.csv")
    assert code == 2
    assert (
        f"{tmp_path} was trained on the pipe {tmp_path / name}: name a table to compare with by --background"
        in error
    )


def test_a_table_of_the_training_that_is_gone(cli, folder, tmp_path):
    (folder / "numbers.csv").rename(tmp_path / "moved.csv")
    try:
        code, _, error = cli("explain", folder / "numbers", folder / "new.csv")
    finally:
        (tmp_path / "moved.csv").rename(folder / "numbers.csv")
    assert code == 2 and "name another table: --background FILE" in error


@pytest.mark.slow
def test_of_several_quantiles_the_middle_one_is_explained_and_said(cli, folder, tmp_path):
    asked = ["-t", "y", "--preset", "fast", "--epochs", "3", "--hidden", "16", "--quiet"]
    code, _, error = cli(
        "train", folder / "numbers.csv", *asked, "--quantile", "0.1,0.4,0.95", "-o", tmp_path / "q"
    )
    assert code == 0, error
    code, out, error = cli("explain", tmp_path / "q", folder / "new.csv", "--json")
    assert code == 0, error
    found = lamina.load(tmp_path / "q" / "model.safetensors").predict(pl.read_csv(folder / "new.csv"))
    explained = [json.loads(line)["explained"] for line in out.splitlines()]
    np.testing.assert_allclose(explained, found[:, 1], rtol=0, atol=1e-6)
    _, out, _ = cli("explain", tmp_path / "q", folder / "new.csv")
    assert "the 0.4 quantile of y" in out


def test_a_missing_value_is_a_dash(cli, folder, tmp_path):
    missing = pl.read_csv(folder / "new.csv").head(1).with_columns(x0=None, town=None)
    missing.write_csv(tmp_path / "missing.csv")
    code, out, error = cli("explain", folder / "numbers", tmp_path / "missing.csv")
    assert code == 0, error
    shown = {
        line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith((" x0", " town"))
    }
    assert shown == {"x0": "–", "town": "–"}


def test_a_file_is_warned_of_once(cli, folder, tmp_path):
    for name in ("numbers.csv", "new.csv"):
        titled = "Export\n\n" + (folder / name).read_text()
        (tmp_path / name).write_text(titled)
    asked = ["-t", "y", "--preset", "fast", "--epochs", "2", "--hidden", "8", "--quiet"]
    with without_pictures():
        assert cli("train", tmp_path / "numbers.csv", *asked, "-o", tmp_path / "run")[0] == 0
    for file in ("numbers.csv", "new.csv"):
        code, _, error = cli("explain", tmp_path / "run", tmp_path / file)
        assert code == 0, error
        assert error.count("above the column names left out") == 1
        assert file in error


def test_the_words_of_a_text_are_shown(cli, tmp_path):
    words = np.random.default_rng(1).choice(
        ["red", "old", "big", "new", "car", "bike", "very", "low"], (300, 4)
    )
    frame = pl.DataFrame({"title": [" ".join(row) for row in words], "x": np.arange(300) % 7})
    frame.with_columns(y=pl.Series(1.0 * (words == "red").any(axis=1))).write_csv(tmp_path / "ads.csv")
    asked = ["-t", "y", "--preset", "fast", "--epochs", "20", "--hidden", "16", "--quiet"]
    with without_pictures(), pytest.raises(SystemExit):
        main(["train", str(tmp_path / "ads.csv"), *asked, "-o", str(tmp_path / "run")])
    frame.filter(pl.col("title").str.contains("red"))[:1].write_csv(tmp_path / "new.csv")
    code, out, error = cli("explain", tmp_path / "run", tmp_path / "new.csv")
    assert code == 0, error
    assert "by word: red +" in out
    code, out, error = cli("inspect", tmp_path / "run")
    assert code == 0 and "words of 'title' that change predictions: red 0." in out, error
    code, out, error = cli("inspect", tmp_path / "run", "--json")
    words = json.loads(out)["results"]["words"]["title"]
    assert words[0]["word"] == "red" and words[0]["change"] > 0.2
    report = (tmp_path / "run" / "report.html").read_text()
    assert (
        "<h3>Words of title</h3>" in report and "red" in report.split("Words of title")[1].split("</tr>")[1]
    )
