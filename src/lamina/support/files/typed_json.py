"""Typed JSON: decoding of a text directly to declared types, which checks the values."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

from lamina.errors import DataError
from lamina.support.messages import excerpt

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A non-negative integer."""

_MOST_LENIENT = 1 << 23
"""The longest text for Python's JSON reader, whose objects take up to 30 times the memory of the text."""


def decoded(text: str | bytes, kind: type[T], what: str, *, lenient: bool = True) -> T:
    """Decode a JSON text to the type `kind`.

    Direct decoding limits the memory for a malicious text.

    Args:
        text: the JSON text.
        kind: a `msgspec.Struct`, or another type that msgspec supports.
        what: the name of the text in error messages.
        lenient: whether a text of moderate length may contain Python's extensions of JSON: NaN, infinities, unpaired
            surrogates, and integers of more than 64 bits.

    Raises:
        DataError: the text is not JSON, or not of this type; the message has the position.

    >>> decoded('{"a": [1, 2]}', dict[str, list[int]], "net.json")
    {'a': [1, 2]}
    >>> decoded('{"a": [1, "2"]}', dict[str, list[int]], "net.json")
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: net.json: Expected `int`, got `str` - at `$[...][1]`
    """
    try:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            is_wrong = isinstance(error, msgspec.ValidationError) and "out of range" not in str(error)
            if is_wrong or not lenient or len(text) > _MOST_LENIENT:
                raise
            return msgspec.convert(json.loads(text), kind)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what}: {excerpt(error)}") from error


def strict(kind: type, **types: Any) -> Any:
    """A `msgspec.Struct` with a dataclass's fields, where unknown fields and missing required fields are errors.

    Args:
        kind: the dataclass.
        types: the types of fields whose type in the file differs from the dataclass's; None: the file lacks the field.

    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> decoded('{"x": 1, "z": 2}', strict(Point), "a point")
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: a point: Object contains unknown field `z`
    """
    hints = get_type_hints(kind) | types
    fields: list[Any] = []
    for field in (field for field in dataclasses.fields(kind) if hints[field.name] is not None):
        pair = field.name, hints[field.name]
        if field.default is not dataclasses.MISSING:
            fields.append((*pair, field.default))
        elif field.default_factory is not dataclasses.MISSING:
            fields.append((*pair, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append(pair)
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True, frozen=True, kw_only=True)
