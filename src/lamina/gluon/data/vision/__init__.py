"""Data sets of pictures, and transforms of pictures."""

from lamina.gluon.data.vision import transforms
from lamina.gluon.data.vision.datasets import MNIST, FashionMNIST

__all__ = ["MNIST", "FashionMNIST", "transforms"]
