"""Arrays as tables, with pixels as columns: NumPy's .npz files, IDX files (MNIST's format), and folders of images."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from lamina.errors import DataError
from lamina.support.files import limits
from lamina.support.files.idx import read_idx
from lamina.support.files.pictures import open_picture
from lamina.support.lazily import pl
from lamina.table.formats import FORMATS
from lamina.table.formats.textual import Typed, in_types
from lamina.table.source import ReadOptions, Source
from lamina.table.types.pixel import PIXEL, pixel_names

FILE, LABEL, FIRST_PIXEL = "file", "label", pixel_names(1)[0]
"""Columns of image tables: file names, classes, and the first pixel."""


class ArrayFile(Typed):
    """A file of arrays, loaded as a table in memory."""

    def __init__(self, name: str, frame: pl.DataFrame) -> None:
        self.name = name
        self._frame = frame

    def types(self) -> dict[str, pl.DataType]:
        return dict(self._frame.schema)

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        yield from self._frame.select(in_types(types)).iter_slices(rows)


def read_npz(source: Source, _options: ReadOptions) -> ArrayFile:
    """Read an .npz file as a table.

    A 1-D array becomes a column with the array's name. An array with more dimensions becomes the columns "pixel_0",
    "pixel_1", …. If there are several such arrays, the columns have the array's name instead of "pixel".

    Raises:
        DataError: the file is invalid or truncated, arrays differ in length, or contain objects.
    """
    with limits.untrusted(f"{source.name} is not a readable .npz file of numbers and text"):
        return ArrayFile(source.name, _frame_of_arrays(source.name, _arrays_in(source.unpacked())))


def _frame_of_arrays(file: str, arrays: dict[str, np.ndarray]) -> pl.DataFrame:
    if not arrays:
        raise DataError(f"{file} has no arrays")
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"{file}: the arrays of a table have one entry for each row, but their shapes are {shown}; "
            "save arrays that belong together in a separate file"
        )
    several = sum(array.ndim > 1 for array in arrays.values()) > 1
    parts: list[pl.DataFrame] = []
    for name, array in arrays.items():
        if array.ndim == 1:
            parts.append(pl.DataFrame({name: array}))
        else:
            parts.append(pixel_frame(file, array, name if several else PIXEL))
    return pl.concat(parts, how="horizontal")


def _arrays_in(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    An array whose declared size exceeds its data raises an error.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > limits.unpacked_limit(path.stat().st_size):
            raise ValueError(limits.FAR_MORE)
        for member in members:
            with archive.open(member) as file:
                _require_plausible(file, member.file_size, member.filename)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _require_plausible(file: IO[bytes], size: int, name: str) -> None:
    """Raise an error if a .npy file declares more values than fit in its `size` bytes.

    Values of size zero also raise an error.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(
            f"{name} has version {version} of the .npy format, which is only for records; save plain arrays"
        )
    read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
    shape, _, dtype = read_header(file)
    if dtype.kind not in "biufcSUMm" or not dtype.itemsize or dtype.hasobject:
        raise ValueError(f"{name} has values of type {dtype}; numbers, dates and texts can be read")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"{name} has {size:,} bytes, too few for {dtype} of shape {shape}")


def pixel_frame(name: str, array: np.ndarray, prefix: str = PIXEL) -> pl.DataFrame:
    """An array (rows, …) as a table with a column for each element of a row.

    Args:
        name: the file's name in error messages.
        array: the array.
        prefix: the start of the column names.

    Raises:
        DataError: there are too many columns or none, or the array has no dimensions.
    """
    if not array.ndim:
        raise DataError(f"{name} is a single number, not the rows of a table")
    columns = math.prod(array.shape[1:])
    if not columns:
        raise DataError(f"{name} has rows without any values: its shape is {array.shape}")
    limits.require_columns(name, columns)
    pixels = array.reshape(len(array), columns)
    return pl.DataFrame(pixels, schema=pixel_names(columns, prefix), orient="row")


def read_idx_file(source: Source, _options: ReadOptions) -> ArrayFile:
    """Read an IDX file as a table.

    Images become the columns "pixel_0", …; a label file in the same folder (`…-labels-idx1-…` for `…-images-idx3-…`)
    becomes the column "label".

    Raises:
        DataError: the file is invalid or truncated, or the labels don't match the images.
    """
    array = read_idx(source.unpacked(), name=source.name)
    if array.ndim == 1:
        return ArrayFile(source.name, pl.DataFrame({LABEL: array}))
    frame = pixel_frame(source.name, array)
    if (labels := _labels_beside(source.path)) is not None:
        values = read_idx(labels)
        if values.shape != (len(array),):
            raise DataError(
                f"{source.name} has {len(array)} images, but {labels} has labels of shape {values.shape}"
            )
        frame = frame.with_columns(pl.Series(LABEL, values))
    return ArrayFile(source.name, frame)


def _labels_beside(images: Path) -> Path | None:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    for candidate in (name, f"{name}.gz", name.removesuffix(".gz")):
        path = images.with_name(candidate)
        if candidate != images.name and path.is_file():
            return path
    return None


# --- folders of images ------------------------------------------------------------------------------------------------
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
            if any(folder.glob("*.safetensors")):
                raise DataError(
                    f"{source.name} has a model, and no table; name the model first, then the table"
                )
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
        limits.require_columns(str(self._first), pixels, limits.MOST_PIXEL_COLUMNS)
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
    with file.open("rb") as content, open_picture(content, file, limits.MOST_PIXEL_COLUMNS) as image:
        yield image
