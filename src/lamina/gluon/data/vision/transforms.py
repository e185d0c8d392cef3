"""Transforms of images, as blocks for ``dataset.transform_first(…)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lamina.errors import ShapeError
from lamina.gluon.block import Block
from lamina.gluon.nn import Lambda, Sequential
from lamina.nd import NDArray, array
from lamina.nd.random import uniform
from lamina.support.unsupported import names_of_others

__all__ = ["Cast", "Compose", "Normalize", "RandomFlipLeftRight", "RandomFlipTopBottom", "ToTensor"]


class Compose(Sequential):
    """Transforms (blocks or functions of one array) applied in sequence.

    >>> from lamina import nd
    >>> prepare = Compose([ToTensor(), Normalize(0.5, 0.5)])
    >>> prepare(nd.full((28, 28, 1), 255, dtype="uint8")).shape
    (1, 28, 28)
    """

    def __init__(self, transforms: Iterable[Block | Callable[[Any], Any]]) -> None:
        super().__init__()
        self.add(*(t if isinstance(t, Block) else Lambda(t) for t in transforms))


class Cast(Block):
    """Convert to another dtype."""

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def forward(self, x: NDArray) -> NDArray:
        return x.astype(self._dtype)


class ToTensor(Block):
    """Convert images to float32 from 0 to 1, with the channels before height and width.

    Images have values from 0 to 255 and shape (H, W, C), or (N, H, W, C). The result has shape (C, H, W), or (N, C, H,
    W).
    """

    def forward(self, x: NDArray) -> NDArray:
        if x.ndim not in (3, 4):
            raise ShapeError(f"ToTensor: expected (H, W, C) or (N, H, W, C), found shape {x.shape}")
        order = (2, 0, 1) if x.ndim == 3 else (0, 3, 1, 2)
        return x.transpose(order).astype(np.float32) / 255


class Normalize(Block):
    """(x - mean) / std for float images of shape (C, H, W) or (N, C, H, W).

    `mean` and `std` are scalars, or sequences with a value per channel.
    """

    def __init__(self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0) -> None:
        super().__init__()
        self._mean, self._std = _per_channel(mean), _per_channel(std)
        self._shifts = bool(np.any(np.asarray(mean)))

    def forward(self, x: NDArray) -> NDArray:
        if x.ndim not in (3, 4) or np.dtype(x.dtype).kind != "f":
            raise ShapeError(
                "Normalize: expected float (C, H, W) or (N, C, H, W), as ToTensor gives; "
                f"found {np.dtype(x.dtype)} of shape {x.shape}"
            )
        for name, values in (("mean", self._mean), ("std", self._std)):
            if isinstance(values, NDArray) and values.shape[0] != x.shape[-3]:
                raise ShapeError(
                    f"Normalize: {name} has {values.shape[0]} values for {x.shape[-3]} channels (shape {x.shape})"
                )
        return (x - self._mean if self._shifts else x) / self._std


def _per_channel(values: float | Sequence[float]) -> float | NDArray:
    """A scalar for all channels, or an array of shape (C, 1, 1)."""
    numbers = np.atleast_1d(np.asarray(values, np.float32))
    return float(numbers[0]) if numbers.size == 1 else array(numbers.reshape(-1, 1, 1))


class _RandomFlip(Block):
    """Mirror images along `axis` with probability `p`."""

    axis: int

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self._p = p

    def forward(self, x: NDArray) -> NDArray:
        if uniform().asscalar() >= self._p:
            return x
        return x[:, ::-1] if self.axis == 1 else x[::-1]


class RandomFlipLeftRight(_RandomFlip):
    """Mirror an image (H, W, C) left to right with probability `p`."""

    axis = 1


class RandomFlipTopBottom(_RandomFlip):
    """Mirror an image (H, W, C) top to bottom with probability `p`."""

    axis = 0


__getattr__ = names_of_others("lamina.gluon.data.vision.transforms")
