"""Tests that take long and run no line or branch that quicker tests don't: candidates for the marker `slow`.

python tools/redundant_tests.py JUNIT.xml [SECONDS]   # after `make redundant`, which measures; 0.5 seconds by default
"""

from __future__ import annotations

import sqlite3
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]


def arcs_of_tests(data: Path) -> dict[str, set[int]]:
    """The numbers of the arcs, from a line to the next, that each test function ran; "" has those outside of tests."""
    found: dict[str, set[int]] = defaultdict(set)
    numbers: dict[tuple[int, int, int], int] = {}
    with sqlite3.connect(data) as database:
        names = {key: _function(name) for key, name in database.execute("select id, context from context")}
        for context, *arc in database.execute("select context_id, file_id, fromno, tono from arc"):
            found[names[context]].add(numbers.setdefault(tuple(arc), len(numbers)))
    return found


def _function(context: str) -> str:
    """The test function of a context, as JUnit's reports name it: ``tests.test_one::test_it``."""
    path, _, rest = context.rpartition("|")[2].partition("[")[0].partition("::")
    *classes, name = rest.split("::")
    return "::".join([".".join([path.removesuffix(".py").replace("/", "."), *classes]), name]) if path else ""


def seconds_of_tests(report: Path) -> dict[str, float]:
    """The seconds of each test function, all of its cases together, by the name that `arcs_of_tests` uses."""
    seconds: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        module, name = case.get("classname", ""), case.get("name", "")
        seconds[f"{module}::{name.partition('[')[0]}"] += float(case.get("time", 0))
    return seconds


def redundant(arcs: dict[str, set[int]], seconds: dict[str, float], least: float) -> list[tuple[float, str]]:
    """The tests that can be left out, longest first, with their seconds.

    All tests under `least` seconds stay; of the others, the one that adds the most arcs a second stays, again and
    again, until none adds any (the greedy set cover of Chvátal, 1979).
    """
    covered = {arc for test, ran in arcs.items() if seconds.get(test, 0.0) < least for arc in ran}
    left = {test: ran - covered for test, ran in arcs.items() if seconds.get(test, 0.0) >= least}
    while any(left.values()):
        best = max(left, key=lambda test: len(left[test]) / seconds[test])
        covered = left.pop(best)
        left = {test: ran - covered for test, ran in left.items()}
    return sorted(((seconds[test], test) for test in left), reverse=True)


def main(report: str, least: str = "0.5") -> None:
    """Print the tests that can be left out."""
    arcs, seconds = arcs_of_tests(ROOT / ".coverage"), seconds_of_tests(Path(report))
    found = redundant(arcs, seconds, float(least))
    for duration, test in found:
        print(f"{duration:8.1f} s  {test}")
    print(f"{len(found)} of {len(seconds)} tests, {sum(duration for duration, _ in found):.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
