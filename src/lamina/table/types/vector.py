"""Vectors: a fixed number of numbers per cell, such as coordinates, sizes and embeddings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from lamina.table.columns import value_name
from lamina.table.types.base import Candidate, ColumnSchema
from lamina.table.types.fields import Field, Fields
from lamina.table.types.pattern import Pattern
from lamina.table.types.quantity import Quantity
from lamina.table.types.reading import Reading, Source, decimal, script_beside
from lamina.table.values import in_javascript, lazily
from lamina.table.written_numbers import Form, number_of

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_MORE = rf"(?:(?:\s*[,;|]\s*|\s+|\s*[x×X*]\s*)(?:{_NUMBER}|null|NaN))+"
_FORM = lazily(rf"(?:(?:[A-Za-z]+\s*)?[\[({{])?\s*({_NUMBER}{_MORE})\s*[\])}}]?", re.ASCII)
_UNITS = r"mm|cm|dm|m|km|inches|inch|in|ft|px|[\"″]"
_SIZE = lazily(rf"({_NUMBER}(?:\s*[x×X*]\s*{_NUMBER})+)\s*({_UNITS})", re.ASCII)
"""A size with its unit."""

_POSITION = lazily(r"(.*[NS])[\s,;/]+(.*[EW])|([NS].*?)[\s,;/]+([EW].*)", re.IGNORECASE)
_ANGLES = tuple(Form(measure=f"°{letter}", like=f"1°{letter}") for letter in "NE")
"""Latitude and longitude, also in degrees, minutes and seconds; south and west are negative."""

_CELLS = lazily(rf"{_NUMBER}|null|NaN", re.ASCII)
_DIGIT = lazily(r"[^0-9]*[0-9][^\0]*")
_PLAIN = lazily(r"[+-]?\d+,\d+|\d{1,3}(?:[,\s]\d{3})+(?:\.\d+)?|[\d\s+-]+", re.ASCII)
"""A single number with a comma, or groups of digits, as in telephone numbers."""

_SEVERAL = 6
"""Maximum number of numbers per cell that a C library reads."""

_SHORT = 100
"""Maximum number of characters of a text whose numbers are kept."""

_MOST = 1024
"""Maximum number of numbers per cell."""


@dataclass(frozen=True)
class Vector(Fields):
    """A fixed number of numbers per cell, such as "48.85, 2.35", "POINT(2.35 48.85)" and "10x20x30".

    Attributes:
        count: the number of numbers.
        unit: the unit of sizes, if the texts have a unit.

    >>> Vector(count=2).read("POINT(2.35 48.85)"), Vector(count=2).read("1, 2, 3"), Vector(2, "cm").read("4 x 5.5 cm")
    ({'1': 2.35, '2': 48.85}, None, {'1': 4.0, '2': 5.5})
    >>> Vector(count=2).read("23.5°N 99.5°W"), Vector(count=2).read("27°30'S, 9°15'36\\"E")
    ({'1': 23.5, '2': -99.5}, {'1': -27.5, '2': 9.26})
    >>> Vector(count=2).read("48,2"), Vector().read("48,2")  # alone, it may be one number
    ({'1': 48.0, '2': 2.0}, None)
    """

    count: int = 0
    unit: str = ""
    tag = "vector"
    kind = "numbers"
    json_types: ClassVar[set[type]] = {list, str, type(None)}
    wanted: ClassVar[str] = "a list of numbers"
    plural = "several numbers each"
    keeps_whole = False
    page_script: ClassVar[str] = script_beside(__file__)

    def reading(self, schema: ColumnSchema) -> Reading | None:
        if self.count > _SEVERAL:
            return None
        sources = [Source("decimal", f"_{name}_") for name in self.names(schema)]
        numbers = [decimal(source.group) for source in sources]
        cells = [numbers[0], *(f"(?:{number}|null|NaN)" for number in numbers[1:])]
        several = r"(?:\s*[,;|]\s*|\s*(?:[xX*]\s*|×\s*)|\s+)".join(cells)
        patterns = [rf"(?:(?:[A-Za-z]+\s*)?[\[({{])?\s*{several}\s*[\])}}]?"]
        if self.unit:
            patterns.append(r"\s*(?:[xX*]\s*|×\s*)".join(numbers) + rf"\s*{self.unit}")
        parts = [pair for pair in zip(schema.parts, sources, strict=True) if pair[0].used]
        return Reading([lazily(pattern, re.ASCII) for pattern in patterns], parts, unsure=_DIGIT)

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        used = [i for i, part in enumerate(schema.parts) if part.used]
        angles = [form.page_form() for form in _ANGLES] if self.count == 2 else []
        form, size = map(in_javascript, (_FORM, _SIZE))
        return {
            "count": self.count, "unit": self.unit, "used": used, "form": form, "size": size, "angles": angles
        }  # fmt: skip

    def looks_like(self, text: str) -> bool:
        return self._numbers(text) is not None

    def _numbers(self, text: str) -> list[str] | None:
        """The numbers in a text, as texts; None if the text is not a vector.

        Without `count`, a text that may be a single number, such as "48,2", is not a vector.
        """
        found = (_parsed if len(text) <= _SHORT else _parsed.__wrapped__)(text)
        if found is None:
            return None
        numbers, unit, is_plain = found
        if is_plain if not self.count else unit not in ("", self.unit):
            return None
        return numbers if self.count in (0, len(numbers)) and len(numbers) <= _MOST else None

    def read(self, text: str) -> Mapping[str, Field] | None:
        numbers = self._numbers(text)
        if numbers is None:
            return None
        values = [None if number in ("null", "NaN") else float(number) for number in numbers]
        return {str(i): value for i, value in enumerate(values, start=1)}

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        if not candidate.is_text or not candidate.first.are_most(self.looks_like):
            return None
        counts = Counter[int]()
        for value, rows in candidate.first.counts:
            counts[len(self._numbers(value_name(value)) or ())] += rows
        count, _ = counts.most_common(1)[0]
        units = {_without_unit(value_name(value).strip())[1] for value, _ in candidate.first.counts} - {""}
        if len(units) > 1:
            return None
        return super(Vector, replace(self, count=count, unit="".join(units))).recognize(candidate)

    def _found(self, candidate: Candidate) -> Fields | None:
        return super()._found(candidate) or Pattern().found_in(candidate)  # 10 x 20 cm beside 10 x 20 x 5 cm

    def names(self, schema: ColumnSchema) -> Sequence[str]:
        return [str(i) for i in range(1, self.count + 1)]

    def example(self, column: ColumnSchema) -> Any:
        known = [part for part in column.parts if part.low is not None]
        numbers = [part.type.middle(part) if isinstance(part.type, Quantity) else part.low for part in known]
        return ", ".join(f"{number:.4g}" for number in numbers)


@lru_cache(1 << 14)  # a column's texts are read several times
def _parsed(text: str) -> tuple[list[str], str, bool] | None:
    """The numbers in a text, as texts, their unit, and whether they may be a single number; None for other texts."""
    text, unit = _without_unit(_signed(text.strip()))
    found = _FORM.fullmatch(text)
    return found and (_CELLS.findall(found[1]), unit, bool(_PLAIN.fullmatch(text)))


def _signed(text: str) -> str:
    """The signed latitude and longitude of a position as text, e.g. 23.5, -99.5 for 23.5°N 99.5°W; or the text."""
    position = _POSITION.fullmatch(text)
    pieces = filter(None, position.groups()) if position else ()
    angles = [number_of(piece, form) for piece, form in zip(pieces, _ANGLES, strict=False)]
    return ", ".join(map(repr, angles)) if angles and None not in angles else text


def _without_unit(text: str) -> tuple[str, str]:
    """The numbers of a size as text, and the unit; for other texts, the text itself and ""."""
    found = _SIZE.fullmatch(text)
    return (found[1], found[2]) if found else (text, "")
