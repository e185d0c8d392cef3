"""What members of a `Prediction` become in ONNX: embeddings, layers, activations.

Members' units stand beside each other, (rows, members · units), so that whatever is done to each unit by itself is one
node for all of them; the products are one for each member, since ONNX Runtime prepares only matrices, not stacks of
them. All that is linear and follows one another is folded into one product: the inputs' scale, the factor of the neural
tangent parametrization, batch normalization, the mean over the members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.export._onnx_graph import OnnxGraph, joined
from lamina.export._prediction import Layer, Member, NumberEmbedding

__all__ = ["activated", "dense", "embedded_numbers", "first_matrix", "folded", "hidden", "split"]

FLOAT = np.float32


def embedded_numbers(graph: OnnxGraph, x: str, parts: Sequence[NumberEmbedding]) -> list[str]:
    """The members' embeddings, (rows, 3 · numbers) each, of the encoded numbers (rows, numbers)."""
    count = parts[0].maps.shape[0]
    frequency, phase, maps, bias = (
        np.stack([getattr(part, name) for part in parts]) for name in ("frequency", "phase", "maps", "bias")
    )
    column = graph.add("Unsqueeze", x, graph.constant([1, 3], np.int64))  # (rows, 1, numbers, 1)
    angle = graph.add("Mul", column, graph.constant(frequency * FLOAT(2 * np.pi)))
    features = graph.add(
        "Cos", graph.add("Add", angle, graph.constant(phase))
    )  # (rows, members, numbers, waves)
    if parts[0].knots is not None:
        knots, slopes, pieces = (
            np.stack([getattr(part, name) for part in parts]) for name in ("knots", "slopes", "pieces")
        )
        line = graph.add("Mul", graph.add("Sub", column, graph.constant(knots)), graph.constant(slopes))
        passed = graph.add("Clip", line, graph.constant(FLOAT(0)), graph.constant(FLOAT(1)))
        features = graph.add("Concat", features, passed, axis=3)
        maps = np.concatenate([maps, pieces], axis=2)
    mapped = _mapped(graph, features, maps.reshape(-1, *maps.shape[2:]), bias.ravel())
    return split(graph, mapped, len(parts), 3 * count)


def _mapped(graph: OnnxGraph, features: str, maps: np.ndarray, bias: np.ndarray) -> str:
    """Each number's features times its own matrix, all beside each other: (rows, members · numbers · 3)."""
    count, width, outputs = maps.shape
    rows = graph.add("Reshape", features, graph.constant([0, count, width], np.int64))
    product = graph.add("MatMul", graph.add("Transpose", rows, perm=[1, 0, 2]), graph.constant(maps))
    back = graph.add("Transpose", product, perm=[1, 0, 2])
    flat = graph.add("Reshape", back, graph.constant([0, count * outputs], np.int64))
    return graph.add("Add", flat, graph.constant(bias))


def split(graph: OnnxGraph, x: str, members: int, width: int) -> list[str]:
    """The members' parts, (rows, width) each."""
    if members == 1:
        return [x]
    return graph.add_several("Split", x, graph.constant([width] * members, np.int64), results=members, axis=1)


def first_matrix(member: Member) -> np.ndarray:
    """What the first layer multiplies its inputs with: their scale and the layer's factor are in it."""
    matrix = member.layers[0].matrix
    return matrix if member.scale is None else matrix * member.scale[:, None]


def dense(graph: OnnxGraph, x: str, matrix: np.ndarray, bias: np.ndarray) -> str:
    """x · matrix + bias."""
    return graph.add("Gemm", x, graph.constant(matrix), graph.constant(bias))


def folded(layer: Layer, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and the bias of a layer, with a batch normalization that follows it in them."""
    parts = layer.normalization
    if parts is None or parts.mean is None or parts.variance is None:
        return matrix, layer.bias
    factor = parts.gamma / np.sqrt(parts.variance.astype(np.float64) + parts.epsilon)
    bias = (layer.bias - parts.mean) * factor + parts.beta
    return (matrix * factor).astype(FLOAT), bias.astype(FLOAT)


def hidden(graph: OnnxGraph, zs: Sequence[str], layers: Sequence[Layer]) -> str:
    """What follows the members' linear maps: normalization, activation, blend; (rows, members · units)."""
    z = joined(graph, [_normalized(graph, z, layer) for z, layer in zip(zs, layers, strict=True)])
    f = activated(graph, z, layers[0].activation)
    blends = [layer.blend for layer in layers if layer.blend is not None]
    if not blends:
        return f
    return graph.add(
        "Add", z, graph.add("Mul", graph.add("Sub", f, z), graph.constant(np.concatenate(blends)))
    )


def _normalized(graph: OnnxGraph, z: str, layer: Layer) -> str:
    parts = layer.normalization
    if parts is None or parts.mean is not None:  # batch normalization is in the matrix
        return z
    gamma, beta = graph.constant(parts.gamma), graph.constant(parts.beta)
    return graph.add("LayerNormalization", z, gamma, beta, axis=-1, epsilon=parts.epsilon)


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
