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


def measured() -> dict[str, Any]:
    """What coverage.py reports."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, check=True, cwd=ROOT)
        return json.loads(report.read_text())


def excluded() -> list[str]:
    """The patterns of lines that are not counted, each with its reason, as pyproject.toml has them."""
    _, _, after = (ROOT / "pyproject.toml").read_text().partition("exclude_also = [\n")
    return [line.strip() for line in after.partition("\n]")[0].splitlines()]


def main() -> int:
    found = measured()
    totals = found["totals"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    missing = sorted(found["files"].items(), key=lambda item: -item[1]["summary"]["missing_lines"])
    for name, file in missing[:SHOWN]:
        summary = file["summary"]
        if summary["missing_lines"]:
            print(f"{summary['missing_lines']:>13}  lines of {summary['num_statements']:,} not run in {name}")
    print(f"{'lines':>13}  {lines:.1f} % of {totals['num_statements']:,}")
    print(f"{'branches':>13}  {branches:.1f} % of {totals['num_branches']:,}")
    for line in excluded():
        print(f"{'excluded':>13}  {line}")
    if lines < LEAST:
        print(f"coverage: under {LEAST:.0f} % of lines")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
