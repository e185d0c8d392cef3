"""Example rows of a run's table for trying the network: ``examples.jsonl`` in the run's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.runs.data import Part, known_rows
from lamina.support.lazily import pl
from lamina.table.check import check
from lamina.table.columns import named
from lamina.table.schema import Schema
from lamina.table.types import Composite, Number

EXAMPLES = "examples.jsonl"
"""One JSON object per row, with the network's columns and the target."""

_COUNT = 6
_MOST_BYTES = 1 << 24


def example_rows(schema: Schema, part: Part) -> pl.DataFrame:
    """Select a few rows with different targets, as examples of the model's input.

    For classification, the classes take turns; for regression, the targets are evenly spaced in sorted order. Ignored
    columns, such as ids, are left out.
    """
    assert schema.target is not None
    part = known_rows(part)
    order = np.argsort(part.target, kind="stable")
    if schema.target.task == "classification":
        order = _in_turn(part.target, order)[:_COUNT]
    else:
        order = order[((np.arange(_COUNT) + 0.5) / _COUNT * len(order)).astype(int)] if len(order) else order
    names = [*(column.name for column in schema.used), schema.target.name]
    return _in_numbers(schema, part.frame[list(dict.fromkeys(order.tolist()))].select(named(names)))


def _in_numbers(schema: Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Convert times, durations and dates to numbers, since JSON lacks these types."""
    names = {one.name for one in schema.used if not isinstance(one.type, Composite) or one.type.derives}
    quantities = [one.name for one in schema.quantities if not isinstance(one.type, Number)]
    timed = [name for name in quantities if name in names]
    if not timed:
        return frame
    table = check(schema, frame)
    numbers = [pl.Series(name, table.column(name).numbers(), pl.Float64, nan_to_null=True) for name in timed]
    return frame.with_columns(numbers)


def _in_turn(target: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Interleave row positions that are sorted by class, so that the classes alternate."""
    classes = target[order]
    starts = np.searchsorted(classes, classes)
    return order[np.argsort(np.arange(len(order)) - starts, kind="stable")]


def read_examples(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a run's example rows; empty if the file is missing.

    Users may have edited the file.

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: the file is invalid.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    file = folder / EXAMPLES
    if not file.is_file():
        return []
    if file.stat().st_size > _MOST_BYTES:
        raise DataError(f"{file} has more than {_MOST_BYTES:,} bytes; keep only a few example rows in it")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{file}: line {number} is not a JSON object, as every row must be")
        rows.append(cast("dict[str, Any]", row))
    return rows
