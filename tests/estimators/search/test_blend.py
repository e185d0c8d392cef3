"""What linear models and boosted trees would add to a search with networks alone, measured at its end."""

import numpy as np
import pytest

import lamina
from lamina.estimators.search import trial
from lamina.training.loop import Observer

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 3))
STEPS = 3.0 * (np.floor(3 * X[:, 0]) % 2) + 0.3 * rng.normal(size=500)
LINE = X @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=500)
NOISE = rng.normal(size=500)
SMALL = {"hidden_layer_sizes": (8,), "number_pieces": 0, "members": 2, "trials": 1, "random_state": 0}


class Clock:
    """Shows what was added to it."""

    now = 0.0

    def __call__(self):
        return self.now


class Work(Observer):
    """Lets a trial take this many seconds of the clock."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def on_begin(self, loop):
        self.clock.now += self.seconds


@pytest.fixture
def clock(monkeypatch):
    counted = Clock()
    monkeypatch.setattr(trial, "clock", counted)
    return counted


def searched(clock, y, *, seconds=1000.0, **settings):
    """A model that was found by a search of that length."""
    kind = lamina.MLPRegressor if y.dtype.kind == "f" else lamina.MLPClassifier
    return kind(**{**SMALL, "callbacks": [Work(clock, seconds)], **settings}).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("y", [STEPS, np.where(STEPS > 1.5, "odd", "even")], ids=["numbers", "classes"])
def test_a_gain_of_trees_is_told(clock, y, capsys):
    model = searched(clock, y, verbose=True)
    whole, blend, *others = model.leaderboard()
    assert model.blend_score_ == blend["score"] > whole["score"] == model.best_validation_score_
    assert (blend["what"], blend["share"]) == ("ensemble with linear, boosting", 0.0)
    assert [one["what"] for one in others] == ["network (fast)"]
    said = f"validation loss {-blend['score']:.4f} instead of {-whole['score']:.4f}"
    assert f"{said}; candidates=('linear', 'boosting') allows them" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_told_comes_true(clock):
    model = searched(clock, STEPS)
    blend = searched(clock, STEPS, trials=3, candidates=("linear", "boosting"))
    assert blend.best_validation_score_ == pytest.approx(model.blend_score_, rel=0.05)
    assert blend.blend_score_ is None


@pytest.mark.slow
def test_without_a_gain_nothing_is_told(clock, capsys):
    model = searched(clock, NOISE, verbose=True)
    assert model.blend_score_ is None and len(model.leaderboard()) == 2
    assert "instead of" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_short_search_and_other_losses_have_no_time_for_it(clock):
    assert searched(clock, STEPS, seconds=5.0).blend_score_ is None
    assert searched(clock, STEPS, loss="huber").blend_score_ is None


@pytest.mark.slow
def test_networks_stay_the_same_bits(clock):
    long, short = (searched(clock, STEPS, seconds=seconds) for seconds in (1000.0, 1.0))
    assert long.blend_score_ is not None and short.blend_score_ is None
    assert (long.predict(X) == short.predict(X)).all()


@pytest.mark.slow
def test_the_time_is_of_the_limit(clock):
    """Networks train for 95 % of a limit of ten seconds or more: a trial of a second begins if 1.5 s are left."""
    trained = {
        limit: searched(clock, LINE, seconds=1.0, time_limit=limit, trials=None) for limit in (9.9, 10.0)
    }
    assert {limit: len(model.trials_) for limit, model in trained.items()} == {9.9: 9, 10.0: 8}
