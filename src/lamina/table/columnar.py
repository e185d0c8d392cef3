"""Parquet and Feather (Arrow IPC): files that hold their columns' names and types."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from lamina.errors import DataError
from lamina.table.places import LineNumbers
from lamina.table.source import Source
from lamina.table.textual import in_types

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnarFile"]


class ColumnarFile:
    """One Parquet or Feather file.

    Raises:
        DataError: the file is truncated, corrupt, or not of its format.
    """

    textual = False
    lines: LineNumbers | None = None

    def __init__(self, source: Source) -> None:
        import polars as pl

        self.name = source.name
        path = source.unpacked()
        try:
            scan = pl.scan_parquet(path) if source.format == "parquet" else pl.scan_ipc(path)
            self._types = dict(scan.collect_schema())
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{source.name} is not a readable {source.format} file: {reason}") from error
        self._scan = scan

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
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.name} is corrupt after row {start}: {reason}") from error
