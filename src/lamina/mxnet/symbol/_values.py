"""Operator attributes in symbol files: strings, parsed by declared type and never evaluated."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.support.messages import closest, excerpt

__all__ = ["read_value", "written_value"]

_MOST_SIZES = 1024
_LONGEST = 20_000
"""Longest attribute, in characters."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}L?")
_TRUTHS = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}
_TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def read_value(text: str, kind: str) -> Any:
    """The value of an attribute string.

    Args:
        text: the string in the file.
        kind: ``int``, ``float``, ``bool``, ``str``, ``dtype``, ``shape`` (integers, some may be None), or
            choices ``a|b|c``; followed by a question mark if the value may be None.

    Raises:
        ValueError: the string has another type.

    >>> read_value("(2, -1, None)", "shape"), read_value("None", "int?"), read_value("0.5", "float")
    ((2, -1, None), None, 0.5)
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{len(text):,} characters, at most {_LONGEST:,} are read")
    if kind.endswith("?"):
        if text == "None":
            return None
        kind = kind[:-1]
    reader = _READERS.get(kind)
    return _choice(text, kind.split("|")) if reader is None else reader(text.strip())


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{excerpt(text, 40)!r} is no whole number")
    return int(text.removesuffix("L"))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{excerpt(text, 40)!r} is no number") from None
    return int(value) if math.isfinite(value) and value == int(value) and "." not in text else value


def _choice(text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ValueError(
            f"{excerpt(text, 40)!r} is none of {', '.join(known)}.{closest(text[:40], known)}".rstrip(".")
        )
    return text


def _truth(text: str) -> bool:
    return _TRUTHS[_choice(text, list(_TRUTHS))]


def _shape(text: str) -> tuple[int | None, ...]:
    """``(2, 3)``, ``[2, 3]`` or a single number."""
    if text[:1] not in ("(", "["):
        return (_integer(text),)
    if text[-1:] != {"(": ")", "[": "]"}[text[0]]:
        raise ValueError(f"{excerpt(text, 40)!r} is no shape")
    inside = [part.strip() for part in text[1:-1].split(",")]
    if inside[-1] == "":  # () and (2,)
        inside.pop()
    if len(inside) > _MOST_SIZES:
        raise ValueError(f"{len(inside):,} numbers, at most {_MOST_SIZES:,} are read")
    return tuple(None if part == "None" else _integer(part) for part in inside)


_READERS: dict[str, Any] = {
    "int": _integer,
    "float": _number,
    "bool": _truth,
    "str": str,
    "shape": _shape,
    "dtype": lambda text: _choice(text, _TYPES),
}


def written_value(value: Any, kind: str) -> str:
    """The string for a value in files; the inverse of `read_value`.

    Raises:
        ValueError: the value has another type.

    >>> written_value([2, 3], "shape"), written_value(np.float32, "dtype"), written_value(0, "bool")
    ('(2, 3)', 'float32', 'False')
    """
    text = _text(value, kind.removesuffix("?"))
    return str(read_value(text, kind)) if kind.removesuffix("?") == "bool" else _checked(text, kind)


def _checked(text: str, kind: str) -> str:
    read_value(text, kind)
    return text


def _text(value: Any, kind: str) -> str:
    if value is None:
        return "None"
    if kind == "dtype":
        return np.dtype(value).name
    if kind == "shape" and isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        sizes = [None if size is None else int(size) for size in value]
        return str(tuple(sizes))
    if isinstance(value, np.generic):
        value = value.item()
    if kind == "bool" and value in (0, 1):
        return str(bool(value))
    return str(value)
