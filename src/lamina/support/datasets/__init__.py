"""Image data sets as NumPy arrays: MNIST, included in the package, and others from a folder or the internet."""

from lamina.support.datasets._digits import digit_in, normalize_digit, read_digit
from lamina.support.datasets._downloaded import EMNIST_SPLITS, emnist, fashion_mnist, kmnist, mnist_in
from lamina.support.datasets._images import ImageDataset, mnist

__all__ = [
    "EMNIST_SPLITS", "ImageDataset", "digit_in", "emnist", "fashion_mnist", "kmnist", "mnist", "mnist_in",
    "normalize_digit", "read_digit",
]  # fmt: skip
