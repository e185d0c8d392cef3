"""A `lamina.export.Prediction` evaluated in plain NumPy, formula by formula: the oracle of all ways out."""

import numpy as np
from scipy.special import erf, expit, softmax

from lamina.export._prediction import Classes, Number, Pictures

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": expit,
    "logistic": expit,
    "tanh": np.tanh,
    "softrelu": lambda x: np.logaddexp(0, x),
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "silu": lambda x: x * expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}


def evaluated(prediction, rows):
    """Probabilities (rows, classes), or predictions in the target's units.

    `rows`: of a table, for each of its columns by name the values, None or NaN where they are missing; of pictures
    uint8 (rows, pixels).
    """
    if isinstance(prediction.inputs, Pictures):
        inputs, codes = rows / prediction.inputs.divisor, []
    else:
        inputs, codes = encoded(prediction.inputs, rows)
    outputs = sum(member.share * outputs_of(member, inputs, codes) for member in prediction.members)
    if isinstance(prediction.output, Classes):
        return (expit if prediction.output.several else lambda z: softmax(z, axis=1))(outputs)
    target = prediction.output
    outputs = np.sort(outputs, axis=1) if target.levels else outputs
    values = (np.exp(outputs) if target.logarithmic else outputs) * target.scale + target.center
    values = np.clip(values, target.low, target.high)
    return values[:, 0] if target.flat else values


def encoded(table, rows):
    """The network's inputs, and for each embedded column its codes."""
    parts = [[], [], []]
    codes = []
    for column in table.columns:
        values = rows[column.name]
        if isinstance(column, Number):
            x = np.array([np.nan if value is None else value for value in values], np.float64)
            gone = np.isnan(x)
            x = (np.where(gone, column.fill, x) - column.center) * column.factor
            parts[0].append((x / np.sqrt(1 + (x / 3) ** 2) if column.clips else x)[:, None])
            if column.flag is not None:
                parts[1].append(np.where(gone, *column.flag)[:, None])
        else:
            code = np.array([code_of(column, value) for value in values])
            if column.encoded is None:
                codes.append(code)
            else:
                parts[2].append(column.encoded[code])
    return np.concatenate([part for kind in parts for part in kind], axis=1) if any(parts) else None, codes


def code_of(column, value):
    if isinstance(value, str):
        return column.spellings.get(value, 0)
    if value is None or value not in (column.values or ()):
        return 0
    return 1 + column.values.index(value)


def outputs_of(member, inputs, codes):
    features = [np.empty((len(codes[0]), 0)) if inputs is None else inputs]
    if member.embedding is not None:
        features.append(embedded(member.embedding, inputs[:, : len(member.embedding.frequency)]))
    features += [table[code] for table, code in zip(member.tables, codes, strict=True)]
    x = np.concatenate(features, axis=1)
    x = x if member.scale is None else x * member.scale
    for layer in member.layers:
        z = x @ layer.weight * layer.factor + layer.bias
        if layer.normalization is not None:
            z = normalized(layer.normalization, z)
        f = ACTIVATIONS[layer.activation](z)
        x = f if layer.blend is None else z + layer.blend * (f - z)
    return x


def embedded(parts, x):
    waves = np.cos(2 * np.pi * x[:, :, None] * parts.frequency + parts.phase)
    mapped = np.einsum("rnw,nwo->rno", waves, parts.maps) + parts.bias
    if parts.knots is not None:
        passed = np.clip((x[:, :, None] - parts.knots) * parts.slopes, 0, 1)
        mapped += np.einsum("rnp,npo->rno", passed, parts.pieces)
    return mapped.reshape(len(x), -1)


def normalized(parts, z):
    mean = z.mean(axis=1, keepdims=True) if parts.mean is None else parts.mean
    variance = z.var(axis=1, keepdims=True) if parts.variance is None else parts.variance
    return (z - mean) / np.sqrt(variance + parts.epsilon) * parts.gamma + parts.beta
