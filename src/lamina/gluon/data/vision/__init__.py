"""Data sets of images, and transforms of images."""

from lamina.gluon.data.vision import transforms
from lamina.gluon.data.vision.datasets import MNIST, FashionMNIST
from lamina.support.unsupported import names_of_others

__all__ = ["MNIST", "FashionMNIST", "transforms"]


__getattr__ = names_of_others("lamina.gluon.data.vision")
