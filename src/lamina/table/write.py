"""Writes tables, whole or a part at a time, as CSV, TSV, Parquet, Feather or JSON lines.

The file appears under its name when it is complete; if anything fails before, nothing has changed there.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import IO, TYPE_CHECKING, cast

from lamina.errors import DataError
from lamina.io.files import atomic_write
from lamina.table.messages import listed
from lamina.table.read import import_polars
from lamina.table.source import Compression, Format, format_of_name, open_zstd

if TYPE_CHECKING:
    import polars as pl

__all__ = ["WRITABLE", "write", "write_batches"]

WRITABLE: tuple[Format, ...] = ("csv", "tsv", "parquet", "feather", "jsonl")


def write(frame: pl.DataFrame, path: str | os.PathLike[str], format: Format | None = None) -> None:
    """Write a table; see `write_batches`."""
    write_batches([frame], path, format)


def write_batches(
    batches: Iterable[pl.DataFrame], path: str | os.PathLike[str], format: Format | None = None
) -> int:
    """Write a table that comes in parts, holding no more than a few of them in memory.

    Args:
        batches: the parts, at least one, all with the columns and types of the first.
        path: the file; "-" for standard output. ".gz" or ".zst" at the end packs CSV, TSV and JSON lines
            (Parquet and Feather are packed inside).
        format: one of `WRITABLE`; if not given, the name's end says it (standard output: CSV).

    Returns:
        The number of rows written.

    Raises:
        DataError: a format that cannot be written or is not said, parts that differ, or columns that the
            format cannot hold.
        OSError: the folder is missing or not writable, or the disk is full.
        MissingPackageError: polars is not installed.

    >>> import tempfile, pathlib
    >>> import polars as pl
    >>> file = pathlib.Path(tempfile.mkdtemp(), "numbers.csv")
    >>> write_batches([pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [3]})], file)
    3
    >>> file.read_text()
    'x\\n1\\n2\\n3\\n'
    """
    polars = import_polars()
    chosen, compression = _chosen_format(os.fspath(path), format)
    parts = iter(batches)
    first = next(parts, None)
    if first is None:
        raise DataError(
            "there is nothing to write: not even a part without rows, which would say the columns"
        )
    counted = _Counted(_alike(first, parts))
    try:
        with _destination(os.fspath(path), compression) as file:
            if chosen in ("parquet", "feather"):
                _write_columnar(counted, first, file, chosen)
            else:
                _write_lines(counted, file, chosen)
    except polars.exceptions.PolarsError as error:
        if counted.error is not None:  # polars before 2.0 wraps it
            raise counted.error from None
        reason = str(error).splitlines()[0]
        raise DataError(f"{os.fspath(path)} cannot be written as {chosen}: {reason}") from error
    return counted.rows


def _chosen_format(path: str, format: Format | None) -> tuple[Format, Compression]:
    named, compression = format_of_name(path)
    chosen = format or named or ("csv" if path == "-" else None)
    if chosen is None:
        raise DataError(f"the name {path!r} does not say a format; use one of {listed(WRITABLE)}")
    if chosen not in WRITABLE:
        raise DataError(f"tables are not written as {chosen}; use one of {listed(WRITABLE)}")
    if compression and chosen in ("parquet", "feather"):
        raise DataError(f"{chosen} is packed inside already; write {path.rsplit('.', 1)[0]!r}")
    return chosen, compression


@contextmanager
def _destination(path: str, compression: Compression) -> Generator[IO[bytes]]:
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with atomic_write(path) as file:
        if compression == "gz":
            with gzip.open(file, "wb", compresslevel=6) as packed:
                yield cast(IO[bytes], packed)
        elif compression == "zst":
            with open_zstd(file, "wb") as packed:
                yield packed
        else:
            yield file


class _Counted:
    """Parts of a table, counting the rows that went by, and keeping the error that ended them."""

    def __init__(self, parts: Iterator[pl.DataFrame]) -> None:
        self._parts = parts
        self.rows = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        try:
            for part in self._parts:
                self.rows += len(part)
                yield part
        except Exception as error:
            self.error = error
            raise


def _alike(first: pl.DataFrame, parts: Iterator[pl.DataFrame]) -> Generator[pl.DataFrame]:
    for i, part in enumerate(itertools.chain([first], parts)):
        if part.schema != first.schema:
            differing = sorted(set(first.schema.items()) ^ set(part.schema.items()), key=str)
            names = dict.fromkeys(name for name, _ in differing) or part.columns
            raise DataError(f"part {i} of the table differs from the first in {listed(names)}")
        yield part


def _write_lines(parts: Iterable[pl.DataFrame], file: IO[bytes], format: Format) -> None:
    for i, part in enumerate(parts):
        if format == "jsonl":
            part.write_ndjson(file)
        else:
            part.write_csv(file, include_header=i == 0, separator="\t" if format == "tsv" else ",")


def _write_columnar(
    parts: Iterable[pl.DataFrame], first: pl.DataFrame, file: IO[bytes], format: Format
) -> None:
    from polars.io.plugins import register_io_source

    context = (
        copy_context()
    )  # polars calls from a thread of its own, where messages would not know the files' lines
    remaining = iter(parts)

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        while (part := context.run(next, remaining, None)) is not None:
            yield part  # a sink of all rows asks for nothing less

    table = register_io_source(source, schema=first.schema)
    if format == "parquet":
        table.sink_parquet(file)
    else:
        table.sink_ipc(file, compression="zstd")
