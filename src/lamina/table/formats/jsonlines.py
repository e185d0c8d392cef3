"""JSON files in which each row is an object: JSON lines; or one document with the rows, which becomes lines first.

The document is an array of objects; an object with such an array, as servers answer; or an object of pandas' columns.
"""

from __future__ import annotations

import io
import json
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.files.limits import LONGEST_RECORD, require_columns, untrusted
from lamina.support.lazily import pl
from lamina.table.formats._dialect import utf8_chunks, whole_lines
from lamina.table.formats.textual import common_type
from lamina.table.messages import shown, warn
from lamina.table.places import LineNumbers
from lamina.table.source import ReadOptions, Source

_STRINGS = re.compile(rb'"([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)(?:"\s*+(:)?|)')
"""A string, with the following colon if it is a key; an unclosed string extends to the end of its line."""

_HEAD = 1 << 12
"""The number of first bytes in which an array begins, after white space."""

_FEW = 30
_CELLS_A_BYTE, _MOST_CELLS = 8, 1 << 20
"""Maximum number of cells per byte of the file, plus a constant; a file whose lines all differ in keys exceeds it."""


class JsonLines:
    """A JSON lines file, or one with an array of objects; missing keys are missing values.

    Raises:
        DataError: the file has an array that isn't valid JSON, or with an element that is not an object.
    """

    textual = True

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.name = source.name
        self.lines: LineNumbers | None = None
        with source.open() as file:
            self._is_array = file.read(_HEAD).removeprefix(BOM_UTF8).lstrip().startswith(b"[")
        self._source = _with_lines(source) if self._is_array else source
        if not self._is_array and (rows := _rows_of_document(source, options.as_text)) is not None:
            self._is_array, self._source = True, _copy(source, map(_written, rows))
        self._unit = "element" if self._is_array else "line"

    def types(self) -> dict[str, pl.DataType]:
        """The columns and their types; reads the whole file.

        Raises:
            DataError: a line is not a JSON object, or a key's values have several types (the message names the line).
        """
        types: dict[str, pl.DataType] = {}
        lines = LineNumbers()
        keys: set[bytes] = set()
        size = rows = 0
        for chunk, line in self._chunks():
            with_rows = [i for i, text in enumerate(chunk.split(b"\n"), line) if text.strip()]
            lines.add(np.array(with_rows, np.int64))
            size, rows = size + len(chunk), rows + chunk.count(b"\n") + 1
            keys |= _keys_in(chunk)
            require_columns(self.name, len(keys))
            if rows * len(keys) > _CELLS_A_BYTE * size + _MOST_CELLS:
                raise DataError(
                    f"{self.name}: its {rows:,} {self._unit}s up to {self._unit} {line + chunk.count(10)} have "
                    f"{len(keys):,} different keys, so that nearly all values would be missing; write the keys as "
                    "values of a column"
                )
            for name, found in self._parse(chunk, line, None).schema.items():
                known = types.get(name)
                common = found if known is None else common_type(known, found, text=True)
                if common is None:
                    raise DataError(
                        f"{self.name}: {name!r} is {known} before {self._unit} {line} and {found} after it; "
                        "give it one type"
                    )
                types[name] = common
        if not types:
            raise DataError(f"{self.name} is empty")
        self.lines = None if self._is_array else lines
        return types

    def batches(self, types: Mapping[str, pl.DataType], rows: int) -> Generator[pl.DataFrame]:
        for chunk, line in self._chunks():
            yield from self._parse(chunk, line, types).iter_slices(rows)

    def _chunks(self) -> Generator[tuple[bytes, int]]:
        """The file's lines in chunks of some MiB, each with the number of its first line."""
        line = 1
        for block in whole_lines(utf8_chunks(self._source, "utf-8")):
            if not block.endswith(b"\n") and len(block) > LONGEST_RECORD:
                raise DataError(
                    f"{self.name}, {self._unit} {line}: it is longer than {LONGEST_RECORD >> 20} MiB"
                )
            if block.strip():
                yield block, line
            line += block.count(b"\n")

    def _parse(self, chunk: bytes, line: int, types: Mapping[str, pl.DataType] | None) -> pl.DataFrame:
        schema = dict(types) if types else None
        try:
            found = pl.read_ndjson(io.BytesIO(chunk), schema=schema, infer_schema_length=None)
            if self._is_array and types is None and "Int128" in str(found.schema):
                self._rows(chunk, line)  # raises an error for whole numbers beyond 64 bits
            return found
        except pl.exceptions.PolarsError:
            # Python's parser names an invalid line, or reads NaN, which polars rejects.
            rows = self._rows(chunk, line)
        with untrusted(f"{self.name}, {self._unit}s {line} to {line + chunk.count(10)}"):
            return pl.from_dicts(rows, schema=schema, infer_schema_length=None)

    def _rows(self, chunk: bytes, line: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        kinds: dict[str, str] = {}
        for number, text in enumerate(chunk.split(b"\n"), start=line):
            if not text.strip():
                continue
            place = f"{self.name}, {self._unit} {number}"
            try:
                row = json.loads(text, parse_constant=_constant, parse_int=_whole)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{place}: can't be read as JSON: {error}") from error
            if not isinstance(row, dict):
                said = f"{_kind(row) or 'null'}, not an object; write each row as an object"
                raise DataError(f"{place}: {said}")
            for key, value in row.items():
                kind = _kind(value)
                if kind and kinds.setdefault(key, kind) != kind:
                    said = f"{key!r} is {kind}, but {kinds[key]} above; give it one type"
                    raise DataError(f"{place}: {said}")
            rows.append(row)
        return rows


def _with_lines(source: Source) -> Source:
    """A copy of a file with an array; each element is a line."""
    return _copy(source, _elements(source.name, b"".join(utf8_chunks(source, "utf-8"))))


def _copy(source: Source, elements: Iterable[bytes]) -> Source:
    copy = source.copy_called("lines.jsonl")
    with copy.path.open("wb") as file:
        for element in elements:
            file.write(element.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n")
    return copy


def _written(row: Any) -> bytes:
    return json.dumps(row).encode()


def _rows_of_document(source: Source, as_text: Collection[str]) -> list[dict[str, Any]] | None:
    """The rows in a file NAME.json that is one object; None for JSON lines, and for objects without a table.

    `as_text` has columns that a model knows, whose arrays are values.
    """
    if ".json" not in Path(source.name.lower()).suffixes:
        return None
    chunks = utf8_chunks(source, "utf-8")
    first = next(chunks, b"")
    line, _, rest = first.strip().partition(b"\n")
    with suppress(ValueError, RecursionError):
        if rest and isinstance(json.loads(line), dict):
            return None  # lines
    with suppress(ValueError, RecursionError):
        return _table_in(source.name, json.loads(first + b"".join(chunks), parse_int=_whole), as_text)
    return None


def _table_in(name: str, document: Any, as_text: Collection[str]) -> list[dict[str, Any]] | None:
    """The rows of a document: of columns and data, or of values by column and row number, as pandas writes them.

    Otherwise they are the only array of objects.
    """
    if not isinstance(document, dict):
        return None
    parts: dict[str, Any] = document
    names, data = parts.get("columns"), cast(Any, parts.get("data"))
    if isinstance(names, list) and _are_all(list, data) and {*map(len, data)} == {len(names)}:
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    columns = [*parts.values()]
    if _are_all(dict, columns) and all([*one] == [*map(str, range(len(columns[0])))] for one in columns):
        rows = zip(*(one.values() for one in columns), strict=True)
        return [dict(zip(parts, row, strict=True)) for row in rows]
    tables = [key for key, value in parts.items() if _are_all(dict, value)]
    if len(tables) != 1 or tables[0] in as_text:
        return None
    warn(f"{name}: the table under {shown(tables[0])} is read")
    return parts[tables[0]]


def _are_all(kind: type, values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(one, kind) for one in values)


def _elements(name: str, content: bytes) -> Iterable[bytes]:
    """The elements of an array, as they are written."""
    with suppress(msgspec.DecodeError, RecursionError):
        return map(bytes, msgspec.json.decode(content, type=list[msgspec.Raw]))
    try:  # Python's parser reads NaN, or names the invalid line
        return map(_written, json.loads(content, parse_int=_whole))
    except json.JSONDecodeError as error:
        raise DataError(f"{name}, line {error.lineno}: can't be read as JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: can't be read as JSON: {error}") from error


def _keys_in(chunk: bytes) -> set[bytes]:
    """All keys in some lines of JSON, including the keys of nested objects.

    Damaged lines may yield other strings, too.
    """
    first = {name for name, colon in _STRINGS.findall(chunk[: chunk.find(b"\n") + 1]) if colon}
    if len(first) <= _FEW and sum(chunk.count(b'"%b":' % name) for name in first) == chunk.count(b":"):
        return first  # fast path: every colon follows one of these keys
    return {name for name, colon in _STRINGS.findall(chunk) if colon}


def _constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else 1 << 64
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError(
            f"the whole number {digits[:30]} is beyond 64 bits; if it is a code, put quotes around it"
        )
    return number


def _kind(value: object) -> str:
    """JSON's name for the type of a value; "" for null."""
    if value is None:
        return ""
    names = {"bool": "true or false", "str": "text", "list": "an array", "dict": "an object"}
    return names.get(type(value).__name__, "a number")


def write_json_lines(parts: Iterable[pl.DataFrame], _schema: pl.Schema, file: IO[bytes]) -> None:
    """Write a JSON lines file; see `Writer`."""
    for part in parts:
        part.write_ndjson(file)
