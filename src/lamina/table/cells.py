"""Text forms of cells that are not numbers, texts or times: lists, objects with fields, bytes, Python objects."""

from __future__ import annotations

import decimal
import numbers
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

__all__ = ["as_text", "in_texts"]


def in_texts(values: Iterable[Any], is_plain: Any) -> list[Any]:
    """Cells with non-plain values converted to texts, see `as_text`; others unchanged."""
    texts: list[Any] = []
    for value in values:
        text = None if is_plain(value) else as_text(value)
        texts.append(value if text is None else text)
    return texts


def as_text(value: Any) -> str | None:
    """A cell's content as text; None if it has no text form.

    Containers become JSON, bytes are decoded as UTF-8, and objects are converted by `str`, unless that only gives
    the object's identity.

    >>> [as_text(value) for value in ([1, "a"], {"a": None}, b"abc", b"\\xff", 1 + 2j, object())]
    ['[1,"a"]', '{"a":null}', 'abc', None, '[1.0,2.0]', None]
    """
    if isinstance(value, bytes | bytearray | memoryview):
        with suppress(UnicodeDecodeError):
            return bytes(value).decode()
        return None
    if isinstance(value, Mapping | list | tuple | set | frozenset | np.ndarray | np.void | complex):
        return msgspec.json.encode(_nested(value), enc_hook=_nested).decode()
    return str(value) if _says_something(value) else None


def _nested(value: Any) -> Any:
    """A JSON form for values that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    if isinstance(value, np.void) and value.dtype.names:
        return dict(zip(value.dtype.names, value.tolist(), strict=True))
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, np.ndarray | np.void | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, numbers.Real | decimal.Decimal):
        return float(value)
    return as_text(value)


def _says_something(value: Any) -> bool:
    """Whether an object's text is more than its type and address."""
    kind = type(value)
    own = kind.__str__ if kind.__str__ is not object.__str__ else kind.__repr__
    return own is not object.__repr__ and not isinstance(value, type) and not callable(value)
