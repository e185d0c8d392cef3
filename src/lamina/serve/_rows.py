"""Values of a table from strangers, checked against the schema: numbers and codes, or what is wrong where.

JSON has types, and they are meant: a number is a number, not a text that looks like one. Text formats have none, and
`lamina.table.check` finds out what they hold, as it does for files.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.files.limits import untrusted
from lamina.messages import excerpt
from lamina.runs.data import by_position
from lamina.serve._errors import MOST_PROBLEMS, Problem, RequestError
from lamina.serve._inputs import Inputs
from lamina.table.check import check, table_of
from lamina.table.columns import is_missing, named, value_name
from lamina.table.messages import closest, counted, listed, rows_called
from lamina.table.schema import ColumnSchema, Schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TableRows"]

_NUMBERS = {int, float, type(None)}
_MOST_NOTES = 10
_MOST_COMPARED = 200
"""Names of a request, which may have very many, that are compared with one that is not there."""


class TableRows:
    """What rows of a table hold, for a model with this schema.

    `Inputs` of a table are numbers, float64 (rows, numeric columns), NaN where missing; and codes, int32 (rows, other
    columns): 0 for missing and for values that training did not have, else 1 + the category's position.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._numeric, self._others = schema.quantities, schema.nominals
        self._numbers = _getter([column.name for column in self._numeric])
        self._names = {column.name for column in schema.used}
        known = {column.name for column in schema.columns}
        self._known = known | ({schema.target.name} if schema.target else set())
        self._codes = {
            column.name: {name: code for code, name in enumerate(column.categories, start=1)}
            for column in self._others
        }
        self._values = {column.name: column.type.values(column.categories) for column in self._others}

    # --- from JSON -----------------------------------------------------------------------------------------------

    def as_objects(self, rows: list[Any]) -> list[Any]:
        """Rows whose values are arrays, which they may be where training had no names, as objects; others as they are.

        Raises:
            RequestError: 422, an array of another length.
        """
        if self.schema.named or list not in map(type, rows):
            return rows
        names = [column.name for column in self.schema.columns]
        wrong = [
            Problem(i, None, f"has {counted(len(row), 'value')}; the model takes {len(names)}")
            for i, row in enumerate(rows)
            if type(row) is list and len(row) != len(names)
        ]
        if wrong:
            raise RequestError.of_values(wrong)
        return [dict(zip(names, row, strict=True)) if type(row) is list else row for row in rows]

    def of_objects(self, rows: Sequence[dict[str, Any]]) -> Inputs:
        """Rows that are objects, each with all columns.

        Raises:
            RequestError: 422, with the rows and columns where something is wrong.
        """
        try:
            tuples = [self._numbers(row) for row in rows]
            others = [[row[column.name] for row in rows] for column in self._others]
        except KeyError:
            raise RequestError.of_values(list(self._lacking(rows))) from None
        are_numbers = set(map(type, chain.from_iterable(tuples))) <= _NUMBERS
        numbers = self._block(tuples) if are_numbers else None
        if numbers is None:
            columns = [[values[j] for values in tuples] for j in range(len(self._numeric))]
            numbers = self._numbers_of(columns, others)
        extra = {
            name for row in rows if len(row) > len(self._names) for name in row if name not in self._known
        }
        return self._inputs(numbers, others, extra)

    def _block(self, tuples: Sequence[tuple[Any, ...]]) -> np.ndarray | None:
        """All numbers at once; None if one of them is beyond float64."""
        try:
            return np.array(tuples, np.float64).reshape(len(tuples), len(self._numeric))
        except OverflowError:
            return None

    def _lacking(self, rows: Sequence[dict[str, Any]]) -> Iterable[Problem]:
        lacking = (
            (i, row, column.name)
            for i, row in enumerate(rows)
            for column in self.schema.used
            if column.name not in row
        )
        for i, row, name in islice(lacking, MOST_PROBLEMS):
            yield Problem(i, name, f"is not there (null says that it is missing){_meant(name, row)}")

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> Inputs:
        """Columns that are arrays of one length.

        Raises:
            RequestError: 422, as `of_objects`.
        """
        absent = [column.name for column in self.schema.used if column.name not in columns]
        if absent:
            raise RequestError.of_values(
                [Problem(None, name, f"is not there{_meant(name, columns)}") for name in absent]
            )
        lengths = {name: len(values) for name, values in columns.items()}
        first = self.schema.used[0].name
        uneven = [name for name, length in lengths.items() if length != lengths[first]]
        if uneven:
            what = f"has {counted(lengths[uneven[0]], 'value')}, but {first!r} has {lengths[first]:,}"
            raise RequestError.of_values([Problem(None, uneven[0], what)])
        others = [list(columns[column.name]) for column in self._others]
        numbers = self._numbers_of([columns[column.name] for column in self._numeric], others)
        return self._inputs(numbers, others, {name for name in columns if name not in self._known})

    def _numbers_of(self, columns: Sequence[Sequence[Any]], others: Sequence[Sequence[Any]]) -> np.ndarray:
        """(rows, numeric columns); if one value is wrong, all wrong ones are found, also those of `others`."""
        problems: list[Problem] = []
        arrays: list[np.ndarray] = []
        for column, given in zip(self._numeric, columns, strict=True):
            found = column.type.from_json(given)
            if found is None:
                problems += _wrong(column, given)
            else:
                arrays.append(found)
        if problems:
            raise RequestError.of_values(
                [*problems, *(problem for _, found in self._checked(others) for problem in found)]
            )
        rows = len(others[0]) if others else len(columns[0])
        return np.column_stack(arrays) if arrays else np.empty((rows, 0))

    def _checked(self, others: Sequence[Sequence[Any]]) -> Iterable[tuple[Sequence[Any], list[Problem]]]:
        """Each column of categories with what is wrong in it."""
        for column, values in zip(self._others, others, strict=True):
            fits = set(map(type, values)) <= column.type.json_types
            yield values, [] if fits else _wrong(column, values)

    def _beyond(self, numbers: np.ndarray) -> Iterable[Problem]:
        """Numbers that are no times or dates where training had such."""
        for j, column in enumerate(self._numeric):
            if not column.type.takes_any_number:
                for i in np.flatnonzero(column.type.are_beyond(numbers[:, j]))[:MOST_PROBLEMS].tolist():
                    what = f"{value_name(numbers[i, j])} {column.type.refusal_of_numbers}"
                    yield Problem(i, column.name, what)

    def _inputs(self, numbers: np.ndarray, others: Sequence[Sequence[Any]], extra: set[str]) -> Inputs:
        problems = list(self._beyond(numbers))
        problems += [problem for _, found in self._checked(others) for problem in found]
        if problems:
            raise RequestError.of_values(problems)
        notes = _ignored(extra)
        codes = np.zeros((len(numbers), len(self._others)), np.int32)
        for j, (column, values) in enumerate(zip(self._others, others, strict=True)):
            known = self._codes[column.name]
            found = [0 if value is None else known.get(value_name(value), -1) for value in values]
            codes[:, j] = found
            if -1 in found:
                i = found.index(-1)
                notes.append(_unknown(i, column.name, values[i], found.count(-1)))
        return Inputs((numbers, np.maximum(codes, 0)), tuple(notes[:_MOST_NOTES]))

    # --- from formats of files -----------------------------------------------------------------------------------

    def of_frame(self, frame: pl.DataFrame) -> Inputs:
        """A table that was read from text or from a format with types of its own.

        Raises:
            RequestError: 422, for the first value that is wrong.
        """
        with _refused():
            frame = by_position(self.schema, frame)
        self._require_types(frame)
        given = frame.select(named([name for name in frame.columns if name in self._known]))
        with rows_called("row {}".format), _refused(), untrusted("the values can't be read"):
            table = check(self.schema, given)
            numbers = [table.column(column.name).numbers() for column in self._numeric]
            found = [self._coded(column, table.column(column.name)) for column in self._others]
        notes = _ignored({name for name in frame.columns if name not in self._known})
        notes += [note for _, note in found if note]
        rows = len(frame)
        block = np.column_stack(numbers) if numbers else np.empty((rows, 0))
        codes = np.column_stack([codes for codes, _ in found]) if found else np.empty((rows, 0), np.int32)
        return Inputs((block.astype(np.float64, copy=False), codes), tuple(notes[:_MOST_NOTES]))

    def _require_types(self, frame: pl.DataFrame) -> None:
        """Dates and what is nested are looked at only where training had the same: damaged ones make polars panic."""
        for column in self.schema.used:
            if column.name not in frame.columns:
                continue
            kind = frame.schema[column.name]
            found = str(kind).partition("(")[0]
            if (kind.is_temporal() or kind.is_nested() or kind.is_object()) and found != column.type_name:
                reason = f"has type {excerpt(found, 40)}; the model was trained on {column.type_name} there"
                raise RequestError.of_values([Problem(None, column.name, reason)])

    def _coded(self, column: ColumnSchema, found: Any) -> tuple[np.ndarray, str]:
        known = self._codes[column.name]
        unknown: list[object] = []

        def code(value: object) -> float:
            name = value_name(value)
            if name in known:
                return known[name]
            if not is_missing(value):
                unknown.append(value)
            return 0

        codes = found.mapped(code, np.int32)
        if not unknown:
            return codes, ""
        return codes, _unknown(found.row_of(unknown[0]), column.name, unknown[0], 0)

    # --- for the encoder -----------------------------------------------------------------------------------------

    def table(self, arrays: Sequence[np.ndarray]) -> Any:
        """What the arrays of `Inputs` stand for, as the model's encoder takes it."""
        numbers, codes = arrays
        columns = {column.name: numbers[:, j] for j, column in enumerate(self._numeric)}
        for j, column in enumerate(self._others):
            columns[column.name] = self._values[column.name][codes[:, j]]
        in_order = {column.name: columns[column.name] for column in self.schema.used}
        return table_of(in_order, None if self._others else numbers)


def _meant(name: str, given: Iterable[str]) -> str:
    hint = closest(name, list(given)[:_MOST_COMPARED])
    return f".{excerpt(hint, 120)}" if hint else ""


@contextmanager
def _refused() -> Generator[None]:
    """What is wrong with data is wrong with the request."""
    try:
        yield
    except DataError as error:
        raise RequestError(422, excerpt(error, 1000)) from error


def _getter(names: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if not names:
        return lambda row: ()
    get = itemgetter(*names)
    return get if len(names) > 1 else lambda row: (get(row),)


def _wrong(column: ColumnSchema, values: Sequence[Any]) -> list[Problem]:
    refused = ((i, value, column.type.refusal(value)) for i, value in enumerate(values))
    found = (Problem(i, column.name, f"{_shown(value)} {why}") for i, value, why in refused if why)
    return list(islice(found, MOST_PROBLEMS))


def _shown(value: Any) -> str:
    """A value as JSON has it, not endless; texts as Python has them."""
    if isinstance(value, str):
        return excerpt(repr(value[:60]), 80)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 64:
        return "a whole number of very many digits"
    if isinstance(value, (list, dict)):
        return "an array" if isinstance(value, list) else "an object"
    return excerpt(msgspec.json.encode(value).decode(), 80)


def _ignored(names: set[str]) -> list[str]:
    if not names:
        return []
    shown = listed(sorted(excerpt(name, 80) for name in names))
    return [f"ignored {counted(len(names), 'column')} that the model was not trained on: {shown}"]


def _unknown(row: int, name: str, value: object, count: int) -> str:
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{Problem(row, name, f'training did not have {_shown(value)}; it counts as missing')}{more}"
