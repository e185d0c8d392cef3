"""Reading of Parquet, Feather and spreadsheet files in a child process, since a damaged file may crash the reader.

polars and calamine don't validate such files: a wrong number can make them allocate petabytes, or abort the process.
So a child process decodes the file, with limits on memory and time, and returns a table written by polars, in shared
memory where available. The same child process reads all files of this process; if it dies, the next file starts a new
child.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from lamina.errors import DataError
from lamina.support.extras import address_space_limit
from lamina.support.files.limits import MOST_COLUMNS, unpacked_limit
from lamina.support.lazily import pl
from lamina.table.formats import _columnar_worker as columnar_worker

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
