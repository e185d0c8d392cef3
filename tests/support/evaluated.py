"""A `lamina.export.Prediction` evaluated in plain NumPy, formula by formula: the oracle of all ways out."""

import numpy as np
from scipy.special import erf, expit, softmax

from lamina.export._prediction import Classes

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
    if prediction.inputs.form.whole:
        inputs, codes = rows / 255, None
    else:
        inputs, codes = encoded(prediction.inputs, rows)
    outputs = outputs_of(prediction.network, inputs, codes)
    if isinstance(prediction.output, Classes):
        return (expit if prediction.output.multilabel else lambda z: softmax(z, axis=1))(outputs)
    target = prediction.output
    outputs = np.sort(outputs, axis=1) if target.levels else outputs
    values = (np.exp(outputs) if target.logarithmic else outputs) * target.scale + target.center
    values = np.clip(values, target.low, target.high)
    return values[:, 0] if target.flat else values


def encoded(table, rows):
    """The network's inputs, and for each embedded column its codes."""
    flags, books = table.encoder.flags, table.encoder.codebooks
    parts = [[], [], []]
    codes = []
    for column in table.columns:
        values = rows[column.name]
        if column.is_number:
            x = np.array([np.nan if value is None else value for value in values], np.float64)
            gone = np.isnan(x)
            x = (np.where(gone, column.fill, x) - column.center) * column.factor
            parts[0].append((x / np.sqrt(1 + (x / 3) ** 2) if column.clips else x)[:, None])
            if column.name in flags:
                parts[1].append(np.where(gone, *flags[column.name])[:, None])
        else:
            code = np.array([code_of(column, value) for value in values])
            if column.name in books:
                parts[2].append(books[column.name][code])
            else:
                codes.append(code)
    return np.concatenate([part for kind in parts for part in kind], axis=1) if any(parts) else None, codes


def code_of(column, value):
    if isinstance(value, str):
        return column.spellings.get(value, 0)
    if value is None or value not in (column.values or ()):
        return 0
    return 1 + column.values.index(value)


def outputs_of(networks, inputs, codes):
    """The mean of the networks' outputs; of pictures, `codes` is None."""
    if codes is None:
        return of_pictures(len(networks.sizes) - 1, networks.arrays(), inputs)
    pairs = zip(networks.members, networks.shares, strict=True)
    return sum(share * outputs_of_one(one.architecture, one.state(), inputs, codes) for one, share in pairs)


def of_pictures(layers, arrays, x):
    for i in range(1, layers + 1):
        z = x @ arrays[f"W{i}"] + arrays[f"b{i}"]
        x = z if i == layers else ACTIVATIONS["relu"](z)
    return x


def outputs_of_one(parts, arrays, inputs, codes):
    features = [np.empty((len(codes[0]), 0)) if inputs is None else inputs]
    if "frequency" in arrays:
        features.append(embedded(arrays, inputs[:, : parts.numbers]))
    features += [arrays[f"embedding{j}"][code] for j, code in enumerate(codes)]
    x = np.concatenate(features, axis=1) * arrays.get("scale", 1)
    for i in range(len(parts.hidden) + 1):
        if parts.skip and i == len(parts.hidden):
            clipped = np.clip(inputs, -2.99985, 2.99985)
            x = np.concatenate([x, inputs, clipped / np.sqrt(1 - clipped**2 / 9)], axis=1)
        weight = arrays[f"weight{i}"]
        z = x @ weight / (np.sqrt(len(weight)) if parts.ntk else 1) + arrays[f"bias{i}"]
        if i == len(parts.hidden):
            return z + sum(arrays[f"effect{j}"][code] for j, code in enumerate(codes) if parts.effects)
        if parts.normalization:
            z = normalized(arrays, i, z)
        name = parts.activation if isinstance(parts.activation, str) else parts.activation[i]
        f = ACTIVATIONS[name](z)
        x = z + arrays[f"alpha{i}"] * (f - z) if f"alpha{i}" in arrays else f
    return None


def embedded(arrays, x):
    waves = np.cos(2 * np.pi * x[:, :, None] * arrays["frequency"][:, 0] + arrays["phase"][:, 0])
    mapped = np.einsum("rnw,nwo->rno", waves, arrays["number"]) + arrays["number_bias"][:, 0]
    if "pieces" in arrays:
        passed = (x[:, :, None] - arrays["running.knot"][:, 0]) * arrays["running.slope"][:, 0]
        steps = np.clip(passed, 0, 1)
        if "running.is_value" in arrays:
            steps = np.where(arrays["running.is_value"][:, 0] > 0, np.abs(passed) <= 1, steps)
        mapped += np.einsum("rnp,npo->rno", steps, rises(arrays))
    return mapped.reshape(len(x), -1)


def rises(arrays):
    """Of rough numbers there are values at the ends of pieces, of the others how much they rise."""
    pieces = arrays["pieces"]
    is_rough = arrays.get("running.rough", np.zeros((len(pieces), 1, 1))) > 0
    return np.where(is_rough, np.diff(pieces, axis=1, prepend=0), pieces)


def normalized(arrays, i, z):
    mean = arrays.get(f"running.mean{i}", z.mean(axis=1, keepdims=True))
    variance = arrays.get(f"running.variance{i}", z.var(axis=1, keepdims=True))
    return (z - mean) / np.sqrt(variance + 1e-5) * arrays[f"gamma{i}"] + arrays[f"beta{i}"]
