"""`save` and `load`: arrays in files."""

from __future__ import annotations

import os
from typing import Any

from lamina import nd
from lamina.mxnet import np
from lamina.nd.facade import mapped, shown
from lamina.support.files.mxnet_params import save_params

__all__ = ["load", "save"]


def save(file: str | os.PathLike[str], arr: Any) -> None:
    """Write an array, a list of arrays, or a dict of them; `load` and MXNet read the file.

    >>> import tempfile
    >>> from lamina import np, npx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     npx.save(f"{folder}/x", {"weight": np.ones(2), "step": np.array(3)})
    ...     npx.load(f"{folder}/x")
    {'weight': array([1., 1.]), 'step': array(3.)}
    """
    listed = [arr] if isinstance(arr, np.ndarray) else arr
    if not isinstance(listed, list | tuple | dict):
        raise TypeError(f"save: takes arrays, a list or a dict of them, not {type(arr).__name__}")
    if isinstance(listed, dict) and not all(isinstance(name, str) for name in listed):
        raise TypeError(f"save: the names of arrays are strings, got {list(listed)}")
    save_params(file, mapped(listed, _numbers), numpy_shapes=True)


def _numbers(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"save: takes arrays, a list or a dict of them; found {type(x).__name__}")
    return x.asnumpy()


def load(file: str | os.PathLike[str]) -> Any:
    """The arrays in a file by `save`: a dict if they have names, otherwise a list."""
    return mapped(nd.load(file), shown)
