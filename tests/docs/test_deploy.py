"""docs/deploy.md: its programs run as they stand there, in this order, in one folder; its links lead somewhere."""

import re
from pathlib import Path

import pytest
from documents import programs, run_program

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
# That of the section on serving is run with servers' tests, tests/serve/test_documentation.py.
PROGRAMS = programs(DOCUMENT.read_text().partition("\n## Serving\n")[0])


@pytest.mark.slow
def test_the_programs_run(tmp_path):
    for program in PROGRAMS:
        run_program(program, tmp_path)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", DOCUMENT.read_text()):
        assert (DOCUMENT.parent / target).exists(), target
