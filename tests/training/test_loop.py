"""The loop over epochs: what it keeps, whom it tells of what, and where it goes on."""

import contextlib
import itertools
import json
from typing import Any

import numpy as np
import pytest

from lamina.errors import DataError, LaminaError, NonFiniteLossError
from lamina.files.tensors import load_tensors, open_tensors, save_tensors
from lamina.training import checkpoint
from lamina.training.checkpoint import Checkpoint, Checkpoints, NotSavedWarning
from lamina.training.loop import CycleStopping, EarlyStopping, Loop, Observer
from lamina.training.run_folder import held_run, new_run


class Walk(Loop):
    """A random walk, two steps an epoch; its place is its parameter."""

    resumes_within_epochs = True

    def __init__(self, epochs, observers=(), scores=None):
        super().__init__(epochs, observers)
        self.place = np.zeros(1)
        self.rng = np.random.default_rng(0)
        self.scores = scores
        self.prepared = []

    def fingerprints(self):
        return ["walk"]

    def _prepare(self, epochs):
        self.prepared.append(epochs)

    def _train(self, number):
        for step in (1, 2):
            self.place += self.rng.normal()
            self.report(step, 2)
        return float(abs(self.place[0]))

    def _measure(self):
        return None if self.scores is None else self.scores[len(self.past)], {"place": float(self.place[0])}

    def _own_state(self):
        return {"place": self.place.copy()}, {"rng": self.rng.bit_generator.state}

    def _restore_own(self, arrays, position):
        self.place[:] = arrays["place"]
        self.rng.bit_generator.state = position["rng"]

    def _parameters(self):
        return {"place": self.place.copy()}

    def _load_parameters(self, arrays):
        self.place[:] = arrays["place"]


class KilledError(Exception):
    """Stands for the end of the process."""


class Diary(Observer):
    """Writes down what it sees; raises at the end of an epoch."""

    def __init__(self, watches_steps=False, error=None, at=0):
        self.watches_steps, self.error, self.at = watches_steps, error, at
        self.seen = []

    def on_begin(self, loop):
        self.seen.append(f"begin after {len(loop.past)}")

    def on_steps(self, loop, done, of, loss):
        self.seen.append(f"{done}/{of}")

    def on_epoch(self, loop, epoch):
        self.seen.append(epoch.number)
        if epoch.number == self.at:
            raise self.error

    def on_end(self, loop, error):
        self.seen.append("end" if error is None else type(error).__name__)


def test_observers_see_what_they_want_to():
    near, far = Diary(watches_steps=True), Diary()
    walk = Walk(2, [near, far])
    assert [epoch.number for epoch in walk.run()] == [1, 2]
    assert near.seen == ["begin after 0", "1/2", "2/2", 1, "1/2", "2/2", 2, "end"]
    assert far.seen == ["begin after 0", 1, 2, "end"]
    assert walk.watched() and not Walk(1, [far]).watched() and walk.prepared == [2]


def test_whoever_has_begun_is_told_of_the_end_whatever_it_is():
    class Late(Diary):
        def on_begin(self, loop):
            raise DataError("other rows")

    first, late = Diary(), Late()
    with pytest.raises(DataError):
        list(Walk(2, [first, late]).run())
    assert first.seen == ["begin after 0", "DataError"] and late.seen == []
    pressed, seeing = Diary(error=KeyboardInterrupt(), at=1), Diary()
    with pytest.raises(KeyboardInterrupt):
        list(Walk(2, [seeing, pressed]).run())
    assert seeing.seen == ["begin after 0", 1, "KeyboardInterrupt"]


def test_the_best_epoch_is_the_last_of_equal_scores_and_comes_back():
    walk = Walk(4, scores=[1.0, 2.0, 2.0, 0.0])
    epochs = list(walk.run())
    assert [epoch.is_best for epoch in epochs] == [True, True, True, False] and walk.best_epoch == 3
    assert walk.place[0] == epochs[3].scores["place"]
    walk.restore_best()
    assert walk.place[0] == epochs[2].scores["place"]


def test_without_a_score_the_loss_says_what_is_best():
    walk = Walk(6)
    losses = [epoch.loss for epoch in walk.run()]
    assert [epoch.is_best for epoch in walk.past] == [x == min(losses[: i + 1]) for i, x in enumerate(losses)]
    walk.restore_best()  # nothing was kept
    assert abs(walk.place[0]) == losses[-1]


@pytest.mark.parametrize("scores", [None, [1.0, 3.0, 2.0, 3.0, 0.0, 0.0]])
@pytest.mark.parametrize("done", [1, 3, 6])
def test_a_state_goes_on_to_the_same_bits(scores, done):
    whole, broken, resumed = (Walk(6, scores=scores) for _ in range(3))
    list(whole.run())
    list(broken.run(done))
    arrays, position = broken.state()
    resumed.restore(arrays, json.loads(json.dumps(position)))
    list(resumed.run())
    assert [(e.number, e.loss, e.score, e.is_best, e.scores) for e in resumed.past] == [
        (e.number, e.loss, e.score, e.is_best, e.scores) for e in whole.past
    ]
    assert resumed.past[-1].seconds >= broken.past[-1].seconds
    for loop in (whole, resumed):
        loop.restore_best()
    assert whole.place == resumed.place


def test_patience_counts_epochs_that_do_not_improve_by_the_tolerance():
    for scores, patience, tolerance, epochs in (
        ([1, 2, 3, 4, 5, 6], 2, 0.0, 6),
        ([1, 2, 2, 2, 5, 6], 2, 0.0, 4),
        ([1, 1.5, 2, 5, 6, 7], 2, 1.0, 3),
    ):
        walk = Walk(6, [EarlyStopping(patience, tolerance)], scores)
        assert len(list(walk.run())) == epochs
        again = Walk(6, [EarlyStopping(patience, tolerance)], scores)
        again.restore(*walk.state())
        assert not list(again.run())  # the epochs of the earlier run count
        assert len(list(again.run(6 - epochs))) in (0, 1)


def test_patience_begins_anew_while_the_mean_of_the_last_scores_improves():
    """The second score is the best; means of up to three are 0, 3, 2, 3, 2.7, 4.3, and 5 from the seventh on."""
    scores = [0.0, 6.0, 0.0, 3.0, *[5.0] * 8]
    for window, epochs in ((1, 6), (3, 11)):
        walk = Walk(12, [EarlyStopping(4, window=window)], scores)
        assert len(list(walk.run())) == epochs
        again = Walk(12, [EarlyStopping(4, window=window)], scores)
        again.restore(*walk.state())
        assert not list(again.run())


def test_only_epochs_that_learn_noise_use_up_the_patience():
    """From the second epoch, means of two of the walk's losses are .37, .65, 1.69, 1.84, .56 and 1.27."""
    scores = [-0.5, *[-0.7] * 6]
    for are_losses, window, epochs in ((False, 2, 4), (True, 2, 6), (True, None, 4)):
        walk, again = (Walk(7, [EarlyStopping(3, window=window)], scores) for _ in range(2))
        walk.scores_are_losses = again.scores_are_losses = are_losses
        assert len(list(walk.run())) == epochs
        again.restore(*walk.state())
        assert not list(again.run())


@pytest.mark.parametrize(
    "third, least, epochs",
    [([-2.0, -1.99], 0.0, 30), ([-2.0, -1.99], 0.01, 14), ([-2.0, -1.9], 0.01, 30), ([-2.0, -2.1], 0.0, 14)],
)
def test_a_cycle_that_brings_too_little_is_the_last(third, least, epochs):
    """The best before it has -2; cycles end after 2, 6 and 14 of 30 epochs."""
    scores = [-3.0, -2.5, -3.0, -3.0, -3.0, -2.0, *[-3.0] * 6, *third, *[-3.0] * 16]
    ends = (1 / 15, 3 / 15, 7 / 15)
    walk = Walk(30, [CycleStopping(ends, least)], scores)
    assert len(list(walk.run())) == epochs
    again = Walk(30, [CycleStopping(ends, least)], scores)
    again.restore(*walk.state())
    assert not list(again.run())  # also where an earlier run was killed just there
    short = Walk(14, [CycleStopping(ends, least)], scores)
    assert len(list(short.run())) == 14  # the first cycle is less than an epoch


# --- checkpoints -------------------------------------------------------------------------------------------------


def _trained(folder, *observers, saved=None, model=None, epochs=5):
    walk = Walk(epochs, [Checkpoints(folder, {"what": "a walk"}, model, saved), *observers])
    list(walk.run())
    return walk


def _read(path):
    with open_tensors(path) as file:
        return Checkpoint.of(file, dict[str, Any], dict[str, Any])


def test_the_first_epoch_is_saved_at_once_and_the_next_not_soon(tmp_path):
    killed = Diary(error=KilledError(), at=3)
    with new_run(tmp_path / "run", "walk") as folder, pytest.raises(KilledError):
        _trained(folder, killed)
    saved = _read(tmp_path / "run/checkpoint.safetensors")
    assert len(saved.position["past"]) == 1 and saved.request == {"what": "a walk"} and saved.data == ["walk"]
    (line,) = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == saved.past[0].line()
    whole = Walk(5)
    list(whole.run())
    diary = Diary()
    with held_run(tmp_path / "run") as folder:
        assert _trained(folder, diary, saved=saved).place == whole.place
    assert diary.seen == ["begin after 1", 2, 3, 4, 5, "end"]


@pytest.mark.parametrize("resumes_within_epochs", [True, False])
def test_ctrl_c_saves_a_state_that_is_good_within_an_epoch(tmp_path, monkeypatch, resumes_within_epochs):
    monkeypatch.setattr(Walk, "resumes_within_epochs", resumes_within_epochs)
    pressed = Diary(error=KeyboardInterrupt(), at=3)
    with new_run(tmp_path / "run", "walk") as folder, pytest.raises(KeyboardInterrupt):
        _trained(folder, pressed)
    saved = _read(tmp_path / "run/checkpoint.safetensors")
    assert len(saved.past) == (3 if resumes_within_epochs else 1)


def test_checkpoints_cost_little(tmp_path, monkeypatch):
    """A save that takes a second is done again after 50 seconds."""
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])

    class Hours(Observer):
        def on_epoch(self, loop, epoch):
            now[0] += 20.0

    saves = []

    def save(self, loop):
        saves.append(len(loop.past))
        now[0] += 1.0

    monkeypatch.setattr(Checkpoints, "_save", save)
    with new_run(tmp_path / "run", "walk") as folder:
        _trained(folder, Hours())
    assert saves == [1, 4]


def test_a_model_that_is_the_checkpoint_is_saved_from_the_start(tmp_path):
    pressed = Diary(error=KeyboardInterrupt(), at=2)
    with new_run(tmp_path / "run", "walk") as folder:
        with pytest.raises(KeyboardInterrupt):
            _trained(folder, pressed, model={"kind": "walk"})
        files = {path.name for path in folder.path.iterdir()}
        assert files == {"metrics.jsonl", "model.safetensors", "settings.json"}
        assert json.loads((folder.path / "settings.json").read_text()) == {"what": "a walk"}
    saved = _read(tmp_path / "run/model.safetensors")
    assert len(saved.position["past"]) == 2
    assert load_tensors(tmp_path / "run/model.safetensors")[1]["kind"] == "walk"


def test_a_loss_that_is_not_finite_leaves_no_checkpoint(tmp_path):
    with new_run(tmp_path / "run", "walk") as folder, pytest.raises(NonFiniteLossError):
        _trained(folder, Diary(error=NonFiniteLossError("inf"), at=2))
    assert not (tmp_path / "run").exists()


def test_other_rows_and_damage_are_told(tmp_path):
    with new_run(tmp_path / "run", "walk") as folder:
        _trained(folder)
        saved = _read(folder.path / "checkpoint.safetensors")
        with pytest.raises(
            DataError, match=r"the rows differ from those at the start of the run in .*run, so"
        ):
            _trained(folder, saved=Checkpoint({}, saved.arrays, saved.position, ["run"]))
        with pytest.raises(DataError, match=r"checkpoint.safetensors is damaged.*another network"):
            _trained(folder, saved=Checkpoint({}, {"place": np.zeros(2)}, saved.position, ["walk"]))
        arrays, metadata = load_tensors(folder.path / "checkpoint.safetensors")
        for damage in ({"format": "?"}, {"position": "{}"}, {"request": "{"}):
            save_tensors(folder.path / "checkpoint.safetensors", arrays, {**metadata, **damage})
            with pytest.raises(DataError, match=r"checkpoint.safetensors is damaged"):
                _read(folder.path / "checkpoint.safetensors")


def test_a_disk_that_is_full_ends_no_training(tmp_path, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device", "run")

    monkeypatch.setattr(checkpoint, "save_tensors", fail)
    with (
        new_run(tmp_path / "run", "walk") as folder,
        pytest.warns(NotSavedWarning, match=r"a checkpoint could not be saved.*No space left"),
    ):
        assert len(_trained(folder).past) == 5


@pytest.mark.filterwarnings("ignore::lamina.training.checkpoint.NotSavedWarning")
@pytest.mark.parametrize("is_full_at_the_end", [False, True])
def test_a_model_not_saved_after_the_last_epoch_is_saved_at_the_end(
    tmp_path, monkeypatch, is_full_at_the_end
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    calls, save = itertools.count(), checkpoint.save_tensors
    full = {3, 4, 5, 6} if is_full_at_the_end else {3, 4, 5}  # calls 1 to 5 are after epochs

    def fail_at_times(*arguments):
        if next(calls) in full:
            raise OSError(28, "No space left on device", "run")
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save_tensors", fail_at_times)
    told = pytest.raises(LaminaError, match="No space left on device; the trained run is in")
    with (
        new_run(tmp_path / "run", "walk") as folder,
        told if is_full_at_the_end else contextlib.nullcontext(),
    ):
        _trained(folder, model={"kind": "walk"})
    (file,) = tmp_path.glob(
        "lamina-run-*/model.safetensors" if is_full_at_the_end else "run/model.safetensors"
    )
    assert len(_read(file).past) == 5
