"""Options for reading the files of a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lamina.table.values import MISSING_TOKENS

__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """The options of reading; those not given are detected.

    Attributes:
        format: of the files, a key of `lamina.table.formats.FORMATS`; else by name, then by content.
        delimiter: between the fields of a text file; else the one of comma, semicolon, tab and bar that
            divides its first lines alike.
        encoding: of a text file, by Python's names; else by a byte order mark, or UTF-8, or, with a warning,
            Windows-1252 (Latin-1 where that does not fit).
        header: whether the first line of a text file has the columns' names; else they are "column_1", …
        quote: the character around fields that contain the delimiter; None for none.
        decimal: "." or "," in the numbers of a text file.
        missing: texts that stand for a missing value in a text file, besides an empty field.
        as_text: columns of a text file that stay text, whatever they look like.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    quote: str | None = '"'
    decimal: str = "."
    missing: Collection[str] = MISSING_TOKENS
    as_text: Collection[str] = ()
