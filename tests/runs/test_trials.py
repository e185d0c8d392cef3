"""A search's trials in files: what is kept comes back, and what is damaged or of another search is refused."""

import dataclasses
import json
import os

import numpy as np
import pytest
from trials import FAILURE, trial

from lamina.errors import DataError
from lamina.estimators.search.trial import Trial
from lamina.files.tensors import load_tensors, save_tensors
from lamina.runs.search import TrialFolder
from lamina.training.checkpoint import NotSavedWarning

pytestmark = pytest.mark.filterwarnings("ignore:left out 1 column with the same value")


def stored(path, *trials, fingerprint="a"):
    folder = TrialFolder(path)
    assert list(folder.load(fingerprint)) == []
    for one in trials:
        folder.save(one)
    return path / "trials"


@pytest.mark.parametrize("changed", [{}, FAILURE, {"losses": [np.inf], "factor": np.float64(2.0)}])
def test_a_trial_comes_back(tmp_path, changed):
    stored(tmp_path, trial(**changed))
    (found,) = TrialFolder(tmp_path).load("a")
    for field in dataclasses.fields(Trial):
        wanted, got = (getattr(one, field.name) for one in (trial(**changed), found))
        if field.name == "state":
            assert got.keys() == wanted.keys()
            for name, array in wanted.items():
                np.testing.assert_array_equal(got[name], array)
        elif field.name == "outputs":
            np.testing.assert_array_equal(got, wanted)
            assert got.shape == wanted.shape
        else:
            assert got == wanted, field.name


def test_trials_come_back_in_order_whichever_there_are(tmp_path):
    files = stored(tmp_path, *map(trial, range(4)))
    os.remove(files / "00002.safetensors")
    (files / "notes.safetensors").write_text("another's")
    trials = TrialFolder(tmp_path).load("a")
    for _ in range(2):
        assert [(one.number, one.ended) for one in trials] == [(0, 2.5), (1, 3.5), (3, 5.5)]


def staged(number=0):
    """A trial that waits for others."""
    last = trial(number)
    state = {name: 2 * array for name, array in last.state.items()}
    first = dataclasses.replace(
        last, best_epoch=3, score=-0.6, factor=1.25, outputs=-last.outputs, state=state
    )
    return dataclasses.replace(last, earlier=(first,))


def test_a_trial_that_waits_comes_back_as_it_was_at_the_ends_of_its_cycles(tmp_path):
    stored(tmp_path, staged(1))
    (found,) = TrialFolder(tmp_path).load("a")
    (first,), (wanted,) = found.earlier, staged(1).earlier
    assert (first.best_epoch, first.score, first.factor) == (3, -0.6, 1.25)
    assert np.array_equal(first.outputs, wanted.outputs) and first.state.keys() == found.state.keys()
    assert all(np.array_equal(first.state[name], array) for name, array in wanted.state.items())
    assert found.as_in(first).best_epoch == 3 and found.as_in(first).seconds == found.seconds
    folder = TrialFolder(tmp_path)
    folder.load("a")
    folder.save(found.as_in(first))
    (settled,) = TrialFolder(tmp_path).load("a")
    assert settled.earlier == () and np.array_equal(settled.outputs, wanted.outputs)


def test_trials_of_the_first_format_are_read(tmp_path):
    file = stored(tmp_path, trial()) / "00000.safetensors"
    arrays, metadata = load_tensors(file)
    said = json.loads(metadata["trial"])
    del said["earlier"]
    save_tensors(file, arrays, {**metadata, "format": "lamina trial 1", "trial": json.dumps(said)})
    (found,) = TrialFolder(tmp_path).load("a")
    assert found.number == 0 and found.earlier == ()


def test_trials_of_another_search_are_refused(tmp_path):
    stored(tmp_path, trial())
    with pytest.raises(
        DataError, match="the rows or the settings differ from those at the start of the search"
    ):
        TrialFolder(tmp_path).load("b")


def test_a_trial_that_cannot_be_kept_is_told_of_and_the_search_goes_on(tmp_path):
    (tmp_path / "trials").write_text("a file in the folder's place")
    with pytest.warns(NotSavedWarning, match="trial 3 could not be saved, and it and later trials are lost"):
        TrialFolder(tmp_path).save(trial(3))


def _set(name, to):
    return lambda said, arrays: said.__setitem__(name, to)


HOSTILE = {
    "another number": _set("number", 1),
    "a field too many": _set("evil", 1),
    "no members": _set("members", 0),
    "more members than arrays": _set("members", 50_000),
    "more members than memory": _set("members", 10**12),
    "text for a number": _set("score", "high"),
    "a nested setting": _set("settings", {"a": [[[1]]]}),
    "another architecture": lambda said, arrays: said["architecture"].update(hidden=[7]),
    "other outputs": lambda said, arrays: arrays.update(outputs=np.zeros((2, 2), np.float32)),
    "outputs of another type": lambda said, arrays: arrays.update(outputs=np.zeros((2, 3))),
    "no outputs": lambda said, arrays: arrays.pop("outputs"),
    "a missing array": lambda said, arrays: arrays.pop("network.0.weight0"),
    "an array too many": lambda said, arrays: arrays.update(evil=np.zeros(1, np.float32)),
    "a stage without arrays": _set("earlier", [{"score": 0.1, "best_epoch": 1, "factor": 1.0}]),
    "arrays of no stage": lambda said, arrays: arrays.update({"earlier.0.outputs": arrays["outputs"]}),
    "stages without end": _set("earlier", [{"score": 0.1, "best_epoch": 1, "factor": 1.0}] * 99),
    "what is not finite": lambda said, arrays: arrays["outputs"].fill(np.nan),
}


def _a_stage_of_another_shape(said, arrays):
    said["earlier"] = [{"score": 0.1, "best_epoch": 1, "factor": 1.0}]
    arrays |= {f"earlier.0.{name}": array[:1] for name, array in arrays.items()}


HOSTILE["a stage of another shape"] = _a_stage_of_another_shape


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_files_are_refused(tmp_path, how):
    file = stored(tmp_path, trial()) / "00000.safetensors"
    arrays, metadata = load_tensors(file)
    said = json.loads(metadata["trial"])
    HOSTILE[how](said, arrays)
    save_tensors(file, arrays, {**metadata, "trial": json.dumps(said)})
    with pytest.raises(
        DataError, match=r"00000\.safetensors is damaged.*; delete 00000\.safetensors to train its trial"
    ):
        list(TrialFolder(tmp_path).load("a"))


def test_a_flipped_bit_is_noticed(tmp_path):
    file = stored(tmp_path, trial()) / "00000.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="does not match its SHA-256"):
        list(TrialFolder(tmp_path).load("a"))
