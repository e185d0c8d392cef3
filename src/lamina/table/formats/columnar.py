"""Parquet and Feather (Arrow IPC): files that hold their columns' names and types."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lamina.errors import DataError
from lamina.table.formats import FORMATS
from lamina.table.formats.textual import in_types
from lamina.table.options import ReadOptions
from lamina.table.places import LineNumbers
from lamina.table.source import Source

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnarFile", "read_feather", "read_parquet", "write_feather", "write_parquet"]


class ColumnarFile:
    """One Parquet or Feather file.

    Args:
        source: the file.
        scan: polars' function that opens it.

    Raises:
        DataError: the file is truncated, corrupt, or not of its format.
    """

    textual = False
    lines: LineNumbers | None = None

    def __init__(self, source: Source, scan: Callable[[Path], pl.LazyFrame]) -> None:
        import polars as pl

        self.name = source.name
        path = source.unpacked()
        try:
            self._scan = scan(path)
            self._types = dict(self._scan.collect_schema())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = str(error).splitlines()[0]
            kind = FORMATS[source.format].title
            raise DataError(f"{source.name} is not a readable {kind} file: {reason}") from error

    def types(self) -> dict[str, pl.DataType]:
        return self._types

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        import polars as pl

        scan = self._scan.select(in_types(types))
        start = 0
        try:
            while len(batch := scan.slice(start, rows).collect()):
                yield batch
                start += rows
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.name} is corrupt after row {start}: {reason}") from error


def read_parquet(source: Source, _options: ReadOptions) -> ColumnarFile:
    """A Parquet file."""
    import polars as pl

    return ColumnarFile(source, pl.scan_parquet)


def read_feather(source: Source, _options: ReadOptions) -> ColumnarFile:
    """A Feather file."""
    import polars as pl

    return ColumnarFile(source, pl.scan_ipc)


def write_parquet(parts: Iterable[pl.DataFrame], schema: pl.Schema, file: IO[bytes]) -> None:
    """A `Writer` of Parquet."""
    _scanned(parts, schema).sink_parquet(file)


def write_feather(parts: Iterable[pl.DataFrame], schema: pl.Schema, file: IO[bytes]) -> None:
    """A `Writer` of Feather."""
    _scanned(parts, schema).sink_ipc(file, compression="zstd")


def _scanned(parts: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """The parts as a table that polars asks for while it writes."""
    from polars.io.plugins import register_io_source

    # polars calls from a thread of its own, where messages would not know the files' lines
    context = copy_context()
    remaining = iter(parts)

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        while (part := context.run(next, remaining, None)) is not None:
            yield part  # a sink of all rows asks for nothing less

    return register_io_source(source, schema=schema)
