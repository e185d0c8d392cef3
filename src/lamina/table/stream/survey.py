"""The two passes over a streamed table: a survey, and the encoding into a cache."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.files.limits import in_words
from lamina.support.lazily import pl
from lamina.table.categories import told_of
from lamina.table.columns import as_column, named
from lamina.table.encode import TableEncoder
from lamina.table.marks import times_of
from lamina.table.messages import counted, rows_from, warn
from lamina.table.schema import Schema
from lamina.table.split import nothing_before, require_shares, too_few_to_divide
from lamina.table.stream.cache import CacheWriter, Layout, RowCache, ShuffledWriter
from lamina.table.stream.memory import release_memory
from lamina.table.stream.sample import MarkKeys, RowSample, row_keys
from lamina.table.stream.sources import Blocks
from lamina.table.stream.statistics import TableStatistics

MOST_HELD = 1 << 16
"""Maximum number of validation rows, and of test rows, in memory; scores are then accurate to a fraction of 1 %."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table in memory: a frame with all columns, including the target, and the row numbers."""

    frame: pl.DataFrame
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Division:
    """The division of a streamed table into training, validation and test rows.

    Attributes:
        validation, test: the held-out rows.
        sample: a random sample of the training rows.
        training: the number of training rows.
        above: the greatest key of a row that is not a training row; −1: all rows are training rows.
        seed: the seed of the keys.
        keys: the function from rows to keys by groups or times; None: keys are computed from row numbers.
    """

    validation: Rows
    test: Rows
    sample: Rows
    training: int
    above: int
    seed: int
    keys: MarkKeys | None = None


@dataclass(frozen=True)
class KeyedRows(ABC):
    """A table, wherever it is stored, with a key for each row.

    Attributes:
        keys: the function from rows to keys, by groups or times.
    """

    keys: MarkKeys

    @abstractmethod
    def lowest(self, most: int) -> RowSample:
        """The `most` rows with the lowest keys.

        Raises:
            DataError: groups or times are missing or invalid, as in `MarkKeys.of`.
        """

    @abstractmethod
    def count(self, above: int) -> int:
        """The number of rows whose key is greater than `above`."""


@dataclass(frozen=True)
class KeyedBlocks(KeyedRows):
    """A table that is read block by block, with a key for each row."""

    blocks: Blocks

    def lowest(self, most: int) -> RowSample:
        found = RowSample(most, self.keys.seed)
        for block, start, keys in self._keyed():
            found.update(block, start, keys)
        return found

    def count(self, above: int) -> int:
        return sum(int((keys > np.uint64(above)).sum()) for _, _, keys in self._keyed())

    def _keyed(self) -> Iterator[tuple[pl.DataFrame, int, np.ndarray]]:
        """The blocks of rows, each with the number of its first row and its rows' keys."""
        start = 0
        for block in self.blocks.blocks():
            with _named(self.blocks), rows_from(start):
                keys = self.keys.of(block)
            yield block, start, keys
            start += len(block)


@dataclass(frozen=True)
class Survey:
    """The results of the first pass over a table.

    Attributes:
        statistics: the statistics of all rows.
        schema: the schema, with the target.
        seed: the seed of the sample and the division.
    """

    statistics: TableStatistics
    schema: Schema
    seed: int

    def divided(self, validation: float, test: float = 0.0) -> Division:
        """Hold out these shares of the rows at random, at most 65,536 rows each.

        The rows with the lowest keys are held out. The method can only be called once, since it consumes the survey's
        sample.

        Raises:
            DataError: no training rows are left.
        """
        require_shares(validation, test)
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

    def divided_by(
        self, keyed: KeyedRows, validation: float, test: float = 0.0, gap: float = 0.0
    ) -> Division:
        """Hold out whole groups, or the rows with the last times.

        About these shares of the rows are held out, at most about 65,536 rows each. The table is read once, or twice
        if there is a gap. The method can only be called once.

        Args:
            keyed: the table, with keys from groups or times.
            validation: the validation share of all rows, 0 … 1.
            test: the test share of all rows, 0 … 1.
            gap: the minimum time between parts.

        Raises:
            DataError: no training rows are left, or groups or times are missing or invalid as in `MarkKeys.of`.
        """
        require_shares(validation, test)
        if not validation and not test:
            return replace(self.divided(0.0), keys=keyed.keys)
        rows, held = self.statistics.rows, {"test": test, "validation": validation}
        counts = {name: min(max(round(share * rows), 1), MOST_HELD) for name, share in held.items() if share}
        keys = keyed.keys
        frame, numbers, found = keyed.lowest(2 * sum(counts.values()) + 1).rows()
        ends = [0, *_ends(found, [*counts.values()], complete=len(found) == rows)]
        if len(ends) <= len(counts):
            raise too_few_to_divide(keys.mark, keys.column.name, len(counts) + 1)
        parts = {name: (begin, end) for name, begin, end in zip(counts, ends, ends[1:], strict=False)}
        above = _with_gap(keys, int(found[ends[-1] - 1]), frame, found, gap)
        if gap and len(counts) > 1:
            before = _with_gap(keys, int(found[ends[1] - 1]), frame, found, gap)
            parts["validation"] = int(np.searchsorted(found, np.uint64(before), "right")), ends[2]
        training = keyed.count(above) if gap else rows - ends[-1]
        sampled, sampled_numbers, _ = self.statistics.sample.rows()
        own = np.flatnonzero(keys.of(sampled) > np.uint64(above))
        self.statistics.sample.forget()
        if not training or not len(own) or any(begin >= end for begin, end in parts.values()):
            raise nothing_before(keys.column.name, gap)
        some = {name: self._some(frame, numbers, begin, end) for name, (begin, end) in parts.items()}
        none = self._some(frame, numbers, 0, 0)
        sample = self._some(sampled[own], sampled_numbers[own], 0, len(own))
        validates, tests = some.get("validation", none), some.get("test", none)
        return Division(validates, tests, sample, training, above, self.seed, keys)

    @staticmethod
    def _some(frame: pl.DataFrame, numbers: np.ndarray, begin: int, end: int) -> Rows:
        order = begin + np.argsort(numbers[begin:end])
        return Rows(frame[order], numbers[order])


def _ends(keys: np.ndarray, counts: Sequence[int], *, complete: bool) -> list[int]:
    """The ends of successive parts; part i has about `counts[i]` rows.

    Rows with equal keys are in the same part. `keys` are ascending. `complete` is true if `keys` has the keys of all
    rows, and not only the lowest keys. If there are too few distinct keys, there are fewer ends than counts.
    """
    places = np.flatnonzero(np.diff(keys)) + 1
    if not complete:
        places = places[places <= np.searchsorted(keys, keys[-1])]
    ends: list[int] = []
    for left, count in zip(range(len(counts) - 1, -1, -1), counts, strict=True):
        last = ends[-1] if ends else 0
        possible = places[places > last]
        possible = possible[: len(possible) - left]
        if not len(possible):
            return ends
        ends.append(int(possible[np.abs(possible - last - count).argmin()]))
    return ends


def _with_gap(keys: MarkKeys, above: int, frame: pl.DataFrame, found: np.ndarray, gap: float) -> int:
    """The key of the latest rows that precede the rows with key `above` by more than the gap.

    Rows with greater keys are earlier. `found` has the keys of the rows of `frame`, ascending.
    """
    if not gap:
        return above
    first = frame[int(np.searchsorted(found, np.uint64(above)))]
    time = times_of(as_column(first[keys.column.name], keys.column.name), keys.column)
    return int(keys.of_times(time - gap)[0])


def look_over(
    blocks: Blocks, target: str | None, judging: Mapping[str, Any] | None = None, *, seed: int = 0, **how: Any
) -> Survey:
    """Collect the statistics of a table in a first pass.

    Args:
        blocks: the table.
        target: the name of the target column, or None.
        judging: arguments of `TableStatistics.schema`.
        seed: the seed of the sample and the division.
        how: further arguments of `TableStatistics`.

    Raises:
        DataError: the table is invalid, as in `lamina.table.kinds.infer`.
    """
    while True:
        types = blocks.types
        statistics = TableStatistics(types, target, named=blocks.named, seed=seed, **how)
        for block in blocks.blocks():
            if blocks.types == types:
                statistics.update(block)
        if blocks.types == types:  # otherwise the first rows seemed to be of other types
            break
    with _named(blocks):
        found = Survey(statistics, statistics.schema(**judging or {}), seed)
    release_memory()
    return found


def _named(blocks: Blocks) -> Any:
    return nullcontext() if blocks.places is None else blocks.places.named()


@dataclass(frozen=True)
class RowEncoder:
    """The encoding of a table's training rows.

    Attributes:
        target: the name of the target column.
        division: the division of the table.
        encoder: the fitted encoder.
        encode_target: converts the target's column to float32 (rows,) or (rows, outputs).
        given: returns the values of some inputs for training rows and their numbers, see `TableEncoder.fit`.
        told: the names of columns whose unreadable values are missing without a warning, see `told_of`.
    """

    target: str
    division: Division
    encoder: TableEncoder
    encode_target: Callable[[Any], np.ndarray]
    given: Callable[[pl.DataFrame, np.ndarray], Mapping[str, np.ndarray]]
    told: Container[str] = ()

    def encoded(
        self, block: pl.DataFrame, start: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The numeric inputs, codes, targets and keys of a block's training rows.

        The block's first row has the number `start`.
        """
        division, name = self.division, self.target
        numbers = start + np.arange(len(block))
        keys = row_keys(numbers, division.seed)
        trains = np.ones(len(block), bool)
        with rows_from(start), told_of(self.told):
            if division.above >= 0:
                divides = keys if division.keys is None else division.keys.of(block)
                trains = divides > np.uint64(division.above)
            encoded = self.encoder.transform(block.drop(named(name)), self.given(block, numbers))
            target = self.encode_target(as_column(block[name], name))
        return encoded.numeric[trains], encoded.codes[trains], target[trains], keys[trains]


def encode_rows(blocks: Blocks, survey: Survey, rows: RowEncoder, folder: Path) -> RowCache:
    """Encode the training rows into a file in `folder`, in a second pass over `blocks`.

    Rows are in table order, or in random order if rows with similar targets are adjacent in the table.

    Raises:
        DataError: the table changed since the first pass, whose results are in `survey`.
        OSError: the disk is full, or would become full.
    """
    name, division, encoder = rows.target, rows.division, rows.encoder
    targets = rows.encode_target(as_column(division.sample.frame[name], name))
    outputs = targets.shape[1] if targets.ndim > 1 else 0
    layout = Layout(len(encoder.numeric_names), len(encoder.code_names), outputs)
    mixes = survey.statistics.is_in_runs and division.training > layout.window
    if mixes:
        warn(f"rows with similar values of {name!r} are adjacent in the table, so rows are shuffled on disk")
    _require_space(folder, layout, division.training)
    writer = ShuffledWriter(folder, layout, division) if mixes else CacheWriter(folder, layout)
    start = 0
    with writer:
        for block in blocks.blocks():
            with _named(blocks):
                arrays = rows.encoded(block, start)
            start += len(block)
            if start > survey.statistics.rows:
                break
            writer.append(*arrays)
        if start != survey.statistics.rows:
            raise DataError(
                f"the table has changed while it was read: {counted(survey.statistics.rows, 'row')} in the first pass, "
                f"{'more' if start > survey.statistics.rows else f'{start:,}'} in the second"
            )
        cache = writer.finish()
    release_memory()
    return cache


def _require_space(folder: Path, layout: Layout, rows: int) -> None:
    needed, free = layout.row_bytes * rows, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the encoded rows take {in_words(needed)} on the disk of {folder}, where {in_words(free)} are free; "
            "free space there, or use another disk"
        )
