"""What a stream loses to a table in memory: raw tables, preset fast, paired seeds.

    python benchmarks/stream_tables.py --out streams.jsonl --seeds 2             # the visible tables of raw_sources.py
    python benchmarks/stream_tables.py --out streams.jsonl --tables films,courses

The packages are those of `raw_tables.py`. Both sides train on the same rows and are judged on the same others: R², AUC
(two classes) or accuracy. A file of lines that exists is gone on from; `--name` tells versions of lamina apart in it.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from paired import measured
from raw_sources import RAW, is_sealed
from raw_tables import scores, split

import lamina

_MOST_ROWS = 6000
_TARGET = "target of the table"


@cache
def _frame(name: str) -> Any:
    return RAW[name].frame(_MOST_ROWS)


def measure(key: dict[str, Any], preset: str) -> Iterator[dict[str, Any]]:
    """The scores of both sides on a table, with a seed."""
    raw = RAW[key["table"]]
    one = split(key["table"], *_frame(key["table"]), raw.is_classification, key["seed"])
    train = pl.read_csv(io.StringIO(one.X.to_csv(index=False)), infer_schema_length=None)
    fits = {
        "memory": lambda model: model.fit(train, one.y),
        "stream": lambda model: model.fit(train.with_columns(pl.Series(_TARGET, one.y)).lazy(), _TARGET),
    }
    kind: Any = lamina.MLPClassifier if raw.is_classification else lamina.MLPRegressor
    for side, fit in fits.items():
        with warnings.catch_warnings(action="ignore"):
            began = time.process_time()
            model = fit(kind(preset=preset, random_state=key["seed"]))
            seconds = time.process_time() - began
            yield {**key, "side": side, "seconds": seconds, **scores(model, one)}


def summary(lines: list[dict[str, Any]], name: str) -> str:
    """The scores of both sides, and the paired difference with its standard error."""
    found, differences = [], []
    of = {(x["table"], x["seed"], x["side"]): x["score"] for x in lines if x["name"] == name}
    for table in sorted({key[0] for key in of}):
        seeds = sorted({key[1] for key in of if key[0] == table and (table, key[1], "stream") in of})
        pairs = np.array([[of[table, seed, side] for side in ("memory", "stream")] for seed in seeds])
        if not len(pairs):
            continue
        difference = pairs[:, 1] - pairs[:, 0]
        error = difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else float("nan")
        memory, stream = pairs.mean(axis=0)
        found.append(f"{table:20}{memory:8.3f}{stream:8.3f}{difference.mean():+8.3f} ± {error:.3f}")
        differences.append(difference.mean())
    mean, error = np.mean(differences), np.std(differences, ddof=1) / len(differences) ** 0.5
    return "\n".join([*found, f"{'mean':36}{mean:+8.3f} ± {error:.3f}"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("streams.jsonl"))
    parser.add_argument("--tables")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--name", default="now")
    options = parser.parse_args()
    names = options.tables.split(",") if options.tables else [name for name in RAW if not is_sealed(name)]
    keys = [
        {"table": name, "seed": seed, "name": options.name} for seed in range(options.seeds) for name in names
    ]
    lines = measured(options.out, keys, lambda key: measure(key, options.preset))
    print(summary(lines, options.name))


if __name__ == "__main__":
    main()
