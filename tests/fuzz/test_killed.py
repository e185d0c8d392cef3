"""Whatever ends a process while it trains or saves, the old file is there or the new one, and a run goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRIALS = {"saves": 6, "digits": 4, "table": 2}  # a run on a table takes seconds
if int(os.environ.get("FUZZ_RUNS", "0")) >= 100_000:
    TRIALS = dict.fromkeys(TRIALS, 200)
PROGRAM = Path(__file__).parents[1] / "support/killed.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")
@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("saves", "killed"),
        *(
            pytest.param(what, how, marks=pytest.mark.slow)
            for what in ("saves", "digits", "table")
            for how in ("killed", "full")
            if (what, how) != ("saves", "killed")
        ),
    ],
)
def test_what_an_ended_process_leaves_is_whole_and_goes_on(what, how, tmp_path):
    command = [sys.executable, str(PROGRAM), what, how, str(TRIALS[what]), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    print(done.stdout, end="")
    assert done.returncode == 0, done.stderr
