"""Files of named arrays in safetensors or MXNet's `.params` format, by suffix; PyTorch's files can only be read."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from lamina.errors import DataError


def _is_safetensors(filename: str | os.PathLike[str]) -> bool:
    return os.fspath(filename).endswith(".safetensors")


def write_arrays(
    filename: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], *, numpy_shapes: bool = False
) -> None:
    """Write named arrays to a safetensors file for the suffix ``.safetensors``, else to a `.params` file.

    `numpy_shapes` is described at `save_params`.
    """
    from lamina.support.files.mxnet_params import save_params
    from lamina.support.files.tensors import save_tensors

    if _is_safetensors(filename):
        save_tensors(filename, arrays)
    else:
        save_params(filename, arrays, numpy_shapes=numpy_shapes)


def read_arrays(filename: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read named arrays from a safetensors, `.params` or `torch.save` file.

    MXNet's prefixes ``arg:`` and ``aux:`` are removed from names.

    Raises:
        DataError: if the file is damaged, or its arrays have no names.
    """
    from lamina.support.files.mxnet_params import load_params
    from lamina.support.files.tensors import load_tensors
    from lamina.support.files.torch_file import is_torch_file, load_torch

    if _is_safetensors(filename):
        return load_tensors(filename)[0]
    if is_torch_file(filename):
        return load_torch(filename)
    arrays = load_params(filename)
    if isinstance(arrays, list):
        if arrays:
            raise DataError(
                f"{os.fspath(filename)} holds {len(arrays)} arrays without names; read it with nd.load"
            )
        return {}
    return {name.removeprefix("arg:").removeprefix("aux:"): values for name, values in arrays.items()}
