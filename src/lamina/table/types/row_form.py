"""`RowForm`: how whole rows of a table are exchanged with people and programs: in JSON, in files, in other media."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lamina.table.schema import Schema


class Medium(NamedTuple):
    """A media type of request bodies that only some tables have.

    Attributes:
        read: reads an untrusted body; returns numbers, (rows, columns); raises `DataError` for an invalid body.
        description: the content of a body, for OpenAPI.
    """

    read: Callable[[bytes], np.ndarray]
    description: str


class RowForm:
    """The form of a table's rows: in JSON an object with a value per column, in files a table.

    Where all columns of a table have one type, `ColumnType.row_form` of that type applies.

    Attributes:
        by_column: whether columns are named, listed and sent one by one.
        datatype: the Open Inference Protocol's type for numbers without names.
        picture: height and width, if a row is a grayscale image.
        media: media types of request bodies, beside those of all tables.
    """

    by_column: ClassVar[bool] = True
    datatype: ClassVar[str] = "FP64"
    picture: ClassVar[tuple[int, int] | None] = None
    media: ClassVar[Mapping[str, Medium]] = {}

    def __init__(self, schema: Schema) -> None:
        """`schema`: the table's columns."""
        self.schema = schema

    def example(self) -> Any:
        """A typical row for JSON: numbers near the middle, and the most frequent categories."""
        return {column.name: column.type.example(column) for column in self.schema.used}

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a row."""
        values = {column.name: column.type.json_schema(column) for column in self.schema.used}
        row: dict[str, Any] = {"type": "object", "properties": values, "required": [*values]}
        if self.schema.named:
            return row
        size = len(values)
        ordered = {"type": "array", "prefixItems": [*values.values()], "minItems": size, "maxItems": size}
        text = "An object, or the values in order, since training had no column names."
        return {"oneOf": [row, ordered], "description": text}

    def named_rows(self, files: Sequence[str]) -> tuple[list[str], np.ndarray] | None:
        """The names and the numbers, (rows, columns), of rows that are files; None if files are tables.

        Raises:
            DataError: a file has no such row.
        """
        return None
