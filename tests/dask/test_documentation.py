"""docs/scale.md, "Clusters": its programs run as they stand there; its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
SECTION = DOCUMENT.read_text().partition("\n## Clusters\n")[2].partition("\n## ")[0]
PROGRAMS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.slow  # each starts workers of its own, which the tests beside share
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs(tmp_path, number):
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[number])
    # Dask says, as a warning, that the port of its dashboard is taken.
    command = [sys.executable, "-W", "ignore::UserWarning", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere():
    assert len(PROGRAMS) == 2
    for target in re.findall(r"\]\(([^)#:]+)\)", SECTION):
        assert (DOCUMENT.parent / target).exists(), target
