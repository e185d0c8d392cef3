"""The comparison on raw tables runs on files of one's own; which tables of packages are sealed is fixed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
rng = np.random.default_rng(0)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import raw_tables

    return raw_tables


@pytest.mark.slow
def test_scores_and_refusals_of_a_file(tmp_path, script, monkeypatch, capsys):
    x = rng.normal(size=80)
    pd.DataFrame({"x": x, "noise": rng.normal(size=80), "y": 3 * x}).to_csv(
        tmp_path / "line.csv", index=False
    )

    def refuses(*_):
        raise ValueError("too\nstraight")

    monkeypatch.setitem(script.CONTESTANTS, "skrub", refuses)
    options = [f"--tables={tmp_path / 'line.csv'}:y", "--drop=noise", "--seeds=2", "--contestants=fast,skrub"]
    script.main([*options, f"--out={tmp_path / 'lines.jsonl'}"])
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert [(line["contestant"], line["seed"]) for line in lines] == [
        ("fast", 0), ("skrub", 0), ("fast", 1), ("skrub", 1)
    ]  # fmt: skip
    assert all(0.9 < line["score"] <= 1 for line in lines[::2])
    assert all(line["refused"] == "ValueError: too straight" for line in lines[1::2])
    assert "\nskrub, line: ValueError: too straight\n" in capsys.readouterr().out


def test_the_paired_difference_is_to_the_better_peer(script):
    score = {"fast": (0.5, 0.75), "skrub": (0.25, 1.0), "catboost": (0.25, 0.5)}
    lines = [
        {"table": "t", "contestant": name, "seed": seed, "score": score[name][seed], "processor": 2.0 + seed}
        for name in score
        for seed in (0, 1)
    ]
    row = script.summary(lines, ["t"], list(score)).splitlines()[2]
    # The differences to skrub are 0.25 and -0.25: a mean of 0, and a standard error of 0.25.
    assert row.endswith("| +0.000 ± 0.250, 1.00× |")


def test_a_sealed_table_is_not_measured_on_the_way(script, tmp_path, capsys):
    sealed = [name for name in script.RAW if script.is_sealed(name)]
    assert (len(sealed), len(script.RAW)) == (17, 51)
    with pytest.raises(SystemExit):
        script.main([f"--tables={sealed[0]}", f"--out={tmp_path / 'lines.jsonl'}"])
    assert sealed[0] in capsys.readouterr().err
    assert not (tmp_path / "lines.jsonl").exists()
