"""Cache lines: what memory is handed out and shared in."""

from __future__ import annotations

__all__ = ["LINE_BYTES", "whole_lines"]

LINE_BYTES = 64
"""On all x86-64 processors and nearly all ARM ones; where lines are longer, nothing but speed is lost."""


def whole_lines(nbytes: int) -> int:
    """The next multiple of a line, so that what follows begins at one.

    >>> whole_lines(1), whole_lines(64), whole_lines(65)
    (64, 64, 128)
    """
    return -(-nbytes // LINE_BYTES) * LINE_BYTES
