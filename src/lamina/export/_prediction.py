"""The prediction of a fitted model: the networks, their inputs and outputs, as plain arrays and names.

Nothing in here computes. An `ONNX` file, a compiled library and a page are each made from a `Prediction` and from
nothing else of the model, so that what an estimator is inside is read in one place only (`_describe.py`).

The whole prediction of a row is

1. the inputs of the networks: of a table `Table.columns`, encoded by `Table.encoder`; of pictures the pixels;
2. the networks, which are traced as they were trained; the mean of their outputs, by their shares;
3. what the outputs stand for: `Classes` or `Numbers`.

The networks compute in float32; the encoding of numbers and the output in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lamina.estimators.targets import Classes, Numbers
from lamina.nd.ndarray import NDArray
from lamina.table import types
from lamina.table.encode import TableEncoder
from lamina.table.schema import ColumnSchema

__all__ = [
    "Category", "Classes", "Column", "Composite", "Networks", "Number", "Numbers", "Pictures", "Prediction", "Table",
]  # fmt: skip


# --- inputs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A column of numbers. x becomes (x − center) · factor, in float64; a missing one is first replaced by `fill`.

    Attributes:
        name: the column's name.
        position: its place in the table, counted from 0 with the columns that the network does not see.
        type_name: the type it had in training, for people.
        center, factor, fill: see above.
        clips: whether x / √(1 + (x/3)²) follows.
        missing: how many rows of the training table had none.
        low, high, mean: of the training table; None where they are not known.
        unit: what the numbers count where the table had times, durations or dates; else empty.
        rough: whether the network learned its values one by one, since neighbouring ones say different things.
        type: what it is in tables: how its values are read and shown.
    """

    name: str
    position: int
    type_name: str
    center: float
    factor: float
    fill: float
    clips: bool
    missing: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    unit: str = ""
    rough: bool = False
    type: types.Quantity = field(default_factory=types.Number)


@dataclass(frozen=True, eq=False)
class Category:
    """A column of categories, or of yes and no. A value becomes a code: 0 if it is missing or unknown, else 1, 2, …

    Attributes:
        name, position, type_name, missing: as of a `Number`.
        names: the categories, that of code 1 first.
        spellings: every text that is one of them, with its code: the names; of yes and no also what else says so.
        values: where training had numbers or truth values, not texts: those that the names stand for, else None.
        counts: how many rows of the training table had each category.
        is_boolean: whether it says yes or no: its names are "false" and "true".
    """

    name: str
    position: int
    type_name: str
    names: tuple[str, ...]
    spellings: Mapping[str, int]
    values: tuple[float, ...] | None
    missing: int = 0
    counts: tuple[int, ...] = ()
    is_boolean: bool = False


Column = Number | Category


@dataclass(frozen=True)
class Composite:
    """A column of the table whose values become several of `Table.columns`.

    Attributes:
        schema: what it is, and what it learned.
        position: its place in the table, as of a `Number`.
        columns: the places of its parts among `Table.columns`; of one whose parts are derived, that of the first.
        derived: the names of the parts that are computed of the first one; empty: all parts are read.
        places: for each of them, its place among what `lamina.table.types.Composite.derived` gives.
    """

    schema: ColumnSchema[types.Composite]
    position: int
    columns: tuple[int, ...]
    derived: tuple[str, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """Columns, and their encoding into the network's inputs.

    Attributes:
        columns: those that the network sees, in the table's order, composite ones by their parts that are read.
        width: the number of the table's columns, with those that the network does not see.
        named: whether the table had names of its own; if not, columns are known by position.
        encoder: makes the network's inputs of the columns' numbers and codes.
        composites: what some of the columns are parts of.
    """

    columns: tuple[Column, ...]
    width: int
    named: bool
    encoder: TableEncoder
    composites: tuple[Composite, ...] = ()

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The columns of numbers."""
        return tuple(column for column in self.columns if isinstance(column, Number))


@dataclass(frozen=True)
class Pictures:
    """Gray pictures of uint8, ink 255 on paper 0, flattened by rows."""

    height: int
    width: int


# --- networks ----------------------------------------------------------------------------------------------------


class Networks(Protocol):
    """Networks as they were trained."""

    @property
    def widths(self) -> Sequence[Sequence[int]]:
        """For each network the widths of its layers, from the input to the output."""
        ...

    def __call__(self, numeric: NDArray, codes: NDArray | None = None, /) -> NDArray:
        """The mean of the networks' outputs, float32 (rows, outputs).

        Args:
            numeric: float32 (rows, inputs), of a table; of pictures their pixels, uint8.
            codes: int32 (rows, embedded categories); None where no category is embedded.
        """
        ...


# --- the whole ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prediction:
    """All that predictions need, and the model's facts.

    Attributes:
        inputs: what a row is.
        network: what was trained.
        output: what the mean stands for.
        target: the name of what is predicted; empty if it has none.
        version: the version of lamina that described it.
        metrics: its measured quality, such as ``{"log_loss": 0.31}``; empty if unknown.
        importance: for each column how much worse predictions get without it, most first; empty if it is not known.
    """

    inputs: Table | Pictures
    network: Networks
    output: Classes | Numbers
    version: str
    target: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    importance: Mapping[str, float] = field(default_factory=dict[str, float])
