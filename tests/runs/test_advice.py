"""What a run advises: where the linear model is better, and where it is not."""

import numpy as np
import polars as pl
import pytest

from lamina.runs._advice import advice
from lamina.runs._measure import measure
from lamina.runs.data import Request, prepare
from lamina.runs.training import train


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


@pytest.mark.parametrize(
    "target, metric, name", [(numbers, "rmse", "RMSE"), (classes, "log_loss", "log-loss")]
)
def test_a_better_linear_model_is_told_of(tmp_path, target, metric, name):
    lines, metrics = run(tmp_path, target, epochs=1, hidden=(2,))
    ours, theirs = metrics["lamina"][metric], metrics["linear"][metric]
    assert theirs < ours
    assert lines == [
        f"the linear model is better on the 240 test rows: {name} {theirs:.4f}, the network's {ours:.4f}, by more than "
        "chance explains; train one with --hidden none, or search for a better network with --time-limit 5m"
    ]


def test_what_it_advises_is_as_good(tmp_path):
    lines, metrics = run(tmp_path, numbers, hidden=())
    assert lines == []
    assert metrics["lamina"]["rmse"] < 1.1 * metrics["linear"]["rmse"]


def test_nothing_is_said_where_the_network_is_better(tmp_path):
    lines, metrics = run(tmp_path, lambda x, _: x[:, 0] * x[:, 1], hidden=(32,))
    assert lines == []
    assert metrics["lamina"]["rmse"] < metrics["linear"]["rmse"]
