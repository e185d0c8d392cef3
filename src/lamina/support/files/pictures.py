"""Opening picture files that need not be trusted."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

from lamina.errors import DataError
from lamina.support.extras import require
from lamina.support.files.limits import untrusted

__all__ = ["open_picture"]

_KINDS = (
    "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP", "XBM",
    "AVIF", "ICNS", "QOI",
)  # fmt: skip
"""Not among them: EPS, for which Pillow starts another program on what the file says, WMF, and collections."""


@contextmanager
def open_picture(file: IO[bytes], name: str | os.PathLike[str], most_pixels: int) -> Generator[Any]:
    """A Pillow image, whose pixels are decoded on first use in the block.

    Args:
        file: the picture, open for reading.
        name: what messages call it.
        most_pixels: the most that its header may claim; decoding takes memory for as many, whatever its size.

    Raises:
        DataError: it is no picture or damaged (which may show within the block only), or too large.
        MissingPackageError: Pillow is not installed.
    """
    require("reading pictures", "pillow")
    from PIL import Image, UnidentifiedImageError

    # Warnings are of odd metadata, and of sizes, which are checked here.
    with untrusted(f"{os.fspath(name)} is not a readable picture"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.init()
        kinds = [kind for kind in _KINDS if kind in Image.OPEN]
        try:
            opened = Image.open(file, formats=kinds)
        except UnidentifiedImageError as error:  # whose text has the file's object, not its name
            raise DataError(
                f"{os.fspath(name)} is not a readable picture: its content is of no kind that is read "
                f"({', '.join(kinds)})"
            ) from error
        with opened as image:
            width, height = image.size
            if width * height > most_pixels:
                raise DataError(
                    f"{os.fspath(name)} has {width} × {height} pixels; at most {most_pixels:,} are read"
                )
            yield image
