"""The check that a warm start's network fits the new target and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.estimators.fitted import FittedModel
from lamina.estimators.monotone_columns import constrained_columns


def require_same_network(fitted: FittedModel[Any], target: Any, monotone: Mapping[Any, Any] | None) -> None:
    """Raise an error unless a warm start's network fits the new target and settings.

    Args:
        fitted: the previous result of `fit`.
        target: the new target.
        monotone: the estimator's `monotone` setting.

    Raises:
        ValueError: the number of outputs, the quantiles or the constrained columns differ.
    """
    anew = "a warm start must continue with the same network; set warm_start=False to train a new one"
    before, now = (getattr(one, "levels", ()) for one in (fitted.target, target))
    if before != now:
        raise ValueError(f"the quantiles were {_said(before)} and are now {_said(now)}; {anew}")
    if fitted.target.outputs != target.outputs:
        raise ValueError(
            f"y needed {fitted.target.outputs} outputs of the network, and now needs {target.outputs}; {anew}"
        )
    columns = constrained_columns(monotone, fitted.encoder.schema)
    if fitted.monotone != columns:
        raise ValueError(f"monotone was {fitted.monotone} and is now {columns}; {anew}")


def _said(levels: tuple[float, ...]) -> str:
    return str([*levels]) if levels else "none"
