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
from functools import cached_property
from typing import Any, Protocol

from lamina.estimators.targets import Classes, Numbers
from lamina.nd.ndarray import NDArray
from lamina.table import types
from lamina.table.encode import TableEncoder
from lamina.table.schema import ColumnSchema

__all__ = ["Classes", "Column", "Composite", "Networks", "Numbers", "Pictures", "Prediction", "Table"]


# --- inputs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Column:
    """A column that the network sees, a number or a category.

    A number x becomes (x − center) · factor, in float64; a missing one is first replaced by `fill`. A category becomes
    a code: 0 if it is missing or unknown, else 1, 2, …

    Attributes:
        schema: what it is, and what training knew of it.
        position: its place in the table, counted from 0 with the columns that the network does not see.
        center, factor, fill: of a number, see above.
        clips: whether x / √(1 + (x/3)²) follows.
        rough: whether the network learned a number value by value, since neighbouring ones say different things.
    """

    schema: ColumnSchema[Any]
    position: int = 0
    center: float = 0.0
    factor: float = 1.0
    fill: float = 0.0
    clips: bool = True
    rough: bool = False

    @property
    def name(self) -> str:
        """The column's name."""
        return self.schema.name

    @property
    def is_number(self) -> bool:
        """Whether it is a number to the network, not a code."""
        return isinstance(self.schema.type, types.Quantity)

    @property
    def is_boolean(self) -> bool:
        """Whether it says yes or no: its categories are "false" and "true"."""
        return isinstance(self.schema.type, types.Boolean)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts: of a category, training had neither numbers nor truth values."""
        return not self.is_number and self.values is None

    @cached_property
    def spellings(self) -> dict[str, int]:
        """Of a category, every text that is one, with its code: the names; of yes and no also what else says so."""
        return self.schema.type.spellings(self.schema.categories)

    @cached_property
    def values(self) -> tuple[float, ...] | None:
        """Of a category, the numbers or truth values that the names stand for; None where training had texts."""
        return self.schema.type.numbers_of(self.schema.categories)


@dataclass(frozen=True)
class Composite:
    """A column of the table whose values become several of `Table.columns`.

    Attributes:
        schema: what it is, and what it learned.
        position: its place in the table, as of a `Column`.
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
    def numbers(self) -> tuple[Column, ...]:
        """The columns of numbers."""
        return tuple(column for column in self.columns if column.is_number)

    @property
    def categories(self) -> tuple[Column, ...]:
        """The columns of categories."""
        return tuple(column for column in self.columns if not column.is_number)


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
