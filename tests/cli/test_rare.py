"""`lamina train` where one class is rare: weights of classes, the score that validates, a threshold."""

import contextlib
import io
import json
from html import unescape
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from lamina.cli import main
from lamina.cli._train_table import _progress
from lamina.runs.data import Request
from lamina.runs.run_folder import open_run
from lamina.training.loop import Epoch

QUICK = ("--preset", "fast", "--epochs", "4", "--hidden", "8")


def claims(rows, seed):
    """Claims of which few are a fraud, whose name is the first by alphabet."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    rare = x[:, 0] + x[:, 1] + rng.normal(size=rows) > 3.2
    return pl.DataFrame({"x": x[:, 0], "y": x[:, 1], "z": x[:, 2], "kind": np.where(rare, "fraud", "fine")})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    frame = claims(4000, 0).with_columns(kind=pl.col("kind").replace("fine", "legitimate"))
    assert 0.01 < (frame["kind"] == "fraud").mean() < 0.05
    frame.write_csv(folder / "claims.csv")
    claims(1000, 1).with_columns(kind=pl.col("kind").replace("fine", "legitimate")).write_csv(
        folder / "new.csv"
    )
    return folder


@pytest.mark.slow
def test_a_threshold_goes_everywhere(cli, files):
    run, new = files / "run", files / "new.csv"
    code, shown, error = cli(
        "train", files / "claims.csv", "-t", "kind", *QUICK, "--threshold", "f1", "-o", run
    )
    assert code == 0, error
    model, details = open_run(run)
    threshold = model.estimator.threshold_
    decided = f"which is predicted at probabilities of {threshold:.3g} or more"
    said = f"F1 and average precision are of the class 'fraud', {decided}"
    assert said in shown
    assert details["results"]["decision"] == {"classes": 2, "positive": "fraud", "threshold": threshold}
    assert "What to try" not in (run / "report.html").read_text()
    assert said in unescape((run / "report.html").read_text())

    code, _, error = cli("predict", run, new, "-o", files / "predicted.csv")
    assert code == 0, error
    predicted = pl.read_csv(files / "predicted.csv")
    expected = np.where(predicted["probability_fraud"].to_numpy() >= threshold, "fraud", "legitimate")
    assert predicted["prediction"].to_list() == expected.tolist()
    assert np.any((predicted["probability_fraud"] < 0.5).to_numpy() & (expected == "fraud"))

    code, shown, _ = cli("evaluate", run, new, "--json")
    found, truth = json.loads(shown)["metrics"], predicted["kind"].to_list()
    assert found["f1"] == pytest.approx(f1_score(truth, expected, pos_label="fraud"))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, expected))

    code, shown, _ = cli("explain", run, new)
    assert code == 0
    for row, label in enumerate(expected[:5]):
        assert f"(predicted: {label})" in next(
            line for line in shown.splitlines() if line.startswith(f"Row {row}:")
        )
    code, shown, _ = cli("inspect", run)
    assert said in shown


@pytest.fixture(scope="module")
def plain(files):
    """A run without weights and a threshold, and what was shown of it."""
    command = ["train", f"{files}/claims.csv", "-t", "kind", *QUICK, "-o", f"{files}/plain"]
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as ended:
        main(command)
    assert not ended.value.code
    return files / "plain", printed.getvalue()


@pytest.mark.slow
def test_a_rare_class_that_is_missed_is_told_of(plain):
    run, shown = plain
    for name in ("balanced accuracy", "F1", "average precision"):
        assert f"{name} ↑" in shown
    told = "; for this, train with --threshold f1, or weigh it more with --class-weight balanced"
    line = next(line for line in shown.splitlines() if line.startswith("fraud is rare ("))
    assert line.endswith(told)
    page = (run / "report.html").read_text()
    assert told in page and "ROC and precision-recall curves" in page
    assert open_run(run)[1]["results"]["advice"] == [line]


@pytest.mark.parametrize("weights", [["balanced"], ["fraud=30", "legitimate=1"]])
def test_weights_of_classes(cli, files, plain, tmp_path, weights):
    asked = [part for one in weights for part in ("--class-weight", one)]
    code, _, error = cli("train", files / "claims.csv", "-t", "kind", *QUICK, *asked, "-o", tmp_path / "run")
    assert code == 0, error
    weighted, details = open_run(tmp_path / "run")
    known = details["settings"]["class_weight"]
    assert known == ("balanced" if weights == ["balanced"] else {"fraud": 30.0, "legitimate": 1.0})
    assert weighted.estimator.class_weight == known
    frame = pl.read_csv(files / "new.csv")
    plain = open_run(plain[0])[0]
    assert weighted.outputs(frame)[:, 0].mean() > 3 * plain.outputs(frame)[:, 0].mean()


@pytest.mark.pictures
def test_validation_scores_what_is_said(cli, files, tmp_path):
    asked = ["--scoring", "average_precision", "-o", tmp_path / "run"]
    code, _, error = cli("train", files / "claims.csv", "-t", "kind", *QUICK, *asked)
    assert code == 0, error
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    scores = [line["validation_score"] for line in lines]
    assert all(0 < score <= 1 for score in scores)
    assert open_run(tmp_path / "run")[1]["results"]["best_epoch"] - 1 in np.flatnonzero(
        np.array(scores) == max(scores)
    )
    assert "validation average_precision from" in (tmp_path / "run" / "report.html").read_text()


def test_progress_shows_the_score_with_its_sign():
    epoch = Epoch(3, 0.5, -1.25, is_best=True, seconds=1.0)
    loop = SimpleNamespace(best_score=-1.25, best_epoch=3)
    shown = _progress(Request(("t.csv",), "y", scoring="neg_mean_absolute_error"))(loop, epoch)
    assert shown == "loss 0.5000, validation mean_absolute_error 1.2500 (best 1.2500 in 3)"
    assert (
        _progress(Request(("t.csv",), "y"))(loop, epoch)
        == "loss 0.5000, validation 1.2500 (best 1.2500 in 3)"
    )


@pytest.mark.slow
def test_a_search_scores_and_decides_so_too(cli, files, tmp_path):
    asked = ["--trials", "2", "--scoring", "f1", "--threshold", "balanced"]
    asked += ["-o", tmp_path / "run"]
    code, _, error = cli("tune", files / "new.csv", "-t", "kind", *asked)
    assert code == 0, error
    assert "trial 0: f1 0." in error
    assert 0 < open_run(tmp_path / "run")[0].estimator.threshold_ < 1


@pytest.mark.parametrize(
    "asked, said",
    [
        (
            ["--threshold", "f2"],
            "--threshold: threshold must be 'f1' or 'balanced', to choose it on validation rows",
        ),
        (
            ["--threshold", "1.5"],
            "--threshold: threshold must be 'f1' or 'balanced', to choose it on validation rows",
        ),
        (
            ["--class-weight", "heavy"],
            "--class-weight heavy: write balanced, or CLASS=WEIGHT, such as yes=10",
        ),
        (
            ["--class-weight", "fraud=-1"],
            "--class-weight fraud=-1: write balanced, or CLASS=WEIGHT, such as yes=10",
        ),
        (
            ["--class-weight", "frod=2"],
            "--class-weight frod: 'kind' has no such class. Did you mean 'fraud'?",
        ),
        (["--scoring", "roc_acu"], "scoring 'roc_acu' is unknown. Did you mean 'roc_auc'?"),
        (
            ["--threshold", "f1", "--validation", "0"],
            "--threshold f1 is chosen on validation rows, but there are none",
        ),
        (["--scoring", "f1", "--validation", "0"], "--scoring f1 scores validation rows, but there are none"),
        (["-t", "x", "--threshold", "f1"], "--threshold is for classes, but 'x' has numbers"),
        (["-t", "x", "--class-weight", "balanced"], "--class-weight is for classes, but 'x' has numbers"),
    ],
)
def test_what_cannot_be(cli, files, tmp_path, asked, said):
    target = [] if "-t" in asked else ["-t", "kind"]
    code, _, error = cli("train", files / "claims.csv", *target, *QUICK, *asked, "-o", tmp_path / "run")
    assert code != 0
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_three_classes_have_no_threshold(cli, tmp_path):
    pl.DataFrame({"x": range(90), "y": ["a", "b", "c"] * 30}).write_csv(tmp_path / "three.csv")
    asked = ["-t", "y", *QUICK, "-o", tmp_path / "run"]
    code, _, error = cli("train", tmp_path / "three.csv", *asked, "--threshold", "0.3")
    assert code != 0
    assert "--threshold 0.3 decides between two classes, but 'y' has 3" in error
    code, shown, error = cli("train", tmp_path / "three.csv", *asked)
    assert code == 0, error
    assert "F1, average precision and AUC are means over the 3 classes" in shown
