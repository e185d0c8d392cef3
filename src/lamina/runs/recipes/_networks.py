"""The recipes' networks: ReLU layers, trained by softmax cross-entropy.

"chapter" takes plain steps of SGD; "default" (shifted digits, dropout) and "best" (deformed digits) take Adam's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lamina import autograd, nd
from lamina.compiler import compile
from lamina.core.finite import unwatch
from lamina.core.state import call_each_step
from lamina.device.context import Context
from lamina.errors import ParameterError, ShapeError
from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step, corrections
from lamina.optimizer.optimizer import write
from lamina.primitives.random import generator
from lamina.support.schedules import one_cycle

_WEIGHT_SCALE = 0.01

Batches = tuple[np.ndarray, NDArray, NDArray]
"""Row numbers (steps, rows) of some steps, and the images and labels to which they refer."""


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
        self.widths = [self.sizes]  # of the only network, in the form of `Ensemble.widths`
        self.parameters: dict[str, NDArray] = {}
        for name, shape in parameter_shapes(self.sizes).items():
            self.parameters[name] = parameter = nd.random_normal(shape=shape, scale=_WEIGHT_SCALE)
            parameter.attach_grad()
            unwatch(parameter)
        self.position = 0  # steps done
        self.span = Span()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.sizes}"

    candidates = ("",)
    """A single neural network; see `Ensemble.candidates`."""

    def __call__(self, X: NDArray, _codes: NDArray | None = None, /) -> NDArray:
        """Class scores before the softmax, float32 (rows, classes), for uint8 pixels (rows, inputs)."""
        return self._scores(X, lambda linear: nd.maximum(linear, nd.zeros_like(linear)))

    def _scores(self, X: NDArray, activated: Callable[[NDArray], NDArray]) -> NDArray:
        """The class scores, where `activated` returns a hidden layer's activations."""
        last = len(self.sizes) - 1
        h = X.astype(np.float32) / 255
        for layer in range(1, last):
            h = activated(self._linear(h, layer))
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

    def data_of(self, batches: np.ndarray, images: NDArray, labels: NDArray) -> Batches:
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


# --- Random deformation of images: rotation, scale, shear, shift, elastic bending, and mirroring ---------------------
#
# Every pixel of the result is read at a position in the image, given by an affine map and a smooth field of
# displacements (Simard, Steinkraus and Platt, Best practices for convolutional neural networks applied to visual
# document analysis, 2003, section 2). The field is a sum of Gaussian bumps on a grid, with normally distributed
# heights. This approximates noise smoothed by a Gaussian, as a single matrix product, and takes a compiled function a
# few microseconds per image, so that every image can be deformed anew in each epoch.
#
# The right amount depends on the subject: digits may be bent but not mirrored, clothes may be mirrored but not bent. A
# training chooses among `DEFORMATIONS`.

SIDE = 28
_MIDDLE = (SIDE - 1) / 2
_KNOTS = 7  # number of bumps along a side
_MARGIN = 1.5  # pixels from the edge to the centres of the outermost bumps
_WIDTH = 4.0  # standard deviation of a bump, in pixels: Simard's smoothing


@dataclass(eq=False)
class Deformation:
    """A random deformation of digit images.

    The amounts are random for each image; angles and factors are uniform between minus and plus the argument. The
    defaults are somewhat below those of Cireşan, Meier, Gambardella and Schmidhuber (Deep, big, simple neural nets for
    handwritten digit recognition, 2010), who train for hundreds of epochs; trainings of minutes need less deformation.
    Images must be on the device that was current when the object was created.

    Args:
        bend: standard deviation of the smooth, random displacements of pixels, in pixels.
        turn: maximum rotation, in degrees.
        scale: maximum relative change of height and of width.
        slant: maximum shear, in columns per row.
        shift: maximum shift down and right, in pixels.
        mirror: whether to mirror half of the images left to right.

    >>> digits = nd.zeros((2, 784), dtype="uint8")
    >>> Deformation()(digits).shape
    (2, 784)
    """

    bend: float = 0.9
    turn: float = 10.0
    scale: float = 0.12
    slant: float = 0.12
    shift: float = 1.0
    mirror: bool = False

    def __post_init__(self) -> None:
        rows, columns = np.divmod(np.arange(SIDE**2), SIDE)
        self._down, self._right = (nd.array(x[None] - _MIDDLE) for x in (rows, columns))
        self._bumps = nd.array(_bumps())

    def __call__(self, images: NDArray) -> NDArray:
        """Deform images, uint8 (n, 784), to float32 (n, 784) with values from 0 to 255.

        `lamina.nd.random.seed` makes the deformations reproducible.
        """
        count, context = images.shape[0], images.context
        rows, columns = self._affine(count, context)
        if self.mirror:
            side = 2 * (nd.random_uniform(shape=(count, 1), ctx=context) < 0.5) - 1
            columns = (columns - _MIDDLE) * side + _MIDDLE
        if not self.bend:
            return looked_up(images, rows, columns)
        heights = nd.random_normal(shape=(2 * count, _KNOTS**2), scale=self.bend, ctx=context)
        field = nd.dot(heights, self._bumps)
        return looked_up(images, rows + field[:count], columns + field[count:])

    def _affine(self, count: int, context: Context) -> tuple[NDArray, NDArray]:
        """Draw random affine maps for `count` images; return the rows and columns, (count, 784) each, to sample."""

        def drawn(most: float) -> NDArray:
            return nd.random_uniform(-most, most, shape=(count, 1), ctx=context)

        angle = drawn(math.radians(self.turn))
        cosine, sine = nd.cos(angle), nd.sin(angle)
        y = self._down * (1 + drawn(self.scale))
        x = self._right * (1 + drawn(self.scale)) + self._down * drawn(self.slant)
        rows = cosine * y + sine * x + (drawn(self.shift) + _MIDDLE)
        return rows, cosine * x - sine * y + (drawn(self.shift) + _MIDDLE)


_SLIGHT = {"bend": 0.0, "turn": 0.0, "scale": 0.05, "slant": 0.0, "shift": 1.0}
DEFORMATIONS = {
    "bent": Deformation,
    "moved": partial(Deformation, **_SLIGHT),
    "moved and mirrored": partial(Deformation, **_SLIGHT, mirror=True),
    "mirrored": partial(Deformation, bend=0, turn=0, scale=0, slant=0, shift=0, mirror=True),
}
"""The deformations by name, strongest first; those with mirroring come last, see `_training.chosen`."""


def looked_up(images: NDArray, rows: NDArray, columns: NDArray) -> NDArray:
    """Sample images (n, 784) at fractional rows and columns, (n, 784) each, by bilinear interpolation.

    Positions outside the image get the nearest edge pixel, which is empty in MNIST.

    >>> picture = nd.arange(784).reshape((1, 784))
    >>> rows, columns = nd.zeros((1, 784)) + 2.5, nd.zeros((1, 784)) + 3
    >>> float(looked_up(picture, rows, columns)[0, 0].asscalar())
    73.0
    """
    rows, columns = (nd.clip(x, 0, SIDE - 1.001) for x in (rows, columns))
    top, left = nd.floor(rows), nd.floor(columns)
    below, beyond = rows - top, columns - left
    first = nd.arange(images.shape[0], ctx=images.context, dtype=np.int32).reshape((-1, 1)) * SIDE**2
    place = first + (top * SIDE + left).astype(np.int32)
    pixels = images.reshape((-1,))

    def along(offset: int) -> NDArray:
        one, next_one = (nd.take(pixels, place + at).astype(np.float32) for at in (offset, offset + 1))
        return one + beyond * (next_one - one)

    upper = along(0)
    return upper + below * (along(SIDE) - upper)


def _bumps() -> np.ndarray:
    """Gaussian bumps, (49, 784), whose random weighted sum is a displacement field.

    The bumps are scaled so that weights of variance 1 give displacements of variance about 1.
    """
    middles = np.linspace(_MARGIN, SIDE - 1 - _MARGIN, _KNOTS)
    side = np.exp(-0.5 * ((np.arange(SIDE) - middles[:, None]) / _WIDTH) ** 2)
    bumps = (side[:, None, :, None] * side[None, :, None, :]).reshape(_KNOTS**2, SIDE**2)
    return (bumps / np.sqrt((bumps**2).sum(axis=0)).mean()).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------------------

MOMENTS = ("adam.first.", "adam.second.")
"""Prefixes of the names of Adam's moments, before a parameter's name."""

_WARM_UP = 0.1  # share of all steps with a rising learning rate; then it falls as a cosine to 0
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SHIFT_STREAMS = 1 << 41  # the first of the random streams for shifting, one per epoch


class AugmentedNetwork(ChapterNetwork):
    """A `ChapterNetwork` with He initialization (He et al., 2015), trained by Adam (Kingma and Ba, 2015)."""

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
        """Take a step of Adam on a batch's mean loss; return the loss, shape (1,).

        `lr` is the schedule's peak learning rate.
        """
        rate = lr * call_each_step(self._next_rate)
        correction = corrections(_BETAS, lambda: self.position)
        adam = partial(adam_step, rate=rate, betas=_BETAS, epsilon=_EPSILON, correction=correction)
        with autograd.record():
            loss = nd.mean(self.losses(self._scores(X, self._dropped), labels))
        loss.backward()
        for name, parameter in self.parameters.items():
            gradient = parameter.grad
            assert gradient is not None
            moments = tuple(self.moments[prefix + name] for prefix in MOMENTS)
            write(parameter, moments, adam(parameter, gradient, moments))
        return loss

    def _dropped(self, linear: NDArray) -> NDArray:
        """A hidden layer's activations in training, with dropout."""
        h = nd.relu(linear)
        return nd.Dropout(h, self.dropout) if self.dropout else h

    def _next_rate(self) -> float:
        """Advance the schedule by a step; return this step's factor on the peak learning rate."""
        done = self.span.at(self.position)
        self.position += 1
        return one_cycle(done, _WARM_UP)

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """Shift each image at random by up to one pixel; seed and epoch determine the shifts."""
        rng = generator(seed, _SHIFT_STREAMS + epoch)
        return nd.from_numpy(shifted(images.asnumpy(), rng)) if images.shape[1] == SIDE**2 else images

    def arrays(self) -> dict[str, np.ndarray]:
        """Copy all parameters and Adam's moments to NumPy arrays, by name."""
        return super().arrays() | {name: x.asnumpy() for name, x in self.moments.items()}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Set all parameters, and Adam's moments if `arrays` has them."""
        super().load({name: x for name, x in arrays.items() if name not in self.moments})
        for name, moment in self.moments.items():
            if name in arrays:
                moment[:] = arrays[name]


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each image (n, 784) at random by -1, 0 or 1 pixels down and right; new pixels are 0.

    >>> digits = np.zeros((1, 784), np.uint8)
    >>> digits[0, 400] = 255
    >>> int(shifted(digits, np.random.default_rng(0)).sum())
    255
    """
    padded = np.pad(images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    down, right = np.divmod(rng.integers(0, 9, len(images)), 3)
    windows = sliding_window_view(padded, (SIDE, SIDE), axis=(1, 2))
    return windows[np.arange(len(images)), 2 - down, 2 - right].reshape(images.shape)


class BestNetwork(AugmentedNetwork):
    """The network of the recipe "best", without dropout, since every step sees newly deformed images."""

    dropout = 0.0
    variants = tuple(DEFORMATIONS)

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        self.see("")

    def see(self, variant: str) -> None:
        """Select the variant of deformation for the next steps; "" selects the first variant, for digits."""
        deformation = DEFORMATIONS[variant or self.variants[0]]()
        self._deformed = compile(lambda images: nd.floor(deformation(images) + 0.5).astype(np.uint8))

    def images_of_epoch(self, images: NDArray, seed: int, epoch: int) -> NDArray:
        """Return the images unchanged; `data_of` deforms them."""
        return images

    def data_of(self, batches: np.ndarray, images: NDArray, labels: NDArray) -> Batches:
        """Deform the images for the steps in `batches`, row numbers (steps, rows).

        The result is as in `ChapterNetwork.data_of`. Images of sizes other than 28×28 are not deformed. Images are
        deformed before the step, to uint8, since the first layer's product is a third faster on bytes.
        """
        if images.shape[1] != SIDE**2:
            return batches, images, labels
        deformed = self._deformed.run_batches(batches, images).reshape((-1, SIDE**2))
        rows = nd.array(batches.ravel(), ctx=labels.context, dtype=np.int32)
        order = np.arange(batches.size, dtype=np.int32).reshape(batches.shape)
        return order, deformed, nd.take(labels, rows)
