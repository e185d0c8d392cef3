"""Image functions under MXNet's ``nd.image``: conversion, normalization, flips, crops and color jitter.

Images have shape (height, width, channels), or (n, height, width, channels) in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd._distributions import normal, uniform
from lamina.nd.conversion import array
from lamina.nd.elementwise import clip
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import mean, sum
from lamina.nd.slicing import copied_part
from lamina.primitives.movement import reshape, transpose
from lamina.support.unsupported import names_of_others

__all__ = [
    "adjust_lighting", "crop", "flip_left_right", "flip_top_bottom", "normalize", "random_brightness",
    "random_color_jitter", "random_contrast", "random_flip_left_right", "random_flip_top_bottom", "random_lighting",
    "random_saturation", "to_tensor",
]  # fmt: skip

_GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luminance (ITU-R BT.601)."""

_EIGENVALUES = (55.46, 4.794, 1.148)
_EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Principal components of ImageNet's colors (Krizhevsky et al., 2012)."""


def _pictures(name: str, data: NDArray) -> None:
    if data.ndim not in (3, 4):
        raise ShapeError(
            f"image.{name}: needs (height, width, channels) or a batch of them, got {data.shape}"
        )


@operator
def to_tensor(data: NDArray) -> NDArray:
    """Convert pixels from 0 to 255 to float32 from 0 to 1, and move the channels before height and width.

    >>> from lamina import nd
    >>> nd.image.to_tensor(nd.full((28, 28, 1), 255, dtype="uint8")).shape
    (1, 28, 28)
    """
    _pictures("to_tensor", data)
    axes = (2, 0, 1) if data.ndim == 3 else (0, 3, 1, 2)
    return bind(transpose, data.astype(np.float32), axes=axes) / 255.0


def _per_channel(value: float | Sequence[float], data: NDArray) -> NDArray:
    numbers = array(np.atleast_1d(value), ctx=data.context)
    return bind(reshape, numbers, shape=(numbers.size, 1, 1))


@operator
def normalize(
    data: NDArray, mean: float | Sequence[float] = (0.0,), std: float | Sequence[float] = (1.0,)
) -> NDArray:
    """(x - mean) / std for images with channels first; `mean` and `std` are scalars, or have a value per channel.

    Raises `ShapeError` if `mean` or `std` has neither a single element nor an element for each channel.
    """
    _pictures("normalize", data)
    shift, scale = _per_channel(mean, data), _per_channel(std, data)
    if {shift.size, scale.size} - {1, data.shape[-3]}:
        raise ShapeError(
            f"image.normalize: mean {mean} and std {std} must have one number, or {data.shape[-3]}, one per channel"
        )
    return (data - shift) / scale


@operator
def flip_left_right(data: NDArray) -> NDArray:
    """Mirror images left to right."""
    _pictures("flip_left_right", data)
    return copied_part(data, (..., slice(None, None, -1), slice(None)))


@operator
def flip_top_bottom(data: NDArray) -> NDArray:
    """Mirror images top to bottom."""
    _pictures("flip_top_bottom", data)
    return copied_part(data, (..., slice(None, None, -1), slice(None), slice(None)))


def _chance() -> float:
    return float(np.asarray(uniform(shape=1)._numbers())[0])


def _between(low: float, high: float) -> float:
    return low + (high - low) * _chance()


@operator
def random_flip_left_right(data: NDArray) -> NDArray:
    """Mirror the images left to right with probability ½."""
    return flip_left_right(data) if _chance() < 0.5 else data.copy()


@operator
def random_flip_top_bottom(data: NDArray) -> NDArray:
    """Mirror the images top to bottom with probability ½."""
    return flip_top_bottom(data) if _chance() < 0.5 else data.copy()


@operator
def crop(data: NDArray, x: int, y: int, width: int, height: int) -> NDArray:
    """The region of size `width` × `height` whose top left pixel is at column `x`, row `y`.

    Raises `ShapeError` if the region extends beyond the image.

    >>> from lamina import nd
    >>> nd.image.crop(nd.zeros((28, 28, 1)), x=4, y=4, width=20, height=22).shape
    (22, 20, 1)
    """
    _pictures("crop", data)
    rows, columns = data.shape[-3:-1]
    if min(x, y) < 0 or min(width, height) < 1 or x + width > columns or y + height > rows:
        raise ShapeError(
            f"image.crop: the region of {width} × {height} at ({x}, {y}) exceeds the image of shape {data.shape}"
        )
    return copied_part(data, (..., slice(y, y + height), slice(x, x + width), slice(None)))


# --- colors -------------------------------------------------------------------------------------------------------


def _in_own_range(data: NDArray, changed: NDArray) -> NDArray:
    """`changed` converted to the dtype of `data`; values are clipped to the range of an integer dtype."""
    kind = np.dtype(data.dtype)
    if kind.kind == "f":
        return changed.astype(kind)
    bounds: Any = np.iinfo(kind)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return clip(changed, float(bounds.min), float(bounds.max)).astype(kind)


def _gray(data: NDArray) -> NDArray:
    """The luminance of each pixel, as a single channel."""
    if data.shape[-1] == 1:
        return data
    if data.shape[-1] != 3:
        raise ShapeError(f"image: colors need 1 or 3 channels last, got shape {data.shape}")
    return sum(data * array(_GRAY, ctx=data.context), axis=-1, keepdims=True)


def _colors(name: str, data: NDArray) -> NDArray:
    _pictures(name, data)
    return data.astype(np.float32)


@operator
def random_brightness(data: NDArray, min_factor: float, max_factor: float) -> NDArray:
    """Multiply all colors by a random factor."""
    return _in_own_range(data, _colors("random_brightness", data) * _between(min_factor, max_factor))


@operator
def random_contrast(data: NDArray, min_factor: float, max_factor: float) -> NDArray:
    """Scale each color's difference from the image's mean brightness by a random factor."""
    x, factor = _colors("random_contrast", data), _between(min_factor, max_factor)
    brightness = mean(_gray(x), axis=(-3, -2, -1), keepdims=True)
    return _in_own_range(data, x * factor + brightness * (1.0 - factor))


@operator
def random_saturation(data: NDArray, min_factor: float, max_factor: float) -> NDArray:
    """Scale each pixel's difference from gray by a random factor."""
    x, factor = _colors("random_saturation", data), _between(min_factor, max_factor)
    return _in_own_range(data, x * factor + _gray(x) * (1.0 - factor))


@operator
def random_color_jitter(
    data: NDArray, brightness: float, contrast: float, saturation: float, hue: float = 0.0
) -> NDArray:
    """Change brightness, contrast and saturation by random factors, each within 1 ± its argument.

    `hue` must be 0.
    """
    if hue:
        raise ShapeError(f"image.random_color_jitter: lamina can't change hues; pass hue=0, not {hue}")
    out: Any = data
    changes = random_brightness, random_contrast, random_saturation
    for change, size in zip(changes, (brightness, contrast, saturation), strict=True):
        if size:
            out = change(out, max(0.0, 1 - size), 1 + size)
    return out


@operator
def adjust_lighting(data: NDArray, alpha: Sequence[float]) -> NDArray:
    """Add `alpha` times the principal components of ImageNet's colors to each pixel (AlexNet's augmentation)."""
    _pictures("adjust_lighting", data)
    shift = np.asarray(_EIGENVECTORS) @ (np.asarray(alpha) * _EIGENVALUES)
    return _in_own_range(data, data.astype(np.float32) + array(shift, ctx=data.context))


@operator
def random_lighting(data: NDArray, alpha_std: float = 0.05) -> NDArray:
    """`adjust_lighting` with a random normal `alpha` of standard deviation `alpha_std`."""
    return adjust_lighting(data, normal(0, alpha_std, shape=3)._numbers().tolist())


__getattr__ = names_of_others("lamina.nd.image")
