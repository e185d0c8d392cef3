"""A served run of several quantiles answers with all of them."""

import json

import numpy as np
import polars as pl
import pytest

from lamina.cli import main
from lamina.runs.run_folder import open_run


def test_answers_have_every_quantile(serving, tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=100), "y": rng.normal(size=100)})
    frame.write_csv(tmp_path / "data.csv")
    with pytest.raises(SystemExit) as ended:
        main(
            ["train", str(tmp_path / "data.csv"), "-t", "y", "--preset", "fast", "--epochs", "1", "--hidden", "4",
             "--quantile", "0.1,0.5,0.9", "-o", str(tmp_path / "run"), "-q"]
        )  # fmt: skip
    assert ended.value.code == 0
    server = serving(f"spread={tmp_path / 'run'}")
    rows = frame[:7].drop("y")
    body = json.dumps({"rows": rows.to_dicts()}).encode()
    answers = server.predictions("spread", body, "application/json")
    wanted = open_run(tmp_path / "run")[0].estimator.predict(rows)
    assert answers == [
        {"value": row[1], "quantiles": dict(zip(["0.1", "0.5", "0.9"], row, strict=True))}
        for row in wanted.tolist()
    ]
