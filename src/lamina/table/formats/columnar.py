"""Parquet and Feather (Arrow IPC) files, and spreadsheets, which a child process reads."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from lamina.errors import DataError
from lamina.support.extras import address_space_limit
from lamina.support.files.limits import FAR_MORE, MOST_COLUMNS, unpacked_limit
from lamina.support.lazily import pl
from lamina.table.formats import FORMATS, Reader
from lamina.table.formats import _columnar_worker as columnar_worker
from lamina.table.formats.textual import Typed, in_types
from lamina.table.messages import closest, listed, shown, warn
from lamina.table.source import ReadOptions, Source

# --- reading in a child process, since a damaged file may crash the reader --------------------------------------------
# polars and calamine don't validate such files: a wrong number can make them allocate petabytes, or abort the process.
# So a child process decodes the file, with limits on memory and time, and returns a table written by polars, in shared
# memory where available. The same child process reads all files of this process; if it dies, the next file starts a new
# child.


_SECONDS = 120
_BYTES_A_SECOND = 1 << 20
_SLACK = 1 << 30  # address space that polars reserves without using it


class _Child:
    """The child process, and the two pipes to it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-I", columnar_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # polars prints each panic there
        )
        _widen(self.process.stdout)
        self.files = f"/proc/{self.process.pid}/fd"
        self.shares = hasattr(os, "memfd_create") and os.access(self.files, os.R_OK | os.X_OK)
        self._send(sys.path)

    def ask(self, request: dict[str, object], seconds: float) -> tuple[bytes, bytearray]:
        """Send a request; return the answer's type letter and content.

        The letter is empty if the child died, or was killed after `seconds`. For a shared file, the content is the
        number of a file descriptor in this process.
        """
        assert self.process.stdout is not None
        timer = threading.Timer(seconds, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            self._send({**request, "shares": self.shares})
            head = self.process.stdout.read(9)
            content = bytearray(int.from_bytes(head[:8], "big"))
            whole = cast(BufferedReader, self.process.stdout).readinto(content) == len(content)
            if whole and head[8:] == columnar_worker.SHARED:
                handle = os.open(f"{self.files}/{content.decode()}", os.O_RDONLY)
                content = bytearray(str(handle).encode())
                with suppress(OSError):  # if the child has died meanwhile, the next request fails
                    self._say(b"!")
            return head[8:] if whole else b"", content
        except OSError:  # the pipe is broken
            return b"", bytearray()
        finally:
            timer.cancel()

    def _send(self, message: object) -> None:
        content = json.dumps(message).encode()
        self._say(len(content).to_bytes(8, "big") + content)

    def _say(self, content: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def end(self) -> None:
        if self.owner == os.getpid():
            self.process.kill()
            self.process.communicate()


def _widen(pipe: IO[bytes] | None) -> None:
    """Enlarge a pipe to 1 MiB, if the system supports this.

    The processes then wait for each other less often.
    """
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        assert pipe is not None
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


class _Service:
    """The child process, which is restarted if it died or if this process was forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def begin(self) -> None:
        with self._lock:
            self._running()

    def _running(self) -> _Child:
        if self._child is None or self._child.owner != os.getpid():
            self._child = _Child()
        return self._child

    def table(self, request: dict[str, object], seconds: float) -> pl.DataFrame:
        """The table with which the child answers a request.

        Raises:
            DataError: the child reports an error, died, or was killed after `seconds`.
        """
        with self._lock:
            letter, content = self._ask(request, seconds)
            if not letter:  # the child may have died from reading ahead in another file
                letter, content = self._ask(request, seconds)
            return _table(letter, content)

    def _ask(self, request: dict[str, object], seconds: float) -> tuple[bytes, bytearray]:
        letter = b""
        try:
            letter, content = self._running().ask(request, seconds)
            return letter, content
        finally:
            if not letter:  # the child died, or Ctrl-C interrupted the answer
                self.end()

    def end(self) -> None:
        if self._child is not None:
            self._child.end()
        self._child = None


def _table(letter: bytes, content: bytearray) -> pl.DataFrame:
    if not letter:
        limit = address_space_limit()
        raise DataError(
            "it is damaged: its reader crashed or took too long"
            if limit is None
            else f"its reader crashed or took too long: the file is damaged, or needs more address space than a "
            f"process may use, {limit / 2**30:.1f} GiB (ulimit -v)"
        )
    if letter == columnar_worker.ERROR:
        raise DataError(content.decode())
    if letter == columnar_worker.SHARED:
        with open(int(content), "rb") as file:
            return pl.read_ipc(file)
    return pl.read_ipc_stream(bytes(content))


_service = _Service()
atexit.register(_service.end)


begin = _service.begin
"""Start the child, which takes a while, before files are read."""

end = _service.end
"""End the child, which frees its memory; a later read starts a new child."""


def read_in_subprocess(
    path: Path,
    format: str,
    first: int = 0,
    rows: int | None = 0,
    *,
    limit: int | None = None,
    seconds: float | None = None,
    sheet: str | None = None,
) -> pl.DataFrame:
    """Some rows of a Parquet or Feather file, or of a spreadsheet, read by the child process.

    Args:
        path: the file.
        format: "parquet", "feather", or "stream" for Arrow's IPC stream. For spreadsheets, "sheets": the rows are the
            `name` of each visible sheet and its number of `rows`; or "sheet": each row is a `line` of CSV.
        first: the first row.
        rows: the number of rows. If it is 0, the table has only columns and types. If it is None, the table has a
            single number, the file's number of rows.
        limit: the maximum size of the table in bytes; by default derived from the file's size.
        seconds: the maximum time; by default derived from the file's size.
        sheet: the name of a sheet.

    Raises:
        DataError: the file can't be read, or memory or time would exceed the limits; the message gives the reason.
    """
    size = path.stat().st_size
    limit = unpacked_limit(size) if limit is None else limit
    seconds = _SECONDS + size / _BYTES_A_SECOND if seconds is None else seconds
    request: dict[str, object] = {
        "path": os.path.abspath(path), "format": format, "sheet": sheet, "start": first, "rows": rows,
        "columns": MOST_COLUMNS, "bytes": limit, "memory": 3 * limit + _SLACK,
    }  # fmt: skip
    return _service.table(request, seconds)


class ColumnarFile(Typed):
    """A Parquet or Feather file, decoded in a child process (see `lamina.table.formats.columnar`).

    Raises:
        DataError: the file is truncated, corrupt, or of another format.
    """

    def __init__(self, source: Source, _options: ReadOptions) -> None:
        self.name = source.name
        self._path = source.unpacked()
        self._format = source.format
        try:
            self._types = dict(read_in_subprocess(self._path, self._format).schema)
        except DataError as error:
            kind = FORMATS[source.format].title
            raise DataError(f"{source.name} is not a readable {kind} file: {error}") from error

        if not self._types:
            raise DataError(f"{source.name} has no columns")

    def types(self) -> dict[str, pl.DataType]:
        return self._types

    def count(self) -> int:
        """The number of rows, from the file's metadata."""
        return int(read_in_subprocess(self._path, self._format, rows=None).item())

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        start = unpacked = 0
        limit = unpacked_limit(self._path.stat().st_size)
        while True:
            try:
                batch = read_in_subprocess(self._path, self._format, start, rows)
            except DataError as error:
                raise DataError(f"{self.name} can't be read from row {start} on: {error}") from error
            if not len(batch):
                return
            unpacked += batch.estimated_size()
            if unpacked > limit:
                raise DataError(f"{self.name}: {FAR_MORE}")
            yield batch.select(in_types(types))
            start += rows


def write_parquet(parts: Iterable[pl.DataFrame], schema: pl.Schema, file: IO[bytes]) -> None:
    """Write a Parquet file; see `Writer`."""
    _scanned(parts, schema).sink_parquet(file)


def write_feather(parts: Iterable[pl.DataFrame], schema: pl.Schema, file: IO[bytes]) -> None:
    """Write a Feather file; see `Writer`."""
    _scanned(parts, schema).sink_ipc(file, compression="zstd")


def _scanned(parts: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """The parts as a lazy frame; polars requests each part when it writes the part."""
    from polars.io.plugins import register_io_source

    # polars calls from its own thread, whose messages need this context to name the files' lines
    context = copy_context()
    remaining = iter(parts)

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        while (part := context.run(next, remaining, None)) is not None:
            yield part  # polars requests all columns and rows when it writes all of them

    return register_io_source(source, schema=schema)


# --- spreadsheets -----------------------------------------------------------------------------------------------------
# Spreadsheets (Excel's files, and .ods): a sheet is converted to CSV, and read as such a file.


_FEWEST_ROWS = 2
"""The number of rows that a sheet needs for a table: the column names, and one row."""

_ALL_ROWS = 1 << 24
"""More than a sheet has."""


def read_spreadsheet(source: Source, options: ReadOptions) -> Reader:
    """The reader of a spreadsheet's sheet; its line numbers are the sheet's row numbers.

    Cells are written as a CSV file has them: dates as 2024-05-03, times as 10:15:00, errors and empty cells as missing.

    Raises:
        DataError: the file is no spreadsheet, no sheet has a table, or there is no sheet `options.sheet`.
    """
    from lamina.table.formats.delimited import DelimitedFile

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
