"""Parquet and Feather (Arrow IPC) files, which have typed, named columns."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import IO

from lamina.errors import DataError
from lamina.support.files.limits import FAR_MORE, unpacked_limit
from lamina.support.lazily import pl
from lamina.table.formats import FORMATS
from lamina.table.formats._subprocess_reader import read_in_subprocess
from lamina.table.formats.textual import Typed, in_types
from lamina.table.options import ReadOptions
from lamina.table.source import Source


class ColumnarFile(Typed):
    """A Parquet or Feather file, decoded in a child process (see `lamina.table.formats._subprocess_reader`).

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


def read_bounded(path: Path, format: str, rows: int, *, limit: int, seconds: float) -> pl.DataFrame:
    """The first rows of an untrusted file, read within limits that don't depend on its size.

    Args:
        path: the file.
        format: "parquet", "feather", or "stream" for Arrow's IPC stream.
        rows: the maximum number of rows.
        limit: the maximum size of the rows in bytes.
        seconds: the maximum decoding time.

    Raises:
        DataError: polars can't read the file, or memory or time would exceed the limits.
    """
    return read_in_subprocess(path, format, 0, rows, limit=limit, seconds=seconds)


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
