"""Training until the time is over, by a clock that counts what is done: never longer, and nothing is lost."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.files.tensors import load_tensors
from lamina.recipes import Digits, Settings, Training, evaluate
from lamina.recipes._networks import MOMENTS
from lamina.recipes.run import checkpoints, network_of_run, read_run
from lamina.training.loop import Observer
from lamina.training.run_folder import held_run, new_run
from lamina.training.time_limit import TimeLimit

BEST = Settings.of("best", hidden=(8,), batch_size=20, time_limit=10.0)
ROWS = 200  # 50 steps an epoch


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (ROWS, 28, 28), np.uint8), rng.integers(0, 10, ROWS)
    for image, label in zip(images, labels, strict=True):
        image[8:20, 8:20] = 0
        image[8 + label] = 255
    return Digits.from_arrays(images, labels)


class Timed(Training):
    """Whose clock counts steps and measurements, and nothing else; notes the schedule's share at each step."""

    def __init__(self, settings, digits, observers=(), *, step=0.1, measuring=0.3, compiling=1.0, used=0.0):
        self.now, self.costs, self.compiling = 100.0, (step, measuring), compiling
        self.shares = []
        limit = TimeLimit(settings.time_limit, used, clock=lambda: self.now)
        limit.kept = measuring  # as a rehearsal finds out
        self.told = []
        super().__init__(settings, digits, digits, observers, limit=limit, tell=self.told.append)

    def _losses(self, rows):
        steps = len(rows) // self.settings.batch_size
        start = self.network.position
        self.shares += [self.network.span.at(start + i) for i in range(steps)]
        self.now += self.costs[0] * steps + self.compiling
        self.compiling = 0.0
        return super()._losses(rows)

    def accuracies(self):
        self.now += self.costs[1]
        return super().accuracies()


class Instant(Timed):
    """Takes no steps, to try many courses of time."""

    def _losses(self, rows):
        steps = len(rows) // self.settings.batch_size
        self.now += self.costs[0] * steps + self.compiling
        self.compiling = 0.0
        return [1.0] * steps

    def accuracies(self):
        self.now += self.costs[1]
        return {"train_accuracy": 0.5, "test_accuracy": 0.5}


class Stopping(Observer):
    """Presses Ctrl-C after so many looks at the steps."""

    watches_steps = True

    def __init__(self, looks):
        self._left = looks

    def on_steps(self, loop, done, of, loss):
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_it_takes_the_time_it_has_and_the_schedule_ends_with_it(digits):
    training = Timed(BEST, digits)
    with training.limit.keeping():
        training.now += 0.5  # a rehearsal of what follows
    list(training.run())
    assert 9.0 < training.limit.used <= 10.0
    assert training.shares == sorted(training.shares)
    assert training.shares[0] < 0.1 and training.shares[-1] > 0.97
    assert [epoch.number for epoch in training.past] == [1, 2]
    assert training.progress.batch < training.batches  # the last epoch ended with the time


@pytest.mark.slow
def test_a_time_that_is_too_short_to_learn_in_is_told_of(digits):
    training = Timed(dataclasses.replace(BEST, time_limit=2.0), digits)
    list(training.run())
    assert 0 < training.progress.batch < 10  # a pass over the images
    assert "steps, before the network had seen every image once" in training.told[-1]
    training = Timed(BEST, digits)
    list(training.run())
    assert not any("hardly learned" in text for text in training.told)


@settings(max_examples=30, deadline=None)
@given(
    limit=st.floats(0.5, 500),
    step=st.floats(0.0001, 0.2),
    measuring=st.floats(0, 0.3),
    compiling=st.floats(0, 2),
    kept=st.floats(0, 3),
)
def test_it_is_never_over_by_more_than_a_step_and_a_measurement(
    digits, limit, step, measuring, compiling, kept
):
    step = max(step, limit / 3000)
    training = Instant(
        dataclasses.replace(BEST, time_limit=limit),
        digits,
        step=step,
        measuring=measuring,
        compiling=compiling,
    )
    with training.limit.keeping():
        training.now += kept
    for _ in training.run():
        assert len(training.past) < 100
    at_least = compiling + 2 * step + kept  # that there is a step at all
    assert training.limit.used <= max(limit - kept, at_least + measuring) + step + 1e-6
    assert training.limit.used >= min(limit - kept - measuring - step, at_least) - 1e-6


@pytest.mark.few(1)
@pytest.mark.parametrize("looks", [1, 2, 3])
def test_what_is_interrupted_goes_on_in_the_time_that_is_left(digits, tmp_path, looks):
    with new_run(tmp_path / "run", "mnist") as run:
        first = Timed(BEST, digits, [checkpoints(run, BEST), Stopping(looks)])
        with pytest.raises(KeyboardInterrupt):
            list(first.run())
    asked, saved = read_run(tmp_path / "run")
    with held_run(tmp_path / "run") as run:
        resumed = Timed(asked, digits, [checkpoints(run, asked, saved)])
        list(resumed.run())
    assert resumed.shares[0] >= first.shares[-1]
    assert resumed.shares[-1] > 0.95
    assert 9.0 < resumed.limit.used <= 10.0
    taken = len(first.shares) + len(resumed.shares)
    assert 70 < taken < 90  # ten seconds, less two of compiling and some measurements


def test_what_is_complete_is_the_network_alone(digits, tmp_path):
    with new_run(tmp_path / "run", "mnist") as run:
        training = Timed(BEST, digits, [checkpoints(run, BEST)])
        list(training.run())
    arrays, _ = load_tensors(tmp_path / "run" / "model.safetensors")
    assert sorted(arrays) == ["W1", "W2", "b1", "b2"]
    network = network_of_run(tmp_path / "run")
    assert evaluate(network, digits)[0] == training.past[-1].scores["test_accuracy"]
    assert read_run(tmp_path / "run")[1].position["used"] == 10.0


def test_epochs_repeat_to_the_same_bits_and_resume_within_one(digits):
    asked = Settings.of("best", hidden=(8,), batch_size=20, epochs=3)
    assert asked.time_limit is None
    whole, stopped, resumed = (
        Training(asked, digits, digits, observers) for observers in ([], [Stopping(2)], [])
    )
    list(whole.run())
    with pytest.raises(KeyboardInterrupt):
        list(stopped.run())
    arrays, position = stopped.state()
    assert any(name.startswith(MOMENTS) for name in arrays)
    resumed.restore(arrays, json.loads(json.dumps(position)))
    list(resumed.run())
    for name, array in whole.state()[0].items():
        np.testing.assert_array_equal(resumed.state()[0][name], array)
    assert whole.past[-1].loss < whole.past[0].loss


def test_any_recipe_may_have_a_limit(digits):
    asked = Settings.of("default", hidden=(8,), batch_size=20, time_limit=5.0)
    assert asked.epochs is None
    training = Timed(asked, digits)
    assert training.expected_epochs == 1
    list(training.run())
    assert 4.0 < training.limit.used <= 5.0
    assert len(training.past) > 1


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"epochs": 3, "time_limit": 3.0}, "give exactly one of them"),
        ({"time_limit": -1.0}, "positive number of seconds, not -1"),
        ({"time_limit": float("nan")}, "positive number of seconds, not nan"),
    ],
)
def test_limits_that_make_no_sense(chosen, message):
    with pytest.raises(LaminaError, match=message):
        Settings.of("best", **chosen)
