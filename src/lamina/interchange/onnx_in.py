"""`import_onnx`: a trainable Gluon block from the ONNX file of a dense network."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lamina.errors import DataError, LaminaError
from lamina.interchange._graph import Node
from lamina.interchange.network import ImportedNetwork
from lamina.support.extras import require
from lamina.support.messages import closest, excerpt

__all__ = ["import_onnx"]


def import_onnx(path: str | os.PathLike[str], outputs: Sequence[str] | None = None) -> ImportedNetwork:
    """Read the dense network in an ONNX file, as written by PyTorch, Keras (tf2onnx), skl2onnx or lamina.

    Weights of products and normalizations become parameters; scalings of inputs and outputs stay fixed. The whole
    file is checked, also by running the network on shapes alone, so claimed sizes allocate nothing. Weights in
    other files are read if these lie in the model's folder.

    Args:
        path: the file, which need not be trusted.
        outputs: names of the values to return, of any in the file, e.g. the logits before a softmax, to train on.
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
    from lamina.interchange._operators import require_supported
    from lamina.interchange._roles import needed_nodes, roles_of
    from lamina.interchange._trial import tried

    graph = read_graph(path)
    try:
        wanted = _wanted(outputs, graph.outputs, graph.nodes)
        nodes = needed_nodes(graph, wanted)
        for node in nodes:
            require_supported(node)
        return tried(graph, nodes, roles_of(nodes, graph.tensors), wanted)
    except LaminaError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error


def _wanted(outputs: Sequence[str] | None, own: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    """The names of the values to return."""
    if outputs is None:
        return list(own)
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    made = {name for node in nodes for name in node.outputs}
    for name in names:
        if name not in made:
            raise DataError(f"no node makes a value {excerpt(name, 80)!r}.{closest(name, made)}")
    return names
