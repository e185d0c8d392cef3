"""lamina's side of the benchmarks runs: every workload, on a few examples, without peers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments, timeout=600):
    """A script of the benchmarks, in this very environment; its standard output."""
    environment = os.environ | {"LAMINA_BENCHMARK_PYTHON": sys.executable}
    command = [sys.executable, BENCHMARKS / script, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ALL = "epoch,cold,gluon,eager,adam,gluon_loop,warm,fit_cold,small,predict_one"


def compared(folder, workloads, contestants):
    """The record of one comparison, and what was printed and drawn."""
    few = ["--examples", "256", "--rounds", "1", "--calls", "2", "--patience", "0"]
    files = ["--json", folder / "record.json", "--plot", folder / "plot.png"]
    printed = run("compare.py", *few, "--only", workloads, "--contestants", contestants, *files)
    return json.loads((folder / "record.json").read_text()), printed, (folder / "plot.png").read_bytes()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """All workloads, by lamina and NumPy."""
    return compared(tmp_path_factory.mktemp("compare"), ALL, "lamina,lamina_eager,lamina_gluon,numpy")


@pytest.mark.slow
def test_everybody_finishes_every_workload(report):
    record, _, picture = report
    assert picture.startswith(b"\x89PNG")
    assert len(record["workloads"]) == len(ALL.split(","))
    for name, workload in record["workloads"].items():
        assert workload["contestants"], name
        for contestant, times in workload["contestants"].items():
            assert times.get("median_seconds", 0) > 0, (name, contestant, times)


@pytest.mark.slow
def test_the_tables_name_lamina_and_the_goals(report):
    record, printed, _ = report
    assert "lamina, Gluon's layers" in printed
    assert "of peak" in printed
    assert any("600 ms at most" in goal for goal in record["workloads"]["cold"]["goals"])


@pytest.mark.slow
def test_a_workload_is_measured_and_drawn(tmp_path):
    record, printed, picture = compared(tmp_path, "gluon", "lamina,lamina_gluon,numpy")
    assert record["workloads"]["gluon"]["contestants"]
    assert "lamina, Gluon's layers" in printed and picture.startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["loop", "small_loop"])
def test_lamina_and_numpy_do_the_same_work(workload):
    """The same losses in each of two epochs: what is compared is the same computation."""
    few = ["--examples", "256", "--repeats", "2"]
    ours, theirs = (_losses(run("worker.py", name, workload, *few)) for name in ("lamina", "numpy"))
    assert len(ours) == 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def _losses(printed):
    return [json.loads(line)["loss"] for line in printed.splitlines()[1:]]


def test_an_unknown_workload_is_named():
    command = [sys.executable, BENCHMARKS / "compare.py", "--only", "nothing"]
    environment = os.environ | {"LAMINA_BENCHMARK_PYTHON": sys.executable}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "'nothing' is none of epoch" in done.stderr
