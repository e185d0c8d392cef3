"""Categories with an order, such as sizes, grades and answers on a scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.messages import listed, row, shown
from lamina.table.types.base import ColumnSchema
from lamina.table.types.category import Category
from lamina.table.types.composite import Composite
from lamina.table.types.number import Number
from lamina.table.types.reading import script_beside
from lamina.table.values import MISSING


@dataclass(frozen=True)
class Ordered(Composite):
    """Categories in an order, only if requested; the parts are the category, and its position in the order.

    The part for the category has the column's name.

    Attributes:
        order: the values from lowest to highest, separated by line feeds.
        cyclic: whether the first value follows the last; the position is then two numbers, a point on a circle.

    >>> Ordered.told(["S", "M", "L"]).places["m"]
    1
    """

    order: str = ""
    cyclic: bool = False
    tag = "ordered"
    kind = "categorical"
    choice = "categorical"

    page_script: ClassVar[str] = script_beside(__file__)

    @classmethod
    def told(cls, values: Sequence[object]) -> Ordered:
        """The type with the order that a user specified, from lowest to highest."""
        return cls("\n".join(map(value_name, values)))

    @property
    def places(self) -> dict[str, int]:
        """The position of each value in the order, from 0, by the value's normalized text."""
        return {_key(text): place for place, text in enumerate(self.order.split("\n"))}

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        whole = Category().learn(column, named)
        numbers = self.split(ColumnSchema(column.name, self), column)[1:]
        parts = [whole, *(Number().learned(one, one.numbers(), named) for one in numbers)]
        said = " < ".join(self.order.split("\n")) + (" < …" if self.cyclic else "")
        return self.schema_of(column, reason=f"in the order {said}", parts=tuple(parts))

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        places, count = self.places, len(self.places)

        found = column.mapped(lambda value: places.get(_key(value_name(value)), math.nan), np.float64)
        if not self.cyclic:
            return [column, ArrayColumn(f"{column.name}: place", found)]
        turn = 2 * np.pi / count * found
        return [column, *(ArrayColumn(f"{column.name}: {f.__name__}", f(turn)) for f in (np.sin, np.cos))]

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        texts = self.order.split("\n")
        _, *places = self.split(schema, ArrayColumn(schema.name, np.array(texts, object)))
        values = np.column_stack([place.numbers() for place in places]).tolist()
        return {
            "categories": list(schema.parts[0].categories),
            "values": [[_key(text), value] for text, value in zip(texts, values, strict=True)],
            "used": [i for i, part in enumerate(schema.parts) if part.used],
            "proposals": [text for text in texts if text in schema.parts[0].categories][:7],
        }

    def example(self, column: ColumnSchema) -> Any:
        return column.parts[0].type.example(column.parts[0])

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        return column.parts[0].type.json_schema(column.parts[0])

    def treatment(self, column: ColumnSchema) -> str:
        where = "place on a circle" if self.cyclic else "place in the order"
        return f"{column.parts[0].type.treatment(column.parts[0])}, and the {where} as a number"


def ordered_by(column: Column, told: Sequence[object] | None, named: bool) -> ColumnSchema:
    """The schema of a column of ordered categories.

    `told` is the order that the user specified; None: the values are from a known scale.

    Raises:
        DataError: a value is not in the order, or no known scale has all values.
    """
    kind = _known(column) if told is None else Ordered.told(told)
    if kind is None:
        names = sorted({value_name(value) for value, _ in column.value_counts()})
        raise DataError(
            f"column {column.name!r}: the order of {listed(names, 10)} is not known; give it as a list, from the "
            "lowest value to the highest"
        )
    places = kind.places
    odd = column.first_where(
        lambda value: _key(value_name(value)) not in places and value_name(value).strip() not in MISSING
    )
    if odd is not None:
        raise DataError(
            f"column {column.name!r}: {shown(value_name(odd[1]))} in {row(odd[0])} is not in the order "
            f"{listed(kind.order.split(chr(10)), 20)}; add it, or make it missing"
        )
    return kind.learn(column, named)


def _known(column: Column) -> Ordered | None:
    """The type of the known scale that has all values of a column; None if there is none."""
    texts = sorted(value_name(value) for value, _ in column.value_counts())
    written = {_key(text): text for text in texts}
    for scale, cyclic in _scales():
        if written and written.keys() <= {*scale}:
            return Ordered("\n".join(written.get(text, text) for text in scale), cyclic)
    return None


@cache
def _scales() -> list[tuple[list[str], bool]]:
    """The known scales, from the lowest value to the highest, and whether each is cyclic (… at its end in the file)."""
    lines = Path(__file__).with_name("scales.txt").read_text("utf-8").splitlines()
    return [(line.removesuffix("|…").split("|"), line.endswith("…")) for line in lines]


def _key(text: str) -> str:
    """A text normalized so that capitals, spaces and hyphens make no difference.

    >>> _key(" Very-Low"), _key("A+")
    ('very low', 'a+')
    """
    plain = text.strip().casefold()
    return plain if len(plain) <= 2 else plain.replace("-", " ").replace("_", " ")
