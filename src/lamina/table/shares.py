"""Reads a table with several processes: each file is read once, by one of them, and shared with all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.distributed.communicator import Communicator
from lamina.table.formats import FORMATS, Reader
from lamina.table.options import ReadOptions
from lamina.table.places import LineNumbers, Places
from lamina.table.read import ROWS_AT_ONCE, Where, common_types, import_polars, read
from lamina.table.source import STANDARD_INPUT, Source, open_sources

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_in_shares"]


def read_in_shares(
    source: Where, team: Communicator, options: ReadOptions | None = None, places: Places | None = None
) -> pl.DataFrame:
    """The table of `read`, on all processes of a team, which share the reading of files.

    Standard input belongs to the first process, as with MPI launchers. Types are common to all files, as without a
    team.

    Raises:
        DataError: as for `read`, in the process that reads the file.
    """
    if team.size == 1:
        return read(source, options, places)
    options, places, polars = options or ReadOptions(), places or Places(), import_polars()
    with open_sources(source, options.format) as sources:
        readers = {
            i: FORMATS[file.format].reader()(file, options)
            for i, file in enumerate(sources)
            if _reader_of(i, file, team) == team.rank
        }
        files = _merged(team.gather({i: _File.of(reader) for i, reader in readers.items()}))
        types = common_types(files)
        frames = {
            i: polars.concat([polars.DataFrame(schema=types), *reader.batches(types, ROWS_AT_ONCE)])
            for i, reader in readers.items()
        }
    parts: list[pl.DataFrame] = _merged(team.gather(frames))
    for file, part in zip(files, parts, strict=True):
        places.begin(file.name, file.lines)
        places.rows += len(part)
    return polars.concat(parts, rechunk=True)


@dataclass(frozen=True)
class _File:
    """The facts about a file that other processes need before they can read theirs."""

    name: str
    textual: bool
    lines: LineNumbers | None
    found: dict[str, Any]

    @classmethod
    def of(cls, reader: Reader) -> _File:
        types = reader.types()
        return cls(reader.name, reader.textual, reader.lines, types)

    def types(self) -> dict[str, Any]:
        return self.found


def _reader_of(i: int, file: Source, team: Communicator) -> int:
    """The process that reads file i."""
    return 0 if file.name == STANDARD_INPUT else i % team.size


def _merged(parts: list[dict[int, Any]]) -> list[Any]:
    """The items of all processes, ordered by number."""
    together = {i: value for part in parts for i, value in part.items()}
    return [together[i] for i in sorted(together)]
