"""Build a network from a graph and run it once on shapes, so that unsupported operators raise at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lamina.errors import DataError, ShapeError
from lamina.interchange._graph import Graph, GraphInput, Node
from lamina.interchange._roles import Roles
from lamina.interchange._values import Labels, Value
from lamina.interchange.network import ImportedNetwork
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import ShapesOnly, array_of_shape, on_shapes_only
from lamina.support.files.limits import untrusted

__all__ = ["tried"]

_ROWS = 2
"""Size of the trial batch, for axes of open size."""

_MOST_NUMBERS = 1 << 27
"""Limit on the total number of elements of all results in the trial; they are never allocated."""

_MOST_AXES = 32


class _Believable(ShapesOnly):
    """A shape-only trace that raises `DataError` once the results are too large for a dense network."""

    def __init__(self) -> None:
        self._numbers = 0

    def check(self, shape: tuple[int, ...]) -> None:
        """Add a result's size to the total."""
        if len(shape) > _MOST_AXES:
            raise ShapeError(f"an array of {len(shape)} axes")
        self._numbers += math.prod(shape)
        if self._numbers > _MOST_NUMBERS:
            raise DataError(f"a result of shape {shape} for two rows is too large to be believed")


def tried(graph: Graph, nodes: Sequence[Node], roles: Roles, outputs: Sequence[str]) -> ImportedNetwork:
    """The network of these nodes, after a trial run on shapes.

    Raises:
        DataError: a node can't be computed, or a block can't return one of the outputs.
    """
    network = ImportedNetwork(graph, nodes, roles, outputs)
    with untrusted("it can't be computed"), on_shapes_only(_Believable()):
        values = network.values(*[_example(given) for given in graph.inputs])
    for name, value in zip(outputs, values, strict=True):
        if isinstance(value, Labels):
            network.classes[name] = value.choices
        elif not _is_given(value):
            raise DataError(f"the output {name[:80]!r} is of texts that don't depend on the input")
    return network


def _example(given: GraphInput) -> NDArray:
    return array_of_shape([_ROWS if size is None else size for size in given.shape], given.dtype)


def _is_given(value: Value) -> bool:
    return isinstance(value, NDArray) or (isinstance(value, np.ndarray) and value.dtype != object)
