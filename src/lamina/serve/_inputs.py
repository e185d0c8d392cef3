"""The checked rows of a request, in a form that can be joined with other requests' rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Inputs:
    """The rows of one request.

    Attributes:
        arrays: arrays with one entry per row; their number and types are the same for every request to a model.
        notes: remarks for the response, such as ignored columns and unknown values.
    """

    arrays: tuple[np.ndarray, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.arrays[0])


def joined(requests: Sequence[Inputs]) -> list[np.ndarray]:
    """The arrays of several requests, concatenated.

    >>> joined([Inputs((np.array([1]),)), Inputs((np.array([2, 3]),))])[0].tolist()
    [1, 2, 3]
    """
    if len(requests) == 1:
        return list(requests[0].arrays)
    return [np.concatenate(parts) for parts in zip(*(one.arrays for one in requests), strict=True)]
