"""Inputs of an ONNX model: named columns, converted to the arrays of numbers and codes that lamina's graphs take.

Strings and numbers of categories become codes, and missing values NaN or 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.export._onnx_emission import Codes
from lamina.export._onnx_graph import ML, ROWS, OnnxGraph, element_type, joined
from lamina.export._prediction import Column, Pictures, Table

MATRIX = "X"
"""The input's name for a table without column names, as in skl2onnx."""


def pixels(graph: OnnxGraph, pictures: Pictures) -> str:
    """The image input, uint8 (rows, height · width)."""
    return graph.input(MATRIX, np.uint8, [ROWS, pictures.height * pictures.width])


class TableInputs:
    """The model's inputs: one tensor (rows, 1) per column, or one (rows, columns) for a table without names.

    Attributes:
        dtype: the dtype for computing with `numbers`: float32 if all columns fit float32, as in lamina; else float64.
        categories: the columns of `codes`.
    """

    def __init__(self, graph: OnnxGraph, table: Table) -> None:
        self._graph, self._table = graph, table
        self.categories = table.categories
        of_numbers = all(column.values is not None for column in self.categories)
        names_are_ours = all(column.name == f"pixel_{column.position}" for column in table.columns)
        self._is_matrix = of_numbers and (names_are_ours or not table.named) and not table.composites
        if self._is_matrix:
            bytes_only = all(column.schema.type_name.lower() == "uint8" for column in table.columns)
            self._dtypes = dict.fromkeys(table.columns, np.uint8 if bytes_only else _dtype(table.columns[0]))
            graph.input(MATRIX, self._dtypes[table.columns[0]], [ROWS, table.width])
        else:
            self._dtypes = {column: _dtype(column) for column in table.columns}
            for column in table.columns:
                graph.input(column.name, _dtype(column), [ROWS, 1])
        self.dtype: Any = self._work(table.numbers)

    def numbers(self) -> str:
        """The numeric columns, concatenated to (rows, numbers), NaN where missing; "" if there are none."""
        return self._several(self._table.numbers) if self._table.numbers else ""

    @property
    def codes(self) -> Codes:
        """The codes of all categories."""
        counts = [len(column.schema.categories) + 1 for column in self.categories]
        order = sorted(range(len(counts)), key=lambda i: self.categories[i].values is not None)
        return Codes(counts, order, self._shifted_codes)

    def _shifted_codes(self, columns: Sequence[int], begins: Sequence[int]) -> str:
        """The codes of some categorical columns, concatenated, each with an offset added."""
        begin_of = {self.categories[i]: begin for i, begin in zip(columns, begins, strict=True)}
        texts = [column for column in begin_of if column.values is None]
        valued = [column for column in begin_of if column.values is not None]
        parts = [_codes_of_text(self._graph, column, begin_of[column]) for column in texts]
        if valued:
            x, dtype = self._several(valued), self._work(valued)
            parts.append(_codes_of_values(self._graph, x, dtype, valued, [begin_of[c] for c in valued]))
        codes, order = joined(self._graph, parts), [*texts, *valued]
        if order == [*begin_of]:
            return codes
        places = [order.index(column) for column in begin_of]
        return self._graph.add("Gather", codes, self._graph.constant(places, np.int64), axis=1)

    def _work(self, columns: Sequence[Column]) -> Any:
        return np.float64 if np.float64 in [self._dtypes[column] for column in columns] else np.float32

    def _several(self, columns: Sequence[Column]) -> str:
        """The values of some columns, concatenated to (rows, columns), in a common dtype."""
        work = self._work(columns)
        if not self._is_matrix:
            return joined(self._graph, [self._cast(c.name, self._dtypes[c], work) for c in columns])
        positions, matrix = [column.position for column in columns], MATRIX
        if positions != list(range(self._table.width)):
            matrix = self._graph.add("Gather", matrix, self._graph.constant(positions, np.int64), axis=1)
        return self._cast(matrix, self._dtypes[columns[0]], work)

    def _cast(self, x: str, dtype: Any, wanted: Any) -> str:
        return x if dtype == wanted else self._graph.add("Cast", x, to=element_type(wanted))


def _dtype(column: Column) -> Any:
    """The element type of a column's input: string, or a float that can express a missing value as NaN."""
    if column.is_text:
        return object
    return np.float32 if column.schema.type_name.lower() in ("float32", "float16") else np.float64


def missing_text(column: Column) -> str:
    """The string that means missing in a string column: the empty string, or one that did not occur in training."""
    text = ""
    while text in column.spellings:
        text = f"<{text or 'missing'}>"
    return text


def _codes_of_text(graph: OnnxGraph, column: Column, begin: int) -> str:
    texts = list(column.spellings)
    codes = [begin + column.spellings[text] for text in texts]
    return graph.add(
        "LabelEncoder", column.name, domain=ML, keys_strings=texts, values_int64s=codes, default_int64=begin
    )


def _codes_of_values(
    graph: OnnxGraph, x: str, dtype: Any, columns: Sequence[Column], begins: Sequence[int]
) -> str:
    """Codes (rows, columns) of numbers, found by comparing each number with all known values of its column."""
    most = max(len(column.schema.categories) for column in columns)
    keys = np.full((len(columns), most), np.nan)  # NaN pads the keys, since it equals no number
    for row, column in zip(keys, columns, strict=True):
        values = column.values or ()
        row[: len(values)] = values
    column = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    found = graph.add("Equal", column, graph.constant(keys, dtype))
    found = graph.add("Cast", found, to=element_type(np.float32))
    code = graph.add("MatMul", found, graph.constant(np.arange(1, most + 1), np.float32))
    if any(begins):
        code = graph.add("Add", code, graph.constant(begins, np.float32))
    return graph.add("Cast", code, to=element_type(np.int64))
