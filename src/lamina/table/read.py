"""Reads tables: CSV and its like, Parquet, Feather, JSON lines, .npz, IDX, folders of images; one file or many.

`read` gives the whole table, `iter_batches` a part at a time for tables larger than memory. Both look at every
row before they give the first, so that types do not depend on where a batch ends, and no error comes halfway.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lamina.errors import DataError, MissingPackageError
from lamina.table.arrays import ArrayFile, ImageFolder
from lamina.table.columnar import ColumnarFile
from lamina.table.delimited import DelimitedFile
from lamina.table.jsonlines import JsonLines
from lamina.table.messages import listed
from lamina.table.options import ReadOptions
from lamina.table.places import LineNumbers, Places
from lamina.table.source import Source, open_sources
from lamina.table.textual import common_type

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ReadOptions", "import_polars", "iter_batches", "read"]

Where = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_ROWS_AT_ONCE = 1 << 20


class Reader(Protocol):
    """One file of a table.

    Attributes:
        name: what messages call the file.
        textual: whether values have no types of their own, so that any of them can be read as text.
        lines: where the rows of a text file begin, known once `types` has run; else None.
    """

    name: str
    textual: bool
    lines: LineNumbers | None

    def types(self) -> dict[str, pl.DataType]:
        """The columns in order and their types; Null for a column without values."""
        ...

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        """The rows in order, with the columns and types of `types`, at most `rows` at a time."""
        ...


def read(source: Where, options: ReadOptions | None = None, places: Places | None = None) -> pl.DataFrame:
    """Read a table into memory.

    Args:
        source: a path, a glob, "-" for standard input, a folder of images; or several files with the same
            columns, in any order.
        options: how to read, where it is not to be found out.
        places: is told where each row stands.

    Returns:
        A polars DataFrame. Columns without a value are text.

    Raises:
        DataError: no such file; an empty, truncated or malformed one (with the line, where there are lines); files
            whose columns differ (names the file and the columns).
        MissingPackageError: polars is not installed.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "people.csv")
    >>> _ = file.write_text("name;age\\nAda;36\\nAlan;?\\n")
    >>> read(file).rows()
    [('Ada', 36), ('Alan', None)]
    """
    polars = import_polars()
    return polars.concat(iter_batches(source, _ROWS_AT_ONCE, options, places), rechunk=True)


def iter_batches(
    source: Where, rows: int = 1 << 16, options: ReadOptions | None = None, places: Places | None = None
) -> Generator[pl.DataFrame]:
    """Read a table in parts, in order.

    Args:
        source, options: as in `read`.
        rows: at most so many rows a part. A table without rows gives one part without rows.
        places: is told where each row of the parts given so far stands.

    Raises:
        DataError: as in `read`, before the first part.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "numbers.csv")
    >>> _ = file.write_text("x\\n1\\n2\\n3\\n")
    >>> [batch["x"].to_list() for batch in iter_batches(file, rows=2)]
    [[1, 2], [3]]
    """
    polars = import_polars()
    with open_sources(source, (options or ReadOptions()).format) as sources:
        readers = [_reader(file, options or ReadOptions()) for file in sources]
        types = _common_types(readers)
        places = places or Places()
        for reader in readers:
            places.begin(reader.name, reader.lines)
            for batch in reader.batches(types, rows):
                places.rows += len(batch)
                yield batch
        if not places.rows:
            yield polars.DataFrame(schema=types)


def import_polars() -> Any:
    """polars, or an error that says how to install it."""
    try:
        import polars
    except ImportError as error:
        raise MissingPackageError(
            "reading and writing tables needs polars: pip install 'lamina[table]'"
        ) from error
    return polars


def _reader(source: Source, options: ReadOptions) -> Reader:
    if source.format in ("csv", "tsv"):
        return DelimitedFile(source, options)
    if source.format == "jsonl":
        return JsonLines(source)
    if source.format in ("parquet", "feather"):
        return ColumnarFile(source)
    return ImageFolder(source) if source.format == "images" else ArrayFile(source)


def _common_types(readers: list[Reader]) -> dict[str, pl.DataType]:
    """The columns of all files, in the order of the first, with types that hold the values of each."""
    import polars as pl

    first, *others = readers
    types = first.types()
    for reader in others:
        found = reader.types()
        _require_same_columns(first.name, set(types), reader.name, set(found))
        for name, known in types.items():
            common = common_type(known, found[name], text=first.textual and reader.textual)
            if common is None:
                raise DataError(
                    f"{reader.name}: column {name!r} is {found[name]}, but {known} in the files before "
                    f"({first.name} …); give it one type"
                )
            types[name] = common
    return {name: pl.String() if kind == pl.Null else kind for name, kind in types.items()}


def _require_same_columns(first: str, expected: set[str], file: str, found: set[str]) -> None:
    if found == expected:
        return
    parts: list[str] = []
    if expected - found:
        parts.append(f"lacks {listed(sorted(expected - found))}")
    if found - expected:
        parts.append(f"adds {listed(sorted(found - expected))}")
    raise DataError(f"{file} has other columns than {first}: it {' and '.join(parts)}")
