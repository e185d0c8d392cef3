"""Runs that lamina 52f6b3c and b9e41f7 left: what was interrupted goes on, what is finished evaluates and predicts.

Their networks were computed on one machine. What is left of an interrupted training ends with the same bits on
those that sum in the same order; elsewhere, other instructions round differently.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lamina.cli import main
from lamina.compiler.cpu.machine import host_machine
from lamina.files.tensors import load_tensors

FILES = Path(__file__).parent / "files"
TABLE = ("people.csv", "-t", "income", "--epochs", "6", "--hidden", "4", "--seed", "3")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with copies of the files, in which commands run."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lamina(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0


def networks(*runs):
    found = [load_tensors(Path(run, "model.safetensors"))[0] for run in runs]
    assert all(network.keys() == found[0].keys() for network in found)
    return found


def is_same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def assert_goes_on(run, finished, whole):
    """The resumed `run` ends as a run that was `finished` then, if this machine computes a `whole` one as it did."""
    resumed, then, now = networks(run, finished, whole)
    if is_same(then, now):
        assert is_same(resumed, then)
    else:
        for name, array in resumed.items():
            np.testing.assert_allclose(array, now[name], rtol=1e-2, atol=1e-3, err_msg=name)


def metrics(run):
    return [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]


def epochs(run):
    return [epoch["epoch"] for epoch in metrics(run)]


def last_loss(run):
    return metrics(run)[-1]["loss"]


@pytest.mark.slow
@pytest.mark.compiles  # the bits of compiled steps: so large a rate makes much of how numbers are rounded
@pytest.mark.parametrize("run", ["digits-stopped", "digits-killed"])
def test_digits_go_on_within_an_epoch_and_after_one(here, run):
    lamina("train", "mnist", "--resume", run)
    assert epochs(run) == [1, 2]
    resumed, then = networks(run, "digits-finished")
    if host_machine().vector_bits == 512:  # as those had that computed it
        assert is_same(resumed, then)
    else:
        losses = [last_loss(one) for one in (run, "digits-finished")]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.slow
def test_a_finished_run_on_digits_evaluates_predicts_and_may_be_prolonged(here, capsys):
    lamina("evaluate", "digits-finished", "--json")
    found = json.loads(capsys.readouterr().out)["accuracy"]
    written = json.loads((here / "digits-finished/metrics.jsonl").read_text().splitlines()[-1])
    assert found == pytest.approx(written["test_accuracy"], abs=1e-3)
    lamina("inspect", "digits-finished")
    assert "784 – 4 – 10" in capsys.readouterr().out
    lamina("train", "mnist", "--resume", "digits-finished", "--epochs", "3")
    assert epochs("digits-finished") == [1, 2, 3]


@pytest.mark.slow
def test_the_default_recipe_goes_on_with_its_moments(here):
    before = load_tensors(here / "digits-augmented-stopped/model.safetensors")[0]
    lamina("train", "mnist", "--resume", "digits-augmented-stopped")
    after = networks("digits-augmented-stopped")[0]
    assert after.keys() == before.keys() and "adam.second.W1" in after
    assert epochs("digits-augmented-stopped") == [1, 2]
    assert not np.array_equal(after["adam.second.W1"], before["adam.second.W1"])


@pytest.mark.slow
def test_a_killed_run_on_a_table_goes_on(here, capsys):
    """Its members shared their random numbers, and now each has its own: its last epochs have other dropout masks."""
    shutil.copytree("table-killed", "again")
    for run in ("table-killed", "again"):
        lamina("train", "--resume", run, "--quiet")
    assert is_same(*networks("table-killed", "again"))
    losses = []
    for run in ("table-killed", "table-finished"):
        capsys.readouterr()
        lamina("evaluate", run, "people.csv", "--json")
        losses.append(json.loads(capsys.readouterr().out)["metrics"]["log_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert epochs("table-killed") == [1, 2, 3, 4, 5, 6]
    assert not (here / "table-killed/checkpoint.safetensors").exists()


def test_a_finished_run_on_a_table_evaluates_and_predicts(here, capsys):
    lamina("evaluate", "table-finished", "people.csv", "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == 80
    lamina("predict", "table-finished", "people.csv", "-o", "out.csv")
    assert pl.read_csv("out.csv")["prediction"].is_in(["high", "low"]).all()
    lamina("inspect", "table-finished")
    assert "6 epochs in" in capsys.readouterr().out


def test_runs_between_the_formats_are_used_and_go_on(here, capsys):
    """Of b9e41f7: "lamina checkpoint 1" without a digest, "lamina estimator 2"."""
    lamina("evaluate", "table-estimator-2", "people.csv", "--json")
    assert json.loads(capsys.readouterr().out)["rows"] == 80
    lamina("train", "mnist", "--resume", "digits-checkpoint-1", "--epochs", "2")
    assert epochs("digits-checkpoint-1") == [1, 2]
