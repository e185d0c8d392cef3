"""Opening of untrusted image files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

from lamina.errors import DataError
from lamina.support.extras import require
from lamina.support.files.limits import untrusted

_KINDS = (
    "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP", "XBM",
    "AVIF", "ICNS", "QOI",
)  # fmt: skip
"""Accepted image formats. EPS (for which Pillow runs another program), WMF and multi-image formats are excluded."""


@contextmanager
def open_picture(file: IO[bytes], name: str | os.PathLike[str], most_pixels: int) -> Generator[Any]:
    """A context with an image opened by Pillow, whose pixels are decoded on first use.

    Args:
        file: the image file, open for reading.
        name: the file's name in messages.
        most_pixels: the maximum number of pixels in the header, since decoding allocates memory for all of them.

    Raises:
        DataError: the file is not an image, is damaged (also raised at the first use of pixels), or is too large.
        MissingPackageError: Pillow is not installed.
    """
    require("reading pictures", "pillow")
    from PIL import Image, UnidentifiedImageError

    # Pillow warns of odd metadata, and of sizes, which this function checks itself.
    with untrusted(f"{os.fspath(name)} is not a readable picture"), warnings.catch_warnings(action="ignore"):
        Image.init()
        kinds = [kind for kind in _KINDS if kind in Image.OPEN]
        try:
            opened = Image.open(file, formats=kinds)
        except UnidentifiedImageError as error:  # Pillow's message has the file object, not the name
            raise DataError(
                f"{os.fspath(name)} is not a readable picture: its format is none of those supported "
                f"({', '.join(kinds)})"
            ) from error
        with opened as image:
            width, height = image.size
            if width * height > most_pixels:
                raise DataError(
                    f"{os.fspath(name)} has {width} × {height} pixels; at most {most_pixels:,} are read"
                )
            yield image
