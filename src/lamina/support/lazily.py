"""Packages under their usual names, which are imported when something of theirs is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    import polars as pl
else:

    class _Package:
        """A package that is imported when an attribute is read."""

        def __init__(self, name: str) -> None:
            self.__name__ = name

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self.__name__), name)

    nw, np, pl = map(_Package, ("narwhals", "numpy", "polars"))

__all__ = ["np", "nw", "pl"]
