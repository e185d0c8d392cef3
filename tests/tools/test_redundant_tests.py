"""The list of tests that add no line or branch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """
import subprocess, sys, time
import pytest
from package import first, second

def test_quick():
    assert first(1) == 1

def test_long_and_like_the_quick_one():
    time.sleep(0.3)
    assert first(2) == 2

@pytest.mark.parametrize("x", [1, 2])
def test_long_and_alone(x):
    time.sleep(0.2)
    program = f"from package import second; second({x})"
    subprocess.run([sys.executable, "-c", program], check=True)
"""
PACKAGE = """
def first(x):
    return x

def second(x):
    return 2 * x
"""


@pytest.mark.untraced
def test_what_a_quicker_test_runs_too_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import redundant_tests

    (tmp_path / "package.py").write_text(PACKAGE)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text("from contexts import pytest_runtest_protocol\n")
    text = (ROOT / "pyproject.toml").read_text()
    section = text[text.index("[tool.coverage.run]") : text.index("[tool.coverage.report]")]
    (tmp_path / "pyproject.toml").write_text(section.replace("lamina", "package"))
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "LAMINA_CONTEXTS": "1"}
    coverage = [sys.executable, "-m", "coverage"]
    suite = [
        *coverage,
        "run",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--junitxml=times.xml",
        "test_suite.py",
    ]
    for command in (suite, [*coverage, "combine", "--quiet"]):
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    arcs = redundant_tests.arcs_of_tests(tmp_path / ".coverage")
    seconds = redundant_tests.seconds_of_tests(tmp_path / "times.xml")
    found = redundant_tests.redundant(arcs, seconds, 0.1)
    assert [test for _, test in found] == ["test_suite::test_long_and_like_the_quick_one"]
    assert redundant_tests.redundant(arcs, seconds, 10) == []
