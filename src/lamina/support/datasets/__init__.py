"""Image data sets as NumPy arrays: MNIST, included in the package, and Fashion-MNIST."""

from lamina.support.datasets._digits import digit_in, normalize_digit, read_digit
from lamina.support.datasets._downloaded import fashion_mnist, mnist_in
from lamina.support.datasets._images import ImageDataset, mnist

__all__ = [
    "ImageDataset", "digit_in", "fashion_mnist", "mnist", "mnist_in", "normalize_digit", "read_digit",
]  # fmt: skip
