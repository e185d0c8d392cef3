"""Pixels, the columns of a table of pictures, and the form of such pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lamina.errors import DataError
from lamina.table.types.base import ColumnSchema, Medium, RowForm, WholeRow
from lamina.table.types.quantity import Quantity

PIXEL = "pixel"
"""The start of the names of pixels' columns."""

_MOST_PIXELS = 1 << 22
"""Maximum size of an untrusted picture, in pixels."""


def _pixels_of_png(body: bytes) -> np.ndarray:
    """The pixels of an untrusted picture of any size, uint8 (1, 784)."""
    from lamina.support.datasets import digit_in

    if not body.startswith(b"\x89PNG\r\n\x1a\n"):
        raise DataError("the body is not a PNG picture")
    try:
        return digit_in(io.BytesIO(body), "the body", _MOST_PIXELS).reshape(1, -1)
    except (ValueError, TypeError) as error:
        raise DataError(str(error)) from error


def _pixels_in(path: Path) -> tuple[list[str], np.ndarray]:
    """The names and pixels of the pictures in a file."""
    from lamina.support.datasets import normalize_digit, read_digit
    from lamina.support.files.idx import may_be_idx, read_idx

    if not may_be_idx(path):
        return [str(path)], read_digit(path).reshape(1, -1)
    array = read_idx(path)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.size == 0:
        raise DataError(f"{path}: expected images of shape (n, height, width), found {array.shape}")
    pixels = np.stack([normalize_digit(image).ravel() for image in array])
    return [f"{path}[{i}]" for i in range(len(array))], pixels


class PictureForm(RowForm):
    """Rows that are drawings: in JSON arrays of pixels, in files pictures, in request bodies also PNG."""

    whole = WholeRow("pixels", 784, "uint8", "line by line, ink 255 on paper 0")
    page = "digits"
    datatype = "UINT8"
    media: ClassVar = {"image/png": Medium(_pixels_of_png, "One picture, any size.")}

    def example(self) -> list[Any]:
        return [*super().example().values()]

    def json_schema(self) -> dict[str, Any]:
        size, first = len(self.schema.columns), self.schema.columns[0]
        pixels = {"type": "array", "items": first.type.json_schema(first), "minItems": size, "maxItems": size}
        return {**pixels, "description": "28 rows of 28 pixels; 0 is paper, 255 is ink."}

    def named_rows(self, files: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Names and pixels, uint8 (n, 784), of picture files and of IDX files of several pictures."""
        found = [_pixels_in(Path(file)) for file in files]
        return [name for names, _ in found for name in names], np.concatenate([pixels for _, pixels in found])


@dataclass(frozen=True)
class Pixel(Quantity):
    """A pixel of a drawing in MNIST's format, 28×28.

    Drawings of other sizes and colours are converted to this format.

    >>> Pixel().refusal(0.5), Pixel().refusal(255)
    ('is not a whole number from 0 (paper) to 255 (ink)', '')
    """

    tag = "pixel"
    wanted = "a whole number from 0 (paper) to 255 (ink)"
    limits = (0.0, 255.0)
    may_be_missing = False
    side: ClassVar[int] = 28
    row_form = PictureForm

    def are_beyond(self, numbers: np.ndarray | np.float64) -> np.ndarray:
        return np.not_equal(numbers, np.clip(np.floor(numbers), 0, 255))

    @property
    def _no_such_number(self) -> str:
        return f"is not {self.wanted}"

    def refusal(self, value: Any) -> str:
        is_pixel = type(value) in (int, float) and 0 <= value <= 255 and value == int(value)
        return "" if is_pixel else self._no_such_number

    def from_json(self, values: Sequence[Any]) -> np.ndarray | None:
        if set(map(type, values)) != {int}:
            return super().from_json(values)
        try:
            return np.frombuffer(bytes(values), np.uint8).astype(np.float64)
        except ValueError:
            return None

    def treatment(self, column: ColumnSchema) -> str:
        return "pixel, unchanged"

    def example(self, column: ColumnSchema) -> int:
        """The pixel's value in an example drawing, a vertical stroke."""
        row, place = divmod(int(column.name.rpartition("_")[2]), self.side)
        return 255 * (4 <= row < 24 and 13 <= place < 15)

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": 255}


def pixel_names(count: int, prefix: str = PIXEL) -> list[str]:
    """The names of the columns of a table whose rows are pictures, or other arrays, of `count` values."""
    return [f"{prefix}_{i}" for i in range(count)]


def pixel_columns() -> tuple[ColumnSchema[Pixel], ...]:
    """The columns of a table of 28×28 drawings, a column for each pixel."""
    return tuple(ColumnSchema(name, Pixel(), "uint8") for name in pixel_names(Pixel.side**2))
