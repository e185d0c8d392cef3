"""Pixels, the columns of a table of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from lamina.errors import DataError
from lamina.table.types.base import ColumnSchema
from lamina.table.types.quantity import Quantity


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
    side: ClassVar[int] = 28

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

    def drawing(self, file: IO[bytes], name: str, most_pixels: int) -> np.ndarray:
        """The pixels of an open image file of any size, uint8 (1, 784); see `lamina.datasets.read_digit`."""
        from lamina.support.datasets import digit_in

        return digit_in(file, name, most_pixels).reshape(1, -1)

    def drawings(self, paths: Sequence[Path]) -> tuple[list[str], np.ndarray]:
        """The names and the pixels, uint8 (n, 784), of the images in image files and IDX files.

        An IDX file may have several images.

        Raises:
            DataError: a file has no image.
        """
        found = [self._in(path) for path in paths]
        return [name for names, _ in found for name in names], np.concatenate([pixels for _, pixels in found])

    def _in(self, path: Path) -> tuple[list[str], np.ndarray]:
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


def pixel_columns() -> tuple[ColumnSchema[Pixel], ...]:
    """The columns of a table of 28×28 drawings, a column for each pixel."""
    return tuple(ColumnSchema(f"pixel_{i}", Pixel(), "uint8") for i in range(Pixel.side**2))
