"""Telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lamina.table.types.fields import Field, Fields
from lamina.table.values import lazily

_INTERNATIONAL = lazily(r"(?:tel:)?(?:\+|00)[ .-]?(\d(?:[\d ()./-]*\d)?)(?: ?(?:x|ext\.?) ?\d+)?", re.ASCII)
_AMERICAN = lazily(
    r"(?:1[ .-])?\(?(\d{3})(?:\)[ .-]?|[ .-])\d{3}[ .-]\d{4}(?: ?(?:x|ext\.?) ?\d+)?", re.ASCII
)
_LONGEST = 40
_COUNTRY = lazily(r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}")
"""Country calling codes (ITU-T E.164): all codes of one and two digits; all other codes have three."""


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
