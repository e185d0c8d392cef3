"""Image data sets, with four checked, read-only arrays and the class names."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import IO, Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.files.idx import read_idx


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset:
    """Labelled 28×28 grey images, split into training and test sets.

    Attributes:
        name: the data set's name, such as "MNIST".
        train_images: uint8 of shape (n, 28, 28), ink 255 on paper 0; read-only.
        train_labels: uint8 of shape (n,), indices into `classes`; read-only.
        test_images: the images of the test set, in the form of `train_images`.
        test_labels: the labels of the test set.
        classes: the names of the classes.

    Raises:
        DataError: if an array has another shape or dtype, or a label is not an index into `classes`.

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
        expected = f"uint8 labels of shape ({len(images)},), one for each image"
        raise DataError(f"{what}: expected {expected}; found {labels.dtype} {labels.shape}")
    if labels.size and labels.max() >= classes:
        raise DataError(f"{what}: expected labels from 0 to {classes - 1}, found {labels.max()}")


_SHA256 = {
    "train-images-idx3-ubyte.gz": "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    "train-labels-idx1-ubyte.gz": "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
    "t10k-images-idx3-ubyte.gz": "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "t10k-labels-idx1-ubyte.gz": "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
}


@cache
def mnist() -> ImageDataset:
    """MNIST, with 60,000 + 10,000 handwritten digits (LeCun, Cortes and Burges, 1998; CC BY-SA 3.0).

    The four files are part of the package. The first call checks their SHA-256 and unpacks them; every call returns
    the same arrays.

    Raises:
        DataError: if a file of the package is damaged.

    >>> mnist()
    ImageDataset('MNIST', 60000 + 10000 images, 10 classes)
    >>> mnist().train_labels[:8]
    array([5, 0, 4, 1, 9, 2, 1, 3], dtype=uint8)
    """
    return ImageDataset("MNIST", *map(_packaged, _SHA256), classes=tuple("0123456789"))


def _packaged(name: str) -> np.ndarray:
    with files("lamina.support.datasets").joinpath("bundled", name).open("rb") as file:
        require_sum(file, f"lamina's own {name}", _SHA256[name])
        file.seek(0)
        return read_idx(file, name=f"lamina's own {name}")


def require_sum(file: IO[bytes], name: str, sha256: str) -> None:
    """Read an open file called `name` to its end; raise `DataError` unless it has this SHA-256, in hexadecimal."""
    found = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
    if found != sha256:
        raise DataError(f"{name} is not the published file: expected SHA-256 {sha256}, found {found}")
