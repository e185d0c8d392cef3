"""A run that is killed goes on from its checkpoint to the network of a run that was not."""

import json
import os
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from lamina.errors import DataError, NonFiniteLossError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.runs.data import Request, prepare
from lamina.runs.run_folder import read_unfinished
from lamina.runs.training import complete, train
from lamina.training import checkpoint
from lamina.training.checkpoint import Checkpoints, NotSavedWarning
from lamina.training.loop import Observer
from lamina.training.run_folder import held_run, new_run


class KilledError(Exception):
    """Stands for the end of the process: nothing handles it."""


class _Killer(Observer):
    """Ends the training after an epoch."""

    def __init__(self, after, error=KilledError):
        self._after, self._error = after, error

    def on_epoch(self, loop, epoch):
        if epoch.number == self._after:
            raise self._error


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
    return Request(("table.csv",), "y", kinds={"b": "numeric"}, epochs=6, hidden=(8,), has_additions=True)


def _run(folder, request, *observers, saved=None):
    prepared = prepare(request)
    checkpoints = Checkpoints(folder, request.to_dict(), saved=saved)
    results = complete(prepared, train(prepared, request, [checkpoints, *observers]), request, folder)
    return SimpleNamespace(path=folder.path, results=results)


def _begin(request, out, *observers):
    with new_run(out, request.run_name) as folder:
        return _run(folder, request, *observers)


def _resume(path, *observers):
    with held_run(path) as folder:
        request, saved = read_unfinished(path)
        return _run(folder, request, *observers, saved=saved)


def _killed(request, out, after):
    with pytest.raises(KilledError):
        _begin(request, out, _Killer(after))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the report has no pictures")
def test_a_killed_run_goes_on_to_the_same_network(request_, tmp_path, often):
    whole = _begin(request_, tmp_path / "whole")
    _killed(request_, None, 2)
    assert os.listdir("runs") == ["y-1"]
    assert sorted(os.listdir("runs/y-1")) == ["checkpoint.safetensors", "metrics.jsonl"]
    with pytest.raises(KilledError):  # again and again
        _resume(tmp_path / "runs/y-1", _Killer(4))
    request, saved = read_unfinished(tmp_path / "runs/y-1")
    assert len(saved.past) == 4 and request == request_
    run = _resume(tmp_path / "runs/y-1")
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


@pytest.mark.slow
def test_checkpoints_are_far_apart_but_the_first(request_, tmp_path):
    _killed(request_, tmp_path / "run", 3)
    assert len(read_unfinished(tmp_path / "run")[1].past) == 1


def test_rows_that_have_changed_are_refused_and_the_checkpoint_stays(request_, tmp_path, often):
    _killed(request_, tmp_path / "run", 3)
    pl.read_csv("table.csv").reverse().write_csv("table.csv")
    with pytest.raises(DataError, match=r"the rows differ from those at the start of the run in .*run, so"):
        _resume(tmp_path / "run")
    assert len(read_unfinished(tmp_path / "run")[1].past) == 3


@pytest.mark.few(1)
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
        _resume(tmp_path / "run")


@pytest.mark.filterwarnings("ignore:the report has no pictures")
def test_a_disk_that_is_full_for_a_while_ends_no_training(request_, tmp_path, often, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device", "run")

    monkeypatch.setattr(checkpoint, "save_tensors", fail)
    with pytest.warns(NotSavedWarning, match=r"a checkpoint could not be saved.*No space left"):
        run = _begin(request_, tmp_path / "run")
    assert (run.path / "model.safetensors").exists() and not (run.path / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_a_run_that_diverged_leaves_nothing(request_, tmp_path, often):
    error = NonFiniteLossError("the training loss became inf in epoch 3")
    with pytest.raises(NonFiniteLossError):
        _begin(request_, tmp_path / "run", _Killer(3, error))
    assert not (tmp_path / "run").exists()
    _killed(request_, tmp_path / "run", 2)
    with pytest.raises(NonFiniteLossError):
        _resume(tmp_path / "run", _Killer(3, error))
    assert not (tmp_path / "run").exists()
