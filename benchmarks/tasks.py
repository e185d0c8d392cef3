"""Networks, initial weights, batches and amounts of arithmetic, the same for every contestant."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

__all__ = ["Precision", "Sample", "Task"]

Precision = Literal["float32", "tf32", "bfloat16"]

_MNIST = Path(__file__).resolve().parents[1] / "src" / "lamina" / "support" / "datasets" / "bundled"


@dataclass(frozen=True)
class Sample:
    """A callable that does only a share of the unit of work: for contestants too slow to wait for."""

    run: Callable[[], object]
    share: float

    def __call__(self) -> object:
        return self.run()


@dataclass(frozen=True)
class Task:
    """One network and its data, as a contestant's factory gets them.

    A network with 784 inputs learns to tell MNIST's digits apart (softmax cross-entropy); any other learns random
    numbers (half the squared error). The loss is summed over a batch, as in the chapter, and `lr` goes with the sum.
    """

    layers: tuple[int, ...]
    batch_size: int
    examples: int
    lr: float = 0.001
    optimizer: Literal["sgd", "adam"] = "sgd"
    precision: Precision = "float32"
    """What operands of matrix products may be rounded to, where a contestant can do so."""
    dense: bool = False
    """Whether MNIST's pixels are replaced by random ones from 1 to 255: no column of a batch is zero."""

    @property
    def classifies(self) -> bool:
        return self.layers[0] == 784

    def limited(self, examples: int | None) -> Task:
        """The same with so many examples at most."""
        return self if examples is None else replace(self, examples=min(self.examples, examples))

    @property
    def steps(self) -> int:
        """Full batches in an epoch; what is left over is dropped, by every contestant."""
        return self.examples // self.batch_size

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The initial (W, b) of each layer, W of shape (inputs, outputs): always the same numbers, in new arrays."""
        random = np.random.default_rng(0)
        pairs = zip(self.layers, self.layers[1:], strict=False)
        return [
            ((random.standard_normal((m, n)) / np.sqrt(m)).astype(np.float32), np.zeros(n, np.float32))
            for m, n in pairs
        ]

    @cached_property
    def images(self) -> np.ndarray:
        """MNIST's training images, or random ones, uint8, shape (examples, 784)."""
        if self.dense:
            return np.random.default_rng(4).integers(1, 256, (self.examples, 784), dtype=np.uint8)
        return _unpacked("train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[: self.examples].copy()

    @cached_property
    def inputs(self) -> np.ndarray:
        """Float32 inputs, shape (examples, layers[0]): MNIST's pixels between 0 and 1, or normal noise."""
        if self.classifies:
            return self.images.astype(np.float32) / np.float32(255)
        random = np.random.default_rng(1)
        return random.standard_normal((self.examples, self.layers[0]), dtype=np.float32)

    @cached_property
    def answers(self) -> np.ndarray:
        """MNIST's labels, uint8, shape (examples,); or float32 targets, shape (examples, layers[-1])."""
        if self.classifies:
            return _unpacked("train-labels-idx1-ubyte.gz", 8)[: self.examples].copy()
        random = np.random.default_rng(2)
        return random.standard_normal((self.examples, self.layers[-1]), dtype=np.float32)

    @cached_property
    def permutations(self) -> Iterator[np.ndarray]:
        """Row numbers of the batches, int32, shape (steps, batch size): a new order for each epoch."""
        return self._permutations()

    def _permutations(self) -> Iterator[np.ndarray]:
        random = np.random.default_rng(3)
        while True:
            order = random.permutation(self.examples)[: self.steps * self.batch_size]
            yield order.astype(np.int32).reshape(self.steps, self.batch_size)

    def training_flops(self) -> float:
        """Floating-point operations of the products in one epoch: forward, weights' and hidden units' gradients."""
        products = sum(m * n for m, n in zip(self.layers, self.layers[1:], strict=False))
        unneeded = self.layers[0] * self.layers[1]  # nobody asks for the gradient of the input
        return self.steps * self.batch_size * (6.0 * products - 2.0 * unneeded)

    def prediction_flops(self) -> float:
        """Floating-point operations of the products in one forward pass over all examples."""
        return self.examples * 2.0 * sum(m * n for m, n in zip(self.layers, self.layers[1:], strict=False))


def _unpacked(name: str, header: int) -> np.ndarray:
    with gzip.open(_MNIST / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
