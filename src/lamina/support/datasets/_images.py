"""Image data sets: four checked, read-only arrays and the class names."""

from dataclasses import dataclass

import numpy as np

from lamina.errors import DataError

__all__ = ["ImageDataset"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset:
    """Labelled 28×28 grey images, split into training and test sets.

    Attributes:
        name: the data set's name, "MNIST".
        train_images: uint8 of shape (n, 28, 28), ink 255 on paper 0; read-only.
        train_labels: uint8 of shape (n,), indices into `classes`; read-only.
        test_images: the test set, in the form of train_images.
        test_labels: the labels of the test set.
        classes: the names of the classes.

    Raises:
        DataError: if the arrays have other shapes or types, or a label has no class.

    >>> pictures, labels = np.zeros((3, 28, 28), np.uint8), np.array([0, 1, 1], np.uint8)
    >>> ImageDataset("marks", pictures, labels, pictures[:1], labels[:1], ("nought", "cross"))
    ImageDataset('marks', 3 + 1 images, 2 classes)
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            _check(f"{self.name}, {part}", images, labels, len(self.classes))
            images.flags.writeable = False
            labels.flags.writeable = False

    def __repr__(self) -> str:
        counts = f"{len(self.train_images)} + {len(self.test_images)} images"
        return f"ImageDataset({self.name!r}, {counts}, {len(self.classes)} classes)"


def _check(what: str, images: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(
            f"{what}: expected uint8 images of shape (n, 28, 28), found {images.dtype} {images.shape}"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        expected = f"uint8 labels of shape ({len(images)},), one an image"
        raise DataError(f"{what}: expected {expected}; found {labels.dtype} {labels.shape}")
    if labels.size and labels.max() >= classes:
        raise DataError(f"{what}: expected labels from 0 to {classes - 1}, found {labels.max()}")
