"""Writing of tables, whole or in parts, in the formats of `lamina.table.formats` that have a writer.

Files are written atomically.
"""

from __future__ import annotations

import codecs
import io
import itertools
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from lamina.core.timings import timed
from lamina.errors import DataError
from lamina.support.files.atomic import atomic_write
from lamina.support.lazily import pl
from lamina.support.messages import printable
from lamina.table.columns import named
from lamina.table.formats import FORMATS, format_of_name, open_packed, writable
from lamina.table.messages import is_on_command_line, listed, warn
from lamina.table.read import require_polars

_FORMULA = r"^[=@+\-\t\r]"
_NUMBER = r"^[+-]?(?:[0-9]+(?:[.,][0-9]+)*[.,]?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$"


def _could_be_formula(texts: pl.Expr) -> pl.Expr:
    """Whether a spreadsheet could interpret each text as a formula (OWASP, "CSV Injection").

    Such texts begin with =, +, -, @, a tab or a carriage return, and are not numbers.
    """
    return texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)


def _texts(frame: pl.DataFrame) -> list[pl.Expr]:
    """Expressions that select the text columns (String, Categorical, Enum), cast to String."""
    kinds = (pl.String, pl.Categorical, pl.Enum)
    return [named(name).cast(pl.String) for name, kind in frame.schema.items() if isinstance(kind, kinds)]


def _names(part: pl.DataFrame) -> pl.DataFrame:
    """The names of the columns, as the column "name"."""
    return pl.DataFrame({"name": part.columns}, schema={"name": pl.String})


def _marked(texts: pl.Expr) -> pl.Expr:
    return pl.when(_could_be_formula(texts)).then(texts.str.replace("^", "'")).otherwise(texts)


def without_formulas(parts: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The parts of a table, with a ' before texts and column names that may be formulas.

    >>> import polars as pl
    >>> next(without_formulas([pl.DataFrame({"=x": ["=1+2", "-7,5", "a"], "n": [-1, 2, 3]})])).rows()
    [("'=1+2", -1), ('-7,5', 2), ('a', 3)]
    """
    for part in parts:
        safe = part.with_columns(_marked(texts) for texts in _texts(part))
        safe.columns = _names(part).select(_marked(named("name"))).to_series().to_list()
        yield safe


def warned_of(parts: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The parts of a table, unchanged; warns about the first text that may be a formula."""
    told = False
    for part in parts:
        found = None if told else _first_formula(part, _names(part))
        if found is not None:
            told = True
            warn(
                f"the table has texts that a spreadsheet would run as formulas, such as {found!r}; "
                f"{'--safe-csv' if is_on_command_line() else 'safe=True'} puts a ' before them"
            )
        yield part


def _first_formula(*frames: pl.DataFrame) -> str | None:
    for frame in frames:
        for texts in _texts(frame):
            found = frame.select(texts.filter(_could_be_formula(texts)).head(1)).to_series()
            if len(found):
                return str(found[0])[:80]
    return None


_DELIMITED = ("csv", "tsv")


def write(frame: pl.DataFrame, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a table; see `write_batches`."""
    write_batches([frame], path, format)


@timed("writing")
def write_batches(
    batches: Iterable[pl.DataFrame],
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    safe: bool = False,
) -> int:
    """Write a table in parts, with only a few parts in memory.

    Args:
        batches: the parts, at least one, all with the columns and types of the first part.
        path: the file; "-" for standard output. The suffix ".gz" or ".zst" compresses formats without internal
            compression.
        format: one of `writable()`; by default the suffix's format (CSV for standard output).
        safe: for CSV and TSV, whether to put a ' before texts that a spreadsheet would execute as formulas; otherwise
            the texts are unchanged, with a warning for the first.

    Returns:
        The number of rows written.

    Raises:
        DataError: the format is unknown or can't be written, parts differ in columns or types, or the format doesn't
            support the type of a column.
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
    require_polars()
    chosen, packing = _chosen_format(os.fspath(path), format)
    parts = iter(batches)
    first = next(parts, None)
    if first is None:
        raise DataError(
            "there is nothing to write: at least one part is needed, if only to define the columns"
        )
    alike = _alike(first, parts)
    if chosen in _DELIMITED:  # spreadsheets open them
        alike = without_formulas(alike) if safe else warned_of(alike)
    counted = _Counted(alike)
    try:
        with _destination(os.fspath(path), packing) as file:
            FORMATS[chosen].writer()(counted, first.schema, file)
    except pl.exceptions.PolarsError as error:
        if counted.error is not None:  # polars before 2.0 wraps it
            raise counted.error from None
        reason = str(error).splitlines()[0]
        raise DataError(f"{os.fspath(path)} cannot be written as {chosen}: {reason}") from error
    return counted.rows


def is_delimited(path: str | os.PathLike[str], format: str | None = None) -> bool:
    """Whether `write_batches` would write CSV or TSV to this path.

    >>> is_delimited("a.csv.gz"), is_delimited("-"), is_delimited("a.parquet"), is_delimited("a.txt", "tsv")
    (True, True, False, True)

    Raises:
        DataError: the format is unknown or can't be written.
    """
    return _chosen_format(os.fspath(path), format)[0] in _DELIMITED


def _chosen_format(path: str, format: str | None) -> tuple[str, str]:
    named, packing = format_of_name(path)
    chosen = format or named or ("csv" if path == "-" else None)
    if chosen is None:
        raise DataError(f"the name {path!r} has no suffix of a known format; use one of {listed(writable())}")
    if chosen not in writable():
        raise DataError(f"tables cannot be written as {chosen}; use one of {listed(writable())}")
    if packing and FORMATS[chosen].packs_itself:
        raise DataError(f"{chosen} files are already compressed; write {path.rsplit('.', 1)[0]!r}")
    return chosen, packing


@contextmanager
def _destination(path: str, packing: str) -> Generator[IO[bytes]]:
    if path == "-":
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - where it was closed
            raise DataError("there is no standard output to write the table to; name a file")
        yield cast(IO[bytes], _Shown()) if sys.stdout.isatty() else sys.stdout.buffer
        sys.stdout.flush()
        sys.stdout.buffer.flush()
        return
    with atomic_write(path) as file, open_packed(file, "wb", packing) as packed:
        yield packed


class _Shown(io.RawIOBase):
    """A stream to the terminal that escapes control characters in the data.

    Control characters could change the terminal's state.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        sys.stdout.write(printable(self._decoder.decode(bytes(content))))
        return len(content)


class _Counted:
    """An iterable of a table's parts that counts their rows.

    `error` is the error that ended the iteration, if any.
    """

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
            raise DataError(f"part {i} of the table differs from the first in the columns {listed(names)}")
        yield part
