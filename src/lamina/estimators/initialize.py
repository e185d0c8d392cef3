"""Initial values: RealMLP's, which look at the training data, or Glorot's plain ones."""

from __future__ import annotations

import itertools

import numpy as np

from lamina import nd
from lamina.estimators.engine import Data
from lamina.estimators.network import Architecture, Network

__all__ = ["build_network"]

_FREQUENCIES = 16
_FREQUENCY_SCALE = 0.1
_NUMBER_WIDTH = 3
_ROWS = 4096  # of training data that the data-dependent initialization looks at
_ROWS_AT_ONCE = 256
_BIAS_ROWS = 5
_KNOT_ROWS = 50_000  # of training data, evenly spaced, that the knots of numbers are taken from

_EMBEDDING_SCALE = (
    0.1  # RealMLP-TD has 1: then a rare category is known by its random values, not by what it means
)

_RATES = {"bias": 0.1, "scale": 6.0, "alpha": 0.1, "number": 0.1, "pieces": 0.3, "embedding": 0.3}
"""RealMLP-TD's factors on the learning rate (arXiv 2407.04491, Table A.1); those of pieces and embeddings are lamina's.

Adam moves what has a gradient in few of the batches by as much as anything else, so that rare categories learn noise.
"""


def build_network(architecture: Architecture, data: Data, rng: np.random.Generator) -> Network:
    """A network with initial values.

    With `architecture.ntk`: W ~ N(0, 1), each unit rescaled so that its z has standard deviation 1 on the training
    data, and its bias minus a random convex combination (normalized Exp(1) weights) of its z at 5 random rows
    (RealMLP-TD). Otherwise uniform within ±√(6/(in + out)) (Glorot and Bengio, 2010), which is scikit-learn's choice.
    """
    network = Network(architecture)
    _add_input_parameters(network, rng)
    if architecture.has_pieces:
        _add_pieces(network, data)
    if not architecture.ntk:
        _add_plain_layers(network, rng)
        return network
    rows = rng.choice(len(data), min(_ROWS, len(data)), replace=False)
    rows = rows if data.rows is None else data.rows[rows]
    x = nd.concat(*(_embedded(network, data, part) for part in _parts(rows)), dim=0)
    for i, activation in enumerate([*architecture.activations(), None]):
        width = _widths(architecture)[i + 1]
        _add_fitted_layer(network, i, x.asnumpy(), width, rng)
        if activation is not None:
            _add_hidden_extras(network, i, width)
            x = network.activate(i, network.linear(i, x), activation)
    return network


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """The rows, few at a time: embedding a number takes as much memory as all its pieces."""
    return [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]


def _embedded(network: Network, data: Data, rows: np.ndarray) -> nd.NDArray:
    codes = None if data.codes is None else nd.array(data.codes[rows], dtype=np.int32)
    return network.embed(nd.array(data.numeric[rows]), codes)


def _widths(architecture: Architecture) -> list[int]:
    return [architecture.width, *architecture.hidden, architecture.outputs]


def _add_input_parameters(network: Network, rng: np.random.Generator) -> None:
    parts = network.architecture
    if parts.embeds_numbers:
        shape = (parts.numbers, 1, _FREQUENCIES)
        bound = 1 / np.sqrt(_FREQUENCIES)
        rate = _RATES["number"]
        network.add("frequency", rng.normal(0, _FREQUENCY_SCALE, shape), rate=rate)
        network.add("phase", rng.uniform(-np.pi, np.pi, shape), rate=rate)
        network.add(
            "number", rng.uniform(-bound, bound, (parts.numbers, _FREQUENCIES, _NUMBER_WIDTH)), rate=rate
        )
        network.add("number_bias", rng.uniform(-bound, bound, (parts.numbers, 1, _NUMBER_WIDTH)), rate=rate)
    for j, cardinality in enumerate(parts.cardinalities):
        values = rng.normal(0, _EMBEDDING_SCALE, (cardinality, parts.embedding_width))
        network.add(f"embedding{j}", values, rate=_RATES["embedding"])
    if parts.input_scale:
        network.add("scale", np.ones(parts.width), rate=_RATES["scale"])


def _add_pieces(network: Network, data: Data) -> None:
    """The piecewise linear functions of numbers, 0 at first: training starts from PBLD alone."""
    parts = network.architecture
    knot, slope = (np.zeros((parts.numbers, 1, parts.pieces)) for _ in range(2))
    rows = np.arange(len(data)) if data.rows is None else data.rows
    rows = rows[:: -(-len(rows) // _KNOT_ROWS)]
    for j in range(parts.numbers):
        knots = _knots(data.numeric[rows, j].astype(np.float64), parts.pieces)
        count = len(knots) - 1
        knot[j, 0, :count], slope[j, 0, :count] = knots[:-1], 1 / np.diff(knots)
    network.running["knot"], network.running["slope"] = nd.array(knot), nd.array(slope)
    network.add("pieces", np.zeros((parts.numbers, parts.pieces, _NUMBER_WIDTH)), rate=_RATES["pieces"])


def _knots(values: np.ndarray, pieces: int) -> np.ndarray:
    """Ascending values between which functions of a number are linear.

    Every value if there are few; else half of them quantiles of the values, and half of the distinct values, so that
    the few values other than 0 of a column of zeros are resolved too.
    """
    distinct = np.unique(values)
    if len(distinct) <= pieces + 1:
        return distinct
    levels = np.linspace(0, 1, pieces // 2 + 1)
    return np.unique([np.quantile(x, levels, method="nearest") for x in (values, distinct)])


def _add_fitted_layer(network: Network, i: int, x: np.ndarray, width: int, rng: np.random.Generator) -> None:
    """W and b of layer i, from its input on some rows of the training data."""
    weight = rng.normal(0, 1, (x.shape[1], width))
    z = x.astype(np.float64) @ weight / np.sqrt(x.shape[1])
    spread = z.std(axis=0)
    factor = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 1.0)
    z *= factor
    share = rng.exponential(1, (_BIAS_ROWS, width))
    share /= share.sum(axis=0)
    at = rng.integers(0, len(z), (_BIAS_ROWS, width))
    network.add(f"weight{i}", weight * factor)
    network.add(
        f"bias{i}", -(share * np.take_along_axis(z, at, 0)).sum(axis=0), rate=_RATES["bias"], decay=False
    )


def _add_hidden_extras(network: Network, i: int, width: int) -> None:
    """The learned activation's α and a normalization's parameters."""
    parts = network.architecture
    if parts.learned_activation:
        network.add(f"alpha{i}", np.ones(width), rate=_RATES["alpha"] if parts.ntk else 1.0)
    if parts.normalization:
        network.add(f"gamma{i}", np.ones(width), decay=False)
        network.add(f"beta{i}", np.zeros(width), decay=False)
    if parts.normalization == "batch":
        network.running[f"mean{i}"] = nd.zeros((1, width))
        network.running[f"variance{i}"] = nd.ones((1, width))


def _add_plain_layers(network: Network, rng: np.random.Generator) -> None:
    parts = network.architecture
    widths = _widths(parts)
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        factor = 2.0 if parts.activation in ("logistic", "sigmoid") else 6.0
        bound = np.sqrt(factor / (fan_in + fan_out))
        network.add(f"weight{i}", rng.uniform(-bound, bound, (fan_in, fan_out)))
        network.add(f"bias{i}", rng.uniform(-bound, bound, fan_out), decay=False)
        if i < len(parts.hidden):
            _add_hidden_extras(network, i, fan_out)
