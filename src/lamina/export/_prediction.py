"""The prediction of a fitted model: its networks, inputs and outputs, as plain arrays and names.

A `Prediction` is only data. An ONNX file, a compiled library and a page are made from the `Prediction` alone, so that
only `_describe.py` reads the internals of estimators.

The prediction of a row consists of

1. the networks' inputs: `Table.columns`, encoded by `Table.encoder`; or a row that is an array, such as pixels;
2. the networks, traced as trained, and the weighted mean of their outputs;
3. the meaning of the outputs: `Classes` or `Numbers`.

The networks compute in float32; the encoding of numbers and the output in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from lamina import nd
from lamina.estimators.targets import Classes, Numbers
from lamina.nd.ndarray import NDArray
from lamina.table import types
from lamina.table.encode import TableEncoder
from lamina.table.schema import ColumnSchema
from lamina.table.types.base import RowForm

# --- inputs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Column:
    """An input column of the model: a number or a category.

    A number x becomes (x − center) · factor, in float64; a missing number is first replaced by `fill`. A category
    becomes a code: 0 if it is missing or unknown, otherwise 1, 2, …

    Attributes:
        schema: the column's type, and statistics of training.
        position: the column's index in the table, which also counts columns that the model ignores.
        center, factor, fill: the encoding of a number, see above.
        clips: whether the encoded number is then clipped smoothly, by x / √(1 + (x/3)²).
        rough: whether a network embeds a number in narrow pieces, down to single values, since close values predict
            different targets.
        exact: whether a network has embeddings of a number's repeated values, for the same reason.
    """

    schema: ColumnSchema[Any]
    position: int = 0
    center: float = 0.0
    factor: float = 1.0
    fill: float = 0.0
    clips: bool = True
    rough: bool = False
    exact: bool = False

    @property
    def name(self) -> str:
        """The column's name."""
        return self.schema.name

    @property
    def is_number(self) -> bool:
        """Whether the column is numeric; otherwise it is categorical."""
        return isinstance(self.schema.type, types.Quantity)

    @property
    def is_boolean(self) -> bool:
        """Whether the column is boolean, with the categories "false" and "true"."""
        return isinstance(self.schema.type, types.Boolean)

    @property
    def is_text(self) -> bool:
        """Whether the column has categories that were strings in training, rather than numbers or booleans."""
        return not self.is_number and self.values is None

    @cached_property
    def spellings(self) -> dict[str, int]:
        """The code of each accepted spelling of a category: its name, and for booleans also other spellings."""
        return self.schema.type.spellings(self.schema.categories)

    @cached_property
    def values(self) -> tuple[float, ...] | None:
        """The categories as numbers, if they were numbers or booleans in training; otherwise None."""
        return self.schema.type.numbers_of(self.schema.categories)


@dataclass(frozen=True)
class Composite:
    """A table column that is split into several of `Table.columns`.

    Attributes:
        schema: the column's type, and statistics of training.
        position: the column's position in the table, as for a `Column`.
        columns: indices of the parts in `Table.columns`; if parts are derived, only the first part's index.
        derived: names of the parts that are computed from the first part; empty if all parts are inputs.
        places: for each derived part, its index in the result of `lamina.table.types.Composite.derived`.
    """

    schema: ColumnSchema[types.Composite]
    position: int
    columns: tuple[int, ...]
    derived: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.schema.name


@dataclass(frozen=True)
class Table:
    """The input columns of a table, and their encoding for the networks.

    Rows that are arrays, such as images' pixels (`RowForm.whole`), have no columns, and are not encoded.

    Attributes:
        columns: the model's input columns, in table order; composite columns are represented by parts.
        width: the number of table columns, including columns that the model ignores.
        named: whether the table had column names; otherwise columns are identified by position.
        encoder: computes the networks' inputs from numbers and codes.
        composites: the composite columns, whose parts are among `columns`.
    """

    columns: tuple[Column, ...]
    width: int
    named: bool
    encoder: TableEncoder
    composites: tuple[Composite, ...] = ()

    @property
    def form(self) -> RowForm:
        """The form of the table's rows."""
        return self.encoder.schema.row_form

    @property
    def numbers(self) -> tuple[Column, ...]:
        """The numeric columns."""
        return tuple(column for column in self.columns if column.is_number)

    @property
    def categories(self) -> tuple[Column, ...]:
        """The categorical columns."""
        return tuple(column for column in self.columns if not column.is_number)

    def fields(self, reads: Callable[[ColumnSchema[Any]], bool]) -> list[Column | Composite]:
        """The columns, where a composite column replaces its parts if `reads` is true for its schema."""
        wholes = (one for one in self.composites if reads(one.schema) and not one.derived)
        whole = {place: one for one in wholes for place in one.columns}
        found = [whole.get(place, column) for place, column in enumerate(self.columns)]
        return [one for place, one in enumerate(found) if one not in found[:place]]

    @property
    def rows(self) -> list[tuple[int, Any]]:
        """The length and dtype of a row of each argument of `encoded`."""
        if array := self.form.whole:
            return [(array.size, np.dtype(array.dtype))]
        return [(len(self.numbers), np.float64), (len(self.categories), np.int32)]

    def encoded(self, *row: NDArray) -> tuple[NDArray, NDArray | None]:
        """The networks' inputs from numbers and codes, or from arrays; see `lamina.export.traced.prediction_of`."""
        if self.form.whole:
            return row[0], None
        numbers, codes = row
        return self.encoder.traced(_with_derived(self, numbers), codes)


def _with_derived(table: Table, x: NDArray) -> NDArray:
    """The numbers, and the numbers derived from them: (rows, quantities of the encoder)."""
    places = {number.name: i for i, number in enumerate(table.numbers)}
    scaled = [column.name for column in table.encoder.schema.quantities]
    if scaled == [*places]:
        return x
    derived: dict[str, NDArray] = {}
    for one in table.composites:
        if one.derived:
            first = _columns(x, places[table.columns[one.columns[0]].name], 1)
            found = one.schema.type.derived(one.schema, first)
            derived |= {name: found[i] for name, i in zip(one.derived, one.places, strict=True)}
    for one in table.encoder.schema.intervals:
        derived[one.name] = one.type.between(lambda date: _columns(x, places[date], 1))
    parts: list[NDArray] = []
    for is_derived, run in groupby(scaled, derived.__contains__):
        names = [*run]
        parts += map(derived.__getitem__, names) if is_derived else _runs(x, [places[name] for name in names])
    return parts[0] if len(parts) == 1 else nd.concat(*parts, dim=1)


def _runs(x: NDArray, columns: Sequence[int]) -> list[NDArray]:
    """The given columns of x, in one array for each run of adjacent columns."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and runs[-1][-1] + 1 == column:
            runs[-1].append(column)
        else:
            runs.append([column])
    return [_columns(x, run[0], len(run)) for run in runs]


def _columns(x: NDArray, begin: int, count: int) -> NDArray:
    return nd.slice_axis(x, axis=1, begin=begin, end=begin + count)


# --- networks ----------------------------------------------------------------------------------------------------


class Networks(Protocol):
    """The interface of trained networks, such as `Ensemble`."""

    @property
    def widths(self) -> Sequence[Sequence[int]]:
        """The layer widths of each network, from input to output."""
        ...

    @property
    def candidates(self) -> Sequence[str]:
        """For each member, "", or a name such as "boosting" if the member is no network."""
        ...

    def __call__(self, numeric: NDArray, codes: NDArray | None = None, /) -> NDArray:
        """The mean of the networks' outputs, float32 (rows, outputs).

        Args:
            numeric: float32 (rows, inputs) for a table; otherwise the rows.
            codes: int32 (rows, embedded categories); None if no category is embedded.
        """
        ...


# --- the whole ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prediction:
    """A trained model's prediction, as data for exporters, with facts about the model.

    Attributes:
        inputs: the table.
        network: the trained networks.
        output: the meaning of the networks' mean output.
        target: the target's name; empty if it has none.
        version: the version of lamina that described the model.
        metrics: the measured quality, such as ``{"log_loss": 0.31}``; empty if unknown.
        importance: the increase in loss without each column, by name, largest first; empty if unknown.
    """

    inputs: Table
    network: Networks
    output: Classes | Numbers
    version: str
    target: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    importance: Mapping[str, float] = field(default_factory=dict[str, float])
