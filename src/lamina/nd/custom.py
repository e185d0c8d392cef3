"""`Custom`: operators of one's own by the name under which `lamina.operator` knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.errors import ParameterError
from lamina.support.messages import unknown

__all__ = ["CUSTOM", "Custom"]

CUSTOM: dict[str, Callable[..., Any]] = {}
"""By name; `lamina.operator.register` enters functions of arrays and settings here."""


def Custom(*data: Any, op_type: str, name: str | None = None, **kwargs: Any) -> Any:  # noqa: N802 - MXNet's name
    """Apply the operator that ``mx.operator.register(op_type)`` made known; see `lamina.operator`.

    Args:
        data: its inputs, in order; they may also be given by name.
        op_type: which operator.
        name: accepted and unused.
        kwargs: its settings, which its class gets as texts.

    Raises `ParameterError` if no operator has this name.
    """
    if op_type not in CUSTOM:
        raise ParameterError(
            f"Custom: {unknown('operator', op_type, CUSTOM)}; mx.operator.register makes one known"
        )
    return CUSTOM[op_type](*data, **kwargs)
