"""JSON of declared types: values are checked while they are read, and nothing undeclared is built."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

from lamina.errors import DataError
from lamina.support.messages import excerpt

__all__ = ["Count", "decoded", "strict"]

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0 on."""

_MOST_LENIENT = 1 << 23
"""Characters of a text that Python's own reader may get, whose objects take up to 30 times its length."""


def decoded(text: str | bytes, kind: type[T], what: str, *, lenient: bool = True) -> T:
    """The contents of a JSON text, of the declared type `kind`.

    JSON is decoded at once into the declared types, so that hostile text takes little memory. Python also writes NaN,
    infinities and halves of surrogate pairs, which are not JSON, and whole numbers of more than 64 bits: if `lenient`,
    a text of moderate length may have them.

    Args:
        text: the JSON.
        kind: a `msgspec.Struct`, or another type that msgspec knows.
        what: whose text it is, for the error.
        lenient: whether to read what Python writes besides JSON.

    Raises:
        DataError: the text is not JSON, or not of this type; says where.

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
    """The `msgspec.Struct` of a dataclass's fields: no others may be there, and those without a default must be.

    Args:
        kind: the dataclass.
        types: fields whose type in a file is another.

    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> decoded('{"x": 1, "z": 2}', strict(Point), "a point")
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: a point: Object contains unknown field `z`
    """
    hints = get_type_hints(kind)
    fields: list[Any] = []
    for field in dataclasses.fields(kind):
        pair = field.name, types.get(field.name, hints[field.name])
        if field.default is not dataclasses.MISSING:
            fields.append((*pair, field.default))
        elif field.default_factory is not dataclasses.MISSING:
            fields.append((*pair, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append(pair)
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True, frozen=True, kw_only=True)
