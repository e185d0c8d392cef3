"""Labelled 28×28 digits as arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina import nd
from lamina.device.context import Context
from lamina.errors import ShapeError
from lamina.nd.ndarray import NDArray


@dataclass(frozen=True)
class Digits:
    """Images, uint8 (n, 784) with 255 for ink, and labels, float32 (n,)."""

    images: NDArray
    labels: NDArray

    def __len__(self) -> int:
        return len(self.labels)

    def on(self, context: Context) -> Digits:
        """Copy the images and labels to a device."""
        return Digits(self.images.as_in_context(context), self.labels.as_in_context(context))

    def first(self, count: int | None) -> Digits:
        """The first `count` images; all images if `count` is None."""
        return Digits(self.images[:count], self.labels[:count]) if count else self

    def at(self, rows: np.ndarray) -> Digits:
        """Select images by position, int32 (rows,)."""
        places = nd.array(rows, ctx=self.labels.context, dtype=np.int32)
        return Digits(nd.take(self.images, places), nd.take(self.labels, places))

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray) -> Digits:
        """Create digits from uint8 images of shape (n, 28, 28) and n integer labels from 0 to 9.

        Raises `ShapeError` for other shapes.
        """
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            found = f"found {images.shape} and {labels.shape}"
            raise ShapeError(f"expected images of shape (n, 28, 28) and labels of shape (n,); {found}")
        return cls(pixel_rows(images), nd.array(labels))


def pixel_rows(images: np.ndarray) -> NDArray:
    """Flatten images, uint8 (n, 28, 28), to a network's input, uint8 (n, 784)."""
    return nd.array(images.reshape(len(images), -1), dtype=np.uint8)


def load_digits() -> tuple[Digits, Digits]:
    """Load the 60,000 training and the 10,000 test images of MNIST, which the package contains."""
    from lamina.support.datasets import mnist

    data = mnist()
    train = Digits.from_arrays(data.train_images, data.train_labels)
    return train, Digits.from_arrays(data.test_images, data.test_labels)
