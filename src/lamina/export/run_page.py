"""The page that a training leaves in its run's folder, to try the model at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from lamina.export._describe import describe
from lamina.export._prediction import Prediction, Table
from lamina.export.page_file import examples_of, write_page

__all__ = ["PAGE", "write_run_page"]

PAGE = "page.html"

_MOST_BYTES, _MOST_COLUMNS = 24 << 20, 2000
"""The most weights (bytes) and columns of a page that is written by default: a browser is slow with more."""


def write_run_page(folder: Path, to: Path | None = None) -> Path | None:
    """Write the page of a complete run into its folder; None, and no page, if it would be very large.

    Args:
        folder: the run's.
        to: another folder for the page.

    Raises:
        OSError: the folder cannot be written.
    """
    prediction = describe(folder)
    if _is_large(prediction):
        return None
    page = (to or folder) / PAGE
    write_page(prediction, page, examples=examples_of(folder))
    return page


def _is_large(prediction: Prediction) -> bool:
    size = sum(
        4 * inputs * units for widths in prediction.network.widths for inputs, units in pairwise(widths)
    )
    return size > _MOST_BYTES or (
        isinstance(prediction.inputs, Table) and len(prediction.inputs.columns) > _MOST_COLUMNS
    )
