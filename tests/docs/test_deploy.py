"""docs/deploy.md: its programs run as they stand there, in this order, in one folder; its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
# That of the section on serving is run with servers' tests, tests/serve/test_documentation.py.
PROGRAMS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text().partition("\n## Serving\n")[0], re.DOTALL)
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # several wait for each other on a busy machine


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("deploy")


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs(folder, number):
    command = [sys.executable, "-W", "error", "-c", PROGRAMS[number]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ONE_THREAD, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", DOCUMENT.read_text()):
        assert (DOCUMENT.parent / target).exists(), target
