"""The two passes over a streamed table: one that looks it over, and one that encodes it into a cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import as_column, named
from lamina.table.encode import TableEncoder
from lamina.table.messages import counted, rows_from, warn
from lamina.table.schema import Schema, Task
from lamina.table.stream.cache import CacheWriter, Layout, RowCache, ShuffledWriter
from lamina.table.stream.keys import row_keys
from lamina.table.stream.memory import in_words
from lamina.table.stream.sources import Blocks
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import Choice

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MOST_HELD",
    "Division",
    "Rows",
    "Survey",
    "encode_rows",
    "encoded_block",
    "fitted_encoder",
    "look_over",
]

MOST_HELD = 1 << 16
"""Rows that validate, and that test, at most: they are in memory, and judge to a fraction of a percent."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a table in memory: the columns, the target's too, and their numbers in the table."""

    frame: pl.DataFrame
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Division:
    """How a streamed table is divided.

    Attributes:
        validation, test: rows that are held back.
        sample: some of the rows that train, at random.
        training: how many rows train.
        above: the keys of the rows that train are above this number, −1 for all.
        seed: of the keys.
    """

    validation: Rows
    test: Rows
    sample: Rows
    training: int
    above: int
    seed: int


@dataclass(frozen=True)
class Survey:
    """What the first pass found out.

    Attributes:
        statistics: of all rows.
        schema: what the columns are, and the target.
        seed: of the sample, and of what is divided.
    """

    statistics: TableStatistics
    schema: Schema
    seed: int

    def divided(self, validation: float, test: float = 0.0) -> Division:
        """Hold back these shares of the rows, at most 65,536 for each: the rows with the lowest keys.

        Can be called once: the sample goes into the division.

        Raises:
            DataError: no row is left to train on.
        """
        if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
            raise DataError(
                f"validation ({validation}) and test ({test}) are shares of the rows; they and their sum must be "
                "at least 0 and less than 1"
            )
        rows = self.statistics.rows
        frame, numbers, keys = self.statistics.sample.rows()
        most = min(MOST_HELD, len(keys) * 2 // 5)
        counts = [min(round(share * rows), most) for share in (test, validation)]
        ends = [0, counts[0], sum(counts), len(keys)]
        parts = [self._some(frame, numbers, begin, end) for begin, end in pairwise(ends)]
        held = sum(counts)
        above = int(keys[held - 1]) if held else -1
        self.statistics.sample.forget()
        return Division(parts[1], parts[0], parts[2], rows - held, above, self.seed)

    @staticmethod
    def _some(frame: pl.DataFrame, numbers: np.ndarray, begin: int, end: int) -> Rows:
        order = begin + np.argsort(numbers[begin:end])
        return Rows(frame[order], numbers[order])


def look_over(
    blocks: Blocks,
    target: str | None,
    *,
    task: Task | None = None,
    kinds: Mapping[str, Choice] | None = None,
    dates: str | None = None,
    seed: int = 0,
) -> Survey:
    """The first pass.

    Raises:
        DataError: as `lamina.table.kinds.infer`, of the whole table.
    """
    statistics = TableStatistics(
        blocks.types, target, task=task, kinds=kinds, dates=dates, named=blocks.named, seed=seed
    )
    for block in blocks.blocks():
        statistics.update(block)
    with _named(blocks):
        return Survey(statistics, statistics.schema(), seed)


def _named(blocks: Blocks) -> Any:
    return nullcontext() if blocks.places is None else blocks.places.named()


def fitted_encoder(schema: Schema, sample: pl.DataFrame, **settings: Any) -> TableEncoder:
    """An encoder whose scales are of the sample's quartiles, and of the schema's ranges and counts."""
    return TableEncoder(schema, **settings).fit_counted(sample)


def encode_rows(
    blocks: Blocks,
    survey: Survey,
    division: Division,
    encoder: TableEncoder,
    encode_target: Callable[[Any], np.ndarray],
    folder: Path,
) -> RowCache:
    """The second pass: the rows that train, encoded, in a file in `folder`.

    They are in the table's order, or, where that has like targets together, in random order.

    Args:
        blocks, survey, division: the table, and what the first pass found.
        encoder: fitted.
        encode_target: makes float32 (rows,) or (rows, outputs) of the target's column.
        folder: where the cache is to be.

    Raises:
        DataError: the table is not what it was in the first pass.
        OSError: the disk is full, or will be.
    """
    name = survey.statistics.target
    assert name is not None
    targets = encode_target(as_column(division.sample.frame[name], name))
    layout = Layout(
        len(encoder.numeric_names), len(encoder.code_names), targets.shape[1] if targets.ndim > 1 else 0
    )
    mixes = survey.statistics.is_in_runs and division.training > layout.window
    if mixes:
        warn(f"rows with like values of {name!r} stand together in the table: they are shuffled on disk")
    _require_space(folder, layout, division.training)
    writer = ShuffledWriter(folder, layout, division) if mixes else CacheWriter(folder, layout)
    start = 0
    with writer:
        for block in blocks.blocks():
            with _named(blocks):
                arrays = encoded_block(block, start, name, division, encoder, encode_target)
            start += len(block)
            if start > survey.statistics.rows:
                break
            writer.append(*arrays)
        if start != survey.statistics.rows:
            raise DataError(
                f"the table has changed while it was read: {counted(survey.statistics.rows, 'row')} in the first pass, "
                f"{'more' if start > survey.statistics.rows else f'{start:,}'} in the second"
            )
        return writer.finish()


def encoded_block(
    block: pl.DataFrame,
    start: int,
    name: str,
    division: Division,
    encoder: TableEncoder,
    encode_target: Callable[[Any], np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, codes, targets and keys of those rows that train, of a block whose first row has the number `start`."""
    keys = row_keys(start, len(block), division.seed)
    trains = np.ones(len(block), bool) if division.above < 0 else keys > np.uint64(division.above)
    with rows_from(start):
        encoded = encoder.transform(block.drop(named(name)))
        target = encode_target(as_column(block[name], name))
    return encoded.numeric[trains], encoded.codes[trains], target[trains], keys[trains]


def _require_space(folder: Path, layout: Layout, rows: int) -> None:
    needed, free = layout.row_bytes * rows, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the encoded rows take {in_words(needed)} on the disk of {folder}, where {in_words(free)} are free"
        )
