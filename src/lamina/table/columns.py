"""A common interface to the columns of every kind of table.

The rest of the package needs three operations of a `Column`: its values as numbers, its value counts, and a function
applied to its values. The last two process distinct values only, and the column's library processes the rows, so they
are fast for millions of rows.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.extras import require
from lamina.support.lazily import nw, pl
from lamina.table.messages import listed
from lamina.table.values import DAY, EPOCH, MISSING

if TYPE_CHECKING:
    from polars.selectors import Selector

Storage = Literal["number", "boolean", "text", "mixed", "date", "time", "duration", "empty", "other"]
"""A column's storage type: `empty` means only missing values, `mixed` several Python types."""

OfCell = Callable[[object], float]
NumberType = type[np.int32] | type[np.float64]
_KeyT = TypeVar("_KeyT")
_T = TypeVar("_T")


class Once(dict[_KeyT, _T]):
    """The results of a function by its argument; each is computed when it is first read.

    `functools.cache` takes longer to make, and tables of few rows are made often.

    >>> Once[int, int](lambda x: x * x)[3]
    9
    """

    def __init__(self, function: Callable[[_KeyT], _T]) -> None:
        self._function = function

    def __missing__(self, key: _KeyT) -> _T:
        found = self[key] = self._function(key)
        return found


def named(names: str | Sequence[str]) -> Selector:
    """A selector of columns by exact names.

    `polars.col` would interpret ``*`` and ``^…$`` as patterns, even in lists.

    >>> import polars as pl
    >>> pl.DataFrame({"a": [1], "^a$": [2]}).select(named("^a$")).rows()
    [(2,)]
    """
    from polars.selectors import by_name

    return by_name(names)


def is_missing(value: object) -> bool:
    """Whether a cell is missing, i.e. None, NaN, or pandas' NA or NaT.

    >>> [is_missing(value) for value in (None, float("nan"), 0, "")]
    [True, True, False, False]
    """
    if isinstance(value, (str, int)):  # the most frequent types, and the fastest check
        return False
    if type(value) is float:
        return math.isnan(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, numbers.Real):
        return not isinstance(value, numbers.Rational) and math.isnan(value)  # some rationals exceed floats
    return isinstance(value, decimal.Decimal) and value.is_nan()


def value_name(value: object) -> str:
    """The name of a value as a category, which is the same in every library and file format.

    >>> [value_name(value) for value in ("a", 1, 1.0, 1.5, True)]
    ['a', '1', '1', '1.5', 'true']
    """
    if isinstance(value, str):
        return value
    if type(value) is int:  # other checks take longer
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, decimal.Decimal) and value.is_finite() and value.adjusted() < _LONGEST_ID:
        # As a float, it would merge with others if it has more than 15 digits.
        value = int(value) if value == value.to_integral_value() else value
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


_LONGEST_ID = 100
"""Maximum number of digits of a decimal that is written out."""


class Column(ABC):
    """A column of a table.

    Attributes:
        name: the column's name in the table.
        type_name: the column's type, for display.
        storage: the kind of the values: "number", "text", "date", …
        categorical: whether the type is categorical (Categorical, Enum).
        is_typed: whether the column's type determines the storage; if not, the values do.
        dtype: NumPy's name of the numeric type; empty for other types, and for types that NumPy lacks, e.g. decimals.
        whole: whether `dtype` is an integer type.
        order: the values from lowest to highest, if the type is ordered; otherwise empty.
    """

    name: str
    type_name: str
    storage: Storage
    categorical: bool = False
    is_typed: bool = True
    dtype: str = ""
    whole: bool = False
    order: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def numbers(self) -> np.ndarray:
        """The values as a 1-D array, NaN where missing.

        Only for columns with the storage "number" or "boolean".
        """

    def temporal(self) -> np.ndarray:
        """The values as numbers, float64, NaN where missing.

        Only for the storage "time", "duration" or "date". Times of day become seconds since midnight, durations become
        seconds, and dates days since 1970-01-01 in UTC.
        """
        return self.mapped(_temporal, np.float64)

    def iso_days(self) -> np.ndarray | None:
        """The days since 1970-01-01 of texts that are all dates in one ISO 8601 format, with or without a time.

        They are float64, NaN where missing. None: other columns, or a library that has no quick way to tell.
        """
        return None

    @abstractmethod
    def head(self, rows: int) -> Column:
        """A column of the first `rows` rows."""

    @abstractmethod
    def missing(self) -> int:
        """The number of rows without a value."""

    def distinct(self) -> int:
        """The number of distinct values; missing values may count as one value."""
        return self._distinct

    @cached_property
    def _distinct(self) -> int:
        return len(self.value_counts())

    @abstractmethod
    def value_counts(self) -> list[tuple[object, int]]:
        """The distinct non-missing values in any order, each with its number of rows."""

    def coded(self) -> tuple[list[Any], np.ndarray] | None:
        """The different values, None for missing ones, and each row's index among them; None if they are not known.

        Columns that know them have looked at each row's text once.
        """
        return None

    @abstractmethod
    def mapped(self, function: OfCell, dtype: NumberType) -> np.ndarray:
        """The results of `function` for every cell, including missing cells.

        The function is called once per distinct value.
        """

    def row_of(self, value: object) -> int:
        """The index of the first row that has this value."""
        return int(np.argmax(self.mapped(lambda cell: float(_same(cell, value)), np.int32)))

    def first_where(self, holds: Callable[[object], bool]) -> tuple[int, object] | None:
        """The index and value of the first row whose value satisfies `holds`; None if there is none."""
        if not any(holds(value) for value, _ in self.value_counts()):
            return None
        found: list[object] = []

        def code(cell: object) -> float:
            if is_missing(cell) or not holds(cell):
                return 0
            found.append(cell)
            return len(found)

        codes = self.mapped(code, np.int32)
        row = int(np.argmax(codes > 0)) if found else 0
        return (row, found[codes[row] - 1]) if found else None

    def first_missing(self) -> int:
        """The index of the first row without a value."""
        return int(np.argmax(self.mapped(lambda cell: float(is_missing(cell)), np.int32)))

    def counts_rows(self) -> bool:
        """Whether the values are the row numbers: 0, 1, 2, … or 1, 2, 3, …

        Only for columns with the storage "number".
        """
        values = self.numbers()
        is_whole = values.dtype.kind in "iu"
        return is_whole and any(np.array_equal(values, np.arange(len(values)) + i) for i in (0, 1))

    def once(self, what: Hashable, compute: Callable[[], _T]) -> _T:
        """The result of `compute()`, kept for further calls; it may depend only on `what` and the column."""
        known: dict[Hashable, Any] = vars(self).setdefault("_known", {})
        if what not in known:
            known[what] = compute()
        return known[what]

    def parsed(self, parse: Callable[[str], float | None]) -> tuple[np.ndarray, dict[str, object]]:
        """The numbers that `parse` reads from the values' names, and the unreadable values by their names.

        The numbers are float64, NaN where `parse` returns None. Texts for missing values, such as "NA", don't count as
        unreadable.
        """

        wrong: dict[str, object] = {}

        def number(value: object) -> float:
            name = value_name(value)
            found = parse(name)
            if found is None and not is_missing(value) and name.strip() not in MISSING:
                wrong[name] = value
            return math.nan if found is None else found

        return self.mapped(number, np.float64), wrong


def _number(value: Any) -> float:
    try:
        return math.nan if is_missing(value) else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _temporal(value: object) -> float:
    if is_missing(value):
        return math.nan
    if isinstance(value, np.datetime64):
        return float(_days(np.array(value)))
    if isinstance(value, datetime.date):
        return _days_of_date(value)
    if isinstance(value, datetime.time):
        return value.hour * 3600.0 + value.minute * 60.0 + value.second + value.microsecond / 1e6
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    return cast(datetime.timedelta, value).total_seconds()


def _days_of_date(value: datetime.date) -> float:
    if not isinstance(value, datetime.datetime):
        return float((value - EPOCH).days)
    zone = None if value.tzinfo is None else datetime.UTC
    since = value - datetime.datetime(EPOCH.year, EPOCH.month, EPOCH.day, tzinfo=zone)
    return (since // datetime.timedelta(microseconds=1)) / DAY


def _days(values: np.ndarray) -> np.ndarray:
    """The datetime64 values, of any unit, as days since 1970-01-01; NaN for NaT."""
    microseconds = values.astype("M8[us]").astype(np.int64) / DAY
    return np.where(np.isnat(values), np.nan, microseconds)


def _same(cell: object, value: object) -> bool:
    # Compared by name, since libraries return different types (1 or numpy.int64(1)); but 1 is not "1".
    return value_name(cell) == value_name(value) and isinstance(cell, str) == isinstance(value, str)


class SeriesColumn(Column):
    """A data frame's column of a supported type, through narwhals (see `series_column`)."""

    _storage: Storage

    def __init__(self, name: str, series: Any, dtype: Any = None) -> None:
        """`dtype`: that of the series, if known: for objects, narwhals inspects values to find it."""
        self.name = name
        told = _told_by(series.dtype if dtype is None else dtype)
        self.type_name, self._storage, self.categorical, self.whole, self._is_float, self._is_plain, _ = told
        self.dtype = self.type_name.lower() if self.whole or self._is_float else ""
        self.order = _order_of(series) if self.categorical else ()
        # Queries give it the name "values", as polars' methods interpret some names as patterns.
        self._series = series

    @cached_property
    def storage(self) -> Storage:  # pyright: ignore[reportIncompatibleVariableOverride] - counts when it is read
        return "empty" if self._nulls == len(self._series) else self._storage

    def __len__(self) -> int:
        return len(self._series)

    def head(self, rows: int) -> Column:
        return SeriesColumn(self.name, self._series.alias("values").head(rows))

    def missing(self) -> int:
        return self._missing

    @cached_property
    def _missing(self) -> int:
        if self._is_float:  # polars and pyarrow have both nulls and NaN, pandas only one
            return int(np.isnan(self.numbers()).sum())
        return self._nulls

    @cached_property
    def _nulls(self) -> int:
        if self._is_pandas and self._storage == "text":
            return int(np.count_nonzero(self._factorized[1] < 0))
        return int(self._series.null_count())

    @cached_property
    def _distinct(self) -> int:
        values = self._series.alias("values")
        if self._is_pandas:
            return len(self._factorized[0]) - 1 + bool(self._nulls)
        # Codes, which are wanted later, are only slower for texts that hardly repeat.
        if 2 * values.head(10 * FEW).n_unique() < min(len(values), 10 * FEW) and (coded := self._coded):
            return len(coded[0]) + bool(self._nulls)
        return int(values.n_unique())

    @property
    def _is_pandas(self) -> bool:
        return self._series.implementation.is_pandas_like()

    @cached_property
    def _factorized(self) -> tuple[list[Any], np.ndarray]:
        """The different values of a pandas column, with a last None, and each row's index among them, −1 if missing."""
        positions, values = self._series.to_native().factorize()
        found: list[Any] = values.tolist()
        if not {*map(type, found)} <= _NEVER_MISSING:
            found = [None if is_missing(value) else value for value in found]
        return [*found, None], positions

    def coded(self) -> tuple[list[Any], np.ndarray] | None:
        if self._is_pandas and len(self._series) > FEW:
            values, positions = self._factorized
            return values, positions % len(values)
        coded = self._coded
        if coded is None:
            return None
        missing: list[Any] = [None] * bool(self._nulls)
        return [*coded[0].to_list(), *missing], coded[1]

    @cached_property
    def _coded(self) -> tuple[pl.Series, np.ndarray] | None:
        """The different texts of many in a polars column, and each row's index among them, the last if missing."""
        is_text = self._storage == "text" and not self.categorical and len(self._series) > FEW
        if not is_text or not self._series.implementation.is_polars():
            return None
        coded = self._series.alias("values").to_native().cast(pl.Categorical(pl.Categories.random()))
        values = coded.drop_nulls().unique(maintain_order=True)
        count, codes = len(values), values.to_physical().to_numpy()
        place = np.full(int(codes.max(initial=0)) + 2, count, np.min_scalar_type(count))
        place[codes] = np.arange(count)
        return values.cast(pl.String), place[coded.to_physical().fill_null(len(place) - 1).to_numpy()]

    def numbers(self) -> np.ndarray:
        series = self._series if self._is_plain else self._series.alias("values").cast(nw.Float64)
        return cast(np.ndarray, series.to_numpy())

    def temporal(self) -> np.ndarray:
        is_date = self.storage == "date"
        if not is_date and self.storage != "duration":
            return super().temporal()
        times = self._series.alias("values").dt
        microseconds = times.timestamp("us") if is_date else times.total_microseconds()
        # narwhals gives −0 for a pandas duration of 0.
        return cast(np.ndarray, microseconds.cast(nw.Float64).to_numpy()) / (DAY if is_date else 1e6) + 0.0

    def iso_days(self) -> np.ndarray | None:
        if self._storage != "text" or self.categorical or not self._series.implementation.is_polars():
            return None
        first = self._series.alias("values").to_native().head(FEW).drop_nulls().head(1).to_list()
        found = _ISO.fullmatch(first[0]) if first else None
        if found is None:
            return None
        texts, positions = self._coded or (self._series.alias("values").to_native(), slice(None))
        parts = [part for part, is_there in zip(_ISO_PARTS, (True, *found.groups()), strict=True) if is_there]
        pattern, form = ("".join(texts).replace("_", found[1] or "") for texts in zip(*parts, strict=True))
        if not texts.str.contains(f"^{pattern}$").all():
            return None
        days = texts.str.to_datetime(form, time_unit="us", strict=False)
        if days.null_count() != texts.null_count():
            return None
        days = days.cast(pl.Int64).to_numpy() / DAY
        return np.append(days, np.nan)[positions] if isinstance(positions, np.ndarray) else days

    def value_counts(self) -> list[tuple[object, int]]:
        return self._counts.copy()

    @cached_property
    def _counts(self) -> list[tuple[object, int]]:
        if self._is_pandas and not self.categorical:  # whose categories may have no rows
            values, positions = self._factorized
            counts = np.bincount(positions + 1, minlength=len(values))[1:].tolist()
            return [pair for pair in zip(values, counts, strict=False) if pair[0] is not None]
        if (coded := self._coded) is not None:
            values, positions = coded
            counts = np.bincount(positions, minlength=len(values))[: len(values)]
            return [*zip(values.to_list(), counts.tolist(), strict=True)]
        pairs = self._series.alias("values").value_counts(sort=False).rows()
        return [(value, int(count)) for value, count in pairs if not is_missing(value)]

    def mapped(self, function: OfCell, dtype: NumberType) -> np.ndarray:
        if not len(self._series):
            return np.empty(0, dtype)
        if len(self._series) <= FEW:
            cells = self._series.to_list()
            cells = [None if is_missing(cell) else cell for cell in cells] if self._is_pandas else cells
            return np.array([*map(function, cells)], dtype)
        if self._is_pandas:
            values, positions = self._factorized
            return np.array([*map(function, values)], dtype)[positions]
        if (coded := self.coded()) is not None:
            return np.array([*map(function, coded[0])], dtype)[coded[1]]
        series, return_dtype = self._series.alias("values"), nw.Int32 if dtype is np.int32 else nw.Float64
        values = series.unique().to_list()
        found = series.replace_strict(values, [*map(function, values)], return_dtype=return_dtype)
        return cast(np.ndarray, found.to_numpy())


_NEVER_MISSING = {str, int, bool}

_ISO_PARTS = (
    ("[12][0-9]{3}-[0-9]{2}-[0-9]{2}", "%Y-%m-%d"), ("_[0-9]{2}:[0-5][0-9]", "_%H:%M"), (":[0-5][0-9]", ":%S")
)  # fmt: skip
"""The parts of a date in ISO 8601, with the separator _, as patterns and as directives of `strptime`."""

_ISO = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:([ T])[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?")


def _order_of(series: Any) -> tuple[str, ...]:
    """The categories of an ordered pandas type, if there are more than two; otherwise ().

    Other libraries don't report an order.
    """
    kind = getattr(series.to_native(), "dtype", None)
    if not getattr(kind, "ordered", False) or len(getattr(kind, "categories", ())) <= 2:
        return ()
    return tuple(map(value_name, cast(Any, kind).categories))


FEW = 100
"""Maximum number of values for which a loop is faster than a query."""


@lru_cache
def _told_by(dtype: Any) -> tuple[str, Storage, bool, bool, bool, bool, bool]:
    """Properties of a narwhals type: name, storage, and whether it is categorical, integer, and float.

    The last two: whether NumPy has its numbers, and whether its values become Python objects.
    """
    name = str(dtype).split("(")[0]  # without the categories of an Enum
    plain = dtype.is_numeric() and not dtype.is_decimal() and dtype not in (nw.Int128, nw.UInt128)
    of_objects = dtype.is_nested() or dtype in (nw.Object, nw.Unknown, nw.Binary)
    is_categorical = dtype in (nw.Categorical, nw.Enum)
    storage: Storage = "number" if dtype.is_numeric() else _STORAGES.get(name, "other")
    return name, storage, is_categorical, dtype.is_integer(), dtype.is_float(), plain, of_objects


_STORAGES: dict[str, Storage] = {
    "Boolean": "boolean", "String": "text", "Categorical": "text", "Enum": "text", "Date": "date", "Datetime": "date",
    "Time": "time", "Duration": "duration",
}  # fmt: skip
"""The storage of narwhals types that are no numbers."""


class ArrayColumn(Column):
    """A column stored in a 1-D NumPy array."""

    def __init__(self, name: str, values: np.ndarray, type_name: str | None = None) -> None:
        self.name = name
        self.type_name = type_name or _name_of(values.dtype)
        self._values = values
        kinds: dict[str, Storage] = {"b": "boolean", "M": "date", "m": "duration", "U": "text", "T": "text"}
        self.is_typed = values.dtype != object
        if values.dtype.kind in "iuf":
            self.storage, self.dtype, self.whole = "number", _name_of(values.dtype), values.dtype.kind != "f"
        elif values.dtype.kind in kinds:
            self.storage = kinds[values.dtype.kind]
        else:
            self._values, self.storage = _learnable(values)

    def __len__(self) -> int:
        return len(self._values)

    def head(self, rows: int) -> Column:
        return ArrayColumn(self.name, self._values[:rows], self.type_name)

    def missing(self) -> int:
        if self._values.dtype.kind in "fmM":
            return int(np.isnan(self._values).sum())
        return sum(map(is_missing, self._values)) if self._values.dtype == object else 0

    def numbers(self) -> np.ndarray:
        if self._values.dtype != object:
            return self._values
        return self.mapped(_number, np.float64)

    def temporal(self) -> np.ndarray:
        if self._values.dtype.kind == "m":
            return self._values / np.timedelta64(1, "s")
        return _days(self._values) if self._values.dtype.kind == "M" else super().temporal()

    def value_counts(self) -> list[tuple[object, int]]:
        if self._values.dtype.kind in "biuf":
            values, counts = np.unique(self._values, return_counts=True)
            pairs = zip(values.tolist(), counts.tolist(), strict=True)
            return [(value, count) for value, count in pairs if not is_missing(value)]
        # Equal values of different types are counted separately.
        found = Counter((type(value), value) for value in self._cells() if not is_missing(value))
        return [(value, count) for (_, value), count in found.items()]

    def _cells(self) -> list[Any]:
        """The values as Python objects.

        Dates and durations are rounded to microseconds, the resolution of Python's types.
        """
        kind = self._values.dtype.kind
        return (self._values.astype(f"{kind}8[us]") if kind in "mM" else self._values).tolist()

    def mapped(self, function: OfCell, dtype: NumberType) -> np.ndarray:
        if len(self) == 1:
            return np.array([*map(function, self._cells())], dtype)
        if self._values.dtype.kind in "biuf":
            values, inverse = np.unique(self._values, return_inverse=True)
            return np.array([function(value) for value in values.tolist()], dtype)[inverse]
        results = Once[tuple[type, object], float](lambda key: function(key[1]))  # 1, 1.0 and True are equal
        return np.array([results[type(value), value] for value in self._cells()], dtype)


@lru_cache
def _name_of(dtype: np.dtype) -> str:
    """The name of a dtype, kept because NumPy composes it slowly at each call."""
    return str(dtype)


def _learnable(values: np.ndarray) -> tuple[np.ndarray, Storage]:
    """The values and their storage type.

    Objects other than numbers, texts, dates and times are converted to text.
    """
    objects: list[Any] = values.tolist()
    storage = storage_of_values(objects)
    if storage == "other":
        objects = [
            value
            if is_missing(value) or _storage_of_value(value) != "other" or (text := as_text(value)) is None
            else text
            for value in objects
        ]
        storage = storage_of_values(objects)
    elif values.dtype == object:
        return values, storage
    return np.fromiter(objects, object, len(values)), storage


def storage_of_values(values: list[Any]) -> Storage:
    """The storage type of a list of Python objects."""
    if set(map(type, values)) - {type(None)} == {str}:
        return "text"
    kinds: set[Storage] = {_storage_of_value(value) for value in values if not is_missing(value)}
    if not kinds:
        return "empty"
    if "other" in kinds:
        return "other"
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _storage_of_value(value: object) -> Storage:
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (datetime.date, np.datetime64)):
        return "date"
    if isinstance(value, datetime.time):
        return "time"
    return "duration" if isinstance(value, (datetime.timedelta, np.timedelta64)) else "other"


def series_column(name: str, series: Any) -> Column:
    """The `Column` of a narwhals series.

    Nested values, binary values and Python objects become an array of objects.
    """

    dtype = series.dtype
    if _told_by(dtype)[0] == "Unknown" or series.implementation.is_pyarrow():
        series = _of_known_type(series)
        dtype = series.dtype
    type_name, *_, of_objects = _told_by(dtype)
    if of_objects:
        cells = series.to_list()
        if type_name == "Map":  # pairs, in pyarrow
            cells = [cell if cell is None else dict(cell) for cell in cells]
        return ArrayColumn(name, np.fromiter(cells, object, len(series)), type_name)
    return SeriesColumn(name, series, dtype)


def _of_known_type(series: Any) -> Any:
    """The series, converted if its type is one of two pyarrow types with poor support.

    Dates in milliseconds, which narwhals lacks, become dates in days, and string views become strings.
    """
    native = series.to_native()
    held = str(getattr(native, "type", ""))
    if held == "date64[ms]":
        native = native.cast("date32")
    elif held == "string_view":
        native = native.cast("string")
    elif str(getattr(native, "dtype", "")) == "date64[ms][pyarrow]":
        native = native.astype("date32[day][pyarrow]")
    else:
        return series
    return import_narwhals().from_native(native, series_only=True)


_NUMBERS = {bool, int, float}


def as_column(data: Any, name: str = "y") -> Column:
    """A `Column` for a 1-D array, list or Series.

    A Series with a name keeps this name; otherwise the column is called `name`.
    """
    if not isinstance(data, (np.ndarray, list, tuple)) and hasattr(data, "dtype"):
        narwhals = import_narwhals()
        series = narwhals.from_native(data, series_only=True, pass_through=True)
        if isinstance(series, narwhals.Series):
            return series_column(name if series.name in (None, "") else str(series.name), series)
    if not isinstance(data, (list, tuple)):
        return ArrayColumn(name, np.asarray(data))
    # NumPy would convert [1, "a"] to two texts, and nested lists to rows.
    of_numbers = {*map(type, data)} <= _NUMBERS
    return ArrayColumn(name, np.asarray(data) if of_numbers else np.fromiter(data, object, len(data)))


def column_names(frame: Any) -> Collection[Any] | None:
    """The names of a data frame's columns; None of a lazy frame, which would have to compute them."""
    if hasattr(type(frame), "collect"):
        return None
    is_arrow = hasattr(type(frame), "column_names")  # its `columns` are arrays
    names: Any = frame.column_names if is_arrow else getattr(frame, "columns", None)
    if hasattr(names, "tolist"):  # pandas' names, which take long to iterate over
        return names.tolist()
    return tuple(names) if isinstance(names, Iterable) else None


def require_names_differ(frame: Any) -> None:
    """Raise `DataError` if two columns of a data frame have the same name."""
    require_different(column_names(frame) or ())


def unmasked(values: Any) -> Any:
    """A masked NumPy array as an ordinary array, with NaN, NaT or None for masked elements.

    Masked integers become floats. Other arguments are returned unchanged.

    >>> unmasked(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    masked: Any = values
    if not np.ma.is_masked(masked):
        return np.asarray(masked)
    if masked.dtype.kind in "biuf":
        return masked.astype(np.result_type(masked.dtype, np.float16)).filled(np.nan)
    if masked.dtype.kind in "mM":
        return masked.filled(np.array("NaT", masked.dtype))
    return masked.astype(object).filled(None)


def require_different(names: Collection[Any]) -> None:
    """Raise `DataError` if a column name occurs twice."""
    if len(set(names)) < len(names):
        repeated = [str(name) for name, count in Counter(names).items() if count > 1]
        raise DataError(f"column names are repeated: {listed(repeated)}; give each column a different name")


def import_narwhals() -> Any:
    """Import narwhals; raise an error with installation advice if it is missing."""
    require("looking into a DataFrame", "narwhals")
    import narwhals

    return narwhals


def as_text(value: Any) -> str | None:
    """A cell's content as text; None if the content has no text form.

    Containers become JSON, bytes are decoded as UTF-8, and other objects are converted by `str`, unless the text would
    be only the object's type and address.

    >>> [as_text(value) for value in ([1, "a"], {"a": None}, b"abc", b"\\xff", 1 + 2j, object())]
    ['[1,"a"]', '{"a":null}', 'abc', None, '[1.0,2.0]', None]
    """
    if isinstance(value, bytes | bytearray | memoryview):
        with suppress(UnicodeDecodeError):
            return bytes(value).decode()
        return None
    if isinstance(value, Mapping | list | tuple | set | frozenset | np.ndarray | np.void | complex):
        return msgspec.json.encode(_nested(value), enc_hook=_nested).decode()
    return str(value) if _says_something(value) else None


def _nested(value: Any) -> Any:
    """A value of a type that JSON lacks, converted to a type that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    if isinstance(value, np.void) and value.dtype.names:
        return dict(zip(value.dtype.names, value.tolist(), strict=True))
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, np.ndarray | np.void | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, numbers.Real | decimal.Decimal):
        return float(value)
    return as_text(value)


def _says_something(value: Any) -> bool:
    """Whether an object's text is more than its type and address."""
    kind = type(value)
    own = kind.__str__ if kind.__str__ is not object.__str__ else kind.__repr__
    return own is not object.__repr__ and not isinstance(value, type) and not callable(value)
