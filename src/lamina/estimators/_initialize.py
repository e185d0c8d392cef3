"""The networks of a fit: their architecture, from table and settings, and initial values: RealMLP's, or Glorot's."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler.deferral import by_numpy
from lamina.core import blas
from lamina.estimators import presets
from lamina.estimators._pieces import Pieces, chosen_pieces, knots, repeated_values, rows_for_knots
from lamina.estimators.architecture import Architecture, Parameter, bounds_of, reflected
from lamina.estimators.data import Data, Parts, decays_of_categories, decays_of_rare, rare_columns
from lamina.estimators.monotone_columns import constrained_columns, constraints
from lamina.estimators.network import Arrays, Network
from lamina.estimators.settings import Settings
from lamina.table.encode import TableEncoder

_ROWS = 1024  # training rows used by the data-dependent initialization
_ROWS_AT_ONCE = 256
_BIAS_ROWS = 5
_SHORTEST = np.finfo(np.float32).tiny  # shortest piece, whose reciprocal length is still a float32


def architecture_for(
    encoder: TableEncoder, target: Any, train: Parts, settings: Settings, *, complete: bool = True
) -> tuple[Architecture, Pieces]:
    """The architecture of the members, and the number of linear pieces of each numeric input.

    `train` has each member's training rows. `complete` is true if these are all rows of the training; only then are
    rare categories determined.
    """
    parts = {field.name for field in dataclasses.fields(Architecture)}
    numbers = encoder.n_numbers
    given = {name: _hashable(value) for name, value in vars(settings).items() if name in parts}
    given["number_embedding"] = presets.embeds_numbers(given["number_embedding"], numbers)
    constrained = constrained_columns(given.pop("monotone"), encoder.schema)
    given |= constraints(constrained, encoder.schema, target, settings)
    signs = given.get("monotone", ())
    most = settings.number_pieces if given["number_embedding"] else 0
    pieces = train[0].once(
        ("pieces", most, signs, numbers), train[1:], lambda: chosen_pieces(train, most, signs, numbers)
    )
    cardinalities = encoder.cardinalities
    counts = complete and settings.weight_decay > 0
    rare = rare_columns(train[0], cardinalities) if counts else ()
    given |= {name: _marked(getattr(pieces, name), numbers) for name in ("rough", "exact", "smooth")}
    architecture = Architecture(
        **given,
        numbers=numbers,
        inputs=train[0].numeric.shape[1],
        cardinalities=cardinalities,
        outputs=target.outputs,
        hidden=settings.hidden_layer_sizes,
        **pieces.widths(numbers),
        rare=_marked(rare, len(cardinalities)),
    )
    return architecture, pieces


def _marked(positions: Collection[int], numbers: int) -> tuple[int, ...]:
    """A flag for each of `numbers` positions: 1 for those in `positions`, otherwise 0; () if `positions` is empty."""
    return tuple(int(j in positions) for j in range(numbers)) if positions else ()


def _hashable(value: Sequence[Any] | np.ndarray | float | None) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value


@by_numpy()  # compiling its operators would take most of a first fit's time
def build_network(
    architecture: Architecture, data: Data, rng: np.random.Generator, pieces: Pieces | None = None
) -> Network:
    """A network with initial values for its parameters.

    `pieces`: the number of linear pieces of each numeric input; None: the same number for all inputs.

    With `architecture.ntk`, the initialization is RealMLP-TD's. W ~ N(0, 1) is rescaled so that each unit's value z
    before the activation has standard deviation 1 on the training data. Each bias is minus a random convex combination
    (normalized Exp(1) weights) of the unit's z at 5 random rows. Otherwise values are uniform within ±√(6/(in + out))
    (Glorot and Bengio, 2010), as in scikit-learn.
    """
    network = Network(architecture)
    fitted = _pieces(architecture, data, pieces) if architecture.has_pieces else {}
    fitted |= _rarities(architecture, data)
    _add(network, architecture.input_parameters(), fitted, rng)
    if architecture.ntk:
        _add_fitted_layers(network, data, rng)
        return network
    for i in range(len(architecture.hidden) + 1):
        _add(network, architecture.layer_parameters(i), {}, rng)
    return network


def _add(
    network: Network, parameters: dict[str, Parameter], fitted: Arrays, rng: np.random.Generator
) -> None:
    """Add parameters to the network, with the values in `fitted`, or else the architecture's initial values."""
    for name, parameter in parameters.items():
        initial = parameter.initial
        values = fitted[name] if initial is None else initial(rng, parameter.shape)
        network.add(name, reflected(values, bounds_of(network.architecture, name, parameter.shape)))


def _add_fitted_layers(network: Network, data: Data, rng: np.random.Generator) -> None:
    parts = network.architecture
    rows = rng.choice(len(data), min(_ROWS, len(data)), replace=False)
    rows = rows if data.rows is None else data.rows[rows]
    # A few rows at a time: embedding a number takes as much memory as all its pieces.
    groups = [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
    x = nd.concat(*(_embedded(network, data, group) for group in groups), dim=0)
    for i, activation in enumerate([*parts.activations(), None]):
        _add(network, parts.layer_parameters(i), _fitted_layer(parts, i, x.asnumpy(), rng), rng)
        if activation is not None:
            x = network.activate(i, network.linear(i, x), activation)


def _embedded(network: Network, data: Data, rows: np.ndarray) -> nd.NDArray:
    codes = None if data.codes is None else nd.array(data.codes[rows], dtype=np.int32)
    return network.embed(nd.array(data.numeric[rows]), codes)


def _pieces(parts: Architecture, data: Data, pieces: Pieces | None) -> dict[str, np.ndarray]:
    """The starts and reciprocal lengths of the linear pieces of all numeric inputs, as arrays by parameter name.

    Exact values follow the linear pieces of their column.
    """
    wide = parts.wide_numbers
    knot, slope, is_value = (np.zeros((len(wide), 1, parts.pieces)) for _ in range(3))
    narrow_knot, narrow_slope = (np.zeros((parts.numbers, 1, parts.narrow)) for _ in range(2))
    rows, exact = rows_for_knots(data), dict[int, int]() if pieces is None else pieces.exact
    decay = np.ones((len(wide), parts.pieces, 1)) * parts.decays_of_smooth()[wide]
    for j in range(parts.numbers):
        most = parts.pieces if pieces is None else pieces.of(j)
        places = data.once(
            ("knots", j, most),
            (),
            lambda j=j, most=most: knots(data.numeric[rows, j], most).astype(np.float64),
        )
        places = places[np.diff(places, prepend=-np.inf) >= _SHORTEST]
        count = len(places) - 1
        if j not in wide:
            narrow_knot[j, 0, :count], narrow_slope[j, 0, :count] = places[:-1], 1 / np.diff(places)
            continue
        at = wide.index(j)
        knot[at, 0, :count], slope[at, 0, :count] = places[:-1], 1 / np.diff(places)
        if j in exact:
            values, near, counts = repeated_values(data.numeric[rows, j])
            own = slice(most, most + len(values))
            knot[at, 0, own], slope[at, 0, own], is_value[at, 0, own] = values, 1 / near, 1.0
            decay[at, own, 0] = decays_of_rare(counts)
    found = {"running.knot": knot, "running.slope": slope}
    if parts.exact:
        found |= {"running.is_value": is_value, "running.decay": decay}
    if parts.narrow:
        found |= {"running.narrow_knot": narrow_knot, "running.narrow_slope": narrow_slope}
    return found


def _rarities(parts: Architecture, data: Data) -> dict[str, np.ndarray]:
    """The decay factors of the embeddings in columns with rare categories, as arrays by parameter name."""
    return {
        f"running.rarity{j}": decays_of_categories(data, j, cardinality).reshape(-1, 1)
        for j, cardinality in enumerate(parts.cardinalities)
        if parts.rare and parts.rare[j]
    }


def _fitted_layer(
    parts: Architecture, i: int, x: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Initial W and b of layer i, computed from its inputs `x` for some training rows (see `build_network`)."""
    shape = x.shape[1], parts.widths[i + 1]
    weight = reflected(rng.normal(0, 1, shape), bounds_of(parts, f"weight{i}", shape))
    z = blas.matmul(x, weight.astype(x.dtype)) / np.sqrt(x.shape[1], dtype=x.dtype)
    spread = z.std(axis=0)
    factor = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 1.0)
    z *= factor
    share = rng.exponential(1, (_BIAS_ROWS, shape[1]))
    share /= share.sum(axis=0)
    at = rng.integers(0, len(z), (_BIAS_ROWS, shape[1]))
    bias = -(share * np.take_along_axis(z, at, 0)).sum(axis=0)
    return {f"weight{i}": weight * factor, f"bias{i}": bias}
