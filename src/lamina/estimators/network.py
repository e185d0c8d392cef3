"""The network of the estimators: RealMLP (Holzmüller, Grinsztajn, Steinwart 2024), with every part switchable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import nd
from lamina.core.state import state
from lamina.nd.activation import ActivationFunction, activation_by_name
from lamina.nd.ndarray import NDArray
from lamina.nd.neural import dropped

__all__ = ["Architecture", "Ensemble", "Network", "Weight", "part_of"]


_NUMBER_WIDTH = 3  # outputs of the linear map in a number's embedding; the number itself is appended


@dataclass(frozen=True)
class Architecture:
    """What the network is made of.

    numbers
        how many of the numeric inputs, from the first on, are raw numbers: these get a PBLD embedding.
    inputs
        the width of the numeric matrix (raw numbers, then one-hot columns).
    cardinalities
        for each code column, how many codes it has: the rows of its embedding.
    outputs
        the width of the output layer.
    hidden
        the widths of the hidden layers.
    activation, dropout
        one for all hidden layers, or one for each.
    normalization
        None, ``"batch"`` or ``"layer"``: between a hidden layer's linear map and its activation.
    pieces
        to the embedding of a number, a piecewise linear function of it with so many pieces is added; 0: none.
    ntk
        z = xW/√d + b, with W of unit variance (neural tangent parametrization), instead of z = xW + b.
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

    @property
    def embeds_numbers(self) -> bool:
        """Whether raw numbers are embedded."""
        return self.number_embedding and self.numbers > 0

    @property
    def has_pieces(self) -> bool:
        """Whether a number's embedding has a piecewise linear part."""
        return self.embeds_numbers and self.pieces > 0

    @property
    def width(self) -> int:
        """The width of the first hidden layer's input."""
        extra = _NUMBER_WIDTH * self.numbers if self.embeds_numbers else 0
        return self.inputs + extra + self.embedding_width * len(self.cardinalities)

    def activations(self) -> list[ActivationFunction]:
        """The activation of each hidden layer."""
        return [
            activation_by_name(name) for name in _for_each(self.activation, len(self.hidden), "activation")
        ]

    def dropouts(self) -> list[float]:
        """The dropout rate of each hidden layer."""
        return _for_each(self.dropout, len(self.hidden), "dropout")


def _for_each(value: Any, layers: int, name: str) -> list[Any]:
    if not isinstance(value, tuple | list):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(f"{name}: {len(value)} values {tuple(value)!r} for {layers} hidden layers")
    return list(value)


@dataclass
class Weight:
    """A parameter: its array, the factor on the learning rate, and whether it is decayed."""

    array: NDArray
    rate: float = 1.0
    decay: bool = True


@dataclass
class Network:
    """The parameters by name, and the forward pass.

    `running` holds what the optimizer does not train: batch normalization's statistics, and where the pieces of
    numbers begin (``knot``) and one over their lengths (``slope``).
    """

    architecture: Architecture
    weights: dict[str, Weight] = field(default_factory=dict)
    running: dict[str, NDArray] = field(default_factory=dict)

    # --- state ---------------------------------------------------------------------------------------------------

    def add(self, name: str, values: np.ndarray, *, rate: float = 1.0, decay: bool = True) -> None:
        """Add a parameter with these initial values (float32)."""
        array = nd.array(values)
        array.attach_grad()
        self.weights[name] = Weight(array, rate, decay)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and running statistics."""
        arrays = {name: w.array.asnumpy() for name, w in self.weights.items()}
        return arrays | {f"running.{name}": x.asnumpy() for name, x in self.running.items()}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Write the parameters of a `state` into this network's arrays."""
        for name, w in self.weights.items():
            w.array[:] = arrays[name]
        for name, x in self.running.items():
            x[:] = arrays[f"running.{name}"]

    def __getitem__(self, name: str) -> NDArray:
        return self.weights[name].array

    # --- forward -------------------------------------------------------------------------------------------------

    def forward(self, numeric: NDArray, codes: NDArray | None, dropout: float | Any = 1.0) -> NDArray:
        """The outputs (logits, or the standardized target) for a batch.

        `dropout` multiplies every layer's rate (a schedule); dropout is active in training mode only.
        """
        parts = self.architecture
        x = self.embed(numeric, codes)
        for i, (activation, rate) in enumerate(zip(parts.activations(), parts.dropouts(), strict=True)):
            x = self.activate(i, self.linear(i, x), activation)
            if rate and state.training:
                x = _drop(x, rate, dropout)
        return self.linear(len(parts.hidden), x)

    def embed(self, numeric: NDArray, codes: NDArray | None) -> NDArray:
        """The first hidden layer's input: numbers and one-hot columns, then all embeddings; scaled."""
        parts = self.architecture
        features = [numeric]
        if parts.embeds_numbers:
            features.append(self._embed_numbers(numeric))
        for j in range(len(parts.cardinalities)):
            assert codes is not None
            features.append(nd.take(self[f"embedding{j}"], codes[:, j]))
        x = features[0] if len(features) == 1 else nd.concat(*features, dim=1)
        return x * self["scale"] if parts.input_scale else x

    def _embed_numbers(self, numeric: NDArray) -> NDArray:
        """PBLD and piecewise linear: linear maps of cos(2πwx + b) and of each piece's share; (rows, 3 · numbers)."""
        count = self.architecture.numbers
        rows = numeric.shape[0]
        x = nd.transpose(nd.slice_axis(numeric, axis=1, begin=0, end=count)).reshape((count, rows, 1))
        waves = nd.cos(x * self["frequency"] * (2 * math.pi) + self["phase"])
        mapped = nd.batch_dot(waves, self["number"]) + self["number_bias"]
        if self.architecture.has_pieces:
            passed = nd.clip((x - self.running["knot"]) * self.running["slope"], 0.0, 1.0)
            mapped = mapped + nd.batch_dot(passed, self["pieces"])
        return nd.transpose(mapped, (1, 0, 2)).reshape((rows, count * _NUMBER_WIDTH))

    def linear(self, i: int, x: NDArray) -> NDArray:
        """The linear map of layer i, normalized if the architecture says so."""
        parts = self.architecture
        z = nd.dot(x, self[f"weight{i}"])
        if parts.ntk:
            z = z * (1 / math.sqrt(x.shape[1]))
        if f"bias{i}" in self.weights:
            z = z + self[f"bias{i}"]
        if parts.normalization and i < len(parts.hidden):
            z = self._normalize(i, z)
        return z

    def activate(self, i: int, z: NDArray, activation: ActivationFunction) -> NDArray:
        """z + α(f(z) − z) with a learned α for each unit, or f(z)."""
        if not self.architecture.learned_activation:
            return activation(z)
        return z + self[f"alpha{i}"] * (activation(z) - z)

    def _normalize(self, i: int, z: NDArray) -> NDArray:
        axis = 1 if self.architecture.normalization == "layer" else 0
        if axis == 0 and not state.training:
            mean, variance = self.running[f"mean{i}"], self.running[f"variance{i}"]
        else:
            mean = nd.mean(z, axis=axis, keepdims=True)
            variance = nd.mean((z - mean) * (z - mean), axis=axis, keepdims=True)
            if axis == 0:
                self._remember(f"mean{i}", mean)
                self._remember(f"variance{i}", variance)
        normal = (z - mean) * nd.rsqrt(variance + 1e-5)
        return normal * self[f"gamma{i}"] + self[f"beta{i}"]

    def _remember(self, name: str, value: NDArray) -> None:
        """Move a running statistic a tenth of the way (Ioffe and Szegedy, 2015)."""
        running = self.running[name]
        running[:] = running * 0.9 + value.detach().reshape(running.shape) * 0.1


@dataclass
class Ensemble:
    """Networks of one architecture, trained side by side; their outputs are averaged.

    Networks that differ only in their initial values and their dropout err differently, so that the mean of them is
    better than each (Lakshminarayanan, Pritzel and Blundell, 2017).
    """

    members: list[Network]
    compiled_forward: Any = None
    compiled_own: Any = None

    @property
    def architecture(self) -> Architecture:
        """That of each member."""
        return self.members[0].architecture

    @property
    def weights(self) -> dict[str, Weight]:
        """All members' parameters; their names begin with the member's number."""
        return {
            f"{i}.{name}": w for i, member in enumerate(self.members) for name, w in member.weights.items()
        }

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all members' parameters and running statistics, named likewise."""
        return {
            f"{i}.{name}": x for i, member in enumerate(self.members) for name, x in member.state().items()
        }

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Write what a `state` holds into the members' arrays."""
        for i, member in enumerate(self.members):
            member.load_state(part_of(arrays, f"{i}."))

    def scale_outputs(self, factor: float) -> None:
        """Multiply all outputs by a factor, which goes into the last layers' weights."""
        last = len(self.architecture.hidden)
        for member in self.members:
            for name in (f"weight{last}", f"bias{last}"):
                member[name][:] = member[name] * factor

    def forward(self, numeric: NDArray, codes: NDArray | None) -> NDArray:
        """The mean of the members' outputs."""
        outputs = [member.forward(numeric, codes) for member in self.members]
        return outputs[0] if len(outputs) == 1 else sum(outputs[1:], outputs[0]) * (1 / len(outputs))


def part_of(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose names begin with `prefix`, named without it."""
    return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}


def _drop(x: NDArray, rate: float, factor: float | Any) -> NDArray:
    """Inverted dropout (Srivastava et al., 2014) at rate · factor."""
    return dropped(x, factor * rate, x.shape)
