"""A served run answers with the class that its threshold says."""

import json

import numpy as np
import polars as pl
import pytest

from lamina.cli import main
from lamina.runs.run_folder import open_run


def test_answers_are_decided_by_the_threshold(serving, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pl.DataFrame({"x": x, "y": np.where(x + rng.normal(size=300) > 1.5, "a", "b")})
    frame.write_csv(tmp_path / "data.csv")
    with pytest.raises(SystemExit) as ended:
        main(
            ["train", str(tmp_path / "data.csv"), "-t", "y", "--preset", "fast", "--epochs", "2", "--hidden", "4",
             "--threshold", "0.15", "-o", str(tmp_path / "run"), "-q"]
        )  # fmt: skip
    assert ended.value.code == 0
    server = serving(f"rare={tmp_path / 'run'}")
    rows = frame.drop("y")
    body = json.dumps({"rows": rows.to_dicts()}).encode()
    answers = server.predictions("rare", body, "application/json")
    expected = open_run(tmp_path / "run")[0].estimator.predict(rows)
    assert [answer["label"] for answer in answers] == expected.tolist()
    likelier = ["a" if answer["probabilities"]["a"] > 0.5 else "b" for answer in answers]
    assert likelier != expected.tolist()
