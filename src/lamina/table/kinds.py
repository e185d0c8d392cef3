"""Inference of column types: `infer` returns the `Schema` of a training table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeVar, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.messages import being, doing
from lamina.table.columns import Column, as_column, value_name
from lamina.table.distinct import distinct_values
from lamina.table.findings.left_out import total_row
from lamina.table.label_targets import may_be_labels, which_are_labels
from lamina.table.messages import as_kind, closest, is_on_command_line, said_once, warn
from lamina.table.ngram_targets import standardized
from lamina.table.schema import ColumnSchema, Schema, Target, Task, free_name
from lamina.table.tables import Table, as_table, by_column, dense
from lamina.table.target import column_of_target, infer_target, target_values
from lamina.table.types import (
    Boolean,
    Category,
    Composite,
    Fields,
    Mixed,
    Nominal,
    Number,
    Quantity,
    Text,
    ordered_by,
)
from lamina.table.types.base import CHOICES, TYPES, Candidate, Choice, Targets
from lamina.table.types.calendar import intervals_between
from lamina.table.types.unused import Dropped, Missing, Unreadable, Unused
from lamina.table.values import number_in
from lamina.table.written_numbers import SIGN_OF_TABLE, Form

_FEW = 30
"""Maximum number of categories of a column whose effect is subtracted before labels are looked for."""

_MOST_LABELS = 30
"""Maximum number of columns of repeated whole numbers; of more, such as pixels and counts, none are labels."""

_KeyT = TypeVar("_KeyT", bound=Hashable)
_SchemaT = TypeVar("_SchemaT")


def infer(
    data: Any,
    target: Any = None,
    *,
    task: Task | None = None,
    kinds: Mapping[Any, Choice] | None = None,
    dates: str | None = None,
    targets: Targets | None = None,
    folds: np.ndarray | None = None,
    labels: bool = False,
    monotone: Iterable[Any] = (),
) -> Schema:
    """Infer the types of a training table's columns.

    Numbers stay numbers, including integers with few distinct values (use `kinds={"rank": "categorical"}` if
    they are labels, which `labels` finds). Text and categorical types are categories. Text that is mostly numbers with
    very many distinct values counts as numbers, as do formatted numbers (money, percent, units,
    ranges); a few words among numbers become an additional category. Some columns are ignored, with a warning:
    constant columns, columns without values, text that differs in (almost) every row, and row numbers with names such
    as id or index. An array without names keeps all columns, with zeros for constant columns, so that positions in the
    array and in the network are equal.

    Args:
        data: the training table, see `as_table`.
        target: the name of the column to predict; or its values, if they are not in the table; or None.
        task: "classification" or "regression", to override the inferred task.
        kinds: by column name (or position), the column's kind: "numeric", "categorical", "date", "text", "drop", the
            list of its values from lowest to highest, or "ordered" for a known scale (small, medium, large).
        dates: the date format, to override the detected format: "day-first", "month-first", "year-first", or a format
            of `datetime.strptime`; or "s", "ms", "us" or "ns", the unit of numbers since 1970 in columns of kind
            "date", or "excel" for Excel's numbers of days. Columns in other formats are read in the detected format.
        targets: a function that returns the target and the fold of each row (see `lamina.table.ngram_targets`), if
            `target` is None. Codes that hardly repeat are texts if they predict it, else categories, or left out.
        folds: the fold of each row for a trial of codes if `target` is given; None: random.
        labels: whether whole numbers are categories if they name things: rows of a value tell its target, but
            neighbouring values don't (`lamina.table.label_targets`).
        monotone: the names or positions of columns that are no labels, as predictions rise or fall with them.

    Raises:
        DataError: there are fewer than 2 rows, no usable column, or an infinite number in an array; the target is
            absent, missing in a row, constant or of one class. The message names the column, the first affected row,
            and a remedy.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"age": [39, 50, 38], "sex": ["M", "F", None], "y": [0.5, 1.0, 2.5]})
        >>> schema = infer(frame, "y")
        >>> [(column.name, column.kind, column.missing) for column in schema.columns]
        [('age', 'numeric', 0), ('sex', 'categorical', 1)]
        >>> schema.target.task
        'regression'
    """
    table = as_table(data)
    _require_size(table)
    choices = choices_of(table, kinds or {})
    column = column_of_target(table, target)
    if (total := total_row(table)) is not None:
        warn(total.message)
    own = target if isinstance(target, str) else None
    if table.matrix is not None and own is None:
        found = None if column is None else infer_target(column, task)
        columns = _matrix_columns(table.matrix, table.names, choices, dates)
        return schema_of(columns, table.rows, named=table.named, target=found)
    names = [name for name in table.names if name != own]
    places = {name: place for place, name in enumerate(names)}

    def understood() -> tuple[Target | None, Targets | None]:
        if column is None:
            return None, targets
        found = infer_target(column, task)
        return found, partial(targets_of, found, column, folds)

    def judge(name: str, known: Targets | None) -> ColumnSchema:
        doing(f"recognizing columns: {places[name]} of {len(names)}")
        return judged(table.column(name), choices.get(name), table.named, dates, known)

    found, columns, targets = judged_together(understood, judge, names)
    if labels and targets:
        columns = with_labels(table, columns, targets, (*choices, *monotone))
    return schema_of(columns, table.rows, named=table.named, target=found)


def with_labels(
    table: Table, columns: Sequence[ColumnSchema], targets: Targets, fixed: Iterable[Any]
) -> list[ColumnSchema]:
    """The schemas of a table's columns, of categories where these are numbers that name things.

    `fixed` has the names or positions of columns that stay as they are.
    """
    numbers = [one for one in columns if type(one.type) is Number]
    others = {name_of(key, [one.name for one in columns]) for key in fixed}
    able = [
        j for j, one in enumerate(numbers) if one.name not in others and may_be_labels(_numbers(one, table))
    ]
    if not 0 < len(able) <= _MOST_LABELS:
        return [*columns]
    few = [one for one in columns if isinstance(one.type, Nominal) and len(one.categories) <= _FEW]
    codes = [distinct_values(table.column(one.name))[1] for one in few]
    values = [_numbers(one, table) for one in numbers]
    found = dict[str, ColumnSchema]()
    for j in which_are_labels(able, targets()[0], values, codes):
        known = Category().learn(table.column(numbers[j].name), named=True)
        found[known.name] = replace(known, reason="numbers that name things")
    return [found.get(one.name, one) for one in columns]


def _numbers(known: ColumnSchema, table: Table) -> np.ndarray:
    return known.type.fitted(known.name, table.column(known.name)).numbers()


def targets_of(
    target: Target, column: Column, folds: np.ndarray | None = None, rows: int = 0
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """The target of each row as regressions need it, see `standardized`, its fold, and the number of all rows."""
    classes = len(target.classes) or None
    return standardized(target_values(target, column), classes), folds, rows or len(column)


def judged_together(
    understood: Callable[[], tuple[Target | None, Targets | None]],
    judge: Callable[[str, Targets | None], _SchemaT],
    names: Iterable[str],
) -> tuple[Target | None, list[_SchemaT], Targets | None]:
    """A table's target, the schemas of its columns, and the target of each row, which judges codes.

    Args:
        understood: infers the target, with a function that returns it for each row, if there is one.
        judge: infers a column's schema by its name; see also `with_one_sign`.
        names: the names of the columns.
    """
    targets: Targets | None = None

    def one(name: str | None) -> Any:
        nonlocal targets
        if name is not None:
            return judge(name, targets)
        target, found = understood()
        targets = found and cache(found)
        return target

    target, *columns = with_one_sign(one, [None, *names])
    return target, columns, targets


def with_one_sign(judge: Callable[[_KeyT], Any], keys: Iterable[_KeyT]) -> list[Any]:
    """The results of `judge`: the schemas of a table's columns, its target, or reasons to refuse a column.

    Where some columns tell the decimal sign of their numbers, and all of these have the same, it is that of the columns
    that don't: 1,347 beside 28,9 is a little more than 1. Numbers that are stored as such tell less of how texts are
    written: beside them, 1.347 € and 987 € are thousands as before.
    """
    with said_once():
        found = {key: judge(key) for key in keys}
        signs = {sign for one in found.values() if (sign := _sign_told(one))}
        by_texts = any(_form_of(one) and _sign_told(one) for one in found.values())
        open_to = ("custom", "groups") if by_texts else ("custom",)
        unsure = [key for key, one in found.items() if (form := _form_of(one)) and form.decimal_by in open_to]
        if unsure and len(signs) == 1:
            with being(SIGN_OF_TABLE, *signs):
                found |= {key: judge(key) for key in unsure}
        return [*found.values()]


def _form_of(one: Any) -> Form | None:
    """The format of a column's or target's numbers in texts."""
    form = one.form if isinstance(one, Target) else getattr(one, "type", None)
    return form if isinstance(form, Form) and form.like else None


def _sign_told(one: Any) -> str:
    """The decimal sign that a column or target tells; empty if it tells none, as 1:20.5, which has a point anywhere."""
    if (form := _form_of(one)) is not None:
        return form.decimal if form.decimal_by == "column" and ":" not in form.like else ""
    if isinstance(one, ColumnSchema) and one.categories:
        has_points = any("." in name for name in one.categories)
        return "." if has_points and all(number_in(name) is not None for name in one.categories) else ""
    if isinstance(one, ColumnSchema) and isinstance(one.type, Number | Mixed):
        one = [*one.parts, one][0]
    elif not isinstance(one, Target):
        return ""
    return "." if any(limit is not None and limit % 1 for limit in (one.low, one.high)) else ""


def schema_of(columns: list[ColumnSchema], rows: int, *, named: bool, target: Target | None) -> Schema:
    """The schema of a table with inferred columns; warns about ignored columns.

    Raises:
        DataError: all columns are ignored.
    """
    _report_left_out(columns)
    if not any(column.used for column in columns):
        raise DataError(
            f"none of the {len(columns)} columns can be learned from: "
            + "; ".join(f"{column.name!r} is {column.kind}" for column in columns[:10])
        )
    parted = tuple(_parts_of_their_own(columns))
    taken = {part.name for column in parted for part in (column, *column.parts)}
    intervals = [replace(one, name=free_name(one.name, taken)) for one in intervals_between(parted)]
    return Schema(parted, rows, named, target, tuple(intervals))


def _parts_of_their_own(columns: list[ColumnSchema]) -> Iterator[ColumnSchema]:
    """The columns; parts are renamed if another column has the same name."""
    taken = {column.name for column in columns}
    for column in columns:
        names = [one.name if one.name == column.name else free_name(one.name, taken) for one in column.parts]
        parts = (replace(part, name=name) for part, name in zip(column.parts, names, strict=True))
        yield replace(column, parts=tuple(parts)) if column.parts else column


def _require_size(table: Table) -> None:
    if not table.names:
        raise DataError(
            f"Found 0 feature(s) (shape=({table.rows}, 0)) while a minimum of 1 is required: "
            "the table has no columns"
        )
    if table.rows < 2:
        rows = "no rows (0 samples)" if table.rows == 0 else "only 1 row (1 sample)"
        raise DataError(f"the table has {rows}; training needs at least 2")


def name_of(key: Any, names: Sequence[str]) -> str:
    """The name of the column that `key` selects by position or name.

    >>> name_of(1, ["a", "b"]), name_of("a", ["a", "b"]), name_of(2024, ["2024"])
    ('b', 'a', '2024')
    """
    is_position = isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < len(names)
    return names[int(key)] if is_position else str(key)


def kind_of_no_column(name: str, choice: Choice, names: Sequence[str]) -> DataError:
    """The error for a kind chosen for a column that the table lacks.

    >>> raise kind_of_no_column("zipp", "drop", ["zip"])
    Traceback (most recent call last):
    lamina.errors.DataError: kinds names a column 'zipp' that the table does not have. Did you mean 'zip'?
    """
    said = as_kind(name, choice) if is_on_command_line() else "kinds"
    return DataError(f"{said} names a column {name!r} that the table does not have.{closest(name, names)}")


def choices_of(table: Table, kinds: Mapping[Any, Choice]) -> dict[str, Choice]:
    """The kinds that the user chose, by column name; raises `DataError` for unknown columns and kinds."""
    choices: dict[str, Choice] = {}
    for key, choice in kinds.items():
        name = name_of(key, table.names)
        if name not in table:
            raise kind_of_no_column(name, choice, table.names)
        choices[name] = _choice(name, choice)
    return choices


def _choice(name: str, choice: Any) -> Choice:
    if isinstance(choice, list | tuple) and len(set(map(value_name, choice))) == len(choice) > 1:
        return tuple(map(value_name, choice))
    if isinstance(choice, str) and choice in CHOICES:
        return cast(Choice, choice)
    raise DataError(
        f"kinds[{name!r}] must be one of {', '.join(map(repr, CHOICES))}, or a list of different values in their "
        f"order, not {choice!r}"
    )


def _report_left_out(columns: list[ColumnSchema]) -> None:
    for kind in reversed(TYPES):
        alike = [column for column in columns if column.type.tag == kind]
        if alike and isinstance(alike[0].type, Unused) and alike[0].type.adjective:
            warn(alike[0].type.warning([column.name for column in alike]))


def judged(
    column: Column,
    choice: Choice | None,
    named: bool,
    dates: str | None = None,
    targets: Targets | None = None,
    rows: Column | None = None,
) -> ColumnSchema:
    """The schema of a column.

    `choice` and `dates` are the kind and the date format that the user chose, or None; for `targets` and `rows` see
    `Candidate`.
    """
    if choice == "drop":
        return ColumnSchema(column.name, Dropped(), column.type_name)
    if _has_no_value(column):
        return _without_value(column, named)
    if column.storage == "other":
        return Unreadable().schema_of(column)
    if choice in ("categorical", "text"):
        nominal = Boolean() if column.storage == "boolean" else Category()
        told = nominal if choice == "categorical" else Text()
        return replace(told.learn(column, named), reason="as requested")
    order = column.order if choice is None else choice
    if order == "ordered" or (order and not isinstance(order, str)):
        return ordered_by(column, None if order == "ordered" else order, named)
    candidate = Candidate(column, choice, named, dates, targets, rows)
    try:
        return next(filter(None, (kind.recognize(candidate) for kind in reversed(TYPES.values()))))
    except DataError as error:
        fields = (kind for kind in TYPES.values() if isinstance(kind, Fields))
        found = next((kind for kind in fields if candidate.first.are_most(kind.looks_like)), None)
        if choice is None or found is None:
            raise
        said = f"column {column.name!r} holds {found.plural}, which need no kind: leave out"
        other = as_kind(column.name, "categorical")
        raise DataError(f"{said} {as_kind(column.name, choice)}, or use {other}") from error


def _has_no_value(column: Column) -> bool:
    return column.storage == "empty" or column.missing() == len(column)


def _without_value(column: Column, named: bool) -> ColumnSchema:
    return ColumnSchema(column.name, Missing() if named else Number(), column.type_name, len(column))


def relearned(schema: Schema, data: Any) -> Schema:
    """The schema of a subset of a table's rows.

    The types are those of `schema`; ranges and categories are computed anew.

    Raises:
        DataError: all columns are constant.
    """
    table = as_table(data)
    _require_size(table)
    columns = [_relearned(known, table.column(known.name), table.named) for known in schema.columns]
    found = schema_of(columns, table.rows, named=table.named, target=schema.target)
    return found if schema.intervals else replace(found, intervals=())


def _relearned(known: ColumnSchema, column: Column, named: bool) -> ColumnSchema:
    if not isinstance(known.type, Quantity | Nominal | Composite):
        return known
    found = _without_value(column, named) if _has_no_value(column) else known.type.learn(column, named)
    return replace(found, reason=known.reason)


def _matrix_columns(
    matrix: Any, names: tuple[str, ...], choices: dict[str, Choice], dates: str | None
) -> list[ColumnSchema]:
    """The schemas of a numeric array's columns; ranges are computed for all columns at once."""
    # The extremes are NaN or infinite if the column has such a value.
    matrix = by_column(matrix)
    low, high = (dense(extreme).ravel() for extreme in (matrix.min(axis=0), matrix.max(axis=0)))
    type_name, alike = str(matrix.dtype), as_column(np.empty(0, matrix.dtype))
    number = Number(alike.dtype, alike.whole)
    columns: list[ColumnSchema] = []
    for i, name in enumerate(names):
        if name not in choices and np.isfinite(low[i]) and np.isfinite(high[i]):
            columns.append(ColumnSchema(name, number, type_name, low=float(low[i]), high=float(high[i])))
            continue
        values = dense(matrix[:, [i]]).ravel()
        column = as_column(values, name)
        if name in choices:
            columns.append(judged(column, choices[name], named=False, dates=dates))
        else:
            columns.append(Number().learned(column, values, named=False))
    return columns
