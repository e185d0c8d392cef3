"""Data sets of pictures as NumPy arrays: MNIST from the package, others from a folder or their mirrors."""

from lamina.datasets.digits import normalize_digit, read_digit

__all__ = ["normalize_digit", "read_digit"]
