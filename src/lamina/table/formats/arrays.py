"""Arrays as tables: NumPy's .npz files and IDX files (MNIST's format), with pixels as columns."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from lamina.errors import DataError
from lamina.support.files.idx import read_idx
from lamina.support.files.limits import FAR_MORE, require_columns, unpacked_limit, untrusted
from lamina.support.lazily import pl
from lamina.table.formats.textual import Typed, in_types
from lamina.table.options import ReadOptions
from lamina.table.source import Source
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
    with untrusted(f"{source.name} is not a readable .npz file of numbers and text"):
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
        if sum(member.file_size for member in members) > unpacked_limit(path.stat().st_size):
            raise ValueError(FAR_MORE)
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
    require_columns(name, columns)
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
