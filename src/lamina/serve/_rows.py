"""Validation of rows from untrusted clients against a table's schema, and conversion to numbers and codes.

In JSON, a number must be a JSON number, rather than a text that looks like one. Text formats such as CSV have no types;
`lamina.table.check` infers the types, as for files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.runs.data import by_position
from lamina.serve._errors import MOST_PROBLEMS, Problem, RequestError
from lamina.support.files.limits import untrusted
from lamina.support.lazily import pl
from lamina.support.messages import excerpt
from lamina.table.categories import Unknown, category_codes, unknown_values
from lamina.table.check import check
from lamina.table.columns import as_column, named, value_name
from lamina.table.messages import closest, counted, listed, rows_called
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Composite, Nominal, Quantity
from lamina.table.types.base import ColumnType, OfJson
from lamina.table.types.quantity import infinite_error
from lamina.table.values import MISSING

_MOST_NOTES = 10
_MOST_COMPARED = 200
"""Maximum number of a request's names compared with a missing column's name, for a suggestion."""


class TableRows:
    """A converter from a table's rows to the model's inputs.

    The `Inputs` of a table are numbers, float64 (rows, `Schema.quantities`), NaN where missing; and codes, int32 (rows,
    `Schema.nominals`): 0 for missing and unknown values, otherwise 1 + the category's position.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._numeric, self._others = schema.quantities, schema.nominals
        is_later = lambda column: [isinstance(column.type, kind) for kind in (Composite, Nominal)]  # noqa: E731
        self._columns: list[ColumnSchema] = sorted(schema.used, key=is_later)
        self._composites = [column for column in self._columns if isinstance(column.type, Composite)]
        nominal = (column for column in self._columns if isinstance(column.type, Nominal))
        self._codes = {column.name: _Codes({None: 0, **column.codes}) for column in nominal}
        self._names = [column.name for column in self._columns]
        self._by_type: dict[ColumnType, list[str]] = {}
        for column in self._columns:
            self._by_type.setdefault(column.type, []).append(column.name)
        known = {column.name for column in schema.columns}
        self._known = known | ({schema.target.name} if schema.target else set())
        kinds = [column.type for column in schema.columns]
        alike = not schema.named and isinstance(kinds[0], Quantity) and kinds.count(kinds[0]) == len(kinds)
        self._alike = kinds[0] if alike and not kinds[0].example_texts else None  # texts have notes

    # --- from JSON -----------------------------------------------------------------------------------------------

    def as_objects(self, rows: list[Any]) -> list[Any]:
        """Convert rows that are arrays to objects, if the schema's columns have no names.

        Raises:
            RequestError: 422, the length of an array is not the number of columns.
        """
        if self.schema.named or list not in map(type, rows):
            return rows
        names = [column.name for column in self.schema.columns]
        wrong = [
            Problem(i, None, f"has {counted(len(row), 'value')}; the model has {len(names)} columns")
            for i, row in enumerate(rows)
            if type(row) is list and len(row) != len(names)
        ]
        if wrong:
            raise RequestError.of_values(wrong)
        return [dict(zip(names, row, strict=True)) if type(row) is list else row for row in rows]

    def of_arrays(self, rows: Sequence[Any]) -> Inputs | None:
        """Convert rows that are arrays to inputs; None unless all columns are unnamed and of the same numeric type."""
        width = len(self._numeric)
        if self._alike is None or any(type(row) is not list or len(row) != width for row in rows):
            return None
        numbers = self._alike.from_json([*chain.from_iterable(rows)])
        if numbers is None:
            return None
        return Inputs((numbers.reshape(-1, width), np.empty((len(rows), 0), np.int32)))

    def of_objects(self, rows: Sequence[dict[str, Any]]) -> Inputs:
        """Convert rows that are objects, with a value for each column, to inputs.

        Raises:
            RequestError: 422, values are missing or invalid; the error has their rows and columns.
        """
        try:
            values = zip(*(map(row.__getitem__, self._names) for row in rows), strict=True)
            given = dict(zip(self._names, values, strict=True))
        except KeyError:
            raise RequestError.of_values(list(self._lacking(rows))) from None
        extra = {name for row in rows if len(row) > len(given) for name in row if name not in self._known}
        return self._inputs(given, extra)

    def _lacking(self, rows: Sequence[dict[str, Any]]) -> Iterable[Problem]:
        names = [column.name for column in self.schema.used]
        lacking = ((i, row, name) for i, row in enumerate(rows) for name in names if name not in row)
        for i, row, name in islice(lacking, MOST_PROBLEMS):
            yield Problem(i, name, f"is absent (null marks a missing value){_meant(name, row)}")

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> Inputs:
        """Convert columns by name, which are arrays of equal length, to inputs.

        Raises:
            RequestError: 422, as for `of_objects`.
        """
        absent = [column.name for column in self.schema.used if column.name not in columns]
        if absent:
            raise RequestError.of_values(
                [Problem(None, name, f"is absent{_meant(name, columns)}") for name in absent]
            )
        lengths = {name: len(values) for name, values in columns.items()}
        first = self.schema.used[0].name
        uneven = [name for name, length in lengths.items() if length != lengths[first]]
        if uneven:
            what = f"has {counted(lengths[uneven[0]], 'value')}, but {first!r} has {lengths[first]:,}"
            raise RequestError.of_values([Problem(None, uneven[0], what)])
        return self._inputs(columns, {name for name in columns if name not in self._known})

    def _inputs(self, given: Mapping[str, Sequence[Any]], extra: set[str]) -> Inputs:
        """Check columns and convert them to inputs; raise a `RequestError` that names all invalid values.

        `extra` has the names of columns that are ignored.
        """
        numbers: dict[str, Any] = {}
        for kind, names in self._by_type.items():
            values = [*chain.from_iterable(map(given.__getitem__, names))]
            found = kind.from_json(values) if isinstance(kind, Quantity) else None
            if found is not None:
                numbers |= zip(names, found.reshape(len(names), -1), strict=True)
            elif not (isinstance(kind, OfJson) and kind.takes(values)):
                wrong = [_wrong(column, given[column.name]) for column in self._columns]
                raise RequestError.of_values([*chain.from_iterable(wrong)])
        notes = [*_ignored(extra), *self._unread(given, numbers)]
        codes: dict[str, Any] = {}
        for name, known in self._codes.items():
            codes[name] = found = [*map(known.__getitem__, given[name])]
            if -1 in found:
                i = found.index(-1)
                notes.append(_unknown(Unknown(name, (), f"row {i}", rows=found.count(-1)), given[name][i]))
        if self._composites:
            notes += self._split_all(given, numbers, codes)
        numbers |= {one.name: one.type.between(numbers.__getitem__) for one in self.schema.intervals}
        rows = len(given[self.schema.used[0].name])
        found = _stacked([numbers[column.name] for column in self._numeric], rows, np.float64)
        known = _stacked([codes[column.name] for column in self._others], rows, np.int32)
        return Inputs((found, np.maximum(known, 0)), tuple(notes[:_MOST_NOTES]))

    def _unread(self, given: Mapping[str, Sequence[Any]], numbers: Mapping[str, np.ndarray]) -> Iterator[str]:
        """The notes on texts that are no numbers in columns of numbers."""
        for column in self._columns:
            kind = column.type
            if not (isinstance(kind, Quantity) and kind.example_texts) or str not in map(
                type, given[column.name]
            ):
                continue
            pairs = enumerate(zip(given[column.name], np.isnan(numbers[column.name]), strict=True))
            rows = [
                i
                for i, (value, is_nan) in pairs
                if is_nan and isinstance(value, str) and value.strip() not in MISSING
            ]
            if rows:
                found = Unknown(column.name, (), f"row {rows[0]}", kind.wanted, len(rows))
                yield _unknown(found, given[column.name][rows[0]])

    def _split_all(
        self, given: Mapping[str, Sequence[Any]], numbers: dict[str, Any], codes: dict[str, Any]
    ) -> list[str]:
        with rows_called("row {}".format), unknown_values(self.schema.owners) as unknown:
            for column in self._composites:
                with _refused():
                    self._split(column, given[column.name], numbers, codes)
        return [_unknown(one, one.values[0]) for one in unknown]

    def _split(
        self,
        column: ColumnSchema[Composite],
        values: Sequence[Any],
        numbers: dict[str, Any],
        codes: dict[str, Any],
    ) -> None:
        """Compute the parts of a composite column, and add them to `numbers` and `codes` by name."""
        found = column.type.split(column, as_column(list(values), column.name))
        for part, one in zip(column.parts, found, strict=True):
            if isinstance(part.type, Quantity):
                numbers[part.name] = part.type.fitted(part.name, one).numbers()
            elif isinstance(part.type, Nominal):
                codes[part.name] = category_codes(part, part.type.fitted(part.name, one))

    # --- from file formats ---------------------------------------------------------------------------------------

    def of_frame(self, frame: pl.DataFrame) -> Inputs:
        """Convert a table that was read from a file format to inputs.

        Raises:
            RequestError: 422, a value is invalid; the error names the first.
        """
        with _refused():
            frame = by_position(self.schema, frame)
        self._require_types(frame)
        given = frame.select(named([name for name in frame.columns if name in self._known]))
        _require_finite(given)
        with rows_called("row {}".format), _refused(), untrusted("the values can't be read"):
            table = check(self.schema, given, infinite=True)  # infinite numbers are rejected below
            with unknown_values(self.schema.owners) as unknown:
                numbers = [table.column(column.name).numbers() for column in self._numeric]
                codes = [category_codes(column, table.column(column.name)) for column in self._others]
        notes = _ignored({name for name in frame.columns if name not in self._known})
        notes += [_unknown(one, one.values[0]) for one in unknown]
        arrays = _stacked(numbers, len(frame), np.float64), _stacked(codes, len(frame), np.int32)
        return Inputs(arrays, tuple(notes[:_MOST_NOTES]))

    def _require_types(self, frame: pl.DataFrame) -> None:
        """Raise an error for dates and nested values of types that differ from training.

        Damaged values of such types can crash polars.
        """
        for column in self.schema.used:
            if column.name not in frame.columns:
                continue
            kind = frame.schema[column.name]
            found = str(kind).partition("(")[0]
            if (kind.is_temporal() or kind.is_nested() or kind.is_object()) and found != column.type_name:
                reason = f"has type {excerpt(found, 40)}; in training it had type {column.type_name}"
                raise RequestError.of_values([Problem(None, column.name, reason)])


class _Codes(dict[object, int]):
    """The code of each value of a nominal column: 1 + the category's position; 0 if missing, −1 if unknown."""

    def __missing__(self, value: object) -> int:
        return self.get(value_name(value), -1)


def _meant(name: str, given: Iterable[str]) -> str:
    hint = closest(name, list(given)[:_MOST_COMPARED])
    return f".{excerpt(hint, 120)}" if hint else ""


@contextmanager
def _refused() -> Generator[None]:
    """Turn a `DataError` within this context into a `RequestError` (422)."""
    try:
        yield
    except DataError as error:
        raise RequestError(422, excerpt(error, 1000)) from error


def _require_finite(frame: pl.DataFrame) -> None:
    """Raise `RequestError` for infinite numbers, which are mistakes in a request, although files may have them."""
    for series in frame.iter_columns():
        if series.dtype.is_float() and series.is_infinite().any():
            i = int(series.is_infinite().fill_null(False).arg_max() or 0)
            raise RequestError(422, str(infinite_error(series.name, series[i], f"row {i}")))


def _stacked(columns: Sequence[Any], rows: int, dtype: Any) -> np.ndarray:
    """Stack columns into an array (rows, columns)."""
    return np.array(columns, dtype).T.copy() if columns else np.empty((rows, 0), dtype)


def _wrong(column: ColumnSchema, values: Sequence[Any]) -> list[Problem]:
    refused = ((i, value, column.type.refusal(value)) for i, value in enumerate(values))
    found = (Problem(i, column.name, f"{_shown(value)} {why}") for i, value, why in refused if why)
    return list(islice(found, MOST_PROBLEMS))


def _shown(value: Any) -> str:
    """Format a value for an error message: texts as in Python, other values as JSON, shortened."""
    if isinstance(value, str):
        return excerpt(repr(value[:60]), 80)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 64:
        return "a whole number with very many digits"
    if isinstance(value, (list, dict)):
        return "an array" if isinstance(value, list) else "an object"
    return excerpt(msgspec.json.encode(value).decode(), 80)


def _ignored(names: set[str]) -> list[str]:
    if not names:
        return []
    shown = listed(sorted(excerpt(name, 80) for name in names))
    return [f"ignored {counted(len(names), 'column')} that the model was not trained on: {shown}"]


def _unknown(found: Unknown, value: object) -> str:
    more = f" (and {found.rows - 1} more)" if found.rows > 1 else ""
    said = found.said(_shown(value))
    return f"{found.first_row}, column {found.column!r}: {said}; it counts as missing{more}"


# --- The checked rows of a request, in a form that can be joined with other requests' rows ---------------------------


@dataclass(frozen=True)
class Inputs:
    """The inputs of a model for a request.

    Attributes:
        arrays: arrays with rows along the first axis; all requests to a model have the same number and types of arrays.
        notes: remarks for the response, e.g. about ignored columns and unknown values.
    """

    arrays: tuple[np.ndarray, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.arrays[0])


def joined(requests: Sequence[Inputs]) -> list[np.ndarray]:
    """Concatenate the arrays of several requests to a model along the rows.

    >>> joined([Inputs((np.array([1]),)), Inputs((np.array([2, 3]),))])[0].tolist()
    [1, 2, 3]
    """
    if len(requests) == 1:
        return list(requests[0].arrays)
    return [np.concatenate(parts) for parts in zip(*(one.arrays for one in requests), strict=True)]
