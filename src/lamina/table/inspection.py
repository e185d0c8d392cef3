"""The analysis of a table's columns and problems before training, by `inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.extras import require
from lamina.support.lazily import pl
from lamina.table.columns import Column, value_name
from lamina.table.findings.drift import drift, new_categories
from lamina.table.findings.duplicates import conflicting_rows, repeated_rows, rows_of_training
from lamina.table.findings.leakage import leaks, sums
from lamina.table.findings.left_out import total_row
from lamina.table.findings.results import Drift, Finding
from lamina.table.findings.values import Series, cells_of, features_of, row_keys
from lamina.table.kinds import choices_of, judged, judged_together, targets_of, with_labels
from lamina.table.messages import closest, counted, listed
from lamina.table.places import Places
from lamina.table.read import Where, iter_batches
from lamina.table.schema import ColumnSchema, Schema, Target, Task
from lamina.table.source import ReadOptions
from lamina.table.stream.sample import RowSample, row_bytes
from lamina.table.tables import Table, as_table
from lamina.table.target import column_of_target, infer_target, numbers_of_target
from lamina.table.types import Choice, Quantity
from lamina.table.types.base import Targets
from lamina.table.types.unused import Unused

# --- reading of a table in bounded memory -----------------------------------------------------------------------------
_MOST_BYTES = 512 << 20
"""Memory limit for the rows kept."""

_FEWEST_ROWS = 10_000


def read_sample(
    source: Where, options: ReadOptions | None = None, places: Places | None = None
) -> tuple[pl.DataFrame, np.ndarray, int]:
    """The rows of a table, or a random sample if all rows would take more than `_MOST_BYTES` bytes.

    Args:
        source, options, places: the arguments of `lamina.table.read.read`.

    Returns:
        The rows in table order, their row numbers (int64), and the table's number of rows.

    Raises:
        DataError: the files are invalid, as in `lamina.table.read.read`.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "numbers.csv")
    >>> _ = file.write_text("x\\n1\\n2\\n3\\n")
    >>> frame, numbers, rows = read_sample(file)
    >>> frame["x"].to_list(), numbers.tolist(), rows
    ([1, 2, 3], [0, 1, 2], 3)
    """
    sample: RowSample | None = None
    rows = 0
    with closing(iter_batches(source, options=options, places=places)) as batches:
        for batch in batches:
            if sample is None:
                sample = RowSample(max(_FEWEST_ROWS, _MOST_BYTES // max(row_bytes(batch.schema), 1)), seed=0)
            sample.update(batch, rows)
            rows += len(batch)
    assert sample is not None
    frame, numbers, _ = sample.rows()
    order = np.argsort(numbers)
    return frame[order], numbers[order], rows


_CELLS = 4_000_000
"""Maximum number of cells for statistics; larger tables are sampled."""

_FEWEST_SAMPLED = 2000
_HEAD = 1000


@dataclass(frozen=True)
class ColumnFacts:
    """Facts about a column.

    Attributes:
        name: the column's name.
        schema: the inferred schema; None for the target, and for a rejected column.
        refused: the reason why training would reject the column; empty if training would accept the column.
        missing: the number of rows without a value.
        share_missing: the share of rows without a value, 0 … 1.
        distinct: the number of different values.
        example: the first value's text; None if there is none.
        low, high: the minimum and maximum of numbers, or of values parsed as numbers, as text.
    """

    name: str
    schema: ColumnSchema | None
    refused: str
    missing: int
    share_missing: float
    distinct: int
    example: str | None
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True)
class Inspection:
    """The results of `inspect`.

    Attributes:
        rows: the number of rows.
        schema: the recognized columns and the target, as `infer` would return them.
        columns: facts about each column, in table order.
        findings: the findings, warnings first.
        drift: the drift of the new table; None without a new table.
        sampled: the number of rows from which leakage and drift were computed.
    """

    rows: int
    schema: Schema
    columns: tuple[ColumnFacts, ...]
    findings: tuple[Finding, ...]
    drift: Drift | None
    sampled: int

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that chance does not explain."""
        return tuple(one for one in self.findings if one.level == "warning")

    def to_dict(self) -> dict[str, Any]:
        """The results as a dictionary for JSON."""
        columns: list[dict[str, Any]] = []
        for one in self.columns:
            schema = one.schema
            known = {"kind": schema.kind, "treatment": schema.type.treatment(schema)} if schema else {}
            facts = {name: value for name, value in vars(one).items() if name != "schema"}
            columns.append({**facts, **known, "schema": schema and schema.to_dict()})
        content: dict[str, Any] = {
            "rows": self.rows,
            "sampled": self.sampled,
            "target": self.schema.target and asdict(self.schema.target),
            "columns": columns,
            "findings": [asdict(one) for one in self.findings],
        }
        if self.drift is not None:
            tests = [asdict(one) | {"found": one.found} for one in self.drift.columns]
            content["drift"] = asdict(self.drift) | {"columns": tests}
        return content


def inspect(
    data: Any,
    target: Any = None,
    new: Any = None,
    *,
    task: Task | None = None,
    kinds: Mapping[Any, Choice] | None = None,
    dates: str | None = None,
    seed: int = 0,
) -> Inspection:
    """Analyze a table before training: the types of columns, and problems.

    The inspection reports each column's type. It warns about columns that leak the target, about repeated or
    contradictory rows, and, with a new table, about shared rows and drifted columns. For tables of pure noise, it
    reports drift in at most one case in a hundred, and hardly ever leakage.

    Args:
        data: the training table: a data frame, an array, a sparse matrix.
        target: the name of the column to predict; or its values, if they are not in the table; or None.
        new: a table to compare with the training table, such as test rows or next month's rows. It may lack the
            target.
        task, kinds, dates: the arguments of `lamina.table.kinds.infer`.
        seed: selects the rows of samples.

    Raises:
        DataError: the table has no rows, or no column with the target's name.
        MissingPackageError: SciPy, which comes with the extra for scikit-learn, is not installed.

    Example:
        >>> import numpy as np, polars as pl
        >>> rng = np.random.default_rng(0)
        >>> casual, registered = rng.poisson(20, 300), rng.poisson(80, 300)
        >>> frame = pl.DataFrame({"casual": casual, "registered": registered, "count": casual + registered})
        >>> found = inspect(frame, "count")
        >>> [one.message for one in found.warnings]
        ["'casual' + 'registered' = 'count'"]
    """
    return Look(data, target, task=task, kinds=kinds, dates=dates, seed=seed).inspection(new)


class Look:
    """An inspection in two steps, which provides the schema before a new table is read.

    The arguments are those of `inspect`.

    Attributes:
        schemas: by column, the schema; None if training would reject the column.
        refused: by rejected column, the reason.
    """

    def __init__(
        self,
        data: Any,
        target: Any = None,
        *,
        task: Task | None = None,
        kinds: Mapping[Any, Choice] | None = None,
        dates: str | None = None,
        seed: int = 0,
    ) -> None:
        require("inspecting a table", "scikit-learn")
        table = as_table(data)
        if not table.rows or not table.names:
            raise DataError("the table has no rows" if table.names else "the table has no columns")
        self.table, self.choices, self.seed = table, choices_of(table, kinds or {}), seed
        self.dates = dates
        self.findings: list[Finding] = []
        self.target_name = target if isinstance(target, str) else None
        self.target_column = column_of_target(table, target)
        names = [name for name in table.names if name != self.target_name]
        self.refused: dict[str, str] = {}

        self.target, found, targets = judged_together(
            partial(self._understood_target, task), self._judged, names
        )
        self.schemas: dict[str, ColumnSchema | None] = dict(zip(names, found, strict=True))
        if targets is not None:
            known = with_labels(table, [*filter(None, found)], targets, self.choices)
            self.schemas |= {one.name: one for one in known}
        self.cells: dict[str, Series] = {}
        self._features: dict[str, list[Series]] = {}  # the inputs to a network of each column
        self._add(total_row(table))
        self.facts = {name: self._facts(name) for name in names}

    # --- columns -----------------------------------------------------------------------------------------------------

    def _understood_target(self, task: Task | None) -> tuple[Target | None, Targets | None]:
        if self.target_column is None:
            return None, None
        try:
            target = infer_target(self.target_column, task)
            return target, partial(targets_of, target, self.target_column)
        except DataError as error:
            said = f"training would refuse the table: {error}"
            self._find("target", "warning", [self.target_column.name], said)
            return None, None

    def _judged(self, name: str, targets: Targets | None) -> ColumnSchema | None:
        try:
            return judged(
                self.table.column(name), self.choices.get(name), self.table.named, self.dates, targets
            )
        except DataError as error:
            self._find("columns", "warning", [name], f"training would refuse the table: {error}")
            self.refused[name] = str(error)
            return None

    def _facts(self, name: str) -> ColumnFacts:
        column, schema, refused = self.table.column(name), self.schemas[name], self.refused.get(name, "")
        if column.storage == "other":
            missing = column.missing()
            return ColumnFacts(name, schema, refused, missing, missing / self.table.rows, 0, None)
        cells = self.cells[name] = cells_of(schema, column)
        self._features[name] = features_of(schema, column, cells)
        return _facts(column, schema, refused, cells)

    def _target_facts(self) -> list[ColumnFacts]:
        if self.target_column is None or self.target_column.storage == "other":
            return []
        return [_facts(self.target_column, None, "", cells_of(None, self.target_column))]

    def _find(self, kind: Any, level: Any, columns: Sequence[str], message: str) -> None:
        self.findings.append(Finding(kind, level, tuple(columns), message))

    # --- findings ----------------------------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The recognized columns and the target."""
        columns = tuple(one for one in self.schemas.values() if one is not None)
        return Schema(columns, self.table.rows, self.table.named, self.target)

    def inspection(self, new: Any = None) -> Inspection:
        """The complete inspection, with a comparison with the table `new`, if any; cached."""
        compared = [cells for name, cells in self.cells.items() if self._tells_rows_apart(name)]
        keys = _keys(compared, self.table.rows)
        features = [one for found in self._features.values() for one in found]
        sample = self._sample(self.table.rows, len(features) or 1)
        wanted = self._target_values(self.target_column)
        if wanted is not None:
            self._leakage(features, wanted, keys, sample)
            whole = keys + row_keys(wanted, len(compared))
            self._add(repeated_rows(whole, compared), conflicting_rows(keys, wanted, compared))
        elif compared:
            self._add(repeated_rows(keys, compared))
        found = None if new is None else self._compared(as_table(new), compared, sample)
        self.findings.sort(key=lambda one: one.level != "warning")
        lines = [*self.facts.values(), *self._target_facts()]
        lines.sort(key=lambda one: (*self.table.names, one.name).index(one.name))
        facts, findings = tuple(lines), tuple(self.findings)
        return Inspection(self.table.rows, self.schema, facts, findings, found, len(sample))

    def _add(self, *findings: Finding | None) -> None:
        self.findings += [one for one in findings if one is not None]

    def _tells_rows_apart(self, name: str) -> bool:
        """Whether a column counts in comparisons of rows.

        Columns that a network can't use don't count: with a different id in each row, for example, no rows would be
        equal.
        """
        schema = self.schemas[name]
        return schema is None or not isinstance(schema.type, Unused)

    def _sample(self, rows: int, columns: int) -> np.ndarray:
        most = max(_FEWEST_SAMPLED, _CELLS // columns)
        if rows <= most:
            return np.arange(rows)
        return np.sort(np.random.default_rng(self.seed).choice(rows, most, replace=False))

    def _target_values(self, column: Column | None, known: Series | None = None) -> Series | None:
        """A table's target as numbers, or as class codes, which are those of `known`; None without a target."""
        if column is None or self.target is None:
            return None
        if self.target.task == "classification":
            return cells_of(None, column, known)
        return Series(column.name, column.name, numbers_of_target(column, self.target.form))

    def _leakage(
        self, features: Sequence[Series], target: Series, keys: np.ndarray, sample: np.ndarray
    ) -> None:
        _, first = np.unique(keys[sample], return_index=True)
        rows = sample[np.sort(first)]
        held, wanted = [one.of(rows) for one in features], target.of(rows)
        self.findings += leaks(held, wanted)
        if self.target_column is not None and self.target_column.storage in ("number", "boolean"):
            numbers = numbers_of_target(self.target_column, None)
            self.findings += sums(held, replace(target, values=numbers, names=None).of(rows))

    # --- a new table -------------------------------------------------------------------------------------------------

    def _compared(self, new: Table, compared: Sequence[Series], sample: np.ndarray) -> Drift:
        if not new.rows:
            raise DataError("the new table has no rows")
        if not (self.table.named and new.named):
            new = _renamed(new, [*self.schemas])
        self._columns_of(new)
        tried = {name: self._read(name, new) for name in self.cells if name in new}
        read = {name: found for name, found in tried.items() if found is not None}
        shared = [one for one in compared if one.column in read]
        common = self._in_both(shared, [read[one.column][0] for one in shared], new.rows)
        if common is not None and not common[sample].all():
            sample = sample[~common[sample]]  # rows in both tables would make the tables look alike
        before = [one for name in read for one in self._features[name]]
        after = [one for _, features in read.values() for one in features]
        unknown = new_categories(before, after)
        known = self._target_values(self.target_column)
        target = self._new_target(new, known)
        if known is not None and target is not None:
            before.append(known)
            after.append(target)
        chosen = self._sample(new.rows, len(after) or 1)
        found = drift([one.of(sample) for one in before], [one.of(chosen) for one in after], self.seed)
        return replace(found, rows=new.rows, new_categories=unknown)

    def _in_both(self, shared: Sequence[Series], cells: Sequence[Series], rows: int) -> np.ndarray | None:
        """A mask of the training rows that are also in the new table.

        The result is None if chance explains the number of such rows.
        """
        if not shared:
            return None
        keys, more = _keys(shared, self.table.rows), _keys(cells, rows)
        found = rows_of_training(keys, more)
        self._add(found)
        return np.isin(keys, more) if found is not None and found.level == "warning" else None

    def _columns_of(self, new: Table) -> None:
        """Add findings about missing and additional columns of the new table."""
        used = [name for name in self.schemas if self._tells_rows_apart(name)]
        absent = [name for name in used if name not in new]
        if absent:
            hint = closest(absent[0], [name for name in new.names if name not in self.schemas])
            said = f"the new table lacks {counted(len(absent), 'column')} of training: {listed(absent, 10)}.{hint}"
            self._find("columns", "warning", absent, said.removesuffix("."))
        known = {*self.schemas, self.target_name}
        extra = [name for name in new.names if name not in known]
        if extra:
            said = f"the new table has {counted(len(extra), 'column')} not in training: {listed(extra, 10)}"
            self._find("columns", "note", extra, said)

    def _read(self, name: str, new: Table) -> tuple[Series, list[Series]] | None:
        """The `cells_of` and the `features_of` a column of the new table, with the training table's codes.

        The result is None if a value is not of the column's type.
        """
        column, known = new.column(name), self.schemas[name]
        before = self.table.column(name)
        if column.storage == "other":
            return None
        try:
            cells = cells_of(known, column, self.cells[name])
            features = features_of(known, column, cells, self._features[name])
        except DataError as error:
            self._find("columns", "warning", [name], f"in the new table, {error}")
            return None
        plain = {column.storage, before.storage} - {"empty", "mixed"}
        if len(plain) > 1 and known is not None and known.used:
            said = f"column {name!r} is {column.type_name} in the new table, {before.type_name} in training"
            self._find("columns", "warning", [name], said)
        return cells, features

    def _new_target(self, new: Table, known: Series | None) -> Series | None:
        """The new table's target; None if the table lacks it, or it has values that are not numbers."""
        name = self.target_name
        if name is None or name not in new:
            return None
        try:
            return self._target_values(new.column(name), known)
        except (DataError, TypeError):
            said = f"the target {name!r} is not a number in some rows of the new table"
            self._find("columns", "warning", [name], said)
            return None


def _facts(column: Column, schema: ColumnSchema | None, refused: str, cells: Series) -> ColumnFacts:
    present = cells.present
    missing = len(cells) - int(present.sum())
    first = column.head(_HEAD).first_where(lambda value: True) or column.first_where(lambda value: True)
    low = high = None
    if schema is not None and isinstance(schema.type, Quantity) and present.any():
        low, high = (cells.show(float(one)) for one in (np.nanmin(cells.values), np.nanmax(cells.values)))
    example, share = None if first is None else value_name(first[1]), missing / len(cells)
    distinct = cells.distinct() if cells.names is None else len(cells.names)
    return ColumnFacts(column.name, schema, refused, missing, share, distinct, example, low, high)


def _keys(columns: Sequence[Series], rows: int) -> np.ndarray:
    """The key of each row, a number that is equal for equal rows."""
    keys = np.zeros(rows, np.uint64)
    for place, series in enumerate(columns):
        keys += row_keys(series, place)
    return keys


def _renamed(new: Table, names: Sequence[str]) -> Table:
    """The new table, with columns renamed by position if either table has no names."""
    if len(new.names) < len(names):
        raise DataError(
            f"the new table has {len(new.names)} columns, but the training table has {len(names)}"
        )
    return Table(tuple(names), new.rows, lambda i: new.column(new.names[i]), named=True)
