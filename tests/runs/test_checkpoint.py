"""A run that is killed goes on from its checkpoint to the network of a run that was not."""

import json
import os
import sys

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError, LaminaError, NonFiniteLossError
from lamina.io.tensors import load_tensors, save_tensors
from lamina.runs import checkpoint
from lamina.runs.checkpoint import Checkpoints
from lamina.runs.data import Request, prepare
from lamina.runs.run import complete
from lamina.runs.training import train
from lamina.table.messages import DataWarning


class KilledError(Exception):
    """Stands for the end of the process: nothing handles it."""


class _Killer:
    """A display that ends the training after an epoch."""

    def __init__(self, after):
        self._after = after

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def on_epoch(self, epoch):
        if epoch.number == self._after:
            raise KilledError


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after each epoch."""
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "_COST", float("inf"))


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(120, 2))
    frame = pl.DataFrame(
        {"a": numbers[:, 0], "b": numbers[:, 1], "word": rng.choice(list("abcdefghijk"), 120)}
    )
    frame.with_columns(y=pl.col("a") > pl.col("b")).write_csv("table.csv")
    return Request(("table.csv",), "y", kinds={"b": "numeric"}, epochs=6, hidden=(8,))


def _run(checkpoints, kill_after=None):
    with checkpoints:
        prepared = prepare(checkpoints.request)
        return complete(prepared, train(prepared, checkpoints, lambda _: _Killer(kill_after)), checkpoints)


def _killed(request, out, after):
    with pytest.raises(KilledError):
        _run(Checkpoints(request, out), after)


def test_a_killed_run_goes_on_to_the_same_network(request_, tmp_path, often):
    whole = _run(Checkpoints(request_, tmp_path / "whole"))
    _killed(request_, None, 3)
    assert os.listdir("runs") == ["y-1"] and os.listdir("runs/y-1") == ["checkpoint.safetensors"]
    with pytest.raises(KilledError):  # again and again
        _run(Checkpoints.resumed(tmp_path / "runs/y-1"), 5)
    checkpoints = Checkpoints.resumed(tmp_path / "runs/y-1")
    assert len(checkpoints.past) == 4 and checkpoints.request == request_
    run = _run(checkpoints)
    assert sorted(os.listdir(run.path)) == sorted(os.listdir(whole.path))
    expected, _ = load_tensors(whole.path / "model.safetensors")
    for name, array in load_tensors(run.path / "model.safetensors")[0].items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    epochs = [
        [{**json.loads(line), "seconds": 0} for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (whole.path, run.path)
    ]
    assert epochs[0] == epochs[1] and len(epochs[0]) == 6
    assert whole.results["metrics"] == run.results["metrics"]


def test_checkpoints_are_far_apart(request_, tmp_path):
    _killed(request_, tmp_path / "run", 3)
    assert not (tmp_path / "run").exists()


def test_rows_that_have_changed_are_refused_and_the_checkpoint_stays(request_, tmp_path, often):
    _killed(request_, tmp_path / "run", 3)
    pl.read_csv("table.csv").reverse().write_csv("table.csv")
    with pytest.raises(DataError, match=r"the rows are not those with which the run in .*run began"):
        _run(Checkpoints.resumed(tmp_path / "run"))
    assert os.listdir(tmp_path / "run") == ["checkpoint.safetensors"]


@pytest.mark.parametrize("what", ["format", "request", "position", "arrays", "bytes"])
def test_a_damaged_checkpoint_is_told(request_, tmp_path, often, what):
    _killed(request_, tmp_path / "run", 2)
    file = tmp_path / "run/checkpoint.safetensors"
    arrays, metadata = load_tensors(file)
    if what == "bytes":
        file.write_bytes(file.read_bytes()[:-3])
    elif what == "arrays":
        save_tensors(file, {**arrays, "network.0.weight0": np.zeros(1, np.float32)}, metadata)
    else:
        save_tensors(file, arrays, {**metadata, what: "{}"})
    with pytest.raises(DataError, match=r"checkpoint.safetensors is (damaged|not a readable)"):
        _run(Checkpoints.resumed(tmp_path / "run"))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_one_process_at_a_time(request_, tmp_path, often):
    _killed(request_, tmp_path / "run", 3)
    with (
        Checkpoints.resumed(tmp_path / "run"),
        pytest.raises(LaminaError, match="another process is training the run in"),
        Checkpoints.resumed(tmp_path / "run"),
    ):
        pass


def test_a_disk_that_is_full_for_a_while_ends_no_training(request_, tmp_path, often, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device", "run")

    monkeypatch.setattr(checkpoint, "save_tensors", fail)
    with pytest.warns(DataWarning, match=r"a checkpoint could not be saved.*No space left"):
        run = _run(Checkpoints(request_, tmp_path / "run"))
    assert (run.path / "model.safetensors").exists() and not (run.path / "checkpoint.safetensors").exists()


def test_a_run_that_diverged_leaves_nothing(request_, tmp_path, often, monkeypatch):
    from lamina.estimators.engine import Trainer

    epoch = Trainer._epoch

    def diverging(self, data, arrays, batch, number):
        if number == 3:
            raise NonFiniteLossError("the training loss became inf in epoch 3")
        return epoch(self, data, arrays, batch, number)

    monkeypatch.setattr(Trainer, "_epoch", diverging)
    with pytest.raises(NonFiniteLossError):
        _run(Checkpoints(request_, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
