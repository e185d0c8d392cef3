"""``lamina predict``: which digit a picture shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lamina.errors import DataError

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures of one digit each (PNG, JPEG …), or IDX files of many.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of lines of text.")] = False,
) -> None:
    """The digit that each image shows, with the network's probability for it.

    Drawn digits of any size, dark on light or light on dark, are first brought to the form of MNIST's.
    """
    from lamina import nd
    from lamina.recipes.digits import pixel_rows
    from lamina.recipes.run_folder import RunFolder

    network = RunFolder(run).network()
    answers: list[dict[str, Any]] = []
    for path in images:
        names, pixels = _read(path)
        probabilities = nd.softmax(network(pixel_rows(pixels))).asnumpy()
        answers += [_answer(name, row) for name, row in zip(names, probabilities, strict=True)]
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    for answer in answers:
        print(f"{answer['image']}: {answer['digit']} ({100 * answer['probability']:.1f} %)")


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
    from lamina.datasets import normalize_digit, read_digit
    from lamina.io.idx import read_idx

    if not _is_idx(path):
        return [str(path)], read_digit(path)[None]
    array = read_idx(path)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"{path}: expected images of shape (n, height, width), found {array.shape}")
    names = [f"{path}[{i}]" for i in range(len(array))]
    return names, np.stack([normalize_digit(image) for image in array])


def _is_idx(path: Path) -> bool:
    """By its first bytes: IDX starts with two zero bytes, or is gzipped, which no picture is."""
    with path.open("rb") as file:
        start = file.read(2)
    return start in (b"\0\0", b"\x1f\x8b")
