"""What a fitted model predicts, as plain arrays and names: what every way out of lamina walks.

Nothing in here computes. An `ONNX` file, a compiled library and a page are each made from a `Prediction` and from
nothing else of the model, so that what an estimator is inside is read in one place only (`_describe.py`).

The whole prediction of a row is

1. the inputs of the network: of a table `Table.columns`, each encoded as it says; of pictures the pixels;
2. for each member: embeddings, `scale`, and its layers; the mean of the members' outputs, by their `share`;
3. what the outputs stand for: `Classes` or `Numbers`.

The network computes in float32; the encoding of numbers and the output in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lamina.table import types
from lamina.table.schema import ColumnSchema

__all__ = [
    "Category", "Classes", "Column", "Composite", "Label", "Layer", "Member", "Normalization", "Number",
    "NumberEmbedding", "Numbers", "Pictures", "Prediction", "Table",
]  # fmt: skip

Label = str | int | float | bool
"""A class, as `predict` gives it."""


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
        flag: what a further input of the network is, (where the number is missing, where it is there); None: no
            such input.
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
    flag: tuple[float, float] | None
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
        encoded: float32 (codes, inputs): the network's inputs for each code; None: the code chooses a row of the
            members' `tables`.
        counts: how many rows of the training table had each category.
        is_boolean: whether it says yes or no: its names are "false" and "true".
    """

    name: str
    position: int
    type_name: str
    names: tuple[str, ...]
    spellings: Mapping[str, int]
    values: tuple[float, ...] | None
    encoded: np.ndarray | None
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
        derived: the parts that are computed of the first one, in the network's order; empty: all parts are read.
        places: for each of them, its place among what `lamina.table.types.Composite.derived` gives.
    """

    schema: ColumnSchema[types.Composite]
    position: int
    columns: tuple[int, ...]
    derived: tuple[Number, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """Columns. The network's inputs are, in this order: all numbers, all flags, what all categories are encoded as.

    Behind them are appended the embeddings: of all numbers, then of each category that has a code in `tables`.

    Attributes:
        columns: those that the network sees, in the table's order, composite ones by their parts that are read.
        width: the number of the table's columns, with those that the network does not see.
        named: whether the table had names of its own; if not, columns are known by position.
        composites: what some of the columns are parts of.
    """

    columns: tuple[Column, ...]
    width: int
    named: bool
    composites: tuple[Composite, ...] = ()

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The columns of numbers."""
        return tuple(column for column in self.columns if isinstance(column, Number))

    @property
    def scaled(self) -> tuple[Number, ...]:
        """The numbers and those derived of them: the network's first inputs, of which the first are embedded."""
        derived = {self.columns[one.columns[0]].name: one.derived for one in self.composites}
        found = (part for number in self.numbers for part in (number, *derived.get(number.name, ())))
        return tuple(sorted(found, key=lambda part: not part.type.embedded))

    @property
    def flagged(self) -> tuple[Number, ...]:
        """The numbers of which a further input says where they are missing."""
        return tuple(column for column in self.scaled if column.flag is not None)

    @property
    def encoded(self) -> tuple[Category, ...]:
        """The categories that are inputs."""
        categories = (column for column in self.columns if isinstance(column, Category))
        return tuple(column for column in categories if column.encoded is not None)

    @property
    def embedded(self) -> tuple[Category, ...]:
        """The categories that choose rows of the members' `tables`, in the tables' order."""
        categories = (column for column in self.columns if isinstance(column, Category))
        return tuple(column for column in categories if column.encoded is None)


@dataclass(frozen=True)
class Pictures:
    """Gray pictures of uint8, ink 255 on paper 0, flattened by rows; divided by `divisor` they are the inputs."""

    height: int
    width: int
    divisor: float


# --- the network -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NumberEmbedding:
    """What the numbers' encoded values x become besides, three inputs a number; all arrays are float32.

    That is cos(x · frequency · 2π + phase) · maps + bias; where there are pieces, plus
    clip((x − knots) · slopes, 0, 1) · pieces.

    Attributes:
        frequency, phase: (numbers, waves).
        maps: (numbers, waves, 3).
        bias: (numbers, 3).
        knots, slopes: (numbers, pieces); None: there are none.
        pieces: (numbers, pieces, 3).
    """

    frequency: np.ndarray
    phase: np.ndarray
    maps: np.ndarray
    bias: np.ndarray
    knots: np.ndarray | None = None
    slopes: np.ndarray | None = None
    pieces: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Normalization:
    """(z − mean) / √(variance + epsilon) · gamma + beta.

    `mean` and `variance`, (units,), are those of training; None: they are those of each row's z (layer normalization).
    """

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    epsilon: float = 1e-5


@dataclass(frozen=True, eq=False)
class Layer:
    """z = (x · weight) · factor + bias, normalized; then z + blend · (f(z) − z), or f(z) without a `blend`.

    Attributes:
        weight: (inputs, outputs), float32.
        bias: (outputs,), float32.
        factor: 1, or the 1/√inputs of the neural tangent parametrization.
        normalization: None if there is none.
        activation: the name of f in `lamina.nd.activation.ACTIVATIONS`; "identity" of the last layer.
        blend: (outputs,), float32; None: f(z).
    """

    weight: np.ndarray
    bias: np.ndarray
    factor: float = 1.0
    normalization: Normalization | None = None
    activation: str = "identity"
    blend: np.ndarray | None = None

    @property
    def matrix(self) -> np.ndarray:
        """What x is multiplied with, the factor in it; float32."""
        return self.weight * np.float32(self.factor)


@dataclass(frozen=True, eq=False)
class Member:
    """A network: the inputs with their embeddings, multiplied by `scale`, go through the layers.

    Attributes:
        layers: the last one gives the outputs. A classifier's calibration is in its weights.
        embedding: of the numbers; None: they have none.
        tables: for each of `Table.embedded` its rows, (codes, width), float32.
        scale: a factor for each input of the first layer, float32; None: 1.
        share: of the mean of the members' outputs; those of all members are together 1.
    """

    layers: tuple[Layer, ...]
    embedding: NumberEmbedding | None = None
    tables: tuple[np.ndarray, ...] = ()
    scale: np.ndarray | None = None
    share: float = 1.0


# --- outputs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classes:
    """The softmax of the outputs is the probability of each class; the label is the likeliest, of equals the first.

    Of two classes with a threshold the label is the positive one where its probability is at least that.

    Attributes:
        labels: the classes in order.
        several: rows have any number of labels: the logistic function of each output is its probability, and it
            holds where the output is above 0. `labels` are then the positions of the outputs.
        threshold: of two classes, see above; None: there is none.
        positive: the position of the class that the threshold is of.
    """

    labels: tuple[Label, ...]
    several: bool = False
    threshold: float | None = None
    positive: int = 1


@dataclass(frozen=True, eq=False)
class Numbers:
    """The target is clip(output · scale + center, low, high) in its own units; float64 arrays of (outputs,).

    Attributes:
        flat: whether the target is one number, not a row of them.
        logarithmic: the output is replaced by its exponential first.
        levels: the outputs, put in ascending order, are these quantiles of one target; empty: each is one of its own.
    """

    center: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flat: bool
    logarithmic: bool = False
    levels: tuple[float, ...] = ()


# --- the whole ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prediction:
    """All that is needed to predict, and what is known of it.

    Attributes:
        inputs: what a row is.
        members: the networks, whose outputs are averaged by their shares before anything else is made of them.
        output: what the mean stands for.
        target: the name of what is predicted; empty if it has none.
        version: the version of lamina that described it.
        metrics: how good it was, by what was measured, such as ``{"log_loss": 0.31}``; empty if it is not known.
        importance: for each column how much worse predictions get without it, most first; empty if it is not known.
    """

    inputs: Table | Pictures
    members: tuple[Member, ...]
    output: Classes | Numbers
    version: str
    target: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    importance: Mapping[str, float] = field(default_factory=dict[str, float])
