"""Labelled image data sets, with MXNet's shapes and dtypes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import starmap
from typing import Any

import numpy as np

from lamina.gluon.data.dataset import ArrayDataset
from lamina.nd.conversion import array
from lamina.support.datasets import ImageDataset, fashion_mnist, mnist_in

__all__ = ["MNIST", "FashionMNIST"]

Folder = str | os.PathLike[str] | None
Transform = Callable[[Any, Any], Any]


class _Pictures(ArrayDataset):
    """A data set of samples ``(image, label)``: a uint8 NDArray of shape (28, 28, 1) and a NumPy int32 scalar."""

    def __init__(self, root: Folder = None, train: bool = True, transform: Transform | None = None) -> None:
        pictures, part = self._read(root), "train" if train else "test"
        images = array(getattr(pictures, f"{part}_images")[..., np.newaxis], dtype=np.uint8)
        super().__init__(images, getattr(pictures, f"{part}_labels").astype(np.int32))
        self._transform = transform or _unchanged

    def _read(self, root: Folder) -> ImageDataset:
        raise TypeError(f"{type(self).__name__} must override _read")

    def __getitem__(self, idx: int) -> Any:
        return self._transform(*super().__getitem__(idx))

    def _draw(self, indices: Iterable[int]) -> Iterator[Any]:
        return starmap(self._transform, super()._draw(indices))


def _unchanged(image: Any, label: Any) -> Any:
    return image, label


class MNIST(_Pictures):
    """Handwritten digits (LeCun, Cortes and Burges, 1998), with 60,000 training and 10,000 test images.

    A sample is ``(image, label)``, a uint8 NDArray of shape (28, 28, 1) and a NumPy int32 scalar, or the result of
    ``transform(image, label)``.

    Args:
        root: a folder with MNIST's four files (``train-images-idx3-ubyte.gz`` …, gzipped or not); without them, the
            files included in lamina are read.
        train: True for the training set, False for the test set.
        transform: a function of image and label.

    >>> image, label = MNIST(train=False)[0]
    >>> image.shape, image.dtype.__name__, int(label)
    ((28, 28, 1), 'uint8', 7)
    """

    def _read(self, root: Folder) -> ImageDataset:
        return mnist_in(root)


class FashionMNIST(_Pictures):
    """Images of clothes in 10 classes, in the format of MNIST (Xiao, Rasul and Vollgraf, 2017).

    Args:
        root: the folder with the four files. By default the files are downloaded to a cache, as by
            `lamina.datasets.fashion_mnist`.
        train: True for the training set, False for the test set.
        transform: a function of image and label.
    """

    def _read(self, root: Folder) -> ImageDataset:
        return fashion_mnist(root)
