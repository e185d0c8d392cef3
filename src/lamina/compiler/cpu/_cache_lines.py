"""Cache lines: what memory is handed out and shared in."""

from __future__ import annotations

from lamina.core.memory import LINE_BYTES

__all__ = ["LINE_BYTES", "whole_lines"]


def whole_lines(nbytes: int) -> int:
    """The next multiple of a line, so that what follows begins at one.

    >>> whole_lines(1), whole_lines(64), whole_lines(65)
    (64, 64, 128)
    """
    return -(-nbytes // LINE_BYTES) * LINE_BYTES
