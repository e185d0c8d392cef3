"""The ablation runs on a file of one's own: a row for each part, compared with all parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "ablation.py"
rng = np.random.default_rng(0)


def run(*arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("target, part", [("price", "scale"), ("sold", "smoothing")])
def test_every_part_is_compared_with_all_parts(tmp_path, target, part):
    frame = pl.DataFrame({"x": rng.normal(size=60), "price": rng.normal(size=60), "sold": ["no", "yes"] * 30})
    frame.write_csv(tmp_path / "houses.csv")
    done = run(tmp_path / "houses.csv", target, "--parts", part, "--seeds", 1, "--epochs", 1)
    assert done.returncode == 0, done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.split("\n\n")[1].splitlines()]
    assert [row[0].split(":")[0] for row in table[2:]] == ["all parts", part]
    assert table[2][2] == "+0.0 %"
    assert ("%" in table[2][1]) == (target == "sold")  # accuracy


def test_unknown_parts_are_named():
    done = run("--parts", "decay,dcay")
    assert done.returncode == 2
    assert "dcay" in done.stderr
