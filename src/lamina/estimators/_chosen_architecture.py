"""The architecture of a network that a table, a target and an estimator's settings ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.estimators import _presets as presets
from lamina.estimators._engine import Data
from lamina.estimators.architecture import Architecture
from lamina.estimators.monotone_columns import FEWEST_PIECES, constrained_columns, constraints
from lamina.table.encode import TableEncoder

__all__ = ["architecture_for"]

_ROWS_A_PIECE = 100
_PIECES_OF_ALL = 4096


def architecture_for(
    encoder: TableEncoder, target: Any, train: Data, settings: Mapping[str, Any]
) -> Architecture:
    """That of each member, of which `train` are one's rows."""
    parts = {field.name for field in dataclasses.fields(Architecture)}
    numbers = encoder.n_numbers
    given = {name: _hashable(value) for name, value in settings.items() if name in parts}
    given["number_embedding"] = presets.embeds_numbers(given["number_embedding"], numbers)
    constrained = constrained_columns(given.pop("monotone"), encoder.schema)
    given |= constraints(constrained, encoder.schema, target, settings)
    pieces = _pieces(settings["number_pieces"], len(train), numbers)
    return Architecture(
        **given,
        numbers=numbers,
        inputs=train.numeric.shape[1],
        cardinalities=encoder.cardinalities,
        outputs=target.outputs,
        hidden=settings["hidden_layer_sizes"],
        pieces=max(pieces, FEWEST_PIECES) if constrained else pieces,
    )


def _pieces(most: int, rows: int, numbers: int) -> int:
    """How many pieces the functions of numbers have: few where rows are few or numbers many."""
    return min(most, rows // _ROWS_A_PIECE, _PIECES_OF_ALL // max(numbers, 1))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value
