"""Types whose values become several numbers and codes: texts, lists, numbers with words among them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lamina.table.columns import ArrayColumn, Column
from lamina.table.types.base import ColumnSchema, OfJson
from lamina.table.types.quantity import missing_said

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray
    from lamina.table.types.reading import Reading


@dataclass(frozen=True)
class Composite(OfJson):
    """A type whose values become several columns, called parts, each with a number or a code per value.

    The encoder, the network and exports use the parts; users see the column. The column's schema has the parts in
    `ColumnSchema.parts`, and learned arrays in `ColumnSchema.arrays`. Parts are ordinary columns named
    ``"column: part"``; the first part may have the column's name. A part with missing values in training gets an input
    that flags missing values; if it would equal another part's, it has none.

    Attributes:
        derives: whether `derived` computes all other parts from the first part's number, which exported graphs
            require; if not, only `split` computes the parts.
        page_script: a JavaScript function of the `page_data`. It returns a function from a text (not null) to the
            array of the parts' values: numbers (NaN if missing) and codes (0 if missing). Empty: a page has a field
            for each part.
    """

    kind: ClassVar[str] = "several"
    derives: ClassVar[bool] = False
    page_script: ClassVar[str] = ""

    @property
    def reads_text(self) -> bool:
        return not self.derives

    @abstractmethod
    def learn(self, column: Column, named: bool) -> ColumnSchema:
        """The schema of a training table's column of this type, with the parts."""

    @abstractmethod
    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        """The parts of any table's column, in the order of `schema.parts`; missing values are NaN or None.

        Raises:
            DataError: a value is not of this type; the message names the first affected row.
        """

    def derived(self, schema: ColumnSchema, first: NDArray) -> Sequence[NDArray]:
        """All parts except the first, float64 (rows, 1) each, computed from the first part's numbers.

        The first part's numbers are float64 (rows, 1).
        """
        raise NotImplementedError(f"{type(self).__name__} can't compute its parts from a number")

    def split_by_number(self, schema: ColumnSchema, numbers: np.ndarray) -> list[Column]:
        """The parts of a column, computed from the first part's numbers (rows,).

        Only for types that derive all other parts.
        """
        from lamina import eager, nd

        with eager():  # so that neither the bits nor a compilation depend on what was computed before
            derived = self.derived(schema, nd.array(numbers.reshape(-1, 1), dtype="float64"))
        values = [numbers, *(part.asnumpy().ravel() for part in derived)]
        return [ArrayColumn(part.name, one) for part, one in zip(schema.parts, values, strict=True)]

    def reading(self, schema: ColumnSchema) -> Reading | None:
        """The description of the parts for C libraries, and for pages with `reading.PAGE_SCRIPT`; None without one."""
        return None

    def on_pages(self, schema: ColumnSchema) -> bool:
        """Whether a page reads the column's texts by `page_script`; if not, it has a field for each part."""
        return bool(self.page_script)

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        """The argument of `page_script`, for JSON; arrays become JavaScript's typed arrays."""
        return {}

    def treatment(self, column: ColumnSchema) -> str:
        return ", ".join(part.name.removeprefix(f"{column.name}: ") for part in column.parts if part.used)

    def values_said(self, column: ColumnSchema) -> str:
        """A description of the column's values, for output; if empty, the first part's values are described."""
        return ""

    def example(self, column: ColumnSchema) -> Any:
        """An example value for JSON."""
        return None

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        """The JSON Schema of a column's values."""
        names = [name for kind, name in _JSON_NAMES.items() if kind in self.json_types]
        example = self.example(column)
        like = f"Such as {example}. " if example not in (None, "") else ""
        return {"type": names, "description": like + missing_said(column)}


_JSON_NAMES = {dict: "object", list: "array", str: "string", type(None): "null"}
