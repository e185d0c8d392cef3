"""The child process that reads files by polars, and spreadsheets by calamine.

See `lamina.table.formats.columnar`.

The module is executed by its path and imports nothing from lamina. It reads requests from standard input, and answers
on standard output. A request is the length of its content (8 bytes) and the content, JSON; an answer is a length, a
letter for its type, and the content. After an answer with a shared file, the parent sends a byte to confirm that it
has opened the file.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sys
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

ERROR, TABLE, SHARED = b"E", b"T", b"M"
"""Types of answers.

An error message in UTF-8; a table in Arrow's IPC stream format; or the descriptor of an in-memory file of this process,
with a table in Arrow's IPC file format.
"""

_EXACT = 2**53
"""The whole numbers below are exact in float64."""

_WORTH_SHARING = 1 << 20
_AT_ONCE = 1 << 25
"""Maximum bytes of rows decoded at once; much smaller parts would decode the same pages repeatedly."""


class _File:
    """A file whose rows are probably requested from first to last.

    During sequential requests, each read from the file takes twice as many rows as the previous read.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        import polars as pl

        self._request = request
        self._is_parquet = request["format"] == "parquet"
        self._scan = _scan(request["path"], request["format"], request["sheet"])
        self._schema = self._scan.collect_schema()
        if len(self._schema) > request["columns"]:
            raise pl.exceptions.ComputeError(
                f"it has {len(self._schema):,} columns; at most {request['columns']:,} are read"
            )
        self._first = self._asked = 0
        self._piece = pl.DataFrame(schema=self._schema)

    def count(self) -> pl.DataFrame:
        """A table of a single number, the file's number of rows."""
        import polars as pl

        return self._scan.select(pl.len()).collect()

    def rows(self, start: int, count: int) -> pl.DataFrame:
        """Up to `count` rows from row `start` on.

        If `count` is 0, the table has only the columns and types.
        """
        end = self._first + self._asked
        if count and not self._first <= start <= start + count <= end:
            ahead = self._asked if start == end else 0
            if self._piece.estimated_size() < _AT_ONCE:
                ahead *= 2
            self._decode(start, max(count, ahead))
        return self._piece.slice(start - self._first, count)

    def _decode(self, start: int, count: int) -> None:
        import polars as pl
        from polars.selectors import by_name  # pl.col would interpret some names as patterns

        piece = self._scan.slice(start, count).collect()
        # This finds texts that are not UTF-8, which reading Feather does not check.
        texts = [by_name(name) for name, kind in self._schema.items() if kind == pl.String]
        if not self._is_parquet and texts:
            piece = piece.with_columns(text.cast(pl.Binary).cast(pl.String) for text in texts)
        if piece.estimated_size() > self._request["bytes"]:
            raise pl.exceptions.ComputeError("it unpacks to far more than its size")
        self._first, self._asked, self._piece = start, count, piece


class _Reader:
    """The handler of requests, which keeps the last request's file open."""

    def __init__(self) -> None:
        self._file: _File | None = None
        self._about: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> tuple[bytes, bytes | memoryview]:
        """The answer to a request: the letter for its type, and the content."""
        about = {key: value for key, value in request.items() if key not in ("start", "rows")}
        try:
            _limit_memory(request["memory"])
            if self._file is None or about != self._about or not request["rows"]:
                self._file, self._about = None, about
                self._file = _File(request)
            wanted = request["rows"]
            frame = self._file.count() if wanted is None else self._file.rows(request["start"], wanted)
            if request["rows"] and not len(frame):
                self._file = None  # frees the rows' memory at the end of the file
            return self._sent(frame, request["shares"])
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # Rust's panics are not Exceptions
            self._file = None
            lines = str(error).splitlines() or [type(error).__name__]
            return ERROR, lines[0].encode(errors="replace")

    @staticmethod
    def _sent(frame: pl.DataFrame, shares: bool) -> tuple[bytes, bytes | memoryview]:
        if not shares or frame.estimated_size() < _WORTH_SHARING:
            buffer = io.BytesIO()
            frame.write_ipc_stream(buffer)
            return TABLE, buffer.getbuffer()
        handle = os.memfd_create("lamina")
        try:
            with open(handle, "wb", closefd=False) as file:
                frame.write_ipc(file, compression="uncompressed")
        except BaseException:
            os.close(handle)
            raise
        return SHARED, str(handle).encode()


def _scan(path: str, format: str, sheet: str | None) -> Any:
    import polars as pl

    if format == "sheets":
        return pl.LazyFrame(_sheets(path), schema={"name": pl.String, "rows": pl.Int64}, orient="row")
    if format == "sheet":
        return pl.LazyFrame({"line": _csv_lines(path, sheet)}, schema={"line": pl.String})
    if format == "stream":
        return pl.read_ipc_stream(path).lazy()
    return (pl.scan_parquet if format == "parquet" else pl.scan_ipc)(path, glob=False)


# --- spreadsheets ----------------------------------------------------------------------------------------------------


def _sheets(path: str) -> list[tuple[str, int]]:
    """The name of each visible sheet, and its number of rows."""
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    with CalamineWorkbook.from_path(path) as book:
        names = [one.name for one in book.sheets_metadata if one.visible == SheetVisibleEnum.Visible]
        return [(name, book.get_sheet_by_name(name).height) for name in names]


def _csv_lines(path: str, sheet: str | None) -> list[str]:
    """The rows of a sheet as records of CSV; empty rows are empty lines, and titles above the table a single field."""
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as book:
        found = book.get_sheet_by_name(sheet or "")
        lines, has_begun = [""] * (found.start or (0, 0))[0], False
        for cells in _with_dates(_with_merged(found.to_python(skip_empty_area=True), found)):
            texts = [*map(_cell_text, cells)]
            has_begun = has_begun or any(texts[1:])
            texts = texts if has_begun else texts[:1]
            line = io.StringIO()
            if any(texts):
                csv.writer(line, lineterminator="").writerow(texts)
            lines.append(line.getvalue())
    return lines


def _with_merged(rows: list[list[Any]], sheet: Any) -> list[list[Any]]:
    """A sheet's rows, in which a cell that is merged with those below it has its value in all of these rows."""
    top, left = sheet.start or (0, 0)
    for (first, column), (last, _) in sheet.merged_cell_ranges or ():
        begin, j = first - top, column - left
        for i in range(begin + 1, min(last - top + 1, len(rows))):
            if begin >= 0 and 0 <= j < min(len(rows[begin]), len(rows[i])):
                rows[i][j] = rows[begin][j]
    return rows


_ZERO, _NEAR = datetime(1899, 12, 30), 3653
"""The date of the number 0, and how many days from a column's dates a number still is one."""


def _with_dates(rows: list[list[Any]]) -> list[list[Any]]:
    """A sheet's rows, in which numbers among more dates are dates: cells that only lack the format of a date."""
    for j, cells in enumerate(zip(*rows, strict=True)):
        days = [cell.toordinal() - _ZERO.toordinal() for cell in cells if isinstance(cell, date)]
        numbers = [i for i, cell in enumerate(cells) if type(cell) in (int, float)]
        first = max(min(days, default=0) - _NEAR, (datetime.min - _ZERO).days)
        last = min(max(days, default=0) + _NEAR, (datetime.max - _ZERO).days)
        for i in numbers if len(numbers) < len(days) else ():
            if first <= cells[i] <= last:
                rows[i][j] = _ZERO + timedelta(seconds=round(86_400 * cells[i]))
    return rows


def _cell_text(cell: object) -> str:
    """A cell's value as text, as a CSV file has it; a date without a time is a date."""
    match cell:
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer() and abs(cell) < _EXACT:
            return str(int(cell))
        case datetime() if cell.time() == time():
            return str(cell.date())
        case timedelta():
            seconds = cell.total_seconds()
            minutes, rest = divmod(abs(seconds), 60)
            hours, minutes = divmod(int(minutes), 60)
            return f"{'-' if seconds < 0 else ''}{hours}:{minutes:02}:{rest:0>2g}"
        case _:
            return str(cell)


# --- memory ----------------------------------------------------------------------------------------------------------


def _limit_memory(further: int) -> None:
    """Limit this process's memory to the current use plus `further` bytes, if the system supports limits.

    A stricter limit set by the user remains in effect.
    """
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except (ImportError, OSError):
        return
    wanted = pages * resource.getpagesize() + further
    limits = (wanted, *_limits_at_start(resource.RLIMIT_AS))
    soft = min(limit for limit in limits if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (soft, limits[-1]))


@cache
def _limits_at_start(kind: int) -> tuple[int, int]:
    import resource

    return resource.getrlimit(kind)


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C the parent ends this process
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.path[:] = json.loads(requests.read(int.from_bytes(requests.read(8), "big")))
    import polars  # noqa: F401  # pyright: ignore[reportUnusedImport] - before the first request comes

    reader = _Reader()
    ahead: dict[str, Any] | None = None
    letter, content = ERROR, b""
    while size := requests.read(8):
        request = json.loads(requests.read(int.from_bytes(size, "big")))
        if request != ahead:
            if ahead is not None and letter == SHARED:
                os.close(int(content))
            letter, content = reader.answer(request)
        answers.write(len(content).to_bytes(8, "big") + letter)
        answers.write(content)
        answers.flush()
        if letter == SHARED:  # waits until the parent has opened it, since reading ahead may crash
            requests.read(1)
            os.close(int(content))
        ahead = None
        if letter != ERROR and request["rows"]:
            # Meanwhile the next part is decoded, which is probably requested next.
            ahead = {**request, "start": request["start"] + request["rows"]}
            letter, content = reader.answer(ahead)


if __name__ == "__main__":
    main()
