"""Trials that are trained several at a time: the same bits as one after another, however they end."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config

from lamina import MLPRegressor, get_num_threads, set_num_threads
from lamina.errors import LaminaError, NonFiniteLossError
from lamina.estimators.search import engine, plan, trial, worker
from lamina.estimators.search.trial import SearchObserver
from lamina.training.loop import Observer

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)).astype(np.float32)
Y = X[:, 0] - X[:, 1] ** 2 + 0.1 * rng.normal(size=200)
SMALL = {
    "hidden_layer_sizes": (8,), "activation": "mish", "number_embedding": False, "number_pieces": 0, "beta_2": 0.95,
    "members": 2, "batch_size": 20, "random_state": 0,
}  # fmt: skip


def searched(trials, jobs, *callbacks, **settings):
    return MLPRegressor(trials=trials, n_jobs=jobs, callbacks=list(callbacks), **{**SMALL, **settings}).fit(
        X, Y
    )


def found(model):
    """All that a search is to find again; not its times."""
    times = {"seconds", "predicting"}
    trials = [{name: value for name, value in one.items() if name not in times} for one in model.trials_]
    return model.predict(X).tobytes(), model.best_validation_score_, model.best_epoch_, trials


class Store:
    """Keeps trials in memory, by number, as a folder does."""

    def __init__(self, kept=()):
        self.kept = dict(kept)

    def load(self, fingerprint):
        return [self.kept[number] for number in sorted(self.kept)]

    def save(self, trial):
        self.kept[trial.number] = trial


class Heard(SearchObserver):
    """What is heard of trials, in order."""

    def __init__(self):
        self.seen, self.epochs = [], {}

    def on_trial_begin(self, search, number, settings, epochs):
        self.seen.append(f"begins {number}")

    def on_trial_epoch(self, search, number, epoch):
        self.epochs.setdefault(number, []).append(epoch.number)

    def on_trial_waits(self, search, trial):
        self.seen.append(f"waits {trial.number}")

    def on_trial_end(self, search, trial):
        self.seen.append(f"ends {trial.number}")
        assert self.epochs[trial.number] == list(range(1, len(trial.losses) + 1))


@pytest.fixture
def held(monkeypatch):
    """Of trials that run side by side the second begins when a later one is trained, which then waits for it."""
    another, plain = threading.Event(), worker.train

    def train(job, shared):
        if job.tried.number == 1:
            assert another.wait(60)
            return plain(job, shared)
        outcome = plain(job, shared)
        another.set()
        return outcome

    monkeypatch.setattr(worker, "train", train)


@pytest.fixture(scope="module")
def one_after_another():
    return found(searched(5, 1))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2, 3])
def test_any_number_at_a_time_gives_the_same_bits(jobs, one_after_another):
    heard = Heard()
    with parallel_config("threading"):
        assert found(searched(5, jobs, heard)) == one_after_another
    assert [said for said in heard.seen if "ends" in said] == [f"ends {number}" for number in range(5)]
    assert sorted(said for said in heard.seen if "begins" in said) == [f"begins {n}" for n in range(5)]


@pytest.fixture
def two_threads():
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_by_default_each_thread_trains_a_trial(one_after_another):
    class Threads(Heard):
        in_order = False

        def __init__(self):
            super().__init__()
            self.of = {}

        def on_trial_epoch(self, search, number, epoch):
            super().on_trial_epoch(search, number, epoch)
            self.of[number] = get_num_threads()

    heard = Threads()
    assert found(searched(5, None, heard)) == one_after_another
    assert heard.of == {0: 2, 1: 1, 2: 1, 3: 1, 4: 1} and get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("settings", "jobs"),
    [
        ({}, 2), ({"n_jobs": 1}, 1), ({"n_jobs": 3}, 3), ({"scoring": "r2"}, 2), ({"scoring": max}, 1),
        ({"loss": max}, 1), ({"device": "auto"}, 1), ({"callbacks": max}, 1), ({"callbacks": Heard()}, 1),
        ({"callbacks": Store()}, 2),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_may_expect_one_trial_after_another_gets_that(settings, jobs):
    assert engine.Search(MLPRegressor(trials=5, **settings))._jobs == jobs


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("limit", "parallel"), [(10**4, True), (30, False)])
def test_with_little_time_trials_do_not_take_longer(limit, parallel):
    search = engine.Search(MLPRegressor(time_limit=limit))
    assert not search._goes_on_in_parallel(), "the first is alone"
    search.trials = [SimpleNamespace(seconds=3.0)]
    assert search._goes_on_in_parallel() is parallel


@pytest.mark.slow
def test_trials_are_ended_early_alike(monkeypatch):
    """With a schedule that has cycles all trials may be; rounds are short here, so that few trials are enough."""
    monkeypatch.setattr(plan, "CYCLE", 4)
    alone, together = (found(searched(17, jobs, learning_rate="coslog4")) for jobs in (1, 3))
    assert together == alone
    assert len({trial["epochs"] for trial in alone[-1] if trial["settings"]["preset"] == "medium"}) > 1


@pytest.mark.slow
def test_processes_too_and_one_that_is_killed(one_after_another):
    """Settings of joblib's are obeyed; and memory that is short has the system kill a process."""
    here = os.getpid()

    def scoring(y_true, predictions):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return -float(np.mean((y_true - predictions) ** 2))

    try:
        with parallel_config("loky"):
            assert found(searched(5, 2)) == one_after_another
            model = MLPRegressor(trials=3, n_jobs=2, scoring=scoring, **SMALL)
            with pytest.raises(
                LaminaError, match=r"a process that trained a trial was killed.* \(n_jobs, --jobs\)"
            ):
                model.fit(X, Y)
    finally:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
    assert [trial["number"] for trial in model.trials_] == [0] and np.isfinite(model.predict(X)).all()


class EndsWhen(SearchObserver):
    """Ctrl-C, when something is heard of a search."""

    def __init__(self, event):
        self.event = event

    def on_trial_waits(self, search, trial):
        self._look("waits")

    def on_trial_end(self, search, trial):
        self._look(f"ends {trial.number}")

    def _look(self, event):
        if event == self.event:
            self.event = None
            raise KeyboardInterrupt


@pytest.mark.few(1)
@pytest.mark.parametrize("event", ["waits", "ends 1", "ends 3"])
def test_what_is_interrupted_goes_on_to_the_same_bits(event, held, one_after_another):
    kept = Store()
    model = MLPRegressor(trials=5, n_jobs=2, callbacks=[kept, EndsWhen(event)], **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert sum(trial["share"] for trial in model.trials_) == pytest.approx(1)
    assert all(trial.complete for trial in kept.kept.values())
    again = Store(kept.kept)
    assert found(searched(5, 1, again)) == one_after_another
    assert sorted(again.kept) == list(range(5)) and not any(one.earlier for one in again.kept.values())


@pytest.mark.slow
@pytest.mark.parametrize("missing", [(1,), (1, 3)], ids=str)
def test_trials_that_wait_are_gone_on_with(missing, held):
    """What a search leaves that is killed while a trial runs, and later ones are complete."""
    with_cycles = {"learning_rate": "coslog4"}

    class All(Store):
        def save(self, trial):
            self.kept.setdefault(trial.number, trial)  # as it waited, where it did

    whole = All()
    searched(5, 2, whole, **with_cycles)
    assert whole.kept[2].earlier
    left = {number: trial for number, trial in whole.kept.items() if number not in missing}
    assert found(searched(5, 1, Store(left), **with_cycles)) == found(searched(5, 1, **with_cycles))


def test_what_trials_know_of_the_rows_changes_no_bits():
    """A trial that goes on from a store finds it out itself."""
    kept, settings = Store(), {"number_embedding": True, "number_pieces": None}
    whole = found(searched(2, 1, kept, **settings))
    del kept.kept[1]
    assert found(searched(2, 1, kept, **settings)) == whole


def test_trials_that_are_taken_meanwhile_are_neither_lost_nor_trained_again(tmp_path):
    """Threads ask what to train next while trials that waited are taken; here that is in the worst moment."""

    class Taken(list):
        """While it is looked at, what waits is taken."""

        def __iter__(self):
            return iter(self._then_take(list(super().__iter__())))

        def __len__(self):
            return self._then_take(super().__len__())

        def _then_take(self, seen):
            for number in sorted(search._waiting):
                self.append(search._waiting.pop(number))
            return seen

    whole = Store()
    searched(3, 1, whole)
    kept = {number: whole.kept[number] for number in (1, 2)}
    search = engine.Search(MLPRegressor(trials=5, callbacks=[Store(kept)], **SMALL))
    search.fingerprint, search._seed, search._plan = "of no rows", 0, plan.Plan(search._estimator, 0, 160, 2)
    search._go_on_from(Store(kept).load(search.fingerprint))
    search.trials = Taken()
    assert [len(curve.scores) for curve in search._curves([1, 2])] == [len(kept[n].scores) for n in kept]
    search.trials, search._waiting = Taken(), kept.copy()
    assert [search._next_job(tmp_path).tried.number for _ in range(2)] == [0, 3]


class CtrlCOnSaving(Store):
    """Ctrl-C while a trial is kept."""

    def save(self, trial):
        super().save(trial)
        raise KeyboardInterrupt


@pytest.mark.few(1)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_trial_that_was_kept_is_told_of(jobs, one_after_another):
    told, kept = [], CtrlCOnSaving()
    observer = SearchObserver()
    observer.on_trial_end = lambda search, trial: told.append(trial.number)
    with pytest.raises(KeyboardInterrupt):
        searched(5, jobs, kept, observer)
    assert told == sorted(kept.kept) == [0]
    with pytest.raises(KeyboardInterrupt):
        searched(5, jobs, kept, observer)
    assert told[1:] == list(range(len(told) - 1)) and len(kept.kept) > 1
    assert found(searched(5, 1, Store(kept.kept))) == one_after_another


class Clock:
    """Advances whenever somebody looks at it."""

    now = 0.0

    def __call__(self):
        self.now += 0.001
        return self.now


def test_the_limit_holds(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trial, "clock", clock)
    monkeypatch.setattr(engine, "_WORKERS_START", 0.1)
    numbers = []
    for limit in (2.0, 9.0):
        before, heard = clock.now, Heard()
        heard.on_trial_end = lambda search, trial: None
        model = MLPRegressor(time_limit=limit, n_jobs=2, callbacks=[heard], **SMALL).fit(X, Y)
        assert clock.now - before <= limit + 1
        complete = {trial["number"]: trial["score"] for trial in model.trials_ if trial["complete"]}
        default = complete.get(1, max(complete.values()))  # averages begin with it, once it is complete
        assert model.best_validation_score_ >= default
        numbers.append(sum(trial["complete"] for trial in model.trials_))
    assert numbers[1] >= 3


def test_workers_that_are_not_waited_for_leave_nothing(monkeypatch, tmp_path):
    """Those that take long to end, as while they compile, find that nobody listens any more."""

    class End(SearchObserver):
        def on_trial_epoch(self, search, number, epoch):
            if number:
                search.stop()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(engine, "_GRACE", 0.0)
    model = searched(9, 2, End())
    assert not list(tmp_path.iterdir()) and np.isfinite(model.predict(X)).all()


SEARCHING = """
import numpy as np
from lamina import MLPRegressor
X = np.random.default_rng(0).normal(size=(200, 3))
MLPRegressor(trials=10**5, n_jobs=2).fit(X, X[:, 0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_what_a_killed_search_left_the_next_one_removes(monkeypatch, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", SEARCHING], env=environment) as process:
        while not (left := [*tmp_path.glob("lamina-search-*/end")]):
            assert process.poll() is None
            time.sleep(0.05)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        searched(4, 2)
        assert left[0].exists()  # it searches still
        process.kill()
    assert process.returncode == -signal.SIGKILL and left[0].exists()
    searched(4, 2)
    assert not list(tmp_path.iterdir())


def test_functions_hear_of_each_epoch_and_end_it():
    heard = []

    def stop(_estimator, epoch):
        heard.append(epoch.number)
        return heard.count(3) == 3  # of the third trial

    model = searched(9, 2, stop)
    assert heard.count(3) >= 3 and len(model.trials_) < 9


def test_what_watches_steps_is_refused():
    class Steps(Observer):
        pass

    with pytest.raises(
        ValueError,
        match=r"a Steps among callbacks observes training steps.* pass n_jobs=1, or .* a Search",
    ):
        searched(3, 2, Steps())


def test_errors_are_those_of_one_after_another():
    with pytest.raises(NonFiniteLossError):
        searched(4, 2, learning_rate_init=1e30)
    calls = []

    def scoring(y_true, predictions):
        calls.append(1)
        if len(calls) > 250:  # epochs of the first trial are fewer
            raise ValueError("no score")
        return -float(np.mean((y_true - predictions) ** 2))

    with pytest.raises(ValueError, match="no score"):
        searched(6, 2, scoring=scoring)
