"""Data sets of pictures as NumPy arrays: MNIST from the package, others from a folder or the net."""

from lamina.datasets.bundled import mnist
from lamina.datasets.digits import normalize_digit, read_digit
from lamina.datasets.downloaded import EMNIST_SPLITS, emnist, fashion_mnist, kmnist
from lamina.datasets.images import ImageDataset

__all__ = [
    "EMNIST_SPLITS", "ImageDataset", "emnist", "fashion_mnist", "kmnist", "mnist", "normalize_digit",
    "read_digit",
]  # fmt: skip
