"""The default recipe: the chapter's network with Adam, dropout and shifted digits; above 98.5 % in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from lamina import autograd, nd
from lamina.compiler import compile
from lamina.core.state import call_each_step
from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step, bias_correction
from lamina.optimizer.optimizer import write
from lamina.primitives.random import generator
from lamina.runs.recipes._chapter import ChapterNetwork
from lamina.runs.recipes._deformed import DEFORMATIONS, SIDE
from lamina.support.schedules import one_cycle

MOMENTS = ("adam.first.", "adam.second.")
"""Prefixes of the names of Adam's moments, before a parameter's name."""

_WARM_UP = 0.1  # share of all steps with a rising learning rate; then it falls as a cosine to 0
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SHIFT_STREAMS = 1 << 41  # the first of the random streams for shifting, one per epoch
_SIDE = 28


class AugmentedNetwork(ChapterNetwork):
    """The chapter's layers with He's initial values (He et al., 2015) and Adam's moments (Kingma and Ba, 2015)."""

    dropout = 0.1
    """The dropout rate of hidden units (Srivastava et al., 2014)."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.moments: dict[str, NDArray] = {}
        for name, parameter in self.parameters.items():
            if name.startswith("W"):
                scale = math.sqrt(2 / parameter.shape[0])
                parameter[:] = nd.random_normal(shape=parameter.shape, scale=scale)
            else:
                parameter[:] = 0
            for prefix in MOMENTS:
                self.moments[prefix + name] = nd.zeros(parameter.shape)

    def step(self, X: NDArray, labels: NDArray, lr: float) -> NDArray:
        """One step of Adam on the mean loss of a batch; `lr` is the schedule's peak. Returns the loss, shape (1,)."""
        rate = lr * call_each_step(self._next_rate)
        first, second = _BETAS
        correction = (
            call_each_step(lambda: bias_correction(first, self.position)),
            call_each_step(lambda: bias_correction(second, self.position)),
        )
        adam = partial(adam_step, rate=rate, betas=_BETAS, epsilon=_EPSILON, correction=correction)
        with autograd.record():
            loss = nd.mean(self.losses(self._forward(X), labels))
        loss.backward()
        for name, parameter in self.parameters.items():
            gradient = parameter.grad
            assert gradient is not None
            moments = tuple(self.moments[prefix + name] for prefix in MOMENTS)
            write(parameter, moments, adam(parameter, gradient, moments))
        return loss

    def _forward(self, X: NDArray) -> NDArray:
        """The scores, with dropout after each hidden layer."""
        last = len(self.sizes) - 1
        h = X.astype(np.float32) / 255
        for layer in range(1, last):
            h = nd.relu(self._linear(h, layer))
            h = nd.Dropout(h, self.dropout) if self.dropout else h
        return self._linear(h, last)

    def _next_rate(self) -> float:
        """Count a step and return its factor on the peak learning rate."""
        done = self.span.at(self.position)
        self.position += 1
        return one_cycle(done, _WARM_UP)

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """An epoch's digits, each shifted by up to one pixel."""
        rng = generator(seed, _SHIFT_STREAMS + epoch)
        return nd.from_numpy(shifted(images.asnumpy(), rng)) if images.shape[1] == _SIDE**2 else images

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and moments."""
        return super().arrays() | {name: x.asnumpy() for name, x in self.moments.items()}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Set all parameters, and the moments if present."""
        super().load({name: x for name, x in arrays.items() if name not in self.moments})
        for name, moment in self.moments.items():
            if name in arrays:
                moment[:] = arrays[name]


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Digits (n, 784), each shifted at random by -1, 0 or 1 pixels down and right; new pixels are empty.

    >>> digits = np.zeros((1, 784), np.uint8)
    >>> digits[0, 400] = 255
    >>> int(shifted(digits, np.random.default_rng(0)).sum())
    255
    """
    pictures = images.reshape(-1, _SIDE, _SIDE)
    result = np.zeros_like(pictures)
    choice = rng.integers(0, 9, len(pictures))
    for number in range(9):
        down, right = number // 3 - 1, number % 3 - 1
        rows = np.flatnonzero(choice == number)
        result[rows, _target(down), _target(right)] = pictures[rows, _target(-down), _target(-right)]
    return result.reshape(images.shape)


def _target(move: int) -> slice:
    """The pixels that a shift of the image fills."""
    return slice(max(move, 0), _SIDE + min(move, 0))


class BestNetwork(AugmentedNetwork):
    """The default recipe's network and Adam, without dropout, since no image is seen twice (each is deformed anew)."""

    dropout = 0.0
    variants = tuple(DEFORMATIONS)

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.see("")

    def see(self, variant: str) -> None:
        """Use this variant of deformation from now on; "" means the variant for digits."""
        deformation = DEFORMATIONS[variant or self.variants[0]]()
        self._deformed = compile(lambda images: nd.floor(deformation(images) + 0.5).astype(np.uint8))

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """The images unchanged; `data_of` deforms them."""
        return images

    def data_of(
        self, batches: np.ndarray, images: NDArray, labels: NDArray
    ) -> tuple[np.ndarray, NDArray, NDArray]:
        """Newly deformed images, in the order of the steps; images of sizes other than 28×28 are unchanged.

        Images are uint8, and deformed outside the step, since the first layer's product is a third faster on bytes.
        """
        if images.shape[1] != SIDE**2:
            return batches, images, labels
        deformed = self._deformed.run_batches(batches, images).reshape((-1, SIDE**2))
        rows = nd.array(batches.ravel(), ctx=labels.context, dtype=np.int32)
        order = np.arange(batches.size, dtype=np.int32).reshape(batches.shape)
        return order, deformed, nd.take(labels, rows)
