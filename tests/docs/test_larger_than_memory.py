"""docs/scale.md, on tables larger than memory: its program runs, its command trains, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import programs, run_program

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
SECTION = DOCUMENT.read_text().partition("## Larger than memory\n")[2].partition("\n## ")[0]


@pytest.mark.slow
def test_the_program_runs_and_the_command_trains_on_its_files(tmp_path):
    (program,) = programs(SECTION)
    assert "random_state=0).fit(rows" in program
    run_program(program.replace("random_state=0).fit(rows", "random_state=0, max_iter=3).fit(rows"), tmp_path)
    (command,) = re.findall(r"\$ lamina (train .*)", SECTION)
    os.mkdir(tmp_path / "rows")
    for file in tmp_path.glob("rows-*.parquet"):
        file.rename(tmp_path / "rows" / file.name)
    # In a process of its own: the memory that --memory speaks of is the whole process's.
    words = [*command.replace("'", "").split(), "--stream", "--preset", "fast", "--epochs", "1", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "lamina", *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", SECTION):
        assert (DOCUMENT.parent / target).exists(), target
