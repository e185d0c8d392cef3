"""Conversion of operators' parameters to hashable cache keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.device.context import Context


class Unfit(Exception):  # noqa: N818 - not an error
    """Raised for a parameter that can't be part of a cache key; its operator can't be deferred."""


def frozen(value: Any) -> Any:
    """A hashable form of a parameter's value; different values have different forms."""
    if isinstance(value, dict):
        return tuple([(name, frozen(x)) for name, x in value.items()])
    if isinstance(value, tuple | list):
        return (value.__class__, *map(frozen, value))
    if isinstance(value, float | np.generic):
        return value.__class__, repr(value)
    if isinstance(value, int | str | type(None) | np.dtype | type | Context):
        return value.__class__, value
    raise Unfit
