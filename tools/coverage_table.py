"""Coverage of src by `make coverage`: lines and branches of each package, the least covered files, what is excluded.

python tools/coverage_table.py   # after `coverage combine`; exit 1 under 95 % of lines
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
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


def percent_of_lines(totals: dict[str, int]) -> float:
    """Of what can be run, what was."""
    return 100 * totals["covered_lines"] / (totals["num_statements"] or 1)


def percent_of_branches(totals: dict[str, int]) -> float:
    """Of the ways out of conditions, those that were taken."""
    return 100 * totals["covered_branches"] / (totals["num_branches"] or 1)


def packages(found: dict[str, Any]) -> dict[str, Counter[str]]:
    """What is counted in the files of each package: the folders below `lamina`, and its own modules."""
    counted: dict[str, Counter[str]] = {}
    for name, file in found["files"].items():
        below = Path(name).parts[Path(name).parts.index("lamina") + 1 :] if "lamina" in name else (name,)
        counted.setdefault(below[0] if len(below) > 1 else "lamina", Counter()).update(file["summary"])
    return dict(sorted(counted.items()))


def table(found: dict[str, Any]) -> list[str]:
    """Both shares of each package, the files with most lines that were not run, both shares, and what is excluded."""
    totals = found["totals"]
    missing = {name: file["summary"]["missing_lines"] for name, file in found["files"].items()}
    most = sorted((name for name in missing if missing[name]), key=lambda name: -missing[name])[:SHOWN]
    rows = [
        (
            name,
            f"{percent_of_lines(counts):5.1f} % of lines  {percent_of_branches(counts):5.1f} % of branches",
        )
        for name, counts in packages(found).items()
    ]
    rows += [(f"{missing[name]}", f"lines not run in {name}") for name in most]
    rows += [("lines", f"{percent_of_lines(totals):.1f} % of {totals['num_statements']:,}")]
    rows += [("branches", f"{percent_of_branches(totals):.1f} % of {totals['num_branches']:,}")]
    rows += [("excluded", line) for line in excluded()]
    return [f"{name:>13}  {value}" for name, value in rows]


def main() -> int:
    found = measured(ROOT)
    print("\n".join(table(found)))
    if percent_of_lines(found["totals"]) < LEAST:
        print(f"coverage: under {LEAST:.0f} % of lines")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
