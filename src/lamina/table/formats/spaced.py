"""Text files whose values are divided by spaces, as by R: a copy of such a file has tabs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Generator, Iterable
from dataclasses import replace
from itertools import islice

from lamina.support.files.limits import LONGEST_RECORD
from lamina.table.formats._dialect import utf8_chunks
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
        rows = [row for row in islice(_rows(_lines(source, encoding), quote), _FIRST) if row]
    except csv.Error:
        return None
    if not _are_divided(rows):
        return None
    names = [""] * (len(rows[1]) - len(rows[0]))
    path = source.scratch / f"{len(os.listdir(source.scratch))}-tabs.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in _rows(_lines(source, encoding), quote):
            line = io.StringIO()
            if row:
                csv.writer(line, delimiter="\t", lineterminator="").writerow(names + row)
                names = []
            file.write(line.getvalue() + "\n")
    return replace(source, path=path, compression="")


def _are_divided(rows: list[list[str]]) -> bool:
    if len(rows) <= _FEWEST_LINES:
        return False
    first, *others = rows
    width = len(others[0])
    if width < _FEWEST_VALUES or {*map(len, others)} != {width} or len(first) not in (width, width - 1):
        return False
    return any(all(number_in(value) is not None for value in column) for column in zip(*others, strict=True))


def _lines(source: Source, encoding: str) -> Generator[str]:
    rest = b""
    for chunk in utf8_chunks(source, encoding):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in whole)
        if len(rest) > LONGEST_RECORD:
            break
    if rest:
        yield rest.decode()


def _rows(lines: Iterable[str], quote: str | None) -> Generator[list[str]]:
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    yield from csv.reader(
        map(str.strip, lines), delimiter=" ", quotechar=quote, quoting=quoting, skipinitialspace=True
    )
