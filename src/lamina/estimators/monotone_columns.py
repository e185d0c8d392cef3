"""The estimators' setting `monotone`: the constrained columns, and the required settings and architecture.

`lamina.estimators.architecture` has the bounds of the parameters that follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.errors import DataError
from lamina.estimators.declaring import is_number
from lamina.estimators.settings import Settings
from lamina.estimators.targets import AnyTarget, Numbers
from lamina.table.kinds import name_of
from lamina.table.messages import as_kind, closest
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Calendar, Quantity
from lamina.table.types.fields import Fields

FEWEST_PIECES = 16
"""The minimum number of pieces of constrained numbers, which enter the network only by piecewise linear functions."""

ACTIVATION = "relu"
"""The activation of constrained networks, monotone also in floating point."""

_RATE = 0.05
"""The maximum default learning rate with constraints, since weights of one sign move outputs together.

A function of four numbers, two of them constrained, was learned with an RMSE of 1.1 at RealMLP's rate of 0.2, and of
0.35 at a rate of 0.05; without constraints, with an RMSE of 0.34.
"""


def constrained_settings(estimator: Any, settings: Settings) -> dict[str, Any]:
    """The settings that constrained columns require, except for settings that the user has set."""
    if not estimator.monotone:
        return {}
    others = {
        "activation": ACTIVATION,
        "learning_rate_init": min(settings.learning_rate_init, _RATE),
        "number_embedding": True,
    }
    return {name: value for name, value in others.items() if getattr(estimator, name) is None}


def constrained_columns(monotone: Mapping[Any, float | str] | str | None, schema: Schema) -> dict[str, int]:
    """The direction (+1 or −1) of each constrained column, by the column's name.

    The keys of `monotone` are names or positions of columns.

    Raises:
        ValueError: a direction is not 1, −1 or 0, or `monotone` is not a mapping.
        DataError: a column does not exist or is not numeric.
    """
    if monotone is None:
        return {}
    if not isinstance(monotone, Mapping):
        raise ValueError(
            f"monotone must be a dict of 1 and -1 by column, not {type(monotone).__name__}: {monotone!r}"
        )
    found: dict[str, int] = {}
    for key, direction in monotone.items():
        if not is_number(direction) or direction not in (-1, 0, 1):
            raise ValueError(f"monotone[{key!r}] must be 1 (rises), -1 (falls) or 0, got {direction!r}")
        column = _column(key, schema)
        if found.setdefault(column.name, int(direction)) != direction:
            raise ValueError(
                f"monotone: the column {column.name!r} has both {found[column.name]} and {direction}"
            )
    return {name: direction for name, direction in found.items() if direction}


def _column(key: Any, schema: Schema) -> ColumnSchema[Any]:
    names = [one.name for one in schema.columns]
    name = name_of(key, names)
    column = next((one for one in schema.columns if one.name == name), None)
    if column is None:
        raise DataError(f"monotone: the table has no column {key!r}.{closest(name, names)}")
    if not column.used:
        raise DataError(f"monotone: the column {column.name!r} is not used, so it can't be constrained")
    seen = next((one for one in schema.inputs if one.name == name), column)
    if isinstance(column.type, Fields):
        raise DataError(
            f"monotone: the column {column.name!r} holds {column.type.plural}, and only a single number has an order"
        )
    if not isinstance(seen.type, Quantity):
        raise DataError(
            f"monotone: the column {column.name!r} is {column.kind}, and only numbers have an order; if it holds "
            f"numbers, give it {as_kind(column.name, 'numeric')}"
        )
    if isinstance(column.type, Calendar) and column.type.cycles:
        raise DataError(
            f"monotone: the column {column.name!r} is {column.kind}, whose positions in the "
            f"{' and in the '.join(column.type.cycles)} are cyclic, not monotone; to use only the number of days, give "
            f"it {as_kind(column.name, 'numeric')}"
        )
    return column


def constraints(
    columns: Mapping[str, int], schema: Schema, target: AnyTarget, settings: Settings
) -> dict[str, Any]:
    """The arguments of `Architecture` that express the constraints on these columns.

    Raises:
        ValueError: there are more than two classes, or a setting is incompatible with the constraints.
    """
    if not columns:
        return {}
    names = settings.activation
    if set([names] if isinstance(names, str) else names) != {ACTIVATION}:
        raise ValueError(f"monotone needs activation={ACTIVATION!r}, not {names!r}; leave the activation out")
    if settings.number_embedding is False:
        raise ValueError("monotone needs the embedding of numbers; leave out number_embedding=False")
    if settings.normalization == "layer":
        raise ValueError(
            "monotone excludes normalization='layer', which mixes all units of a layer; use 'batch' or None"
        )
    return {
        "monotone": tuple(columns.get(column.name, 0) for column in schema.embedded),
        "rising": _rising(target),
        "number_embedding": True,
    }


def _rising(target: AnyTarget) -> tuple[int, ...]:
    """For each output, +1 if the prediction rises with the output, and −1 if the prediction falls."""
    if isinstance(target, Numbers) or target.multilabel:
        return (1,) * target.outputs
    if target.outputs > 2:
        raise ValueError(
            "monotone is for numbers, labels, or two classes (it constrains the second class's probability); "
            f"the target has {target.outputs} classes"
        )
    return -1, 1
