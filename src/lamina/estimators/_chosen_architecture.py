"""The architecture of the networks, derived from a table, a target and the estimator's settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamina.estimators import presets
from lamina.estimators._pieces import Pieces, chosen_pieces
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Parts, rare_columns
from lamina.estimators.monotone_columns import constrained_columns, constraints
from lamina.estimators.settings import Settings
from lamina.table.encode import TableEncoder


def architecture_for(
    encoder: TableEncoder, target: Any, train: Parts, settings: Settings, *, complete: bool = True
) -> tuple[Architecture, Pieces]:
    """The architecture of the members, and the number of linear pieces of each numeric input.

    `train` has each member's training rows. `complete` is true if these are all rows of the training; only then are
    rare categories determined.
    """
    parts = {field.name for field in dataclasses.fields(Architecture)}
    numbers = encoder.n_numbers
    given = {name: _hashable(value) for name, value in vars(settings).items() if name in parts}
    given["number_embedding"] = presets.embeds_numbers(given["number_embedding"], numbers)
    constrained = constrained_columns(given.pop("monotone"), encoder.schema)
    given |= constraints(constrained, encoder.schema, target, settings)
    signs = given.get("monotone", ())
    most = settings.number_pieces if given["number_embedding"] else 0
    pieces = train[0].once(
        ("pieces", most, signs, numbers), train[1:], lambda: chosen_pieces(train, most, signs, numbers)
    )
    cardinalities = encoder.cardinalities
    counts = complete and settings.weight_decay > 0
    rare = rare_columns(train[0], cardinalities) if counts else ()
    architecture = Architecture(
        **given,
        numbers=numbers,
        inputs=train[0].numeric.shape[1],
        cardinalities=cardinalities,
        outputs=target.outputs,
        hidden=settings.hidden_layer_sizes,
        pieces=pieces.most,
        rough=_marked(pieces.rough, numbers),
        exact=_marked(pieces.exact, numbers),
        smooth=_marked(pieces.smooth, numbers),
        rare=_marked(rare, len(cardinalities)),
    )
    return architecture, pieces


def _marked(positions: Collection[int], numbers: int) -> tuple[int, ...]:
    """A flag for each of `numbers` positions: 1 for those in `positions`, otherwise 0; () if `positions` is empty."""
    return tuple(int(j in positions) for j in range(numbers)) if positions else ()


def _hashable(value: Sequence[Any] | np.ndarray | float | None) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value
