"""The workloads whose instructions are counted run, also where nobody counts."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "instructions.py"


@pytest.mark.slow
@pytest.mark.parametrize("program", ["import_lamina", "predict_rows", "first_compile", "calls", "estimators"])
def test_workloads_run_where_nobody_counts(program, tmp_path):
    command = [sys.executable, str(SCRIPT), "--run", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
