"""The table at the end of a run of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
SUITE = """
import pytest

@pytest.mark.parametrize("i", range(12))
def test_passes(i):
    pass

@pytest.mark.parametrize("i", range(3))
def test_lacks(i):
    pytest.skip("NOT TESTED: flying, without wings")

def test_elsewhere():
    pytest.skip("not here")
"""


def run(folder, *options):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "summary",
        "-p",
        "xdist.plugin",
        "-c",
        os.devnull,
        "--rootdir",
        ".",
        *options,
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(SUPPORT),
        "SLOWEST": "2",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return [line.strip() for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_what_the_machine_lacks_is_said_once(tmp_path):
    (tmp_path / "test_all.py").write_text(SUITE)
    lines = run(tmp_path, "-n", "1")
    assert "passed  12" in lines and "skipped  4" in lines
    assert lines.count("NOT TESTED: flying, without wings") == 1
    assert [line for line in lines if line.startswith("skipped since")] == ["skipped since  not here (1)"]
    assert sum("test_all.py::" in line for line in lines) == 2


@pytest.mark.slow
def test_a_few_tests_have_no_table_but_say_it_too(tmp_path):
    (tmp_path / "test_all.py").write_text(SUITE)
    lines = run(tmp_path, "-k", "lacks")
    assert "NOT TESTED: flying, without wings" in lines
    assert not any(line.startswith("passed") for line in lines)
