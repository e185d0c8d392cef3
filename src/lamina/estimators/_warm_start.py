"""The state that a warm start continues from, and the settings that must be unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.estimators.fitted import FittedModel
from lamina.estimators.monotone_columns import constrained_columns

__all__ = ["require_same_network"]


def require_same_network(fitted: FittedModel[Any], target: Any, monotone: Mapping[Any, Any] | None) -> None:
    """Raise an error unless a warm start's network fits its data.

    Args:
        fitted: what `fit` made before.
        target: the target that `fit` is given now.
        monotone: the estimator's setting.

    Raises:
        ValueError: there are other outputs or quantiles, or other columns are constrained.
    """
    anew = "a warm start goes on with the same network; leave warm_start out, and it begins anew"
    before, now = (getattr(one, "levels", ()) for one in (fitted.target, target))
    if before != now:
        raise ValueError(f"the quantiles were {_said(before)}, and are now {_said(now)}; {anew}")
    if fitted.target.outputs != target.outputs:
        raise ValueError(f"y had {fitted.target.outputs} targets, and has now {target.outputs}; {anew}")
    schema, parts = fitted.encoder.schema, fitted.network.architecture
    columns = constrained_columns(monotone, schema)
    numbers = [column.name for column in schema.embedded]
    signs = parts.monotone or (0,) * len(numbers)
    constrained = {name: sign for name, sign in zip(numbers, signs, strict=True) if sign}
    if constrained != columns:
        raise ValueError(f"monotone was {constrained}, and is now {columns}; {anew}")


def _said(levels: tuple[float, ...]) -> str:
    return str([*levels]) if levels else "none"
