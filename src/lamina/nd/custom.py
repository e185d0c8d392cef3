"""`Custom`, which applies a user-defined operator by its name in `lamina.operator`'s registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.errors import ParameterError
from lamina.support.messages import unknown

CUSTOM: dict[str, Callable[..., Any]] = {}
"""Operators by name, filled by `lamina.operator.register`."""


def Custom(*data: Any, op_type: str, name: str | None = None, **kwargs: Any) -> Any:
    """Apply the operator registered as ``mx.operator.register(op_type)``; see `lamina.operator`.

    Args:
        data: the inputs, in order. Inputs may also be keyword arguments.
        op_type: the registered name.
        name: accepted and unused.
        kwargs: the operator's settings, passed to its class as strings.

    Raises `ParameterError` if no operator is registered as `op_type`.
    """
    if op_type not in CUSTOM:
        raise ParameterError(
            f"Custom: {unknown('operator', op_type, CUSTOM)}; mx.operator.register registers operators"
        )
    return CUSTOM[op_type](*data, **kwargs)
