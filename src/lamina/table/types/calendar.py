"""Dates, with or without a time.

They are encoded as days since 1970-01-01, and as positions in the cycles of year, week and day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from lamina.errors import DataError
from lamina.table import dates
from lamina.table.categories import note_unknown
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.dates import DateForm
from lamina.table.distinct import distinct_values
from lamina.table.messages import as_option, is_on_command_line, row, shown, warn
from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema, ColumnType, but_holds, else_categories
from lamina.table.types.composite import Composite
from lamina.table.types.date import Date
from lamina.table.types.number import Coordinate, Number
from lamina.table.values import lazily
from lamina.table.zones import zone_said

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

_SAMPLE = 1000
"""Number of distinct values examined to detect a column of dates."""

_FEWEST_COMPACT = 5
"""Minimum number of distinct integers such as 20240503; if all of so few were dates, that could be chance."""

_NAMES_EPOCH = lazily(
    r"(?i:(?:.*[\W_])?(?:timestamp|epoch|unix(?:[\W_]?time)?|ts)(?:[\W_]?(?:utc|s|ms|us|ns|seconds|millis))?)"
)
"""Names of columns that may count time from 1970-01-01: timestamp, event_ts, epoch_ms."""

_NAMES_TIME = lazily(r"(?i:.*(?:time|date|epoch).*|(?:.*[\W_])?ts(?:[\W_\d].*)?|.*_at)|.*[a-z](?:At|Ts)")
_NAMES_DATE = lazily(r"(?i:(?:.*[\W_])?dates?(?:[\W_].*)?)|.*[a-z]Date")
"""Names of columns that may count seconds or milliseconds, and of those that may have Excel's numbers of days."""

_TIMES, _RECENT, _LONG = (3653, 47_482), (7305, 25_932), (11_575, 25_932)
"""Ranges of days of columns with such names: 1980 to 2099, 1990 to 2040, and from 2001, when seconds have 10 digits."""

_COMPACT = "%Y%m%d"
_ISO = lazily(r"\d{4}-\d\d-\d\d\b")
_WORDS = lazily(r"(?i:set|out)\b")
"""Short Italian and Portuguese months that are also English words; a column of these alone has no dates."""
_FROM_MONDAY = 3.0
"""Days from Monday to Thursday, the weekday of 1970-01-01."""

_BEYOND = 1e300
"""A number larger than any count of days or nanoseconds."""

_SAID = {order: said.replace("-", " ") for said, order in dates.ORDERS.items()}
_UNITS = {
    "s": "seconds since 1970", "ms": "milliseconds since 1970", "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970", dates.EXCEL: "Excel's days since 1899-12-30",
}  # fmt: skip


@dataclass(frozen=True)
class Calendar(Composite):
    """Dates in any format, with or without a time.

    The parts are the days since 1970-01-01, and phases in cycles. A phase is the sine and the cosine of the position
    in a cycle, as an angle. The cycles are the year, if dates of several months span more than one year; the week, if
    weekdays vary and not all dates are the first of a month; and the day, if times vary.

    Attributes:
        order, form, pivot: the format of texts and numbers, see `DateForm`.
        year, week, day: whether the phase in this cycle is a part.
        gaps: whether training had texts that are not dates, which counted as missing.
        such: an example text from training; empty if the dates are in ISO 8601, or are not texts.
    """

    order: str = ""
    form: str = ""
    pivot: int = 1969
    year: bool = False
    week: bool = False
    day: bool = False
    gaps: bool = False
    such: str = ""
    tag = "calendar"
    kind = "date"
    choice = "date"
    derives = True
    json_types: ClassVar[set[type]] = {str, int, float, type(None)}
    wanted = "a date"

    @property
    def read_form(self) -> DateForm:
        """The format of the column's texts and numbers."""
        return DateForm(self.order, self.form, self.pivot)

    @property
    def cycles(self) -> tuple[str, ...]:
        """The names of the cycles (year, week, day) whose phase is a part."""
        return tuple(name for name in ("year", "week", "day") if getattr(self, name))

    def looks_like(self, text: str) -> bool:
        return dates.is_date(text)

    # --- training columns --------------------------------------------------------------------------------------------

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column, has_cycles = candidate.column, candidate.choice != "numeric"
        days = column.temporal() if column.storage == "date" else candidate.iso_days
        if days is not None:
            return self._found(column, days, candidate.named, has_cycles=has_cycles)
        told = dates.requested_form(candidate.dates) if candidate.dates else None
        forms: list[DateForm | None] = []
        if column.storage == "number" and has_cycles:
            forms = _forms_of_numbers(candidate, told)
        elif candidate.is_text:
            forms = _forms_of_texts(candidate, told)
        found = None
        for form in forms:
            found = _Reading(candidate, form)
            if found.share >= (MOSTLY if candidate.choice != "date" else 0.5):
                found.warn_of_others()
                kind = replace(self, **found.fields)
                known = kind._found(column, found.days, candidate.named, has_cycles=has_cycles)
                return replace(known, reason=found.reason) if known.used else known
        if candidate.choice == "date":
            raise _unread_error(candidate, found)
        return None

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        return self._learned(column, self._days(column.name, column), named)

    def _found(self, column: Column, days: np.ndarray, named: bool, *, has_cycles: bool) -> ColumnSchema:
        """The schema of a column with these days, NaN where missing.

        With `has_cycles`, the parts include the phases in the cycles in which the days vary.
        """
        kind = replace(self, **_cycles(days[~np.isnan(days)])) if has_cycles else self
        return kind._learned(column, days, named)

    def _learned(self, column: Column, days: np.ndarray, named: bool) -> ColumnSchema:
        """The schema of a column with these days, NaN where missing, and the phases in `cycles`."""
        first = Date().learned(column, days, named)
        if not isinstance(first.type, Date):
            return first
        names = [f"{column.name}: {cycle} {what}" for cycle in self.cycles for what in ("sine", "cosine")]
        parts = [ColumnSchema(name, Coordinate(), low=-1.0, high=1.0, mean=0.0) for name in names]
        return ColumnSchema(column.name, self, column.type_name, first.missing, parts=(first, *parts))

    # --- columns of any table ----------------------------------------------------------------------------------------

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        return self.split_by_number(schema, self._days(schema.name, column))

    def _days(self, name: str, column: Column) -> np.ndarray:
        """The days since 1970-01-01, float64; NaN where a value is missing, or is not a date.

        Values that are not dates give a warning, unless training had such values.

        Raises:
            DataError: a number is beyond the years 1 to 9999, or the column's type has no dates.
        """
        is_number = column.storage in ("number", "boolean")
        if is_number and self.form in dates.EPOCHS:
            days = self.read_form.since_1970(column.numbers())
            return Date().fitted(name, ArrayColumn(name, days)).numbers()
        if (is_number and not self.form) or column.storage not in ("number", "boolean", "text", "mixed"):
            return Date().fitted(name, column).numbers().astype(np.float64)
        if not self.form and (quick := column.iso_days()) is not None:
            return quick
        values, positions = distinct_values(column)
        days = self.read_form.days(self.read_form.texts_of(values))
        if not self.form:
            odd = np.flatnonzero(np.isnan(days))
            days[odd] = np.array(
                [Date().parse(value_name(values[i])) for i in odd], np.float64
            )  # NaN for None
        others = {value_name(values[i]): values[i] for i in np.flatnonzero(np.isnan(days))}
        others = {text: value for text, value in others.items() if not dates.is_blank(text)}
        note_unknown(name, column, {} if self.gaps else others, self.wanted)
        return days[positions]

    def derived(self, schema: ColumnSchema, first: NDArray) -> Sequence[NDArray]:
        from lamina import nd

        turns = {
            "year": lambda: first * (1 / dates.YEAR),
            "week": lambda: (nd.floor(first) + _FROM_MONDAY) * (1 / 7),
            "day": lambda: first - nd.floor(first),
        }
        angles = [turns[cycle]() * (2 * np.pi) for cycle in self.cycles]
        return [function(angle) for angle in angles for function in (nd.sin, nd.cos)]

    # --- descriptions ------------------------------------------------------------------------------------------------

    def treatment(self, column: ColumnSchema) -> str:
        first = column.parts[0]
        said = first.type.treatment(first)
        *some, last = (f"the {cycle}" for cycle in self.cycles or ("",))
        places = f"{', '.join(some)} and {last}" if some else last
        return f"{said}; the position in {places}" if self.cycles else said

    def example(self, column: ColumnSchema) -> Any:
        """A date near the middle of the range, in the training table's format."""
        first = column.parts[0]
        return self.such or first.type.example(first)

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        return Date().page_data() | self.read_form.page_data() | ({"such": self.such} if self.such else {})

    def refusal(self, value: Any) -> str:
        found = super().refusal(value)
        if found or not isinstance(value, int | float) or self.form not in ("", *dates.EPOCHS):
            return found  # texts that are not dates, and digits, count as missing, as in files
        number = min(max(value, -_BEYOND), _BEYOND)
        return Date().refusal(self.read_form.since_1970(number) if self.form else number)

    def takes(self, values: Sequence[Any]) -> bool:
        return super().takes(values) and not any(map(self.refusal, values))

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        number = "the same digits" if self.form and self.form not in dates.EPOCHS else Date.unit
        number = _UNITS[self.form].replace("1970", "1970-01-01") if self.form in dates.EPOCHS else number
        texts = f"{self.such}, {Date.example_texts}" if self.such else Date.example_texts
        return Date().json_schema_in(column.parts[0], number, texts)


_Days = TypeVar("_Days", bound=Any)

_MOST_DATES = 4
"""Only intervals between the first date columns, of this number, are inputs."""


@dataclass(frozen=True)
class Interval(Number):
    """The number of days from one date column to another, as an additional input.

    Attributes:
        since, until: the names of the date columns; the interval belongs to the column `until`.
    """

    since: str = ""
    until: str = ""
    tag = "interval"
    plural = ""
    recognize = ColumnType.recognize  # no column has this type

    def between(self, days_of: Callable[[str], _Days]) -> _Days:
        """The interval in days.

        `days_of` returns an array of days since 1970-01-01 for the name of a column.
        """
        return days_of(self.until) - days_of(self.since)


def intervals_between(columns: Sequence[ColumnSchema]) -> list[ColumnSchema[Interval]]:
    """The intervals between the first four date columns of a training table.

    Only date columns with cycles count; columns that the user declares "numeric" have no cycles, since only their days
    are inputs. An interval is missing if one of its dates is missing; it needs no missing flag, since the date has one.
    """
    firsts = [one.parts[0] for one in columns if isinstance(one.type, Calendar) and one.type.cycles]
    found: list[ColumnSchema[Interval]] = []
    for since, until in combinations(firsts[:_MOST_DATES], 2):
        limits = since.low, since.high, until.low, until.high
        first, last, begin, end = (limit or 0.0 for limit in limits)
        kind, mean = Interval("float64", since=since.name, until=until.name), None
        if since.mean is not None and until.mean is not None:
            mean = until.mean - since.mean
        name = f"{until.name}: days since {since.name}"
        found.append(ColumnSchema(name, kind, "Float64", low=begin - last, high=end - first, mean=mean))
    return found


def _cycles(days: np.ndarray) -> dict[str, bool]:
    """Whether the days vary within each cycle: "year", "week" and "day"."""
    whole = np.unique(np.floor(days))
    days_of = whole.astype("M8[D]")
    months = days_of.astype("M8[M]")
    span = float(days.max() - days.min())
    return {
        "year": span > dates.YEAR and len(np.unique(months.astype(np.int64) % 12)) > 1,
        "week": span > 7
        and len(np.unique(whole % 7)) > 1
        and bool((days_of != months.astype("M8[D]")).any()),
        "day": span > 1 and len(np.unique(days - np.floor(days))) > 1,
    }


# --- texts and numbers ------------------------------------------------------------------------------------------------


def _forms_of_texts(candidate: Candidate, told: DateForm | None) -> list[DateForm | None]:
    """The date formats to try for a column of texts; [] for texts that are not dates.

    `told` is the format that the user chose, or None. In the result, None stands for the detected format.
    """
    named = ((value_name(value), rows) for value, rows in candidate.counts[:_SAMPLE])
    counts = {text: rows for text, rows in named if not dates.is_blank(text)}

    def are_mostly(form: DateForm) -> bool:
        such = sum(rows for text, rows in counts.items() if form.fits(text))
        return bool(counts) and such >= MOSTLY * sum(counts.values())

    looks_so = are_mostly(DateForm()) and not all(map(_WORDS.match, counts))
    may_be = candidate.choice == "date" or looks_so or _are_compact([*counts])
    found: list[DateForm | None] = [None] if may_be else []
    return [told, *found] if told is not None and (are_mostly(told) if told.form else may_be) else found


def _are_compact(texts: Sequence[str]) -> bool:
    """Whether all texts are dates of the years 1800 to 2199 in digits, such as 20240503.

    There must be several different texts.
    """
    has_digits = all(re.fullmatch("(?:18|19|20|21)[0-9]{6}", text) for text in texts)
    is_many = len(set(texts)) >= _FEWEST_COMPACT
    return is_many and has_digits and not np.isnan(DateForm(form=_COMPACT).days(texts)).any()


def _forms_of_numbers(candidate: Candidate, told: DateForm | None) -> list[DateForm | None]:
    """The date formats to try for a column of numbers; [] for plain numbers."""
    column = candidate.column
    if len(numbers := column.numbers()) < len(column):
        return []  # a summary, which has only the extremes
    if candidate.choice == "date" and told is not None and told.form:
        return [told]
    head = numbers[:_SAMPLE]
    sample = head[~np.isnan(head)] if head.dtype.kind == "f" else head
    if not len(sample):
        return []
    name, is_chosen = column.name.strip(), candidate.choice == "date"
    is_whole = not (sample != np.floor(sample)).any()
    ranges = [(dates.EXCEL, _RECENT)] if is_chosen or _NAMES_DATE.fullmatch(name) else []
    if is_whole and (is_chosen or _NAMES_EPOCH.fullmatch(name)):
        ranges += [(unit, _TIMES) for unit in ("s", "ms", "us", "ns")]
    elif is_whole and _NAMES_TIME.fullmatch(name):
        ranges += [(unit, _LONG) for unit in ("s", "ms")]
    for unit, days in ranges:
        low, high = (day * dates.EPOCHS[unit] + dates.STARTS.get(unit, 0) for day in days)
        if _are_between(numbers, low, high):
            return [DateForm(form=unit)]
    if not is_whole:
        return []
    if _are_between(sample, 18_000_101, 21_991_231):
        texts = [value_name(value) for value, _ in candidate.counts]
        return [DateForm(form=_COMPACT)] if is_chosen or _are_compact(texts) else []
    is_year = is_chosen and _are_between(sample, 1000, 9999)
    return [DateForm(form="%Y")] if is_year else []


def _are_between(numbers: np.ndarray, low: float, high: float) -> bool:
    return bool(float(np.nanmin(numbers)) >= low and float(np.nanmax(numbers)) <= high)


class _Reading:
    """The values of a training table's column, read as dates.

    `form` is the format; None: the format is detected.
    """

    def __init__(self, candidate: Candidate, form: DateForm | None) -> None:
        self._column, self._is_told = candidate.column, form is not None
        self._values, counts = zip(*candidate.counts, strict=True)
        self._rows = np.array(counts)
        self._texts = (form or DateForm()).texts_of(self._values)
        if form is None and _are_compact(
            [text for text in self._texts[:_SAMPLE] if not dates.is_blank(text)]
        ):
            form = DateForm(form=_COMPACT)
        self._found = dates.found_form(self._texts, counts, form)
        self._is_date = ~np.isnan(self._found.days)
        self._is_other = ~self._is_date
        for i in np.flatnonzero(self._is_other).tolist():
            self._is_other[i] = not dates.is_blank(self._texts[i])

    @property
    def share(self) -> float:
        """The fraction of dates among the rows with a value."""
        read, others = self._rows[self._is_date].sum(), self._rows[self._is_other].sum()
        return float(read / (read + others)) if read else 0.0

    @cached_property
    def days(self) -> np.ndarray:
        """The days since 1970-01-01 of each row, float64, NaN where missing."""
        days = dict(zip(map(value_name, self._values), self._found.days.tolist(), strict=True))
        return self._column.mapped(lambda value: days.get(value_name(value), np.nan), np.float64)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a `Calendar` with this format."""
        form, days = self._found.form, self._found.days
        ordered = np.sort(days[self._is_date])
        middle = np.flatnonzero(days == ordered[(len(ordered) - 1) // 2])
        such = min(self._texts[i].strip() for i in middle)
        return {
            "order": form.order, "form": form.form, "pivot": form.pivot,
            "gaps": bool(self._is_other.any()), "such": "" if _ISO.match(such) else such,
        }  # fmt: skip

    @property
    def reason(self) -> str:
        """An explanation of the date format; empty if the format is obvious."""
        form, found = self._found.form, self._found
        said: list[str] = []
        if form.form:
            said.append(_UNITS.get(form.form, f"as {form.form}"))
        elif found.orders:
            said.append(self._order_said())
        elif form.order and self._is_told:
            said.append(f"{_SAID[form.order]}, as requested")
        if found.short_years:
            said.append(f"years of two digits are {form.pivot} to {form.pivot + 99}")
        said += list(dict.fromkeys(filter(None, map(zone_said, self._texts[:_SAMPLE]))))
        zeros = next(filter(dates.is_zeros, self._texts), None)
        if zeros is not None:
            said.append(f"{zeros.strip()} counts as missing")
        return "; ".join(said)

    def _order_said(self) -> str:
        found = self._found
        said = _SAID[found.form.order]
        first = self._column.first_where(lambda value: value_name(value) in found.deciding)
        if found.monthly:
            return f"{said}: the first number is always 1"
        if len(found.orders) > 1:
            others = {*found.orders} - {found.form.order}
            other = next(name for name, order in dates.ORDERS.items() if order in others)
            return (
                f"{said}, a guess, since no value decides; otherwise give {as_option('date_format', other)}"
            )
        return said if first is None else f"{said}: {value_name(first[1])}"

    @property
    def others(self) -> set[str]:
        """The texts that are not dates."""
        return {value_name(self._values[i]) for i in np.flatnonzero(self._is_other).tolist()}

    def warn_of_others(self) -> None:
        """Warn about texts that are not dates, and about unknown time zones."""
        if zone := next(filter(None, map(dates.unknown_zone, self._texts[:_SAMPLE])), ""):
            warn(
                f"column {self._column.name!r}: the time zone {zone!r} is not in this machine's database (the package "
                "tzdata has one); its times count as UTC"
            )
        if others := self.others:
            warn(
                f"{but_holds(self._column, 'holds dates', others, gaps=True)} {else_categories(self._column)}"
            )


def _unread_error(candidate: Candidate, found: _Reading | None) -> DataError:
    """The error for a column that the user declared as dates, but whose values are not dates.

    `found`: the values as they are read, if they were.
    """
    column = candidate.column
    others = found.others if found else None
    first = column.first_where(
        lambda value: not dates.is_blank(value_name(value)) if others is None else value_name(value) in others
    )
    what = f"the first is {shown(value_name(first[1]))} in {row(first[0])}" if first else "it has none"
    how = "--date-format" if is_on_command_line() else "date_format"
    return DataError(
        f"column {column.name!r} has the kind 'date', but most of its values are not read as dates ({what}); give "
        f"their format with {how}, such as '%d.%m.%Y', or s, ms, us or ns for numbers since 1970, or excel"
    )
