"""The check that arrays fit a network's parameters, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lamina.errors import ParameterError, UnfitParameterError

if TYPE_CHECKING:
    from lamina.gluon.parameter import Contexts, Parameter

__all__ = ["assign", "brief"]


def assign(
    parameters: Mapping[str, Parameter],
    loaded: Mapping[str, np.ndarray],
    source: str,
    ctx: Contexts,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Assign arrays to parameters by name. Everything is checked first, so an error changes nothing.

    A shared parameter has two names; the file needs only one of them.
    """
    if dtype_source not in ("current", "saved"):
        raise ParameterError(f"dtype_source is 'current' or 'saved', not {dtype_source!r}")
    supplied = {id(p) for name, p in parameters.items() if name in loaded}
    missing = [name for name, p in parameters.items() if id(p) not in supplied]
    if missing and not allow_missing:
        raise UnfitParameterError(
            f"Parameter '{missing[0]}' is missing in file '{source}', which has {brief(loaded)}. "
            "Set allow_missing=True to leave such parameters as they are."
        )
    extra = [name for name in loaded if name not in parameters]
    if extra and not ignore_extra:
        raise ParameterError(
            f"Parameter '{extra[0]}' in file '{source}' is not among the network's: {brief(parameters)}. "
            "Set ignore_extra=True to skip such arrays."
        )
    found = {name: p for name, p in parameters.items() if name in loaded}
    for name, p in found.items():
        p._check_loaded(loaded[name], cast_dtype, f"'{name}' in file '{source}'")
    for name, p in found.items():
        from_file = cast_dtype and dtype_source == "saved"
        p._take(loaded[name], ctx, loaded[name].dtype if from_file else p.dtype)


def brief(names: Iterable[str], most: int = 8) -> str:
    """A few of the names, for a message."""
    listed = [f"'{name}'" for name in names]
    if len(listed) > most:
        listed = [*listed[: most // 2], "…", *listed[-most // 2 :]]
    return ", ".join(listed) or "none"
