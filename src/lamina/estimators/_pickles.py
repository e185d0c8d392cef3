"""Pickles of estimators: the current plain state, and the objects and attributes of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.network import Ensemble
from lamina.estimators.targets import Classes, Numbers
from lamina.table.encode import TableEncoder

__all__ = ["modern_state"]

_EARLY = ("_network_state", "_encoder_state", "_multilabel", "_flat", "_low", "_high", "_center", "_scale")


def modern_state(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The attributes of an unpickled estimator of any version.

    Raises:
        DataError: the version is unknown, or the data damaged.
    """
    fitted = state.get("fitted_")
    try:
        if "_network_state" in state:
            return _of_attributes(state, kind)
        # Between that version and today's, pickles held the FittedModel itself.
        return (
            {**state, "fitted_": FittedModel.from_state(fitted)} if isinstance(fitted, dict) else dict(state)
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"this pickle of an {kind} is of a version of lamina that can't be read: {error!r}"
        ) from error


def _of_attributes(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Attributes of lamina 0.1, before learned results became one object."""
    rest = {name: value for name, value in state.items() if name not in _EARLY}
    architecture, members = state["_network_state"]
    arrays = {name: x for i, member in enumerate(members) for name, x in _arrays(f"{i}.", member).items()}
    if kind == "MLPClassifier":
        target: Classes | Numbers = Classes(rest.pop("classes_"), state["_multilabel"])
    else:
        scale = (state[name] for name in ("_low", "_high", "_center", "_scale"))
        target = Numbers(*scale, flat=state["_flat"], logarithmic=state["loss"] == "poisson")
    encoder = TableEncoder.from_state(*state["_encoder_state"])
    network = Ensemble.from_state([architecture] * len(members), arrays)
    return {**rest, "fitted_": FittedModel(encoder, network, target)}


def _arrays(prefix: str, member: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A network's arrays by their current names."""
    weights = {prefix + name: values for name, (values, _rate, _decay) in member["weights"].items()}
    return weights | {f"{prefix}running.{name}": x for name, x in member["running"].items()}
