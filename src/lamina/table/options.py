"""Options for reading the files of a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lamina.table.values import MISSING_TOKENS


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading files; options that are not set are detected.

    Attributes:
        format: the format, a key of `lamina.table.formats.FORMATS`; by default derived from the name or the content.
        delimiter: the delimiter of a text file; by default comma, semicolon, tab or bar, whichever divides the first
            lines uniformly.
        encoding: Python's name of a text file's encoding; by default a byte order mark's encoding, or UTF-8, or, with
            a warning, Windows-1252 (Latin-1 for bytes that Windows-1252 lacks).
        header: whether a text file's first line has the column names; if not, they are "column_1", …
        quote: the character around fields that contain the delimiter; None: fields are never quoted.
        decimal: the decimal sign in a text file, "." or ",".
        missing: texts for missing values in a text file, in addition to an empty field.
        sheet: the name of a spreadsheet's sheet; by default the first visible one that has a table.
        as_text: columns of a text file that stay text, even if they look like numbers.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    quote: str | None = '"'
    decimal: str = "."
    missing: Collection[str] = MISSING_TOKENS
    sheet: str | None = None
    as_text: Collection[str] = ()
