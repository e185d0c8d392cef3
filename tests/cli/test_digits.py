"""`lamina train mnist`, `evaluate`, `predict` on digits and `doctor`, called as a shell calls them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from idx_files import write_idx
from PIL import Image

from lamina.cli import _doctor as doctor
from lamina.cli import main
from lamina.datasets import mnist
from lamina.files.tensors import load_tensors

QUICK = ("train", "mnist", "--recipe", "chapter", "--hidden", "8", "--batch-size", "500", "--epochs")
FILES = {
    "metrics.jsonl",
    "settings.json",
    "model.safetensors",
    "learning_curves.png",
    "mistakes.png",
    "page.html",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of two epochs."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    with pytest.raises(SystemExit) as ended:
        main([*QUICK, "2", "--out", str(folder)])
    assert ended.value.code == 0
    return folder


@pytest.mark.slow
@pytest.mark.pictures
def test_quietly_only_the_folder_is_said(cli, tmp_path):
    code, out, err = cli(*QUICK, "1", "--out", tmp_path / "run", "--quiet")
    assert (code, out, err) == (0, f"{tmp_path / 'run'}\n", "")


def assert_one_line(error):
    assert error.startswith("lamina: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.pictures
def test_training_shows_a_plain_table_and_fills_a_fresh_folder(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*QUICK, 1)
    assert code == 0, err
    assert "\x1b" not in out
    assert "\r" not in out
    header, _, row, saved, last = out.splitlines()
    assert header.split() == ["epoch", "moving", "loss", "train", "accuracy", "test", "accuracy", "seconds"]
    assert row.split()[0] == "1"
    assert saved == "saved in runs/mnist-1"
    assert last == "next: open runs/mnist-1/page.html in a browser and draw a digit"
    assert {path.name for path in (tmp_path / "runs/mnist-1").iterdir()} == FILES


def test_metrics_and_settings(finished):
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {"epoch", "loss", "train_accuracy", "test_accuracy", "train_seconds"}
    settings = json.loads((finished / "settings.json").read_text())
    assert settings["hidden"] == [8]
    assert settings["recipe"] == "chapter"


def test_evaluate_tells_what_training_measured(cli, finished):
    expected = json.loads((finished / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    code, out, _ = cli("evaluate", finished, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["accuracy"] == expected
    assert np.sum(found["confusion"]) == 10000
    assert np.trace(found["confusion"]) == round(expected * 10000)
    out = cli("evaluate", finished)[1]
    assert out.startswith(f"accuracy {expected:.4f}, loss ")
    assert "Confusion matrix" in out


def test_predict_pictures_and_idx_files(cli, finished, tmp_path):
    images = mnist().test_images[:3]
    write_idx(tmp_path / "images.idx.gz", images)
    drawn = Image.fromarray(255 - images[0]).resize((280, 280))  # dark on light, ten times as large
    drawn.save(tmp_path / "seven.png")
    code, out, _ = cli("predict", finished, tmp_path / "seven.png", tmp_path / "images.idx.gz", "--json")
    answers = json.loads(out)
    assert code == 0
    assert [answer["image"].rpartition("/")[2] for answer in answers] == [
        "seven.png", "images.idx.gz[0]", "images.idx.gz[1]", "images.idx.gz[2]",
    ]  # fmt: skip
    for answer in answers:
        assert answer["probability"] == max(answer["probabilities"])
        assert answer["digit"] == int(np.argmax(answer["probabilities"]))
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    code, out, _ = cli("predict", finished, tmp_path / "seven.png")
    assert re.fullmatch(r".*seven\.png: \d \(\d+\.\d %\)\n", out)


def test_drawings_are_a_table_too(cli, finished, tmp_path):
    Image.fromarray(255 - mnist().test_images[0]).resize((90, 90)).save(tmp_path / "seven.png")
    write_idx(tmp_path / "two.idx", mnist().test_images[1])
    drawings = [str(tmp_path / name) for name in ("seven.png", "two.idx")]
    answers = json.loads(cli("predict", finished, *drawings, "--json")[1])
    code, out, err = cli("predict", finished, *drawings, "-o", tmp_path / "said.parquet")
    assert (code, out) == (0, "") and "2 rows" in err
    said = pl.read_parquet(tmp_path / "said.parquet")
    assert said.columns == ["image", "prediction", *(f"probability_{i}" for i in range(10))]
    assert said["image"].to_list() == [drawings[0], drawings[1] + "[0]"]
    assert said["prediction"].to_list() == [answer["digit"] for answer in answers]
    np.testing.assert_array_equal(
        said.drop("image", "prediction"), [answer["probabilities"] for answer in answers]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "RUN", "IMAGES"), "has no column 'digit' to compare predictions with"),
        (("explain", "RUN", "IMAGES"), "name a table of rows to compare with"),
        (("inspect", "RUN", "IMAGES"), "can't be compared with it"),
    ],
)
def test_what_drawings_lack_of_a_table_is_said(cli, finished, tmp_path, arguments, message):
    write_idx(tmp_path / "images.idx", mnist().test_images[:2])
    known = {"RUN": finished, "IMAGES": tmp_path / "images.idx"}
    code, out, err = cli(*(known.get(argument, argument) for argument in arguments))
    assert (code, out) == (2, "") and message in err
    assert_one_line(err)


def test_inspect_describes_the_run(cli, finished):
    code, out, _ = cli("inspect", finished)
    assert (
        code == 0 and "layers 784 – 8 – 10: 6,370 parameters" in out and "2 of 2 epochs; accuracy 0." in out
    )
    found = json.loads(cli("inspect", finished, "--json")[1])
    assert found["settings"]["recipe"] == "chapter" and [epoch["epoch"] for epoch in found["metrics"]] == [
        1,
        2,
    ]


@pytest.mark.slow
def test_resuming_continues_exactly_and_may_prolong(cli, finished, tmp_path):
    folder = tmp_path / "run"
    assert cli(*QUICK, 1, "--out", folder)[0] == 0
    code, out, _ = cli("train", "mnist", "--resume", folder, "--epochs", 2)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["1", "2"]
    expected, _ = load_tensors(finished / "model.safetensors")
    for name, array in load_tensors(folder / "model.safetensors")[0].items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.slow
@pytest.mark.pictures
def test_the_best_recipe_fills_its_time_and_is_complete_then(cli, tmp_path):
    folder = tmp_path / "run"
    command = ("train", "mnist", "--recipe", "best", "--time-limit", "2s", "--hidden", "8")
    code, out, err = cli(*command, "--out", folder)
    assert code == 0, err
    assert out.splitlines()[-2] == f"saved in {folder}"
    assert {path.name for path in folder.iterdir()} == FILES
    assert sorted(load_tensors(folder / "model.safetensors")[0]) == ["W1", "W2", "b1", "b2"]
    expected = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["test_accuracy"]
    assert json.loads(cli("evaluate", folder, "--json")[1])["accuracy"] == expected
    assert re.search(r"epochs?, 100% of a time limit of 2s; accuracy 0\.", cli("inspect", folder)[1])
    for more, message in (
        ((), "it has used its time limit of 2s"),
        (("--epochs", 9), "--time-limit 2s, which can't"),
    ):
        code, out, err = cli("train", "mnist", "--resume", folder, *more)
        assert (code, out) == (2, "") and message in err
        assert_one_line(err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*QUICK, "1", "--out", "RUN"), "contains a run already"),
        ((*QUICK, "1", "--time-limit", "5s"), "a number of epochs or a time limit: give exactly one of them"),
        (("train", "mnist", "--time-limit", "5x"), "--time-limit 5x: give a time above 0"),
        (
            ("train", "mnist", "--resume", "RUN", "--time-limit", "5m"),
            "began with --epochs 2, which can't change",
        ),
        (("train", "mnist", "--resume", "RUN", "--lr", "0.5"), "began with --lr 0.001"),
        (("train", "mnist", "--resume", "RUN", "--out", "other"), "leave out --out"),
        (("train", "mnist", "--resume", "nowhere"), "there is no run nowhere"),
        (("train", "mnist", "--hidden", "many"), "--hidden takes whole numbers"),
        (("train", "mnist", "--epochs", "0"), "epochs must be at least 1"),
        (("train", "mnist", "--epochs", "x"), "--epochs"),
        (("train", "mnist", "--recipe", "secret"), "unknown recipe 'secret'"),
        (("train", "mnist", "--sead", "1"), "--sead"),
        (("evaluate", "nowhere"), "there is no run nowhere"),
        (("inspect", "nowhere"), "there is no run nowhere"),
        (("evaluate",), "Missing argument"),
        (("predict", "RUN", "nothing.png"), "nothing.png"),
        (("predict", "RUN", "RUN/settings.json"), "not a readable picture"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(cli, finished, arguments, message):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    code, out, err = cli(*(argument.replace("RUN", str(finished)) for argument in arguments))
    assert (code, out) == (2, "")
    assert_one_line(err)
    assert message in err
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_damaged_model_is_told(cli, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:1000])
    code, _, err = cli("evaluate", folder)
    assert code == 2
    assert_one_line(err)


def test_a_network_beyond_memory_leaves_no_folder(cli, tmp_path):
    code, out, err = cli("train", "mnist", "--hidden", "99999999999", "--out", str(tmp_path / "run"))
    assert (code, out) == (2, "")
    assert_one_line(err)
    assert "not enough memory for this: Unable to allocate" in err
    assert not (tmp_path / "run").exists()


def test_divergence_keeps_a_model_that_evaluates(cli, tmp_path):
    code, _, err = cli(*QUICK, 1, "--lr", "1e30", "--out", tmp_path / "run")
    assert code == 2
    assert_one_line(err)
    assert re.search(r"at step \d+ of epoch 1 .* use a lower learning rate than 1e\+30 \(--lr\)", err)
    assert cli("evaluate", tmp_path / "run")[0] == 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_trained(cli, tmp_path):
    folder = tmp_path / "run"
    program = "from lamina.cli import main; main()"
    command = [sys.executable, "-c", program, *QUICK, "100000", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while not (folder / "metrics.jsonl").exists() or not (folder / "metrics.jsonl").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert_one_line(err)
    assert f"--resume {folder}" in err
    assert "\x1b" not in out
    assert cli("evaluate", folder)[0] == 0


KILLED = """
import os, signal, sys
from lamina.cli import main
from lamina.training.display import Display
Display.on_epoch = lambda self, loop, epoch: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


@pytest.mark.slow  # runs of older versions that were killed go on, too
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_run_resumes_to_the_same_network(cli, finished, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, *QUICK, "2", "--out", str(folder)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert "1 of 2 epochs" in cli("inspect", folder)[1]
    code, _, err = cli("train", "mnist", "--resume", folder)
    assert code == 0, err
    expected, _ = load_tensors(finished / "model.safetensors")
    for name, array in load_tensors(folder / "model.safetensors")[0].items():
        np.testing.assert_array_equal(array, expected[name])


def test_doctor_finds_this_machine_working(cli):
    code, out, _ = cli("doctor")
    assert code == 0
    for word in ("numpy", "vector width", "threads", "kernel cache", "self-check"):
        assert word in out
    assert out.count(" ok: ") == 3
    assert "FAILED" not in out


def test_doctor_says_what_fails(cli, monkeypatch):
    def broken():
        raise ArithmeticError("2 + 2 = 5")

    monkeypatch.setattr(doctor, "_CHECKS", {"arithmetic": broken})
    code, out, _ = cli("doctor")
    assert code == 1
    assert "FAILED: ArithmeticError: 2 + 2 = 5" in out


def test_version(cli):
    assert cli("--version")[1].startswith("lamina ")
