"""The architecture of the estimators' networks: the structure, and a description of each parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lamina.nd.activation import ActivationFunction, activation_by_name

NUMBER_WIDTH = 3
"""Number of outputs of the linear map in a number's embedding; the number itself is appended."""

_FREQUENCIES = 16
_FREQUENCY_SPREAD = 0.1
_EMBEDDING_SPREAD = 0.1
"""Standard deviation of initial embeddings; with RealMLP-TD's 1, rare categories get noticeable random effects."""

_RATES = {"bias": 0.1, "scale": 6.0, "alpha": 0.1, "number": 0.1, "pieces": 0.3, "embedding": 0.3}
"""RealMLP-TD's factors on the learning rate (arXiv 2407.04491, Table A.1); those of pieces and embeddings are lamina's.

The factor of embeddings is small, because Adam moves rarely updated parameters as far as others, so that the
embeddings of rare categories learn noise.
"""

_DEEPEST = 64
"""Maximum depth of trees; each level adds compile time."""

_SMOOTH_DECAY = 100.0
"""Decay factor of the pieces of smooth numbers, so that only effects seen in many batches remain."""

Initial = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Parameter:
    """The description of a parameter, without its values.

    shape
        the shape of the parameter's float32 array.
    initial
        a function from a generator and the shape to the initial values; None: the initial values depend on the training
        data (see `lamina.estimators._initialize`).
    rate
        the factor on the learning rate.
    decay
        whether weight decay and the L2 penalty apply.
    trained
        whether the optimizer changes the parameter.
    is_matrix
        whether the parameter is the weight matrix of a hidden layer.
    decays
        the factor on each value's weight decay; None: 1 for all values.
    """

    shape: tuple[int, ...]
    initial: Initial | None
    rate: float = 1.0
    decay: bool = True
    trained: bool = True
    is_matrix: bool = False
    decays: np.ndarray | None = None


@dataclass(frozen=True)
class Architecture:
    """The architecture of a network.

    numbers
        the number of raw numeric inputs, which come first and may have a PBLD embedding.
    inputs
        the width of the numeric matrix (raw numeric inputs, then one-hot columns).
    cardinalities
        the number of codes of each code column, i.e. the number of rows of the column's embedding table.
    outputs
        the width of the output layer.
    hidden
        the widths of the hidden layers.
    activation, dropout
        a single value for all hidden layers, or a value for each.
    normalization
        the normalization between a hidden layer's linear map and its activation: None, ``"batch"`` or ``"layer"``.
    pieces
        the number of pieces of the piecewise linear function that is added to each raw input's embedding; 0: no
        function is added.
    rough
        for each raw input, 1 if its piecewise linear function is learned value by value, because close values predict
        different targets, else 0; () if all are 0.
    smooth
        for each raw input, 1 if its piecewise linear function has a strong weight decay, because cosines express the
        input's effect, else 0; () if all are 0.
    wide
        for each raw input, 1 if it has up to `pieces` pieces and the others have up to `narrow`, else 0; () if all have
        up to `pieces`.
    narrow
        see `wide`.
    exact
        for each raw input, 1 if some of its pieces are values that are repeated in training and learned like
        categories, else 0; () if all are 0.
    rare
        for each code column, 1 if some categories are rare and their embeddings have a stronger weight decay, else 0;
        () if all are 0.
    ntk
        z = xW/√d + b, with W of unit variance (neural tangent parametrization), instead of z = xW + b.
    monotone
        for each raw input, +1 if the outputs never fall as the input rises, −1 if they never rise, else 0; () if all
        are 0 (see `lamina.estimators.monotone_columns`).
    rising
        for each output, +1 if the output moves in the directions of `monotone`, −1 if in the opposite directions; () if
        `monotone` is ().
    skip
        whether the last layer's input is the last hidden layer, concatenated with the numeric inputs, both clipped and
        unclipped (see `lamina.estimators.linear_path`).
    effects
        whether each code of each code column adds numbers of its own to the outputs, for a linear path.
    trees, nodes, depth
        for boosted trees instead of a network: `trees` is (rounds, trees per round), or () for no trees; `nodes` is the
        number of nodes of all trees; `depth` is the depth of the deepest tree. Input k of the last layer is the sum,
        over all rounds, of the outputs of the round's tree k.
    near
        for nearest neighbours instead of a network: the number of stored training rows, or 0. Each stored row is an
        input of the last layer: a weight that decreases with the row's distance from the predicted row.
    """

    numbers: int
    inputs: int
    cardinalities: tuple[int, ...]
    outputs: int
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str | tuple[str, ...] = "selu"
    dropout: float | tuple[float, ...] = 0.15
    number_embedding: bool = True
    embedding_width: int = 8
    input_scale: bool = True
    learned_activation: bool = True
    normalization: str | None = None
    ntk: bool = True
    pieces: int = 0
    wide: tuple[int, ...] = ()
    narrow: int = 0
    monotone: tuple[int, ...] = ()
    rising: tuple[int, ...] = ()
    rough: tuple[int, ...] = ()
    smooth: tuple[int, ...] = ()
    exact: tuple[int, ...] = ()
    rare: tuple[int, ...] = ()
    skip: bool = False
    effects: bool = False
    trees: tuple[int, ...] = ()
    nodes: int = 0
    depth: int = 0
    near: int = 0

    @property
    def candidate(self) -> str:
        """A short description of a model that is not a neural network, e.g. "90 boosted trees"; otherwise ""."""
        if self.trees:
            return f"{math.prod(self.trees)} boosted trees"
        if self.near:
            return f"{self.near} near rows"
        return "linear" if self.skip and not self.hidden and not self.embeds_numbers else ""

    @property
    def embeds_numbers(self) -> bool:
        """Whether the raw numeric inputs have an embedding."""
        return self.number_embedding and self.numbers > 0

    @property
    def has_pieces(self) -> bool:
        """Whether the embedding of raw numeric inputs has a piecewise linear part."""
        return self.embeds_numbers and self.pieces > 0

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the first layer's input, of the hidden layers, and of the output."""
        return (self.width, *self.hidden, self.outputs)

    @property
    def width(self) -> int:
        """The width of the first layer's input."""
        return self.near or (self.trees[1] if self.trees else self.features)

    @property
    def features(self) -> int:
        """The number of encoded inputs: the numeric inputs plus the widths of all embeddings."""
        extra = NUMBER_WIDTH * self.numbers if self.embeds_numbers else 0
        return self.inputs + extra + self.embedding_width * len(self.cardinalities)

    def activations(self) -> list[ActivationFunction]:
        """The activation of each hidden layer."""
        names = _for_each(self.activation, len(self.hidden), "activation")
        return [activation_by_name(name) for name in names]

    def dropouts(self) -> list[float]:
        """The dropout rate of each hidden layer."""
        return _for_each(self.dropout, len(self.hidden), "dropout")

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, in order of initialization."""
        parameters = self.input_parameters()
        for i in range(len(self.hidden) + 1):
            parameters |= self.layer_parameters(i)
        return parameters

    def input_parameters(self) -> dict[str, Parameter]:
        """The parameters before the first layer: embeddings, scales, trees and stored rows."""
        found: dict[str, Parameter] = {}
        if self.embeds_numbers:
            rate, each = _RATES["number"], (self.numbers, 1)
            bound = 1 / math.sqrt(_FREQUENCIES)
            maps = (self.numbers, _FREQUENCIES, NUMBER_WIDTH)
            found["frequency"] = Parameter((*each, _FREQUENCIES), _normal(_FREQUENCY_SPREAD), rate)
            found["phase"] = Parameter((*each, _FREQUENCIES), _uniform(math.pi), rate)
            found["number"] = Parameter(maps, _uniform(bound), rate)
            found["number_bias"] = Parameter((*each, NUMBER_WIDTH), _uniform(bound), rate)
        for j, cardinality in enumerate(self.cardinalities):
            if self.rare and self.rare[j]:
                found[f"running.rarity{j}"] = Parameter((cardinality, 1), None, trained=False)
            shape = (cardinality, self.embedding_width)
            found[f"embedding{j}"] = Parameter(shape, _normal(_EMBEDDING_SPREAD), _RATES["embedding"])
        if self.input_scale:
            found["scale"] = Parameter((self.width,), _filled(1.0), _RATES["scale"])
        if self.has_pieces:
            found |= self._piece_parameters()
        if self.monotone:
            found["running.free"] = Parameter((self.inputs,), self._free, trained=False)
        return found | self._fixed_parameters()

    @property
    def wide_numbers(self) -> list[int]:
        """The positions of the raw inputs with up to `pieces` pieces."""
        return [j for j in range(self.numbers) if not self.wide or self.wide[j]]

    def _piece_parameters(self) -> dict[str, Parameter]:
        """The parameters of the piecewise linear functions."""
        numbers = self.wide_numbers
        knots = _untrained(len(numbers), 1, self.pieces)
        found = {"running.knot": knots, "running.slope": knots}
        if self.exact:
            found |= {"running.is_value": knots, "running.decay": _untrained(len(numbers), self.pieces, 1)}
        found["pieces"] = self._pieces_of(numbers, self.pieces)
        if self.rough:
            found["running.rough"] = _fixed_at(np.array(self.rough, float)[numbers, None, None])
        if self.wide:
            flags = np.array(self.wide)
            found["running.wide"] = _fixed_at(np.array(numbers, float))
            found["running.place"] = _fixed_at(np.where(flags, np.cumsum(flags) - 1, 0.0))
            found["running.placed"] = _fixed_at(flags[:, None, None] * 1.0)
        if self.narrow:
            knots = _untrained(self.numbers, 1, self.narrow)
            found |= {"running.narrow_knot": knots, "running.narrow_slope": knots}
            found["narrow_pieces"] = self._pieces_of(range(self.numbers), self.narrow)
        return found

    def _pieces_of(self, numbers: Sequence[int], pieces: int) -> Parameter:
        """The change of each piecewise linear function over each of its pieces, for raw inputs at these positions.

        It is initially 0 for most columns, whose training starts with the cosines alone. For monotone columns, it is
        constant: the functions are straight lines.
        """
        maps = (len(numbers), pieces, NUMBER_WIDTH)
        directions = np.array(self.monotone or [0] * self.numbers)[numbers, None, None]
        decays = np.ones(maps, np.float32) * self.decays_of_smooth()[numbers] if self.smooth else None
        first = _fixed_at(np.broadcast_to(directions / pieces, maps)).initial
        return Parameter(maps, first, _RATES["pieces"], decays=decays)

    def _fixed_parameters(self) -> dict[str, Parameter]:
        """The parameters of trees and of stored training rows, which gradient descent doesn't change.

        Raises:
            ValueError: the trees are too deep, or `trees` does not have two numbers.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        if self.trees:
            if len(self.trees) != 2:
                raise ValueError(f"trees must be (rounds, trees per round), not {self.trees}")
            if self.depth > _DEEPEST:
                raise ValueError(f"the deepest tree has depth {self.depth}; at most {_DEEPEST} is supported")
            shapes = {"root": (1, math.prod(self.trees))}
            shapes |= dict.fromkeys(("feature", "bound", "right", "said"), (self.nodes,))
        if self.near:
            shapes = {"rows": (self.features, self.near), "nearness": (self.near,)}
        return {f"running.{name}": Parameter(shape, None, trained=False) for name, shape in shapes.items()}

    def layer_parameters(self, i: int) -> dict[str, Parameter]:
        """The parameters of layer i: linear map, normalization and activation."""
        fan_in, width = self.widths[i : i + 2]
        if self.skip and i == len(self.hidden):
            fan_in += 2 * self.inputs
        # Uniform within ±√(factor / (in + out)) (Glorot and Bengio, 2010; factors as in scikit-learn).
        factor = 2.0 if self.activation in ("logistic", "sigmoid") else 6.0
        plain = None if self.ntk else _uniform(math.sqrt(factor / (fan_in + width)))
        found = {
            f"weight{i}": Parameter((fan_in, width), plain, is_matrix=i < len(self.hidden)),
            f"bias{i}": Parameter((width,), plain, _RATES["bias"] if self.ntk else 1.0, decay=False),
        }
        if i == len(self.hidden):
            return found | {
                f"effect{j}": Parameter((codes, width), _filled(0.0), _RATES["embedding"])
                for j, codes in enumerate(self.cardinalities if self.effects else ())
            }
        if self.learned_activation:
            rate = _RATES["alpha"] if self.ntk else 1.0
            found[f"alpha{i}"] = Parameter((width,), _filled(1.0), rate)
        if self.normalization:
            found[f"gamma{i}"] = Parameter((width,), _filled(1.0), decay=False)
            found[f"beta{i}"] = Parameter((width,), _filled(0.0), decay=False)
        if self.normalization == "batch":
            found[f"running.mean{i}"] = Parameter((1, width), _filled(0.0), trained=False)
            found[f"running.variance{i}"] = Parameter((1, width), _filled(1.0), trained=False)
        return found

    def decays_of_smooth(self) -> np.ndarray:
        """The decay factors of linear pieces, float32 (numbers, 1, 1): large for numbers with a smooth effect.

        A number whose frequent values are exact is left a smooth effect.
        """
        smooth = np.array(self.smooth or [0] * self.numbers) | np.array(self.exact or (0,))
        return np.where(smooth, _SMOOTH_DECAY, 1.0).astype(np.float32)[:, None, None]

    def _free(self, _: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """A factor on each numeric input beside its embedding: 0 for monotone columns, otherwise 1.

        Monotone columns thus affect the outputs only through their embedding.
        """
        free = np.ones(shape)
        free[: self.numbers] = np.array(self.monotone) == 0
        return free


def _for_each(value: Sequence[Any] | float | str | None, layers: int, name: str) -> list[Any]:
    if not isinstance(value, tuple | list):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(
            f"{name} has {len(value)} values {tuple(value)!r} for {layers} hidden layers; give a single value, or a "
            "value per layer"
        )
    return list(value)


def _normal(spread: float) -> Initial:
    return lambda rng, shape: rng.normal(0, spread, shape)


def _uniform(bound: float) -> Initial:
    return lambda rng, shape: rng.uniform(-bound, bound, shape)


def _filled(value: float) -> Initial:
    return lambda _, shape: np.full(shape, value)


def _untrained(*shape: int) -> Parameter:
    """A parameter of this shape that the optimizer doesn't change, with values from the training data."""
    return Parameter(shape, None, trained=False)


def _fixed_at(values: np.ndarray) -> Parameter:
    """A parameter with these values that the optimizer doesn't change."""
    return Parameter(values.shape, lambda _, _shape: values, trained=False)


# --- Monotone networks: parameter bounds that keep predictions from falling as a column rises ------------------------
#
# Every input and hidden unit has a sign. Units of sign 0 don't depend on the constrained numbers. Units of sign +1
# rise with the constrained numbers, units of sign −1 fall. A weight between two constrained units has the sign of the
# product of their signs, a weight from a constrained unit to an unconstrained one is 0, and weights from unconstrained
# units are free. With ReLU, rising units are convex in the constrained inputs. Falling units have negative outgoing
# weights where the output rises, and so give the concave parts (Runje and Shankaranarayana split units similarly, by
# activation: "Constrained Monotonic Neural Networks", 2023, arXiv 2205.11775). A constrained number enters only
# through piecewise linear functions, whose increments have its sign, and which are constant outside the training
# range.
#
# All these constraints are bounds on parameters: the optimizer's steps are projected onto the bounds, and the network
# is otherwise an ordinary one. Sums, products with numbers of one sign, clipping and ReLU stay monotone under
# rounding, so predictions are monotone to the last bit of float32.

_FEWEST_CONSTRAINED = 0.25
"""The minimum share of constrained units in a hidden layer."""


class Bounds(NamedTuple):
    """The lower and the upper bounds of a parameter's values, float32, each in the parameter's shape."""

    low: np.ndarray
    high: np.ndarray


def bounds_of(parts: Architecture, name: str, shape: tuple[int, ...]) -> Bounds | None:
    """The bounds of the parameter `name`; None if it has none, as in an architecture without constraints."""
    if not parts.monotone:
        return None
    kind, layer = name.rstrip("0123456789"), int("0" + name.lstrip("abcdefghijklmnopqrstuvwxyz_."))
    direction = np.array(parts.monotone)
    if kind in ("frequency", "number"):  # no cosines of constrained numbers
        return _fixed(direction[:, None, None], 0.0, shape)
    if kind == "narrow_pieces":
        return _of_sign(direction[:, None, None], shape)
    if kind == "pieces":
        return _of_sign(direction[parts.wide_numbers, None, None], shape)
    if kind == "scale":
        return _of_sign(_signs(parts, 0), shape)
    if kind == "weight":
        return _between(parts, layer, shape)
    signs = _signs(parts, layer + 1)
    if kind == "alpha":  # the activation's weight is always 1
        return _fixed(signs, 1.0, shape)
    return _of_sign(abs(signs), shape) if kind == "gamma" else None


def reflected(values: np.ndarray, bounds: Bounds | None) -> np.ndarray:
    """The values, moved into the bounds: a value outside changes its sign, and is then clipped."""
    if bounds is None:
        return values
    is_inside = (values >= bounds.low) & (values <= bounds.high)
    return np.clip(np.where(is_inside, values, -values), bounds.low, bounds.high)


def _signs(parts: Architecture, layer: int) -> np.ndarray:
    """The sign of each input (layer 0), of each unit of hidden layer `layer`, or of each output.

    Units of sign +1 rise with the constrained numbers, units of sign −1 fall, and units of sign 0 don't depend on
    them.
    """
    if layer == 0:
        signs = np.zeros(parts.width, int)
        embedded = signs[parts.inputs : parts.inputs + NUMBER_WIDTH * parts.numbers]
        embedded[:] = np.repeat(np.abs(parts.monotone), NUMBER_WIDTH)
        return signs
    if layer > len(parts.hidden):
        return np.array(parts.rising)
    width = parts.hidden[layer - 1]
    inputs = parts.inputs + len(parts.cardinalities)
    share = np.count_nonzero(parts.monotone) / inputs
    constrained = max(2, round(max(share, _FEWEST_CONSTRAINED) * width))
    signs = np.zeros(width, int)
    signs[width - constrained :] = 1
    signs[width - constrained // 2 :] = -1
    return signs


def _between(parts: Architecture, layer: int, shape: tuple[int, ...]) -> Bounds:
    """The bounds of a layer's weights (in, out), derived from the signs of the layer's inputs and units."""
    sources, targets = _signs(parts, layer)[:, None], _signs(parts, layer + 1)
    low, high = _of_sign(sources * targets, shape)
    is_cut = np.broadcast_to((sources != 0) & (targets == 0), shape)
    if layer == 0:  # constrained numbers themselves, beside their piecewise linear functions
        is_cut = is_cut.copy()
        is_cut[: parts.numbers] |= np.array(parts.monotone)[:, None] != 0
    low[is_cut] = high[is_cut] = 0.0
    return Bounds(low, high)


def _of_sign(signs: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    """The bounds of values with these signs.

    Values are at least 0 for sign +1, at most 0 for sign −1, and unbounded for sign 0.
    """
    return _bounds(np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf), shape)


def _fixed(where: np.ndarray, value: float, shape: tuple[int, ...]) -> Bounds:
    """The bounds that fix the values at the positions where `where` is not 0."""
    return _bounds(np.where(where, value, -np.inf), np.where(where, value, np.inf), shape)


def _bounds(low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    return Bounds(*(np.broadcast_to(x, shape).astype(np.float32) for x in (low, high)))
