"""Coverage of src by `make coverage`: lines and branches, the least covered files, what is excluded and why.

python tools/coverage_table.py   # after `coverage combine`; exit 1 under 95 % of lines
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LEAST = 95.0
"""Percent of lines."""
SHOWN = 20


def measured(folder: Path) -> dict[str, Any]:
    """What coverage.py reports of the data in a folder."""
    with tempfile.TemporaryDirectory() as made:
        report = Path(made) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, check=True, cwd=folder)
        return json.loads(report.read_text())


def excluded() -> list[str]:
    """The patterns of lines that are not counted, each with its reason, as pyproject.toml has them."""
    _, _, after = (ROOT / "pyproject.toml").read_text().partition("exclude_also = [\n")
    return [line.strip() for line in after.partition("\n]")[0].splitlines()]


def percent_of_lines(found: dict[str, Any]) -> float:
    """Of what can be run, what was."""
    return 100 * found["totals"]["covered_lines"] / found["totals"]["num_statements"]


def table(found: dict[str, Any]) -> list[str]:
    """The files with most lines that were not run, both shares, and what is excluded."""
    totals = found["totals"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    missing = {name: file["summary"]["missing_lines"] for name, file in found["files"].items()}
    most = sorted((name for name in missing if missing[name]), key=lambda name: -missing[name])[:SHOWN]
    rows = [(f"{missing[name]}", f"lines not run in {name}") for name in most]
    rows += [("lines", f"{percent_of_lines(found):.1f} % of {totals['num_statements']:,}")]
    rows += [("branches", f"{branches:.1f} % of {totals['num_branches']:,}")]
    rows += [("excluded", line) for line in excluded()]
    return [f"{name:>13}  {value}" for name, value in rows]


def main() -> int:
    found = measured(ROOT)
    print("\n".join(table(found)))
    if percent_of_lines(found) < LEAST:
        print(f"coverage: under {LEAST:.0f} % of lines")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
