"""The network of the estimators: RealMLP (Holzmüller, Grinsztajn, Steinwart 2024), whose components can be disabled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler.deferral import eager
from lamina.core.array import writes_of
from lamina.core.blas import matmul
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.finite import unwatch
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.device.context import Context, cpu
from lamina.estimators.architecture import NUMBER_WIDTH, Architecture, Parameter, bounds_of
from lamina.nd.activation import ActivationFunction
from lamina.nd.ndarray import NDArray
from lamina.nd.neural import dropped
from lamina.primitives.indexing import take_along

Arrays = Mapping[str, np.ndarray]
"""Arrays by the names of parameters."""


@dataclass
class Weight:
    """A parameter's values, with the bounds and decay factors of each as arrays on the same device."""

    array: NDArray
    parameter: Parameter
    bounds: tuple[NDArray, NDArray] | None
    decays: NDArray | None

    def move(self, context: Context) -> None:
        """Move the parameter to another device."""
        self.array = self.array.as_in_context(context)
        self.array.attach_grad()
        unwatch(self.array)
        if self.bounds is not None:
            low, high = self.bounds
            self.bounds = low.as_in_context(context), high.as_in_context(context)
        if self.decays is not None:
            self.decays = self.decays.as_in_context(context)


@dataclass
class Network:
    """A network: parameters by name, and a function from inputs to outputs.

    `running` has values that the optimizer does not train, e.g. batch normalization's statistics. Its entries ``knot``
    and ``slope`` are the starts and reciprocal lengths of the pieces of piecewise linear functions. A piece with a 1 in
    ``is_value`` is a value, and ``slope`` is its reciprocal tolerance. ``narrow_knot`` and ``narrow_slope`` belong to
    inputs with few pieces where others have many; ``wide`` has the positions of the others, ``place`` the place of each
    input among them, and ``placed`` a 1 for those that have one. ``decay`` and ``rarity`` have decay factors for pieces
    and for embeddings of rare categories.
    """

    architecture: Architecture
    weights: dict[str, Weight] = field(default_factory=dict[str, Weight])
    running: dict[str, NDArray] = field(default_factory=dict[str, NDArray])
    parameters: dict[str, Parameter] = field(init=False)
    _kept_rises: tuple[int, NDArray] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.parameters = self.architecture.parameters()

    # --- state ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_state(cls, architecture: Architecture, arrays: Arrays) -> Network:
        """The network with these arrays, which `state` returned.

        Raises:
            ValueError: the arrays don't match the architecture.
        """
        network = cls(architecture)
        if set(network.parameters) != set(arrays):
            others = sorted(set(network.parameters) ^ set(arrays))
            raise ValueError(f"the arrays {others[:5]} are missing, or unknown to the architecture")
        for name, parameter in network.parameters.items():
            array = arrays[name]
            if array.shape != parameter.shape or array.dtype != np.float32:
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}, but the architecture needs float32 {parameter.shape}"
                )
            network.add(name, array)
        return network

    @classmethod
    def blank(cls, architecture: Architecture) -> Network:
        """A network with uninitialized arrays."""
        parameters = architecture.parameters().items()
        return cls.from_state(architecture, {name: np.zeros(p.shape, np.float32) for name, p in parameters})

    def add(self, name: str, values: np.ndarray) -> None:
        """Add a parameter of the architecture with these initial values, converted to float32."""
        parameter = self.parameters[name]
        array = nd.array(values, ctx=cpu())
        if not parameter.trained:
            self.running[name.removeprefix("running.")] = array
            return
        array.attach_grad()
        unwatch(array)
        limits = bounds_of(self.architecture, name, parameter.shape)
        bounds = (
            None if limits is None else (nd.array(limits.low, ctx=cpu()), nd.array(limits.high, ctx=cpu()))
        )
        decays = None if parameter.decays is None else nd.array(parameter.decays, ctx=cpu())
        of_rows = "decay" if name == "pieces" else name.replace("embedding", "rarity")
        decays = self.running.get(of_rows, decays)
        self.weights[name] = Weight(array, parameter, bounds, decays)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and running statistics."""
        arrays = {name: w.array.asnumpy() for name, w in self.weights.items()}
        return arrays | {f"running.{name}": x.asnumpy() for name, x in self.running.items()}

    def counterparts(self, first: Network) -> dict[int, NDArray]:
        """The network's arrays by the ids of those of another network of the same architecture."""
        return {id(x): y for x, y in zip(first._arrays(), self._arrays(), strict=True)}

    def _arrays(self) -> list[NDArray]:
        weights = self.weights.values()
        found = [x for w in weights for x in (w.array, w.array.grad, w.decays, *(w.bounds or ()))]
        return [x for x in [*found, *self.running.values()] if x is not None]

    def move(self, context: Context) -> None:
        """Move all arrays to another device."""
        self._kept_rises = None
        for w in self.weights.values():
            w.move(context)
        self.running = {name: x.as_in_context(context) for name, x in self.running.items()}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Copy the arrays that `state` returned into this network's arrays."""
        for name, w in self.weights.items():
            w.array[:] = arrays[name]
        for name, x in self.running.items():
            x[:] = arrays[f"running.{name}"]

    def __getitem__(self, name: str) -> NDArray:
        return self.weights[name].array

    @property
    def last_names(self) -> list[str]:
        """The names of the parameters from which the outputs are computed linearly."""
        last = len(self.architecture.hidden)
        return [name for name in self.architecture.layer_parameters(last) if name in self.weights]

    def multiplier(self, i: int) -> np.ndarray:
        """The effective weight matrix of layer i, (in, out), which includes the factor of `ntk`."""
        weight = self[f"weight{i}"].asnumpy()
        return weight * np.float32(1 / np.sqrt(len(weight)) if self.architecture.ntk else 1.0)

    # --- forward -------------------------------------------------------------------------------------------------

    def forward(
        self, numeric: NDArray, codes: NDArray | None, dropout: Any = 1.0, rises: NDArray | None = None
    ) -> NDArray:
        """The outputs for a batch: logits, or the standardized target.

        `dropout` is a factor on every layer's dropout rate, for schedules; dropout is active in training mode only.
        `rises` is the result of `kept_rises`; None: it is computed with the batch.
        """
        return self.output(self.hidden(numeric, codes, dropout, rises), numeric, codes)

    def output(self, x: NDArray, numeric: NDArray, codes: NDArray | None) -> NDArray:
        """The outputs for the last hidden layer's activations of a batch."""
        if self.architecture.skip:
            x = nd.concat(x, *path_inputs(numeric), dim=1)
        z = self.linear(len(self.architecture.hidden), x)
        for j in range(len(self.architecture.cardinalities) if self.architecture.effects else 0):
            assert codes is not None
            z = z + nd.take(self[f"effect{j}"], codes[:, j])
        return z

    def hidden(
        self, numeric: NDArray, codes: NDArray | None, dropout: Any = 1.0, rises: NDArray | None = None
    ) -> NDArray:
        """The last hidden layer's activations for a batch; without hidden layers, the embedded inputs."""
        parts = self.architecture
        x = self.embed(numeric, codes, rises)
        for i, (activation, rate) in enumerate(zip(parts.activations(), parts.dropouts(), strict=True)):
            x = self.activate(i, self.linear(i, x), activation)
            if rate and state.training:
                x = dropped(x, dropout * rate, x.shape)
        return x

    def embed(
        self,
        numeric: NDArray,
        codes: NDArray | None,
        rises: NDArray | None = None,
        embedded: NDArray | None = None,
    ) -> NDArray:
        """The first layer's input: scaled numeric inputs, one-hot columns and embeddings.

        If the architecture has trees or stored training rows, they compute the first layer's input from these values.
        `embedded` is this network's part of `embedded_numbers`; None: it is computed.
        """
        parts = self.architecture
        features = [numeric * self.running["free"] if parts.monotone else numeric]
        if parts.embeds_numbers:
            features.append(embedded_numbers([self], numeric, rises) if embedded is None else embedded)
        for j in range(len(parts.cardinalities)):
            assert codes is not None
            features.append(nd.take(self[f"embedding{j}"], codes[:, j]))
        x = features[0] if len(features) == 1 else nd.concat(*features, dim=1)
        x = x * self["scale"] if parts.input_scale else x
        if parts.near:
            return nd.softmax(nd.dot(x, self.running["rows"]) + self.running["nearness"])
        return self._sums_of_trees(x) if parts.trees else x

    def _sums_of_trees(self, x: NDArray) -> NDArray:
        """The outputs of the trees for each row, summed over rounds: (rows, trees per round).

        All trees are traversed together, level by level. A node's left child is the next node; a leaf is its own
        right child.
        """
        rounds, each = self.architecture.trees
        feature, bound, right = (self.running[name] for name in ("feature", "bound", "right"))
        node = nd.broadcast_to(self.running["root"], (x.shape[0], rounds * each))
        for _ in range(self.architecture.depth):
            value = bind(take_along, x, nd.take(feature, node), axis=1, mode="clip")
            node = nd.where(value <= nd.take(bound, node), node + 1, nd.take(right, node))
        return nd.sum(nd.take(self.running["said"], node).reshape((x.shape[0], rounds, each)), axis=1)

    def rises(self) -> NDArray:
        """The change of each piecewise linear function over each of its pieces: (numbers, pieces, 3).

        For rough inputs, the parameter is the function's value at the end of each piece, from which the change is
        computed. So the gradient for a value of the column is nearly independent of neighbouring values, as for
        categories.
        """
        values = self["pieces"]
        if not self.architecture.rough:
            return values
        first = nd.zeros_like(nd.slice_axis(values, axis=1, begin=0, end=1))
        before = nd.concat(first, nd.slice_axis(values, axis=1, begin=0, end=-1), dim=1)
        return values - before * self.running["rough"]

    def kept_rises(self) -> NDArray | None:
        """The result of `rises`, always in the same array, which is filled anew when the parameter has changed.

        None if there is nothing to compute.
        """
        if not (self.architecture.rough and self.architecture.has_pieces):
            return None
        version, kept = writes_of(self["pieces"]), self._kept_rises
        if kept is None or kept[0] != version:
            with eager():
                saved = flush_denormals()  # as in compiled code
                try:
                    found = self.rises()
                finally:
                    restore_denormals(saved)
                if kept is not None:
                    kept[1][:] = found
                    found = kept[1]
            self._kept_rises = kept = version, found
        return kept[1]

    def linear(self, i: int, x: NDArray) -> NDArray:
        """The linear map of layer i, followed by the normalization, if any."""
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
        """The activation of layer i: f(z), or z + α(f(z) − z) with a learned α for each unit."""
        if not self.architecture.learned_activation:
            return activation(z)
        return z + self[f"alpha{i}"] * (activation(z) - z)

    def _normalize(self, i: int, z: NDArray) -> NDArray:
        gamma, beta = self[f"gamma{i}"], self[f"beta{i}"]
        if self.architecture.normalization == "layer":
            return layer_normalized(z, gamma, beta)
        if not state.training:
            return _normalized(z, self.running[f"mean{i}"], self.running[f"variance{i}"], gamma, beta)
        mean, variance = _moments(z, 0)
        self._remember(f"mean{i}", mean)
        self._remember(f"variance{i}", variance)
        return _normalized(z, mean, variance, gamma, beta)

    def _remember(self, name: str, value: NDArray) -> None:
        """Update a running statistic to 0.9 · old value + 0.1 · the batch's value (Ioffe and Szegedy, 2015)."""
        running = self.running[name]
        running[:] = running * 0.9 + value.detach().reshape(running.shape) * 0.1


def embedded_numbers(members: Sequence[Network], numeric: NDArray, rises: NDArray | None = None) -> NDArray:
    """The embeddings of raw numeric inputs, (rows, networks · 3 · numbers): PBLD plus the piecewise linear functions.

    PBLD is a linear map of cos(2πwx + b). In columns with exact values, a value's own parameter is added to its
    rows. The networks have the same architecture; `rises` is the result of `kept_rises` of a single one.
    """
    parts, rows = members[0].architecture, numeric.shape[0]
    count = len(members) * parts.numbers
    own = _Joined(members, is_single=rows == 1)
    x = nd.transpose(nd.slice_axis(numeric, axis=1, begin=0, end=parts.numbers))
    x = _joined([x] * len(members)).reshape((count, 1, rows))
    waves = nd.cos(x * own.learned("frequency") * (2 * math.pi) + own.learned("phase"))
    found = own.mapped(own.matrices("number"), waves) + own.learned("number_bias")
    if parts.narrow:
        passed = nd.clip((x - own.fixed("narrow_knot")) * own.fixed("narrow_slope"), 0.0, 1.0)
        found = found + own.mapped(own.matrices("narrow_pieces"), passed)
    if parts.has_pieces:
        along = (own.picked(x, "wide", parts.numbers) if parts.wide else x) - own.fixed("knot")
        along = along * own.fixed("slope")
        passed = nd.clip(along, 0.0, 1.0)
        if parts.exact:
            passed = nd.where(own.fixed("is_value"), nd.abs(along) <= 1.0, passed)
        sums = own.mapped(_joined([one.rises() for one in members]) if rises is None else rises, passed)
        if parts.wide:
            sums = own.picked(sums, "place", len(parts.wide_numbers)) * own.running("placed")
        found = found + sums
    return nd.transpose(found.reshape((count * NUMBER_WIDTH, rows)))


@dataclass(frozen=True)
class _Joined:
    """The parameters of networks of the same architecture, joined along their first axis.

    The last axis of intermediate arrays is the rows, since embeddings are narrow; for a single row, the last axis is
    the cosines.
    """

    members: Sequence[Network]
    is_single: bool

    def matrices(self, name: str) -> NDArray:
        return _joined([one[name] for one in self.members])

    def running(self, name: str) -> NDArray:
        return _joined([one.running[name] for one in self.members])

    def learned(self, name: str) -> NDArray:
        return self._placed(self.matrices(name))

    def fixed(self, name: str) -> NDArray:
        return self._placed(self.running(name))

    def mapped(self, by: NDArray, x: NDArray) -> NDArray:
        """The products of the matrices `by` with `x`."""
        return nd.batch_dot(x, by) if self.is_single else nd.batch_dot(by, x, transpose_a=True)

    def picked(self, x: NDArray, name: str, each: int) -> NDArray:
        """The entries of `x` at each network's positions, among the `each` entries of its own."""
        return nd.take(x, _joined([one.running[name] + i * each for i, one in enumerate(self.members)]))

    def _placed(self, x: NDArray) -> NDArray:
        return x if self.is_single else x.reshape((x.shape[0], x.shape[2], 1))


def _joined(arrays: Sequence[NDArray]) -> NDArray:
    return arrays[0] if len(arrays) == 1 else nd.concat(*arrays, dim=0)


_LARGEST = 2.99985  # the largest clipped number, 300 before clipping


def path_inputs(numeric: NDArray) -> tuple[NDArray, NDArray]:
    """The linear path's inputs: x, and x / √(1 − (x/3)²), which undoes the encoder's `smooth_clip`."""
    x = nd.clip(numeric, -_LARGEST, _LARGEST)
    return numeric, x * nd.rsqrt(1 - x * x * (1 / 9))


def layer_normalized(z: NDArray, gamma: NDArray, beta: NDArray, epsilon: float = 1e-5) -> NDArray:
    """The layer normalization of z (Ba et al., 2016).

    Each row is scaled to mean 0 and variance 1, multiplied by gamma, and shifted by beta.
    """
    return _normalized(z, *_moments(z, axis=1), gamma, beta, epsilon)


def _moments(z: NDArray, axis: int) -> tuple[NDArray, NDArray]:
    """The mean and the variance along an axis, which remains with length 1."""
    mean = nd.mean(z, axis=axis, keepdims=True)
    return mean, nd.mean((z - mean) * (z - mean), axis=axis, keepdims=True)


def _normalized(
    z: NDArray, mean: NDArray, variance: NDArray, gamma: NDArray, beta: NDArray, epsilon: float = 1e-5
) -> NDArray:
    return (z - mean) * nd.rsqrt(variance + epsilon) * gamma + beta


@dataclass
class Ensemble:
    """An ensemble of networks, whose prediction is the weighted mean of the networks' outputs.

    Networks that differ only in initial values and dropout make different errors, so that their mean is better than
    each network (Lakshminarayanan, Pritzel and Blundell, 2017). Networks from a search differ in architecture, too,
    and their shares are chosen on validation rows (Caruana, Niculescu-Mizil, Crew and Ksikes, 2004). All members take
    the same encoded rows, and their outputs have the same meaning.

    Attributes:
        members: the networks.
        shares: the weight of each member in the mean, positive, with the sum 1. The constructor turns `()` into equal
            shares.

    Raises:
        ValueError: there are no members, their inputs or outputs differ, or the number of shares is wrong.
    """

    members: list[Network]
    shares: tuple[float, ...] = ()
    compiled: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def __post_init__(self) -> None:
        count = len(self.members)
        self.shares = tuple(map(float, self.shares)) or (1 / max(count, 1),) * count
        _require_shares(self.shares, count)
        ends = {_ends(member.architecture) for member in self.members}
        if len(ends) != 1:
            raise ValueError(
                f"members of an ensemble must have the same inputs and the same number of outputs, not {ends}"
            )

    @property
    def architecture(self) -> Architecture:
        """The architecture of the first member; all members have the same inputs and outputs."""
        return self.members[0].architecture

    @property
    def widths(self) -> list[tuple[int, ...]]:
        """The widths of each member's layers, from the first hidden layer's input to the output."""
        return [member.architecture.widths for member in self.members]

    @property
    def candidates(self) -> list[str]:
        """The descriptions of the members (see `Architecture.candidate`), "" for neural networks."""
        return [member.architecture.candidate for member in self.members]

    @property
    def weights(self) -> dict[str, Weight]:
        """All members' parameters by name; the names begin with the member's number."""
        members = enumerate(self.members)
        return {f"{i}.{name}": w for i, member in members for name, w in member.weights.items()}

    @property
    def parameter_count(self) -> int:
        """The number of learned parameters of all members."""
        return sum(weight.array.size for weight in self.weights.values())

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all members' parameters and running statistics, named like `weights`."""
        members = enumerate(self.members)
        return {f"{i}.{name}": x for i, member in members for name, x in member.state().items()}

    @property
    def context(self) -> Context:
        """The device of the networks' arrays."""
        return next(iter(self.members[0].weights.values())).array.context

    def move(self, context: Context) -> None:
        """Move all arrays to another device."""
        if context is not self.context:
            self.compiled.clear()
            for member in self.members:
                member.move(context)

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Copy the arrays that `state` returned into the members' arrays."""
        for i, member in enumerate(self.members):
            member.load_state(part_of(arrays, f"{i}."))

    @classmethod
    def from_state(
        cls, architectures: Sequence[Architecture], arrays: Arrays, shares: Sequence[float] = ()
    ) -> Ensemble:
        """The ensemble with these arrays, which `state` returned.

        Args:
            architectures: each member's architecture.
            arrays: the arrays from `state`.
            shares: each member's share; (): equal shares.

        Raises:
            ValueError: the arrays don't match the architectures, or the number of shares is wrong.
        """
        own: dict[str, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            i, _, name = name.partition(".")
            own.setdefault(i, {})[name] = array
        if len(own) != len(architectures):
            raise ValueError(f"{len(architectures)} architectures, but arrays of {len(own)} networks")
        parts = enumerate(architectures)
        return cls([Network.from_state(one, own.get(str(i), {})) for i, one in parts], tuple(shares))

    def copy(self) -> Ensemble:
        """A copy of the ensemble and its arrays, on the CPU."""
        return Ensemble.from_state(**self.__getstate__())

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickles, with plain NumPy arrays."""
        architectures = [member.architecture for member in self.members]
        return {"architectures": architectures, "arrays": self.state(), "shares": self.shares}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "architecture" in state:  # from an older version, with one architecture and equal shares
            of_each = [state["architecture"]] * state["members"]
            state = {"architectures": of_each, "arrays": state["arrays"]}
        vars(self).update(vars(Ensemble.from_state(**state)))

    def scale_outputs(self, factor: float) -> None:
        """Multiply all outputs by a factor: scale the last layers' parameters."""
        for member in self.members:
            for name in member.last_names:
                member[name][:] = member[name] * factor

    def map_outputs(self, matrix: np.ndarray, constant: np.ndarray) -> None:
        """Turn outputs into outputs · matrix + constant, by changing the last layers' parameters.

        `matrix` is (outputs, outputs), `constant` (outputs,).
        """
        for member in self.members:
            for name in member.last_names:
                array = member[name]
                mapped = matmul(array.asnumpy().reshape(-1, len(matrix)), matrix)
                mapped = mapped + constant if name.startswith("bias") else mapped
                array[:] = nd.array(mapped.reshape(array.shape), ctx=array.context, dtype="float32")

    def kept_rises(self) -> list[NDArray | None]:
        """The members' `kept_rises`."""
        return [member.kept_rises() for member in self.members]

    def __call__(
        self, numeric: NDArray, codes: NDArray | None = None, rises: Sequence[NDArray | None] = ()
    ) -> NDArray:
        """The mean of the members' outputs for encoded rows, weighted by the shares.

        `rises` has the results of the members' `kept_rises`; (): they are computed with the rows.
        """
        each = zip(self.members, rises or [None] * len(self.members), strict=True)
        return mean_by_shares([one.forward(numeric, codes, rises=own) for one, own in each], self.shares)


def mean_by_shares(outputs: Sequence[NDArray], shares: Sequence[float]) -> NDArray:
    """The mean of outputs, weighted by the shares.

    With equal shares, the outputs' sum is divided by their number, which avoids rounding errors of the shares.
    """
    if len(set(shares)) == 1:
        return outputs[0] if len(outputs) == 1 else sum(outputs[1:], outputs[0]) * (1 / len(outputs))
    first, *others = (output * share for output, share in zip(outputs, shares, strict=True))
    return sum(others, first)


_ROUNDING = 1e-6  # tolerance on the sum of shares, which may be float32, or read from text


def _require_shares(shares: Sequence[float], members: int) -> None:
    if len(shares) != members or not members:
        raise ValueError(
            f"an ensemble needs members, and a share for each; it has {members} members, {len(shares)} shares"
        )
    if not all(share > 0 for share in shares) or not abs(sum(shares) - 1) < _ROUNDING:
        raise ValueError(
            f"members' shares must be above 0, with the sum 1; got {list(shares)}, with the sum {sum(shares)}"
        )


def _ends(parts: Architecture) -> tuple[Any, ...]:
    """The widths of a network's inputs and outputs, which must be equal for all members of an ensemble."""
    return parts.numbers, parts.inputs, parts.cardinalities, parts.outputs


def part_of(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose names begin with `prefix`, named without the prefix."""
    return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
