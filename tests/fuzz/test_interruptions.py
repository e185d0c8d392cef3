"""Trainings are interrupted anywhere by handlers that use arrays: they see parameters of some step, and it goes on.

Quick tests interrupt each training in one way, slow ones in every way, at a part of the boundaries between two
bytecodes of a step; `make fuzz` at 10,000.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support/interruptions.py"
TIMES = {"boundaries": 120, "signals": 80, "collector": 40}
if int(os.environ.get("FUZZ_RUNS", "0")) >= 100_000:
    TIMES = {"boundaries": 2560, "signals": 1000, "collector": 400}
QUICK = [("plain", "signals"), ("gluon", "boundaries"), ("compiled", "collector"), ("hybridized", "signals")]
"""Each training and each trigger once."""
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "0"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork and no timer there")
@pytest.mark.parametrize(
    ("training", "trigger"),
    [
        pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.slow)
        for pair in itertools.product(("plain", "gluon", "compiled", "hybridized"), TIMES)
    ],
)
def test_a_training_that_is_interrupted_ends_as_it_does_eagerly(training, trigger):
    command = [sys.executable, str(PROGRAM), training, trigger, str(TIMES[trigger]), str(FIRST)]
    environment = {**os.environ, "LAMINA_COMPILE": "1", "LAMINA_EAGER": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=7200, check=False, env=environment)
    print(done.stdout, end="")
    assert done.returncode == 0, done.stderr
