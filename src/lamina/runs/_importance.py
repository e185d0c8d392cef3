"""The permutation importance of a table's columns."""

from __future__ import annotations

import numpy as np

from lamina.estimators import importance
from lamina.estimators.importance import MOST_ROWS, Importance
from lamina.runs._model import TableModel
from lamina.runs.data import Part, known_rows

__all__ = ["permutation_importance"]


def permutation_importance(
    model: TableModel, part: Part, seed: int = 0, n_jobs: int | None = None, most_rows: int = MOST_ROWS
) -> list[Importance]:
    """The importance of each column, the greatest first, on at most so many rows; see `estimators.importance`."""
    rng = np.random.default_rng(seed)
    part = known_rows(part)
    rows = np.sort(rng.permutation(len(part))[:most_rows])
    if not len(rows):
        return []
    fitted = model.fitted
    encoded = fitted.encode(model.inputs(part.frame[rows]))
    return importance.permutation_importance(fitted, encoded, part.target[rows], rng, n_jobs)
