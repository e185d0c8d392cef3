"""Arrays as tables: NumPy's .npz, IDX files (MNIST's format), folders of images. Pixels become columns."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError, MissingPackageError
from lamina.io.idx import read_idx
from lamina.table.places import LineNumbers
from lamina.table.source import IMAGE_SUFFIXES, Source
from lamina.table.textual import in_types

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FILE", "FIRST_PIXEL", "LABEL", "ArrayFile", "ImageFolder"]

FILE, LABEL, FIRST_PIXEL = "file", "label", "pixel_0"
"""Columns of tables of images: their names, their classes, and the first of the pixels."""


class ArrayFile:
    """An .npz or IDX file, held in memory.

    Of an .npz, a 1-D array is a column under its own name, the array of more dimensions gives the columns
    "pixel_0", "pixel_1", … (several such arrays: "name_0", "name_1", …). An IDX file of images gives
    "pixel_0", … and, from the file of labels beside it (`…-labels-idx1-…` for `…-images-idx3-…`), "label".

    Raises:
        DataError: not such a file, truncated, arrays of different lengths, or objects in an array.
    """

    textual = False
    lines: LineNumbers | None = None

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._frame = _idx_frame(source) if source.format == "idx" else _npz_frame(source)

    def types(self) -> dict[str, pl.DataType]:
        return dict(self._frame.schema)

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        yield from self._frame.select(in_types(types)).iter_slices(rows)


def _npz_frame(source: Source) -> pl.DataFrame:
    try:
        with np.load(source.unpacked(), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{source.name} is not a readable .npz file of numbers and text: {error}") from error
    if not arrays:
        raise DataError(f"{source.name} holds no arrays")
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"{source.name}: the arrays of a table have one entry for each row, but their shapes are {shown}; "
            "save those that belong together in a file of their own"
        )
    return _frame_of_arrays(arrays)


def _frame_of_arrays(arrays: dict[str, np.ndarray]) -> pl.DataFrame:
    import polars as pl

    several = sum(array.ndim > 1 for array in arrays.values()) > 1
    parts: list[pl.DataFrame] = []
    for name, array in arrays.items():
        if array.ndim == 1:
            parts.append(pl.DataFrame({name: array}))
        else:
            parts.append(_pixel_frame(array, name if several else "pixel"))
    return pl.concat(parts, how="horizontal")


def _pixel_frame(array: np.ndarray, prefix: str = "pixel") -> pl.DataFrame:
    import polars as pl

    pixels = array.reshape(len(array), -1)
    return pl.DataFrame(pixels, schema=[f"{prefix}_{i}" for i in range(pixels.shape[1])], orient="row")


def _idx_frame(source: Source) -> pl.DataFrame:
    import polars as pl

    array = read_idx(source.unpacked(), name=source.name)
    if array.ndim == 1:
        return pl.DataFrame({LABEL: array})
    frame = _pixel_frame(array)
    labels = _labels_beside(source.path)
    if labels is None:
        return frame
    values = read_idx(labels)
    if values.shape != (len(array),):
        raise DataError(
            f"{source.name} has {len(array)} images, but {labels} has labels of shape {values.shape}"
        )
    return frame.with_columns(pl.Series(LABEL, values))


def _labels_beside(images: Path) -> Path | None:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    for candidate in (name, f"{name}.gz", name.removesuffix(".gz")):
        path = images.with_name(candidate)
        if candidate != images.name and path.is_file():
            return path
    return None


class ImageFolder:
    """A folder with a folder of images for each class: columns "pixel_0", … (uint8) and "label".

    Images directly in the folder, or an image instead of a folder, have no label; their names are in the column
    "file". All images must have one size; all are converted to gray or to red, green, blue (in this order for each
    pixel), like the first one.

    Raises:
        DataError: no images, an image that cannot be read or has another size than the first (names both).
        MissingPackageError: Pillow is not installed.
    """

    textual = False
    lines: LineNumbers | None = None

    def __init__(self, source: Source) -> None:
        self.name = source.name
        if source.path.is_file():
            self._begin(FILE, [(source.path, source.path.name)])
            return
        folder = source.path
        classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        labelled = [(file, path.name) for path in classes for file in _images_in(path)]
        files = labelled or [(file, file.name) for file in _images_in(folder)]
        if not files:
            raise DataError(
                f"{source.name} has no images ({', '.join(IMAGE_SUFFIXES)}), nor folders of them; of other files "
                f"write a pattern, such as '{os.path.join(source.name, '*.csv')}'"
            )
        self._begin(LABEL if labelled else FILE, files)

    def _begin(self, key: str, files: list[tuple[Path, str]]) -> None:
        """Take the files, each with what stands in the column `key`; the first says how all are read."""
        self._key, self._files = key, files
        self._first = self._files[0][0]
        with _open_image(self._first) as image:
            self._size = image.size
            self._mode = "L" if image.mode in ("1", "L", "LA", "I", "I;16", "F") else "RGB"

    def types(self) -> dict[str, pl.DataType]:
        import polars as pl

        pixels = self._size[0] * self._size[1] * len(self._mode)
        return {**{f"pixel_{i}": pl.UInt8() for i in range(pixels)}, self._key: pl.String()}

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        import polars as pl

        for start in range(0, len(self._files), rows):
            part = self._files[start : start + rows]
            pixels = np.stack([self._pixels(file) for file, _ in part])
            frame = _pixel_frame(pixels).with_columns(pl.Series(self._key, [name for _, name in part]))
            yield frame.select(in_types(types))

    def _pixels(self, file: Path) -> np.ndarray:
        with _open_image(file) as image:
            if image.size != self._size:
                sizes = [f"{width}×{height}" for width, height in (image.size, self._size)]
                raise DataError(
                    f"{file} is {sizes[0]} pixels, but {self._first} is {sizes[1]}; give all one size"
                )
            try:
                return np.asarray(image.convert(self._mode), np.uint8).ravel()
            except OSError as error:
                raise DataError(f"{file} is a broken image: {error}") from error


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def _open_image(file: Path) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackageError("folders of images need Pillow: pip install 'lamina[plot]'") from error
    try:
        return Image.open(file)
    except OSError as error:
        raise DataError(f"{file} is not a readable image: {error}") from error
