"""How large the book's programs are, and their data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lamina import nd

__all__ = ["SMALL", "USUAL", "Size", "batches_of", "classes", "pictures"]


@dataclass(frozen=True)
class Size:
    """`batch` samples in each of `steps` steps; so many inputs and hidden units."""

    steps: int
    batch: int
    inputs: int
    hidden: int


USUAL = Size(steps=100, batch=64, inputs=784, hidden=256)
SMALL = Size(steps=7, batch=6, inputs=12, hidden=9)


@cache
def pictures(size: Size) -> Any:
    """Numbers between 0 and 1 for all steps, a row a sample: a data set that was loaded before."""
    random = np.random.default_rng(0)
    return nd.array(random.random((size.steps * size.batch, size.inputs), dtype=np.float32))


@cache
def classes(size: Size) -> Any:
    """A class from 0 to 9 for each sample."""
    random = np.random.default_rng(1)
    return nd.array(random.integers(0, 10, size.steps * size.batch))


def batches_of(*arrays: Any, batch: int) -> Iterator[tuple[Any, ...]]:
    """Rows of each array, batch by batch, as slices."""
    for start in range(0, arrays[0].shape[0], batch):
        yield tuple(x[start : start + batch] for x in arrays)
