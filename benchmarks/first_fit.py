"""The first fits of a process on small tables, which are mostly compilation and Python.

    python benchmarks/first_fit.py                              # iris, wine, digits, diabetes; five rounds
    python benchmarks/first_fit.py --tables iris --beside ../older/src

A new process imports lamina and scikit-learn and loads the table. What is timed is ``fit`` alone, of preset `fast`:

* ``nothing``   the first fit, with an empty ``LAMINA_CACHE_DIR``
* ``on disk``   the first fit of a second process, which finds that one's machine code there
* ``again``     the second fit of that second process

Seconds of the clock and of the processor, all threads together, the median of the rounds. With ``--beside``, another
checkout takes turns with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

_TABLES = ("iris", "wine", "digits", "diabetes")
_KINDS = ("nothing", "on disk", "again")
_OWN = Path(__file__).resolve().parents[1] / "src"

Times = tuple[float, float]
"""Seconds of the clock, and of the processor."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default=",".join(_TABLES), help="some of " + ", ".join(_TABLES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="the sources of another checkout")
    parser.add_argument("--fit", choices=_TABLES, help=argparse.SUPPRESS)  # what each of the processes does
    arguments = parser.parse_args()
    if arguments.fit:
        print(json.dumps([_fitted(arguments.fit) for _ in range(2)]))
        return
    sources = [_OWN, *([arguments.beside.resolve()] if arguments.beside else [])]
    print("median seconds of the clock (of the processor)", *_KINDS, sep=" | ")
    with tempfile.TemporaryDirectory() as folder:
        for table in arguments.tables.split(","):
            rounds = [
                [_round(table, source, Path(folder)) for source in sources] for _ in range(arguments.rounds)
            ]
            for i, source in enumerate(sources):
                print(f"{table}, {source}", *_medians([one[i] for one in rounds]), sep=" | ", flush=True)


def _round(table: str, source: Path, folder: Path) -> list[Times]:
    """The times of each kind. Python's byte code is kept between rounds, as that of installed packages is."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        environment = {**os.environ, "PYTHONPATH": str(source), "LAMINA_CACHE_DIR": cache}
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, __file__, "--fit", table]
        first, second = [
            json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
            for _ in range(2)
        ]
    return [first[0], *second]


def _fitted(table: str) -> Times:
    """How long a fit takes."""
    from sklearn import datasets

    import lamina

    X, y = getattr(datasets, f"load_{table}")(return_X_y=True)
    estimator: Any = lamina.MLPRegressor if table == "diabetes" else lamina.MLPClassifier
    model = estimator(preset="fast", random_state=0)
    start, used = time.perf_counter(), time.process_time()
    model.fit(X, y)
    return time.perf_counter() - start, time.process_time() - used


def _medians(rounds: Sequence[Sequence[Times]]) -> list[str]:
    """Of each kind the medians, in words."""
    kinds = [[one[i] for one in rounds] for i in range(len(_KINDS))]
    middle = [[statistics.median(times) for times in zip(*kind, strict=True)] for kind in kinds]
    return [f"{seconds:.2f} ({used:.2f})" for seconds, used in middle]


if __name__ == "__main__":
    main()
