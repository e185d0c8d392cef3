"""Served runs answer with the class that their threshold says, and with every quantile."""

import numpy as np
import polars as pl
import pytest
from command_line import without_pictures
from serving import Server

from lamina.cli import main
from lamina.runs.run_folder import open_run

rng = np.random.default_rng(0)
X = rng.normal(size=300)
FRAMES = {
    "rare": pl.DataFrame({"x": X, "y": np.where(X + rng.normal(size=300) > 1.5, "a", "b")}),
    "spread": pl.DataFrame({"x": rng.normal(size=100), "y": rng.normal(size=100)}),
}
OPTIONS = {
    "rare": ("--threshold", "0.15", "--epochs", "2"),
    "spread": ("--quantile", "0.1,0.5,0.9", "--epochs", "1"),
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """For a run and rows: the server's answers, and what the run's estimator predicts."""
    folder = tmp_path_factory.mktemp("decisions")
    for name, frame in FRAMES.items():
        frame.write_csv(folder / f"{name}.csv")
        command = [
            "train",
            f"{folder}/{name}.csv",
            "-t",
            "y",
            "--preset",
            "fast",
            "--hidden",
            "4",
            *OPTIONS[name],
        ]
        with without_pictures(), pytest.raises(SystemExit) as ended:
            main([*command, "-o", f"{folder}/{name}", "-q"])
        assert ended.value.code == 0
    server = Server(folder / "rare", folder / "spread")

    def answer(name, rows):
        expected = open_run(folder / name)[0].estimator.predict(rows)
        return server.predictions(name, {"rows": rows.to_dicts()}), expected.tolist()

    yield answer
    server.end()


@pytest.mark.slow
def test_answers_are_decided_by_the_threshold(answered):
    answers, expected = answered("rare", FRAMES["rare"].drop("y"))
    assert [answer["label"] for answer in answers] == expected
    assert ["a" if answer["probabilities"]["a"] > 0.5 else "b" for answer in answers] != expected


@pytest.mark.slow
def test_answers_have_every_quantile(answered):
    answers, expected = answered("spread", FRAMES["spread"][:7].drop("y"))
    assert answers == [
        {"value": row[1], "quantiles": dict(zip(["0.1", "0.5", "0.9"], row, strict=True))} for row in expected
    ]
