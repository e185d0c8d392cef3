"""Training on a table larger than memory: how much memory it takes, and how quick it is beside training in memory.

    python benchmarks/stream.py                        # 4,000,000 rows of 50 columns, some minutes
    python benchmarks/stream.py --rows 50000000        # some hours, 12 GB of Parquet and 16 GB of encoded rows

Rows of 40 numbers (some missing), 5 columns of 5 categories and 5 of up to 300 are generated as Parquet files of a
million rows. `lamina train` streams them in a process of its own, with preset fast; memory is what that process and
its reader have together, looked at every 20 ms (`VmRSS`, so Linux only). The speed is that of whole epochs: training
rows by the time between the lines of metrics.jsonl. In memory the same is done with as many rows as --held says, before
and after, since machines differ from minute to minute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamina.table.stream.memory import used_memory

_FILE_ROWS = 1_000_000
MOST = 1 << 30
"""Bytes beside the interpreter that streaming may take, however many rows there are."""

LEAST = 0.8
"""The share of the rows a second of training in memory that streaming reaches."""


def generate(folder: Path, rows: int, first: int = 0) -> None:
    """Write Parquet files; those that are there already stay."""
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, rows, _FILE_ROWS)):
        file = folder / f"rows-{first + number:03}.parquet"
        if not file.exists():
            frame = pl.DataFrame(_columns(min(_FILE_ROWS, rows - start), np.random.default_rng(number)))
            frame.write_parquet(file.with_suffix(".part"), row_group_size=100_000)
            os.replace(file.with_suffix(".part"), file)


def _columns(rows: int, rng: np.random.Generator) -> dict[str, Any]:
    import polars as pl

    columns: dict[str, Any] = {}
    for j in range(40):
        values = pl.Series(rng.normal(size=rows).astype(np.float64 if j % 2 else np.float32))
        columns[f"n{j}"] = values if j % 4 else values.set(pl.Series(rng.random(rows) < 0.02), None)
    for j in range(5):
        columns[f"c{j}"] = "level " + pl.Series(rng.integers(0, 5, rows)).cast(pl.String)
        columns[f"h{j}"] = "code " + pl.Series(rng.zipf(1.3, rows) % 300).cast(pl.String)
    score = columns["n1"] + columns["n3"] * columns["n5"] + pl.Series(rng.normal(size=rows))
    columns["y"] = pl.Series(np.where(score > 0, "yes", "no"))
    return columns


def trained(files: list[str], epochs: int, *options: str) -> dict[str, float]:
    """What a training in a process of its own takes: bytes at the peak, seconds, and rows a second of the best epoch."""
    with tempfile.TemporaryDirectory(dir=Path(files[0]).parent) as out:
        asked = ["--preset", "fast", "--validation", "0", "--epochs", str(epochs), "--quiet", "--json"]
        command = [
            sys.executable,
            "-m",
            "lamina",
            "train",
            *files,
            "-t",
            "y",
            *asked,
            *options,
            "-o",
            f"{out}/run",
        ]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        peak = watched(process)
        assert process.stdout is not None
        results = json.loads(process.stdout.read())
        lines = Path(out, "run/metrics.jsonl").read_text().splitlines()
        ends = [json.loads(line)["seconds"] for line in lines]
        rate = results["rows"]["training"] / np.diff(ends).min()
        return {
            "peak": peak,
            "seconds": time.perf_counter() - start,
            "rate": rate,
            "log_loss": results["metrics"]["lamina"]["log_loss"],
        }


def watched(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a process and its children have until it ends."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, used_memory(process.pid))
        time.sleep(0.02)
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--held", type=int, default=500_000, help="rows of the training in memory")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "lamina-stream"))
    asked = parser.parse_args()
    generate(asked.folder / "all", asked.rows)
    generate(asked.folder / f"held-{asked.held}", asked.held)
    held, whole = (
        [str(f) for f in sorted((asked.folder / name).glob("*.parquet"))]
        for name in (f"held-{asked.held}", "all")
    )
    interpreter = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    beside = watched(interpreter)
    print(f"an interpreter alone: {beside >> 20} MiB")
    results: dict[str, list[dict[str, float]]] = {"memory": [], "stream": []}
    for side in ("memory", "stream", "memory"):
        files, options = (whole, ["--stream"]) if side == "stream" else (held, ["--memory", "1T"])
        found = trained(files, asked.epochs + 3 * (side == "memory"), *options)
        results[side].append(found)
        print(
            f"{side:8}{asked.rows if side == 'stream' else asked.held:12,} rows: {found['rate']:10,.0f} rows/s in epochs, "
            f"{found['seconds']:8.1f} s in all, {(int(found['peak']) - beside) >> 20:6,} MiB beside the interpreter, "
            f"log-loss {found['log_loss']:.4f}",
            flush=True,
        )
    ratio = results["stream"][0]["rate"] / np.mean([found["rate"] for found in results["memory"]])
    taken = results["stream"][0]["peak"] - beside
    print(
        f"streaming: {ratio:.2f} of the rows a second in memory (at least {LEAST}), {taken / MOST:.2f} GiB (at most 1)"
    )


if __name__ == "__main__":
    main()
