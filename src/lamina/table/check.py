"""Conversion of a new table, whose columns are found by name, to the training table's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import ArrayColumn, Column, Once
from lamina.table.formats.arrays import FILE, FIRST_PIXEL
from lamina.table.messages import closest, counted, listed, warn
from lamina.table.schema import Schema
from lamina.table.tables import Block, Table, as_table
from lamina.table.types import Composite, Interval, Nominal, Quantity
from lamina.table.types.quantity import finite


def check(schema: Schema, data: Any, *, infinite: bool = False) -> Table:
    """A view of `data` with the encoder's inputs, in the order and types of `Schema.inputs`.

    Columns are found by name. Extra columns are ignored, with a warning unless the column is the target or was ignored
    in training. A column that was numeric in training may have booleans, or texts if each is a number; a boolean column
    may have texts, or 0 and 1; a categorical column may have any type, since categories are compared by
    `value_name`. Categories unseen in training are unchanged: the encoder treats them as unknown.

    Args:
        schema: the training table's schema.
        data: the new table, see `as_table`; an array is matched by position. It may have no rows.
        infinite: whether to keep infinite numbers; otherwise, in a table with names, they count as missing, with a
            warning.

    Raises:
        DataError: columns are missing (the message names all), an array has another width, or a value does not fit
            the column's type (the message names the column, the first affected row and the value).

    >>> import numpy as np
    >>> from lamina.table.kinds import infer
    >>> schema = infer(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> check(schema, np.ones((5, 2))).names
    ('x0', 'x1')
    """
    table = as_table(data, taken=True)
    positions = (_by_name if schema.named and table.named else _by_position)(schema, table)
    missing = schema.named and table.named and not infinite

    def given(owner: str) -> Column:
        return table.column(table.names[positions[owner]])

    @Once
    def parts(owner: str) -> Mapping[str, Column]:
        column = schema.columns[schema.positions[owner]]
        columns = column.type.split(column, _called(given(owner), owner))
        return {part.name: one for part, one in zip(column.parts, columns, strict=True)}

    def fitted(i: int) -> Column:
        name, kind = schema.inputs[i].name, schema.inputs[i].type
        owner = schema.columns[schema.positions[schema.owners[name]]]
        values = parts[owner.name][name] if isinstance(owner.type, Composite) else given(owner.name)
        assert isinstance(kind, Quantity | Nominal)
        found = kind.fitted(name, values)
        return _finite(found) if missing and isinstance(kind, Quantity) else found

    @Once
    def column(i: int) -> Column:
        # It doesn't call itself: in such a cycle, the table would stay until the collector comes.
        name, kind = schema.inputs[i].name, schema.inputs[i].type
        if isinstance(kind, Interval):
            days = kind.between(lambda date: fitted(schema.input_names.index(date)).numbers())
            return ArrayColumn(name, days)
        return fitted(i)

    matrix = _matrix_of(schema, table, positions, keeps_infinite=not missing)
    blocks = partial(_blocks_of, schema, table, positions, keeps_infinite=not missing)
    return Table(schema.input_names, table.rows, column.__getitem__, named=True, matrix=matrix, blocks=blocks)


def _blocks_of(
    schema: Schema, table: Table, positions: Mapping[str, int], at: Sequence[int], *, keeps_infinite: bool
) -> Iterator[Block]:
    """The columns of plain numbers among the inputs `at`; see `Table.blocks`."""
    plain = {positions[schema.plain[i]]: i for i in at if i in schema.plain}
    for of_table, block in table.blocks([*plain]):
        if keeps_infinite or not np.isinf(block).any():  # a column of its own otherwise, with a warning
            yield [plain[i] for i in of_table], block


def _matrix_of(schema: Schema, table: Table, positions: Mapping[str, int], *, keeps_infinite: bool) -> Any:
    """The array that has the inputs in their order; None if there is none."""
    in_order = positions is schema.positions or [*positions.values()] == [*range(len(table.names))]
    if table.matrix is None or not (schema.is_matrix and in_order):
        return None
    return table.matrix if keeps_infinite or not np.isinf(table.matrix).any() else None


def _finite(column: Column) -> Column:
    """A numeric column whose infinite values are replaced by NaN, as in training."""
    if column.whole:
        return column
    values = column.numbers()
    with np.errstate(over="ignore", invalid="ignore"):
        known = values if np.isfinite(values.sum()) else finite(column.name, values)
    # A view of the table's memory is kept, as it takes none; a copy is not.
    return column if known is values and values.base is None else ArrayColumn(column.name, known)


def _called(column: Column, name: str) -> Column:
    """The column under its name in training, for error messages."""
    if column.name != name:
        column = copy(column)
        column.name = name
    return column


def _by_name(schema: Schema, table: Table) -> dict[str, int]:
    if table.names == (*schema.positions,):
        is_all = len(schema.positions) == len(schema.columns)
        return schema.positions if is_all else {name: i for i, name in enumerate(table.names)}
    absent = [name for name in schema.positions if name not in table]
    if absent:
        hint = closest(absent[0], table.names)
        raise DataError(
            f"the table lacks {counted(len(absent), 'column')} that the model was trained on: "
            f"{listed(absent, limit=20)}.{hint}"
        )
    known = {column.name for column in schema.columns}
    known |= {schema.target.name} if schema.target else set()
    known |= {FILE} if FIRST_PIXEL in known else set()  # the reader of images adds this column
    extra = [name for name in table.names if name not in known]
    if extra:
        warn(f"ignored {counted(len(extra), 'column')} that the model was not trained on: {listed(extra)}")
    return {name: table.position(name) for name in schema.positions}


def _by_position(schema: Schema, table: Table) -> dict[str, int]:
    if len(table.names) != len(schema.columns):
        raise DataError(
            f"the table has {len(table.names)} columns, but the model was trained on {len(schema.columns)}"
            + (f": {listed([column.name for column in schema.columns], limit=20)}" if schema.named else "")
        )
    return schema.positions
