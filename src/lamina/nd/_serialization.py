"""`save` and `load` for arrays in MXNet's `.params` format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.finite import look_at_saved
from lamina.device.context import Context
from lamina.nd._shape import reshape
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray

__all__ = ["load", "load_frombuffer", "save"]

Path = str | os.PathLike[str]


def save(fname: Path, data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Write an array, a list of arrays, or a dict of arrays to a file that MXNet 1.x can load.

    The file is replaced atomically.
    """
    from lamina.support.files.mxnet_params import save_params

    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, Mapping):
        for name in data:
            if not isinstance(name, str):
                raise TypeError(f"save: the names of arrays are strings, not {name!r}")
        save_params(fname, {name: _buffer(x) for name, x in data.items()})
        look_at_saved(data.values())
    else:
        data = list(data)
        save_params(fname, [_buffer(x) for x in data])
        look_at_saved(data)


def _buffer(x: object) -> np.ndarray:
    if not isinstance(x, NDArray):
        raise TypeError(f"save: takes NDArrays, a list or a dict of them; found {type(x).__name__}")
    return x._numbers()


def load(fname: Path, ctx: Context | None = None) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays of a file written by `save`, MXNet, safetensors or `torch.save`.

    Returns a dict if the arrays have names, else a list.

    >>> import tempfile
    >>> from lamina import nd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nd.save(f"{folder}/x.params", {"weight": nd.ones((2, 3))})
    ...     nd.load(f"{folder}/x.params")["weight"].shape
    (2, 3)
    """
    from lamina.support.files.mxnet_params import load_params
    from lamina.support.files.tensors import is_tensor_file, load_tensors
    from lamina.support.files.torch_file import is_torch_file, load_torch

    if is_torch_file(fname):
        return _arrays(load_torch(fname), ctx)
    return _arrays(load_tensors(fname)[0] if is_tensor_file(fname) else load_params(fname), ctx)


def load_frombuffer(buf: bytes, ctx: Context | None = None) -> list[NDArray] | dict[str, NDArray]:
    """Read the arrays in the bytes of a file, like `load`."""
    from lamina.support.files.mxnet_params import params_from_bytes

    if not isinstance(buf, bytes | bytearray):
        raise TypeError(f"load_frombuffer: takes the bytes of a file, not {type(buf).__name__}")
    return _arrays(params_from_bytes(bytes(buf)), ctx)


def _arrays(found: Any, ctx: Context | None) -> Any:
    if isinstance(found, dict):
        return {name: _own(x, ctx) for name, x in found.items()}
    return [_own(x, ctx) for x in found]


def _own(data: np.ndarray, ctx: Context | None) -> NDArray:
    made = array(data, ctx=ctx, dtype=data.dtype)
    return made if data.ndim else reshape(made, ())
