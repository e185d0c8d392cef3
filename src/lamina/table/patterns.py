"""Lazily compiled regular expressions: most programs read no columns that need them."""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    def __init__(self, pattern: str, flags: int) -> None:
        self._given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)
        return found


def lazily(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A compiled pattern, compiled on first use.

    >>> lazily("a+").fullmatch("aa") is not None
    True
    """
    return cast("re.Pattern[str]", _Lazy(pattern, flags))


def in_javascript(pattern: re.Pattern[str]) -> str:
    """A pattern in JavaScript's syntax, with Unicode classes of letters and digits for its flag u.

    >>> print(in_javascript(lazily(r"(?P<a>[^\\W\\d_])(?P=a)")))
    (?<a>[\\p{L}\\p{Nl}\\p{No}])\\k<a>
    """
    text = re.sub(r"\(\?P=(\w)\)", r"\\k<\1>", pattern.pattern).replace("(?P<", "(?<").replace('\\"', '"')
    return text.replace(r"[^\W\d_]", r"[\p{L}\p{Nl}\p{No}]").replace(r"[\w ]", r"[\p{L}\p{N}_ ]")
