"""The check of a GPU: sections end in time, one that fails stops no other, and targets are judged by figures."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def sections(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu_sections

    return gpu_sections


def test_a_section_passes_on_its_lines_and_figures(sections):
    lines = []
    program = (
        f"print('before'); print({sections.figure('launches', 6)!r}); print('after'); raise SystemExit(3)"
    )
    outcome = sections.run_section([sys.executable, "-c", program], 60, lines.append)
    assert (lines, outcome.code, outcome.figures) == (["before", "after"], 3, {"launches": 6})


@pytest.mark.slow
def test_a_section_that_hangs_is_stopped_with_what_it_started(sections, tmp_path):
    beside = f"import time, pathlib; time.sleep(2.5); pathlib.Path({str(tmp_path / 'late')!r}).touch()"
    program = (
        "import subprocess, sys, time; print('begun', flush=True); "
        f"subprocess.Popen([sys.executable, '-c', {beside!r}]); time.sleep(600)"
    )
    lines = []
    outcome = sections.run_section([sys.executable, "-c", program], 2, lines.append)
    assert (outcome.code, lines) == (None, ["begun"])
    time.sleep(1.5)
    assert not (tmp_path / "late").exists()


@pytest.mark.slow
def test_ctrl_c_ends_the_section_with_what_it_started(sections, tmp_path):
    late = tmp_path / "late"
    program = f"import time, pathlib; print('begun', flush=True); time.sleep(1); pathlib.Path({str(late)!r}).touch()"

    def interrupt(_line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sections.run_section([sys.executable, "-c", program], 60, interrupt)
    time.sleep(1.2)
    assert not late.exists()


def test_targets_are_met_or_not_or_not_measured(sections):
    figures = {"launches": 8, "epoch_ms": 30.1, "wide_float32": 0.8, "wide_tf32": 0.79}
    lines = sections.judged(figures)
    assert "met           launches a step of the chapter's network: 8 (at most 8)" in lines
    assert "NOT MET       milliseconds an epoch of the chapter's network: 30.1 (at most 30)" in lines
    wide = "four layers of 2048, batch 4096, {}: speed, of cuBLAS's by PyTorch"
    assert f"met           {wide.format('float32')}: 0.8 (at least 0.8)" in lines
    assert f"NOT MET       {wide.format('tf32')}: 0.79 (at least 0.8)" in lines
    assert f"not measured  {wide.format('bfloat16')} (at least 0.8)" in lines


@pytest.mark.slow
def test_a_check_that_fails_stops_no_other(tmp_path):
    """Where there is no device every check fails, and the report says so of each."""
    command = [sys.executable, BENCHMARKS / "gpu_check.py", "--quick", "--only", "machine,interchange"]
    environment = {**os.environ, "LAMINA_DEVICE": "none"}
    report = tmp_path / "report.txt"
    done = subprocess.run(
        [*command, "--report", report], capture_output=True, text=True, check=False, env=environment
    )
    text = report.read_text()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "AssertionError: there is no device" in text
    assert text.count("FAILED (") == 2
    assert "FAILED: machine, interchange" in text
    assert "not measured  milliseconds an epoch of the chapter's network (at most 30)" in text
