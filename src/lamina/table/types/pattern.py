"""Numbers in the same words: blood pressures as 120/80, shares as 12 of 20, EUR 27,866 beside USD 7, 6-3 6-7(4) 7-5."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, cast

import numpy as np

from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema
from lamina.table.types.fields import Fields
from lamina.table.types.nominal import MOST_ONE_HOT
from lamina.table.types.reading import Source, decimal
from lamina.table.values import lazily

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_SIGN = r"(?:(?<![^\s(\[])-|(?<=[\s(\[])\+)"
_NUMBER = lazily(rf"(?:{_SIGN}(?=\d))?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?", re.ASCII)
_DIGIT = lazily(r"\d")
_SPECIAL = lazily(r"[\\^$.*+?()\[\]{}|/]")
_YEAR, _RECENT = lazily("1[0-9]{3}|20[0-9]{2}"), lazily("1[89][0-9]{2}|20[0-9]{2}")
_JOINED = lazily("\0[.,]\0")
"""Numbers with only a point or a comma between them: 1.2.3, 3.497.670-0, or decimal commas."""
_GROUPED = lazily(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
_NAMED = lazily(r"[^\W\d_]{2}|[^\w\0.,+-]")
"""Words that say what a single number is; those of V57 and 12-A do not."""
_BRACKET = lazily(r"^[(\[{]|[)\]}]$")
_PLURAL = lazily(r".*[^\W\d_]{2}s")
_MOST = 6
"""Maximum number of numbers in a text."""
_DIFFERENT = 0.4
"""Minimum share of different texts with a single number; of fewer, such as Room 12, they stay categories."""
_NEXT = "\1"
"""Separates the words of a column that has several."""

_MOST_FORMS = 24
"""Maximum number of texts with different counts of numbers, apart from these, that tell the places of numbers."""
_MOST_PLACES = 15
"""Maximum number of places of numbers in them: those of five sets of tennis with their tie-breaks."""
_NEARLY_ALL = 0.98
"""Share of the rows that these places should read."""
_OPENING, _CLOSING = "([{", ")]}"
_AROUND = r"[()\[\]{},;\s]{0,3}"


@dataclass(frozen=True)
class Pattern(Fields):
    r"""Texts that differ in their one to six numbers only, such as 120/80, 1,200 of 3,400 and Plant 12.

    Up to eight words may be around the numbers, as in EUR 5 beside USD 7; they are a category. If the count of numbers
    varies, as in 6-3 7-5 beside 6-4 3-6 7-6(4), each number has a place, and is missing in other texts; see `_Places`.

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
    def _each(self) -> list[list[str]]:
        """The texts around the numbers, for each of the words."""
        return [words.split("\0") for words in self.words.split(_NEXT)] if self.words else []

    @cached_property
    def _places(self) -> _Places | None:
        """The places of numbers if their count varies, or several texts around them differ; otherwise None."""
        return _places_of(self._each) if len(self._each) > 1 and _telling(self._each) is None else None

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self._places is not None:
            return (self._places.pattern,)
        told = _telling(self._each) if len(self._each) > 1 else None
        found: list[re.Pattern[str]] = []
        for words in self._each:
            numbers = [decimal(f"_{place}_", _DIGITS) for place in range(1, len(words))]
            texts = [_SPECIAL.sub(r"\\\g<0>", text) for text in words]
            if told is not None:
                texts[told] = re.sub(r"\S(?:.*\S)?", r"(?P<words>\g<0>)", texts[told])
            found.append(lazily("".join(map("".join, zip(texts, [*numbers, ""], strict=True))), re.ASCII))
        return tuple(found)

    @cached_property
    def fields(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self._places is not None:
            return self._places.fields
        count = self.words.partition(_NEXT)[0].count("\0")
        return (*(str(i + 1) for i in range(count)), *(["words"] if _NEXT in self.words else []))

    def source(self, name: str) -> Source:
        if not name.isdigit():
            return super().source(name)
        is_whole = self._places is not None and self._places.are_whole
        return Source("number", f"whole_{name}_") if is_whole else Source("decimal", f"_{name}_")

    def _found(self, candidate: Candidate) -> Fields | None:
        return None if candidate.looks_meant else self.found_in(candidate)

    def found_in(self, candidate: Candidate) -> Fields | None:
        """The type with the words of a column, whether or not these texts look like those of another type."""
        rows_of = Counter[str]()
        for text, rows in candidate.first.texts:
            rows_of[_words_in(text)] += rows
        found = _words_of(rows_of) or _varied_words_of(rows_of)
        if not found:
            return None
        kind = replace(self, words=_NEXT.join(found))
        texts = [text for text, _ in candidate.first.texts if _words_in(text) in found]
        numbers = kind._numbers_in(texts)
        varies = kind._places is not None
        ends = [words.partition("\0")[::2] for words in found if "\0" in words]
        if varies:  # units behind numbers, and a colon before them as in Beds: 5, belong to no names
            ends = [(a, b) for a, b in ends if a.rstrip()[-1:] not in ":=(" and not any(map(str.isalpha, b))]
        begins_with_letters = any(any(map(str.isalpha, before)) for before, _ in ends)
        only_joined = set().union(*found) <= set("\0-. ")
        is_measured, is_single = any(re.search("[.,]", text) for text in texts), len(numbers) == 1
        are_few = not is_measured and candidate.column.distinct() < _DIFFERENT * len(candidate.column)
        of_one = sum(rows_of[words] for words in found if words.count("\0") < 2)
        if are_few and 2 * of_one > rows_of.total():
            return None  # Room 12
        is_name = begins_with_letters and not (is_single and is_measured)
        is_name = is_name or (len(found) > 1 and not _are_named(found))  # 86-1B, 77-27S
        differs = candidate.differs or (is_single and candidate.column.distinct() == len(candidate.column))
        if differs and (is_name or only_joined or any(map(_count, numbers))):
            return None  # INV-17-3; 978-3-16; 1/1, 2/1, …
        if is_name and varies:
            return None  # Qn1, Qn12-3
        are_grouped = any("," in number for text in texts for number in _NUMBER.findall(text))  # not of codes
        if (not are_grouped and _are_codes(numbers, found[0])) or any(map(_have_thousands, numbers)):
            return None
        return super(Pattern, kind)._found(candidate)

    def _numbers_in(self, texts: Sequence[str]) -> list[list[str]]:
        """The numbers in texts, as they are written without signs and commas, by their places."""
        by_place: dict[str, list[str]] = {name: [] for name in self.fields if name.isdigit()}
        for text in texts:
            values = self._values(text)
            present = [name for name in by_place if values.get(name) is not None]
            for name, number in zip(present, _NUMBER.findall(text), strict=False):
                by_place[name].append(number.replace(",", "").lstrip("+-"))
        return [numbers for numbers in by_place.values() if numbers]

    def _values(self, text: str) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.read(text) or {})

    def looks_like(self, text: str) -> bool:
        return any(one.fullmatch(text.strip()) for one in self.patterns)

    def example(self, column: ColumnSchema) -> Any:
        lowest = [
            np.format_float_positional(float(f"{part.low or 0:.4g}"), trim="-") for part in column.parts
        ]
        words = self.words.partition(_NEXT)[0]
        values = self._values(words.replace("\0", "1"))
        numbers = (low for low, value in zip(lowest, values.values(), strict=False) if value == 1)
        return re.sub("\0", lambda _: next(numbers), words)


@dataclass(frozen=True)
class _Places:
    """The places of numbers in texts whose count of numbers varies: the words beside a number name its place.

    Files have only `Pattern.words`, from which `_places_of` must always derive the same places.

    Attributes:
        labels: the words before each number, or behind it if `behind`, in the order of the texts.
        behind: whether the words are behind the numbers.
        first, last: the words at the start and at the end of texts, which are not labels.

    >>> each = [words.split("\\0") for words in ("\\0-\\0 \\0-\\0", "\\0-\\0(\\0) \\0-\\0")]
    >>> _places_of(each).labels
    ['', '-', '(', ' ', '-']
    >>> each = [words.split("\\0") for words in ("\\0 years \\0 months", "\\0 months", "\\0 years")]
    >>> _places_of(each).labels, _places_of(each).behind
    (['year', 'month'], True)
    """

    labels: list[str]
    behind: bool
    first: list[str]
    last: list[str]

    @property
    def cost(self) -> float:
        """The number of places; a category counts half, and a place without a label a quarter more."""
        categories = (len(self.first) > 1) + (len(self.last) > 1)
        return len(self.labels) + categories / 2 + self.labels.count("") / 4

    @property
    def is_possible(self) -> bool:
        return len(self.labels) <= _MOST_PLACES and max(len(self.first), len(self.last)) <= MOST_ONE_HOT

    @property
    def are_whole(self) -> bool:
        """Whether all numbers are whole: a C library has too few groups for more other ones."""
        return len(self.labels) > _MOST

    @property
    def fields(self) -> tuple[str, ...]:
        words = [("words before", self.first), ("words", self.last)]
        numbers = (str(place) for place in range(1, len(self.labels) + 1))
        return (*numbers, *(name for name, texts in words if len(texts) > 1))

    @property
    def pattern(self) -> re.Pattern[str]:
        found = [_AROUND]
        for name, texts in (("words_before", self.first), ("words", self.last)):
            words = "|".join(
                _SPECIAL.sub(r"\\\g<0>", text) for text in sorted(texts, key=len, reverse=True) if text
            )
            words = f"(?P<{name}>{words})" if len(texts) > 1 else words
            found.append(f"(?:{words}{_AROUND}){'?' if '' in texts else ''}" if words else "")
        for place, label in enumerate(self.labels):
            number = rf"(?P<whole_{place + 1}_>\d+)" if self.are_whole else decimal(f"_{place + 1}_", _DIGITS)
            words = _SPECIAL.sub(r"\\\g<0>", label)
            words += "s?" if _PLURAL.fullmatch(f"{label}s") else ""
            words = (
                r"\s{1,3}" if label == " " else rf"[,;\s]{{0,3}}{words}[,;\s]{{0,3}}" if label else r"\s{0,3}"
            )
            one = rf"{number}{words}[(\[{{]{{0,3}}" if self.behind else rf"[)\]}}]{{0,3}}{words}{number}"
            found.insert(-1, f"(?:{one})?")
        return lazily("".join([*found[:-1], _AROUND, found[-1]]), re.ASCII)


def _words_in(text: str) -> str:
    """The words of a text, with a zero in place of each number."""
    return _NUMBER.sub("\0", text) if _DIGIT.search(text) else text


def _places_of(each: Sequence[Sequence[str]]) -> _Places | None:
    """The fewest places that tell the numbers of texts; None if these are too many.

    `each` has the words around the numbers, for some of the texts.
    """
    found = (_arranged(each, *how) for how in product((False, True), repeat=2))
    return min((one for one in found if one.is_possible), key=lambda one: one.cost, default=None)


def _arranged(each: Sequence[Sequence[str]], behind: bool, has_words: bool) -> _Places:
    """The places of numbers; `has_words` if the words next to the first number, or the last, are none of its labels."""
    brackets = _OPENING if behind else _CLOSING
    outer, inner, rows = {""}, set[str](), list[list[str]]()
    for gaps in (one[::-1] if behind else one for one in each):
        own = [_label(words, brackets) for words in gaps[:-1]]
        if has_words and own:
            outer |= {own[0]} - {" "}
            own[0] = ""
        inner.add(gaps[-1].strip(f"{_OPENING}{_CLOSING},; "))
        rows.append(own)
    labels, first, last = _merged(rows), sorted(outer), sorted(inner)
    return _Places(labels[::-1], behind, last, first) if behind else _Places(labels, behind, first, last)


def _merged(rows: Sequence[Sequence[str]]) -> list[str]:
    """Labels that contain those of each row in their order; numbers in brackets stay beside the same number.

    >>> _merged([["", "-", " ", "-"], ["", "-", "(", " ", "-"], ["", "-", " ", "-", "("]])
    ['', '-', '(', ' ', '-', '(']
    """
    labels: list[str] = []
    for own in sorted(rows, key=len, reverse=True):
        outside = [label for label in own if not _BRACKET.search(label)]
        edits = SequenceMatcher(None, labels, outside, autojunk=False).get_opcodes()
        labels = [x for how, i, j, k, n in edits for x in labels[i:j] + outside[k:n] * (how != "equal")]
    inside: dict[int, list[str]] = {}
    for own in rows:
        place, beside = -1, list[str]()
        for label in own:
            if _BRACKET.search(label):
                beside.append(label)
                known = inside.setdefault(place, [])
                known += [label] * (beside.count(label) - known.count(label))
            else:
                place, beside = labels.index(label, place + 1), []
    found = inside.get(-1, [])
    return found + [x for place, label in enumerate(labels) for x in (label, *inside.get(place, ()))]


def _label(words: str, brackets: str) -> str:
    """The words beside a number in the singular, without brackets that belong to the number at their other side."""
    found = words.strip(f"{brackets},; ") or words.strip(brackets)[:1]
    return found[:-1] if _PLURAL.fullmatch(found) else found


def _varied_words_of(rows_of: Counter[str]) -> list[str]:
    """The words around numbers whose count varies, as in 6-3 6-7(4) 7-5 and 189 all out; [] if no places tell them."""
    best: list[str] = []
    ordered = sorted(rows_of, key=lambda words: (-rows_of[words], words))  # for rows in any order
    frequent = [words for words in ordered[:_MOST_FORMS] if rows_of[words] > 1]
    if 2 * sum(rows_of[words] for words in frequent[:MOST_ONE_HOT] if "\0" in words) < rows_of.total():
        return best  # sentences and names
    for count in range(2, len(frequent) + 1):
        found = sorted(frequent[:count])
        if any(_JOINED.search(words) or _NEXT in words for words in found) or not _are_named(found):
            break
        if (places := Pattern(_NEXT.join(found))._places) is None:
            continue  # a single place distinguishes them, if the next ones don't need more
        read = sum(
            rows for words, rows in rows_of.items() if places.pattern.fullmatch(words.replace("\0", "1"))
        )
        if read >= MOSTLY * rows_of.total():
            best = found
        if read >= _NEARLY_ALL * rows_of.total():
            break
    return best


def _telling(each: Sequence[Sequence[str]]) -> int | None:
    """The place between the numbers where all words of a column differ; None if there is none.

    >>> _telling([["EUR ", ""], ["", " USD"]]), _telling([["a ", " b"], ["a ", " c"]])
    (0, 1)
    """
    if len({*map(len, each)}) > 1:
        return None
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
