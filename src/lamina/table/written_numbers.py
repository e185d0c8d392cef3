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
from functools import cached_property, lru_cache
from itertools import pairwise
from math import isinf, log10
from typing import Any

from lamina.table.number_texts import (
    FALLS,
    GROUPED,
    ORDINAL,
    RISES,
    SCALE_WORDS,
    SCALES,
    SEASON,
    SIZES,
    UNITS,
    Atom,
    Written,
    is_credit,
    may_be_number,
    scale_beside,
    written_in,
)
from lamina.table.values import in_javascript, lazily, number_in, time_in

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
        return ORDINAL.search(self.like) is not None

    @property
    def names_classes(self) -> bool:
        """Whether few different numbers of the format may be classes: ranges, fractions, ordinals and seasons."""
        return self.ranges or self.fractions or self.is_ordinal or SEASON.fullmatch(self.like) is not None

    def page_form(self) -> dict[str, Any]:
        """The data with which a web page parses numbers in this format, in addition to `page_words`."""
        own = UNITS.get(self.measure)
        units = {unit: power - own[1] for unit, (base, power) in UNITS.items() if own and base == own[0]}
        units |= {"%": -2} if self.shares else {}
        words, signs = (
            {unit: found for unit in names if (found := _conversion(unit, self)) is not None}
            for names in (SIZES, (*UNITS, *"NSEWnsew"))
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
        own = UNITS.get(self.measure, ("",))[0]
        units = (unit for unit, (base, _) in UNITS.items() if base == own)
        names = (word.removeprefix(f"{self.currency} ") for word in SCALE_WORDS)
        words = [*SCALES, *names, *units, self.measure, "%" if self.shares else ""]
        words = [each + end for word in words for each in (word, word.capitalize()) for end in ("", ".")]
        if self.currency:
            words += [f"{word} {self.currency}" for word in words]
        words += [sign + self.currency for sign in ("", *SCALES)]
        found: dict[str, int] = {}
        for word in {*words} - {"", "."}:
            texts = [f"{before}1{gap}{word}" for before in {"", self.currency} for gap in ("", " ")]
            values = {number_of(text, self) for text in texts}
            value = values.pop()
            power = round(log10(value)) if value else 0
            if not values and value == 10.0**power:
                found[word] = power
        return found


_DIMENSIONS = {
    "in": ("m", 0.0254), "lb": ("g", 453.59237), "ha": ("m²", 1e4), "ft²": ("m²", 0.3048**2), "l": ("m³", 1e-3),
    "gal": ("m³", 3.785411784e-3), "cal": ("J", 4.184), "bar": ("Pa", 1e5),
}  # fmt: skip
"""Base units that are multiples of others: the other unit, and the size in it."""

_KNOWN = frozenset("%‰°CFKhdyx'\"年歳岁日天分秒")
"""Other single-character units directly after a number."""

_FAHRENHEIT = ("°C", 5 / 9)

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
        found = GROUPED[form.decimal].fullmatch(atom.digits)
        if found is None:
            return None
        digits = found[1].translate(_NO_SEPARATORS)
        if len(digits) > 1 and digits[0] == "0":
            return None  # a code
        value = float(f"{digits or '0'}.{found[2] or '0'}e{int(atom.exponent[1:] or 0) + power}")
    return None if value is None or isinf(value) else -value if atom.negative else value


def _power(unit: str, form: Form) -> int | None:
    """The exponent k if `unit` is 10^k times the column's unit; otherwise None.

    An empty unit means the column's unit.
    """
    if unit == form.measure or not unit:
        return 0
    if form.millions and unit == "m":
        return 6
    if is_credit(unit) and _size(form.measure) != ("CR", 1):
        return SCALE_WORDS["cr"]
    if form.shares and unit == "%":
        return -2
    if form.currency and (power := scale_beside(form.currency, unit)):
        return power
    mine, theirs = UNITS.get(form.measure), UNITS.get(unit)
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
    theirs = _size("min" if unit == "m" and _is_short(form.measure) else unit)
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
    if (found := SIZES.get(name)) is not None:
        return found
    metric = UNITS.get(unit)
    return metric and (metric[0], 10.0 ** metric[1])


def _is_short(unit: str) -> bool:
    """Whether a unit is an hour or less, beside which m means minutes; beside years, weeks or days it may be months."""
    size = _size(unit)
    return size is not None and size[0] == "s" and size[1] <= SIZES["h"][1]


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
    written = written_in(text)
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

_TELLING = 0.05
"""Minimum share of texts such as 59:48, which are no times of day, that makes all texts minutes and seconds."""
_SCORES = 12
"""Minimum number of texts such as 28:31 that are scores if no text ends in 00 to 09 or 45 to 59, as seconds would."""

_HOURS = lazily(r"\d+h\d\d")
"""Hours and minutes, which beside 9:30 are a time of day."""

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
    found = [(written_in(text), rows) for text, rows in _some(counts)]
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
    values = (value for one, _ in written if (value := _read(one, form)) is not None)
    first = next(values, None)
    if all(value == first for value in values):
        return None
    like = _example(form, _some(counts))
    return None if number_in(like) == number_of(like, form) else replace(form, like=like)


def _example(form: Form, counts: Counts) -> str:
    """The most frequent number that is not plain digits, or not the number that these would be."""
    texts = [text for text, _ in sorted(counts, key=lambda pair: (-pair[1], pair[0]))]
    numbers = ((text, number) for text in texts if (number := number_of(text, form)) is not None)
    plain = ""
    for text, number in numbers:
        if number_in(text) != number:
            return text
        plain = plain or text
    return plain


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
    return bool(signs & {*RISES}) and not signs & {*FALLS}


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
        credits = {unit for unit in units if is_credit(unit)}
        lakhs = {
            unit for unit in units if scale_beside("₹", unit) and (credits or 7 in powers)
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
    short = [unit for unit in units if _is_short(unit)] if units["m"] else []
    if short:
        units["min"] += units.pop("m")
    if units.total() < _HAVE_THE_UNIT * sum(rows for _, rows in atoms):
        return form
    unit = min([*short, "min"] if short else units, key=lambda unit: (-units[unit], unit))
    letters = {one.lstrip("°") for one in units}
    if letters in _HEMISPHERES and any("." in atom.digits for atom, _ in atoms):
        unit = f"°{max(letters & {'N', 'E'})}"  # 57.05N
    if currencies and not any(atom.currency and atom.unit == unit for atom, _ in atoms):
        return None  # $5 and 5%
    if (known := _size(unit)) and known[1] < 0:
        unit = known[0]
    form = replace(form, measure=unit)
    alone = len(unit) == 1 and unit.isalpha() and unit not in _KNOWN and unit not in UNITS
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
