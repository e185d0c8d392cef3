"""Row keys, which determine the part of the table (training, validation or test) to which each row belongs.

A key doesn't depend on the reading process or block: it is a hash of the row's number or group, or is derived from the
row's time; later times have lower keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamina.support.lazily import pl
from lamina.table.columns import as_column
from lamina.table.marks import groups_named, times_of
from lamina.table.schema import ColumnSchema

_GOLDEN = 0x9E3779B97F4A7C15
_BITS = (1 << 64) - 1


def row_keys(first: int, count: int, seed: int) -> np.ndarray:
    """The keys (uint64) of `count` rows starting at row number `first`; all keys are distinct.

    The keys are computed by SplitMix64 (Steele, Lea and Flood, 2014), whose output is a permutation of its counter.

    >>> keys = row_keys(0, 1000, seed=3)
    >>> bool((keys[500:] == row_keys(500, 500, seed=3)).all()), len(set(keys.tolist()))
    (True, 1000)
    """
    (start,) = mixed(np.array([(seed + 1) * _GOLDEN & _BITS], np.uint64))
    counter = np.arange(first + 1, first + 1 + count, dtype=np.uint64) * np.uint64(_GOLDEN)
    return mixed(counter + start)


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
