"""What experiments on quality share: tables by name, one split each, results in a file, paired differences.

The tables are those of `kinds_of_tables.py`; adult and california come from CSV files.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kinds_of_tables import table
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

__all__ = ["Split", "arguments", "loss_of", "measured", "measured_on_tables", "split", "summary"]


@dataclass(frozen=True)
class Split:
    """A table's rows for training and for testing."""

    name: str
    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    is_classification: bool


def split(name: str, folder: Path = Path(), seed: int = 0) -> Split:
    """A table by its name, 20 % of its rows for testing, drawn with the seed."""
    X, y, is_classification = table(name, folder)
    stratify = y if is_classification else None
    rows, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed, stratify=stratify)
    X, X_test = X.iloc[rows].reset_index(drop=True), X.iloc[test].reset_index(drop=True)
    return Split(name, X, y[rows], X_test, y[test], is_classification)


def loss_of(one: Split, predicted: np.ndarray, classes: np.ndarray | None = None) -> float:
    """RMSE of predictions, or log-loss of probabilities, on the rows for testing."""
    if not one.is_classification:
        return float(np.sqrt(np.mean((predicted - one.y_test) ** 2)))
    p = np.asarray(predicted, float)
    return float(log_loss(one.y_test, p / p.sum(axis=1, keepdims=True), labels=classes))


def measured(
    out: Path, keys: Iterable[dict[str, Any]], measure: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """All lines of the file `out`, after what is missing of `keys` has been measured: each gives some lines."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    for key in keys:
        if any(all(line.get(name) == value for name, value in key.items()) for line in lines):
            continue
        for found in measure(key):
            lines.append(key | found)
            with out.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(json.dumps(lines[-1]), flush=True)
    return lines


def arguments(description: str, tables: Iterable[str], out: str, seeds: int = 3) -> argparse.ArgumentParser:
    """What experiments are told: on which tables, with which preset, how often, and where lines are kept."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--tables", default=",".join(tables))
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def measured_on_tables(
    options: argparse.Namespace, measure: Callable[[Split, str, int], Iterable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The lines of a preset, on all tables and seeds that `options` name, by ``measure(table, preset, seed)``."""
    lines: list[dict[str, Any]] = []
    for name in options.tables.split(","):
        one = split(name, options.folder)
        keys = [{"table": name, "preset": options.preset, "seed": seed} for seed in range(options.seeds)]
        lines = measured(options.out, keys, lambda key, one=one: measure(one, key["preset"], key["seed"]))
    return [line for line in lines if line["preset"] == options.preset]


def summary(lines: Sequence[dict[str, Any]], variants: Sequence[str], value: str = "loss") -> str:
    """A Markdown table: for each table the first variant's mean, and by how many per cent others are above it (±
    standard error over the seeds); at the end the mean over tables (± standard error over them), and on how many a
    variant is better, and over 1 % worse."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in lines:
        found.setdefault(line["table"], {}).setdefault(line["variant"], {})[line["seed"]] = line[value]
    first, *others = variants
    rows = [f"| table | {' | '.join(variants)} |", "|---" * (len(variants) + 1) + "|"]
    pairs: dict[str, list[list[float]]] = {name: [] for name in others}
    for of_table, losses in found.items():
        base = losses.get(first, {})
        cells = [f"{np.mean(list(base.values())):,.4g}" if base else ""]
        for name in others:
            logs = [math.log(x / base[seed]) for seed, x in losses.get(name, {}).items() if seed in base]
            cells.append(_percent(logs))
            pairs[name] += [logs] if logs else []
        rows.append(f"| {of_table} | {' | '.join(cells)} |")
    means = {name: [float(np.mean(logs)) for logs in tables] for name, tables in pairs.items()}
    better = [f"{sum(x < 0 for x in means[name])} of {len(means[name])}" for name in others]
    worse = [f"{sum(map(_is_worse, pairs[name]))} of {len(pairs[name])}" for name in others]
    rows.append(f"| mean | | {' | '.join(_percent(means[name]) for name in others)} |")
    rows.append(f"| better | | {' | '.join(better)} |")
    rows.append(f"| over 1 % worse | | {' | '.join(worse)} |")
    return "\n".join(rows)


def _is_worse(logs: Sequence[float]) -> bool:
    """Whether a loss is over 1 % above the other, and by more than two standard errors."""
    error = np.std(logs, ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0
    return float(np.mean(logs)) > 0.01 + 2 * error


def _percent(logs: Sequence[float]) -> str:
    if not logs:
        return ""
    mean = 100 * float(np.mean(logs))
    error = f" ± {100 * np.std(logs, ddof=1) / math.sqrt(len(logs)):.1f}" if len(logs) > 1 else ""
    return f"{mean:+.1f}{error} %"
