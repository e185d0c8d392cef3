"""``lamina evaluate``, ``predict`` and ``inspect`` for runs on MNIST."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.cli._console import output, say
from lamina.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluate_digits", "inspect_digits", "predict_digits"]


def evaluate_digits(run: Path, *, as_json: bool) -> None:
    """Accuracy and confusion matrix of a run's network on the test images."""
    from lamina.runs.recipes import evaluate, load_digits
    from lamina.runs.recipes.run import network_of_run

    network = network_of_run(run)
    _, test = load_digits()
    accuracy, loss, probabilities = evaluate(network, test)
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (test.labels.asnumpy().astype(int), probabilities.argmax(axis=1)), 1)
    if as_json:
        print(json.dumps({"accuracy": accuracy, "loss": loss, "confusion": counts.tolist()}))
        return
    console = output()
    console.print(f"accuracy {accuracy:.4f}, loss {loss:.4f} on {len(test):,} test images", soft_wrap=True)
    console.print(_confusion_table(counts.tolist()))


def inspect_digits(run: Path, *, as_json: bool) -> None:
    """Show a run's network, its training, and its progress."""
    from lamina.runs.recipes.run import as_line, read_run
    from lamina.table.messages import counted
    from lamina.training.time_limit import duration_said

    settings, saved = read_run(run)
    layers = [784, *settings.hidden, 10]
    parameters = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(layers))
    past = [as_line(epoch) for epoch in saved.past]
    if as_json:
        print(json.dumps({"parameters": parameters, "settings": vars(settings), "metrics": past}))
        return
    console = output()
    console.print("classification of 28×28 digits into 10 classes: MNIST", style="bold")
    console.print(f"layers {' – '.join(map(str, layers))}: {parameters:,} parameters")
    console.print(
        f"recipe {settings.recipe}: batches of {settings.batch_size}, learning rate {settings.lr:g}, "
        f"seed {settings.seed}"
    )
    if settings.time_limit is None:
        done = f"{len(past)} of {counted(settings.epochs or 0, 'epoch')}"
    else:
        used = saved.position.get("used", 0.0) / settings.time_limit
        done = f"{counted(len(past), 'epoch')}, {used:.0%} of a time limit of {duration_said(settings.time_limit)}"
    if past:
        done += (
            f"; accuracy {past[-1]['train_accuracy']:.4f} (training), {past[-1]['test_accuracy']:.4f} (test)"
        )
    console.print(done)


def predict_digits(run: Path, images: Sequence[Path], *, as_json: bool) -> None:
    """Say which digit each image shows."""
    from lamina import nd
    from lamina.runs.recipes.digits import pixel_rows
    from lamina.runs.recipes.run import network_of_run

    network = network_of_run(run)
    answers: list[dict[str, Any]] = []
    for path in images:
        names, pixels = _read(path)
        probabilities = nd.softmax(network(pixel_rows(pixels))).asnumpy()
        answers += [_answer(name, row) for name, row in zip(names, probabilities, strict=True)]
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    for answer in answers:
        say(f"{answer['image']}: {answer['digit']} ({100 * answer['probability']:.1f} %)")


def _answer(name: str, probabilities: np.ndarray) -> dict[str, Any]:
    digit = int(probabilities.argmax())
    return {
        "image": name,
        "digit": digit,
        "probability": float(probabilities[digit]),
        "probabilities": [float(p) for p in probabilities],
    }


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    """The digits in a file, uint8 of shape (n, 28, 28), and what to call each."""
    from lamina.support.datasets import normalize_digit, read_digit
    from lamina.support.files.idx import may_be_idx, read_idx

    if not may_be_idx(path):
        return [str(path)], read_digit(path)[None]
    array = read_idx(path)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"{path}: expected images of shape (n, height, width), found {array.shape}")
    names = [f"{path}[{i}]" for i in range(len(array))]
    return names, np.stack([normalize_digit(image) for image in array])


def _confusion_table(counts: list[list[int]]) -> Table:
    """Rows: the true digit; columns: the network's answer."""
    from rich.table import Table

    table = Table(title="Confusion matrix: rows are true digits, columns the network's answers")
    table.add_column("", justify="right", style="bold")
    for digit in range(10):
        table.add_column(str(digit), justify="right")
    table.add_column("correct", justify="right")
    for digit, row in enumerate(counts):
        cells = [str(n) if n else "·" for n in row]
        table.add_row(str(digit), *cells, f"{100 * row[digit] / max(1, sum(row)):.1f} %")
    return table
