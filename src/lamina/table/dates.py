"""Dates in texts: detection of a column's format, and conversion of its values to days since 1970-01-01.

The *shape* of a text is the text in lower case with every digit as 0, e.g. "00/00/0000" or "0 may 0000". Texts of the
same shape have the same field positions. So each shape is parsed once, and the fields of all its texts are read
together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, reduce
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import value_name
from lamina.table.values import DAY, MISSING, NO_BREAKS, in_javascript, lazily
from lamina.table.zones import ZONES, ahead_in, zone_names

_Value = Any  # an array, or a value of machine code
_Builder = Any  # NumPy, or a builder of machine code
_Has = Callable[[str], _Value]
_Number = Callable[..., _Value]
EXCEL = "excel"
"""The name of Excel's numbers: days since 1899-12-30."""

EPOCHS = {"s": 86_400.0, "ms": 86_400e3, "us": 86_400e6, "ns": 86_400e9, EXCEL: 1.0}
"""Units per day, for each kind of numbers that count time."""

STARTS = {EXCEL: 25_569.0}
"""Days until 1970-01-01 of counts that begin earlier."""

YEAR = 365.2425
"""Mean number of days in a year."""

ORDERS = {"day-first": "dmy", "month-first": "mdy", "year-first": "ymd"}
"""Orders of day, month and year, by their names in options."""

_PIVOT = 1969
"""The first of the hundred years for two digits, as in POSIX: 69 is 1969, 68 is 2068."""

_MONTHS = (
    "jan january januar jänner janvier janv enero ene gennaio gen janeiro januari stycznia styczeń sty",
    "feb february februar februari feber février févr fevrier febrero febbraio fevereiro fev lutego luty lut",
    "mar march märz mär mrz mars marzo março maart mrt marca marzec",
    "apr april avril avr abril abr aprile kwietnia kwiecień kwi",
    "may mai mayo maggio mag maio mei maja maj",
    "jun june juni juin junio giugno giu junho czerwca czerwiec cze",
    "jul july juli juillet juil julio luglio lug julho lipca lipiec lip",
    "aug august août aout agosto ago augustus augusti sierpnia sierpień sie",
    "sep sept september septembre septiembre setiembre settembre set setembro września wrzesień wrz",
    "oct october okt oktober octobre octubre ottobre ott outubro out października październik paź",
    "nov november novembre noviembre novembro listopada listopad lis",
    "dec december dez dezember décembre decembre déc diciembre dic dicembre dezembro grudnia grudzień gru",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
"""Month names in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish and Polish, in lower case."""

_WEEKDAYS = (
    "mon|monday|tue|tues|tuesday|wed|wednesday|thu|thur|thurs|thursday|fri|friday|sat|saturday|sun|sunday"
    "|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|mo|di|mi|do|fr|sa|so"
    "|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    "|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
)

_DIGITS = str.maketrans("123456789", "0" * 9)
_ZEROS = lazily(r"0+([-/. ]?)0+\1 ?0+(?:[t ]00?:00(?::00(?:\.0+)?)?z?)?")


def is_blank(text: str) -> bool:
    """Whether a text in a column of dates represents a missing value.

    >>> [is_blank(text) for text in ("?", "00/00/0000", "0000-00-00 00:00:00", "unknown")]
    [True, True, True, False]
    """
    return text.strip() in MISSING or is_zeros(text)


def is_zeros(text: str) -> bool:
    """Whether a text is a date of zeros, which MySQL writes for a missing date."""
    return _ZEROS.fullmatch(text.strip()) is not None


def is_date(text: str) -> bool:
    """Whether a text has the shape of a date, with or without a time.

    >>> [is_date(text) for text in ("2024-02-29", "1/31/24 10:30", "3 May 2024", "2024", "1.5", "20240503")]
    [True, True, True, False, False, False]
    """
    return _layout(shape_of(text)) is not None


def day_in(text: str) -> float | None:
    """The date in a text as days since 1970-01-01; None if the text is not a date.

    With a time zone, the result is in UTC. The result is also None if the order of the fields is ambiguous: in
    3/4/2011, either number may be the month.

    >>> [day_in(text) for text in ("1970-01-02", "1970/1/2 12:00", "1970-01-02T12:00:00+12:00", "3/4/2011")]
    [1.0, 1.5, 1.0, None]
    """
    (day,) = DateForm().days([text])
    return None if np.isnan(day) else float(day)


# --- shapes -----------------------------------------------------------------------------------------------------------


def shape_of(text: str) -> str:
    """The shape of a text: in lower case, with every digit as 0."""
    return _shape(_plain(text))


def _plain(text: str) -> str:
    return text.strip().lower().translate(NO_BREAKS)


def _shape(plain: str) -> str:
    return plain.translate(_DIGITS)


@cache
def patterns() -> list[re.Pattern[str]]:
    """The patterns of the shapes of dates.

    Their named groups are: Y and y, years of four and of two digits; m and d, the month and the day; b, a month's
    name; i, j and k, numbers in ambiguous order; s, the separator; V and u, an ISO week and its day; Q, a quarter; h, a
    half of a year; H, M, S and f, the hour, minute, second and fraction; p or q, am/pm; Z, R, W, sign, zh and zm, the
    time zone.
    """
    year = "(?:(?P<Y>0000)|'?(?P<y>00))"
    days = (
        r"(?P<Y>0000)(?P<s>[-/. ])(?P<m>00?)(?P=s)(?P<d>00?)",
        r"(?P<Y>0000) ?年 ?(?P<m>00?) ?月 ?(?P<d>00?) ?日",
        r"(?P<i>00?)(?P<s>[-/. ]|\. )(?P<j>00?)(?P=s)(?P<Y>0000)",
        r"(?P<i>00?)(?P<s>[-/.])(?P<j>00?)(?P=s)(?P<k>00)",
        rf"(?P<d>00?)(?:st|nd|rd|th|er|º|\.)?(?:[-/. ]+| de | of )?{_MONTH}(?:[-/., ]+| del? )?{year}",
        rf"{_MONTH}[-/. ]*(?P<d>00?)(?:st|nd|rd|th)?(?:,|[-/. ]) ?(?P<Y>0000)",
        rf"(?P<Y>0000)[-/., ]*{_MONTH}[-/., ]*(?P<d>00?)",
        r"(?P<Y>0000)-?w(?P<V>00)-?(?P<u>0)",
    )
    weekday = rf"(?:(?:{_any_of(_WEEKDAYS.split('|'))})\.?,? )?"
    texts = [
        rf"{weekday}(?:{day})(?:(?:[t:]|,? (?:(?:at|um|à|a las|godz\.) )?) ?{_TIME}{_ZONE})?" for day in days
    ]
    texts += [
        rf"(?P<Y>0000):(?P<m>00):(?P<d>00) {_TIME}{_ZONE}",  # in the data of photographs
        rf"{weekday}{_MONTH} +(?P<d>00?) {_TIME}{_ZONE} (?P<Y>0000)",
        rf"(?P<Y>0000)(?P<m>00)(?P<d>00)[t ](?P<H>00)(?P<M>00)(?:(?P<S>00)(?:\.(?P<f>0{{1,9}}))?)?{_ZONE}",
        # A month, week, quarter or half of a year is read as its first day.
        r"(?P<Y>0000)[-/](?P<m>00)",
        r"(?P<m>00)[/.](?P<Y>0000)",
        rf"{_MONTH}(?:[-/., ]*(?P<Y>0000)|(?:[-/]'?|')(?P<y>00))",
        rf"(?P<Y>0000)[-/., ]*{_MONTH}",
        r"(?P<Y>0000)[-/ ]?w(?P<V>00)",
        r"(?P<Y>0000)[-/ ]?q(?P<Q>0)",
        r"q(?P<Q>0)[-/ ]?(?P<Y>0000)",
        r"(?P<Y>0000)[-/ ]?h(?P<h>0)",
        r"h(?P<h>0)[-/ ]?(?P<Y>0000)",
    ]
    return [*map(lazily, texts)]


def _any_of(names: Iterable[str]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


_WEEKDAY = rf"(?:{_any_of(_WEEKDAYS.split('|'))})\.?"
_MONTH = rf"(?P<b>{_any_of(MONTHS)})\.?"
_HALF = r" ?(?P<p>[ap])\.? ?m\.?"
_TIME = rf"(?P<H>00?)(?:[:h](?P<M>00)(?::(?P<S>00)(?:[.,](?P<f>0{{1,9}}))?)?(?:{_HALF})?|{_HALF.replace('<p>', '<q>')})"
_OFFSET = r"(?P<sign>[+-])(?P<zh>00?)(?::?(?P<zm>00))?"
_REGION = r"(?: ?\[[a-z0_/:+-]+\])?"  # written by Java after the offset, which suffices
_NAMED = r"(?P<R>[a-z_]+(?:/[a-z_-]+)+)"
_ZONE = (
    rf"(?: uhr| h)?(?: ?(?P<Z>{_any_of(ZONES)}){_REGION})?(?: ?{_OFFSET}{_REGION}| ?\[{_NAMED}\]|"
    rf" {_NAMED.replace('<R>', '<W>')})?(?: \([a-z ]+\))?"
)


@dataclass(frozen=True)
class _Layout:
    """The field positions in texts of the same shape.

    Attributes:
        places: the positions of numeric fields, by the name of their group in `patterns`.
        month: the number of a month that is written as a name; 0: no month is written as a name.
        half: the half of the day, "a" or "p"; empty: 24-hour time.
        ahead: the offset from UTC of a zone that is written as a name, in minutes.
        region: the name of a zone in IANA's database, in lower case; empty: the text has no such name.
        sign: the sign of the UTC offset, 1 or -1.
        separator: the text between the numbers of the date.
    """

    places: dict[str, slice]
    month: int
    half: str
    ahead: int
    region: str
    sign: int
    separator: str


@lru_cache(4096)
def _layout(shape: str) -> _Layout | None:
    """The layout of a date with this shape; None if no date has this shape."""
    if shape.count("0") < _FEWEST_DIGITS:
        return None
    return next(filter(None, (_matched(pattern, shape) for pattern in patterns())), None)


def _matched(pattern: re.Pattern[str], shape: str) -> _Layout | None:
    match = pattern.fullmatch(shape) if len(shape) <= _LONGEST else None
    if match is None:
        return None
    found = {name: text for name, text in match.groupdict().items() if text is not None}
    places = {name: slice(*match.span(name)) for name in found if found[name].isdigit()}
    half = found.get("p") or found.get("q") or ""
    month, ahead = MONTHS.get(found.get("b", ""), 0), ZONES.get(found.get("Z", ""), 0)
    region, sign = found.get("R") or found.get("W") or "", -1 if found.get("sign") == "-" else 1
    return _Layout(places, month, half, ahead, region, sign, found.get("s", ""))


_LONGEST, _FEWEST_DIGITS = 80, 2
"""Longest date, in characters, and the fewest digits of one: Jan '68."""


class _Group:
    """The texts of the same shape.

    Attributes:
        rows: the texts' positions among all texts.
        layout: the texts' field positions.
        is_open: whether the order of day, month and year is ambiguous.
    """

    def __init__(self, layout: _Layout, rows: list[int], texts: Sequence[str]) -> None:
        self.layout, self.rows = layout, np.array(rows, np.intp)
        characters = np.frombuffer("".join(texts[row] for row in rows).encode("utf-32-le"), np.uint32)
        characters = characters.reshape(len(rows), -1)
        places = {"f": slice(0, 0), **layout.places}
        self._digits = places["f"].stop - places["f"].start
        self._fields = {name: _number(characters[:, place]) for name, place in places.items()}
        if layout.month:
            self._fields["b"] = np.full(len(rows), layout.month)
        self.is_open = "i" in layout.places

    def has(self, name: str) -> bool:
        """Whether the texts have a field."""
        return name in self._fields

    def field(self, name: str, default: Any = 0) -> np.ndarray:
        """The value of a field in each text; `default` for all texts if the layout lacks the field."""
        found = self._fields.get(name)
        return np.full(len(self.rows), default, np.int64) if found is None else found

    def microseconds(self, order: str, pivot: int) -> tuple[np.ndarray, np.ndarray]:
        """The times of the texts, int64, in microseconds since 1970-01-01, and a mask of the valid times."""
        layout, region = self.layout, self.layout.region
        whole, is_real = moment(
            _ARRAYS, self.has, self.field, _first_of, order, pivot,
            is_half=bool(layout.half), is_late=layout.half == "p", zone=layout.ahead, is_behind=layout.sign < 0,
            further=(lambda local: np.rint(60 * ahead_in(region, local)).astype(np.int64)) if region else None,
        )  # fmt: skip
        return whole + np.rint(self.field("f") * 10.0 ** (6 - self._digits)).astype(np.int64), is_real


def unknown_zone(text: str) -> str:
    """The time zone in a date's text, if this machine's zone database lacks the zone; otherwise "".

    >>> unknown_zone("2024-05-03 10:15 Mars/Phobos"), unknown_zone("2024-05-03 10:15 Asia/Tokyo")
    ('mars/phobos', '')
    """
    layout = _layout(shape_of(text))
    return layout.region if layout and layout.region not in ("", *zone_names()) else ""


def _number(characters: np.ndarray) -> np.ndarray:
    """The integer that each row of digits (code points) represents, int64."""
    number = np.zeros(len(characters), np.int64)
    for place in characters.T:
        number = number * 10 + (place.astype(np.int64) - ord("0"))
    return number


_ARRAYS = SimpleNamespace(**vars(np) | {"where": lambda known, x, y: x if known else y})
"""NumPy's functions; a layout's fields are known beforehand."""


def _first_of(year: np.ndarray, month: Any) -> np.ndarray:
    """The days from 1970-01-01 to the first day of a month, int64."""
    return ((year - 1970) * 12 + month - 1).astype("M8[M]").astype("M8[D]").astype(np.int64)


def _groups(plain: Sequence[str], layout_of: Callable[[str], _Layout | None]) -> list[_Group]:
    """The texts that are dates, grouped by shape."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(plain):
        rows[_shape(text)].append(row)
    layouts = {shape: layout for shape in rows if (layout := layout_of(shape)) is not None}
    return [_Group(layout, rows[shape], plain) for shape, layout in layouts.items()]


# --- moments, of arrays and in C libraries ----------------------------------------------------------------------------


def _day_fields(F: _Builder, has: _Has, number: _Number, order: str, pivot: int) -> tuple[_Value, ...]:
    """The year, month and day of dates.

    Args:
        F: NumPy, or a builder of machine code, whose functions have the same names.
        has: whether dates have a field; for a builder, a value that is known when the code runs.
        number: the value of a field, and of dates without the field the second argument, or 0.
        order: the order of ambiguous numbers, such as "dmy".
        pivot: the first of the hundred years that two-digit years can mean.
    """
    year, day = number("Y", number("y") if has("y") else 0), number("d", 1)
    month = number("m", number("b", 1) if has("b") else 1)
    if has("Q"):
        month = F.where(has("Q"), number("Q") * 3 - 2, month)
    if has("h"):
        month = F.where(has("h"), number("h") * 6 - 5, month)
    if order and has("i"):
        places = number("i"), number("j"), F.where(has("k"), number("k"), number("Y"))
        opened = dict(zip(order, places, strict=True))
        pairs = (("y", year), ("m", month), ("d", day))
        year, month, day = (F.where(has("i"), opened[name], other) for name, other in pairs)
    if has("y") or has("k"):
        year = F.where(has("Y"), year, F.mod(year - pivot, 100) + pivot)
    return year, month, day


def of_24(F: _Builder, hour: _Value, is_half: _Value, is_late: _Value) -> tuple[_Value, _Value]:
    """The hour on a 24-hour clock, and whether it is valid: an hour before "am" or "pm" (`is_half`) is from 1 to 12."""
    early, in_half = F.mod(hour, 12), F.logical_and(F.greater_equal(hour, 1), F.less_equal(hour, 12))
    is_right = F.logical_or(F.logical_not(is_half), in_half)
    return F.where(is_half, F.where(is_late, early + 12, early), hour), is_right


def moment(
    F: _Builder, has: _Has, number: _Number, first_of: Callable[[_Value, _Value], _Value], order: str, pivot: int, *,
    is_half: _Value, is_late: _Value, zone: _Value, is_behind: _Value,
    further: Callable[[_Value], _Value] | None = None,
) -> tuple[_Value, _Value]:  # fmt: skip
    """The microseconds since 1970-01-01 without fractions of a second, and whether there is such a moment.

    Moments are in the years 1 to 9999. `F`, `has`, `number`, `order` and `pivot` are the arguments of `_day_fields`.

    Args:
        first_of: the days from 1970-01-01 to the first day of a month, of a year and a month.
        is_half, is_late: whether "am" or "pm" follows the hour, and whether it is "pm".
        zone: how many minutes a named zone is ahead of UTC; `is_behind`: whether the offset has a minus.
        further: how many seconds a region's zone is ahead of UTC, at the local minutes since 1970-01-01.
    """

    def both(*conditions: _Value) -> _Value:
        return reduce(F.logical_and, conditions)

    year, month, day = _day_fields(F, has, number, order, pivot)
    in_years = both(F.greater_equal(year, 1), F.less_equal(year, 9999))
    in_months = both(F.greater_equal(month, 1), F.less_equal(month, 12), F.greater_equal(day, 1))
    days = first_of(year, month) + day - 1
    is_real = both(in_years, in_months, F.less(days, first_of(year, month + 1)))
    if has("i") and not order:
        is_real = both(is_real, F.logical_not(has("i")))
    if has("D"):
        of_year, following = first_of(year, 1) + number("D") - 1, first_of(year + 1, 1)
        is_of_year = both(in_years, F.greater(number("D"), 0), F.less(of_year, following), F.less(year, 9999))
        days, is_real = F.where(has("D"), of_year, days), F.where(has("D"), is_of_year, is_real)
    if has("V"):  # a week of ISO 8601; the first contains January 4; 1970-01-01 was a Thursday
        fourth, week, weekday = first_of(year, 1) + 3, number("V"), number("u", 1)
        monday = fourth - F.mod(fourth + 3, 7) + week * 7 - 7
        in_year = F.logical_or(F.less(monday + 3, first_of(year + 1, 1)), F.equal(year, 9999))
        is_day = both(F.greater_equal(weekday, 1), F.less_equal(weekday, 7))
        is_week = both(in_years, F.greater_equal(week, 1), in_year, is_day)
        days, is_real = F.where(has("V"), monday + weekday - 1, days), F.where(has("V"), is_week, is_real)
    hour, minute, second, zh, zm = map(number, ("H", "M", "S", "zh", "zm"))
    if is_half:
        hour, is_right = of_24(F, hour, is_half, is_late)
        is_real = both(is_real, is_right)
    limits = ((hour, 24), (minute, 60), (second, 60), (zh, 24), (zm, 60))
    is_real, offset = both(is_real, *(F.less(x, limit) for x, limit in limits)), zh * 60 + zm
    seconds = hour * 3600 + (minute - zone - F.where(is_behind, offset * -1, offset)) * 60 + second
    if further is not None:
        seconds = seconds - further(days * 1440 + hour * 60 + minute)
    return days * DAY + seconds * 1_000_000, is_real


# --- forms ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DateForm:
    """The format of the dates in a column.

    Attributes:
        order: the order of day, month and year in ambiguous texts: "dmy", "mdy" or "ymd"; empty: ambiguous texts are
            not dates.
        form: a format of `datetime.strptime`, which is tried first; or, for numbers counted since 1970-01-01, their
            unit: "s", "ms", "us" or "ns".
        pivot: the first of the hundred years that two-digit years can mean.

    >>> DateForm("dmy").days(["03/04/1970", "1970-01-02 12:00", "April 3rd, 1970", "soon"])
    array([92. ,  1.5, 92. ,  nan])
    """

    order: str = ""
    form: str = ""
    pivot: int = _PIVOT

    def days(self, texts: Sequence[str]) -> np.ndarray:
        """The days since 1970-01-01 of each text, float64; NaN if the text is not a date.

        With a time zone, the result is in UTC.
        """
        plain = [*map(_plain, texts)]
        return self._days(plain, _groups(plain, self._layout))

    def _days(self, plain: Sequence[str], groups: Sequence[_Group]) -> np.ndarray:
        found = np.full(len(plain), np.nan)
        if self.form in EPOCHS:
            for row, text in enumerate(plain):
                if EPOCH.fullmatch(text):
                    found[row] = self.since_1970(float(text))
        for group in groups:
            if self.order or not group.is_open:
                moments, is_real = group.microseconds(self.order or "dmy", self.pivot)
                found[group.rows[is_real]] = moments[is_real] / DAY
        return found

    def _layout(self, shape: str) -> _Layout | None:
        return next(filter(None, (_matched(own, shape) for own in self.own)), None) or _layout(shape)

    def since_1970(self, numbers: Any) -> Any:
        """The days since 1970-01-01 of numbers that count time, if `form` is one of `EPOCHS`."""
        days = numbers / EPOCHS[self.form]
        return days - STARTS[self.form] if self.form in STARTS else days

    def fits(self, text: str) -> bool:
        """Whether a text has the shape of `form`, or of any date if `form` is empty."""
        shape = _shape(_plain(text))
        if self.form in EPOCHS:
            return EPOCH.fullmatch(text.strip()) is not None
        return (_matched(_pattern_of(self.form), shape) if self.form else _layout(shape)) is not None

    @property
    def own(self) -> list[re.Pattern[str]]:
        """The pattern of `form`, which is tried before `patterns`; empty if it has none."""
        return [] if self.form in ("", *EPOCHS) else [_pattern_of(self.form)]

    def page_data(self) -> dict[str, Any]:
        """The data with which a web page parses dates in this format, in addition to `page_shapes`."""
        own = [*map(in_javascript, self.own)]
        start = {"start": STARTS[self.form]} if self.form in STARTS else {}
        return {"order": self.order, "pivot": self.pivot, "day": EPOCHS.get(self.form), "own": own} | start

    def texts_of(self, values: Iterable[object]) -> list[str]:
        """The values as texts.

        Numbers get the leading zeros that a format without separators needs, e.g. "%d%m%Y".

        >>> DateForm(form="%d%m%Y").texts_of([3052024.0]), DateForm().texts_of([" 3.5.2024"])
        (['03052024'], [' 3.5.2024'])
        """
        directives = re.findall("%(.)", self.form)
        has_separators = self.form != "".join(f"%{one}" for one in directives)
        widths = [{"Y": 4, "G": 4, "j": 3, "u": 1, "q": 1}.get(one, 2) for one in directives]
        width = 0 if has_separators else sum(widths)
        return [value if isinstance(value, str) else value_name(value).zfill(width) for value in values]


def page_shapes() -> dict[str, Any]:
    """The patterns of dates in JavaScript's syntax, the numbers of months, and the offsets of time zones."""
    return {"patterns": [*map(in_javascript, patterns())], "months": MONTHS, "zones": ZONES}


EPOCH = lazily(r"(?P<minus>-)?(?P<digits>\d{1,19})(?:\.(?P<fraction>\d+))?", re.ASCII)
"""Matches counts of a unit since 1970-01-01."""


_DIRECTIVES = {
    "Y": "(?P<Y>0000)", "G": "(?P<Y>0000)", "y": "(?P<y>00)", "m": "(?P<m>00?)", "d": "(?P<d>00?)",
    "e": " ?(?P<d>00?)", "j": "(?P<D>000?|0)", "V": "(?P<V>00)", "u": "(?P<u>0)", "q": "(?P<Q>0)",
    "b": _MONTH, "B": _MONTH, "h": _MONTH, "a": _WEEKDAY, "A": _WEEKDAY,
    "H": "(?P<H>00?)", "I": "(?P<H>00?)", "M": "(?P<M>00?)", "S": "(?P<S>00?)", "f": "(?P<f>0{1,9})", "p": _HALF[2:],
    "z": rf"(?:(?P<Z>z)|{_OFFSET})", "Z": f"(?:(?P<Z>{_any_of(ZONES)})|{_NAMED})", "%": "%",
}  # fmt: skip
"""The shape pattern for each `strptime` directive."""

_SHORT = {"F": "%Y-%m-%d", "D": "%m/%d/%y", "T": "%H:%M:%S", "R": "%H:%M", "r": "%I:%M:%S %p"}


def _spelled_out(form: str) -> str:
    return re.sub("%[FDTRr]", lambda match: _SHORT[match[0][1:]], form)


@cache
def _pattern_of(form: str) -> re.Pattern[str]:
    """The pattern for the shape of dates in a `strptime` format.

    Raises:
        DataError: the format has an unknown directive, a repeated field, or no year.
    """
    parts = re.split("(%.?)", _spelled_out(form))
    try:
        texts = [
            _DIRECTIVES[part[1:]] if part[:1] == "%" else re.escape(_shape(part.lower())) for part in parts
        ]
        pattern = re.compile("".join(texts))
    except (KeyError, re.error):
        pattern = None
    if pattern is None or not {"Y", "y"} & set(pattern.groupindex):
        known = ", ".join(f"%{name}" for name in (*_DIRECTIVES, *_SHORT) if name != "%")
        raise DataError(
            f"{form!r} is not a date format: write it as for strptime, such as %d.%m.%Y, with a year; each directive "
            f"may occur once, and must be one of {known}"
        )
    return pattern


def requested_form(said: str) -> DateForm:
    """The date format that a user requested.

    `said` is day-first, month-first, year-first, s, ms, us, ns, excel, or a `strptime` format.

    Raises:
        DataError: `said` is none of these.

    >>> requested_form("day-first").order, requested_form("%m/%d/%Y").order, requested_form("ms").form
    ('dmy', 'mdy', 'ms')
    """
    if said in ORDERS:
        return DateForm(ORDERS[said])
    if said in EPOCHS:
        return DateForm(form=said)
    _pattern_of(said)
    fields = {"%Y": "y", "%y": "y", "%m": "m", "%B": "m", "%b": "m", "%d": "d", "%e": "d"}
    order = "".join(fields.get(part, "") for part in re.split("(%.)", _spelled_out(said)))
    return DateForm(order if order in ORDERS.values() else "", said)


@dataclass(frozen=True)
class Found:
    """The date format that was detected for a column's texts.

    Attributes:
        form: the format.
        days: the result of `DateForm.days` for the texts.
        orders: the orders of ambiguous numbers for which the most rows are dates; empty if no date is ambiguous.
        deciding: the texts that are dates only in the chosen order.
        monthly: whether the order was chosen because the first number is always 1.
        short_years: whether some years have two digits.
    """

    form: DateForm
    days: np.ndarray
    orders: tuple[str, ...] = ()
    deciding: frozenset[str] = frozenset()
    monthly: bool = False
    short_years: bool = False


def found_form(texts: Sequence[str], counts: Sequence[int], form: DateForm | None = None) -> Found:
    """The date format of a column, inferred from the distinct texts and their numbers of rows.

    If the order of day, month and year is ambiguous, the order for which the most rows are dates is chosen. If
    several orders tie, the month comes first in dates with slashes, otherwise the day.

    Args:
        texts: the distinct texts.
        counts: the number of rows of each text.
        form: the format requested by the user.

    >>> found = found_form(["03/04/2011", "31/12/2011"], [5, 1])
    >>> found.form.order, found.days, sorted(found.deciding)
    ('dmy', array([15067., 15339.]), ['31/12/2011'])
    """
    form = form or DateForm()
    plain, rows = [*map(_plain, texts)], np.asarray(counts, np.int64)
    groups = _groups(plain, form._layout)
    open_groups = [group for group in groups if group.is_open]
    if not open_groups or form.order:
        form = replace(form, pivot=_pivot(groups, form))
        return Found(form, form._days(plain, groups), short_years=_has_short_years(groups))
    has_short = any("k" in group.layout.places for group in open_groups)
    possible = ("mdy", "dmy", "ymd") if has_short else ("mdy", "dmy")
    real = {order: _real(open_groups, order, len(plain)) for order in possible}
    right = {order: int(rows[is_real].sum()) for order, is_real in real.items()}
    orders = tuple(order for order, count in right.items() if count == max(right.values()))
    monthly = "dmy" in orders and _is_monthly(open_groups)
    order = "dmy" if monthly else _usual(orders, open_groups, rows)
    others = np.any([is_real for other, is_real in real.items() if other != order], axis=0)
    form = replace(form, order=order, pivot=_pivot(groups, form))
    deciding = frozenset(texts[i] for i in np.flatnonzero(real[order] & ~others).tolist())
    return Found(form, form._days(plain, groups), orders, deciding, monthly, _has_short_years(groups))


def _real(groups: Sequence[_Group], order: str, count: int) -> np.ndarray:
    """A mask of the `count` texts that are dates in `order`.

    "ymd" applies only to texts whose last number has two digits.
    """
    found = np.zeros(count, bool)
    for group in groups:
        if order != "ymd" or "k" in group.layout.places:
            found[group.rows] = group.microseconds(order, _PIVOT)[1]
    return found


def _usual(orders: tuple[str, ...], groups: Sequence[_Group], rows: np.ndarray) -> str:
    """The conventional order of day, month and year, among `orders`.

    If most dates have slashes, the month comes first, otherwise the day.
    """
    slashes = sum(rows[group.rows].sum() for group in groups if group.layout.separator == "/")
    others = sum(rows[group.rows].sum() for group in groups if group.layout.separator != "/")
    preferred = ("mdy", "dmy", "ymd") if slashes > others else ("dmy", "mdy", "ymd")
    return next(order for order in preferred if order in orders)


def _is_monthly(groups: Sequence[_Group]) -> bool:
    """Whether the dates are first days of months.

    They are if the first number is always 1, and the second number and the year vary.
    """
    each = (_day_fields(_ARRAYS, group.has, group.field, "dmy", _PIVOT) for group in groups)
    years, second, first = (np.unique(np.concatenate(parts)) for parts in zip(*each, strict=True))
    return first.tolist() == [1] and len(second) >= 3 and len(years) >= 2


def _has_short_years(groups: Sequence[_Group]) -> bool:
    return any("Y" not in group.layout.places for group in groups)


def _pivot(groups: Sequence[_Group], form: DateForm) -> int:
    """The first of the hundred years that two-digit years can mean.

    If the column also has four-digit years, the hundred years are chosen to include these, if possible.
    """
    full = [group.field("Y") for group in groups if "Y" in group.layout.places]
    if not full or not _has_short_years(groups):
        return form.pivot
    years = np.concatenate(full)
    low, high = int(years.min()), int(years.max())
    return form.pivot if form.pivot <= low and high < form.pivot + 100 else high - 99
