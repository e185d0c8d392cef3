"""The target of a table: its task, its classes, and its values as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.table import TASKS, Task
from lamina.table.columns import Column, as_column, value_name
from lamina.table.dates import is_date
from lamina.table.messages import as_option, closest, counted, listed, row, shown, warn
from lamina.table.schema import Target
from lamina.table.tables import Table
from lamina.table.types import Candidate
from lamina.table.types.base import but_holds
from lamina.table.types.category import warn_of_spellings
from lamina.table.types.mixed import few_words
from lamina.table.types.written_number import form_of_column
from lamina.table.values import mean_of
from lamina.table.written_numbers import Form, described, number_in_form

FEW_CLASSES = 20
"""Integers with at most this many distinct values, and at least 5 rows each on average, are classes."""

MOST_CLASSES = 1000
"""Maximum number of classes; each is a network output and a column of probabilities."""


def column_of_target(table: Table, target: Any) -> Column | None:
    """The target's column, from its name or its values; None without a target.

    Raises:
        DataError: the column does not exist (the message lists the columns and the nearest name), or the number of
            values differs from the number of rows.
    """
    if target is None:
        return None
    if isinstance(target, str) and target not in table:
        raise no_target_error(target, table.names)
    column = table.column(target) if isinstance(target, str) else as_column(target)
    if len(column) != table.rows:
        raise DataError(f"the target has {len(column)} values, but the table has {table.rows} rows")
    return column


def no_target_error(name: str, names: Sequence[str]) -> DataError:
    """The error for a target that is not among a table's columns."""
    return DataError(
        f"there is no column {name!r} to predict.{closest(name, names)} The table has {listed(names, limit=20)}"
    )


def infer_target(column: Column, task: Task | None = None) -> Target:
    """Infer a target's task, and its classes or range.

    Texts and booleans are classes, as are integers with few distinct values (see `FEW_CLASSES`); other numbers are a
    regression, and so are texts with more than two amounts of money, percent, units or thousands. `task`
    overrides this.

    Raises:
        DataError: values are missing, infinite, dates, times, constant or of a single class; there are almost as many
            classes as rows or more than `MOST_CLASSES`; or the values don't allow the task. The message names the
            column and a row.

    >>> from lamina.table.columns import as_column
    >>> infer_target(as_column(["no", "yes", "no"])).classes
    ('no', 'yes')
    >>> infer_target(as_column([0.5, 1.25, 3.0])).task
    'regression'
    """
    if task is not None and task not in TASKS:
        raise DataError(f"task must be 'classification' or 'regression', not {task!r}")
    _require_values(column)
    form = None if task == "classification" else _form(column, task)
    if column.storage == "number":
        inferred, reason = _task_of_numbers(column)
    elif form is not None:
        inferred, reason = "regression", described(form)
    else:
        inferred, reason = "classification", f"{column.storage} values"
    if task is not None:
        inferred, reason = task, "chosen"
    elif inferred == "classification" and column.storage == "text" and (words := few_words(column)):
        said = but_holds(column, "holds numbers", words)
        remedy = (
            f"leave such rows out, or use {as_option('task', 'classification')} if all values are classes"
        )
        raise DataError(f"the target {said}; {remedy}")
    elif inferred == "regression" and form is None and _may_be_classes(column):
        warn(
            f"the target {column.name!r} has {column.distinct():,} distinct values, all whole numbers but written with "
            f"decimals; if they are classes, add {as_option('task', 'classification')}"
        )
    return _classes(column, reason) if inferred == "classification" else _range(column, reason, form)


def _form(column: Column, task: Task | None) -> Form | None:
    """The number format of a text target, if all texts are numbers; otherwise None.

    The result is also None if the texts are ranges or fractions that are few enough to be classes, or only two.
    """
    form = form_of_column(Candidate(column, None, named=True))
    most = FEW_CLASSES if form and form.names_classes else 2
    if form is None or (task is None and column.distinct() <= most):
        return None
    other = column.first_where(lambda value: number_in_form(value_name(value), form) is None)
    return form if other is None else None


def _require_values(column: Column) -> None:
    if column.storage in ("date", "time", "duration", "other"):
        remedy = "derive classes or numbers from it first"
        raise _refused(
            column, f"has type {column.type_name}, which can be neither classes nor numbers; {remedy}"
        )
    missing = column.missing()
    if missing == len(column):
        raise no_values(column.name, len(column))
    if missing:
        rows, first = counted(len(column), "row"), row(column.first_missing())
        raise _refused(column, f"is missing in {missing:,} of {rows}, first in {first}; leave those rows out")
    if column.storage == "number" and not np.isfinite(column.numbers()).all():
        raise infinite_target(column, int(np.argmin(np.isfinite(column.numbers()))))


def _refused(column: Column, said: str) -> DataError:
    """The error for a target that can't be learned."""
    return DataError(f"the target {column.name!r} {said}")


def infinite_target(column: Column, index: int) -> DataError:
    """The error for a target with an infinite number in the row `index`."""
    return _refused(column, f"is infinite in {row(index)}; correct it or leave the row out")


def no_values(name: str, rows: int) -> DataError:
    """The error for a target without values."""
    return DataError(f"the target {name!r} has no values ({rows:,} rows, all missing)")


def _task_of_numbers(column: Column) -> tuple[Task, str]:
    distinct = column.distinct()
    if column.numbers().dtype.kind == "f":
        return "regression", f"floating-point numbers with {distinct:,} distinct values"
    if _are_few(column):
        return "classification", f"integers with {distinct:,} distinct values"
    return "regression", f"integers with {distinct:,} distinct values"


def _are_few(column: Column) -> bool:
    """Whether there are as few distinct values as classes have."""
    distinct = column.distinct()
    return distinct <= 2 or (distinct <= FEW_CLASSES and 5 * distinct <= len(column))


def _may_be_classes(column: Column) -> bool:
    """Whether floating-point numbers are as whole and few as classes; gaps in a table make 0.0 and 1.0 of 0 and 1."""
    values = column.numbers()
    return (
        values.dtype.kind == "f"
        and column.distinct() > 1
        and _are_few(column)
        and bool((values % 1 == 0).all())
    )


def _classes(column: Column, reason: str) -> Target:
    merged: dict[str, tuple[object, int]] = {}
    for value, count in column.value_counts():
        name = value_name(value)
        merged[name] = (value, count + merged.get(name, (value, 0))[1])
    if len(merged) < 2:
        said = f"has only one class, {next(iter(merged))!r}, in all {len(column)} rows; there is nothing to learn"
        raise _refused(column, said)
    if len(column) >= 20 and len(merged) > 0.95 * len(column):
        why = f"like ids or measurements; classes must repeat (numeric target: {as_option('task', 'regression')})"
        if all(map(is_date, merged)):
            why = "all dates; first convert them to numbers, or to classes that repeat, such as the month"
        raise _refused(column, f"has {len(merged):,} classes in {len(column):,} rows, {why}")
    warn_of_spellings(f"the target {column.name!r}", merged, "classes")
    if len(merged) > MOST_CLASSES:
        most = f"a network has an output for each, at most {MOST_CLASSES:,}"
        remedy = f"merge rare classes (for a numeric target, use {as_option('task', 'regression')})"
        raise _refused(column, f"has {len(merged):,} classes, and {most}; {remedy}")
    ordered = sorted(merged.values(), key=lambda pair: _class_order(pair[0]))
    single = [value_name(value) for value, count in ordered if count == 1]
    if single and len(column) >= 20:
        warn(
            f"the target {column.name!r} has {counted(len(single), 'class', 'classes')} of a single row: "
            f"{listed(single)}; a single row cannot be both trained on and held out"
        )
    classes, counts = tuple(_plain(value) for value, _ in ordered), tuple(count for _, count in ordered)
    return Target(column.name, "classification", reason, classes, counts)


def _class_order(value: object) -> tuple[bool, float, str]:
    if isinstance(value, str):
        return True, 0.0, value
    return False, float(cast(float, value)), ""


def _plain(value: object) -> str | int | float | bool:
    """A class as a value that JSON supports."""
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    number = float(cast(float, value))
    return int(number) if number.is_integer() else number


def _range(column: Column, reason: str, form: Form | None) -> Target:
    values = numbers_of_target(column, form)
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise _refused(column, f"is constant: {low:g} in all {len(column)} rows; there is nothing to learn")
    _warn_of_nines(column.name, values)
    return Target(column.name, "regression", reason, low=low, high=high, mean=mean_of(values), form=form)


def _warn_of_nines(name: str, values: np.ndarray) -> None:
    """Warn about a number such as -999.9 that is far from all others, since it often stands for missing values."""
    for code in (float(values.min()), float(values.max())):
        others, digits = values[values != code], f"{abs(code):.12g}".replace(".", "")
        is_code = len(digits) > 2 and {*digits} == {"9"} and round(code, 1) == code  # 9.99 is a price
        far = np.ptp(others) * (1 if code < 0 else 3)
        if is_code and 0 < far < np.abs(others - code).min():
            rows, first = counted(len(values) - len(others), "row"), row(int(np.argmax(values == code)))
            warn(
                f"the target {name!r} is {code:.12g} in {rows}, first in {first}, far from all others "
                f"({others.min():g} to {others.max():g}); if it stands for missing values, leave these rows out"
            )


def numbers_of_target(column: Column, form: Form | None) -> np.ndarray:
    """The numbers of a regression target, float64, NaN where missing; texts are read in the format `form`.

    Raises:
        DataError: a text is not a number.
    """
    if column.storage in ("number", "boolean"):
        return column.numbers().astype(np.float64)
    wrong = column.first_where(lambda value: number_in_form(value_name(value), form) is None)
    if wrong is not None:
        value, place = shown(value_name(wrong[1])), row(wrong[0])
        raise _refused(column, f"cannot be a regression: it is {value}, not a number, in {place}")
    return column.mapped(lambda value: cast(float, number_in_form(value_name(value), form)), np.float64)


def target_values(target: Target, column: Column) -> np.ndarray:
    """The values of a target as numbers, for training or evaluation.

    Args:
        target: the training table's target, by `infer_target`.
        column: the target's column, in the training table or another table.

    Returns:
        float64 for regression. For classification, int32 positions in `target.classes`, and −1 for a class unseen in
        training; a warning gives such a class's name, number of rows and first row.

    Raises:
        DataError: values are missing or infinite, or are texts where numbers are needed.

    >>> from lamina.table.columns import as_column
    >>> target = infer_target(as_column(["no", "yes", "no"]))
    >>> target_values(target, as_column(["yes", "no"]))
    array([1, 0], dtype=int32)
    """
    _require_values(column)
    if target.task == "regression":
        return numbers_of_target(column, target.form)
    lookup = {value_name(value): i for i, value in enumerate(target.classes)}
    unknown = [(value, count) for value, count in column.value_counts() if value_name(value) not in lookup]
    if unknown:
        warn(
            f"the target {column.name!r} has {counted(len(unknown), 'class', 'classes')} that training did not have: "
            f"{_described(column, unknown)}; predictions for their rows are always wrong"
        )
    return column.mapped(lambda value: lookup.get(value_name(value), -1), np.int32)


def _described(column: Column, classes: Sequence[tuple[object, int]], limit: int = 3) -> str:
    parts = [
        f"{shown(value_name(value))} in {counted(count, 'row')}, first in {row(column.row_of(value))}"
        for value, count in classes[:limit]
    ]
    return "; ".join(parts) + (f"; and {len(classes) - limit} more" if len(classes) > limit else "")
