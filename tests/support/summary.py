"""What a run of the tests says at its end, in one table: results, why tests were skipped, the slowest ones; below it,
a line for each thing that was not tested since the machine lacks it (skips whose reason begins with ``NOT TESTED:``).

A plugin of pytest's: `tests/conftest.py` registers it. ``SLOWEST=100`` in the environment lists as many as that.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

__all__ = ["pytest_terminal_summary"]

_SLOWEST = 10
_LACKING = "NOT TESTED: "
_RESULTS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, where several tests were run."""
    reports = terminalreporter.stats
    skipped = Counter(map(_reason, reports.get("skipped", ())))
    terminalreporter.write_line("")
    for name, value in _table(reports, skipped):
        terminalreporter.write_line(f"{name:>13}  {value}")
    for reason in sorted(filter(_is_lack, skipped)):
        terminalreporter.write_line(reason)


def _table(reports: dict[str, list[Any]], skipped: Counter[str]) -> list[tuple[str, str]]:
    counts = {result: len(reports.get(result, ())) for result in _RESULTS}
    if sum(counts.values()) < _SLOWEST:
        return []
    lines = [(result, f"{n:,}") for result, n in counts.items() if n or result in ("passed", "failed")]
    lines += [
        ("skipped since", f"{reason} ({n:,})") for reason, n in skipped.most_common() if not _is_lack(reason)
    ]
    slowest = _slowest(reports, int(os.environ.get("SLOWEST", _SLOWEST)))
    return lines + [(f"{seconds:.1f} s", test) for seconds, test in slowest]


def _is_lack(reason: str) -> bool:
    return reason.startswith(_LACKING)


def _reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix(
        "Skipped: "
    )


def _slowest(reports: dict[str, list[Any]], count: int) -> Iterator[tuple[float, str]]:
    """The tests that took longest, with what was set up for them."""
    seconds: Counter[str] = Counter()
    for report in (report for of_result in reports.values() for report in of_result):
        if hasattr(report, "duration") and hasattr(report, "nodeid"):
            seconds[report.nodeid] += report.duration
    yield from ((duration, test) for test, duration in seconds.most_common(count))
