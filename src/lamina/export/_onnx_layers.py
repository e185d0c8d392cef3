"""What members of a `Prediction` become in ONNX: embeddings, layers, activations.

Members are stacked: a layer is one product with an array (members, inputs, outputs), so that five networks make no more
nodes than one. All that is linear and follows one another is folded into one product: the inputs' scale, the factor of
the neural tangent parametrization, batch normalization.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.export._onnx_graph import OnnxGraph
from lamina.export._prediction import Layer, Member, NumberEmbedding

__all__ = ["activated", "dense", "embedded_numbers", "first_matrix", "hidden"]

FLOAT = np.float32


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of all members, (members, …); of one member its own."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def embedded_numbers(graph: OnnxGraph, x: str, parts: Sequence[NumberEmbedding]) -> str:
    """The embeddings (rows, 3 · numbers) of the encoded numbers (rows, numbers); of several members (members, …)."""
    leading = [0] if len(parts) > 1 else []  # the axis of members
    shift = len(leading)

    def of_all(name: str) -> np.ndarray:
        return stacked([getattr(part, name) for part in parts])

    # (numbers, rows, 1), since each number has a matrix of its own
    column = graph.add("Unsqueeze", graph.add("Transpose", x, perm=[1, 0]), graph.constant([2], np.int64))
    angle = graph.add("Mul", column, graph.constant(of_all("frequency")[..., None, :] * FLOAT(2 * np.pi)))
    waves = graph.add("Cos", graph.add("Add", angle, graph.constant(of_all("phase")[..., None, :])))
    features, maps = waves, of_all("maps")
    if parts[0].knots is not None:
        knots, slopes = of_all("knots")[..., None, :], of_all("slopes")[..., None, :]
        line = graph.add("Mul", graph.add("Sub", column, graph.constant(knots)), graph.constant(slopes))
        passed = graph.add("Clip", line, graph.constant(FLOAT(0)), graph.constant(FLOAT(1)))
        features = graph.add("Concat", waves, passed, axis=-1)
        maps = np.concatenate([maps, of_all("pieces")], axis=-2)
    mapped = graph.add("MatMul", features, graph.constant(maps))
    mapped = graph.add("Add", mapped, graph.constant(of_all("bias")[..., None, :]))
    order = [*leading, shift + 1, shift, shift + 2]
    shape = [0] * (shift + 1) + [maps.shape[-3] * maps.shape[-1]]
    return graph.add("Reshape", graph.add("Transpose", mapped, perm=order), graph.constant(shape, np.int64))


def first_matrix(member: Member) -> np.ndarray:
    """What the first layer multiplies its inputs with: their scale and the layer's factor are in it."""
    matrix = member.layers[0].matrix
    return matrix if member.scale is None else matrix * member.scale[:, None]


def dense(graph: OnnxGraph, x: str, matrix: np.ndarray, bias: np.ndarray | None) -> str:
    """x · matrix + bias; of several members, (members, inputs, outputs) and (members, outputs)."""
    if matrix.ndim == 2 and bias is not None:
        return graph.add("Gemm", x, graph.constant(matrix), graph.constant(bias))
    product = graph.add("MatMul", x, graph.constant(matrix))
    return product if bias is None else graph.add("Add", product, graph.constant(bias[..., None, :]))


def folded(layers: Sequence[Layer], matrices: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The matrices and biases of all members' layer, with a batch normalization that follows it in them."""
    pairs = [_folded(layer, matrix) for layer, matrix in zip(layers, matrices, strict=True)]
    return stacked([matrix for matrix, _ in pairs]), stacked([bias for _, bias in pairs])


def _folded(layer: Layer, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = layer.normalization
    if parts is None or parts.mean is None or parts.variance is None:
        return matrix, layer.bias
    factor = parts.gamma / np.sqrt(parts.variance.astype(np.float64) + parts.epsilon)
    bias = (layer.bias - parts.mean) * factor + parts.beta
    return (matrix * factor).astype(FLOAT), bias.astype(FLOAT)


def hidden(graph: OnnxGraph, z: str, layers: Sequence[Layer]) -> str:
    """What follows the linear map of all members' hidden layer: normalization, activation, blend."""
    z = _normalized(graph, z, layers)
    f = activated(graph, z, layers[0].activation)
    if layers[0].blend is None:
        return f
    blends = [layer.blend for layer in layers if layer.blend is not None]
    blend = stacked([blend[None] for blend in blends]) if len(blends) > 1 else blends[0]
    return graph.add("Add", z, graph.add("Mul", graph.add("Sub", f, z), graph.constant(blend)))


def _normalized(graph: OnnxGraph, z: str, layers: Sequence[Layer]) -> str:
    parts = [layer.normalization for layer in layers if layer.normalization is not None]
    if not parts or parts[0].mean is not None:  # batch normalization is in the matrix
        return z
    epsilon = parts[0].epsilon
    if len(parts) == 1:
        gamma, beta = graph.constant(parts[0].gamma), graph.constant(parts[0].beta)
        return graph.add("LayerNormalization", z, gamma, beta, axis=-1, epsilon=epsilon)
    one = graph.constant(np.ones_like(parts[0].gamma))
    normal = graph.add("LayerNormalization", z, one, axis=-1, epsilon=epsilon)
    gamma, beta = (np.stack([getattr(part, name) for part in parts])[:, None] for name in ("gamma", "beta"))
    return graph.add("Add", graph.add("Mul", normal, graph.constant(gamma)), graph.constant(beta))


# --- activations -------------------------------------------------------------------------------------------------

Activation = Callable[[OnnxGraph, str, Any], str]
"""Of a graph, a tensor and its dtype."""


def _one(op: str, **attributes: Any) -> Activation:
    return lambda graph, x, dtype: graph.add(op, x, **attributes)


def _log_sigmoid(graph: OnnxGraph, x: str, dtype: Any) -> str:
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", x)))


def _gelu(graph: OnnxGraph, x: str, dtype: Any) -> str:
    one, half, root = (graph.constant(value, dtype) for value in (1, 0.5, np.sqrt(0.5)))
    twice = graph.add("Add", graph.add("Erf", graph.add("Mul", x, root)), one)
    return graph.add("Mul", graph.add("Mul", x, twice), half)


def _silu(graph: OnnxGraph, x: str, dtype: Any) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _mish(graph: OnnxGraph, x: str, dtype: Any) -> str:
    return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))


_ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda graph, x, dtype: x,
    "relu": _one("Relu"),
    "sigmoid": _one("Sigmoid"),
    "logistic": _one("Sigmoid"),
    "tanh": _one("Tanh"),
    "softrelu": _one("Softplus"),
    "softplus": _one("Softplus"),
    "softsign": _one("Softsign"),
    "log_sigmoid": _log_sigmoid,
    "hard_sigmoid": _one("HardSigmoid", alpha=0.2, beta=0.5),
    "leaky_relu": _one("LeakyRelu", alpha=0.01),
    "elu": _one("Elu", alpha=1.0),
    "selu": _one("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
}
"""By the names in `lamina.nd.activation.ACTIVATIONS`."""


def activated(graph: OnnxGraph, x: str, activation: str, dtype: Any = FLOAT) -> str:
    """The activation of this name."""
    return _ACTIVATIONS[activation](graph, x, dtype)
