"""A description's networks as a function of arrays: the operators of `lamina.estimators.network`, in the same order."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lamina import nd
from lamina.estimators.network import mean_by_shares
from lamina.export import Layer, Member, Normalization, NumberEmbedding, Pictures, Prediction
from lamina.nd.activation import activation_by_name
from lamina.nd.ndarray import NDArray

__all__ = ["forward_of"]


def forward_of(prediction: Prediction) -> Callable[..., NDArray]:
    """The mean output of all members, of (numeric, codes) of encoded rows, or of pixels."""
    inputs, members = prediction.inputs, prediction.members

    def forward(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        if isinstance(inputs, Pictures):
            numeric = numeric.astype(np.float32) / inputs.divisor
        outputs = [_output(member, numeric, codes) for member in members]
        return mean_by_shares(outputs, [member.share for member in members])

    return forward


def _output(member: Member, numeric: NDArray, codes: NDArray | None) -> NDArray:
    x = _embedded(member, numeric, codes)
    for layer in member.layers:
        x = _layer(layer, x)
    return x


def _embedded(member: Member, numeric: NDArray, codes: NDArray | None) -> NDArray:
    features = [numeric]
    if member.embedding is not None:
        features.append(_embedded_numbers(member.embedding, numeric))
    for j, table in enumerate(member.tables):
        assert codes is not None
        features.append(nd.take(nd.array(table), codes[:, j]))
    x = features[0] if len(features) == 1 else nd.concat(*features, dim=1)
    return x if member.scale is None else x * nd.array(member.scale)


def _embedded_numbers(embedding: NumberEmbedding, numeric: NDArray) -> NDArray:
    (count, _), rows = embedding.frequency.shape, numeric.shape[0]

    def each(values: np.ndarray) -> NDArray:
        """(numbers, n) as (numbers, 1, n), for all rows alike."""
        return nd.array(values[:, None])

    x = nd.transpose(nd.slice_axis(numeric, axis=1, begin=0, end=count)).reshape((count, rows, 1))
    waves = nd.cos(x * each(embedding.frequency) * (2 * math.pi) + each(embedding.phase))
    mapped = nd.batch_dot(waves, nd.array(embedding.maps)) + each(embedding.bias)
    if embedding.pieces is not None and embedding.knots is not None and embedding.slopes is not None:
        passed = nd.clip((x - each(embedding.knots)) * each(embedding.slopes), 0.0, 1.0)
        mapped = mapped + nd.batch_dot(passed, nd.array(embedding.pieces))
    return nd.transpose(mapped, (1, 0, 2)).reshape((rows, -1))


def _layer(layer: Layer, x: NDArray) -> NDArray:
    z = nd.dot(x, nd.array(layer.weight))
    if layer.factor != 1.0:
        z = z * layer.factor
    z = z + nd.array(layer.bias)
    if layer.normalization is not None:
        z = _normalized(layer.normalization, z)
    if layer.activation == "identity":
        return z
    value = activation_by_name(layer.activation)(z)
    return value if layer.blend is None else z + nd.array(layer.blend) * (value - z)


def _normalized(by: Normalization, z: NDArray) -> NDArray:
    if by.mean is not None and by.variance is not None:
        mean, variance = nd.array(by.mean), nd.array(by.variance)
    else:
        mean = nd.mean(z, axis=1, keepdims=True)
        variance = nd.mean((z - mean) * (z - mean), axis=1, keepdims=True)
    return (z - mean) * nd.rsqrt(variance + by.epsilon) * nd.array(by.gamma) + nd.array(by.beta)
