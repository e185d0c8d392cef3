"""Formatted numbers: money, percent, thousands, units, ranges, fractions.

A single text may be ambiguous: 1.234 is more than a thousand in German texts, and little more than 1 in English texts.
So `form_of` examines all texts of a column, and `number_of` parses a text in the column's format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from math import isinf, log10
from pathlib import Path
from typing import Any, NamedTuple

from lamina.table.values import in_javascript, lazily, number_in, time_in

# --- the words ---------------------------------------------------------------------------------------------------

_PLAIN_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\t", " "),
        **dict.fromkeys("−﹣－", "-"),
        **dict.fromkeys("‐‑‒–—―", "–"),
        **dict.fromkeys("’‘´`′", "'"), **dict.fromkeys("”“″", '"'),
        "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "⅛": " 1/8", "⅜": " 3/8", "⅝": " 5/8",
        "⅞": " 7/8", "⁄": "/", "≤": "<", "≥": ">", "μ": "µ", "％": "%",
        "٫": ".", "٬": ",", "．": ".", "，": ",", "＋": "+", "￥": "¥",
        # Digits: Arabic, Persian, Devanagari, Bengali, Thai and full-width.
        **{chr(zero + i): str(i) for zero in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10) for i in range(10)},
    }
)  # fmt: skip

_FILE = Path(__file__).with_name("number_words.txt")
_LINES = [line.split("|") for line in _FILE.read_text("utf-8").splitlines()]
_CURRENCY = {text: sign for kind, sign, *texts in _LINES if kind == "currency" for text in texts}
_SCALES = {"k": 3, "K": 3, "M": 6, "B": 9}
_SCALE_WORDS = {word: int(power) for kind, power, *words in _LINES if kind == "power" for word in words}
"""The power of ten that each word means, some of them only beside a currency, as l for lakh beside ₹."""

_PREFIXES = {
    "n": -9, "µ": -6, "u": -6, "m": -3, "c": -2, "d": -1, "": 0, "h": 2, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12,
    "P": 15,
}  # fmt: skip
_WITH_PREFIXES = {
    **{unit: (unit, 0) for unit in ("g", "m", "s", "Hz", "W", "Wh", "V", "A", "B", "b", "B/s", "b/s", "l", "Pa", "J")},
    **{unit: (unit, 0) for unit in ("bar", "N", "eV", "Ω", "F", "H", "cal", "mol", "pc", "Bq", "Gy", "Sv")},
    "t": ("g", 6), "L": ("l", 0), "Ohm": ("Ω", 0), "bit": ("b", 0), "bps": ("b/s", 0),
}  # fmt: skip
_UNITS = {
    prefix + written: (unit, power + own)
    for prefix, power in _PREFIXES.items()
    for written, (unit, own) in _WITH_PREFIXES.items()
} | {**_WITH_PREFIXES, "min": ("min", 0), "cd": ("cd", 0)}
"""Units with metric prefixes: the base unit, and the power of ten."""

_LENGTHS = {
    1609.344: "mi mile miles", 1000: "km kilometer kilometers", 1: "m meter meters metre metres",
    0.9144: "yd yard yards", 0.3048: "ft foot feet", 0.0254: "in inch inches", 0.01: "cm", 0.001: "mm",
}  # fmt: skip


_POWERS = {"m²": (2, "_²|_2|sq _|sq. _|sq._|sq_|square _"), "m³": (3, "_³|_3|cu _|cu. _|cubic _")}
"""Areas and volumes: the power of the length, for which _ stands."""

_SIZES = {
    word.replace("_", length): (base, size**power)
    for base, (power, words) in _POWERS.items()
    for size, lengths in _LENGTHS.items()
    for length in lengths.split()
    for word in words.split("|")
} | {
    word: (kind, float(size))
    for kind, size, *words in _LINES
    if kind not in ("currency", "power")
    for word in words
}
"""Units that don't differ by powers of ten: for each, the smallest unit of its kind, and the size in this unit.

A year has 365.25 days, and a month is its twelfth. Gallons and their parts are those of the United States. South, west,
debits and years before Christ are negative; degrees Fahrenheit begin at another zero.
"""
_FAHRENHEIT = ("°C", 5 / 9)

_SEVERAL = {
    **{word: found for word, found in _SIZES.items() if found[0] in ("s", "in", "lb")},
    "m": ("s", 60), "''": ("in", 1), "": ("in", 1),
}  # fmt: skip
_FIRST = {found: word for word, found in reversed(_SEVERAL.items())}
"""Units of texts with several, as 1h 46min, 5 ft 3 in, 5'11 and 7 lb 2 oz; and the word for each of them."""

_AFTER = {"h": {"": "min"}, "y": {"m": "mo"}}
"""Units that mean another one after some units, as in 2h05 and 14y 2m."""

_DIMENSIONS = {
    "in": ("m", 0.0254), "lb": ("g", 453.59237), "ha": ("m²", 1e4), "ft²": ("m²", 0.3048**2), "l": ("m³", 1e-3),
    "gal": ("m³", 3.785411784e-3), "cal": ("J", 4.184), "bar": ("Pa", 1e5),
}  # fmt: skip
"""Base units that are multiples of others: the other unit, and the size in it."""

_KNOWN = frozenset("%‰°CFKhdyx'\"年歳岁日天分秒")
"""Other single-character units directly after a number."""

_BELOW = r"<=?|(?:under|less than|fewer than|below|up to|at most|within|unter|bis zu|bis|weniger als)(?= )"
_ABOVE = r">=?|(?:over|more than|above|at least|from|über|mehr als|ab)(?= )"
_AND_ABOVE = r"\+|(?:and|or) (?:over|more|older|above|up|greater|higher|later)|und (?:mehr|älter)|plus"
_AND_BELOW = r"(?:and|or) (?:under|less|fewer|younger|below|lower|earlier)|und weniger"
_SIGNS = "".join(re.escape(sign) for sign in _CURRENCY if len(sign) == 1 and not sign.isalpha())
_BEFORE = "|".join(re.escape(text) for text in sorted(_CURRENCY, key=len, reverse=True))
_NUMBER = r"\d+(?:[.,']\d+| \d{3}(?!\d))*[.,]?|[.,]\d+"
_FRACTION = r"(?:\d{1,4} +)?\d{1,3}/\d{1,3}"
_SUFFIX = rf"/?(?:[^\W\d_]|[°%‰'\"{_SIGNS}])[^\d()<>\[\]*†‡+=:;|,–~-]{{0,24}}(?:(?<=[^\W\d_])[23])?"
_in_any_case = partial(lazily, flags=re.IGNORECASE)
_ATOM = _in_any_case(
    rf"(?P<minus>[+-])? ?(?:(?P<before>{_BEFORE}) ?(?P<minus2>-)?)?"
    rf"(?:(?P<fraction>{_FRACTION})(?![\d.,/])|(?P<number>{_NUMBER})(?P<exponent>[eE][+-]?\d+)?)"
    rf"(?: ?(?:±|\+/-) ?(?:{_NUMBER}))?(?P<gap> ?)(?P<after>(?:{_SUFFIX})?)(?P<minus3>-)?"
)
_HOURS = lazily(r"\d+h\d\d")
"""Hours and minutes, which beside 9:30 are a time of day."""
_COUNTED = lazily(r"[kKM] [a-z]{2,}")
"""A power of ten and what is counted, as in 1.2K views."""
_ISO = _in_any_case(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
"""A duration of ISO 8601, such as PT1H30M."""
_CLOCK = _in_any_case(
    r"(?:(\d+) days?,? \+?(?=\d+:\d+:))?(?:(\d{1,3}):(?=[0-5]\d:))?(\d{1,3}):([0-5]\d(?:\.\d+)?)"
)
_PARTS = _in_any_case(r"(?!\d+ ft[23]$|\d\d+ft[23]$|\d+ ?h ?\d$)\d+ ?['a-z].*\d(?: ?['\"a-z]+\.?)?")
"""Texts that may have several units, but no square or cubic feet, nor the half of a year, as 2005 H1."""
_PART = _in_any_case(r"(\d+(?:\.\d+)?) ?(''|['\"]|[a-z]*)\.?(?: ?,| and| und| et| y)? ?")
_ANGLE = _in_any_case(
    r"(?:([NSEW]) ?)?([+-]?\d{1,3}(?:\.\d+)?) ?(?:°|deg\.?) ?"
    r"(?:(\d+(?:\.\d+)?) ?' ?)?(?:(\d+(?:\.\d+)?) ?(?:\"|'') ?)?([NSEW])?"
)
"""Degrees, minutes and seconds."""
_SEASON = lazily(r"(\d\d(\d\d))[-/–](\d\d)")
_ORDINAL = _in_any_case(r"(?<=\d)(?:st|nd|rd|th|º|ª)(?= |$)")
_NOTE = lazily(r"(?: ?(?:\*+|[†‡§¶]+|(?:\[[\w ]{1,4}\])+|(?<=\d)[¹²³⁴⁵⁶⁷⁸⁹⁰]+)|(?<=[a-z]) ago)$")
_NO_CENTS = lazily(r"(?<=\d)[.,](?:–|--?)$")
"""Dashes for zero cents, as in Swiss prices: 12.–."""
_ABOUT = _in_any_case(
    r"(?:[~≈]|(?:ca?\.?|circa|about|approx\.?|approximately|around|roughly|etwa|rund)(?= )) *"
)
_RISES, _FALLS = "▲△⬆↑🔺", "▼▽⬇↓🔻"
_RISING, _FALLING = (
    _in_any_case(
        rf"^(?:[{arrows}]\ufe0f?|(?:{way}|{word}) ) *[{sign}]?(?=[\d.,{_SIGNS}])"
        rf"|(?<=[\d%])(?: *[{arrows}]\ufe0f?| {way})$"
    )
    for arrows, way, word, sign in ((_RISES, "up", "plus", "+"), (_FALLS, "down", "minus", "-"))
)
"""Arrows and words for signs, as in ▲ 3.7% beside ▼ 1.2%."""
_OPEN_BEFORE = _in_any_case(rf"(?:(?P<below>{_BELOW})|(?P<above>{_ABOVE})) *(?=[\d.,{_SIGNS}]|{_BEFORE})")
_OPEN_AFTER = _in_any_case(rf" *(?:(?P<above>{_AND_ABOVE})|(?P<below>{_AND_BELOW}))(?= |$)")
_DASH = _in_any_case(r" ?(?:–| to | bis | and |-|\.\.\.?|…) ?")
_INTERVAL = lazily(r"[\[(] *([^,;\[\]()]+?) *[,;] *([^,;\[\]()]+?) *(?:\]|(?<!\))\))$")
_INFINITE = _in_any_case(r"[+-]?(?:inf|infinity|∞)")
_BETWEEN = _in_any_case(r"(?:between|from|zwischen|von) ")
_HAS_DIGIT = lazily(r"[\d½¼¾⅓⅔⅛⅜⅝⅞]")
_LONGEST = 60
"""Maximum length of a number, so that untrusted texts take no time."""
_TELLING = 0.05
"""Minimum share of texts such as 59:48, which are no times of day, that makes all texts minutes and seconds."""
_SCORES = 12
"""Minimum number of texts such as 28:31 that are scores if no text ends in 00 to 09 or 45 to 59, as seconds would."""


# --- one text ----------------------------------------------------------------------------------------------------


class Atom(NamedTuple):
    """A single number in a text, with its digits as written.

    Attributes:
        digits: digits with separators; for a fraction the integer part, numerator and denominator with a slash.
        negative: whether the number is negative.
        exponent: the exponent after an e; empty if there is none.
        currency: the currency's canonical sign, or empty.
        power: the power of ten that a word such as million means.
        unit: the text after the number.
        tight: whether the unit follows without a space.
    """

    digits: str
    negative: bool
    exponent: str
    currency: str
    power: int
    unit: str
    tight: bool


class Written(NamedTuple):
    """A parsed text: a number, or a range with one or two ends.

    Attributes:
        low, high: the number, or the ends of the range.
        open: for a range with one end, whether it extends below (−1) or above (1).
        bare: whether a range is only digits and a dash, as some identifiers are.
    """

    low: Atom
    high: Atom | None = None
    open: int = 0
    bare: bool = True


def _written(text: str) -> Written | None:
    """The number or range that a text represents in some format; None for other texts."""
    if len(text) > _LONGEST or not _HAS_DIGIT.search(text):
        return None
    return _read_in_any_format(text)


@lru_cache(1 << 14)  # a column's texts are read for its form, its statistics and its values
def _read_in_any_format(text: str) -> Written | None:
    text = _NO_CENTS.sub("", _NOTE.sub("", text.translate(_PLAIN_SIGNS).strip()))
    if about := _ABOUT.match(text):
        text = text[about.end() :]
    text = _RISING.sub("", text)
    text = f"-{_FALLING.sub('', text)}" if _FALLING.search(text) else text
    text = _in_one_unit(text)
    if text[:1] == "(" and text[-1:] == ")" and (atom := _atom(text[1:-1].strip())):
        return Written(atom._replace(negative=True)) if not atom.negative else None
    if text[-1:] == "-" and text[:-1].isdecimal():
        text = text[:-1] + "+"  # 40- after 25-39 means 40+
    if (atom := _atom(text)) is not None and not (atom.unit and _OPEN_AFTER.search(text, 1)):
        return Written(atom)
    return _open_range(text) or _closed_range(text)


def _in_one_unit(text: str) -> str:
    """A text with several units, converted to the smallest unit; an ordinal, an angle or a season (its first year) as
    a number; other texts are unchanged.

    >>> [_in_one_unit(text) for text in ("1h 46min", "PT1H5M", "0 days 00:06:02", "5'11\\"", "59:48", "12 h")]
    ['106 min', '65 min', '362 s', '71 in', '3588 s', '12 h']
    >>> [_in_one_unit(text) for text in ("7 lb 2 oz", "2y 3m", "2h05", "21st floor", "1998-99", "-41°30'", "5 ft3")]
    ['114 oz', '27 mo', '125 min', '21 floor', '1998', '-41.5000 °', '5 ft3']
    """
    text = _ORDINAL.sub("", text)
    if (season := _SEASON.fullmatch(text)) and (int(season[2]) + 1) % 100 == int(season[3]):
        return season[1]
    if angle := _ANGLE.fullmatch(text):
        before, degrees, minutes, seconds, after = angle.groups(default="")
        total = abs(float(degrees)) + float(minutes or 0) / 60 + float(seconds or 0) / 3600
        total = -total if degrees[0] == "-" else total
        return f"{_with_point(total)} °{(before or after).upper()}" if before or after or minutes else text
    iso = _ISO.fullmatch(text)
    if found := iso or _CLOCK.fullmatch(text):
        given = [pair for pair in zip(found.groups(), ("d", "h", "min", "s"), strict=True) if pair[0]]
    else:
        given = _PART.findall(text) if _PARTS.fullmatch(text) and not _PART.sub("", text) else []
    if len(given) < (1 if iso else 2):
        return text
    names = [unit.lower() for _, unit in given]
    names = [_AFTER.get(before, {}).get(name, name) for before, name in pairwise(["", *names])]
    units = [_SEVERAL.get(name, ("", 0.0)) for name in names]
    (base, last), total = units[-1], 0.0
    for i, ((number, _), (other, size)) in enumerate(zip(given, units, strict=True)):
        most = size if base == "s" else float(number) * size  # 1h 90min, but not 5'13
        if other != base or not base or (i and most >= units[i - 1][1]):
            return text
        total += float(number) * (size / last)
    return f"{_with_point(total)} {_FIRST[units[-1]]}"


def _with_point(total: float) -> str:
    """A number with a decimal point, or whole; zeros at its end tell that 80.406 are no thousands.

    >>> _with_point(80.406), _with_point(27.19), _with_point(80.0)
    ('80.406000', '27.19000', '80')
    """
    found = f"{total:.12g}"
    return f"{found}000" if "." in found and "e" not in found else found


def _atom(text: str) -> Atom | None:
    found = _ATOM.fullmatch(text)
    if found is None:
        return None
    number, fraction = found["number"], found["fraction"]
    minus, before, after = found["minus"], found["before"] or "", found["after"] or ""
    if fraction is None and minus == "+" and " " in number and number.replace(" ", "").isdecimal():
        return None  # a telephone number
    if len(before) == 2 and before.isupper() and text[found.end("before")].isdigit():
        return None  # RS12 is a name
    signs = [sign for sign in (minus, found["minus2"], found["minus3"]) if sign == "-"]
    sign = _CURRENCY.get(before.lower(), "")  # in any case, ſ is an s
    power, currency, unit = _suffix(after.strip(), sign)
    if len(signs) > 1 or (sign and currency and sign != currency):
        return None
    tight = bool(after) and not found["gap"]
    return Atom(
        fraction or number, bool(signs), found["exponent"] or "", sign or currency, power, unit, tight
    )


@lru_cache(4096)
def _suffix(text: str, sign: str) -> tuple[int, str, str]:
    """The power of ten, the currency and the unit that the text after a number specifies; `sign` is before it."""
    if not text:
        return 0, "", ""
    if text.lower() in _CURRENCY:
        return 0, _CURRENCY[text.lower()], ""
    head, _, tail = text.partition(" ")
    if _is_credit(text):
        return 0, "", text
    plain = head.lower().rstrip(".")
    word = _SCALE_WORDS.get(plain, _scale_beside(sign, plain))
    if word is None and _COUNTED.fullmatch(text):
        word = _SCALES[text[0]]  # 1.2K views
    if word is None and (not tail or tail.strip().lower() in _CURRENCY):
        letters = _SCALES | ({"m": 6, "b": 9, "T": 12, "t": 12} if sign or tail else {})
        word = letters.get(head)
    if word is not None:
        tail = tail.strip()
        currency = _CURRENCY.get(tail.lower(), "")
        return word, currency, "" if currency else tail
    if text[0] in _SCALES and text[1:].lower() in _CURRENCY and text not in _UNITS:  # k€
        return _SCALES[text[0]], _CURRENCY[text[1:].lower()], ""
    for start in (head.lower(), text[:1]):  # $/month; € per night
        if start in _CURRENCY and len(text) > len(start):
            return 0, _CURRENCY[start], text[len(start) :].strip()
    return 0, "", text


def _open_range(text: str) -> Written | None:
    """The open range that a text represents, or None.

    Examples are <18, under 5, 65+, 10+ years, and 65 and over.
    """
    if found := _OPEN_BEFORE.match(text):
        atom = _atom(text[found.end() :])
        return atom and Written(atom, None, -1 if found["below"] else 1)
    for found in _OPEN_AFTER.finditer(text):
        rest = (text[: found.start()] + text[found.end() :]).strip()
        if found.start() and (atom := _atom(rest)) is not None:
            return Written(atom, None, -1 if found["below"] else 1)
    return None


def _closed_range(text: str) -> Written | None:
    """The closed range that a text represents, or None.

    Examples are 25–34, $50,000 - $99,999, 2 to 3 years, [0, 10), and (65, inf].
    """
    interval = _INTERVAL.match(text) if text[-1:] in "])" else None
    if interval and (text[0] == "[" or text[-1] == "]"):
        ends = interval.groups()
        low, high = map(_atom, ends)
        if low and _INFINITE.fullmatch(ends[1]):
            return Written(low, None, 1, False)
        if high and _INFINITE.fullmatch(ends[0]):
            return Written(high, None, -1, False)
        return Written(low, high, 0, False) if low and high else None
    text = _BETWEEN.sub("", text, count=1)
    for found in _DASH.finditer(text):
        if not found.start():
            continue
        low, high = _atom(text[: found.start()].strip()), _atom(text[found.end() :].strip())
        if low is None or high is None or (found[0] == "-" and (low.negative or high.negative)):
            continue
        has_words = any((low.unit, high.unit, low.currency, high.currency, high.power))
        bare = not has_words and not found[0].strip().isalpha()
        if not low.power and not low.unit:  # $50–99k, 2–3 years
            low = low._replace(power=high.power, unit=high.unit, tight=high.tight)
        low = low._replace(currency=low.currency or high.currency)
        high = high._replace(currency=high.currency or low.currency)
        if not high.unit:
            high = high._replace(unit=low.unit, tight=low.tight)
        return Written(low, high, 0, bare)
    return None


# --- a column ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """The format of the numbers in a column.

    Attributes:
        decimal: the decimal sign, a point or a comma.
        currency: the currency's sign, or empty.
        measure: the unit in its most frequent spelling, or empty.
        millions: whether a lower-case m means a million.
        ranges: whether ranges are parsed.
        fractions: whether fractions are parsed.
        shares: whether numbers without % are fractions of 1, so that 12% is 0.12.
        below, above: the widths of the closed ranges next to open ranges ("under 18", "65+"), as text; empty without
            open ranges.
        like: an example text.
        decimal_by: what tells the decimal sign: "column", its own digits; "table", other columns, against custom;
            "custom", since 1,234 alone does not tell it; "groups", custom as well, where 987 beside 1.234 speaks for
            thousands; empty if no number has a sign.
    """

    decimal: str = "."
    currency: str = ""
    measure: str = ""
    millions: bool = False
    ranges: bool = False
    fractions: bool = False
    shares: bool = False
    below: str = ""
    above: str = ""
    like: str = ""
    decimal_by: str = ""

    @property
    def is_ordinal(self) -> bool:
        """Whether numbers are ordinals, such as 3rd."""
        return _ORDINAL.search(self.like) is not None

    @property
    def names_classes(self) -> bool:
        """Whether few different numbers of the format may be classes: ranges, fractions, ordinals and seasons."""
        return self.ranges or self.fractions or self.is_ordinal or _SEASON.fullmatch(self.like) is not None

    def page_form(self) -> dict[str, Any]:
        """The data with which a web page parses numbers in this format, in addition to `page_words`."""
        own = _UNITS.get(self.measure)
        units = {unit: power - own[1] for unit, (base, power) in _UNITS.items() if own and base == own[0]}
        units |= {"%": -2} if self.shares else {}
        words, signs = (
            {unit: found for unit in names if (found := _conversion(unit, self)) is not None}
            for names in (_SIZES, (*_UNITS, *"NSEWnsew"))
        )
        usual = in_javascript(self.usual)
        return {**asdict(self), "usual": usual, "units": units, "words": words, "signs": signs}

    @cached_property
    def usual(self) -> re.Pattern[str]:
        """A pattern that matches most numbers of the format.

        Other numbers are slower to parse.
        """
        return self.usual_with(filter(None, (self.measure, self.currency)))

    def usual_with(self, after: Iterable[str]) -> re.Pattern[str]:
        """The pattern of numbers before one of the texts `after`, which is the group `power`, or before none."""
        group, point = (",", r"\.") if self.decimal == "." else (r"\.", ",")
        digits = rf"(?P<digits>0|[1-9]\d*|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)(?:{point}(?P<fraction>\d+))?"
        sign = rf"(?P<minus>-)?(?:{re.escape(self.currency)} ?)?(?P<minus2>-)?"
        return re.compile(rf"{sign}{digits}(?: ?(?P<power>{'|'.join(map(re.escape, after))}))?", re.ASCII)

    @cached_property
    def powers(self) -> dict[str, int]:
        """The power of ten that each text after a number means, for texts that always mean the same."""
        own = _UNITS.get(self.measure, ("",))[0]
        units = (unit for unit, (base, _) in _UNITS.items() if base == own)
        names = (word.removeprefix(f"{self.currency} ") for word in _SCALE_WORDS)
        words = [*_SCALES, *names, *units, self.measure, "%" if self.shares else ""]
        words = [each + end for word in words for each in (word, word.capitalize()) for end in ("", ".")]
        if self.currency:
            words += [f"{word} {self.currency}" for word in words]
        words += [sign + self.currency for sign in ("", *_SCALES)]
        found: dict[str, int] = {}
        for word in {*words} - {"", "."}:
            texts = [f"{before}1{gap}{word}" for before in {"", self.currency} for gap in ("", " ")]
            values = {number_of(text, self) for text in texts}
            value = values.pop()
            power = round(log10(value)) if value else 0
            if not values and value == 10.0**power:
                found[word] = power
        return found


_GROUPED = {
    ".": lazily(
        r"(\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:'\d{3})+|\d{1,3}(?: \d{3})+|\d*)(?:\.(\d*))?"
    ),
    ",": lazily(r"(\d{1,3}(?:\.\d{3})+|\d{1,3}(?:'\d{3})+|\d{1,3}(?: \d{3})+|\d*)(?:,(\d*))?"),
}
_NO_SEPARATORS = str.maketrans("", "", ".,' ")


def _magnitude(atom: Atom, form: Form, power: int) -> float | None:
    """The value of a number's digits times a power of ten, rounded once.

    Digits in another format give None.
    """
    if "/" in atom.digits:
        if not form.fractions:
            return None
        *whole, part = atom.digits.split()
        above, under = map(int, part.split("/"))
        value = ((int(whole[0]) if whole else 0) + above / under) * 10.0**power if under else None
    else:
        found = _GROUPED[form.decimal].fullmatch(atom.digits)
        if found is None:
            return None
        digits = found[1].translate(_NO_SEPARATORS)
        if len(digits) > 1 and digits[0] == "0":
            return None  # a code
        value = float(f"{digits or '0'}.{found[2] or '0'}e{int(atom.exponent[1:] or 0) + power}")
    return None if value is None or isinf(value) else -value if atom.negative else value


def _is_credit(unit: str) -> bool:
    """Whether a unit is Cr, a credit beside debits (Dr), and otherwise a crore."""
    return unit.lower().rstrip(".") == "cr"


def _scale_beside(currency: str, unit: str) -> int | None:
    """The power of ten that a word such as L means only beside a currency; None for other words."""
    return _SCALE_WORDS.get(f"{currency} {unit.lower().rstrip('.')}")


def _power(unit: str, form: Form) -> int | None:
    """The exponent k if `unit` is 10^k times the column's unit; otherwise None.

    An empty unit means the column's unit.
    """
    if unit == form.measure or not unit:
        return 0
    if form.millions and unit == "m":
        return 6
    if _is_credit(unit) and _size(form.measure) != ("CR", 1):
        return _SCALE_WORDS["cr"]
    if form.shares and unit == "%":
        return -2
    if form.currency and (power := _scale_beside(form.currency, unit)):
        return power
    mine, theirs = _UNITS.get(form.measure), _UNITS.get(unit)
    if mine and theirs and mine[0] == theirs[0]:
        return theirs[1] - mine[1]
    return 0 if _singular(unit) == _singular(form.measure) else None


@lru_cache(4096)
def _singular(unit: str) -> str:
    """A word for a unit, in the singular and in lower case; signs and short units are unchanged."""
    word = unit.lower().strip(". ")
    word = word.removeprefix("th ")  # 9th grade, in files of earlier versions
    is_plural = len(word) > 2 and word[-1] == "s" and word.isalpha()
    return word[:-1] if is_plural else word if len(word) > 3 else unit


def _conversion(unit: str, form: Form) -> tuple[float, float] | None:
    """The ratio of a unit to the column's unit, e.g. 60 from hours to minutes, and what is added to the product.

    Unrelated units give None.
    """
    unit = f"°{unit}" if form.measure in ("°E", "°N") and unit.upper() in {*"NSEW"} else unit
    mine = _size(form.measure)
    theirs = _size("min" if unit == "m" and mine and mine[0] == "s" else unit)  # 45m beside 1h 30m
    if mine and theirs and mine[0] != theirs[0]:  # a foot is 12 inches, and 0.3048 m
        both = ((_DIMENSIONS.get(base, (base, 1.0)), own) for base, own in (mine, theirs))
        mine, theirs = ((base, own * size) for (base, size), own in both)
    if not mine or not theirs or mine[0] != theirs[0]:
        return None
    zeros = [32 * (size == _FAHRENHEIT) for size in (mine, theirs)]
    return theirs[1] / mine[1], zeros[0] - theirs[1] / mine[1] * zeros[1]


@lru_cache(4096)
def _size(unit: str) -> tuple[str, float] | None:
    """The base of a unit, and the unit's size in it; None for unknown units."""
    name = unit if unit in ("S", "W") else unit.lower().rstrip(". ")  # debit, watts; no seconds, weeks
    if (found := _SIZES.get(name)) is not None:
        return found
    metric = _UNITS.get(unit)
    return metric and (metric[0], 10.0 ** metric[1])


def _value(atom: Atom, form: Form) -> float | None:
    power, conversion = _power(atom.unit, form), (1.0, 0.0)
    if power is None:
        power, conversion = 0, _conversion(atom.unit, form)
    if conversion is None or (atom.currency and atom.currency != form.currency):
        return None
    value = _magnitude(atom, form, power + atom.power)
    return None if value is None else value * conversion[0] + conversion[1]


def number_of(text: str, form: Form) -> float | None:
    """The number that a text represents in the column's format; None for other texts.

    A range is represented by its middle.

    >>> euros = Form(decimal=",", currency="€")
    >>> [number_of(text, euros) for text in ("1.234,50 €", "€ -3", "1,2 Mio", "12 $", "none")]
    [1234.5, -3.0, 1200000.0, None, None]
    """
    if found := form.usual.fullmatch(text):
        whole = found["digits"]
        whole = whole if whole.isdecimal() else whole.translate(_NO_SEPARATORS)
        value = float(f"{whole}.{found['fraction'] or '0'}")
        return -value if found["minus"] or found["minus2"] else value
    written = _written(text)
    return None if written is None else _read(written, form)


def number_in_form(text: str, form: Form | None) -> float | None:
    """The number that a text represents, in the column's format or as a plain number, or None."""
    found = None if form is None else number_of(text.strip(), form)
    return number_in(text) if found is None else found


def _read(written: Written, form: Form) -> float | None:
    low = _value(written.low, form)
    if low is None:
        return None
    if written.high is not None:
        high = _value(written.high, form) if form.ranges else None
        return None if high is None or high < low else low + (high - low) / 2
    if written.open:
        return low + float(form.above or 0) / 2 if written.open > 0 else low - float(form.below or 0) / 2
    return low


# --- finding the form --------------------------------------------------------------------------------------------

_ENOUGH = 4000
"""Number of distinct texts examined to find a column's number format."""

_DENOMINATORS = frozenset((2, 3, 4, 5, 6, 8, 10, 16, 32, 64, 100))

Counts = Sequence[tuple[str, int]]


def form_of(counts: Counts) -> Form | None:
    """The number format of most texts of a column; None for plain numbers and for identifiers.

    Args:
        counts: the distinct texts, each with its number of rows.

    >>> described(form_of([("$1,234.50", 3), ("$12", 1)]))
    'money in $, $1,234.50 → 1234.5'
    >>> form_of([("1,5", 3), ("1.000,25", 1)]).decimal
    ','
    >>> described(form_of([("12%", 3), ("0.5", 1)]))
    'percentages among fractions of 1, 12% → 0.12'
    >>> form_of([("007", 1), ("010", 1)]), form_of([("12-B", 1), ("13-C", 1)]), form_of([("1.2.3", 1), ("1.2.4", 1)])
    (None, None, None)
    """
    found = [(_written(text), rows) for text, rows in _some(counts)]
    written = [(one, rows) for one, rows in found if one is not None]
    if not written or _are_codes(written) or _are_times(counts) or _has_one_arrow(counts):
        return None
    atoms = [(atom, rows) for one, rows in written for atom in (one.low, one.high) if atom is not None]
    decimal, decimal_by = _decimal(atoms)
    form = Form(decimal=decimal, decimal_by=decimal_by, fractions=_has_fractions(atoms))
    form = _with_unit(form, atoms)
    if form is None:
        return None
    form = _with_ranges(form, written)
    if len({_read(one, form) for one, _ in written} - {None}) < 2:
        return None
    like = _example(form, _some(counts))
    return None if number_in(like) == number_of(like, form) else replace(form, like=like)


def _example(form: Form, counts: Counts) -> str:
    """The most frequent number that is not plain digits, or not the number that these would be."""
    texts = sorted(
        counts, key=lambda pair: (number_in(pair[0]) == number_of(pair[0], form), -pair[1], pair[0])
    )
    return next(text for text, _ in texts if number_of(text, form) is not None)


def _some(counts: Counts) -> Counts:
    """The texts, or an evenly spaced sample of about `_ENOUGH` texts in sorted order."""
    return counts if len(counts) <= _ENOUGH else sorted(counts)[:: -(-len(counts) // _ENOUGH)]


def _are_codes(written: Iterable[tuple[Written, int]]) -> bool:
    """Whether the digits are identifiers.

    Identifiers have leading zeros, or their digits are in groups of equal length, as in telephone numbers.
    """
    lengths: set[int] = set()
    grouped = 0
    for one, _ in written:
        digits = one.low.digits
        if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
            return True
        grouped += " " in digits and "/" not in digits and not one.low.unit and not one.low.currency
        lengths.add(len(digits))
    return grouped > 1 and len(lengths) == 1 and lengths.pop() > 8


SIGN_OF_TABLE: ContextVar[str] = ContextVar("decimal sign of a table", default="")
"""The decimal sign that a table's columns agree on, for columns whose digits don't tell theirs; empty: none."""


def _has_one_arrow(counts: Counts) -> bool:
    """Whether arrows all point up: beside numbers without one, ▲ is a minus in Japanese."""
    signs = {sign for text, _ in counts for sign in text}
    return bool(signs & {*_RISES}) and not signs & {*_FALLS}


def _are_times(counts: Counts) -> bool:
    """Whether texts are times of day: 26:30:00 tells that all are durations, enough 59:48 that 13:45 are minutes."""
    pairs = [(text, rows) for text, rows in counts if text != "24:00"]
    if any(_HOURS.fullmatch(text) for text, _ in pairs) and any(":" in text for text, _ in pairs):
        return True
    others: list[tuple[str, int]] = []
    for text, rows in pairs:
        if time_in(text) is None and may_be_number(text):
            if text.count(":") != 1:
                return False
            others.append((text, rows))
    told = sum(rows for _, rows in others) >= _TELLING * sum(rows for _, rows in counts)
    return not (others and told) or _are_scores([text for text, _ in pairs])


def _are_scores(texts: Sequence[str]) -> bool:
    """Whether texts such as 28:31 are the scores of matches, and not minutes and seconds.

    >>> _are_scores([f"{i}:{50 - i}" for i in range(15, 30)]), _are_scores([f"{i}:{3 * i:02}" for i in range(15)])
    (True, False)
    """
    ends = [text.rpartition(":")[2] for text in texts]
    return len(texts) >= _SCORES and all(len(end) == 2 and "10" <= end < "45" for end in ends)


def _decimal(atoms: Iterable[tuple[Atom, int]]) -> tuple[str, str]:
    """The decimal sign of a column's digits, and what tells it; see `Form.decimal_by`."""
    votes: Counter[str] = Counter()
    groups: Counter[str] = Counter()  # ambiguous signs: the only one, before three digits
    whole = money = 0
    for atom, rows in atoms:
        money += rows * bool(atom.currency)
        digits = atom.digits
        points, commas = digits.count("."), digits.count(",")
        if points and commas:
            votes["." if digits.rfind(".") > digits.rfind(",") else ","] += rows
        elif points > 1 or commas > 1:
            votes["," if points else "."] += rows
        elif points or commas:
            sign = "." if points else ","
            before, after = digits.split(sign)
            may_group = len(after) == 3 and 1 <= len(before) <= 3 and before != "0"
            may_group = may_group and not (points and atom.power)  # 1.234M
            (groups if may_group else votes)[sign] += rows
        else:
            whole += rows
    if votes:
        return "." if votes["."] >= votes[","] else ",", "column"
    custom = "," if groups["."] and not groups[","] and (whole or money) else "."
    sign = (SIGN_OF_TABLE.get() or custom) if groups else custom
    if sign != custom or not groups:
        return sign, "table" if groups else ""
    return sign, "groups" if custom == "," and whole else "custom"


def _has_fractions(atoms: Sequence[tuple[Atom, int]]) -> bool:
    """Whether texts with a slash are fractions of inches, or ratings on the same scale such as 8/10.

    Otherwise they may be dates.
    """
    parts = [atom.digits.split()[-1].split("/") for atom, _ in atoms if "/" in atom.digits]
    pairs = [(int(above), int(under)) for above, under in parts]
    are_real = all(under > 0 and above <= under for above, under in pairs)
    are_ratings = are_real and len({under for _, under in pairs}) == 1
    of_inches = all(under in _DENOMINATORS and above < under for above, under in pairs)
    return bool(pairs) and (are_ratings or of_inches)


def _with_unit(form: Form, atoms: Sequence[tuple[Atom, int]]) -> Form | None:
    """The format with the column's currency and unit; None if there are several, or they are implausible."""
    currencies = {atom.currency for atom, _ in atoms if atom.currency}
    powers = {atom.power for atom, _ in atoms}
    scaled = any(atom.power > 0 and not atom.unit for atom, _ in atoms)
    units = Counter[str]()
    for atom, rows in atoms:
        units[atom.unit] += rows
    del units[""]
    if ("CR", -1) not in map(_size, units):
        credits = {unit for unit in units if _is_credit(unit)}
        lakhs = {
            unit for unit in units if _scale_beside("₹", unit) and (credits or 7 in powers)
        }  # 45 L and 1.2 Cr
        units = Counter({unit: rows for unit, rows in units.items() if unit not in credits | lakhs})
        currencies |= {"₹"} if lakhs else set()
    if len(currencies) > 1 or (
        scaled and not currencies and {unit for unit in units if len(unit) == 1} - {"m"}
    ):
        return None  # 34B, 34C
    form = replace(form, currency=next(iter(currencies), ""))
    if units["m"] and (powers & {3, 9} or form.currency):
        form = replace(form, millions=True)
        del units["m"]
    if [*units] == ["%"] and not currencies and _are_shares(form, atoms):
        return replace(form, shares=True)
    if units["m"] and any((_size(unit) or "")[:1] == ("s",) for unit in units):
        units["min"] += units.pop("m")  # 45m beside 1h 30m
    if units.total() < _HAVE_THE_UNIT * sum(rows for _, rows in atoms):
        return form
    unit = min(units, key=lambda unit: (-units[unit], unit))
    letters = {one.lstrip("°") for one in units}
    if letters in _HEMISPHERES and any("." in atom.digits for atom, _ in atoms):
        unit = f"°{max(letters & {'N', 'E'})}"  # 57.05N
    if currencies and not any(atom.currency and atom.unit == unit for atom, _ in atoms):
        return None  # $5 and 5%
    if (known := _size(unit)) and known[1] < 0:
        unit = known[0]
    form = replace(form, measure=unit)
    alone = len(unit) == 1 and unit.isalpha() and unit not in _KNOWN and unit not in _UNITS
    if alone and any(atom.tight for atom, _ in atoms if atom.unit == unit):
        return None  # 12A is a name
    fitting = sum(
        rows for other, rows in units.items() if _power(other, form) is not None or _conversion(other, form)
    )
    return form if fitting >= _ONE_UNIT * units.total() else None


def _are_shares(form: Form, atoms: Iterable[tuple[Atom, int]]) -> bool:
    """Whether the numbers without a unit are from −1 to 1, and some are no whole numbers."""
    plain = [value for atom, _ in atoms if not atom.unit and (value := _value(atom, form)) is not None]
    return any(value % 1 for value in plain) and all(abs(value) <= 1 for value in plain)


_HEMISPHERES = ({"N", "S"}, {"E", "W"}, {"E"})
_HAVE_THE_UNIT = 0.1
"""The minimum share of numbers with a unit, if any has one; the rest are typing errors or codes."""

_ONE_UNIT = 0.97
"""The minimum share of texts with a unit that have the column's unit."""


_RANGES = 0.005
"""The minimum share of ranges with two ends; fewer are slips of typing."""


def _with_ranges(form: Form, written: Sequence[tuple[Written, int]]) -> Form:
    """The format with the fields `ranges`, `below` and `above` set, if the texts have plausible ranges."""
    trial = replace(form, ranges=True)
    ends: set[tuple[float, float]] = set()
    bare = False
    closed = [(one, one.high, rows) for one, rows in written if one.high is not None]
    if sum(rows for *_, rows in closed) < _RANGES * sum(rows for _, rows in written):
        return form  # 54..31992 among latitudes
    for one, end, _ in closed:
        low, high = _value(one.low, trial), _value(end, trial)
        if low is None or high is None or high < low:
            return form
        ends.add((low, high))
        bare = bare or one.bare
    bins = sorted(ends)
    overlap = any(after[0] < before[1] for before, after in pairwise(bins))
    if not bins or (bare and overlap):
        return form
    opens = [(one.open, _value(one.low, trial)) for one, _ in written if one.open]
    lows = [limit for side, limit in opens if side < 0 and limit is not None]
    highs = [limit for side, limit in opens if side > 0 and limit is not None]
    below = next((high - low for low, high in bins if lows and low >= max(lows)), bins[0][1] - bins[0][0])
    above = next(
        (high - low for low, high in reversed(bins) if highs and high <= min(highs)),
        bins[-1][1] - bins[-1][0],
    )
    return replace(trial, below=repr(below) if lows else "", above=repr(above) if highs else "")


def described(form: Form) -> str:
    """A description of a format, with an example.

    >>> described(Form(currency="$", like="$1,234.50"))
    'money in $, $1,234.50 → 1234.5'
    """
    what = "ranges" if form.ranges else "fractions" if form.fractions else "numbers"
    of = "ranges of " if form.ranges else ""
    if form.currency:
        what = f"{of}money in {form.currency} {form.measure}".rstrip()
    elif form.measure == "%":
        what = f"{of}percentages"
    elif form.shares:
        what = f"{of}percentages among fractions of 1"
    elif form.measure:
        what += f" in {form.measure}"
    elif "," in form.like and form.decimal == "," and not form.ranges:
        what += " with decimal commas"
    if form.decimal_by == "table":
        with_sign = f" with decimal {'points' if form.decimal == '.' else 'commas'}"
        what = f"{what.removesuffix(with_sign)}{with_sign} as in other columns"
    return f"{what}, {form.like} → {number_of(form.like, form):.10g}"


def page_words() -> dict[str, Any]:
    """The words and patterns that all formats share, for web pages."""
    whole = {"atom": (_ATOM, "diu"), "interval": (_INTERVAL, "u"), "infinite": (_INFINITE, "iu")}
    whole |= {"iso": (_ISO, "iu"), "clock": (_CLOCK, "iu"), "parts": (_PARTS, "iu")}
    whole |= {"counted": (_COUNTED, "u"), "season": (_SEASON, "u"), "angle": (_ANGLE, "iu")}
    whole |= {sign: (pattern, "") for sign, pattern in _GROUPED.items()}
    begins = {"about": (_ABOUT, "iu"), "openBefore": (_OPEN_BEFORE, "iu")}
    found = {"note": (_NOTE, "u"), "noCents": (_NO_CENTS, "u"), "hasDigit": (_HAS_DIGIT, "u")}
    found |= {"openAfter": (_OPEN_AFTER, "giu"), "dash": (_DASH, "giu"), "between": (_BETWEEN, "iu")}
    found |= {"part": (_PART, "giu"), "ordinal": (_ORDINAL, "giu")}
    found |= {"rising": (_RISING, "iu"), "falling": (_FALLING, "iu")}
    sources = {name: (f"^(?:{in_javascript(pattern)})$", flags) for name, (pattern, flags) in whole.items()}
    sources |= {name: (f"^(?:{in_javascript(pattern)})", flags) for name, (pattern, flags) in begins.items()}
    sources |= {name: (in_javascript(pattern), flags) for name, (pattern, flags) in found.items()}
    signs = {chr(sign): text for sign, text in _PLAIN_SIGNS.items()}
    several = {word: [*unit, _FIRST[unit]] for word, unit in _SEVERAL.items()}
    return {
        "signs": signs, "currencies": _CURRENCY, "scales": _SCALES, "scaleWords": _SCALE_WORDS, "patterns": sources,
        "several": several, "after": _AFTER,
    }  # fmt: skip


def may_be_number(text: str) -> bool:
    """Whether a text is a number or a range in some format, whatever its column's format.

    >>> [may_be_number(text) for text in ("$5", "12 kg", "1.5", "A12", "2024-01-02", "none")]
    [True, True, True, False, False, False]
    """
    return _written(text) is not None
