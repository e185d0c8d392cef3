"""Tables whose truth is known, prepared and trained once."""

import numpy as np
import polars as pl
import pytest
from browsing import accessible, browser, opened
from command_line import cli

from lamina.runs.data import Request, prepare
from lamina.runs.training import train

__all__ = ["accessible", "browser", "cli", "opened", "trained_on"]


@pytest.fixture(scope="session")
def trained_on(tmp_path_factory):
    """Trains on a table of a known function of `strong` and `weak`; `noise` does not matter, `word` hardly."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "strong": rng.normal(size=600),
            "noise": rng.normal(size=600),
            "weak": rng.normal(size=600),
            "word": rng.choice(list("abc"), 600),
        }
    )
    value = 3 * frame["strong"] + frame["weak"] + 0.3 * pl.Series(rng.normal(size=600))
    frame = frame.with_columns(number=value, name=pl.Series(np.where(value > 0, "high", "low")))
    file = tmp_path_factory.mktemp("tabular") / "known.csv"
    frame.write_csv(file)

    def run(target, **asked):
        other = "name" if target == "number" else "number"
        request = Request((str(file),), target, kinds={other: "drop"}, preset="fast", hidden=(16,), **asked)
        prepared = prepare(request)
        return request, prepared, train(prepared, request)

    known = {target: run(target) for target in ("number", "name")}
    return lambda target: known[target]
