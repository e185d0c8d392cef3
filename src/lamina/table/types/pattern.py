"""Numbers in the same words: blood pressures as 120/80, shares as 12 of 20, episodes as S1E3."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema
from lamina.table.types.fields import Fields
from lamina.table.types.reading import Source, decimal
from lamina.table.values import lazily

_NUMBER = lazily(r"\d+(?:\.\d+)?", re.ASCII)
_SPECIAL = lazily(r"[\\^$.*+?()\[\]{}|/]")
_YEAR = lazily("1[0-9]{3}|20[0-9]{2}")
_JOINED = lazily("\0[.,]\0")
"""Numbers with only a point or a comma between them: 1.2.3, 3.497.670-0, or decimal commas."""
_GROUPED = lazily(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
_MOST = 6
"""Maximum number of numbers in a text."""


@dataclass(frozen=True)
class Pattern(Fields):
    r"""Texts that differ in their two to six numbers only, such as 120/80, 12 of 20 and S1E3.

    Attributes:
        words: a text with a null character for each number.

    >>> Pattern("\0 of \0 stars").read("4.5 of 5 stars")
    {'1': 4.5, '2': 5.0}
    """

    words: str = ""
    wanted: ClassVar[str] = "a text with numbers"
    plural = "numbers in the same words"
    tag = "pattern"
    kind = "numbers"

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        numbers = (decimal(self.source(name).group) for name in self.fields)
        text = _SPECIAL.sub(r"\\\g<0>", self.words)
        return (lazily(re.sub("\0", lambda _: next(numbers), text), re.ASCII),) if text else ()

    @cached_property
    def fields(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(str(i + 1) for i in range(self.words.count("\0")))

    def source(self, name: str) -> Source:
        return Source("decimal", f"_{name}_")

    def _found(self, candidate: Candidate) -> Fields | None:
        if candidate.looks_meant:
            return None
        rows_of = Counter[str]()
        for text, rows in candidate.first.texts:
            rows_of[_NUMBER.sub("\0", text)] += rows
        words, rows = rows_of.most_common(1)[0] if rows_of else ("", 0)
        if not 1 < words.count("\0") <= _MOST or rows < MOSTLY * rows_of.total() or _JOINED.search(words):
            return None
        texts = [text for text, _ in candidate.first.texts if _NUMBER.sub("\0", text) == words]
        numbers = list(zip(*map(_NUMBER.findall, texts), strict=True))
        begins_with_letters, only_joined = (
            any(map(str.isalpha, words.partition("\0")[0])),
            set(words) <= set("\0-. "),
        )
        if candidate.differs and (begins_with_letters or only_joined or any(map(_count, numbers))):
            return None  # INV-17-3; 978-3-16; 1/1, 2/1, …
        if _are_codes(numbers, words) or any(map(_have_thousands, numbers)):
            return None
        return super(Pattern, replace(self, words=words))._found(candidate)

    def looks_like(self, text: str) -> bool:
        return any(one.fullmatch(text.strip()) for one in self.patterns)

    def example(self, column: ColumnSchema) -> Any:
        numbers = iter(f"{part.low or 0:.4g}" for part in column.parts)
        return re.sub("\0", lambda _: next(numbers), self.words)


def _are_codes(numbers: Sequence[Sequence[str]], words: str = "") -> bool:
    """Whether numbers, by their places in the texts, have leading zeros, or each as many digits in all texts.

    Between words or units, as many digits are no sign of a code.

    >>> _are_codes([("1201", "1313"), ("7", "2")]), _are_codes([("120", "95"), ("80", "60")])
    (True, False)
    >>> _are_codes([("1", "12"), ("05", "10")]), _are_codes([("01", "12"), ("5", "10")])  # 1h05, but 01-5
    (False, True)
    >>> _are_codes([("172", "315"), ("2297", "3000")], "\\0 Nm @ \\0 rpm")
    False
    """
    for place, texts in enumerate(numbers):
        if any(len(text) > 2 * min(place, 1) and re.match("0[0-9]", text) for text in texts):
            return True
    each = [text for texts in numbers for text in texts]
    if any("." in text for text in each) or all(_YEAR.fullmatch(text) for text in each):
        return False
    if any(map(str.islower, words.partition("\0")[2])):
        return False
    return all(len(set(map(len, texts))) == 1 for texts in numbers)


def _count(texts: Sequence[str]) -> bool:
    """Whether numbers count the rows: all are whole and different, and few are left out.

    >>> _count(["3", "1", "2", "4"]), _count(["3", "1", "3"]), _count(["300", "100", "2"]), _count(["3.5", "1.2"])
    (True, False, False, False)
    """
    numbers = {*map(float, texts)}
    if len(numbers) < len(texts) or any("." in text for text in texts):
        return False
    return max(numbers) - min(numbers) <= 2 * len(texts)


def _have_thousands(texts: Sequence[str]) -> bool:
    """Whether points may be between thousands: three digits after each of them, and some numbers without.

    >>> _have_thousands(["1.195", "643"]), _have_thousands(["1.195", "0.643"]), _have_thousands(["1.195", "64.3", "2"])
    (True, False, False)
    """
    pointed = [text for text in texts if "." in text]
    return 0 < len(pointed) < len(texts) and all(map(_GROUPED.fullmatch, pointed))
