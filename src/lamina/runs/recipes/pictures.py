"""Figures of a run: learning curves, and a sheet of misclassified test digits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lamina.support.files.atomic import atomic_write
from lamina.training.loop import Epoch
from lamina.training.pictures import Curves, drawn, learning_curves

_COLUMNS, _MOST_ROWS = 10, 6
_CELL_WIDTH, _CELL_HEIGHT, _CAPTION = 40, 46, 16  # in the digits' pixels


def draw_learning_curves(path: str | os.PathLike[str], history: Sequence[Epoch]) -> None:
    """Draw loss and accuracy by epoch to a PNG file; raises `MissingPackageError` without Matplotlib."""
    percents: dict[str, list[float]] = {}
    for part in ("train", "test"):
        values = [100 * epoch.scores[f"{part}_accuracy"] for epoch in history]
        percents[f"{part}, {values[-1]:.2f} % at the end"] = values
    losses = Curves(
        "moving average of cross-entropy", {"training loss": [e.loss for e in history]}, begins_at_0=True
    )
    parts = (losses, Curves("images classified correctly (%)", percents))
    _save(partial(learning_curves, [epoch.number for epoch in history], parts), 10, 4.2, path)


def draw_mistakes(
    path: str | os.PathLike[str], images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> None:
    """Draw the misclassified images to a PNG file, the most confident errors first.

    Args:
        path: the file to write.
        images: shape (n, 784) or (n, 28, 28), with 0 for the background.
        labels: the true digits, shape (n,).
        probabilities: the network's class probabilities, shape (n, 10).

    Raises:
        MissingPackageError: Matplotlib is not installed.
    """
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.nonzero(answers != labels)[0]
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    shown = wrong[: _COLUMNS * _MOST_ROWS]
    rows = max(1, -(-len(shown) // _COLUMNS))

    def draw(figure: Any) -> None:
        extent = f", the {len(shown)} most confident" if len(shown) < len(wrong) else ""
        figure.suptitle(f"{len(wrong):,} mistakes in {len(labels):,} test images{extent}")
        axes = figure.subplots()
        axes.set_axis_off()
        sheet = np.zeros((rows * _CELL_HEIGHT, _COLUMNS * _CELL_WIDTH))
        for place, i in enumerate(shown):
            top, left = place // _COLUMNS * _CELL_HEIGHT, place % _COLUMNS * _CELL_WIDTH
            sheet[top + _CAPTION : top + _CAPTION + 28, left + 6 : left + 34] = images[i].reshape(28, 28)
            caption = f"{answers[i]}, not {labels[i]:.0f}\n({100 * confidence[i]:.0f} % sure)"
            axes.text(left + 20, top + _CAPTION - 1, caption, fontsize=8, ha="center", va="bottom")
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")

    _save(draw, 11, 0.8 + 1.35 * rows, path)


def _save(draw: Callable[[Any], None], width: float, height: float, path: str | os.PathLike[str]) -> None:
    content = drawn(draw, width, height, "png")
    with atomic_write(path) as file:
        file.write(content)
