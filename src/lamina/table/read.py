"""Reading of tables, from one file or several, in any format of `lamina.table.formats`.

`read` returns the whole table; `iter_batches` yields parts, for tables larger than memory. Both scan every row before
returning any, so that types don't depend on batch boundaries, and no error occurs halfway.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamina.core.timings import timed_parts
from lamina.distributed.communicator import Communicator
from lamina.errors import DataError
from lamina.support.extras import require
from lamina.support.lazily import pl
from lamina.support.messages import doing
from lamina.table.formats import FORMATS, HasTypes, Reader, begin_reading
from lamina.table.formats.textual import common_type
from lamina.table.messages import counted, listed
from lamina.table.places import LineNumbers, Places
from lamina.table.source import STANDARD_INPUT, ReadOptions, open_sources

Where = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_ROWS_AT_ONCE = 1 << 20


def read(source: Where, options: ReadOptions | None = None, places: Places | None = None) -> pl.DataFrame:
    """Read a table into memory.

    Args:
        source: a path, a glob, "-" for standard input, a folder of images; or several files with the same
            columns, in any order.
        options: options that replace detected options.
        places: receives the place of each row.

    Returns:
        A polars DataFrame. Columns without values are text.

    Raises:
        DataError: a file does not exist, or is empty, truncated or malformed (the message gives the line, if any);
            or files have different columns (the message names both).
        MissingPackageError: polars, or another package for a format, is not installed.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "people.csv")
    >>> _ = file.write_text("name;age\\nAda;36\\nAlan;?\\n")
    >>> read(file).rows()
    [('Ada', 36), ('Alan', None)]
    """
    return _joined(list(iter_batches(source, _ROWS_AT_ONCE, options, places, held=True)))


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The parts below each other; each loses its columns, so that memory holds a single column twice.

    Texts stay in parts, as nothing needs them side by side.
    """
    kinds = parts[0].schema.items()
    columns = (
        pl.concat([part.drop_in_place(name) for part in parts], rechunk=kind != pl.String)
        for name, kind in kinds
    )
    return pl.DataFrame([*columns])


@timed_parts("reading")
def iter_batches(
    source: Where,
    rows: int = 1 << 16,
    options: ReadOptions | None = None,
    places: Places | None = None,
    *,
    held: bool = False,
) -> Generator[pl.DataFrame]:
    """Read a table in parts, in the order of the rows.

    Args:
        source, options: the arguments of `read`.
        rows: the maximum number of rows per part. An empty table yields a single empty part.
        places: receives the place of each row yielded so far.
        held: whether all parts will be in memory at a time, so that text files need not be parsed twice.

    Raises:
        DataError: the files are invalid, as in `read`; raised before the first part.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "numbers.csv")
    >>> _ = file.write_text("x\\n1\\n2\\n3\\n")
    >>> [batch["x"].to_list() for batch in iter_batches(file, rows=2)]
    [[1, 2], [3]]
    """
    require_polars()
    begin_reading([source] if isinstance(source, (str, os.PathLike)) else source)
    options = options or ReadOptions()
    with open_sources(source, options.format) as sources:
        readers = [FORMATS[file.format].reader()(replace(file, held=held), options) for file in sources]
        types = common_types(readers)
        places = places or Places()
        for reader in readers:
            yield from batches_of(reader, types, rows, places)
        if not places.rows:
            yield pl.DataFrame(schema=types)


def batches_of(
    reader: Reader, types: Mapping[str, pl.DataType], rows: int, places: Places
) -> Generator[pl.DataFrame]:
    """The batches of a file; `places` receives the place of each row, and messages say how many rows were read."""
    places.begin(reader.name, reader.lines)
    for batch in reader.batches(types, rows):
        places.rows += len(batch)
        if not reader.textual:
            doing(f"reading {os.path.basename(reader.name)}: {counted(places.rows, 'row')}")
        yield batch


def require_polars() -> None:
    """Raise an error with installation advice if polars is missing."""
    require("reading and writing tables", "polars")


def common_types(readers: Sequence[HasTypes]) -> dict[str, pl.DataType]:
    """The types of the columns, in the order of the first file.

    Each type can represent the column's values in all files.
    """
    first, *others = readers
    types = first.types()
    for place, reader in enumerate(others, 1):
        found = reader.types()
        _require_same_columns(first.name, set(types), reader.name, set(found))
        for name, known in types.items():
            common = common_type(known, found[name], text=first.textual and reader.textual)
            if common is None and _has_no_value(name, reader):
                common = known
            elif common is None and all(_has_no_value(name, one) for one in readers[:place]):
                common = found[name]
            if common is None:
                raise DataError(
                    f"{reader.name}: column {name!r} is {found[name]}, but {known} in the files before "
                    f"({first.name} …); give it one type"
                )
            types[name] = common
    return {name: pl.String() if kind == pl.Null else kind for name, kind in types.items()}


def _has_no_value(name: str, reader: HasTypes) -> bool:
    """Whether a file stores a column without values as fractions, as pandas does, which takes a pass over the file."""
    kinds = reader.types()
    if reader.textual or not kinds[name].is_float() or not isinstance(reader, Reader):
        return False
    return all(batch[name].null_count() == len(batch) for batch in reader.batches(kinds, _ROWS_AT_ONCE))


def _require_same_columns(first: str, expected: set[str], file: str, found: set[str]) -> None:
    changes = {"lacks": expected - found, "adds": found - expected}
    parts = [f"{verb} {listed(sorted(names))}" for verb, names in changes.items() if names]
    if parts:
        raise DataError(f"{file} has different columns than {first}: it {' and '.join(parts)}")


def read_in_shares(
    source: Where, team: Communicator, options: ReadOptions | None = None, places: Places | None = None
) -> pl.DataFrame:
    """Read a table on every process of a team; each process reads a share of the files.

    The result is that of `read`, on every process. The first process reads standard input, as with MPI launchers.
    Types are common to all files, as without a team.

    Raises:
        DataError: the files are invalid, as in `read`; raised in the process that reads the file.
    """
    if team.size == 1:
        return read(source, options, places)
    require_polars()
    options, places = options or ReadOptions(), places or Places()
    with open_sources(source, options.format) as sources:
        readers = {
            i: FORMATS[file.format].reader()(replace(file, held=True), options)
            for i, file in enumerate(sources)
            if (0 if file.name == STANDARD_INPUT else i % team.size) == team.rank
        }
        own = {i: _File(one.name, one.textual, one.lines, one.types()) for i, one in readers.items()}
        files = _merged(team.gather(own))
        types = common_types(files)
        frames = {
            i: pl.concat([pl.DataFrame(schema=types), *reader.batches(types, _ROWS_AT_ONCE)])
            for i, reader in readers.items()
        }
    parts: list[pl.DataFrame] = _merged(team.gather(frames))
    for file, part in zip(files, parts, strict=True):
        places.begin(file.name, file.lines)
        places.rows += len(part)
    return pl.concat(parts, rechunk=True)


@dataclass(frozen=True)
class _File:
    """The properties of a file that the reading process sends to all processes."""

    name: str
    textual: bool
    lines: LineNumbers | None
    found: dict[str, Any]

    def types(self) -> dict[str, Any]:
        return self.found


def _merged(parts: list[dict[int, Any]]) -> list[Any]:
    """The values of all processes' dictionaries, in the order of the keys."""
    together = {i: value for part in parts for i, value in part.items()}
    return [together[i] for i in sorted(together)]
