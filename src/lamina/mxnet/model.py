"""Checkpoints under MXNet's names, with a network's symbol and parameters in two files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from lamina import nd
from lamina.errors import DataError
from lamina.mxnet.symbol import Symbol, load
from lamina.nd.ndarray import NDArray
from lamina.support.unsupported import names_of_others

__all__ = ["BatchEndParam", "load_checkpoint", "load_params", "save_checkpoint"]

Arrays = dict[str, NDArray]


class BatchEndParam(NamedTuple):
    """The argument of `lamina.callback`'s callbacks after a batch."""

    epoch: int
    nbatch: int
    eval_metric: Any
    locals: Any


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, NDArray],
    aux_params: Mapping[str, NDArray],
    remove_amp_cast: bool = True,
) -> None:
    """Write ``prefix-symbol.json`` and ``prefix-0000.params``, where 0000 is `epoch`, atomically.

    Args:
        symbol: the network; with None only parameters are written.
        arg_params, aux_params: weights and auxiliary states, by name.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json")
    path = f"{prefix}-{epoch:04d}.params"
    save_arrays(path, arg_params, aux_params)
    logging.info('Saved checkpoint to "%s"', path)


def load_params(prefix: str, epoch: int) -> tuple[Arrays, Arrays]:
    """The weights and auxiliary states in ``prefix-0000.params``, where 0000 is `epoch`."""
    return load_arrays(f"{prefix}-{epoch:04d}.params")


def save_arrays(path: str, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray]) -> None:
    """Write weights and auxiliary states to one file, as ``arg:…`` and ``aux:…``."""
    arrays = {f"arg:{name}": x for name, x in arg_params.items()}
    nd.save(path, arrays | {f"aux:{name}": x for name, x in aux_params.items()})


def load_arrays(path: str) -> tuple[Arrays, Arrays]:
    """The weights and auxiliary states in a file that `save_arrays` wrote.

    Raises:
        DataError: no array in the file has such a name.
    """
    found = nd.load(path)
    if not found:
        logging.warning("Params file '%s' is empty", path)
        return {}, {}
    parts: dict[str, Arrays] = {"arg": {}, "aux": {}}
    for key, x in found.items() if isinstance(found, dict) else ():
        kind, _, name = key.partition(":")
        if kind in parts and name:
            parts[kind][name] = x
    if not any(parts.values()):
        raise DataError(f"{path}: no array is named 'arg:…' or 'aux:…'; read the file with nd.load")
    return parts["arg"], parts["aux"]


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """The symbol, weights and auxiliary states in files written by `save_checkpoint`, in lamina or MXNet.

    ``gluon.SymbolBlock.imports`` creates a network from both files directly.
    """
    return load(f"{prefix}-symbol.json"), *load_params(prefix, epoch)


__getattr__ = names_of_others("lamina.model", {"FeedForward": "lamina.mxnet.feedforward"})
