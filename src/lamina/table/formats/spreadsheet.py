"""Spreadsheets (Excel's files, and .ods): a sheet is converted to CSV, and read as such a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.formats.columnar import read_in_subprocess
from lamina.table.formats.delimited import DelimitedFile
from lamina.table.messages import closest, listed, shown, warn
from lamina.table.source import ReadOptions, Source

_FEWEST_ROWS = 2
"""The number of rows that a sheet needs for a table: the column names, and one row."""

_ALL_ROWS = 1 << 24
"""More than a sheet has."""


def read_spreadsheet(source: Source, options: ReadOptions) -> DelimitedFile:
    """The reader of a spreadsheet's sheet; its line numbers are the sheet's row numbers.

    Cells are written as a CSV file has them: dates as 2024-05-03, times as 10:15:00, errors and empty cells as missing.

    Raises:
        DataError: the file is no spreadsheet, no sheet has a table, or there is no sheet `options.sheet`.
    """
    path = source.unpacked()
    sheet = _chosen(source.name, dict(_read(source.name, path, "sheets", None).rows()), options.sheet)
    lines = _read(source.name, path, "sheet", sheet)["line"]
    copy = replace(source.copy_called("sheet.csv"), format="csv")
    copy.path.write_text("\n".join(lines), encoding="utf-8", newline="")
    return DelimitedFile(copy, replace(options, delimiter=",", encoding="utf-8", quote='"', decimal="."))


def _read(name: str, path: Path, what: str, sheet: str | None) -> pl.DataFrame:
    try:
        return read_in_subprocess(path, what, 0, _ALL_ROWS, sheet=sheet)
    except DataError as error:
        raise DataError(f"{name} is not a readable spreadsheet: {error}") from error


def _chosen(name: str, sheets: dict[str, int], wanted: str | None) -> str:
    """The sheet that the user named; otherwise the first visible one with a table, with a warning about the others."""
    if wanted is not None:
        if wanted not in sheets:
            names = listed([*sheets], 10)
            raise DataError(f"{name} has no sheet {wanted!r}, but {names}.{closest(wanted, [*sheets])}")
        return wanted
    tables = [sheet for sheet, rows in sheets.items() if rows >= _FEWEST_ROWS]
    if not tables:
        raise DataError(f"{name} has no sheet with column names and a row")
    first, *others = tables
    if others:
        warn(f"{name}: the sheet {shown(first)} is read, not {listed(others, 3)}; --sheet NAME reads another")
    return first
