"""Validation of rows from untrusted clients against a table's schema, and conversion to numbers and codes.

In JSON, a number must be a JSON number, rather than a text that looks like one. Text formats such as CSV have no types;
`lamina.table.check` infers the types, as for files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from operator import getitem
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
        known = {column.name for column in schema.columns}
        self._known = known | ({schema.target.name} if schema.target else set())
        by_type: dict[ColumnType, list[ColumnSchema]] = {}
        for column in schema.used:
            by_type.setdefault(column.type, []).append(column)
        kinds = sorted(by_type, key=_order)
        columns = [column for kind in kinds for column in by_type[kind]]
        ends = [*accumulate(len(by_type[kind]) for kind in kinds)]
        groups = [*zip(kinds, map(slice, [0, *ends], ends), strict=True)]
        self._quantities = [
            (kind, part, _positions(columns[part], self._numeric))
            for kind, part in groups
            if isinstance(kind, Quantity)
        ]
        self._checked = [(kind, part) for kind, part in groups if isinstance(kind, OfJson)]
        first, last = (sum(_order(one.type) < order for one in columns) for order in (1, 2))
        self._nominals = slice(first, last)
        self._coded = _positions(columns[first:last], self._others)
        self._codes = [_Codes({None: 0, **column.codes}) for column in columns[first:last]]
        self._composites = [column for column in columns if isinstance(column.type, Composite)]
        self._names = [column.name for column in columns]
        self._places = {name: i for i, name in enumerate(self._names)}
        self._positions = [schema.positions[name] for name in self._names]
        self._in_order = self._positions == list(range(len(schema.columns)))

    # --- from JSON -----------------------------------------------------------------------------------------------

    def require_values(self, rows: Sequence[Any]) -> None:
        """Raise `RequestError` (422) unless rows are objects, or, of columns without names, arrays of their number."""
        kinds, width = set(map(type, rows)), len(self.schema.columns)
        if kinds == {dict}:
            return
        arrays = [] if self.schema.named or list not in kinds else rows
        wrong = [
            Problem(i, None, f"has {counted(len(row), 'value')}; the model has {width} columns")
            for i, row in enumerate(arrays)
            if type(row) is list and len(row) != width
        ]
        taken = (dict,) if self.schema.named else (dict, list)
        wrong = wrong or [
            Problem(i, None, "is not an object") for i, row in enumerate(rows) if type(row) not in taken
        ]
        if wrong:
            raise RequestError.of_values(wrong)

    def of_objects(self, rows: Sequence[Any]) -> Inputs:
        """Convert rows that `require_values` accepts to inputs.

        Raises:
            RequestError: 422, values are missing or invalid; the error has their rows and columns.
        """
        try:
            given = [self._values(row) for row in rows]
        except KeyError:
            raise RequestError.of_values(list(self._lacking(rows))) from None
        more = (row for row in rows if type(row) is dict and len(row) > len(self._names))
        return self._inputs(given, {name for row in more for name in row if name not in self._known})

    def _values(self, row: Any) -> Sequence[Any]:
        """The values of a row, in the order of `_names`."""
        if type(row) is dict:
            return tuple(map(row.__getitem__, self._names))
        return row if self._in_order else tuple(map(row.__getitem__, self._positions))

    def _lacking(self, rows: Sequence[dict[str, Any]]) -> Iterable[Problem]:
        lacking = (
            (i, row, column.name)
            for i, row in enumerate(rows)
            for column in self.schema.used
            if column.name not in row
        )
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
        rows = [*zip(*map(columns.__getitem__, self._names), strict=True)]
        return self._inputs(rows, {name for name in columns if name not in self._known})

    def _inputs(self, rows: Sequence[Sequence[Any]], extra: set[str]) -> Inputs:
        """Check rows of values, in the order of `_names`, and convert them to inputs.

        `extra` has the names of columns that are ignored. Raises a `RequestError` that names all invalid values.
        """
        numbers = np.empty((len(rows), len(self._numeric)))
        for kind, part, positions in self._quantities:
            found = kind.from_json(_flat(rows, part))
            if found is None:
                raise self._refused(rows)
            numbers[:, positions] = found.reshape(len(rows), -1)
        if not all(kind.takes(_flat(rows, part)) for kind, part in self._checked):
            raise self._refused(rows)
        codes = np.zeros((len(rows), len(self._others)), np.int32)
        notes = _ignored(extra)
        if self._codes:
            codes[:, self._coded] = [[*map(getitem, self._codes, row[self._nominals])] for row in rows]
            if (codes < 0).any():
                notes += self._not_known(rows, codes)
                np.maximum(codes, 0, out=codes)
        if self._composites:
            notes += self._compose(rows, numbers, codes)
        return Inputs((numbers, codes), tuple(notes[:_MOST_NOTES]))

    def _column(self, rows: Sequence[Sequence[Any]], name: str) -> list[Any]:
        i = self._places[name]
        return [row[i] for row in rows]

    def _refused(self, rows: Sequence[Sequence[Any]]) -> RequestError:
        """The error that names all invalid values."""
        columns = sorted(self.schema.used, key=lambda column: _order(column.type))
        return RequestError.of_values(
            [problem for column in columns for problem in _wrong(column, self._column(rows, column.name))]
        )

    def _not_known(self, rows: Sequence[Sequence[Any]], codes: np.ndarray) -> Iterable[str]:
        """A note for each column with unknown categories, whose codes are −1."""
        for column, found in zip(self._others, (codes < 0).T, strict=True):
            if found.any():
                i = int(found.argmax())
                value = rows[i][self._places[column.name]]
                yield _unknown(Unknown(column.name, (), f"row {i}"), value, int(found.sum()))

    def _compose(
        self, rows: Sequence[Sequence[Any]], numbers: np.ndarray, codes: np.ndarray
    ) -> Iterable[str]:
        """Write the parts of composite columns, and intervals, into `numbers` and `codes`; return notes."""
        parts: dict[str, Any] = {}
        with rows_called("row {}".format), unknown_values(self.schema.owners) as unknown:
            for column in self._composites:
                values = self._column(rows, column.name)
                try:
                    parts |= self._split(column, values)
                except DataError as error:
                    raise self._not_split(column, values) from error
        for one in self.schema.intervals:
            parts[one.name] = one.type.between(parts.__getitem__)
        for columns, array in ((self._numeric, numbers), (self._others, codes)):
            for j, column in enumerate(columns):
                if column.name in parts:
                    array[:, j] = parts[column.name]
        return [_unknown(one, one.values[0]) for one in unknown]

    @staticmethod
    def _split(column: ColumnSchema[Composite], values: Sequence[Any]) -> dict[str, Any]:
        """The numbers and codes of a composite column's parts, by name."""
        found = zip(
            column.parts, column.type.split(column, as_column(list(values), column.name)), strict=True
        )
        return {
            part.name: part.type.fitted(part.name, one).numbers()
            if isinstance(part.type, Quantity)
            else category_codes(part, part.type.fitted(part.name, one))
            for part, one in found
            if isinstance(part.type, (Quantity, Nominal))
        }

    def _not_split(self, column: ColumnSchema[Composite], values: Sequence[Any]) -> RequestError:
        """The error that names each composite value that can't be split."""
        problems: list[Problem] = []
        for i, value in enumerate(values):
            try:
                self._split(column, [value])
            except DataError as error:
                problems.append(Problem(i, column.name, excerpt(error, 1000).replace(" in row 0 ", " ")))
        return RequestError.of_values(problems)

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


def _order(kind: ColumnType) -> int:
    """The place of a type's columns among a row's values: quantities, nominal columns, composite columns."""
    return 0 if isinstance(kind, Quantity) else 1 if isinstance(kind, Nominal) else 2


def _positions(columns: Iterable[ColumnSchema], among: Iterable[ColumnSchema]) -> list[int]:
    places = {column.name: i for i, column in enumerate(among)}
    return [places[column.name] for column in columns]


class _Codes(dict[Any, int]):
    """The code of each value of a nominal column: 1 + the category's position; 0 if missing, −1 if unknown."""

    def __missing__(self, value: Any) -> int:
        return self.get(value_name(value), -1)


def _flat(rows: Iterable[Sequence[Any]], part: slice) -> list[Any]:
    return [*chain.from_iterable([row[part] for row in rows])]


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


def _unknown(found: Unknown, value: object, count: int = 1) -> str:
    more = f" (and {count - 1} more)" if count > 1 else ""
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
