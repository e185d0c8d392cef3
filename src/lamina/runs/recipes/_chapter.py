"""The network of the recipe "chapter": ReLU layers, trained by softmax cross-entropy and plain SGD."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina import autograd, nd
from lamina.core.finite import unwatch
from lamina.errors import ParameterError, ShapeError
from lamina.nd.ndarray import NDArray

_WEIGHT_SCALE = 0.01


def parameter_shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's parameters, in the order of initialization."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        shapes |= {f"W{layer}": (inputs, outputs), f"b{layer}": (outputs,)}
    return shapes


@dataclass(frozen=True)
class Span:
    """The training progress, from 0 to 1, as a linear function of the step; schedules depend on the progress.

    The progress is `share` at step `since`, and rises by 1 / `steps` with each step.

    >>> Span(steps=200).at(50), Span(0.5, since=100, steps=200).at(120)
    (0.25, 0.6)
    """

    share: float = 0.0
    since: int = 0
    steps: float = 1.0

    def at(self, step: int) -> float:
        """The progress at a step."""
        return min(1.0, self.share + (step - self.since) / self.steps)


class ChapterNetwork:
    """A multilayer perceptron with the parameter names ``W1, b1, W2, b2, …``, from the first layer to the last.

    The initial weights and biases are normal with mean 0 and standard deviation 0.01; `lamina.nd.random.seed` makes
    them reproducible.

    >>> network = ChapterNetwork([784, 32, 10])
    >>> {name: parameter.shape for name, parameter in network.parameters.items()}
    {'W1': (784, 32), 'b1': (32,), 'W2': (32, 10), 'b2': (10,)}
    >>> network(nd.zeros((5, 784), dtype="uint8")).shape
    (5, 10)
    """

    variants: tuple[str, ...] = ()
    """The variants of augmentation, among which short trainings choose; runs of earlier versions use the first."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Initialize layers of these widths: inputs, hidden layers, and classes."""
        self.sizes = tuple(sizes)
        self.parameters: dict[str, NDArray] = {}
        for name, shape in parameter_shapes(self.sizes).items():
            self.parameters[name] = nd.random_normal(shape=shape, scale=_WEIGHT_SCALE)
        for parameter in self.parameters.values():
            parameter.attach_grad()
            unwatch(parameter)
        self.position = 0  # steps done
        self.span = Span()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.sizes}"

    @property
    def widths(self) -> list[tuple[int, ...]]:
        """A list with one item, `sizes`: the layer widths of the only network, in the form of `Ensemble.widths`."""
        return [self.sizes]

    candidates = ("",)
    """A single neural network; see `Ensemble.candidates`."""

    def __call__(self, X: NDArray, _codes: NDArray | None = None, /) -> NDArray:
        """Class scores before the softmax, float32 (rows, classes), for uint8 pixels (rows, inputs)."""
        last = len(self.sizes) - 1
        h = X.astype(np.float32) / 255
        for layer in range(1, last):
            linear = self._linear(h, layer)
            h = nd.maximum(linear, nd.zeros_like(linear))
        return self._linear(h, last)

    def _linear(self, h: NDArray, layer: int) -> NDArray:
        return nd.dot(h, self.parameters[f"W{layer}"]) + self.parameters[f"b{layer}"]

    def losses(self, scores: NDArray, labels: NDArray) -> NDArray:
        """The softmax cross-entropy of each row, shape (rows,).

        The chapter's program sums with `nansum`, which turns NaN into the loss 0. Here, NaN remains NaN, so that
        training can detect it.
        """
        one_hot = nd.one_hot(labels, self.sizes[-1])
        return -nd.sum(one_hot * nd.log_softmax(scores), axis=0, exclude=True)

    def step(self, X: NDArray, labels: NDArray, lr: float) -> NDArray:
        """Take a step of SGD on a batch's summed loss; return the batch's mean loss, shape (1,)."""
        with autograd.record():
            loss = self.losses(self(X), labels)
        loss.backward()
        for parameter in self.parameters.values():
            gradient = parameter.grad
            assert gradient is not None
            parameter[:] = parameter - lr * gradient
        return nd.mean(loss)

    def see(self, variant: str) -> None:
        """Select a variant of augmentation for the next steps; this network has no variants and ignores the call."""

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """The images for an epoch; this network uses the same images in all epochs."""
        return images

    def data_of(
        self, batches: np.ndarray, images: NDArray, labels: NDArray
    ) -> tuple[np.ndarray, NDArray, NDArray]:
        """Prepare the data for the steps in `batches`, row numbers (steps, rows).

        Returns row numbers of the same shape, with the images and labels to which they refer. This network returns the
        arguments unchanged.
        """
        return batches, images, labels

    def arrays(self) -> dict[str, np.ndarray]:
        """Copy all parameters to NumPy arrays, by name."""
        return {name: parameter.asnumpy() for name, parameter in self.parameters.items()}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Set all parameters; raises `ParameterError` or `ShapeError` if names or shapes differ."""
        if arrays.keys() != self.parameters.keys():
            raise ParameterError(
                f"a network of {self.sizes} has the parameters {', '.join(sorted(self.parameters))}, but the arrays "
                f"are {', '.join(sorted(arrays))}"
            )
        for name, parameter in self.parameters.items():
            if arrays[name].shape != parameter.shape:
                raise ShapeError(f"parameter {name} has shape {parameter.shape}, not {arrays[name].shape}")
            parameter[:] = arrays[name]
