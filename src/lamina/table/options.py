"""Options for reading the files of a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lamina.table.values import MISSING_TOKENS


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading files; those not given are detected.

    Attributes:
        format: the format, a key of `lamina.table.formats.FORMATS`; by default detected from the name or the content.
        delimiter: the delimiter of a text file; by default the one of comma, semicolon, tab and bar that
            divides its first lines uniformly.
        encoding: a text file's encoding, by Python's names; by default detected from a byte order mark, or UTF-8, or,
            with a warning, Windows-1252 (Latin-1 for bytes that Windows-1252 lacks).
        header: whether a text file's first line has the column names; if not, they are "column_1", …
        quote: the character around fields that contain the delimiter; None: there is no such character.
        decimal: the decimal sign in a text file, "." or ",".
        missing: texts for missing values in a text file, besides an empty field.
        as_text: columns of a text file that stay text, even if they look like numbers.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    quote: str | None = '"'
    decimal: str = "."
    missing: Collection[str] = MISSING_TOKENS
    as_text: Collection[str] = ()
