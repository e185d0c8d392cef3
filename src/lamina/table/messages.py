"""How this package speaks to people: warnings about their data, and names listed in a sentence."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Sequence

__all__ = ["DataWarning", "closest", "listed", "row", "warn"]


class DataWarning(UserWarning):
    """Something in the data that lamina could handle but its owner should know; it says what was done.

    `subject` names what it is about, where later warnings on the next parts of a table would only repeat it.
    """

    def __init__(self, message: str, subject: str | None = None) -> None:
        super().__init__(message)
        self.subject = message if subject is None else subject


def warn(message: str, subject: str | None = None) -> None:
    """Warn about the data, pointing at the first line outside lamina; see `DataWarning` for `subject`."""
    package = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
    outside, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        outside, frame = outside + 1, frame.f_back
    warnings.warn(DataWarning(message, subject), stacklevel=outside)


def listed(names: Iterable[object], limit: int = 5) -> str:
    """Names in quotes, the tail of a long list as a count.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    quoted = [repr(str(name)) for name in names]
    shown = ", ".join(quoted[:limit])
    return shown if len(quoted) <= limit else f"{shown} and {len(quoted) - limit} more"


def closest(name: str, known: Sequence[str]) -> str:
    """A question that proposes the known name most like `name`, or nothing.

    >>> closest("incme", ["age", "income"])
    " Did you mean 'income'?"
    """
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def row(index: int) -> str:
    """How messages name a row of a table in memory.

    >>> row(17)
    'row 17 (counting from 0)'
    """
    return f"row {index} (counting from 0)"
