"""The pictures of a run: learning curves, and a sheet of test digits that the network gets wrong."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.extras import require
from lamina.files.tensors import atomic_write
from lamina.recipes.training import Epoch

__all__ = ["draw_learning_curves", "draw_mistakes"]

_TRAIN, _TEST, _LOSS = "#1f77b4", "#d62728", "#444444"
_COLUMNS, _MOST_ROWS = 10, 6
_CELL_WIDTH, _CELL_HEIGHT, _CAPTION = 40, 46, 16  # in pixels of the digits


def draw_learning_curves(path: str | os.PathLike[str], history: Sequence[Epoch]) -> None:
    """Draw loss and accuracy by epoch as a PNG file; raises `MissingPackageError` without Matplotlib."""
    figure = _figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history]
    left.plot(epochs, [epoch.loss for epoch in history], "o-", color=_LOSS, markersize=4)
    left.set(title="Training loss", xlabel="epoch", ylabel="moving average of cross-entropy")
    left.set_ylim(bottom=0)
    train = [100 * epoch.train_accuracy for epoch in history]
    test = [100 * epoch.test_accuracy for epoch in history]
    right.plot(epochs, train, "o-", color=_TRAIN, markersize=4, label=f"train, {train[-1]:.2f} % at the end")
    right.plot(epochs, test, "s-", color=_TEST, markersize=4, label=f"test, {test[-1]:.2f} % at the end")
    right.set(title="Accuracy", xlabel="epoch", ylabel="images classified correctly (%)")
    right.legend(loc="lower right", frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def draw_mistakes(
    path: str | os.PathLike[str], images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> None:
    """Draw the misclassified images, the most confidently wrong first, as a PNG file.

    Args:
        path: the file to write.
        images: shape (n, 784) or (n, 28, 28), 0 for paper.
        labels: the true digits, shape (n,).
        probabilities: the network's, shape (n, 10).

    Raises:
        MissingPackageError: if Matplotlib is not installed.
    """
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.nonzero(answers != labels)[0]
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    shown = wrong[: _COLUMNS * _MOST_ROWS]
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = _figure(11, 0.8 + 1.35 * rows)
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
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    """An empty figure, in inches, that needs no display."""
    require("drawing pictures", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    with atomic_write(path) as file:
        file.write(content.getvalue())
