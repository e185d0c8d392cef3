"""Folders of images as tables, with pixels as columns."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.files.limits import MOST_PIXEL_COLUMNS, require_columns
from lamina.support.files.pictures import open_picture
from lamina.support.lazily import pl
from lamina.table.formats import FORMATS
from lamina.table.formats.arrays import FILE, LABEL, pixel_frame
from lamina.table.formats.textual import Typed, in_types
from lamina.table.options import ReadOptions
from lamina.table.source import Source
from lamina.table.types.pixel import pixel_names

_SUFFIXES = FORMATS["images"].suffixes


class ImageFolder(Typed):
    """A folder of images as a table, with a subfolder for each class.

    The columns are "pixel_0", … (uint8) and "label", the subfolder's name. Images directly in the folder, or a single
    image file, have no label; the column "file" has their names. All images must have the same size. If the first
    image is gray, all images are converted to gray, otherwise to red, green and blue (in this order for each pixel).

    Raises:
        DataError: there are no images, or an image is unreadable or differs in size from the first (the message names
            both).
    """

    def __init__(self, source: Source, _options: ReadOptions) -> None:
        self.name = source.name
        is_single, folder = source.path.is_file(), source.path
        parts = [] if is_single else sorted(path for path in folder.iterdir() if path.is_dir())
        classes = [path for path in parts if not path.name.startswith(".")]
        labelled = [(file, path.name) for path in classes for file in _images_in(path)]
        unlabelled = [folder] if is_single else _images_in(folder)
        self._files = labelled or [(file, file.name) for file in unlabelled]
        if not self._files:
            raise DataError(
                f"{source.name} has no images ({', '.join(_SUFFIXES)}), or folders of images; for other files "
                f"give a pattern, such as '{os.path.join(source.name, '*.csv')}'"
            )
        self._key, self._first = LABEL if labelled else FILE, self._files[0][0]
        with _opened(self._first) as image:
            self._size = image.size
            self._mode = "L" if image.mode in ("1", "L", "LA", "I", "I;16", "F") else "RGB"

    def types(self) -> dict[str, pl.DataType]:
        pixels = self._size[0] * self._size[1] * len(self._mode)
        require_columns(str(self._first), pixels, MOST_PIXEL_COLUMNS)
        return {**dict.fromkeys(pixel_names(pixels), pl.UInt8()), self._key: pl.String()}

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        for start in range(0, len(self._files), rows):
            part = self._files[start : start + rows]
            pixels = np.stack([self._pixels(file) for file, _ in part])
            names = pl.Series(self._key, [name for _, name in part])
            yield pixel_frame(self.name, pixels).with_columns(names).select(in_types(types))

    def _pixels(self, file: Path) -> np.ndarray:
        with _opened(file) as image:
            if image.size != self._size:
                sizes = [f"{width}×{height}" for width, height in (image.size, self._size)]
                raise DataError(
                    f"{file} is {sizes[0]} pixels, but {self._first} is {sizes[1]}; give all images the same size"
                )
            return np.asarray(image.convert(self._mode), np.uint8).ravel()


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


@contextmanager
def _opened(file: Path) -> Generator[Any]:
    with file.open("rb") as content, open_picture(content, file, MOST_PIXEL_COLUMNS) as image:
        yield image
