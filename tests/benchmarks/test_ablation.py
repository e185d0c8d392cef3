"""The ablation runs on a file of one's own: a row for each part, compared with all parts."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
rng = np.random.default_rng(0)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the script with arguments; its exit code, standard output and standard error."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import ablation

    def run(*arguments):
        code = 0
        try:
            ablation.main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "target, part", [("price", "scale"), pytest.param("sold", "smoothing", marks=pytest.mark.slow)]
)
def test_every_part_is_compared_with_all_parts(tmp_path, run, target, part):
    frame = pl.DataFrame({"x": rng.normal(size=60), "price": rng.normal(size=60), "sold": ["no", "yes"] * 30})
    frame.write_csv(tmp_path / "houses.csv")
    code, out, error = run(tmp_path / "houses.csv", target, "--parts", part, "--seeds", 1, "--epochs", 1)
    assert code == 0, error
    table = [line.strip("| ").split(" | ") for line in out.split("\n\n")[1].splitlines()]
    assert [row[0].split(":")[0] for row in table[2:]] == ["all parts", part]
    assert table[2][2] == "+0.0 %"
    assert ("%" in table[2][1]) == (target == "sold")  # accuracy


def test_unknown_parts_are_named(run):
    code, _, error = run("--parts", "decay,dcay")
    assert code == 2
    assert "dcay" in error
