"""Where a table comes from: files, globs, standard input; which format it has; and its unpacked bytes."""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from lamina.errors import DataError, MissingPackageError
from lamina.table.messages import closest

__all__ = ["FORMATS", "Compression", "Format", "Source", "format_of_name", "open_sources", "open_zstd"]

Format = Literal["csv", "tsv", "parquet", "feather", "jsonl", "npz", "idx", "images"]
"""`feather` is Arrow's IPC file, `jsonl` an object a line, `images` a folder with a folder of images
a class, or one image."""

FORMATS: tuple[Format, ...] = ("csv", "tsv", "parquet", "feather", "jsonl", "npz", "idx", "images")

Compression = Literal["", "gz", "zst"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".npz": "npz",
    ".idx": "idx",
    **dict.fromkeys(IMAGE_SUFFIXES, "images"),
}

NOT_READ: dict[str, str] = {
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".ods"), "a spreadsheet; save the sheet with the table as CSV"
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".bz2", ".xz"), "an archive; unpack it first"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"), "a pickle, which may run any program; save the table as Parquet"
    ),
    **dict.fromkeys(
        (".sav", ".dta", ".sas7bdat", ".rds", ".rdata"), "of a statistics program; save the table as CSV"
    ),
    **dict.fromkeys(
        (".h5", ".hdf5", ".sqlite", ".db", ".npy"), "not a table; save the table as Parquet or .npz"
    ),
}
"""What to do with files that are known and not read."""

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather"),
    (b"PK\x03\x04", "npz"),
    (b"\x00\x00\x08", "idx"),
    (b"\x00\x00\x0d", "idx"),
    (b"{", "jsonl"),
)


@dataclass(frozen=True)
class Source:
    """One file of a table, or a folder of images.

    Attributes:
        name: what messages call it.
        path: where its bytes are.
        format: what they are, once unpacked.
        compression: how they are packed.
        scratch: a folder for temporary copies.
    """

    name: str
    path: Path
    format: Format
    compression: Compression
    scratch: Path

    @contextmanager
    def open(self) -> Generator[IO[bytes]]:
        """The unpacked bytes, from the first to the last."""
        try:
            with _opened(self.path, self.compression) as file:
                yield file
        except (EOFError, zlib.error, OSError) as error:
            if not self.compression or isinstance(error, FileNotFoundError):
                raise
            raise DataError(f"{self.name} is truncated or corrupt: {error}") from error

    def unpacked(self) -> Path:
        """A file with the unpacked bytes, for formats that are not read from front to back."""
        if not self.compression:
            return self.path
        copy = self.scratch / f"{len(os.listdir(self.scratch))}-{self.path.name}"
        with self.open() as packed, copy.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        return copy


@contextmanager
def _opened(path: Path, compression: Compression) -> Generator[IO[bytes]]:
    if compression == "zst":
        with open_zstd(path, "rb") as file:
            yield file
    elif compression == "gz":
        with gzip.open(path, "rb") as file:
            yield cast(IO[bytes], file)
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def open_zstd(target: Path | IO[bytes], mode: Literal["rb", "wb"]) -> Generator[IO[bytes]]:
    """A zstd file, unpacked while it is read or packed while it is written.

    Python has zstd from 3.14 on; before, the same module comes as `backports.zstd`, and pyarrow has it too.
    """
    for module in ("compression.zstd", "backports.zstd"):
        try:
            zstd = __import__(module, fromlist=["open"])
        except ImportError:
            continue
        with zstd.open(target, mode) as file:
            yield file
        return
    try:
        import pyarrow
    except ImportError as error:
        raise MissingPackageError("zst files need a package here: pip install backports.zstd") from error
    opened: Any = pyarrow.input_stream if mode == "rb" else pyarrow.output_stream
    # pyarrow closes what it is given, so a file that is open already is lent as a second handle.
    packed = str(target) if isinstance(target, Path) else os.fdopen(os.dup(target.fileno()), mode)
    with opened(packed, compression="zstd") as file:
        yield file


@contextmanager
def open_sources(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], format: Format | None = None
) -> Generator[list[Source]]:
    """Find the files of a table. Temporary copies (of standard input, of packed files) last for the block.

    Args:
        source: a path, a glob, "-" for standard input, or several of them.
        format: of all files; if not given it is told from each name, and if that says nothing, from the content.

    Raises:
        DataError: there is no such file, no file fits the glob, or a folder without images.
    """
    parts = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if not parts:
        raise DataError("no file is given")
    with tempfile.TemporaryDirectory(prefix="lamina-") as scratch:
        sources: list[Source] = []
        for part in parts:
            sources += _sources(os.fspath(part), format, Path(scratch))
        yield sources


def _sources(part: str, format: Format | None, scratch: Path) -> list[Source]:
    if part == "-":
        path = scratch / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        return [_source("standard input", path, format, scratch)]
    if os.path.exists(part):
        return [_source(part, Path(part), format, scratch)]
    if glob.has_magic(part):
        found = sorted(glob.glob(part, recursive=True))
        if not found:
            raise DataError(f"no file fits {part!r}")
        return [_source(name, Path(name), format, scratch) for name in found]
    folder = os.path.dirname(part) or "."
    near = closest(os.path.basename(part), os.listdir(folder)) if os.path.isdir(folder) else ""
    raise DataError(f"there is no file {part!r}.{near}")


def _source(name: str, path: Path, format: Format | None, scratch: Path) -> Source:
    if path.is_dir():
        return Source(name, path, "images", "", scratch)
    with path.open("rb") as file:
        magic = file.read(4)
    compression: Compression = "gz" if magic[:2] == b"\x1f\x8b" else ""
    compression = "zst" if magic == b"\x28\xb5\x2f\xfd" else compression
    if format is None and (what := NOT_READ.get(path.suffix.lower())):
        raise DataError(f"{name} is {what}")
    told = format or format_of_name(path.name)[0]
    source = Source(name, path, told or "csv", compression, scratch)
    return source if told else Source(name, path, _format_of_content(source), compression, scratch)


def format_of_name(name: str) -> tuple[Format | None, Compression]:
    """The format and the compression that a file's name says, None where it says no format.

    >>> format_of_name("a/train.csv.gz"), format_of_name("train-images-idx3-ubyte"), format_of_name("data")
    (('csv', 'gz'), ('idx', ''), (None, ''))
    """
    path = Path(name.lower())
    packings: dict[str, Compression] = {".gz": "gz", ".zst": "zst", ".zstd": "zst"}
    compression = packings.get(path.suffix, "")
    if compression:
        path = path.with_suffix("")
    if path.name.endswith("-ubyte") or path.suffix.startswith((".idx1", ".idx3")):
        return "idx", compression
    return SUFFIXES.get(path.suffix), compression


def _format_of_content(source: Source) -> Format:
    with source.open() as file:
        start = file.read(16).removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    for magic, format in _MAGIC:
        if start.startswith(magic):
            return format
    return "csv"
