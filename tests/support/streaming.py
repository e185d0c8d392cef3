"""Trains on tables that are streamed, and prints the most memory that each took, of its reader too, in bytes.

Run as a program, with a folder. First `lamina train` with a Parquet file, then an estimator with a few and with many
rows. What is kept of a table, whatever its size, is made small for these, so that a table need not be large to be
larger than that.
"""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

from lamina import MLPRegressor
from lamina.cli import main
from lamina.table.stream import cache, statistics, survey
from lamina.table.stream.memory import used_memory

COLUMNS = 12
peaks = [0]


def watch() -> None:
    while True:
        peaks[-1] = max(peaks[-1], used_memory())
        time.sleep(0.005)


class Rows:
    """So many rows, which are made when they are asked for."""

    batch_size = 20_000

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: slice) -> np.ndarray:
        shape = (rows.stop - rows.start, COLUMNS)
        return np.random.default_rng(rows.start).random(shape, np.float32)


def fit(rows: int) -> None:
    quick = {"preset": "fast", "hidden_layer_sizes": (4,), "number_embedding": False, "max_iter": 1}
    y = np.zeros(rows, np.float32)
    y[::2] = 1
    MLPRegressor(**quick, batch_size=8192, random_state=0).fit(Rows(rows), y)


def train(folder: Path) -> None:
    frame = pl.DataFrame(Rows(100_000)[0:100_000], schema=[f"x{i}" for i in range(COLUMNS)])
    frame.with_columns(y=frame["x0"] + frame["x1"]).write_parquet(
        folder / "rows.parquet", row_group_size=20_000
    )
    quick = ["--preset", "fast", "--hidden", "4", "--epochs", "1", "--stream", "--memory", "1G", "--quiet"]
    try:
        main(["train", str(folder / "rows.parquet"), "-t", "y", *quick, "-o", str(folder / "run")])
    except SystemExit as ended:
        assert not ended.code


if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    train(Path(sys.argv[1]))
    cache._WINDOW_BYTES = statistics._SAMPLE_BYTES = 1 << 20
    survey.MOST_HELD = 1 << 12
    fit(60_000)  # which compiles
    for rows in (60_000, 800_000):
        peaks.append(0)
        fit(rows)
    print(*peaks)
