"""Data sets of images, and transforms of images."""

from typing import Any

from lamina.gluon.data.vision import transforms
from lamina.gluon.data.vision.datasets import MNIST, FashionMNIST
from lamina.support.unsupported import no_attribute

__all__ = ["MNIST", "FashionMNIST", "transforms"]


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.gluon.data.vision", name)
