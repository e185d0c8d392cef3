"""Telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from lamina.table.types.fields import Field, Fields
from lamina.table.types.reading import Source
from lamina.table.values import lazily

_EXTENSION = r"(?: ?(?:x|ext\.?) ?\d+)?"
_INTERNATIONAL = lazily(rf"(?:tel:)?(?:\+|00)[ .-]?(\d(?:[\d ()./-]*\d)?){_EXTENSION}", re.ASCII)
_LOCAL = r"\d{3}[ .-]\d{4}"
_AMERICAN = lazily(rf"(?:1[ .-])?\(?(?P<area>\d{{3}})(?:\)[ .-]?|[ .-]){_LOCAL}{_EXTENSION}", re.ASCII)
_LONGEST = 40
_SHORT = r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
_LONG = r"(?:0\d|2[1-689]|3[578]|42|5[09]|6[7-9]|8[035789]|9[679])\d"
_COUNTRY = lazily(f"{_SHORT}|{_LONG}")
"""Country calling codes (ITU-T E.164): all codes of one and two digits; all other codes have three."""

_USUAL = [
    rf"(?:tel:)?(?:\+|00)[ .-]?(?=(?:(?:\(0\)|[ )./-]|\((?=[^0]|0[^)]))*\d){{7,15}}{_EXTENSION}$)"
    rf"(?P<country>{_SHORT}|{_LONG}){area}(?:[\d ()./-]*\d)?{_EXTENSION}"
    for area in (r"(?:\(0\)|[ ()./-])+0*(?P<area>\d*)", r"0*(?P<area>[1-9]\d\d)")
]
"""International numbers of 7 to 15 digits, in which nothing divides the country code, or the area code."""


class Phone(Fields):
    """Telephone numbers with a country code, or in North American format; the fields are country and area.

    >>> Phone().read("+49 (30) 901820"), Phone().read("(415) 555-2671"), Phone().read("5552671")
    ({'country': '49', 'area': '30'}, {'country': '1', 'area': '415'}, None)
    """

    tag = "phone"
    kind = "phone"
    plural = "telephone numbers"
    sample = "+49 30 901820"
    fields = ("country", "area")
    patterns = (_AMERICAN, *(lazily(pattern, re.ASCII) for pattern in _USUAL))
    sources: ClassVar[Mapping[str, Source]] = {"country": Source(group="country", otherwise="1")}
    unsure = _INTERNATIONAL

    def looks_like(self, text: str) -> bool:
        found = self.read(text)
        return found is not None and not str(found["country"]).startswith("0")  # 0000000005 is a code

    def read(self, text: str) -> Mapping[str, Field] | None:
        text = text.strip()[:_LONGEST]
        if (american := _AMERICAN.fullmatch(text)) is not None:
            return {"country": "1", "area": american[1]}
        found = _INTERNATIONAL.fullmatch(text)
        groups = re.findall(r"\d+", found[1].replace("(0)", " ")) if found is not None else []
        digits = "".join(groups)
        country = _COUNTRY.match(digits)
        if country is None or not 7 <= len(digits) <= 15:
            return None
        is_apart = groups[0] == country[0] and len(groups) > 1
        area = groups[1] if is_apart else digits[country.end() :].lstrip("0")[:3]
        return {"country": country[0], "area": area.lstrip("0")}
