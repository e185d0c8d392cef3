"""Labelled 28×28 digits in memory, in the form that networks take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina import nd
from lamina.errors import ShapeError
from lamina.nd.ndarray import NDArray

__all__ = ["Digits", "load_digits", "pixels_to_inputs"]


@dataclass(frozen=True)
class Digits:
    """Images as float32 from 0 to 1 of shape (n, 784), and their labels as float32 of shape (n,)."""

    images: NDArray
    labels: NDArray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray) -> Digits:
        """From uint8 images of shape (n, 28, 28), 255 for ink, and n integer labels from 0 to 9."""
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            raise ShapeError(
                f"expected images of shape (n, 28, 28) and labels of shape (n,); "
                f"found {images.shape} and {labels.shape}"
            )
        return cls(pixels_to_inputs(images), nd.array(labels))


def pixels_to_inputs(images: np.ndarray) -> NDArray:
    """uint8 images of shape (n, 28, 28) as a network's float32 inputs of shape (n, 784)."""
    flat = images.reshape(len(images), -1)
    return nd.array(flat.astype(np.float32) / np.float32(255))


def load_digits() -> tuple[Digits, Digits]:
    """MNIST from the package: its 60,000 training and 10,000 test images."""
    from importlib.resources import files

    from lamina.io.idx import read_idx

    folder = files("lamina") / "data" / "mnist"

    def part(name: str) -> Digits:
        images, labels = (
            read_idx(str(folder / f"{name}-{kind}-ubyte.gz")) for kind in ("images-idx3", "labels-idx1")
        )
        return Digits.from_arrays(images, labels)

    return part("train"), part("t10k")
