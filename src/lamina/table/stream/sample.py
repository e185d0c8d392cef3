"""A random sample of a table's rows that doesn't depend on the division into blocks and readers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lamina.support.lazily import pl
from lamina.table.columns import as_column
from lamina.table.marks import groups_named, times_of
from lamina.table.ngram_targets import FOLDS
from lamina.table.schema import ColumnSchema

# --- row keys, which determine the part of the table (training, validation or test) to which each row belongs ---------
# A key doesn't depend on the reading process or block: it is a hash of the row's number or group, or is derived from
# the row's time; later times have lower keys.


_GOLDEN = 0x9E3779B97F4A7C15
_BITS = (1 << 64) - 1


def row_keys(numbers: np.ndarray, seed: int) -> np.ndarray:
    """The keys (uint64) of the rows with these numbers; all keys are distinct.

    The keys are computed by SplitMix64 (Steele, Lea and Flood, 2014), whose output is a permutation of its counter.

    >>> keys = row_keys(np.arange(1000), seed=3)
    >>> bool((keys[500:] == row_keys(np.arange(500, 1000), seed=3)).all()), len(set(keys.tolist()))
    (True, 1000)
    """
    (start,) = mixed(np.array([(seed + 1) * _GOLDEN & _BITS], np.uint64))
    return mixed((numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN) + start)


def mixed(bits: np.ndarray) -> np.ndarray:
    """The 64-bit integers after SplitMix64's finalizer, a hash function."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class MarkKeys:
    """A function from rows to keys, which are computed from groups or times.

    Attributes:
        mark: the meaning of the column: "groups" or "time".
        column: the column's schema.
        seed: the seed of groups' keys.

    >>> import polars as pl
    >>> from lamina.table.types import Number
    >>> frame = pl.DataFrame({"t": [-1.5, 0.0, 2.0, 0.0]})
    >>> keys = MarkKeys("time", ColumnSchema("t", Number()), seed=0)
    >>> np.argsort(keys.of(frame), kind="stable").tolist()
    [2, 1, 3, 0]
    """

    mark: Literal["groups", "time"]
    column: ColumnSchema
    seed: int

    def of(self, block: pl.DataFrame) -> np.ndarray:
        """The keys of a block's rows, uint64, which are equal for rows of the same group or time.

        Raises:
            DataError: a row has no group or time, or the times are invalid as in `times_of`.
        """
        column = as_column(block[self.column.name], self.column.name)
        if self.mark == "time":
            return self.of_times(times_of(column, self.column))
        codes, names = groups_named(column)
        seed = str(self.seed).encode()
        hashes = [hashlib.blake2b(name.encode(), digest_size=8, key=seed).digest() for name in names]
        return np.frombuffer(b"".join(hashes), "<u8").astype(np.uint64)[codes]

    @staticmethod
    def of_times(times: np.ndarray) -> np.ndarray:
        """The keys (uint64) of times; keys decrease with time.

        They are computed from the bits of the times in IEEE 754.
        """
        bits = (np.asarray(times, np.float64) + 0.0).view(np.uint64)
        sign = np.uint64(1 << 63)
        return np.where(bits & sign, bits, ~(bits | sign))


def folds_by(
    keys: MarkKeys | None, seed: int, frame: pl.DataFrame, numbers: np.ndarray
) -> Callable[[pl.DataFrame, np.ndarray], np.ndarray]:
    """A function from rows, a frame and the row numbers, to their folds, int64.

    Folds are ranges of keys, into which a sample of the rows, `frame` and `numbers`, is divided evenly. With the keys
    of groups or times, a group or a time is in one fold; if `keys` is None, folds are random.
    """

    def keys_in(block: pl.DataFrame, numbers: np.ndarray) -> np.ndarray:
        return row_keys(numbers, seed + 1) if keys is None else keys.of(block)

    ordered = np.sort(keys_in(frame, numbers))
    bounds = ordered[len(ordered) * np.arange(1, FOLDS) // FOLDS]
    return lambda block, numbers: np.searchsorted(bounds, keys_in(block, numbers), side="right")


_TEXT_BYTES = 24
"""Approximate bytes of a text in a column."""

_SPARE = 1 << 14


def row_bytes(types: Mapping[str, pl.DataType]) -> int:
    """The approximate number of bytes of a row with these columns.

    >>> import polars as pl
    >>> row_bytes({"a": pl.Float64(), "b": pl.UInt8(), "c": pl.String()})
    33
    """
    sizes: dict[Any, int] = {
        pl.Boolean: 1, pl.Int8: 1, pl.UInt8: 1, pl.Int16: 2, pl.UInt16: 2, pl.Float32: 4, pl.Int32: 4, pl.UInt32: 4,
        pl.String: _TEXT_BYTES, pl.Categorical: _TEXT_BYTES, pl.Enum: _TEXT_BYTES,
    }  # fmt: skip
    return sum(sizes.get(kind.base_type(), 8) for kind in types.values())


class RowSample:
    """A sample of the `most` rows with the lowest keys (see `row_keys`); samples of parts can be merged.

    Args:
        most: the maximum number of rows.
        seed: the seed of the keys.

    >>> import polars as pl
    >>> whole, begin, end = (RowSample(3, seed=0) for _ in range(3))
    >>> whole.update(pl.DataFrame({"x": range(100)}), 0)
    >>> begin.update(pl.DataFrame({"x": range(60)}), 0)
    >>> end.update(pl.DataFrame({"x": range(60, 100)}), 60)
    >>> end.merge(begin)
    >>> end.rows()[0]["x"].to_list() == whole.rows()[0]["x"].to_list()
    True
    """

    def __init__(self, most: int, seed: int) -> None:
        self._most, self.seed = most, seed
        self._frames: list[pl.DataFrame] = []
        self._keys = np.empty(0, np.uint64)
        self._numbers = np.empty(0, np.int64)
        self._bound = 1 << 64

    def update(self, block: pl.DataFrame, first: int, keys: np.ndarray | None = None) -> None:
        """Add a block of rows, whose first row has the number `first`.

        `keys`: the rows' keys, uint64; None: keys from the row numbers (see `row_keys`).
        """
        keys = row_keys(first + np.arange(len(block)), self.seed) if keys is None else keys
        low = np.flatnonzero(keys <= np.uint64(min(self._bound, (1 << 64) - 1)))
        if not len(low):
            self._frames = self._frames or [block[:0]]  # keeps the columns and types
            return
        self._add([block[low] if len(low) < len(block) else block], keys[low], first + low)
        if len(self._keys) > self._most + max(_SPARE, self._most // 4):
            self._compact()

    def merge(self, other: RowSample) -> None:
        """Merge a sample of other rows that has the same seed and size."""
        self._add(other._frames, other._keys, other._numbers)
        self._compact()

    def rows(self) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
        """The rows in order of their keys, their row numbers, and their keys.

        At least one block must have been added.
        """
        self._compact()
        return self._frames[0], self._numbers, self._keys

    def forget(self) -> None:
        """Discard the rows, to free memory."""
        self._frames, self._keys, self._numbers = [], self._keys[:0], self._numbers[:0]

    def _add(self, frames: list[pl.DataFrame], keys: np.ndarray, numbers: np.ndarray) -> None:
        self._frames += frames
        self._keys = np.concatenate([self._keys, keys])
        self._numbers = np.concatenate([self._numbers, numbers])

    def _compact(self) -> None:
        """Discard all rows but the `most` rows with the lowest keys."""
        is_sorted = bool((self._keys[1:] >= self._keys[:-1]).all())
        if not self._frames or (len(self._frames) == 1 and len(self._keys) <= self._most and is_sorted):
            return
        order = np.argsort(self._keys)[: self._most]
        self._frames = [pl.concat(self._frames, rechunk=False)[order]]  # a single copy
        self._keys, self._numbers = self._keys[order], self._numbers[order]
        if len(self._keys) == self._most:
            self._bound = int(self._keys[-1])
