"""Untrusted JSON: rows or columns, parsed strictly and in bounded memory."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from lamina.serve._errors import RequestError
from lamina.support.messages import excerpt

_CONTAINERS_A_ROW = 4
_CONTAINERS = 4096
"""Maximum number of arrays and objects in a body, per allowed row, and in addition; each takes a hundred bytes."""


def read_json(body: bytes, most_rows: int, forms: tuple[str, ...]) -> tuple[str, Any]:
    """The single entry of a body's object, such as "rows": an array, or "columns": an object.

    Args:
        body: UTF-8.
        most_rows: the row limit, which determines the limit on arrays and objects.
        forms: the allowed names of the entry.

    Raises:
        RequestError: 400 if the body is not JSON or has a duplicate key, 413 if it has too many arrays and objects, 422
            if it has another form.

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
    """The contents of a JSON text; for a duplicate key, the last value.

    Raises:
        RequestError: 400 if the body is not JSON, 413 if it has more arrays and objects than `most_rows` rows need.
    """
    if body.count(b"{") + body.count(b"[") > _CONTAINERS_A_ROW * most_rows + _CONTAINERS:
        raise RequestError(413, f"the body has more arrays and objects than {most_rows:,} rows need")
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON: {_reason(error, body)}") from error


def _reason(error: Exception, body: bytes) -> str:
    said = "it is nested too deeply" if isinstance(error, RecursionError) else excerpt(error)
    if b"NaN" in body or b"Infinity" in body:
        said += " (JSON has no NaN and no Infinity; null marks a missing value)"
    return said


def _kind(content: Any) -> str:
    kinds = {
        "dict": "another object",
        "list": "an array",
        "str": "a text",
        "NoneType": "null",
        "bool": "a boolean",
    }
    return kinds.get(type(content).__name__, "a number")


def _keys(content: Any) -> int:
    """The number of keys in a body's objects: the outer object, and columns or all rows; without objects in values."""
    [entry] = content.values()
    if isinstance(entry, dict):
        return 1 + len(entry)
    rows = entry if isinstance(entry, list) else []
    return 1 + sum(len(row) for row in rows if isinstance(row, dict))


def require_single_keys(body: bytes) -> None:
    """Raise `RequestError` (400) if an object in a body has a duplicate key, since parsers keep different values."""

    def single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RequestError(400, f"the body has the key {excerpt(twice, 80)!r} twice in one object")
        return found

    try:
        json.loads(body, object_pairs_hook=single)
    except (ValueError, RecursionError) as error:  # nested deeper than Python allows
        raise RequestError(400, f"the body is not JSON: {_reason(error, body)}") from error
