"""The estimators' setting `monotone`: the constrained columns, and the required settings and architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina.errors import DataError
from lamina.estimators.settings import Settings
from lamina.estimators.targets import AnyTarget, Numbers
from lamina.table.kinds import name_of
from lamina.table.messages import as_kind, closest
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.types import Calendar, Quantity
from lamina.table.types.fields import Fields

if TYPE_CHECKING:
    from lamina.estimators.architecture import Architecture

FEWEST_PIECES = 16
"""The minimum number of pieces of constrained numbers, which enter the network only by piecewise linear functions."""


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
        is_number = isinstance(direction, int | float | np.number) and not isinstance(direction, bool)
        if not is_number or direction not in (-1, 0, 1):
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


# --- Monotone networks: parameter bounds that keep predictions from falling as a column rises ------------------------
#
# Every input and hidden unit has a sign. Units of sign 0 don't depend on the constrained numbers. Units of sign +1
# rise with the constrained numbers, units of sign −1 fall. A weight between two constrained units has the sign of the
# product of their signs, a weight from a constrained unit to an unconstrained one is 0, and weights from unconstrained
# units are free. With ReLU, rising units are convex in the constrained inputs. Falling units have negative outgoing
# weights where the output rises, and so give the concave parts (Runje and Shankaranarayana split units similarly, by
# activation: "Constrained Monotonic Neural Networks", 2023, arXiv 2205.11775). A constrained number enters only
# through piecewise linear functions, whose increments have its sign, and which are constant outside the training
# range.
#
# All these constraints are bounds on parameters: the optimizer's steps are projected onto the bounds, and the network
# is otherwise an ordinary one. Sums, products with numbers of one sign, clipping and ReLU stay monotone under
# rounding, so predictions are monotone to the last bit of float32.


ACTIVATION = "relu"
"""The activation of constrained networks, monotone also in floating point."""

_FEWEST_CONSTRAINED = 0.25
"""The minimum share of constrained units in a hidden layer."""


class Bounds(NamedTuple):
    """The lower and the upper bounds of a parameter's values, float32, each in the parameter's shape."""

    low: np.ndarray
    high: np.ndarray


def bounds_of(parts: Architecture, name: str, shape: tuple[int, ...]) -> Bounds | None:
    """The bounds of the parameter `name`; None if it has none, as in an architecture without constraints."""
    if not parts.monotone:
        return None
    kind, layer = name.rstrip("0123456789"), int("0" + name.lstrip("abcdefghijklmnopqrstuvwxyz_."))
    direction = np.array(parts.monotone)
    if kind in ("frequency", "number"):  # no cosines of constrained numbers
        return _fixed(direction[:, None, None], 0.0, shape)
    if kind == "pieces":
        return _of_sign(direction[:, None, None], shape)
    if kind == "scale":
        return _of_sign(_signs(parts, 0), shape)
    if kind == "weight":
        return _between(parts, layer, shape)
    signs = _signs(parts, layer + 1)
    if kind == "alpha":  # the activation's weight is always 1
        return _fixed(signs, 1.0, shape)
    return _of_sign(abs(signs), shape) if kind == "gamma" else None


def reflected(values: np.ndarray, bounds: Bounds | None) -> np.ndarray:
    """The values, moved into the bounds: a value outside changes its sign, and is then clipped."""
    if bounds is None:
        return values
    is_inside = (values >= bounds.low) & (values <= bounds.high)
    return np.clip(np.where(is_inside, values, -values), bounds.low, bounds.high)


def _signs(parts: Architecture, layer: int) -> np.ndarray:
    """The sign of each input (layer 0), of each unit of hidden layer `layer`, or of each output.

    Units of sign +1 rise with the constrained numbers, units of sign −1 fall, and units of sign 0 don't depend on
    them.
    """
    if layer == 0:
        signs = np.zeros(parts.width, int)
        embedded = signs[parts.inputs : parts.inputs + parts.number_width * parts.numbers]
        embedded[:] = np.repeat(np.abs(parts.monotone), parts.number_width)
        return signs
    if layer > len(parts.hidden):
        return np.array(parts.rising)
    width = parts.hidden[layer - 1]
    inputs = parts.inputs + len(parts.cardinalities)
    share = np.count_nonzero(parts.monotone) / inputs
    constrained = max(2, round(max(share, _FEWEST_CONSTRAINED) * width))
    signs = np.zeros(width, int)
    signs[width - constrained :] = 1
    signs[width - constrained // 2 :] = -1
    return signs


def _between(parts: Architecture, layer: int, shape: tuple[int, ...]) -> Bounds:
    """The bounds of a layer's weights (in, out), derived from the signs of the layer's inputs and units."""
    sources, targets = _signs(parts, layer)[:, None], _signs(parts, layer + 1)
    low, high = _of_sign(sources * targets, shape)
    is_cut = np.broadcast_to((sources != 0) & (targets == 0), shape)
    if layer == 0:  # constrained numbers themselves, beside their piecewise linear functions
        is_cut = is_cut.copy()
        is_cut[: parts.numbers] |= np.array(parts.monotone)[:, None] != 0
    low[is_cut] = high[is_cut] = 0.0
    return Bounds(low, high)


def _of_sign(signs: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    """The bounds of values with these signs.

    Values are at least 0 for sign +1, at most 0 for sign −1, and unbounded for sign 0.
    """
    return _bounds(np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf), shape)


def _fixed(where: np.ndarray, value: float, shape: tuple[int, ...]) -> Bounds:
    """The bounds that fix the values at the positions where `where` is not 0."""
    return _bounds(np.where(where, value, -np.inf), np.where(where, value, np.inf), shape)


def _bounds(low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    return Bounds(*(np.broadcast_to(x, shape).astype(np.float32) for x in (low, high)))
