"""Runs that every way out is tried with."""

import polars as pl
import pytest
from command_line import cli
from tables import targets_of, training_table

from lamina.cli import main

__all__ = ["cli", "run_on_a_table"]


def train(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["train", *map(str, arguments)])
    assert ended.value.code == 0


@pytest.fixture(scope="session")
def run_on_a_table(tmp_path_factory):
    """A run that classifies: several members, a column that is left out."""
    folder = tmp_path_factory.mktemp("table")
    frame = training_table()
    level, _ = targets_of(frame)
    frame.with_columns(level=pl.Series(level)).write_parquet(folder / "people.parquet")
    asked = ("--target", "level", "--preset", "fast", "--hidden", "16", "--epochs", "3")
    train(folder / "people.parquet", *asked, "--out", folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def run_on_digits(tmp_path_factory):
    """A run on MNIST of one epoch."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    train("mnist", "--hidden", "16", "--batch-size", "500", "--epochs", "1", "--out", folder)
    return folder
