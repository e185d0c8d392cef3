"""What `make coverage` says at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PROGRAM = """
for i in range(3):
    if i == 5:
        print("never")
"""


@pytest.mark.untraced
def test_lines_branches_and_what_is_excluded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    import coverage_table

    program = Path("lamina/part/program.py")
    (tmp_path / program).parent.mkdir(parents=True)
    (tmp_path / program).write_text(PROGRAM)
    command = [sys.executable, "-m", "coverage", "run", "--branch", program]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = coverage_table.measured(tmp_path)
    assert coverage_table.percent_of_lines(found["totals"]) == pytest.approx(100 * 2 / 3)
    rows = [line.strip() for line in coverage_table.table(found)]
    assert rows[:4] == [
        "part   66.7 % of lines   75.0 % of branches",
        f"1  lines not run in {program}",
        "lines  66.7 % of 3",
        "branches  75.0 % of 4",
    ]
    assert [row.split("  # ")[1] for row in rows[4:]] == [
        "for type checkers alone",
        "declarations of protocols and overloads",
    ]
