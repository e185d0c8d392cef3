"""Image data sets, with four checked, read-only arrays and the class names."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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


_SHA256_UNPACKED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@cache
def mnist() -> ImageDataset:
    """MNIST, with 60,000 + 10,000 handwritten digits (LeCun, Cortes and Burges, 1998; CC BY-SA 3.0).

    The four files are part of the package. The first call unpacks them and checks their SHA-256; every call returns
    the same arrays.

    Raises:
        DataError: if a file of the package is damaged.

    >>> mnist()
    ImageDataset('MNIST', 60000 + 10000 images, 10 classes)
    >>> mnist().train_labels[:8]
    array([5, 0, 4, 1, 9, 2, 1, 3], dtype=uint8)
    """
    return ImageDataset("MNIST", *map(_packaged, _SHA256_UNPACKED), classes=tuple("0123456789"))


def _packaged(name: str) -> np.ndarray:
    with files("lamina.support.datasets").joinpath("bundled", name + ".gz").open("rb") as file:
        return read_idx(file, name=f"lamina's own {name}.gz", sha256=_SHA256_UNPACKED[name])
