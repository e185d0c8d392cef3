"""Text files whose values are divided by spaces, as by R: a copy of such a file has tabs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from lamina.table.formats._dialect import records_of, utf8_chunks, whole_lines
from lamina.table.source import Source
from lamina.table.values import number_in

_FIRST = 50
"""Number of lines from which such files are known."""

_FEWEST_VALUES, _FEWEST_LINES = 3, 5


def with_tabs(source: Source, encoding: str, quote: str | None) -> Source | None:
    """A copy of a text file in which tabs divide values, in UTF-8; None if spaces don't divide the file's values.

    They do if the first lines have the same number of values, at least three, and some are numbers. The first line may
    lack a name for the rows' names, as R writes it.
    """
    try:
        rows = [row for row in islice(_rows(source, encoding, quote), _FIRST) if row]
    except csv.Error:
        return None
    if not _are_divided(rows):
        return None
    names = [""] * (len(rows[1]) - len(rows[0]))
    copy = source.copy_called("tabs.tsv")
    with copy.path.open("w", encoding="utf-8", newline="") as file:
        for row in _rows(source, encoding, quote):
            line = io.StringIO()
            if row:
                csv.writer(line, delimiter="\t", lineterminator="").writerow(names + row)
                names = []
            file.write(line.getvalue() + "\n")
    return copy


def _are_divided(rows: list[list[str]]) -> bool:
    if len(rows) <= _FEWEST_LINES:
        return False
    first, *others = rows
    width = len(others[0])
    if width < _FEWEST_VALUES or {*map(len, others)} != {width} or len(first) not in (width, width - 1):
        return False
    return any(all(number_in(value) is not None for value in column) for column in zip(*others, strict=True))


def _rows(source: Source, encoding: str, quote: str | None) -> Iterator[list[str]]:
    blocks = whole_lines(utf8_chunks(source, encoding))
    lines = (line.strip() for block in blocks for line in block.decode().removesuffix("\n").split("\n"))
    return records_of(lines, " ", quote, skipinitialspace=True)
