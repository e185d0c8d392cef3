"""MNIST, which is included in the package."""

from functools import cache
from importlib.resources import files

import numpy as np

from lamina.support.datasets._images import ImageDataset
from lamina.support.files.idx import read_idx

__all__ = ["mnist"]

_SHA256_UNPACKED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@cache
def mnist() -> ImageDataset:
    """MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes and Burges, 1998; CC BY-SA 3.0).

    The four files are part of the package. They are unpacked, compared with their SHA-256 and then kept for
    the life of the process: every call returns the same arrays.

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
