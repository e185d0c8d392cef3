"""Request bodies by content type: JSON, CSV, Arrow, Parquet, and those of the schema's `RowForm`, such as PNG."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.serve._errors import Limits, Problem, RequestError
from lamina.serve._rows import Inputs, TableRows
from lamina.support.lazily import pl
from lamina.support.messages import excerpt
from lamina.table.types.base import Medium

JSON, CSV = "application/json", "text/csv"
ARROW_FILE, ARROW_STREAM = "application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

_COLUMNAR = {ARROW_FILE: "feather", ARROW_STREAM: "stream", PARQUET: "parquet"}
_UNPACKED = 128 << 20
"""Maximum bytes of a decompressed table."""

_DECODING_SECONDS = 10.0
_FURTHER_COLUMNS = 1000

Reader = Callable[[bytes, int], Inputs]
"""A function that reads a body, given its bytes and the maximum number of rows."""


class TableBodies:
    """Parsers of request bodies for a model on a table.

    Attributes:
        schema: the table's columns.
        readers: the parsers by content type; the first is the default.
        apart: the content types that are slow to read even for small bodies.
    """

    def __init__(self, rows: TableRows, reading: Mapping[str, Any], limits: Limits) -> None:
        """Choose the parsers; `reading` has training's options for text files, as arguments of `ReadOptions`."""
        self._rows, self.schema = rows, rows.schema
        self._reading = reading
        self._seconds = min(limits.seconds, _DECODING_SECONDS) / 2  # halved, since a crash leads to a retry
        self.readers: dict[str, Reader] = {JSON: self._json, CSV: self._csv}
        for kind in _COLUMNAR:
            self.readers[kind] = lambda body, most, kind=kind: self._columnar(body, most, kind)
        for kind, medium in self.schema.row_form.media.items():
            self.readers[kind] = partial(self._medium, medium)
        self.apart = frozenset(self.readers) - {JSON}

    def _json(self, body: bytes, most: int) -> Inputs:
        form, entry = read_json(body, most, ("rows", "columns"))
        if form == "rows":
            if not isinstance(entry, list):
                raise RequestError(422, '"rows" must be an array of objects')
            return self.of_rows(entry, most)
        if not isinstance(entry, dict):
            raise RequestError(422, '"columns" must be an object of arrays')
        others = [Problem(None, name, "is not an array") for name, x in entry.items() if type(x) is not list]
        if others:
            raise RequestError.of_values(others)
        return self.of_columns(entry, most)

    def of_rows(self, rows: list[Any], most: int) -> Inputs:
        """Convert JSON rows to a model's inputs; rows are objects, or arrays if columns have no names."""
        require_rows(len(rows), most)
        found = self._rows.of_arrays(rows)
        if found is not None:
            return found
        rows = self._rows.as_objects(rows)
        others = [Problem(i, None, "is not an object") for i, row in enumerate(rows) if type(row) is not dict]
        if others:
            raise RequestError.of_values(others)
        return self._rows.of_objects(rows)

    def of_columns(self, columns: Mapping[str, Sequence[Any]], most: int) -> Inputs:
        """Convert columns of JSON values, by name, to a model's inputs."""
        require_rows(max(map(len, columns.values()), default=0), most)
        return self._rows.of_columns(columns)

    def _csv(self, body: bytes, most: int) -> Inputs:
        from lamina.table.read import ReadOptions, read

        first = body[: body.find(b"\n") + 1 or None]
        fields = 1 + max(first.count(mark) for mark in (b",", b";", b"\t", b"|"))
        if fields > 2 * len(self._rows.schema.columns) + _FURTHER_COLUMNS:
            raise RequestError(
                413, f"the first line has {fields:,} fields, far more than the model has columns"
            )
        if b'"' not in body and len(body.splitlines()) > most + 1:
            require_rows(len(body.splitlines()) - 1, most)
        texts = self._rows.schema.text_columns
        with _as_file(body) as path:
            options = ReadOptions(format="csv", as_text=texts, **self._reading)
            frame = _decoded(lambda: read(path, options), path)
        return self._of_frame(frame, most)

    def _columnar(self, body: bytes, most: int, kind: str) -> Inputs:
        from lamina.table.formats.columnar import read_in_subprocess

        with _as_file(body) as path:
            options = {"limit": _UNPACKED, "seconds": self._seconds}
            read = partial(read_in_subprocess, path, _COLUMNAR[kind], 0, most + 1, **options)
            frame = _decoded(read, path, f" as {kind}")
        return self._of_frame(frame, most)

    @staticmethod
    def _medium(medium: Medium, body: bytes, most: int) -> Inputs:
        try:
            numbers = medium.read(body)
        except DataError as error:
            raise RequestError(400, excerpt(error)) from error
        return Inputs((numbers.astype(np.float64), np.empty((len(numbers), 0), np.int32)))

    def _of_frame(self, frame: pl.DataFrame, most: int) -> Inputs:
        require_rows(len(frame), most)
        return self._rows.of_frame(frame)


def require_rows(rows: int, most: int) -> None:
    """Raise `RequestError` if there are no rows, or more than `most`."""
    if not rows:
        raise RequestError(422, "there are no rows")
    if rows > most:
        raise RequestError(413, f"the body has {rows:,} rows or more, but at most {most:,} are allowed")


@contextmanager
def _as_file(body: bytes) -> Generator[Path]:
    """A context with the path of a temporary file that contains `body`, for parsers that need a path."""
    with tempfile.TemporaryDirectory(prefix="lamina-request-") as folder:
        path = Path(folder, "body")
        path.write_bytes(body)
        yield path


def _decoded(read: Callable[[], pl.DataFrame], path: Path, as_what: str = "") -> pl.DataFrame:
    try:
        return read()
    except DataError as error:
        said = str(error).replace(str(path), "the body")
        raise RequestError(400, excerpt(f"the body can't be read{as_what}: {said}", 1000)) from error


# --- Untrusted JSON: rows or columns, parsed strictly and in bounded memory ------------------------------------------


_CONTAINERS_A_ROW = 4
_CONTAINERS = 4096
"""A body has at most `_CONTAINERS_A_ROW` arrays and objects per allowed row, plus `_CONTAINERS`; each takes 100 bytes.
"""


def read_json(body: bytes, most_rows: int, forms: tuple[str, ...]) -> tuple[str, Any]:
    """Parse a body that is a JSON object with a single entry; return the entry's name and value.

    Args:
        body: UTF-8.
        most_rows: the maximum number of rows, from which the maximum number of arrays and objects follows.
        forms: the allowed names of the entry.

    Raises:
        RequestError: 400 if the body is not JSON or has a duplicate key, 413 if it has too many arrays and objects,
            422 if it is not an object with one of these entries.

    >>> read_json(b'{"rows": [{"age": 39}]}', 10, ("rows", "columns"))
    ('rows', [{'age': 39}])
    """
    content = decoded(body, most_rows)
    if not isinstance(content, dict) or len(content) != 1 or next(iter(content)) not in forms:
        require_single_keys(body)
        wanted = " or ".join(f'{{"{form}": …}}' for form in forms)
        raise RequestError(
            422, f"the body is {_kind(content)}; it must be an object with one entry, {wanted}"
        )
    if body.count(b":") != _keys(content):  # texts with colons, or duplicate keys
        require_single_keys(body)
    [(form, entry)] = content.items()
    return form, entry


def decoded(body: bytes, most_rows: int) -> Any:
    """Parse JSON; for a duplicate key, the last value counts.

    Raises:
        RequestError: 400 if the body is not JSON, 413 if it has more arrays and objects than `most_rows` rows need.
    """
    if body.count(b"{") + body.count(b"[") > _CONTAINERS_A_ROW * most_rows + _CONTAINERS:
        raise RequestError(413, f"the body has more arrays and objects than {most_rows:,} rows need")
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise _no_json(error, body) from error


def _no_json(error: Exception, body: bytes) -> RequestError:
    """The error (400) for a JSON parser's error."""
    if isinstance(error, RecursionError):
        return RequestError(400, "the body's arrays and objects are nested too deeply")
    lacks = " (JSON has no NaN and no Infinity; null marks a missing value)"
    more = lacks if b"NaN" in body or b"Infinity" in body else ""
    return RequestError(400, f"the body is not JSON: {excerpt(error)}{more}")


def _kind(content: Any) -> str:
    kinds = {dict: "another object", list: "an array", str: "a text", type(None): "null", bool: "a boolean"}
    return kinds.get(type(content), "a number")


def _keys(content: Any) -> int:
    """The number of keys in the outer object and in its rows or columns, but not within values."""
    [entry] = content.values()
    if isinstance(entry, dict):
        return 1 + len(entry)
    rows = entry if isinstance(entry, list) else []
    return 1 + sum(len(row) for row in rows if isinstance(row, dict))


def require_single_keys(body: bytes) -> None:
    """Raise `RequestError` (400) if an object has the same key twice, since parsers disagree about duplicates."""

    def single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RequestError(400, f"the body has the key {excerpt(twice, 80)!r} twice in one object")
        return found

    try:
        json.loads(body, object_pairs_hook=single)
    except (ValueError, RecursionError) as error:
        raise _no_json(error, body) from error
