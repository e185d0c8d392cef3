"""`lamina train`, `evaluate`, `predict` and `inspect` on tables, called as a shell calls them."""

import dataclasses
import datetime
import io
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import lamina
from lamina.cli import main
from lamina.files.tensors import load_tensors

QUICK = ("--preset", "fast", "--epochs", "2", "--hidden", "8")
rng = np.random.default_rng(0)
N = 120
PEOPLE = pl.DataFrame(
    {
        "age": rng.integers(18, 80, N),
        "city": [f"town {i % 11}" for i in range(N)],
        "zip": [f"0{i % 5}" for i in range(N)],
        "member": [i % 3 == 0 for i in range(N)],
        "height": [None if i % 10 == 0 else 150.0 + i // 3 for i in range(N)],
        "income": [">50K" if i % 2 else "<=50K" for i in range(N)],
        "price": np.round(rng.normal(100, 20, N), 2),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the table and a run of each task."""
    path = tmp_path_factory.mktemp("tables")
    PEOPLE.write_csv(path / "people.csv")
    for target, name in (("income", "classes"), ("price", "numbers")):
        with pytest.raises(SystemExit) as ended:
            main(["train", str(path / "people.csv"), "-t", target, *QUICK, "-o", str(path / name), "--quiet"])
        assert ended.value.code == 0
    return path


@pytest.mark.slow
@pytest.mark.pictures
def test_training_shows_what_it_inferred_and_fills_a_folder(tmp_path, cli):
    PEOPLE.write_csv(tmp_path / "people.csv")
    code, out, err = cli(
        "train", tmp_path / "people.csv", "--target", "income", "--drop", "price", "--kind", "age=categorical",
        *QUICK, "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0 and err == ""
    assert re.search(r"age +categorical \(as requested\)", out)
    assert re.search(r"price +dropped .* left out, as requested", out)
    assert re.search(r"height +numeric +12 \(10 %\) .*150 … 189", out)
    assert "--kind height=categorical" in out
    assert "classification of 'income' into 2 classes: <=50K (50.0 %), >50K (50.0 %)" in out
    assert "86 training, 10 validation, 24 test" in out
    assert all(name in out for name in ("linear model", "trivial guess", "AUC", "log-loss"))
    assert "\x1b" not in out
    assert sorted(os.listdir(tmp_path / "run")) == [
        "examples.jsonl", "metrics.jsonl", "model.safetensors", "page.html", "report.html", "settings.json",
    ]  # fmt: skip
    epochs = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert json.loads((tmp_path / "run/settings.json").read_text())["target"] == "income"
    assert sorted(os.listdir(tmp_path)) == ["people.csv", "run"]


@pytest.mark.slow
def test_a_report_is_one_page_that_needs_nothing_else(folder):
    page = (folder / "classes/report.html").read_text()
    for part in (
        "Against baselines",
        "Learning curves",
        "Calibration",
        "Which columns matter",
        "Worst cases",
    ):
        assert part in page
    assert not re.search(r"""(src|href)=['"](?!data:)""", page)
    assert "Predictions and residuals" in (folder / "numbers/report.html").read_text()


@pytest.mark.slow
def test_json_is_one_object_and_the_same_seed_gives_the_same_network(tmp_path, folder, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = cli("train", folder / "people.csv", "-t", "price", *QUICK, "--json")
    results = json.loads(out)
    assert code == 0 and results["run"] == "runs/price-1"
    assert set(results["metrics"]["lamina"]) == {"rmse", "mae", "r2"}
    assert results["rows"] == {"training": 86, "validation": 10, "test": 24}
    assert json.loads((tmp_path / "runs/price-1/settings.json").read_text())["resolved"]["max_iter"] == 2
    code, out, _ = cli("evaluate", "runs/price-1", folder / "people.csv", "--json")
    assert json.loads(out)["rows"] == N
    code, out, _ = cli("inspect", "runs/price-1", "--json")
    assert json.loads(out)["architecture"]["hidden"] == [8]
    again, first = (
        lamina.load(path / "model.safetensors") for path in (tmp_path / "runs/price-1", folder / "numbers")
    )
    frame = PEOPLE.drop("price")
    np.testing.assert_array_equal(first.predict(frame), again.predict(frame))


@pytest.mark.slow
@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_row_numbers_are_left_out_unless_they_are_said_to_be_numbers(tmp_path, cli, stream):
    PEOPLE.with_row_index("id").write_csv(tmp_path / "people.csv")
    train = ("train", tmp_path / "people.csv", "-t", "price", *QUICK, *stream)
    code, out, err = cli(*train, "-o", tmp_path / "run")
    assert code == 0 and "left out 1 column of row numbers: 'id' (--kind id=numeric would keep it)" in err
    assert re.search(r"id +id +– +left out: row numbers", out)
    assert cli("predict", tmp_path / "run", tmp_path / "people.csv", "-o", tmp_path / "out.csv")[0] == 0
    code, out, err = cli(*train, "--kind", "id=numeric", "-o", tmp_path / "kept")
    assert code == 0 and "counts the rows" not in err and re.search(r"id +numeric +– +0 … 119", out)


@pytest.mark.slow
def test_inspect_tells_of_networks_of_different_architectures(tmp_path, folder, cli):
    from lamina.estimators.network import Ensemble, Network
    from lamina.estimators.persistence import load_fitted, save

    saved = load_fitted(folder / "classes/model.safetensors")
    estimator = saved.estimator()
    fitted = estimator.fitted_
    parts = dataclasses.replace(fitted.network.architecture, hidden=(5, 3), activation="gelu", dropout=0.25)
    network = Ensemble([fitted.network.members[0], Network.blank(parts)], (0.75, 0.25))
    estimator.fitted_ = dataclasses.replace(fitted, network=network)
    save(estimator, tmp_path / "model.safetensors", {"table": saved.metadata["table"]})
    code, out, _ = cli("inspect", tmp_path)
    assert code == 0 and "2 networks:" in out
    wanted = f" 25 % {' – '.join(map(str, parts.widths))} gelu 0.25 "
    assert wanted in " ".join(out.split())
    networks = json.loads(cli("inspect", tmp_path, "--json")[1])["networks"]
    assert [one["share"] for one in networks] == [0.75, 0.25]
    assert networks[1]["architecture"]["hidden"] == [5, 3]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "tsv.gz", "parquet", "feather", "jsonl.zst", "csv.zst"])
def test_predictions_go_from_any_format_to_any(tmp_path, folder, cli, suffix):
    from lamina.table.read import ReadOptions, read

    out = tmp_path / f"out.{suffix}"
    code, said, err = cli("predict", folder / "classes", folder / "people.csv", "-o", out)
    assert (code, said) == (0, "") and "120 rows" in err
    frame = read(out, ReadOptions(as_text=("zip",)))
    assert frame.columns == [*PEOPLE.columns, "prediction", "probability_<=50K", "probability_>50K"]
    assert frame["zip"].to_list() == PEOPLE["zip"].to_list()
    assert frame["age"].to_list() == PEOPLE["age"].to_list()
    expected = lamina.load(folder / "classes/model.safetensors").predict_proba(PEOPLE.drop("income"))
    np.testing.assert_allclose(frame["probability_>50K"], expected[:, 1], rtol=1e-6)
    assert set(frame["prediction"]) <= {">50K", "<=50K"}
    back = tmp_path / "back.csv"
    assert cli("predict", folder / "numbers", out, "-o", back, "--prefix", "new_")[0] == 0
    assert read(back).columns[-1] == "new_prediction"


def test_text_holds_probabilities_in_the_fewest_digits_that_are_float32(tmp_path, folder, cli):
    expected = lamina.load(folder / "classes/model.safetensors").predict_proba(PEOPLE.drop("income"))
    for out in (tmp_path / "out.csv", tmp_path / "out.tsv", tmp_path / "out.parquet", tmp_path / "out.jsonl"):
        assert cli("predict", folder / "classes", folder / "people.csv", "-o", out)[0] == 0
    for out, separator in ((tmp_path / "out.csv", ","), (tmp_path / "out.tsv", "\t")):
        texts = pl.read_csv(out, separator=separator, infer_schema=False)
        for j, name in enumerate(("probability_<=50K", "probability_>50K")):
            written = texts[name].to_list()
            assert written == [
                np.format_float_positional(x, unique=True) for x in expected[:, j].astype("f4")
            ]
            np.testing.assert_array_equal(np.array(written, "f4"), expected[:, j].astype("f4"))
    whole = pl.read_parquet(tmp_path / "out.parquet"), pl.read_ndjson(tmp_path / "out.jsonl")
    for frame in whole:
        np.testing.assert_array_equal(frame["probability_>50K"], expected[:, 1])


def test_predictions_do_not_take_the_place_of_their_table(tmp_path, folder, cli):
    table = tmp_path / "people.csv"
    table.write_bytes((folder / "people.csv").read_bytes())
    (tmp_path / "link.csv").symlink_to(table)
    for out in (table, tmp_path / "link.csv", tmp_path / "." / "people.csv"):
        code, _, err = cli("predict", folder / "classes", table, "-o", out)
        assert code == 2 and "is the table itself" in err
    assert table.read_bytes() == (folder / "people.csv").read_bytes()


@pytest.mark.slow
def test_large_files_stream_in_parts(tmp_path, folder, cli, monkeypatch):
    from lamina.cli import _use_table as use_table

    monkeypatch.setattr(use_table, "_BATCH_ROWS", 50)
    assert cli("predict", folder / "numbers", folder / "people.csv", "-o", tmp_path / "parts.parquet")[0] == 0
    expected = lamina.load(folder / "numbers/model.safetensors").predict(PEOPLE.drop("price"))
    found = pl.read_parquet(tmp_path / "parts.parquet")
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-6)

    def with_words(first):
        """The table with a word for the age in 50 rows."""
        words = pl.arange(N).is_between(first, first + 49)
        bad = PEOPLE.with_columns(age=pl.when(words).then(pl.lit("old")).otherwise(pl.col("age").cast(str)))
        bad.write_csv(tmp_path / "bad.csv")
        return tmp_path / "bad.csv"

    for never in ("never.csv", "never.parquet"):
        code, _, err = cli("predict", folder / "numbers", with_words(0), "-o", tmp_path / never)
        assert code == 2 and "column 'age': 50 of 50 values" in err and "'old' in line 2 of " in err
        assert not (tmp_path / never).exists()
    code, _, err = cli("predict", folder / "numbers", with_words(100), "-o", tmp_path / "later.parquet")
    assert code == 0 and "column 'age' has 1 value, in 20 rows, that could not be read" in err
    assert "'old' in line 102 of " in err and len(pl.read_parquet(tmp_path / "later.parquet")) == N


def test_standard_input_and_output(folder, cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "people.csv").read_bytes())))
    code, out, err = cli("predict", folder / "numbers", "-")
    assert (code, err) == (0, "")
    found = pl.read_csv(io.StringIO(out))
    assert len(found) == N and found.columns[-1] == "prediction"


@pytest.mark.slow
def test_validation_and_test_files_with_a_new_class(tmp_path, cli):
    for name, rows in (("train", slice(0, 80)), ("valid", slice(80, 100)), ("test", slice(100, 120))):
        PEOPLE[rows].write_csv(tmp_path / f"{name}.csv")
    odd = PEOPLE[100:].with_columns(
        income=pl.when(pl.arange(20) == 3).then(pl.lit("much")).otherwise("income")
    )
    odd.write_csv(tmp_path / "test.csv")
    code, out, err = cli(
        "train", tmp_path / "train.csv", "-t", "income", "--validation", tmp_path / "valid.csv", "--test",
        tmp_path / "test.csv", *QUICK, "-o", tmp_path / "run",
    )  # fmt: skip
    assert code == 0 and "80 training, 20 validation, 20 test" in out
    assert "'much' in 1 row, first in line 5 of" in err
    code, out, err = cli("evaluate", tmp_path / "run", tmp_path / "test.csv")
    assert code == 0 and "20 rows" in out and "'much'" in err


def test_inspect_and_evaluate_show_tables(folder, cli):
    code, out, _ = cli("inspect", folder / "classes")
    assert code == 0 and "parameters" in out and "embedding of 11 categories" in out and "test rows" in out
    code, out, _ = cli("evaluate", folder / "numbers", folder / "people.csv")
    assert code == 0 and "RMSE" in out


def test_help_has_examples_and_fits_a_terminal(cli):
    for command in ("train", "predict", "evaluate", "inspect"):
        code, out, _ = cli(command, "--help")
        assert code == 0 and f"lamina {command} " in out.split("xample")[-1]
    assert "--recipe" in cli("train", "mnist", "--help")[1]
    text = [line for line in cli("train", "--help")[1].splitlines() if line.strip()]
    prose = text[text.index(next(line for line in text if "The command infers" in line)) :]
    assert all(len(line.rstrip()) > 60 for line in prose[:3])  # broken by the terminal, not by the source


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        ("lamina tr", "train"),
        ("lamina train --pre", "--preset"),
        ("lamina train --preset f", "fast"),
        ("lamina predict --output-format pa", "parquet"),
    ],
)
def test_a_shell_completes_commands_options_and_values(cli, monkeypatch, words, proposed):
    monkeypatch.setenv("_LAMINA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    code, out, _ = cli()
    assert code == 0 and proposed in out.split()


def _interrupt_after(epoch, monkeypatch, press):
    """Press Ctrl-C, or be killed, when this epoch is complete."""
    from lamina.training.display import Display

    def on_epoch(_self, _loop, done):
        if done.number == epoch:
            os.kill(os.getpid(), press)

    monkeypatch.setattr(Display, "on_epoch", on_epoch)


@pytest.mark.untraced
@pytest.mark.parametrize("press", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_best_epoch(tmp_path, folder, cli, monkeypatch, press):
    _interrupt_after(4, monkeypatch, press)
    asked = ("-t", "income", "--preset", "realmlp", "--epochs", "99", "--hidden", "8", "-o", tmp_path / "run")
    code, out, err = cli("train", folder / "people.csv", *asked)
    assert code == 130
    assert "interrupted; keeping epoch" in err and "saved in" in out
    assert "The training was interrupted" in (tmp_path / "run/report.html").read_text()
    epochs = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    model = lamina.load(tmp_path / "run/model.safetensors")
    assert model.predict(PEOPLE.drop("income")).shape == (N,)
    assert model.best_validation_score_ == max(epoch["validation_score"] for epoch in epochs)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after each epoch."""
    from lamina.training import checkpoint

    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "_COST", float("inf"))


KILLED = """
import os, signal, sys
from lamina.cli import main
from lamina.training import checkpoint
from lamina.training.display import Display
checkpoint._SECONDS, checkpoint._COST = 0.0, float("inf")
Display.on_epoch = lambda self, loop, epoch: os.kill(os.getpid(), signal.SIGKILL) if epoch.number == 4 else None
main(sys.argv[1:])
"""
UNFINISHED = ["checkpoint.safetensors", "metrics.jsonl"]
LONGER = ("-t", "income", "--epochs", "8", "--hidden", "8", "--seed", "3")


def _assert_same_networks(one, other):
    expected, _ = load_tensors(one / "model.safetensors")
    for name, array in load_tensors(other / "model.safetensors")[0].items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_network(tmp_path, folder, cli):
    data, run = folder / "people.csv", tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, "train", data, *LONGER, "-o", run]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert sorted(os.listdir(run)) == UNFINISHED
    assert cli("train", data, *LONGER, "-o", tmp_path / "whole", "--quiet")[0] == 0
    for command in ("inspect", "evaluate", "predict"):
        code, _, err = cli(command, run, *([] if command == "inspect" else [data]))
        assert (
            code == 2
            and f"{run} contains an unfinished run; resume it with lamina train --resume {run}" in err
        )
    begun, same = ("train", "--resume", run), "which can't change"
    for arguments, message in [
        (("train", data, *LONGER, "-o", run), f"with --replace, resume it with --resume {run}"),
        ((*begun, "-o", tmp_path / "other"), "leave out --out"),
        ((*begun, "--epochs", "9"), f"the run began with --epochs 8, {same}"),
        ((*begun, "--lr", "1"), f"the run began with no --lr, {same}"),
        ((*begun, "--hidden", "9"), f"the run began with --hidden 8, {same}"),
        ((*begun, "--drop", "age"), f"the run began with no --kind, --ordered or --drop, {same}"),
        ((*begun, "--delimiter", ";"), f"the run began with no --delimiter, {same}"),
        (("train", "--resume", folder / "classes"), "is complete; to train again, use --out"),
        (("train", "--resume", tmp_path), "contains no run"),
        (("train", "--resume", tmp_path / "absent"), "there is no run"),
        (("train", "--target", "income"), "name the table to train on, or add --resume RUN"),
    ]:
        code, out, err = cli(*arguments)
        assert (code, out) == (2, "") and message in err and err.count("\n") == 1
    assert sorted(os.listdir(run)) == UNFINISHED
    code, out, err = cli("train", "--resume", run, "--seed", "3")
    assert code == 0 and f"{run} continues after 4 epochs" in err and "8 epochs in" in out
    assert sorted(os.listdir(run)) == sorted(os.listdir(tmp_path / "whole"))
    _assert_same_networks(tmp_path / "whole", run)
    assert "is complete" in cli("train", "--resume", run)[2]


@pytest.mark.slow
def test_a_run_that_ctrl_c_ended_goes_on(tmp_path, folder, cli, monkeypatch, often):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        _interrupt_after(4, patched, signal.SIGINT)
        code, _, err = cli("train", folder / "people.csv", *LONGER, "-o", run)
    assert code == 130 and f"continue with: lamina train --resume {run}" in err
    assert cli("evaluate", run, folder / "people.csv")[0] == 0
    code, out, _ = cli("train", "--resume", run, folder / "people.csv", "--quiet")
    assert (code, out) == (0, f"{run}\n")
    assert not (run / "checkpoint.safetensors").exists()
    assert cli("train", folder / "people.csv", *LONGER, "-o", tmp_path / "whole", "--quiet")[0] == 0
    _assert_same_networks(tmp_path / "whole", run)


def test_ctrl_c_after_the_first_epoch_leaves_something_to_go_on_from(tmp_path, folder, cli, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        _interrupt_after(2, patched, signal.SIGINT)
        code, _, err = cli("train", folder / "people.csv", *LONGER, "-o", run)
    assert code == 130 and f"continue with: lamina train --resume {run}" in err
    code, _, err = cli("train", "--resume", run)
    assert code == 0 and f"{run} continues after 1 epoch\n" in err


def test_a_run_without_a_checkpoint_says_so(tmp_path, folder, cli, monkeypatch):
    from lamina.training.checkpoint import Checkpoints

    def fail(_self, _loop):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "_save", fail)
    _interrupt_after(2, monkeypatch, signal.SIGINT)
    code, _, err = cli("train", folder / "people.csv", *LONGER, "-o", tmp_path / "run")
    assert code == 130 and "--resume" not in err
    assert err.count("lamina: warning: a checkpoint could not be saved") == 1
    code, _, err = cli("train", "--resume", tmp_path / "run")
    assert (
        code == 2
        and "was interrupted before the first checkpoint, so it can't be resumed; train again" in err
    )


def test_ctrl_c_while_the_folder_is_written_leaves_its_checkpoint(tmp_path, folder, cli, monkeypatch):
    from lamina.runs import training

    def interrupted(_findings):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "report_page", interrupted)
    code, _, err = cli("train", folder / "people.csv", "-t", "price", *QUICK, "-o", tmp_path / "run")
    assert code == 130 and f"interrupted; continue with: lamina train --resume {tmp_path / 'run'}" in err
    assert sorted(os.listdir(tmp_path / "run")) == UNFINISHED


@pytest.mark.slow
def test_without_validation_and_test_rows_the_measures_are_of_the_training_rows(tmp_path, folder, cli):
    code, out, _ = cli(
        "train", folder / "people.csv", "-t", "price", "--validation", "0", "--test", "0", *QUICK, "-o",
        tmp_path / "run",
    )  # fmt: skip
    assert code == 0 and "Metrics on 120 training rows" in out and "kept epoch 2" in out


@pytest.mark.slow
def test_scikit_learns_preset_stops_early_on_scaled_columns(tmp_path, cli):
    """Its networks need scaled columns, which a pipeline gives them elsewhere: without, these are hopeless."""
    x = np.random.default_rng(0).normal(1e6, 1.0, 400)
    pl.DataFrame({"x": x, "y": x > 1e6}).write_csv(tmp_path / "far.csv")
    asked = ("-t", "y", "--preset", "sklearn", "--json", "-o", tmp_path / "run")
    code, out, err = cli("train", tmp_path / "far.csv", *asked)
    assert "--preset sklearn is retired" in err and "lamina.neural_network" in err
    results = json.loads(out)
    assert code == 0 and results["metrics"]["lamina"]["accuracy"] > 0.95
    assert results["epochs"] <= 200 and results["rows"] == {"training": 288, "validation": 32, "test": 80}


@pytest.mark.slow
def test_a_folder_of_images_by_class(tmp_path, cli):
    from PIL import Image

    for name, ink in (("dark", 200), ("light", 40)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 30, (4, 4)) + ink
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / name / f"{i}.png")
    code, out, _ = cli("train", tmp_path / "images", *QUICK, "-o", tmp_path / "run")
    assert code == 0
    assert "pixel_0 … pixel_15 (16 columns)" in out and "--kind pixel_0=categorical" in out
    assert "dark (50.0 %), light (50.0 %)" in out
    code, _, err = cli("predict", tmp_path / "run", tmp_path / "images/dark", "-o", tmp_path / "out.csv")
    assert code == 0 and "warning" not in err
    assert pl.read_csv(tmp_path / "out.csv")["file"].to_list() == sorted(f"{i}.png" for i in range(12))


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path, folder):
    pl.concat([PEOPLE] * 50).write_csv(tmp_path / "long.csv")
    command = [sys.executable, "-m", "lamina", "predict", str(folder / "numbers"), str(tmp_path / "long.csv")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.pictures
def test_a_table_with_dates_from_training_to_predictions(tmp_path, cli):
    start = datetime.datetime(2011, 10, 2)
    at = [start + datetime.timedelta(hours=5 * i, seconds=i) for i in range(N)]
    dates = pl.Series([str(moment) if i % 20 else None for i, moment in enumerate(at)])
    frame = pl.DataFrame({"date": dates, "count": np.arange(N) * 1.5 + rng.normal(size=N)})
    frame.write_csv(tmp_path / "bikes.csv")
    run = tmp_path / "run"
    code, out, err = cli("train", tmp_path / "bikes.csv", "-t", "count", *QUICK, "-o", run)
    assert code == 0 and err == ""
    words = " ".join(out.split())
    assert "2011-10-02 05:00:01 …" in words and "(dates in days)" in words and "the position in" in words
    (tmp_path / "text.csv").write_text(
        "date\n2011-10-04T12:00Z\n2011/10/04 12:00\n2011-10-04 14:00:00+02:00\n"
    )
    (tmp_path / "days.csv").write_text("date\n15251.5\n15251.5\n15251.5\n")
    pl.DataFrame({"date": [datetime.datetime(2011, 10, 4, 12)] * 3}).write_parquet(tmp_path / "typed.parquet")
    predictions = set()
    for name in ("text.csv", "days.csv", "typed.parquet"):
        code, out, err = cli("predict", run, tmp_path / name)
        assert code == 0 and err == ""
        predictions |= set(pl.read_csv(io.StringIO(out))["prediction"])
    assert len(predictions) == 1
    (tmp_path / "bad.csv").write_text("date\n2011-10-04\n4/10/2011\n")
    code, _, err = cli("predict", run, tmp_path / "bad.csv")
    assert code == 0 and "counts as missing: '4/10/2011' in line 3 of" in err
    code, out, _ = cli("evaluate", run, tmp_path / "bikes.csv")
    assert code == 0 and "RMSE" in out
    assert json.loads((run / "examples.jsonl").read_text().splitlines()[0])["date"] > 15248


@pytest.mark.few(1)
@pytest.mark.pictures
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--day-first"], "(day first, as requested)"),
        (["--month-first"], "(month first, as requested)"),
        (["--date-format", "%d/%m/%Y"], "(as %d/%m/%Y)"),
        ([], "(month first, a guess, since no value decides; otherwise give --date-format day-first)"),
    ],
)
def test_the_order_of_a_dates_numbers_may_be_said(tmp_path, cli, options, said):
    frame = pl.DataFrame(
        {"when": [f"{i % 12 + 1}/{i % 11 + 1}/{2000 + i % 7}" for i in range(N)], "y": np.arange(N) / 7}
    )
    frame.write_csv(tmp_path / "table.csv")
    code, out, err = cli(
        "train", tmp_path / "table.csv", "-t", "y", *options, *QUICK, "--json", "-o", tmp_path / "run"
    )
    assert code == 0 and err == ""
    code, out, _ = cli("inspect", tmp_path / "run", "--json")
    assert said.strip("()") in out


def test_wrong_forms_of_dates_are_told(tmp_path, cli):
    (tmp_path / "table.csv").write_text("when,y\n1/2/2000,1\n")
    train = ("train", tmp_path / "table.csv", "-t", "y", "-o", tmp_path / "run")
    code, _, err = cli(*train, "--day-first", "--month-first")
    assert code == 2 and "--day-first and --month-first exclude each other" in err
    code, _, err = cli(*train, "--date-format", "day.month")
    assert code == 2 and "--date-format: 'day.month' is not a date format" in err
