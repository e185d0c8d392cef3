"""Warnings of exporters: a missing linker, and columns whose form in a file differs from the training table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lamina.export._prediction import Prediction, Table
from lamina.table.messages import as_kind, counted, listed, shown, warn
from lamina.table.types import ColumnSchema

_MOST_NAMED = 5


class NotLinkedWarning(UserWarning):
    """A warning that no linker was found for a library's processor, so that only the object file was written."""

    @property
    def subjects(self) -> frozenset[str]:
        """The subjects of the warning; the command line reports each subject once."""
        return frozenset({str(self)})


def warn_of_texts(
    prediction: Prediction, file: str, reads: Callable[[ColumnSchema[Any]], bool] = lambda schema: False
) -> None:
    """Warn of columns whose form in a file differs from the training table, in a single line.

    Args:
        prediction: the exported prediction.
        file: the kind of file, such as "an ONNX file".
        reads: whether the file reads a column's values in their form in the training table.
    """
    said = [*_taken(prediction.inputs, reads)]
    if not said:
        return
    more = f" and {counted(len(said) - _MOST_NAMED, 'more column')}" if len(said) > _MOST_NAMED else ""
    others = "lamina serve and" if file == "a page" else "lamina serve, a page and"
    warn(
        f"{file} does not read all columns in their form in training; it takes {', '.join(said[:_MOST_NAMED])}{more}. "
        f"{others} lamina.load read {'them as in training' if len(said) > 1 else 'it as in training'}"
    )


def _taken(table: Table, reads: Callable[[ColumnSchema[Any]], bool]) -> Iterator[str]:
    """Describe the file's form of each column that differs from the training table."""
    parts: set[int] = set()
    for one in table.composites:
        kind = one.schema.type
        if kind.derives:
            continue
        parts |= {*one.columns}
        names = [table.columns[i].name for i in one.columns]
        if not reads(one.schema) and names != [one.schema.name]:
            without = f"{as_kind(one.schema.name, 'drop')} leaves it out of training"
            yield f"{shown(one.schema.name)} by its {counted(len(names), 'part')}, {listed(names, 2)} ({without})"
    for i, column in enumerate(table.columns):
        unit = column.schema.type.unit if column.is_number else ""
        if i in parts or not column.is_number or reads(column.schema):
            continue
        if unit or column.schema.type.reads_text:
            yield f"{shown(column.name)} as {unit or 'a number'}"
