"""A search keeps its limit, and more time is never worse: by a clock that the steps of the training advance."""

import contextlib
import re
import warnings

import numpy as np
import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.search import trial
from lamina.training.loop import Observer
from lamina.training.time_limit import seconds_of

rng = np.random.default_rng(0)
X = rng.normal(size=(240, 3))
Y = np.sin(X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=240)
SMALL = {
    "hidden_layer_sizes": (8,),
    "activation": "mish",
    "number_pieces": 0,
    "beta_2": 0.95,
    "members": 2,
    "batch_size": 48,
}


class Clock:
    """Shows what was added to it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Work(Observer):
    """Advances the clock by what compiling, steps and validation cost."""

    watches_steps = True

    def __init__(self, clock, start=0.5, step=0.005, validation=0.005):
        self.clock, self.costs = clock, (start, step, validation)

    def on_begin(self, loop):
        self.clock.now += self.costs[0]
        self.done = 0

    def on_steps(self, loop, done, of, loss):
        self.clock.now += self.costs[1] * (done - self.done)
        self.done = done

    def on_epoch(self, loop, epoch):
        self.clock.now += self.costs[2]
        self.done = 0


@pytest.fixture
def clock(monkeypatch):
    counted = Clock()
    monkeypatch.setattr(trial, "clock", counted)
    return counted


def searched(clock, limit, costs=(), **settings):
    """A fitted regressor, and the seconds that it took by the clock."""
    before = clock.now
    settings = {**SMALL, "random_state": 0, "callbacks": [Work(clock, *costs)], **settings}
    model = MLPRegressor(time_limit=limit, **settings).fit(X, Y)
    return model, clock.now - before


@pytest.mark.slow
def test_more_time_is_never_worse_and_no_limit_is_exceeded(clock):
    scores, trials = [], []
    for limit in (0.8, 1.5, 3, 6, 8, 11, 20):
        model, seconds = searched(clock, limit)
        assert seconds <= limit + 1, limit
        scores.append(model.best_validation_score_)
        trials.append(len(model.trials_))
    assert scores == sorted(scores) and scores[-1] > scores[0]
    assert trials == sorted(trials) and trials[-1] >= 4


@pytest.mark.slow
def test_choosing_takes_time_too(clock):
    def slow_score(y_true, predictions):
        clock.now += 0.02
        return -float(np.mean((y_true - predictions) ** 2))

    scores = []
    for limit in (4, 12, 20):
        model, seconds = searched(clock, limit, scoring=slow_score)
        assert seconds <= limit + 1, limit
        scores.append(model.best_validation_score_)
    assert scores == sorted(scores)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "costs", [(30.0,), (0.1, 5.0), (0.1, 0.001, 7.0)], ids=["start", "step", "validation"]
)
def test_what_cannot_be_interrupted_happens_once_at_most(clock, costs):
    """Starts, steps or validations that take longer than there is time: the first cannot be known, the second is."""
    with pytest.warns(UserWarning, match=r"fit took [0-9.]+ s, [0-9.]+ s more than time_limit=2\.0"):
        warnings.filterwarnings("ignore", "the search ended before an epoch", UserWarning)
        model, seconds = searched(clock, 2.0, costs)
    assert seconds <= 2.0 + max(costs) + 1
    assert np.isfinite(model.predict(X)).all()


def test_without_time_for_an_epoch_there_is_a_warning(clock):
    with pytest.warns(UserWarning, match=r"before an epoch .* more time \(now time_limit=0\.1\)"):
        model, _ = searched(clock, 0.1)
    assert model.best_validation_score_ is None and model.predict(X).shape == Y.shape


@pytest.mark.slow
def test_no_trial_begins_that_cannot_get_anywhere(clock):
    """When starting one takes as long as the first did, and what is left is less, the search is over."""
    model, seconds = searched(clock, 12.0, (4.0, 0.0001, 0.0001))
    assert len(model.trials_) == 2 and seconds < 12.0


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["on_steps", "on_epoch"])
@pytest.mark.parametrize("at", [1, 40, 200])
def test_ctrl_c_leaves_the_best_so_far(clock, method, at):
    class CtrlC(Observer):
        watches_steps = True
        left = at

    def interrupt(self, *_):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    setattr(CtrlC, method, interrupt)
    observer = CtrlC()
    model = MLPRegressor(trials=3, random_state=0, callbacks=[observer], **SMALL)
    with warnings.catch_warnings(), contextlib.suppress(KeyboardInterrupt):
        warnings.filterwarnings("ignore", "the search ended before an epoch", UserWarning)
        model.fit(X, Y)
    assert observer.left == 0
    assert np.isfinite(model.predict(X)).all()
    assert sum(trial["share"] for trial in model.trials_) == pytest.approx(1)


@pytest.mark.slow
def test_as_many_trials_give_the_same_bits():
    first, second = (MLPRegressor(trials=4, random_state=3, **SMALL).fit(X, Y) for _ in range(2))
    assert np.array_equal(first.predict(X), second.predict(X))
    assert [trial["settings"] for trial in first.trials_] == [trial["settings"] for trial in second.trials_]
    assert first.best_validation_score_ == second.best_validation_score_


@pytest.mark.slow
def test_a_limit_gives_the_bits_of_as_many_trials(clock):
    limited, _ = searched(clock, 14)
    complete = [trial for trial in limited.trials_ if trial["complete"]]
    exact = MLPRegressor(trials=len(complete), random_state=0, **SMALL).fit(X, Y)
    assert [one["score"] for one in complete] == [one["score"] for one in exact.trials_]


@pytest.mark.parametrize(
    ("text", "seconds"), [(5, 5), ("5", 5), ("90s", 90), ("5m", 300), ("1h 30m", 5400), (np.float32(2), 2)]
)
def test_limits_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "limit", [0, -3, float("nan"), float("inf"), "soon", "5 parsecs", "", "0s", "1e9999", True, [5]], ids=repr
)
def test_other_limits_are_refused(limit):
    with pytest.raises(ValueError, match="^time_limit.*" + re.escape(repr(limit))):
        MLPClassifier(time_limit=limit).fit(X, Y > 1)
