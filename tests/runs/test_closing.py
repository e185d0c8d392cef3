"""A search ends so early that what follows it is done within the limit."""

import contextlib

import numpy as np
import polars as pl
import pytest
from trials import trial

from lamina.runs import search as search_module
from lamina.runs.data import Request, prepare
from lamina.runs.search import Closing
from lamina.training.time_limit import Pace

pytestmark = pytest.mark.filterwarnings("ignore:left out 1 column with the same value")


class Search:
    """A search that notes to where its deadline was moved."""

    trials, shares, earlier_seconds = (), {0: 1.0}, 0.0

    def __init__(self, clock):
        self._clock, self.end = clock, None

    def seconds(self):
        return self._clock.now - 10.0  # it began at 10

    def end_at(self, seconds):
        self.end = seconds


class Steady:
    """The pace of a machine where nothing else happens, until a test says otherwise."""

    def __init__(self):
        self.slowness = 1.0

    def watching(self):
        return contextlib.nullcontext()


class Clock:
    now = 10.0

    def __call__(self):
        return self.now


@pytest.fixture
def closing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=100), "b": rng.normal(size=100), "y": rng.normal(size=100)})
    frame.write_csv(tmp_path / "t.csv")
    monkeypatch.setattr(search_module, "_computed_for_a_figure", lambda _pace: 0.2)
    request = Request((str(tmp_path / "t.csv"),), "y", time_limit=100.0)
    return Closing(prepare(request), 100.0, Clock(), Steady())


def test_the_report_has_its_time(closing):
    report = 1.4 * 7 * 0.2 + 0.4 + 0.2 + 0.01 * 100
    assert closing.search_seconds() == pytest.approx(100 - 10 - report)


def test_beside_busy_processes_the_report_has_more_time(closing):
    computed = 1.4 * 7 * 0.2 + 0.4
    closing._pace.slowness = 3.0
    assert closing.search_seconds() == pytest.approx(100 - 10 - 3 * computed - 0.2 - 0.01 * 100)
    search = Search(closing._since)
    closing.on_new_best(search)
    assert search.end == pytest.approx(closing.search_seconds())
    closing._pace.slowness = 5.0  # it became slower meanwhile
    closing.on_new_best(search)
    assert search.end == pytest.approx(100 - 10 - 5 * computed - 0.2 - 0.01 * 100)


def test_the_pace_is_that_of_what_is_drawn(monkeypatch):
    wall, computed = Clock(), Clock()
    monkeypatch.setattr(search_module.time, "thread_time", computed)

    def draw():
        wall.now, computed.now = wall.now + 0.6, computed.now + 0.2

    monkeypatch.setattr(search_module, "_draw", draw)
    pace = Pace(wall, computed)
    assert search_module._computed_for_a_figure(pace) == pytest.approx(0.2)
    assert pace.slowness == pytest.approx(3)


def test_a_search_that_cannot_compile_in_its_time_does_not_begin_to(closing):
    closing._since.now = 100 - 1.4 * 7 * 0.2 - 0.6 - 1 - 0.2
    assert closing.search_seconds() < 0.01
    closing._since.now += 0.2
    assert closing.seconds_over() == 0
    closing.on_trial_end(Search(closing._since), trial(0))
    assert not closing._row, "what is over needs no measuring"
    closing._since.now = 103.0
    assert closing.seconds_over() == 3


def test_more_networks_are_given_more_time(closing, monkeypatch):
    measured = []

    def measure(one):
        measured.append(one.number)
        closing._compiling, closing._row = 0.5, 1e-9

    monkeypatch.setattr(closing, "_measure", measure)
    search = Search(closing._since)
    closing.search_seconds()
    closing.on_search_begin(search)
    closing.on_trial_end(search, trial(0))
    one = search.end
    closing.on_trial_end(search, trial(1))
    search.shares = {0: 0.5, 1: 0.5}
    closing.on_new_best(search)
    assert measured == [0]
    # The layers of another network of the same form are compiled, and its rows computed.
    layers = len(trial(0).architecture.hidden) + 1
    assert one - search.end >= 1.4 * 0.5 * layers
    closing._since.now += 20  # the deadline stays where it is, whatever the time
    before = search.end
    closing.on_new_best(search)
    assert search.end == pytest.approx(before)


def test_what_earlier_runs_took_is_not_left(closing):
    search = Search(closing._since)
    search.earlier_seconds = 30.0
    assert closing.search_seconds() > 80
    closing.on_search_begin(search)
    closing.on_new_best(search)
    assert search.end < 60


def test_importance_is_measured_on_as_many_rows_as_there_is_time_for(closing):
    assert closing.importance_rows(1e-9) == 2000
    assert closing.importance_rows(10.0) == 200
    assert 200 < closing.importance_rows(0.01) < 2000
