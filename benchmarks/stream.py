"""Training on a table larger than memory: how much memory it takes, and how quick it is beside training in memory.

    python benchmarks/stream.py                        # 2,000,000 rows of 50 columns, some minutes
    python benchmarks/stream.py --rows 50000000        # hours; 12 GB of Parquet and 16 GB of encoded rows

Rows of 40 numbers (some missing), 5 columns of 5 categories and 5 of up to 300 are generated as Parquet files of a
million rows. Each training is what `lamina train` does, from files to the report, in a process of its own, with preset
fast and without validation; memory is what that process and its reader have together, looked at every 20 ms (Linux
only). The speed is that of whole epochs after the first, in seconds and in seconds of processors, which other programs
on the machine disturb less. In memory the same is done with as many rows as --held says, before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from lamina.runs.data import Request, prepare
from lamina.runs.streamed import prepare_streamed
from lamina.runs.training import complete, train
from lamina.table.stream.memory import used_memory
from lamina.training.loop import Epoch, Loop, Observer
from lamina.training.run_folder import new_run

_FILE_ROWS = 1_000_000
MOST = 1 << 30
"""Bytes beside the interpreter that streaming may take, however many rows there are."""

LEAST = 0.8
"""The share of the rows a second of training in memory that streaming reaches."""


def generate(folder: Path, rows: int) -> None:
    """Write Parquet files; those that are there already stay."""
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, rows, _FILE_ROWS)):
        file = folder / f"rows-{number:03}.parquet"
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


class Marks(Observer):
    """Notes when epochs end: by the clock, and by the processors' time."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        self.ends.append((time.perf_counter(), time.process_time()))


def train_here(files: list[str], epochs: int, stream: bool) -> None:
    """What `lamina train` does, in this process; prints what came out as JSON."""
    request = Request(tuple(files), "y", preset="fast", validation="0", epochs=epochs, stream=stream)
    marks = Marks()
    with (
        tempfile.TemporaryDirectory(dir=Path(files[0]).parent) as out,
        new_run(Path(out, "run"), "y") as folder,
    ):
        with folder.scratch() as scratch, ExitStack() as stack:
            prepared = stack.enter_context(prepare_streamed(request, scratch)) if stream else prepare(request)
            trained = train(prepared, request, [marks])
            run = complete(prepared, trained, request, folder)
        wall, processors = np.diff(np.array(marks.ends), axis=0).min(axis=0)
    rows, loss = run.results["rows"]["training"], run.results["metrics"]["lamina"]["log_loss"]
    print(json.dumps({"rate": rows / wall, "by processors": rows / processors, "log_loss": loss}))


def trained(files: list[str], epochs: int, side: str) -> dict[str, float]:
    """What a training in a process of its own takes: bytes at the peak, seconds, and rows a second."""
    command = [sys.executable, "-W", "ignore", __file__, "--epochs", str(epochs), "--one", side, *files]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    peak = watched(process)
    assert process.stdout is not None
    return {**json.loads(process.stdout.read()), "peak": peak, "seconds": time.perf_counter() - start}


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
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--held", type=int, default=500_000, help="rows of the training in memory")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "lamina-stream"))
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        train_here(asked.one[1:], asked.epochs, asked.one[0] == "stream")
        return
    counts = {"memory": asked.held, "stream": asked.rows}
    folders = {side: asked.folder / f"{rows}" for side, rows in counts.items()}
    for side, rows in counts.items():
        generate(folders[side], rows)
    beside = watched(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"]))
    print(f"an interpreter alone: {beside >> 20} MiB")
    found: dict[str, list[dict[str, float]]] = {"memory": [], "stream": []}
    for side in ("memory", "stream", "memory"):
        one = trained([str(file) for file in sorted(folders[side].glob("*.parquet"))], asked.epochs, side)
        found[side].append(one)
        rates = f"{one['rate']:9,.0f} rows/s, {one['by processors']:9,.0f} by a processor"
        taken = (int(one["peak"]) - beside) >> 20
        rest = f"{one['seconds']:7.1f} s in all, {taken:6,} MiB, log-loss {one['log_loss']:.4f}"
        print(f"{side:8}{counts[side]:12,} rows: {rates}, {rest}", flush=True)
    for what in ("rate", "by processors"):
        ratio = found["stream"][0][what] / np.mean([one[what] for one in found["memory"]])
        print(f"{what}: {ratio:.2f} of that in memory (wanted: at least {LEAST})")
    print(
        f"memory: {(found['stream'][0]['peak'] - beside) / MOST:.2f} GiB beside the interpreter (wanted: at most 1)"
    )


if __name__ == "__main__":
    main()
