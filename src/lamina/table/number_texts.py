"""Numbers and ranges as people write them: the words, signs and units, and a text's parts in any format."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from lamina.table.values import in_javascript, lazily

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
SCALES = {"k": 3, "K": 3, "M": 6, "B": 9}
SCALE_WORDS = {word: int(power) for kind, power, *words in _LINES if kind == "power" for word in words}
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
UNITS = {
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

SIZES = {
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
_SEVERAL = {
    **{word: found for word, found in SIZES.items() if found[0] in ("s", "in", "lb")},
    "m": ("s", 60), "''": ("in", 1), "": ("in", 1),
}  # fmt: skip
_FIRST = {found: word for word, found in reversed(_SEVERAL.items())}
"""Units of texts with several, as 1h 46min, 5 ft 3 in, 5'11 and 7 lb 2 oz; and the word for each of them."""

_AFTER = {"h": {"": "min"}, "y": {"m": "mo"}}
"""Units that mean another one after some units, as in 2h05 and 14y 2m."""

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
_COUNTED = lazily(r"[kKM] [a-z]{2,}")
"""A power of ten and what is counted, as in 1.2K views."""
_ISO = _in_any_case(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
"""A duration of ISO 8601, such as PT1H30M."""
_CLOCK = _in_any_case(
    r"(?:(\d+) days?,? \+?(?=\d+:\d+:))?(?:(\d{1,3}):(?=[0-5]\d:))?(\d{1,3}):"
    r"([0-5]\d(?:\.\d+|,\d\d?|(?<=:\d\d:\d\d),\d{3})?)"  # 1:25,000 is the scale of a map
)
_PARTS = _in_any_case(r"(?!\d+ ft[23]$|\d\d+ft[23]$|\d+ ?h ?\d$)\d+ ?['a-z].*\d(?: ?['\"a-z]+\.?)?")
"""Texts that may have several units, but no square or cubic feet, nor the half of a year, as 2005 H1."""
_PART = _in_any_case(r"(\d+(?:\.\d+)?) ?(''|['\"]|[a-z]*)\.?(?: ?,| and| und| et| y)? ?")
_ANGLE = _in_any_case(
    r"(?:([NSEW]) ?)?([+-]?\d{1,3}(?:\.\d+)?) ?(?:°|deg\.?) ?"
    r"(?:(\d+(?:\.\d+)?) ?' ?)?(?:(\d+(?:\.\d+)?) ?(?:\"|'') ?)?([NSEW])?"
)
"""Degrees, minutes and seconds."""
SEASON = lazily(r"(\d\d(\d\d))[-/–](\d\d)")
"""Two years, as in 1998-99."""
ORDINAL = _in_any_case(r"(?<=\d)(?:st|nd|rd|th|º|ª)(?= |$)")
_NOTE = lazily(r"(?: ?(?:\*+|[†‡§¶]+|(?:\[[\w ]{1,4}\])+|(?<=\d)[¹²³⁴⁵⁶⁷⁸⁹⁰]+)|(?<=[a-z]) ago)$")
GROUPED = {
    ".": lazily(
        r"(\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:'\d{3})+|\d{1,3}(?: \d{3})+|\d*)(?:\.(\d*))?"
    ),
    ",": lazily(r"(\d{1,3}(?:\.\d{3})+|\d{1,3}(?:'\d{3})+|\d{1,3}(?: \d{3})+|\d*)(?:,(\d*))?"),
}
"""Digits in groups: for each decimal sign, the digits before it and after it."""
_NO_CENTS = lazily(r"(?<=\d)[.,](?:–|--?)$")
"""Dashes for zero cents, as in Swiss prices: 12.–."""
_ABOUT = _in_any_case(
    r"(?:[~≈]|(?:ca?\.?|circa|about|approx\.?|approximately|around|roughly|etwa|rund)(?= )) *"
)
RISES, FALLS = "▲△⬆↑🔺", "▼▽⬇↓🔻"
_RISING, _FALLING = (
    _in_any_case(
        rf"^(?:[{arrows}]\ufe0f?|(?:{way}|{word}) ) *[{sign}]?(?=[\d.,{_SIGNS}])"
        rf"|(?<=[\d%])(?: *[{arrows}]\ufe0f?| {way})$"
    )
    for arrows, way, word, sign in ((RISES, "up", "plus", "+"), (FALLS, "down", "minus", "-"))
)
"""Arrows and words for signs, as in ▲ 3.7% beside ▼ 1.2%."""
_OPEN_BEFORE = _in_any_case(rf"(?:(?P<below>{_BELOW})|(?P<above>{_ABOVE})) *(?=[\d.,{_SIGNS}]|{_BEFORE})")
_OPEN_AFTER = _in_any_case(rf" *(?:(?P<above>{_AND_ABOVE})|(?P<below>{_AND_BELOW}))(?= |$)")
_DASH = _in_any_case(r" ?(?:–| to | bis | and |-|\.\.\.?|…) ?")
_INTERVAL = lazily(r"[\[(] *([^,;\[\]()]+?) *[,;] *([^,;\[\]()]+?) *(?:\]|(?<!\))\))$")
_INFINITE = _in_any_case(r"[+-]?(?:inf|infinity|∞)")
_BETWEEN = _in_any_case(r"(?:between|from|zwischen|von) ")
_HAS_DIGIT = lazily(r"[\d½¼¾⅓⅔⅛⅜⅝⅞]")
_IS_DATE = lazily(r"\d+([-/])\d+\1\d", re.ASCII)
"""Digits in three places, as in 2024-05-03: neither a number nor a range, whatever follows."""
_IS_PLAIN = lazily(r"-?\$?\d[\d,.]*%?", re.ASCII)
"""Texts without anything that `_read_in_any_format` takes away before it looks for a number."""
_LONGEST = 60
"""Maximum length of a number, so that untrusted texts take no time."""


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


def written_in(text: str) -> Written | None:
    """The number or range that a text represents in some format; None for other texts."""
    if len(text) > _LONGEST or not _HAS_DIGIT.search(text) or _IS_DATE.match(text):
        return None
    return _read_in_any_format(text)


def may_be_number(text: str) -> bool:
    """Whether a text is a number or a range in some format, whatever its column's format.

    >>> [may_be_number(text) for text in ("$5", "12 kg", "1.5", "A12", "2024-01-02", "none")]
    [True, True, True, False, False, False]
    """
    return written_in(text) is not None


@lru_cache(1 << 14)  # a column's texts are read for its form, its statistics and its values
def _read_in_any_format(text: str) -> Written | None:
    if _IS_PLAIN.fullmatch(text) and (atom := _atom(text)) is not None:
        return Written(atom)
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
    text = ORDINAL.sub("", text)
    if (season := SEASON.fullmatch(text)) and (int(season[2]) + 1) % 100 == int(season[3]):
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
        total += float(number.replace(",", ".")) * (size / last)
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


def is_credit(unit: str) -> bool:
    """Whether a unit is Cr, a credit beside debits (Dr), and otherwise a crore."""
    return unit.lower().rstrip(".") == "cr"


def scale_beside(currency: str, unit: str) -> int | None:
    """The power of ten that a word such as L means only beside a currency; None for other words."""
    return SCALE_WORDS.get(f"{currency} {unit.lower().rstrip('.')}")


@lru_cache(4096)
def _suffix(text: str, sign: str) -> tuple[int, str, str]:
    """The power of ten, the currency and the unit that the text after a number specifies; `sign` is before it."""
    if not text:
        return 0, "", ""
    if text.lower() in _CURRENCY:
        return 0, _CURRENCY[text.lower()], ""
    head, _, tail = text.partition(" ")
    if is_credit(text):
        return 0, "", text
    plain = head.lower().rstrip(".")
    word = SCALE_WORDS.get(plain, scale_beside(sign, plain))
    if word is None and _COUNTED.fullmatch(text):
        word = SCALES[text[0]]  # 1.2K views
    if word is None and (not tail or tail.strip().lower() in _CURRENCY):
        letters = SCALES | ({"m": 6, "b": 9, "T": 12, "t": 12} if sign or tail else {})
        word = letters.get(head)
    if word is not None:
        tail = tail.strip()
        currency = _CURRENCY.get(tail.lower(), "")
        return word, currency, "" if currency else tail
    if text[0] in SCALES and text[1:].lower() in _CURRENCY and text not in UNITS:  # k€
        return SCALES[text[0]], _CURRENCY[text[1:].lower()], ""
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


def page_words() -> dict[str, Any]:
    """The words and patterns that all formats share, for web pages."""
    whole = {"atom": (_ATOM, "diu"), "interval": (_INTERVAL, "u"), "infinite": (_INFINITE, "iu")}
    whole |= {"iso": (_ISO, "iu"), "clock": (_CLOCK, "iu"), "parts": (_PARTS, "iu")}
    whole |= {"counted": (_COUNTED, "u"), "season": (SEASON, "u"), "angle": (_ANGLE, "iu")}
    whole |= {sign: (pattern, "") for sign, pattern in GROUPED.items()}
    begins = {"about": (_ABOUT, "iu"), "openBefore": (_OPEN_BEFORE, "iu")}
    found = {"note": (_NOTE, "u"), "noCents": (_NO_CENTS, "u"), "hasDigit": (_HAS_DIGIT, "u")}
    found |= {"openAfter": (_OPEN_AFTER, "giu"), "dash": (_DASH, "giu"), "between": (_BETWEEN, "iu")}
    found |= {"part": (_PART, "giu"), "ordinal": (ORDINAL, "giu")}
    found |= {"rising": (_RISING, "iu"), "falling": (_FALLING, "iu")}
    sources = {name: (f"^(?:{in_javascript(pattern)})$", flags) for name, (pattern, flags) in whole.items()}
    sources |= {name: (f"^(?:{in_javascript(pattern)})", flags) for name, (pattern, flags) in begins.items()}
    sources |= {name: (in_javascript(pattern), flags) for name, (pattern, flags) in found.items()}
    signs = {chr(sign): text for sign, text in _PLAIN_SIGNS.items()}
    several = {word: [*unit, _FIRST[unit]] for word, unit in _SEVERAL.items()}
    return {
        "signs": signs, "currencies": _CURRENCY, "scales": SCALES, "scaleWords": SCALE_WORDS, "patterns": sources,
        "several": several, "after": _AFTER,
    }  # fmt: skip
