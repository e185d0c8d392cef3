"""Parameters in files: MXNet's `.params` or safetensors, and the check that a file fits before anything is
changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lamina.errors import DataError, ParameterError

if TYPE_CHECKING:
    from lamina.gluon.parameter import Contexts, Parameter

__all__ = ["assign", "brief", "read_arrays", "write_arrays"]


def _is_safetensors(filename: str | os.PathLike[str]) -> bool:
    return os.fspath(filename).endswith(".safetensors")


def write_arrays(filename: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays: safetensors if the name ends so, else MXNet's format."""
    from lamina.files.mxnet_params import save_params
    from lamina.files.tensors import save_tensors

    if _is_safetensors(filename):
        save_tensors(filename, arrays)
    else:
        save_params(filename, arrays)


def read_arrays(filename: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read named arrays; MXNet's marks ``arg:`` and ``aux:`` are taken off the names.

    Raises:
        DataError: if the file is damaged, or its arrays have no names.
    """
    from lamina.files.mxnet_params import load_params
    from lamina.files.tensors import load_tensors

    if _is_safetensors(filename):
        return load_tensors(filename)[0]
    arrays = load_params(filename)
    if isinstance(arrays, list):
        if arrays:
            raise DataError(
                f"{os.fspath(filename)} holds {len(arrays)} arrays without names; read it with nd.load"
            )
        return {}
    return {name.removeprefix("arg:").removeprefix("aux:"): values for name, values in arrays.items()}


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
    """Give each parameter the array of its name. Everything is checked first: an error changes nothing.

    Two names may stand for one (shared) parameter; then one of them in the file is enough.
    """
    if dtype_source not in ("current", "saved"):
        raise ParameterError(f"dtype_source is 'current' or 'saved', not {dtype_source!r}")
    supplied = {id(p) for name, p in parameters.items() if name in loaded}
    missing = [name for name, p in parameters.items() if id(p) not in supplied]
    if missing and not allow_missing:
        raise ParameterError(
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
        p._load_init(loaded[name], ctx, loaded[name].dtype if from_file else p.dtype)


def brief(names: Iterable[str], most: int = 8) -> str:
    """Some of the names, for a message."""
    listed = [f"'{name}'" for name in names]
    if len(listed) > most:
        listed = [*listed[: most // 2], "…", *listed[-most // 2 :]]
    return ", ".join(listed) or "none"
