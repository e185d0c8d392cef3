"""Read the files of a table, infer its schema, and divide its rows into training, validation and test rows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, make_dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from lamina.distributed.communicator import world
from lamina.errors import DataError
from lamina.estimators.option_values import number
from lamina.estimators.settings import OPTIONS
from lamina.support.lazily import pl
from lamina.table.categories import category_codes, unknown_values, warn_of_unknown
from lamina.table.check import check
from lamina.table.columns import ArrayColumn, Column, as_column, named
from lamina.table.findings.left_out import rows_to_learn
from lamina.table.formats.arrays import FIRST_PIXEL, LABEL
from lamina.table.kinds import infer, judged
from lamina.table.marks import folds_of, times_of, warn_if_sequential
from lamina.table.messages import as_kind, closest, counted, listed, rows_numbered, warn
from lamina.table.places import Places
from lamina.table.read import ReadOptions, read_in_shares
from lamina.table.schema import ColumnSchema, Schema, Target, Task
from lamina.table.split import splitter_for
from lamina.table.target import infer_target, target_values
from lamina.table.types import Choice, Composite, Number
from lamina.table.types.unused import may_count_rows

if TYPE_CHECKING:
    from lamina.estimators.streamed import Streamed
    from lamina.runs.evaluation import Baseline

_FEWEST_TO_DIVIDE = 10
_TEST_SHARE = 0.2
_VALIDATION_SHARE = {"realmlp": 0.16, "best": 0.0}


SETTINGS = {name: option for name, option in OPTIONS.items() if option.kept}
"""The options stored with a run, by the estimators' parameter names."""


_FIELDS = [
    (one.name, one.type, field(default_factory=partial(copy, one.default))) for one in SETTINGS.values()
]
_Settings: Any = make_dataclass("_Settings", _FIELDS, frozen=True, kw_only=True)


@dataclass(frozen=True)
class Request(_Settings):
    """A user's request for a training run: the data, and the training options listed in `SETTINGS`.

    Attributes:
        data: paths, globs, or "-" for standard input.
        target: the column to predict; None for the labels of a folder of images.
        task: "classification" or "regression", to override the inferred one.
        kinds: the kinds of columns, by name, that override the inferred ones.
        group: the column with group labels. All rows of a group are in the same subset (training, validation or test).
            The column is a predictor only if `kinds` names it.
        time: the column with times. Validation and test rows are later than training rows. The column is also a
            predictor.
        validation, test: a share of the rows ("0.2"), a file with further rows, or None for the default.
        options: how to read the files.
        stream: whether to read rows from disk during training. This always happens for a table larger than memory.
        keeps_row_numbers: whether columns of row numbers are predictors. The default, true, is for files of earlier
            versions, which lack this field; the command line sets false.
        has_additions: whether the days between date columns are predictors, numbers that name things are categories,
            networks may get a linear path, and the preset "medium" stops early and drops fewer units of larger tables.
            The default, false, is for files of earlier versions, which lack this field, and whose preset "default" is
            now "realmlp".
    """

    data: tuple[str, ...]
    target: str | None = None
    task: Task | None = None
    kinds: Mapping[str, Choice] = field(default_factory=dict)
    group: str | None = None
    time: str | None = None
    validation: str | None = None
    test: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    stream: bool = False
    keeps_row_numbers: bool = True
    has_additions: bool = False

    @property
    def searches(self) -> bool:
        """Whether the request is for a hyperparameter search."""
        return self.preset == "best" or self.time_limit is not None or self.trials is not None

    @property
    def run_name(self) -> str:
        """The base name of the run's folder, to which a number is appended."""
        return re.sub(r"[^\w.-]+", "_", self.target or LABEL).strip("._") or "run"

    def to_dict(self) -> dict[str, Any]:
        """Convert the request to JSON-compatible values."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_dict(cls, asked: Mapping[str, Any]) -> Request:
        """Create a request from the values of `to_dict`; raises `KeyError` or `TypeError` for other dictionaries."""

        def frozen(said: Mapping[str, Any]) -> dict[str, Any]:
            return {name: tuple(x) if isinstance(x, list) else x for name, x in said.items()}

        request = cls(**{**frozen(asked), "options": ReadOptions(**frozen(asked["options"]))})
        is_old = request.preset == "default" and not request.has_additions and not request.searches
        return replace(request, preset="realmlp") if is_old else request


@dataclass(frozen=True)
class Part:
    """A subset of a table's rows, with their target values.

    Attributes:
        frame: the columns, including the target.
        target: for regression, the target values, float64; for classification, class positions, int32, with −1 for a
            class that is absent from the training rows.
        places: maps a row number to its file and line.
        numbers: each row's number in the whole table, from 0 (int64).
    """

    frame: pl.DataFrame
    target: np.ndarray
    places: Places
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Prepared:
    """A table divided into training, validation and test rows; absent subsets are None.

    If the table is `streamed`, `train` is a sample of the training rows. `divided` describes the division in words.
    `group` and `time` name the columns that determined the division, or are None. `baselines` has the baselines'
    outputs for the `judged` rows, if they have been computed already; see `lamina.runs.evaluation.Baseline`.
    """

    schema: Schema
    train: Part
    validation: Part | None
    test: Part | None
    streamed: Streamed | None = None
    divided: str = ""
    group: str | None = None
    time: str | None = None
    baselines: Mapping[str, Baseline] | None = None

    @property
    def target(self) -> Target:
        """The target column."""
        assert self.schema.target is not None
        return self.schema.target

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows in each subset, "training", "validation" and "test"."""
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        counts = {name: len(part) for name, part in parts.items() if part is not None}
        return counts if self.streamed is None else {**counts, "training": self.streamed.division.training}

    @property
    def judged(self) -> tuple[str, Part]:
        """The name and the rows of the subset for evaluation: test, else validation, else training."""
        if self.test is not None:
            return "test", self.test
        return ("validation", self.validation) if self.validation is not None else ("training", self.train)


def prepare(request: Request) -> Prepared:
    """Read the files, infer the columns' types, and divide the rows.

    Raises:
        DataError: the files, the columns, the target, or the shares of the subsets are invalid.
    """
    places = Places()
    frame = read_in_shares(list(request.data), world(), request.options, places)
    target, kinds = target_and_kinds(request, frame.schema)
    with places.named():
        frame, numbers = rows_to_learn(frame, target, request.task)
    with places.named(), rows_numbered(numbers):
        is_marked = request.group is not None or request.time is not None
        how: dict[str, Any] = {"kinds": kinds, "dates": request.date_format}
        how |= {"labels": request.has_additions and not is_marked, "monotone": request.monotone or ()}
        times = [] if request.time is None else [as_column(frame[request.time], request.time)]
        known = [judged(one, kinds.get(one.name), True, request.date_format) for one in times]
        groups, time = marks_of(frame, known, request.group, request.time)
        how["folds"] = folds_of(len(frame), groups, time) if is_marked else None
        found = infer(frame, target, task=request.task, **how)
        schema = found if request.has_additions else replace(found, intervals=())
        assert schema.target is not None
        whole = Part(frame, target_of(frame, schema.target), places, numbers)
        shares = shares_of(request, len(whole))
        classes = whole.target if schema.target.task == "classification" else None
        splitter = splitter_for(len(whole), classes, groups, time, request.time_gap)
        rows = splitter.split(**shares, seed=request.seed)
    if groups is None and time is None and (any(shares.values()) or request.searches):
        warn_if_sequential(schema, frame)
    schema, whole = _of_training(schema, whole, rows.train)
    parts = {name: _rows(whole, getattr(rows, name)) for name, share in shares.items() if share}
    left_out = len(whole) - sum(map(len, rows))
    return prepared(request, schema, _rows(whole, rows.train), parts, splitter.said, left_out)


def prepared(
    request: Request,
    schema: Schema,
    train: Part,
    parts: Mapping[str, Part],
    said: str,
    left_out: int,
    streamed: Streamed | None = None,
    read: _Reading | None = None,
) -> Prepared:
    """The prepared table, with the parts that have their own files.

    Args:
        request: the run's request.
        schema: the table's schema.
        train: the training rows, or a sample of them.
        parts: the other parts of the table itself, by name.
        said: how rows were divided, in words.
        left_out: the number of rows in no part.
        streamed: all rows, if they stay on the disk.
        read: reads a part's own file; None: all of its rows.

    Raises:
        DataError: a part's file is invalid, or all validation rows are of classes absent from training.
    """
    of_files = {
        name: _part_from_file(file, request.options, schema, read or _read_whole)
        for name, file in (("validation", request.validation), ("test", request.test))
        if file is not None and number(file) is None
    }
    found = {name: part for name, part in {**parts, **of_files}.items() if len(part)}
    validation = found.get("validation")
    if validation is not None and not len(known_rows(validation)):
        name = request.validation if isinstance(request.validation, str) else "the default share"
        raise DataError(
            f"no validation row has a class that occurs in the training rows (validation: {name})"
        )
    divided = _division_said(request, schema, said, left_out)
    return Prepared(
        schema, train, validation, found.get("test"), streamed, divided, request.group, request.time
    )


def marks_of(
    frame: pl.DataFrame, columns: Iterable[ColumnSchema], group: str | None, time: str | None
) -> tuple[Column | None, Column | None]:
    """The group column and the time column of a table, or None; times are converted to numbers, as in `columns`."""
    groups = None if group is None else as_column(frame[group], group)
    if time is None:
        return groups, None
    known = next(column for column in columns if column.name == time)
    return groups, ArrayColumn(time, times_of(as_column(frame[time], time), known))


def _of_training(schema: Schema, whole: Part, train: np.ndarray) -> tuple[Schema, Part]:
    """Restrict the target's classes, in the schema and in the table, to the classes of the training rows."""
    target = schema.target
    assert target is not None
    if target.task == "regression" or len(np.unique(whole.target[train])) == len(target.classes):
        return schema, whole
    with whole.places.named(), rows_numbered(whole.numbers[train]):
        known = infer_target(as_column(whole.frame[target.name][train], target.name), "classification")
    known = replace(known, reason=target.reason)
    with whole.places.named(), rows_numbered(whole.numbers):
        return replace(schema, target=known), replace(whole, target=target_of(whole.frame, known))


def _division_said(request: Request, schema: Schema, said: str, left_out: int) -> str:
    """A sentence that says how rows were divided, and whether the group and time columns are predictors."""
    parts = [said]
    used = {column.name: column.used for column in schema.columns}
    for name, others in ((request.group, "categorical"), (request.time, "drop")):
        if name is not None:
            learned = "is also a predictor" if used[name] else "is not a predictor"
            undo = f" ({as_kind(name, others)} would change that)" if used[name] == (others == "drop") else ""
            parts.append(f"{name!r} {learned}{undo}")
    if left_out:
        parts.append(f"{counted(left_out, 'row')} between the parts left out")
    return "; ".join(parts)


def _require_marks(request: Request, target: str, columns: Sequence[str]) -> None:
    """Raise `DataError` if the requested group or time column is missing, or is the target."""
    for option, name in (("--group", request.group), ("--time", request.time)):
        if name is None:
            continue
        if name == target:
            raise DataError(
                f"{option} {name}: that is the column to predict; name another column, or omit {option}"
            )
        if name not in columns:
            raise DataError(
                f"{option} {name}: there is no such column.{closest(name, columns)} The table has "
                f"{listed(columns, limit=20)}"
            )
    if request.time_gap and request.time is None:
        raise DataError(
            f"--time-gap {request.time_gap:g} needs rows that are divided in time; add --time COLUMN"
        )


def target_and_kinds(request: Request, types: Mapping[str, pl.DataType]) -> tuple[str, dict[str, Choice]]:
    """The target column, and the kinds of columns that are not inferred: set by the user, or by an earlier version.

    Raises:
        DataError: an option names a missing column, or makes the target a predictor; or there are no predictors.
    """
    target, columns = _usual_target(request, [*types]), [*types]
    if target in request.kinds:
        raise DataError(f"{target!r} is the column to predict; use --task for it, not --kind or --drop")
    if columns == [target]:
        raise DataError(f"the table has no column besides {target!r}, so there is nothing to predict it from")
    _require_marks(request, target, columns)
    kinds: dict[str, Choice] = {}
    if request.keeps_row_numbers:
        kinds = {n: "numeric" for n, kind in types.items() if kind.is_integer() and may_count_rows(n)}
        kinds.pop(target, None)
    if request.group is not None:
        kinds[request.group] = "drop"
    return target, {**kinds, **request.kinds}


def shares_of(request: Request, rows: int) -> dict[str, float]:
    """The share of the table's rows for each of the subsets "validation" and "test"."""
    # In a search each network holds out different rows, so that every row trains some networks.
    usual = 0.0 if request.searches else _VALIDATION_SHARE.get(request.preset, 0.08)
    shares = {
        "validation": _share("validation", request.validation, usual),
        "test": _share("test", request.test, _TEST_SHARE),
    }
    if rows < _FEWEST_TO_DIVIDE and any(shares.values()):
        warn(
            f"{counted(rows, 'row')} are too few to hold any out: the network is trained and evaluated on all of them"
        )
        shares = dict.fromkeys(shares, 0.0)
    return shares


def _usual_target(request: Request, columns: Sequence[str]) -> str:
    """The name of the target column: the requested one, or that of the labels of images."""
    if request.target is not None:
        return request.target
    if LABEL in columns and columns[0] == FIRST_PIXEL:
        return LABEL
    raise DataError(
        f"which column is to be predicted? Name it with --target; the table has {listed(columns, limit=20)}"
    )


def _share(name: str, text: str | None, usual: float) -> float:
    """The share of rows for a subset: `usual` if `text` is None, 0 if it names a file."""
    if text is None:
        return usual
    share = number(text)
    if share is None:
        return 0.0
    if not 0 <= share < 1:
        raise DataError(f"--{name} {text}: give a share of the rows, at least 0 and less than 1, or a file")
    return share


_Reading = Callable[[str, ReadOptions, Places], "tuple[pl.DataFrame, np.ndarray]"]
"""A function that reads rows of a file, returns them with their row numbers, and records their lines in `Places`."""


def _read_whole(file: str, options: ReadOptions, places: Places) -> tuple[pl.DataFrame, np.ndarray]:
    """Read all rows of a file; see `_Reading`."""
    frame = read_in_shares(file, world(), options, places)
    return frame, np.arange(len(frame))


def target_of(frame: pl.DataFrame, target: Target) -> np.ndarray:
    """The target column as an array of numbers; see `target_values`."""
    return target_values(target, as_column(frame[target.name], target.name))


def _rows(part: Part, rows: np.ndarray) -> Part:
    if len(rows) == len(part):
        return part
    return Part(part.frame[rows], part.target[rows], part.places, part.numbers[rows])


def _part_from_file(file: str, options: ReadOptions, schema: Schema, read: _Reading) -> Part:
    """A part that is read from its own file; a class that training lacks is −1 in the part's `target`."""
    assert schema.target is not None
    name = schema.target.name
    places = Places()
    options = replace(options, as_text=(*options.as_text, *schema.text_columns))
    frame, numbers = read(file, options, places)
    if name not in frame.columns:
        raise DataError(f"{file} has no column {name!r} to compare predictions with")
    if not len(frame):
        raise DataError(f"{file} has no rows")
    try:
        with places.named(), rows_numbered(numbers):
            frame, kept = rows_to_learn(frame, name, schema.target.task)
        numbers = numbers[kept]
        with places.named(), rows_numbered(numbers):
            known = aligned(schema, frame).with_columns(frame[name])
            part = Part(known, target_of(known, schema.target), places, numbers)
            _warn_of_unknown_categories(schema, part.frame)
            return part
    except DataError as error:
        if file in str(error):
            raise
        raise DataError(f"{file}: {error}") from error


def _warn_of_unknown_categories(schema: Schema, frame: pl.DataFrame) -> None:
    table = check(schema, frame)
    with unknown_values(schema.owners) as found:
        for column in schema.nominals:
            category_codes(column, table.column(column.name))
    warn_of_unknown(found)


def aligned(schema: Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Select the columns of `schema` from a table, in order, without the target.

    Missing columns that the model ignores become nulls.

    Raises:
        DataError: columns are missing (the message names all).
    """
    frame = by_position(schema, frame)
    check(schema, frame)  # raises for missing columns, and warns about ignored ones
    present = set(frame.columns)
    columns = [
        named(column.name) if column.name in present else pl.lit(None).alias(column.name)
        for column in schema.columns
    ]
    return frame.select(columns) if len(frame) else frame.select(columns).clear()


def by_position(schema: Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Rename a table's columns by position if the training table had no column names.

    In that case, the result lacks the target.

    Raises:
        DataError: the number of columns differs.
    """
    names = [column.name for column in schema.columns]
    if schema.named:
        return frame
    if set(names) <= set(frame.columns):
        return frame.select(named(names))
    target = schema.target.name if schema.target else None
    found = [name for name in frame.columns if name != target]
    if len(found) != len(names):
        besides = f" besides {target!r}" if target in frame.columns else ""
        raise DataError(
            f"the model was trained on {counted(len(names), 'column')} without names, and takes columns in order; this "
            f"table has {counted(len(found), 'column')}{besides}: {listed(found, limit=20)}. Leave other columns out, "
            "or name the model's columns x0, x1, …"
        )
    return frame.select(named(found)).rename(dict(zip(found, names, strict=True)))


def known_rows(part: Part) -> Part:
    """Drop rows whose class is absent from the training rows; for regression, keep all rows."""
    if part.target.dtype.kind == "f":
        return part
    return _rows(part, np.flatnonzero(part.target >= 0))


# --- example rows for trying the network ------------------------------------------------------------------------------


EXAMPLES = "examples.jsonl"
"""One JSON object per row, with the network's columns and the target."""

_COUNT = 6
_MOST_BYTES = 1 << 24


def example_rows(schema: Schema, part: Part) -> pl.DataFrame:
    """Select a few rows with different targets, as examples of the model's input.

    For classification, the classes take turns; for regression, the targets are evenly spaced in sorted order. Ignored
    columns, such as ids, are left out.
    """
    assert schema.target is not None
    part = known_rows(part)
    order = np.argsort(part.target, kind="stable")
    if schema.target.task == "classification":
        order = _in_turn(part.target, order)[:_COUNT]
    else:
        order = order[((np.arange(_COUNT) + 0.5) / _COUNT * len(order)).astype(int)] if len(order) else order
    names = [*(column.name for column in schema.used), schema.target.name]
    return _in_numbers(schema, part.frame[list(dict.fromkeys(order.tolist()))].select(named(names)))


def _in_numbers(schema: Schema, frame: pl.DataFrame) -> pl.DataFrame:
    """Convert times, durations and dates to numbers, since JSON lacks these types."""
    names = {one.name for one in schema.used if not isinstance(one.type, Composite) or one.type.derives}
    quantities = [one.name for one in schema.quantities if not isinstance(one.type, Number)]
    timed = [name for name in quantities if name in names]
    if not timed:
        return frame
    table = check(schema, frame)
    numbers = [pl.Series(name, table.column(name).numbers(), pl.Float64, nan_to_null=True) for name in timed]
    return frame.with_columns(numbers)


def _in_turn(target: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Interleave row positions that are sorted by class, so that the classes alternate."""
    classes = target[order]
    starts = np.searchsorted(classes, classes)
    return order[np.argsort(np.arange(len(order)) - starts, kind="stable")]


def read_examples(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a run's example rows; empty if the file is missing.

    Users may have edited the file.

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: the file is invalid.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    file = folder / EXAMPLES
    if not file.is_file():
        return []
    if file.stat().st_size > _MOST_BYTES:
        raise DataError(f"{file} has more than {_MOST_BYTES:,} bytes; keep only a few example rows in it")
    rows: list[dict[str, Any]] = []
    for place, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{file}: line {place} is not a JSON object, as every row must be")
        rows.append(cast("dict[str, Any]", row))
    return rows
