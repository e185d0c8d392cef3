"""Numbers in the same words: blood pressures as 120/80, shares as 12 of 20, EUR 27,866 beside USD 7."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema
from lamina.table.types.fields import Fields
from lamina.table.types.nominal import MOST_ONE_HOT
from lamina.table.types.reading import Source, decimal
from lamina.table.values import lazily

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMBER = lazily(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", re.ASCII)
_SPECIAL = lazily(r"[\\^$.*+?()\[\]{}|/]")
_YEAR, _RECENT = lazily("1[0-9]{3}|20[0-9]{2}"), lazily("1[89][0-9]{2}|20[0-9]{2}")
_JOINED = lazily("\0[.,]\0")
"""Numbers with only a point or a comma between them: 1.2.3, 3.497.670-0, or decimal commas."""
_GROUPED = lazily(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
_NAMED = lazily(r"[^\W\d_]{2}|[^\w\0.,+-]")
"""Words that say what a single number is; those of V57 and 12-A do not."""
_MOST = 6
"""Maximum number of numbers in a text."""
_DIFFERENT = 0.4
"""Minimum share of different texts with a single number; of fewer, such as Room 12, they stay categories."""
_NEXT = "\1"
"""Separates the words of a column that has several."""


@dataclass(frozen=True)
class Pattern(Fields):
    r"""Texts that differ in their one to six numbers only, such as 120/80, 1,200 of 3,400 and Plant 12.

    Up to eight words may be around the numbers, as in EUR 5 beside USD 7; they are a category.

    Attributes:
        words: a text with a null character for each number; several texts are separated by the character 1.

    >>> Pattern("\0 of \0 stars").read("4.5 of 1,200 stars")
    {'1': 4.5, '2': 1200.0}
    >>> Pattern("\0 BC\1\0 AD").read("44 BC")
    {'1': 44.0, 'words': 'BC'}
    """

    words: str = ""
    wanted: ClassVar[str] = "a text with numbers"
    plural = "numbers in the same words"
    tag = "pattern"
    kind = "numbers"

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        each = [words.split("\0") for words in self.words.split(_NEXT)]
        numbers = [decimal(f"_{place}_", _DIGITS) for place in range(1, len(each[0]))]
        told = _telling(each) if len(each) > 1 else None
        found: list[re.Pattern[str]] = []
        for words in each if self.words else ():
            texts = [_SPECIAL.sub(r"\\\g<0>", text) for text in words]
            if told is not None:
                texts[told] = re.sub(r"\S(?:.*\S)?", r"(?P<words>\g<0>)", texts[told])
            found.append(lazily("".join(map("".join, zip(texts, [*numbers, ""], strict=True))), re.ASCII))
        return tuple(found)

    @cached_property
    def fields(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        count = self.words.partition(_NEXT)[0].count("\0")
        return (*(str(i + 1) for i in range(count)), *(["words"] if _NEXT in self.words else []))

    def source(self, name: str) -> Source:
        return Source(group="words") if name == "words" else Source("decimal", f"_{name}_")

    def _found(self, candidate: Candidate) -> Fields | None:
        if candidate.looks_meant:
            return None
        rows_of = Counter[str]()
        for text, rows in candidate.first.texts:
            rows_of[_NUMBER.sub("\0", text)] += rows
        found = _words_of(rows_of)
        if not found:
            return None
        texts = [text for text, _ in candidate.first.texts if _NUMBER.sub("\0", text) in found]
        found_in = [[number.replace(",", "") for number in _NUMBER.findall(text)] for text in texts]
        numbers = [*zip(*found_in, strict=True)]
        begins_with_letters = any(any(map(str.isalpha, words.partition("\0")[0])) for words in found)
        only_joined = set().union(*found) <= set("\0-. ")
        is_measured, is_single = any(re.search("[.,]", text) for text in texts), len(numbers) == 1
        if is_single and not is_measured and candidate.column.distinct() < _DIFFERENT * len(candidate.column):
            return None
        is_name = begins_with_letters and not (is_single and is_measured)
        is_name = is_name or (len(found) > 1 and not _are_named(found))  # 86-1B, 77-27S
        differs = candidate.differs or (is_single and candidate.column.distinct() == len(candidate.column))
        if differs and (is_name or only_joined or any(map(_count, numbers))):
            return None  # INV-17-3; 978-3-16; 1/1, 2/1, …
        are_grouped = any("," in number for text in texts for number in _NUMBER.findall(text))  # not of codes
        if (not are_grouped and _are_codes(numbers, found[0])) or any(map(_have_thousands, numbers)):
            return None
        return super(Pattern, replace(self, words=_NEXT.join(found)))._found(candidate)

    def looks_like(self, text: str) -> bool:
        return any(one.fullmatch(text.strip()) for one in self.patterns)

    def example(self, column: ColumnSchema) -> Any:
        lowest = (float(f"{part.low or 0:.4g}") for part in column.parts)
        numbers = (np.format_float_positional(x, trim="-") for x in lowest)
        return re.sub("\0", lambda _: next(numbers), self.words.partition(_NEXT)[0])


def _telling(each: Sequence[Sequence[str]]) -> int | None:
    """The place between the numbers where all words of a column differ; None if there is none.

    >>> _telling([["EUR ", ""], ["", " USD"]]), _telling([["a ", " b"], ["a ", " c"]])
    (0, 1)
    """
    places = ({text.strip() for text in texts} for texts in zip(*each, strict=True))
    return next((place for place, texts in enumerate(places) if len(texts) == len(each)), None)


def _are_named(found: Sequence[str]) -> bool:
    """Whether words say what numbers are, but for numbers alone beside others: 1.9, 12.1 *, 2.3 H."""
    return found != ["\0"] and all(words == "\0" or _NAMED.search(words) for words in found)


def _words_of(rows_of: Counter[str]) -> list[str]:
    """The words around the numbers of most texts, from the most frequent ones; [] if they are too many, or names."""
    first = rows_of.most_common(1)[0][0] if rows_of else ""
    count = first.count("\0")
    frequent = [words for words, rows in rows_of.most_common(MOST_ONE_HOT) if rows > 1 or words == first]
    found = sorted(words for words in frequent if words.count("\0") == count)
    if rows_of[first] >= MOSTLY * rows_of.total():
        found = [first]
    are_most = sum(rows_of[words] for words in found) >= MOSTLY * rows_of.total()
    is_read = not any(_JOINED.search(words) or _NEXT in words for words in found)
    is_named = count > 1 or _are_named(found)
    is_told = _telling([words.split("\0") for words in found]) is not None
    return found if 1 <= count <= _MOST and are_most and is_read and is_named and is_told else []


def _are_codes(numbers: Sequence[Sequence[str]], words: str = "") -> bool:
    """Whether numbers, by their places in the texts, have leading zeros, or each as many digits in all texts.

    Between words or units, as many digits are no sign of a code, nor are two or less (the score 28:31), nor leading
    zeros of two digits with a colon (07:30-17:15).

    >>> _are_codes([("1201", "1313"), ("7", "2")]), _are_codes([("120", "95"), ("80", "60")])
    (True, False)
    >>> _are_codes([("1", "12"), ("05", "10")]), _are_codes([("01", "12"), ("5", "10")])  # 1h05, but 01-5
    (False, True)
    >>> _are_codes([("172", "315"), ("2297", "3000")], "\\0 Nm @ \\0 rpm"), _are_codes([("28", "17"), ("31", "22")])
    (False, False)
    """
    for place, texts in enumerate(numbers):
        if any(len(text) > 2 * (place > 0 or ":" in words) and re.match("0[0-9]", text) for text in texts):
            return True
    each = [text for texts in numbers for text in texts]
    year = _YEAR if len(numbers) > 1 else _RECENT
    if any("." in text for text in each) or all(map(year.fullmatch, each)):
        return False
    if any(map(str.islower, words.partition("\0")[2])) or max(map(len, each)) <= 2:
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
