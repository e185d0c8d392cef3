"""The page that training writes into the run's folder, for trying the model."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from lamina.export._describe import describe
from lamina.export._prediction import Prediction, Table
from lamina.export.page_file import examples_of, write_page

__all__ = ["PAGE", "write_run_page"]

PAGE = "page.html"

_MOST_BYTES, _MOST_COLUMNS = 24 << 20, 2000
"""Limits of weights (bytes) and columns for a default page, since browsers are slow with more."""


def write_run_page(folder: Path, to: Path | None = None) -> Path | None:
    """Write the page of a complete run into its folder; returns None, without a page, if it would be very large.

    Args:
        folder: the run's folder.
        to: another folder for the page.

    Raises:
        OSError: the folder is not writable.
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
