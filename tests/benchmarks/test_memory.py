"""The measurement of memory runs; what it measures is tested with the estimators."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.mark.slow
def test_a_small_table_is_measured():
    small = ["--rows", "2000", "--columns", "10", "--tables", "pandas", "--presets", "sklearn"]
    done = subprocess.run([sys.executable, SCRIPT, *small], capture_output=True, text=True, check=False)
    assert "2,000 rows × 10 columns" in done.stdout, done.stderr
    # The compiler alone takes more than such a table, which the exit code says.
    assert done.stdout.splitlines()[1].startswith("    pandas, preset sklearn") and done.returncode == 1
