"""A random number for each row, of its number alone: who reads the row, and in which block, does not matter."""

from __future__ import annotations

import numpy as np

__all__ = ["row_keys"]

_GOLDEN = 0x9E3779B97F4A7C15
_BITS = (1 << 64) - 1


def row_keys(first: int, count: int, seed: int) -> np.ndarray:
    """The keys (uint64) of `count` rows from the row of number `first` on; no two rows have the same.

    SplitMix64 (Steele, Lea and Flood, 2014), whose output is a permutation of its counter.

    >>> keys = row_keys(0, 1000, seed=3)
    >>> bool((keys[500:] == row_keys(500, 500, seed=3)).all()), len(set(keys.tolist()))
    (True, 1000)
    """
    start = int(_mixed(np.array([(seed + 1) * _GOLDEN & _BITS], np.uint64))[0])
    with np.errstate(over="ignore"):
        counter = np.arange(first + 1, first + 1 + count, dtype=np.uint64) * np.uint64(_GOLDEN)
        counter += np.uint64(start)
    return _mixed(counter)


def _mixed(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
