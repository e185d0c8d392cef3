"""The sources of tables (files, globs, standard input), with their formats and uncompressed bytes."""

from __future__ import annotations

import glob
import io
import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from lamina.errors import DataError
from lamina.support.files.limits import FAR_MORE, unpacked_limit, untrusted
from lamina.support.files.staging import scratch
from lamina.table.formats import FORMATS, NOT_READ, PACKINGS, format_of_content, format_of_name, open_packed
from lamina.table.messages import closest, listed
from lamina.table.values import MISSING_TOKENS

_MOST_MAGIC = 10
"""The number of first bytes that tell the compression."""

STANDARD_INPUT = "standard input"
"""The name of standard input as a source."""


@dataclass(frozen=True)
class Source:
    """A file of a table, or a folder of images.

    Attributes:
        name: the file's name in messages.
        path: the path of the file's bytes, which may be a temporary copy.
        format: the format of the decompressed bytes, a key of `FORMATS`.
        compression: a key of `PACKINGS`, or "".
        scratch: a folder for temporary copies.
        held: whether all rows will be in memory, so that a reader may keep what it parses.
    """

    name: str
    path: Path
    format: str
    compression: str
    scratch: Path
    held: bool = False

    @contextmanager
    def open(self) -> Generator[IO[bytes]]:
        """A stream of the uncompressed bytes."""
        try:
            with open_packed(self.path, "rb", self.compression) as file:
                yield io.BufferedReader(_Unpacked(self, file), 1 << 17) if self.compression else file
        except (EOFError, zlib.error, OSError) as error:
            if not self.compression or isinstance(error, FileNotFoundError):
                raise
            raise DataError(
                f"{self.name} can't be decompressed ({error}); it may be truncated or corrupt"
            ) from error

    def unpacked(self) -> Path:
        """The path of a file with the uncompressed bytes, for formats that need random access."""
        if not self.compression:
            return self.path
        with self.open() as packed:
            return _copied(packed, self.scratch, self.path.name)

    def copy_called(self, name: str) -> Source:
        """A temporary file for a copy in another form, which the caller writes."""
        return replace(self, path=_new_path(self.scratch, name), compression="")


class _Unpacked(io.RawIOBase):
    """A decompressing stream, which raises an error if the output far exceeds the file's size."""

    def __init__(self, source: Source, file: IO[bytes]) -> None:
        self._file = file
        self._name = source.name
        self._left = unpacked_limit(source.path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._name}: {FAR_MORE}")
        buffer[: len(content)] = content
        return len(content)


def is_read_once(part: str | os.PathLike[str]) -> bool:
    """Whether a source can be read only once, like standard input or a pipe."""
    return os.fspath(part) == "-" or Path(part).is_fifo()


@contextmanager
def open_sources(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], format: str | None = None
) -> Generator[list[Source]]:
    """A context with the files of a table.

    Temporary copies, e.g. of standard input, exist only inside the context.

    Args:
        source: a path (also of a pipe, such as a shell's ``<(…)``), a glob, "-" for standard input, or several of
            these.
        format: the format of all files; by default derived from each name, or else from the content.

    Raises:
        DataError: a file does not exist, the glob has no match, or a file or format is unsupported.
    """
    if format is not None and format not in FORMATS:
        known = ", ".join(FORMATS)
        raise DataError(f"there is no format {format!r}; known: {known}.{closest(format, [*FORMATS])}")
    parts = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if not parts:
        raise DataError("no file is given; name at least one")
    with scratch("lamina-source-") as folder:
        yield [found for part in parts for found in _sources(os.fspath(part), format, folder)]


def _sources(part: str, format: str | None, scratch: Path) -> list[Source]:
    if part == "-":
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - it is where it was closed
            raise DataError("there is no standard input to read the table from")
        return [_source(STANDARD_INPUT, _copied(sys.stdin.buffer, scratch, STANDARD_INPUT), format, scratch)]
    if is_read_once(part):
        with open(part, "rb") as pipe:
            return [_source(part, _copied(pipe, scratch, Path(part).name), format, scratch)]
    if os.path.exists(part):
        return [_source(part, Path(part), format, scratch)]
    if glob.has_magic(part):
        found = sorted(glob.glob(part, recursive=True))
        if not found:
            raise DataError(f"no file matches the pattern {part!r}")
        return [_source(name, Path(name), format, scratch) for name in found]
    folder = os.path.dirname(part) or "."
    near = closest(os.path.basename(part), os.listdir(folder)) if os.path.isdir(folder) else ""
    raise DataError(f"there is no file {part!r}.{near}")


def _copied(stream: IO[bytes], scratch: Path, name: str) -> Path:
    """A temporary file with the content of a stream."""
    path = _new_path(scratch, name)
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    return path


def _new_path(scratch: Path, name: str) -> Path:
    return scratch / f"{len(os.listdir(scratch))}-{name}"


def _source(name: str, path: Path, format: str | None, scratch: Path) -> Source:
    if path.is_dir():
        return Source(name, path, next(key for key, known in FORMATS.items() if known.is_folder), "", scratch)
    if format is None and path.suffix.lower() == ".zip":
        name, path = _unzipped(name, path, scratch)
    with path.open("rb") as file:
        start = file.read(_MOST_MAGIC)
    packed = (key for key, packing in PACKINGS.items() if start.startswith(packing.magic))
    if format is None and (what := NOT_READ.get(path.suffix.lower())):
        raise DataError(f"{name} is {what}")
    source = Source(name, path, format or format_of_name(path.name)[0] or "", next(packed, ""), scratch)
    if source.format:
        return source
    with source.open() as file:
        return replace(source, format=format_of_content(file.read(16)))


def _unzipped(name: str, path: Path, scratch: Path) -> tuple[str, Path]:
    """The name and a copy of the only table in a zip archive.

    Raises:
        DataError: the archive is damaged or encrypted, unpacks to far more than its size, or has no table, or several.
    """
    with untrusted(f"{name} can't be unpacked"), zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir() and not _is_hidden(one.filename)]
        tables = [one for one in members if format_of_name(one.filename)[0]] or members
        if len(tables) != 1:
            inside = [one.filename for one in tables]
            found = f"{len(tables)} files: {listed(inside, 5)}; unpack it, and name those of the table"
            raise DataError(f"{name} has {found if tables else 'no files'}")
        if tables[0].file_size > unpacked_limit(path.stat().st_size):
            raise DataError(f"{name}: {FAR_MORE}")
        with archive.open(tables[0]) as member:
            return f"{name}/{tables[0].filename}", _copied(member, scratch, Path(tables[0].filename).name)


def _is_hidden(name: str) -> bool:
    """Whether a file in an archive is one that macOS adds, or another hidden one."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


# --- options ----------------------------------------------------------------------------------------------------------
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
