"""How much memory the training on a table in memory takes, beside the table: the peak in a process of its own.

    python benchmarks/memory.py                      # 1,000,000 rows of 50 numbers, about half an hour
    python benchmarks/memory.py --rows 200000        # quicker; the compiler's share weighs more

Counted is what the process's peak (``VmHWM`` of ``/proc/self/status``, so Linux only) is above its memory after the
imports and the making of the table: the compiler and the network too, but not the pages of libraries' files that came
into use meanwhile (``RssFile``), which all processes share: of LLVM's, 40 MiB where the code is on disk already, 70
where it is compiled. The unit is the table's encoded size: 4 bytes for each number, 4 for each category.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MOST = 1.5
"""Times the encoded size: what training may take."""

_BLOCK = 10_000


def _numbers(rows: int, columns: int, dtype: Any = np.float32, order: Any = "C") -> np.ndarray:
    rng = np.random.default_rng(0)
    table = np.empty((rows, columns), dtype, order)
    for begin in range(0, rows, _BLOCK):
        part = table[begin : begin + _BLOCK]
        part[:] = 255 * rng.random(part.shape) if dtype == np.uint8 else rng.normal(size=part.shape)
    return table


def _columns(rows: int, columns: int) -> dict[str, np.ndarray]:
    """As many columns as asked for, a tenth of them categories."""
    rng = np.random.default_rng(0)
    names = np.array([f"value {i}" for i in range(20)])
    few = columns // 10
    table = {f"category {i}": names[rng.integers(20, size=rows)] for i in range(few)}
    return table | {f"number {i}": rng.normal(size=rows).astype(np.float32) for i in range(columns - few)}


def _pandas(rows: int, columns: int) -> Any:
    import pandas

    return pandas.DataFrame(_columns(rows, columns), copy=False)


def _polars(rows: int, columns: int) -> Any:
    import polars

    return polars.DataFrame(_columns(rows, columns))


def _sparse(rows: int, columns: int) -> Any:
    import scipy.sparse

    return scipy.sparse.random(rows, columns, 0.1, "csr", np.float32, 0)


TABLES: dict[str, Callable[[int, int], Any]] = {
    "float32": _numbers,
    "float64": lambda rows, columns: _numbers(rows, columns, np.float64),
    "uint8": lambda rows, columns: _numbers(rows, columns, np.uint8),
    "by column": lambda rows, columns: _numbers(rows, columns, order="F"),
    "sparse": _sparse,
    "pandas": _pandas,
    "polars": _polars,
}


def _status(field: str) -> int:
    """A size in bytes from /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def measure(name: str, preset: str, task: str, rows: int, columns: int) -> tuple[float, float]:
    """Train in this process; the memory taken, and of libraries' pages, in encoded sizes."""
    from lamina import MLPClassifier, MLPRegressor

    table = TABLES[name](rows, columns)
    y = np.random.default_rng(1).integers(2, size=rows)
    kind: Any = MLPRegressor if task == "regression" else MLPClassifier
    model = kind(preset=preset, hidden_layer_sizes=(32,), max_iter=2, random_state=0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, pages = _status("VmRSS"), _status("RssFile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are not enough to converge
        model.fit(table, y)
    unit, pages = 4 * rows * columns, _status("RssFile") - pages
    return (_status("VmHWM") - before - pages) / unit, pages / unit


def main() -> int:
    """Measure each kind of table with each preset, each in a process of its own; 1 if one takes too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--tables", default=",".join(TABLES), help="some of them, with commas")
    parser.add_argument("--presets", default="default,fast", help="with commas")
    parser.add_argument("--tasks", default="classification,regression", help="with commas")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = [text.split(",") for text in (given.tables, given.presets, given.tasks)]
    if given.here:
        print(*measure(*(names[0] for names in chosen), given.rows, given.columns))
        return 0
    size = 4 * given.rows * given.columns
    print(
        f"{given.rows:,} rows × {given.columns} columns: {size / 2**20:.0f} MiB encoded; at most {MOST} of that"
    )
    worst = 0.0
    for name, preset, task in itertools.product(*chosen):
        options = [f"--tables={name}", f"--presets={preset}", f"--tasks={task}"]
        options += [f"--rows={given.rows}", f"--columns={given.columns}"]
        command = [sys.executable, os.fspath(Path(__file__)), *options, "--here"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        share, pages = map(float, printed.split())
        libraries = f"beside {pages * size / 2**20:.0f} MiB of libraries"
        print(
            f"{name:>10}, preset {preset:<8} {task:<15} {share:.2f} = {share * size / 2**20:,.0f} MiB, {libraries}",
            flush=True,
        )
        worst = max(worst, share)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
