"""Loading of a PyTorch network's parameters into a Gluon network, `load_state_dict`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.errors import ParameterError
from lamina.gluon import nn
from lamina.gluon.block import Block
from lamina.gluon.parameter import Parameter
from lamina.support.files.tensors import load_tensors
from lamina.support.files.torch_file import is_torch_file, load_torch
from lamina.support.messages import excerpt

_AFFINE = {"weight": "gamma", "bias": "beta"}
_NAMES: dict[type[Block], dict[str, str]] = {
    nn.Dense: {"weight": "weight", "bias": "bias"},
    nn.Embedding: {"weight": "weight"},
    nn.LayerNorm: _AFFINE,
    nn.BatchNorm: {**_AFFINE, "running_mean": "running_mean", "running_var": "running_var"},
    nn.PReLU: {"weight": "alpha"},
}
"""By layer: PyTorch's name of each parameter, and lamina's."""

_IGNORED = frozenset({"num_batches_tracked"})
"""Entries of PyTorch's layers that lamina's layers don't need."""


@dataclass(frozen=True)
class _Layer:
    """A layer of a PyTorch or lamina network, with its parameters.

    Attributes:
        name: its path, such as "hidden.0", equal in both if the networks have the same structure.
        parts: its parameters by PyTorch's names: arrays for PyTorch, `Parameter` for lamina.
    """

    name: str
    parts: dict[str, Any]

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {tuple(part.shape or ())}" for name, part in self.parts.items())
        return f"'{excerpt(self.name, 60)}' ({excerpt(parts, 160)})"


_Pair = tuple[_Layer, _Layer]


def load_state_dict(net: Block, path: str | os.PathLike[str], names: Mapping[str, str] | None = None) -> None:
    """Load the parameters of a PyTorch network from a `state_dict` file into a Gluon network.

    Layers with the same path in both networks are paired. If paths differ, as when only one network counts
    activations as layers, then layers whose paths differ only in numbers (``net.0``, ``net.2``;
    ``fc1``, ``fc2``) are paired in order, and others with the only layer they fit. Linear's weight is Dense's (both
    (out, in)); BatchNorm1d, LayerNorm, Embedding and PReLU map to the same layers here. A weight stored transposed,
    (in, out), is transposed if its shape is unambiguous. Deferred shapes are resolved. Loading is all or nothing.

    BatchNorm's epsilon is 1e-5 on both sides by default, as is LayerNorm's. PyTorch's momentum 0.1 is lamina's 0.9.

    Args:
        net: the network; of Dense, BatchNorm, LayerNorm, Embedding and PReLU, and layers without parameters.
        path: a file by `torch.save(module.state_dict(), path)` (a zip archive, since PyTorch 1.6; nothing in it is
            unpickled), or by `safetensors.torch.save_file` or `save_model`. It need not be trusted; there is no digest
            to check.
        names: PyTorch's path of each layer, by lamina's (``{"0": "encoder.first"}``), for all layers with parameters.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged.
        ParameterError: the networks don't match; the message lists the mismatches, with both shapes.

    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> import lamina as mx
    >>> from lamina.support.files.tensors import save_tensors
    >>> file = pathlib.Path(tempfile.mkdtemp(), "model.safetensors")
    >>> save_tensors(file, {"0.weight": np.ones((2, 3), np.float32), "0.bias": np.zeros(2, np.float32)})
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(2))
    >>> mx.load_state_dict(net, file)
    >>> net(mx.nd.ones((1, 3))).asnumpy()
    array([[3., 3.]], dtype=float32)
    """
    source = os.fspath(path)
    arrays = load_torch(path) if is_torch_file(path) else load_tensors(path)[0]
    theirs = _layers_of_arrays(arrays)
    ours = list(_layers_of(net, ""))
    pairs = _pairs(ours, theirs, source) if names is None else _named_pairs(ours, theirs, names)
    problems = [problem for own, other in pairs for problem in _problems(own, other)]
    if problems:
        raise ParameterError(f"{source} doesn't fit the network: {'; '.join(problems[:8])}{_more(problems)}")
    for own, other in pairs:
        for name, parameter in own.parts.items():
            values = _turned(parameter, other.parts[name])
            parameter._take(np.ascontiguousarray(values), None, parameter.dtype)


def _layers_of_arrays(arrays: Mapping[str, np.ndarray]) -> list[_Layer]:
    """Group PyTorch's arrays into layers, in the order of their paths.

    Files keep no order. Numbers in paths are compared by value.
    """
    layers: dict[str, _Layer] = {}
    for name in sorted(arrays, key=_order):
        place, _, part = name.rpartition(".")
        if part not in _IGNORED:
            layers.setdefault(place, _Layer(place, {})).parts[part] = arrays[name]
    return list(layers.values())


def _order(name: str) -> list[tuple[int, int, str]]:
    """A sort key that compares numbers inside names as numbers: fc2 before fc10."""
    parts = re.split("([0-9]{1,9})", name)
    return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts]


def _layers_of(block: Block, place: str) -> Iterator[_Layer]:
    """Yield lamina's layers with parameters, in creation order."""
    names = next((names for kind, names in _NAMES.items() if isinstance(block, kind)), None)
    if names is None and block._reg_params:
        raise ParameterError(
            f"{type(block).__name__} {place!r} has parameters, but no corresponding layer in PyTorch; "
            f"known: {', '.join(kind.__name__ for kind in _NAMES)}"
        )
    if names is not None:
        own = block._reg_params
        yield _Layer(place, {theirs: own[ours] for theirs, ours in names.items() if ours in own})
    for name, child in block._children.items():
        yield from _layers_of(child, f"{place}.{name}" if place else name)


def _named_pairs(ours: list[_Layer], theirs: list[_Layer], names: Mapping[str, str]) -> list[_Pair]:
    by_place = {layer.name: layer for layer in theirs}
    for layer in ours:
        if names.get(layer.name) not in by_place:
            said = f"{names[layer.name]!r}, which isn't there" if layer.name in names else "nothing"
            raise ParameterError(f"names={{…}} pairs {layer} with {said}; the file has {_listed(theirs)}")
    unused = by_place.keys() - {names[layer.name] for layer in ours}
    if unused:
        raise ParameterError(
            f"names={{…}} leaves out layers of the file: {_listed([by_place[n] for n in sorted(unused)])}"
        )
    return [(layer, by_place[names[layer.name]]) for layer in ours]


def _pairs(ours: list[_Layer], theirs: list[_Layer], source: str) -> list[_Pair]:
    """Pair layers by path, or by order, or each with the only layer that fits."""
    if len(ours) != len(theirs):
        raise ParameterError(
            f"the network has {len(ours)} layers with parameters, but {source} has {len(theirs)}: "
            f"{_listed(ours)} against {_listed(theirs)}"
        )
    for places in (_places(theirs), _without_wrapper(_places(theirs))):
        by_place = dict(zip(places, theirs, strict=True))
        if all(layer.name in by_place for layer in ours):
            return [(layer, by_place[layer.name]) for layer in ours]
    if len({re.sub("[0-9]+", "0", place) for place in _places(theirs)}) == 1:
        return list(zip(ours, theirs, strict=True))
    fitting = [[other for other in theirs if not any(_problems(own, other))] for own in ours]
    chosen = [found[0] for found in fitting if len(found) == 1]
    if len(chosen) == len(ours) and len({layer.name for layer in chosen}) == len(ours):
        return list(zip(ours, chosen, strict=True))
    raise ParameterError(
        f"layers of {source} can't be paired with the network's without ambiguity: "
        f"{_listed(theirs)} against {_listed(ours)}; pair them with names={{place in the network: place in the file}}"
    )


def _places(layers: list[_Layer]) -> list[str]:
    return [layer.name for layer in layers]


def _without_wrapper(places: list[str]) -> list[str]:
    """Remove a common first name, such as DataParallel's "module", from paths."""
    first = {place.partition(".")[0] for place in places}
    return [place.partition(".")[2] for place in places] if len(first) == 1 else places


def _listed(layers: list[_Layer]) -> str:
    shown = ", ".join(map(str, layers[:6]))
    return f"{shown}{_more(layers, 6)}" if layers else "none"


def _more(items: list[Any], shown: int = 8) -> str:
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def _problems(own: _Layer, other: _Layer) -> Iterator[str]:
    if own.parts.keys() != other.parts.keys():
        yield f"{own} has other parameters than {other} in the file"
        return
    for name, parameter in own.parts.items():
        values = other.parts[name]
        if values.dtype.kind != "f":
            yield f"{_named(own, name)} would be of {values.dtype}, not of floats"
        elif not parameter._fits(_turned(parameter, values).shape):
            yield f"{_named(own, name)} has the shape {parameter.shape}, but {_named(other, name)} has {values.shape}"


def _named(layer: _Layer, name: str) -> str:
    return f"'{excerpt(f'{layer.name}.{name}' if layer.name else name, 80)}'"


def _turned(parameter: Parameter, values: np.ndarray) -> np.ndarray:
    """Transpose the values if they fit the parameter's shape only then."""
    if parameter._fits(values.shape) or values.ndim != 2 or not parameter._fits(values.shape[::-1]):
        return values
    return values.T
