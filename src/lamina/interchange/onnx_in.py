"""Import of dense networks from ONNX files as trainable Gluon blocks, `import_onnx`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from lamina.errors import DataError, LaminaError, ShapeError
from lamina.interchange._graph import Graph, GraphInput, Node
from lamina.interchange._roles import Roles, needed_nodes, roles_of
from lamina.interchange._values import Labels, Value
from lamina.interchange.network import ImportedNetwork, require_supported
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import ShapesOnly, array_of_shape, on_shapes_only
from lamina.support.extras import require
from lamina.support.files.limits import untrusted
from lamina.support.messages import closest, excerpt


def import_onnx(path: str | os.PathLike[str], outputs: Sequence[str] | None = None) -> ImportedNetwork:
    """Read the dense network in an ONNX file, as written by PyTorch, Keras (tf2onnx), skl2onnx or lamina.

    Weights of products and normalizations become parameters; scalings of inputs and outputs stay fixed. The whole
    file is checked, also by running the network on shapes alone, without arrays, so that a small file can't claim a
    lot of memory. Weights in other files are read if these lie in the model's folder.

    Args:
        path: the file, which need not be trusted.
        outputs: names of the values to return: any values in the file, e.g. the logits before a softmax, for training.
            None: the file's own outputs.

    Returns:
        An initialized block that takes one array per input of the file.

    Raises:
        FileNotFoundError: there is no such file.
        MissingPackageError: the package onnx is not installed (``pip install 'lamina[onnx]'``).
        DataError: the file is damaged, or has an operator that dense networks don't have: the message names the node.

    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from onnx import helper, numpy_helper
    >>> import lamina as mx
    >>> weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "weight")
    >>> x, y = (helper.make_tensor_value_info(name, 1, ["batch", n]) for name, n in (("x", 3), ("y", 2)))
    >>> graph = helper.make_graph([helper.make_node("MatMul", ["x", "weight"], ["y"])], "net", [x], [y], [weight])
    >>> file = pathlib.Path(tempfile.mkdtemp(), "model.onnx")
    >>> _ = file.write_bytes(helper.make_model(graph).SerializeToString())
    >>> net = mx.import_onnx(file)
    >>> net(mx.nd.ones((2, 3))).asnumpy()
    array([[3., 3.],
           [3., 3.]], dtype=float32)
    >>> [parameter.grad_req for parameter in net.collect_params(".*weight").values()]
    ['write']
    """
    require("importing an ONNX file", "onnx")
    from lamina.interchange._onnx_file import read_graph

    graph = read_graph(path)
    try:
        wanted = _wanted(outputs, graph.outputs, graph.nodes)
        nodes = needed_nodes(graph, wanted)
        for node in nodes:
            require_supported(node)
        return _tried(graph, nodes, roles_of(nodes, graph.tensors), wanted)
    except LaminaError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error


def _wanted(outputs: Sequence[str] | None, own: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    """The names of the values to return; raises `DataError` for unknown names."""
    if outputs is None:
        return list(own)
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    made = {name for node in nodes for name in node.outputs}
    for name in names:
        if name not in made:
            raise DataError(f"no node computes a value {excerpt(name, 80)!r}.{closest(name, made)}")
    return names


_ROWS = 2
"""Size of the trial batch, for axes of open size."""

_MOST_NUMBERS = 1 << 27
"""Limit on the total number of elements of all results in the trial; they are never allocated."""

_MOST_AXES = 32


class _Believable(ShapesOnly):
    """A shapes-only trace that raises `DataError` once the results are too large for a dense network."""

    def __init__(self) -> None:
        self._numbers = 0

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) > _MOST_AXES:
            raise ShapeError(f"a result has {len(shape)} axes, more than arrays can have")
        self._numbers += math.prod(shape)
        if self._numbers > _MOST_NUMBERS:
            raise DataError(f"a result for two rows has shape {shape}, too large for a dense network")


def _tried(graph: Graph, nodes: Sequence[Node], roles: Roles, outputs: Sequence[str]) -> ImportedNetwork:
    """Create the network of these nodes, after a trial run on shapes.

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
            raise DataError(f"the output {name[:80]!r} has strings that don't depend on the input")
    return network


def _example(given: GraphInput) -> NDArray:
    return array_of_shape([_ROWS if size is None else size for size in given.shape], given.dtype)


def _is_given(value: Value) -> bool:
    return isinstance(value, NDArray) or (isinstance(value, np.ndarray) and value.dtype != object)
