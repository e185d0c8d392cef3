"""Files in and out, each format in a submodule of its own; and MXNet's `NDArrayIter` over arrays in memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.ndarray_iter import DataBatch, DataDesc, DataIter, NDArrayIter

__all__ = ["DataBatch", "DataDesc", "DataIter", "NDArrayIter"]


def __getattr__(name: str) -> Any:
    """The iterators, under MXNet's names; they stand above `lamina.nd`, and the files of this package below it."""
    if name in __all__:
        return getattr(import_module("lamina.ndarray_iter"), name)
    raise AttributeError(f"module 'lamina.io' has no attribute {name!r}")
