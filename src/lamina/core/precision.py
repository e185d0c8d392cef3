"""Reduced precision of float32 matrix products: rounding the operands to fewer bits is faster on some devices."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "tf32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def require_precision(precision: object, caller: str) -> None:
    """Raise `ValueError` unless `precision` is one of `PRECISIONS`.

    >>> require_precision("float16", "hybridize")
    Traceback (most recent call last):
    ValueError: hybridize: precision must be one of 'float32', 'tf32', 'bfloat16', not 'float16'
    """
    if precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise ValueError(f"{caller}: precision must be one of {known}, not {precision!r}")
