"""What a `Prediction`'s inputs become in ONNX: a model's inputs under the columns' names, encoded for the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.export._onnx_graph import ML, ROWS, OnnxGraph, element_type, joined
from lamina.export._prediction import Category, Column, Number, Pictures, Table

__all__ = ["MATRIX", "Encoded", "encoded_pictures", "encoded_table", "missing_text"]

MATRIX = "X"
"""The name of the input of a table without names, as skl2onnx calls it."""


@dataclass(frozen=True)
class Encoded:
    """Tensors of encoded inputs; None where there are none.

    Attributes:
        numbers: the encoded numbers, float32 (rows, numbers).
        flags: float32 (rows, flags).
        codes: int64 (rows, categories): places in the list of all codes of `categories`, one after the other.
        categories: the columns behind the codes.
    """

    numbers: str | None
    flags: str | None
    codes: str | None
    categories: tuple[Category, ...]


def encoded_pictures(graph: OnnxGraph, pictures: Pictures) -> str:
    """Pixels as float32, not yet divided: that is folded into the first layer."""
    pixels = graph.input(MATRIX, np.uint8, [ROWS, pictures.height * pictures.width])
    return graph.add("Cast", pixels, to=element_type(np.float32))


def encoded_table(graph: OnnxGraph, table: Table) -> Encoded:
    """Declare the model's inputs, and encode them."""
    columns = _Columns(graph, table)
    texts = [c for c in table.columns if isinstance(c, Category) and c.values is None]
    valued = [c for c in table.columns if isinstance(c, Category) and c.values is not None]
    categories = (*texts, *valued)
    bases = dict(
        zip(categories, np.cumsum([0, *(len(c.names) + 1 for c in categories)]).tolist(), strict=False)
    )
    parts = [_codes_of_text(graph, columns.one(column), column, bases[column]) for column in texts]
    if valued:
        parts.append(_codes_of_values(graph, columns.several(valued), valued, [bases[c] for c in valued]))
    codes = joined(graph, parts) if parts else None
    numbers, flags = None, None
    if table.numbers:
        numbers, flags = _numbers(
            graph, columns.several(table.numbers), table.numbers, columns.work(table.numbers)
        )
    return Encoded(numbers, flags, codes, categories)


class _Columns:
    """The model's inputs: a tensor (rows, 1) for each column, or one (rows, columns) for a table without names."""

    def __init__(self, graph: OnnxGraph, table: Table) -> None:
        self._graph, self._table = graph, table
        of_numbers = all(isinstance(c, Number) or c.values is not None for c in table.columns)
        names_are_ours = all(column.name == f"pixel_{column.position}" for column in table.columns)
        self._matrix: str | None = None
        bytes_only = all(column.type_name.lower() == "uint8" for column in table.columns)
        self._dtype = np.uint8 if bytes_only else _dtype(table.columns[0])
        if of_numbers and (names_are_ours or not table.named):
            self._matrix = graph.input(MATRIX, self._dtype, [ROWS, table.width])
            return
        for column in table.columns:
            graph.input(column.name, _dtype(column), [ROWS, 1])

    def work(self, columns: Sequence[Column]) -> Any:
        """The element type that numbers are computed in: float32 where it holds them all, as lamina does."""
        dtypes = [self._dtype] if self._matrix else [_dtype(column) for column in columns]
        return np.float64 if np.float64 in dtypes else np.float32

    def one(self, column: Column) -> str:
        """A column as it is given, (rows, 1)."""
        return column.name

    def several(self, columns: Sequence[Column]) -> str:
        """Columns of numbers beside each other, in the type of `work`."""
        work = self.work(columns)
        if self._matrix is None:
            return joined(self._graph, [self._cast(c.name, _dtype(c), work) for c in columns])
        positions = [column.position for column in columns]
        matrix = self._matrix
        if positions != list(range(self._table.width)):
            matrix = self._graph.add("Gather", matrix, self._graph.constant(positions, np.int64), axis=1)
        return self._cast(matrix, self._dtype, work)

    def _cast(self, x: str, dtype: Any, wanted: Any) -> str:
        if dtype == wanted:
            return x
        return self._graph.add("Cast", x, to=element_type(wanted))


def _dtype(column: Column) -> Any:
    """The element type of a column's input: texts; else what can say that a value is missing, float32 or float64."""
    if isinstance(column, Category) and column.values is None:
        return object
    return np.float32 if column.type_name.lower() in ("float32", "float16") else np.float64


def _numbers(graph: OnnxGraph, x: str, columns: Sequence[Number], work: Any) -> tuple[str, str | None]:
    """Numbers scaled and clipped, and the flags of those that have one; the steps are those of `TableEncoder`."""
    center, factor, fill = (
        np.array([getattr(column, name) for column in columns]) for name in ("center", "factor", "fill")
    )
    absent = graph.add("IsNaN", x)
    if np.any(center) or np.any(factor != 1):
        x = graph.add("Sub", x, graph.constant(center, work))
        x = graph.add("Mul", x, graph.constant(np.minimum(factor, np.finfo(work).max), work))
    x = graph.add("Where", absent, graph.constant((fill - center) * factor, work), x)
    clips = np.array([column.clips for column in columns])
    if clips.any():
        clipped = _smoothly_clipped(graph, x, work)
        x = clipped if clips.all() else graph.add("Where", graph.constant(clips, np.bool_), clipped, x)
    flagged = [i for i, column in enumerate(columns) if column.flag is not None]
    flags = None
    if flagged:
        if len(flagged) < len(columns):
            absent = graph.add("Gather", absent, graph.constant(flagged, np.int64), axis=1)
        values = np.array([columns[i].flag for i in flagged], np.float32).T
        flags = graph.add("Where", absent, graph.constant(values[0]), graph.constant(values[1]))
    if work is not np.float32:
        x = graph.add("Cast", x, to=element_type(np.float32))
    return x, flags


def _smoothly_clipped(graph: OnnxGraph, x: str, work: Any) -> str:
    """x / √(1 + (x/3)²)."""
    limit = 1e9 if work is np.float32 else 1e100  # their squares are finite
    x = graph.add("Clip", x, graph.constant(-limit, work), graph.constant(limit, work))
    third = graph.add("Mul", x, graph.constant(1 / 3, work))
    square = graph.add("Add", graph.add("Mul", third, third), graph.constant(1, work))
    return graph.add("Div", x, graph.add("Sqrt", square))


def missing_text(column: Category) -> str:
    """The text that says that a value of a column of texts is missing: the empty one, or what training did not have."""
    text = ""
    while text in column.spellings:
        text = f"<{text or 'missing'}>"
    return text


def _codes_of_text(graph: OnnxGraph, x: str, column: Category, base: int) -> str:
    texts = list(column.spellings)
    codes = [base + column.spellings[text] for text in texts]
    return graph.add(
        "LabelEncoder", x, domain=ML, keys_strings=texts, values_int64s=codes, default_int64=base
    )


def _codes_of_values(graph: OnnxGraph, x: str, columns: Sequence[Category], bases: Sequence[int]) -> str:
    """Codes (rows, columns) of numbers: each is compared with all values of its column, of which it is one or none."""
    most = max(len(column.names) for column in columns)
    keys = np.full((len(columns), most), np.nan)  # which nothing is equal to
    for row, column in zip(keys, columns, strict=True):
        values = column.values or ()
        row[: len(values)] = values
    column = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    found = graph.add("Equal", column, graph.constant(keys, np.float64))
    found = graph.add("Cast", found, to=element_type(np.float32))
    code = graph.add("MatMul", found, graph.constant(np.arange(1, most + 1), np.float32))
    code = graph.add("Add", code, graph.constant(bases, np.float32))
    return graph.add("Cast", code, to=element_type(np.int64))
