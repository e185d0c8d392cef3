"""JSON objects in cells, which become a field for each frequent key."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from lamina.table.columns import Column
from lamina.table.types.base import ColumnSchema
from lamina.table.types.fields import Field, Fields, most_frequent, plain_schema


class Record(Fields):
    """JSON objects, Python dicts, or values of a data frame's Struct type; each frequent key is a part.

    Nested objects and lists become categories, identified by their text.

    >>> Record().read('{"a": 1, "b": [2, 3]}'), Record().read("{'a': None}"), Record().read("[1]")
    ({'a': 1.0, 'b': '[2,3]'}, {'a': None}, None)
    """

    tag = "record"
    kind = "fields"
    json_types: ClassVar[set[type]] = {dict, str, type(None)}
    wanted = "an object"
    plural = "objects with fields"
    keeps_whole = False

    def read(self, text: str) -> Mapping[str, Field] | None:
        text = text.strip()
        found = decoded(text) if text[:1] == "{" and text[-1:] == "}" else None
        return {str(key): _field(value) for key, value in found.items()} if isinstance(found, dict) else None

    def part(self, column: Column) -> ColumnSchema:
        return plain_schema(column)

    def frequent(self, found: Sequence[Mapping[str, Field] | None], rows: Sequence[int]) -> Mapping[str, int]:
        counts = Counter[str]()
        for fields, count in zip(found, rows, strict=True):
            counts.update(dict.fromkeys(fields or (), count))
        return most_frequent(counts)

    def names(self, schema: ColumnSchema) -> Sequence[str]:
        return schema.categories

    def values_said(self, column: ColumnSchema) -> str:
        return f"{{{', '.join(column.categories)}}}"

    def example(self, column: ColumnSchema) -> Any:
        parts = zip(column.categories, column.parts, strict=True)
        return written({name: part.type.example(part) for name, part in parts if part.used})


def _field(value: Any) -> Field:
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return str(value)
    return written(value)


def written(value: Any) -> str:
    """The JSON text of a nested list or object."""
    try:
        return msgspec.json.encode(value).decode()
    except TypeError:  # Python literals that JSON lacks, such as complex numbers
        return str(value)


def decoded(text: str) -> Any:
    """The value of a text that is JSON or else a Python literal; None for other texts.

    >>> decoded('["a"]'), decoded("['a', 'b']"), decoded("('a', None)"), decoded("{a}")
    (['a'], ['a', 'b'], ('a', None), None)
    """
    is_plain = '"' not in text and "\\" not in text  # fast path: most Python literals become JSON
    try:
        return msgspec.json.decode(text.replace("'", '"') if is_plain else text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():  # about invalid escapes
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
