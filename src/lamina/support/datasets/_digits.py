"""Conversion of an image of one digit, of any size and colours, to MNIST's form.

First, ink is separated from paper, dark on light or light on dark: the paper's colour is the median on the border, and
a pixel's amount of ink is the distance of its colour from the paper's colour. Then the digit is converted like MNIST's
digits (LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998, section
III.A): it is scaled to fit a box of 20×20 pixels with the same aspect ratio, which makes its edges grey, and placed in
a field of 28×28 pixels with its centre of mass in the middle. The result is white on black.
"""

import os
from typing import IO, Any

import numpy as np

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.support.files.pictures import open_picture

_FIELD = 28
_BOX = 20
_CENTRE = 14.0  # where MNIST's centres of mass lie, to half a pixel, counted in pixel indices
_MOST_PIXELS = 50_000_000
_LONGEST_SIDE = 100_000
_ENOUGH_DETAIL = 1024  # larger images are reduced first, since the digit becomes 20 pixels high anyway
_FAINTEST_INK = 20.0  # of 255; an image is blank if all its pixels are nearer to the paper's colour


def read_digit(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image of one digit (PNG, JPEG or another format of Pillow), and convert it to MNIST's form.

    Args:
        path: the image file; of an animation, the first frame is used.

    Returns:
        uint8 of shape (28, 28), white ink (255) on black (0); see `normalize_digit`.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if the file is not a readable image, has more than 50 million pixels, or is blank.
        MissingPackageError: if Pillow is not installed.

    >>> import tempfile
    >>> from PIL import Image, ImageDraw
    >>> picture = Image.new("RGB", (200, 300), "white")
    >>> ImageDraw.Draw(picture).line([(80, 60), (110, 240)], fill="navy", width=20)
    >>> path = os.path.join(tempfile.mkdtemp(), "one.png")
    >>> picture.save(path)
    >>> read_digit(path).shape
    (28, 28)
    """
    with open(path, "rb") as file:
        return digit_in(file, os.fspath(path))


def digit_in(file: IO[bytes], name: str, most_pixels: int = _MOST_PIXELS) -> np.ndarray:
    """Read an image of one digit from an open file, and convert it to MNIST's form.

    Args:
        file: the image file.
        name: the file's name in messages.
        most_pixels: the maximum number of pixels.

    Raises:
        DataError: as in `read_digit`.
    """
    pixels = _decode(file, name, most_pixels)
    try:
        return normalize_digit(pixels)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def normalize_digit(image: np.ndarray) -> np.ndarray:
    """Convert an image of one digit, dark on light or light on dark, to MNIST's form.

    An image that already has this form is returned unchanged.

    Args:
        image: shape (height, width) or (height, width, channels) with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4
            (RGB, alpha) channels; bool, uint8, uint16, other integers from 0 to 255, or floats from 0 to 1.

    Returns:
        uint8 of shape (28, 28), white ink (255) on black (0).

    Raises:
        ShapeError: for any other shape, or more than 50 million pixels or 100,000 on a side.
        DTypeError: for any other element type.
        DataError: for values out of range, or a blank image.

    >>> picture = np.full((90, 60), 255, np.uint8)  # white paper
    >>> picture[30:70, 40:50] = 0  # a black bar, 40 × 10, off centre
    >>> digit = normalize_digit(picture)
    >>> int(digit.any(axis=1).sum()), int(digit.any(axis=0).sum())
    (20, 5)
    """
    ink = _ink(_opaque(_levels(image)))
    if ink.max(initial=0.0) < _FAINTEST_INK:
        raise DataError("the picture is blank: no pixel stands out from the colour of its border")
    if _has_mnist_form(ink):
        return np.rint(ink).astype(np.uint8)
    return _placed(_scaled_to_box(_without_paper(ink)))


def _decode(file: IO[bytes], name: str, most_pixels: int) -> np.ndarray:
    """The pixels of an image file (grey, RGB or RGBA), reduced to at most about 2048 per side."""
    with open_picture(file, name, most_pixels) as image:
        from PIL import ImageOps

        image.draft("RGB", (_ENOUGH_DETAIL, _ENOUGH_DETAIL))  # JPEG decodes at a reduced size
        return _pixels(ImageOps.exif_transpose(image))


def _pixels(image: Any) -> np.ndarray:
    """Convert a Pillow image to an array that `normalize_digit` accepts."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):  # no fixed range
        values = np.asarray(image).astype(np.float64)
        return (values - values.min()) / max(float(np.ptp(values)), 1e-300)
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image.reduce(max(1, max(image.size) // _ENOUGH_DETAIL)))


def _levels(image: np.ndarray) -> np.ndarray:
    """Check an image and convert it to float32 from 0 to 255, with 1 to 4 channels on the last axis."""
    channels = 1 if image.ndim == 2 else image.shape[-1] if image.ndim == 3 else 0
    if not 1 <= channels <= 4 or image.size == 0:
        wanted = "(height, width) or (height, width, channels) with 1 to 4 channels, not empty"
        raise ShapeError(f"expected one image of shape {wanted}; found shape {image.shape}")
    if image.size > channels * _MOST_PIXELS or max(image.shape) > _LONGEST_SIDE:
        limit = f"{_MOST_PIXELS:,} pixels and {_LONGEST_SIDE:,} on a side"
        raise ShapeError(f"expected an image of at most {limit}; found shape {image.shape}")
    if image.dtype.kind not in "biuf":
        raise DTypeError(f"expected an image of bool, integers or floats; found {image.dtype}")
    scale = 255.0 if image.dtype.kind in "bf" else 1 / 257 if image.dtype == np.uint16 else 1.0
    levels = image.reshape(*image.shape[:2], channels).astype(np.float32) * np.float32(scale)
    low, high = float(levels.min()), float(levels.max())
    if not (low >= 0.0 and high <= 255.001):  # NaN too
        span = "0 to 1" if image.dtype.kind == "f" else "0 to 255"
        raise DataError(f"expected pixels from {span}; found {image.min()} to {image.max()}")
    return levels


def _border(levels: np.ndarray) -> np.ndarray:
    """The pixels on the four edges, of shape (count, channels)."""
    edges = levels[0], levels[-1], levels[:, 0], levels[:, -1]
    return np.concatenate(edges)


def _opaque(levels: np.ndarray) -> np.ndarray:
    """Remove the alpha channel by drawing the image on paper of one colour."""
    channels = levels.shape[-1]
    if channels in (1, 3):
        return levels
    colours, alpha = levels[..., :-1], levels[..., -1:] / 255
    border = _border(levels)
    opaque_border = border[border[:, -1] >= 128, :-1]
    if 2 * len(opaque_border) >= len(border):
        paper = np.median(opaque_border, axis=0)
    else:  # only the digit is opaque, so the paper gets a contrasting colour
        weight = float(alpha.sum()) * (channels - 1)
        paper = 255.0 if float((alpha * colours).sum()) < 127.5 * weight else 0.0
    return colours * alpha + paper * (1 - alpha)


def _ink(levels: np.ndarray) -> np.ndarray:
    """The amount of ink of each pixel, from 0 to 255, as a matrix.

    The amount is the pixel's distance from the paper's colour, in the channel with the largest distances.
    """
    paper = np.median(_border(levels), axis=0)
    return np.abs(levels - paper).max(axis=-1)


def _extent(ink: np.ndarray) -> tuple[slice, slice]:
    """The bounding box of the ink, as slices of rows and columns."""
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _centre_of_mass(ink: np.ndarray) -> tuple[float, float]:
    total = float(ink.sum(dtype=np.float64))
    rows, columns = ink.sum(axis=1, dtype=np.float64), ink.sum(axis=0, dtype=np.float64)
    return float(rows @ np.arange(len(rows))) / total, float(columns @ np.arange(len(columns))) / total


def _has_mnist_form(ink: np.ndarray) -> bool:
    """Whether the digit has the size and position of a digit in MNIST, true for all 70,000 digits of MNIST."""
    if ink.shape != (_FIELD, _FIELD):
        return False
    longest = max(ink[_extent(ink)].shape)
    return _BOX - 1 <= longest <= _BOX and all(abs(c - _CENTRE) < 0.6 for c in _centre_of_mass(ink))


def _without_paper(ink: np.ndarray) -> np.ndarray:
    """Subtract the ink of noise, shade and compression, leaving only the digit."""
    peak = float(ink.max())
    paper = ink[ink <= max(_otsu_threshold(ink), float(ink.min()))]
    # Median and median absolute deviation, since the digit's grey edges are among the paper here. 1.4826 makes the
    # deviation comparable to a standard deviation (Rousseeuw and Croux, 1993). The floor is six deviations above the
    # median, since a single remaining speck would spoil the digit's bounding box.
    middle = float(np.median(paper))
    spread = 1.4826 * float(np.median(np.abs(paper - middle)))
    floor = min(max(middle + 6 * spread, 0.08 * peak), 0.8 * peak)
    return np.maximum(ink - floor, 0)


def _otsu_threshold(ink: np.ndarray) -> float:
    """The level that best separates the pixels into two classes (Otsu, 1979)."""
    counts, edges = np.histogram(ink, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = ink.size - below
    sums = np.cumsum(counts * centres)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between_classes = below * above * (mean_below - mean_above) ** 2
    return float(edges[1 + int(np.argmax(between_classes))])


def _scaled_to_box(ink: np.ndarray) -> np.ndarray:
    """The digit, cropped and scaled to 20 pixels on its longer side and a maximum of 255."""
    digit = ink[_extent(ink)]
    height, width = digit.shape
    factor = _BOX / max(height, width)
    rows = _resampling(height, max(1, round(height * factor)))
    columns = _resampling(width, max(1, round(width * factor)))
    scaled = rows @ digit @ columns.T
    return scaled * (255 / scaled.max())


def _resampling(old: int, new: int) -> np.ndarray:
    """The matrix of shape (new, old) that resamples a row of `old` pixels to `new` pixels by a triangle filter.

    The triangle is two new pixels wide, or two old pixels if the image is enlarged. This is antialiasing.
    """
    step = old / new
    centres = (np.arange(new) + 0.5) * step
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None]) / max(step, 1.0)
    weights = np.maximum(0.0, 1.0 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


def _placed(digit: np.ndarray) -> np.ndarray:
    """The digit in the 28×28 field, with its centre of mass in the middle as far as the digit fits."""
    pairs = zip(_centre_of_mass(digit), digit.shape, strict=True)
    corner = [min(max(round(_CENTRE - centre), 0), _FIELD - size) for centre, size in pairs]
    field = np.zeros((_FIELD, _FIELD), np.uint8)
    (top, left), (height, width) = corner, digit.shape
    field[top : top + height, left : left + width] = np.rint(digit)
    return field
