"""What a run advises: where the linear model is better, and where it is not."""

import html
import time

import numpy as np
import polars as pl
import pytest

from lamina.estimators.search.trial import SearchObserver
from lamina.runs.data import Request, prepare
from lamina.runs.evaluation import advice, measure
from lamina.runs.search import begin, search
from lamina.runs.training import complete, train
from lamina.training.run_folder import new_run


def run(folder, target, **asked):
    """What is advised of a network on a table whose target is this function of x and noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 6))
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(6)} | {"y": target(x, rng)})
    frame.write_csv(folder / "table.csv")
    request = Request((str(folder / "table.csv"),), "y", preset="fast", **asked)
    prepared = prepare(request)
    model = train(prepared, request).model
    measured = measure(model, prepared)
    return advice(prepared, model, measured), measured.metrics


def numbers(x, rng):
    return x.sum(axis=1) + 0.1 * rng.normal(size=len(x))


def classes(x, rng):
    return np.where(x.sum(axis=1) + 0.1 * rng.normal(size=len(x)) > 0, "yes", "no")


@pytest.mark.slow
@pytest.mark.parametrize(
    "target, metric, name", [(numbers, "rmse", "RMSE"), (classes, "log_loss", "log-loss")]
)
def test_a_better_linear_model_is_told_of(tmp_path, target, metric, name):
    lines, metrics = run(tmp_path, target, epochs=1, hidden=(2,))
    ours, theirs = metrics["lamina"][metric], metrics["linear"][metric]
    assert theirs < ours
    assert lines == [
        f"the linear model is better on the 240 test rows, by more than chance explains: {name} {theirs:.4f}, the "
        f"network's {ours:.4f}; train a linear model with --hidden none, or search for a better network with "
        "--time-limit 5m"
    ]


def test_what_it_advises_is_as_good(tmp_path):
    lines, metrics = run(tmp_path, numbers, hidden=(), epochs=50)  # `fast` has 20
    assert lines == []
    assert metrics["lamina"]["rmse"] < 1.1 * metrics["linear"]["rmse"]


@pytest.mark.slow
def test_nothing_is_said_where_the_network_is_better(tmp_path):
    lines, metrics = run(tmp_path, lambda x, _: x[:, 0] * x[:, 1], hidden=(32,))
    assert lines == []
    assert metrics["lamina"]["rmse"] < metrics["linear"]["rmse"]


class _EndsAfter(SearchObserver):
    """Moves the deadline to now when a trial ends, as a limit of so many seconds would."""

    def __init__(self, trials):
        self._trials = trials

    def on_trial_end(self, search, trial):
        if trial.number + 1 == self._trials:
            search.end_at(search.seconds())


@pytest.mark.filterwarnings("ignore:the report has no pictures")
@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (1, "only 1 trial,"),
        pytest.param(2, "only 2 trials,", marks=pytest.mark.slow),
        pytest.param(3, None, marks=pytest.mark.slow),
    ],
)
def test_a_limit_that_is_enough_for_hardly_any_trials_is_told_of(tmp_path, trials, said):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=300), "z": rng.normal(size=300)}).with_columns(
        y=pl.col("x") * pl.col("z")
    )
    frame.write_csv(tmp_path / "table.csv")
    request = Request((str(tmp_path / "table.csv"),), "y", preset="best", hidden=(4,), time_limit=3600.0)
    prepared = prepare(request)
    with new_run(tmp_path / "run", "run") as folder:
        begin(folder, request)
        trained = search(prepared, request, folder, [_EndsAfter(trials)], None, time.monotonic)
        results = complete(prepared, trained, request, folder)
    assert results["search"]["trials"] == trials
    told = [line for line in results["advice"] if "time limit" in line]
    assert bool(told) == (said is not None)
    if said:
        assert f"the time limit of 3600 s was enough for {said}" in told[0] and "--trials 10" in told[0]
        assert told[0] in html.unescape((tmp_path / "run/report.html").read_text())
