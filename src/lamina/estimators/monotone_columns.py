"""The estimators' `monotone`: constrained columns, and the settings and architecture that they require."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators._monotone import ACTIVATION
from lamina.estimators.settings import Settings
from lamina.estimators.targets import Classes, Numbers
from lamina.table.kinds import name_of
from lamina.table.messages import as_kind, closest
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Calendar, Quantity

FEWEST_PIECES = 16
"""Minimum number of pieces for constrained numbers, which enter the network only through these."""


_RATE = 0.05
"""The maximum default learning rate with constraints, since weights of one sign move outputs together.

A function of four numbers, two of them constrained, was learned with an RMSE of 1.1 at RealMLP's rate of 0.2, and of
0.35 at a rate of 0.05; without constraints, with an RMSE of 0.34.
"""


def constrained_settings(estimator: Any, settings: Settings) -> dict[str, Any]:
    """Values that replace the preset's if columns are constrained."""
    if not estimator.monotone:
        return {}
    others = {
        "activation": ACTIVATION,
        "learning_rate_init": min(settings.learning_rate_init, _RATE),
        "number_embedding": True,
    }
    return {name: value for name, value in others.items() if getattr(estimator, name) is None}


def constrained_columns(monotone: Mapping[Any, Any] | None, schema: Schema) -> dict[str, int]:
    """The columns named by `monotone`, by name or position, with +1 or −1.

    Raises:
        ValueError: a direction is not 1, −1 or 0, or `monotone` is not a mapping.
        DataError: a column does not exist or is not numeric.
    """
    if monotone is None:
        return {}
    if not isinstance(monotone, Mapping):
        raise ValueError(
            f"monotone is a dict of 1 and -1 by column, not {type(monotone).__name__}: {monotone!r}"
        )
    found: dict[str, int] = {}
    for key, direction in monotone.items():
        is_number = isinstance(direction, int | float | np.number) and not isinstance(direction, bool)
        if not is_number or direction not in (-1, 0, 1):
            raise ValueError(f"monotone[{key!r}] is 1 (rises), -1 (falls) or 0 (either), got {direction!r}")
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
    if not isinstance(seen.type, Quantity):
        raise DataError(
            f"monotone: the column {column.name!r} is {column.kind}, and only numbers have an order; if it holds "
            f"numbers, give it {as_kind(column.name, 'numeric')}"
        )
    if isinstance(column.type, Calendar) and column.type.cycles:
        raise DataError(
            f"monotone: the column {column.name!r} is {column.kind}, whose places in the "
            f"{' and in the '.join(column.type.cycles)} rise and fall; to have the days alone, give it "
            f"{as_kind(column.name, 'numeric')}"
        )
    return column


def constraints(
    columns: Mapping[str, int], schema: Schema, target: Classes | Numbers, settings: Settings
) -> dict[str, Any]:
    """Additional arguments for an `Architecture` with these constrained columns.

    Raises:
        ValueError: there are more than two classes, or settings that would break the constraints.
    """
    if not columns:
        return {}
    names = settings.activation
    if set([names] if isinstance(names, str) else names) != {ACTIVATION}:
        raise ValueError(
            f"monotone: constraints hold with activation={ACTIVATION!r}, not {names!r}; leave it out"
        )
    if settings.number_embedding is False:
        raise ValueError(
            "monotone: constrained numbers enter by their embedding; leave out number_embedding=False"
        )
    if settings.normalization == "layer":
        raise ValueError(
            "monotone: normalization='layer' joins all units of a layer; 'batch' or None can be constrained"
        )
    return {
        "monotone": tuple(columns.get(column.name, 0) for column in schema.embedded),
        "rising": _rising(target),
        "number_embedding": True,
    }


def _rising(target: Classes | Numbers) -> tuple[int, ...]:
    """+1 for outputs that rise with the prediction, −1 for the others."""
    if isinstance(target, Numbers) or target.multilabel:
        return (1,) * target.outputs
    if target.outputs > 2:
        raise ValueError(
            f"monotone: {target.outputs} classes have no order; constraints are for two classes (on the second one's "
            "probability), several labels, and numbers"
        )
    return -1, 1
