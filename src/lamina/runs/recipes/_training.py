"""Recipes for training on digits, their settings, and the training loop, which resumes within an epoch.

An epoch consists of short stretches of steps. After each stretch, the losses are checked and the parameters copied, so
that Ctrl-C or a diverging step loses a few milliseconds of work, and never leaves a half-updated network.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler import compile
from lamina.compiler.deferral import eager
from lamina.core.precision import Precision
from lamina.device.context import Context
from lamina.errors import LaminaError, NonFiniteLossError, ShapeError
from lamina.nd.ndarray import NDArray
from lamina.primitives.random import generator
from lamina.runs.recipes._networks import AugmentedNetwork, BestNetwork, ChapterNetwork, Span
from lamina.support.messages import counted
from lamina.training.device import chosen_device, rounds_products, training_flops, warn_if_not_rounded
from lamina.training.loop import Loop, Observer
from lamina.training.time_limit import TimeLimit


@dataclass(frozen=True)
class Recipe:
    """A network class with the default settings for its training.

    Attributes:
        network: the network class, whose method `step` trains on a batch.
        values: the settings that differ from the defaults of `Settings`.
        passes: the number of passes over the images per epoch.
        measured: the number of training images on which the accuracy is measured after an epoch; None: all.
    """

    network: type[ChapterNetwork]
    values: Mapping[str, Any]
    passes: int = 1
    measured: int | None = None


RECIPES = {
    "default": Recipe(AugmentedNetwork, {"batch_size": 128, "lr": 0.002}),
    "chapter": Recipe(ChapterNetwork, {}),
    "best": Recipe(
        BestNetwork,
        {"hidden": (1024, 512), "batch_size": 500, "lr": 0.003, "time_limit": 300.0},
        passes=5,
        measured=10_000,
    ),
}
"""The recipes.

``default``: Adam with a warm-up and a cosine schedule, dropout 0.1, digits shifted by up to a pixel. ``chapter``: SGD.
``best``: a wider network, and digits deformed anew in each step, until the time limit.
"""


@dataclass(frozen=True)
class Settings:
    """The settings of a training, with either a number of epochs or a time limit.

    The time limit, in seconds, is for the whole command. With a number of epochs, equal settings give equal bits on the
    same machine. Raises `LaminaError` for an invalid value.
    """

    hidden: tuple[int, ...] = (256, 256)
    epochs: int | None = 10
    batch_size: int = 64
    lr: float = 0.001
    seed: int = 0
    recipe: str = "chapter"
    time_limit: float | None = None
    precision: Precision = "float32"

    @classmethod
    def of(cls, recipe: str, **chosen: Any) -> Settings:
        """The settings of a recipe, overridden by `chosen`.

        A number of epochs in `chosen` replaces the recipe's time limit, and vice versa.
        """
        values = dict(RECIPES[recipe].values) if recipe in RECIPES else {}
        if "epochs" in chosen:
            values.pop("time_limit", None)
        values |= chosen
        if "time_limit" in values:
            values.setdefault("epochs", None)
        return cls(recipe=recipe, **values)

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise LaminaError(f"unknown recipe {self.recipe!r}; known: {', '.join(RECIPES)}")
        if any(units < 1 for units in self.hidden):
            raise LaminaError(f"every hidden layer needs at least 1 unit, not {self.hidden}")
        if (self.epochs is None) == (self.time_limit is None):
            raise LaminaError("a training needs a number of epochs or a time limit: give exactly one of them")
        if self.time_limit is not None and not 0 < self.time_limit < float("inf"):
            raise LaminaError(f"time_limit must be a positive number of seconds, not {self.time_limit}")
        for name in ("epochs", "batch_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise LaminaError(f"{name} must be at least 1, not {value}")
        if not 0 < self.lr < float("inf"):
            raise LaminaError(f"lr must be a positive number, not {self.lr}")
        if not 0 <= self.seed < 1 << 63:
            raise LaminaError(f"seed must be a whole number from 0 to 2**63 - 1, not {self.seed}")


# --- the choice of an augmentation -----------------------------------------------------------------------------------

FEWEST = 3000
"""Minimum number of images for choosing the augmentation, which needs held-out images."""

_SHORTEST = 200.0
"""Minimum time limit for choosing the augmentation, in seconds, on most machines."""

_MOST = 1 / 3  # maximum share of a time limit for all short trainings together
_SLACK = 0.05
_FEWEST_EPOCHS = 2  # minimum for a short training; with fewer, losses tell little
_SHARE = 0.025  # share of a training's epochs for each short training
_TRAINED, _JUDGED = 6, 6  # one in six pictures for training, and one in six for validation
_STREAM = (1 << 41) - 1  # the random stream for dividing pictures


def divided(pictures: Digits, seed: int) -> tuple[Digits, Digits]:
    """Draw two disjoint random samples of the images: one for short trainings, one for validation."""
    rows = generator(seed, _STREAM).permutation(len(pictures)).astype(np.int32)
    trained, judged = len(rows) // _TRAINED, len(rows) // _JUDGED
    return pictures.at(rows[:trained]), pictures.at(rows[trained : trained + judged])


def in_short(settings: Settings) -> Settings:
    """The settings of a short training, with a fixed number of epochs and no time limit."""
    epochs = _FEWEST_EPOCHS if settings.epochs is None else round(settings.epochs * _SHARE * _TRAINED)
    return replace(settings, epochs=max(_FEWEST_EPOCHS, epochs), time_limit=None)


class _TooSlowError(Exception):
    """Raised if short trainings exceed their share of the time limit, e.g. for a wide network or on a slow machine."""


class _Hurry(Observer):
    """An observer that raises `_TooSlowError` when short trainings have used their share of the remaining time."""

    watches_steps = True

    def __init__(self, limit: TimeLimit) -> None:
        self._limit, self._end = limit, limit.used + _MOST * limit.left

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        if self._limit.used > self._end:
            raise _TooSlowError


def chosen(losses: Mapping[str, float]) -> str:
    """The first variant of augmentation whose loss is at most 5 % above the lowest.

    Stronger variants come first, since a network learns from them more slowly, so that a short training underrates
    them. Variants with mirroring come last, so that they are chosen only if they are clearly better.

    >>> chosen({"bent": 0.142, "moved": 0.140, "mirrored": 0.231}), chosen({"bent": 0.38, "moved": 0.35})
    ('bent', 'moved')
    """
    known = {variant: math.inf if math.isnan(loss) else loss for variant, loss in losses.items()}
    most = (1 + _SLACK) * min(known.values())
    return next(variant for variant, loss in known.items() if loss <= most)


def choice_said(losses: Mapping[str, float], variant: str) -> str:
    """Describe, in a sentence, the chosen variant of augmentation and the losses of all variants."""
    said = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    return f"pictures are {variant} at random, by the log-loss of short trainings: {said}"


_STRETCH = 50  # steps between two checks of the losses
_SMOOTHING = 0.01  # weight of a step's loss in the moving loss, as in the chapter
_SHUFFLE_STREAMS = 1 << 40  # the first of the random streams for shuffling, one per epoch
_SEED_FACTOR = 1_000_003  # exceeds the steps of any training, so that different seeds share no numbers
_EVALUATION_ROWS = 2000
_SLOW = 5e10  # operations per second of a slow processor, to estimate the work within a time limit


@dataclass(frozen=True)
class Progress:
    """The progress of a training, as needed for resuming the training.

    Attributes:
        epoch: the number of the current epoch, from 0.
        batch: the number of completed batches in this epoch.
        moving_loss: the moving average of the steps' losses.
        seconds: the duration of this epoch's steps.
        used: the seconds of the time limit that are used up; the whole limit once the training is complete.
        variant: the chosen variant of augmentation; "" for the first variant, or before the choice.
    """

    epoch: int = 0
    batch: int = 0
    moving_loss: float | None = None
    seconds: float = 0.0
    used: float = 0.0
    variant: str = ""


class Training(Loop):
    """The training loop for digits, which can be resumed after each stretch of steps.

    The order of an epoch's batches depends only on the seed and the epoch's number, so that no random state is saved.
    Each epoch measures "train_accuracy", "test_accuracy", and "train_seconds", the time of the epoch's steps. `device`
    is "cpu", "gpu", "gpu:1" or "auto"; ``context`` is the context of that device.

    With a time limit, the learning rate follows the clock, which is read between stretches, and the last epoch ends
    when the time is up. A resumed training gets the remaining time.
    """

    resumes_within_epochs = True

    def __init__(
        self,
        settings: Settings,
        train: Digits,
        test: Digits,
        observers: Sequence[Observer] = (),
        *,
        device: str = "cpu",
        limit: TimeLimit | None = None,
        variant: str = "",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare the training.

        Args:
            settings: the settings.
            train: the training images.
            test: the test images.
            observers: the observers of the training.
            device: see the class.
            limit: a time limit that has already begun; by default, the time limit of `settings` begins now.
            variant: the variant of augmentation, if it has been chosen already.
            tell: called with messages for the user, e.g. about the choice of augmentation.
        """
        super().__init__(settings.epochs or sys.maxsize, observers)
        self.limit = limit
        if limit is None and settings.time_limit is not None:
            self.limit = TimeLimit(settings.time_limit)
        self.context = chosen_device(device, _work(settings, train))
        if device != "auto":
            warn_if_not_rounded(settings.precision, self.context)
        self.settings, self.train, self.test = settings, train.on(self.context), test.on(self.context)
        self._recipe = RECIPES[settings.recipe]
        nd.random.seed(settings.seed)
        with self.context:
            self.network = network_of(settings, train.images.shape[1])
        self.progress = Progress(variant=variant)
        self.network.see(variant)
        self._tell = tell
        self._step = compile(self.network.step, precision=settings.precision)
        self._arrays = self.network.arrays()
        self._images = self.train.images
        self._pace: float | None = None  # seconds per step; None until the step is compiled
        self._is_compiled = False

    @property
    def batches(self) -> int:
        """The number of steps in an epoch; the last batch may be smaller."""
        return -(-len(self.train) * self._recipe.passes // self.settings.batch_size)

    @property
    def expected_epochs(self) -> int:
        if self.limit is None:
            return self.epochs
        done = self.progress.epoch + self.progress.batch / self.batches
        return max(1, math.ceil(done / (self.limit.share or 1)))

    def _prepare(self, epochs: int) -> None:
        """Choose the variant of augmentation, unless it has been chosen already."""
        if self.past or self.progress.batch or self.progress.variant or not self.network.variants:
            return
        if len(self.train) < FEWEST or (self.limit is not None and self.limit.left < _SHORTEST):
            return
        variant, said = self._choice()
        self._tell(said)
        self.progress = replace(self.progress, variant=variant)
        self.network.see(variant)

    def _choice(self) -> tuple[str, str]:
        """Choose a variant of augmentation by short trainings; return the variant, and a sentence with the reason.

        If the short trainings take too long, the choice is the first variant.
        """
        hurry = [] if self.limit is None else [_Hurry(self.limit)]
        try:
            losses = {variant: self._loss_in_short(variant, hurry) for variant in self.network.variants}
        except _TooSlowError:
            first = self.network.variants[0]
            return first, f"pictures are {first} at random: there is no time to compare augmentations"
        variant = chosen(losses)
        return variant, choice_said(losses, variant)

    def _loss_in_short(self, variant: str, observers: Sequence[Observer] = ()) -> float:
        """Train briefly on a sample of the images, and return the loss on held-out images."""
        known, held_out = divided(self.train, self.settings.seed)
        device = "cpu" if self.context.is_host else f"gpu:{self.context.device_id}"
        settings = in_short(self.settings)
        if not rounds_products(self.context, settings.precision):  # without repeating the warning
            settings = replace(settings, precision="float32")
        short = Training(settings, known, held_out, observers, device=device, variant=variant)
        for _ in short.run():
            pass
        return evaluate(short.network, held_out)[1]

    def _train(self, number: int) -> float:
        """Train an epoch, or the rest of an interrupted epoch; return the final moving average of the loss.

        Raises:
            NonFiniteLossError: at the first step whose loss is infinite or NaN.
        """
        if self.progress.epoch != number - 1:
            self.progress = replace(self.progress, epoch=number - 1, batch=0, seconds=0.0)
        order = self._order(number - 1)
        images = self.network.images_of_epoch(self.train.images, self.settings.seed, number - 1)
        self._images = images.as_in_context(self.context)
        while self.progress.batch < self.batches:
            self._run_stretch(order)
            self.report(self.progress.batch, self.batches, self.progress.moving_loss)
            if self._is_time_over():
                break
        assert self.progress.moving_loss is not None
        return self.progress.moving_loss

    def _measure(self) -> tuple[None, dict[str, float]]:
        accuracies = self.accuracies()
        if self._is_time_over():
            self._complete()
        return None, {**accuracies, "train_seconds": self.progress.seconds}

    def accuracies(self) -> dict[str, float]:
        """The accuracies on training images (see `Recipe.measured`) and on test images, by name."""
        parts = {"train": self.train.first(self._recipe.measured), "test": self.test}
        return {f"{name}_accuracy": evaluate(self.network, part)[0] for name, part in parts.items()}

    def _is_time_over(self) -> bool:
        return self.limit is not None and self.limit.left < (self._pace or 0.0)

    def _complete(self) -> None:
        """End the training at the time limit, and discard the optimizer's state, which only resuming would need."""
        assert self.limit is not None
        self.stop()
        steps = self.progress.epoch * self.batches + self.progress.batch
        if steps * self._recipe.passes < self.batches:
            self._tell(
                f"the time was over after {counted(steps, 'step')}, before the network had seen every image once, "
                "so that it has hardly learned anything; give a longer time limit"
            )
        self._arrays = {name: self._arrays[name] for name in self.network.parameters}
        self.progress = replace(self.progress, used=self.limit.seconds)

    def _own_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return dict(self._arrays), asdict(self.progress)

    def _restore_own(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        known = asdict(self.progress)
        progress = Progress(**{name: position.get(name, known[name]) for name in known})
        self.network.load(dict(arrays))
        self.network.see(progress.variant)
        self._commit(progress)
        if self.limit is not None:
            self.limit.go_on(progress.used)

    def _order(self, epoch: int) -> np.ndarray:
        """The epoch's training images as row numbers, in random order."""
        source = generator(self.settings.seed, _SHUFFLE_STREAMS + epoch)
        passes = [source.permutation(len(self.train)) for _ in range(self._recipe.passes)]
        return np.concatenate(passes).astype(np.int32)

    def _run_stretch(self, order: np.ndarray) -> None:
        """Take the next `_stretch` steps; the state changes only if all of them succeed."""
        progress, size = self.progress, self.settings.batch_size
        stop = min(progress.batch + self._stretch(), self.batches)
        clock = time.perf_counter if self.limit is None else self.limit.clock
        start = clock()
        self._set_position(progress.epoch * self.batches + progress.batch)
        losses = self._losses(order[progress.batch * size : stop * size])
        seconds = clock() - start
        self._check(losses)
        self._pace, self._is_compiled = seconds / len(losses) if self._is_compiled else None, True
        moving = progress.moving_loss
        for loss in losses:
            moving = loss if moving is None else (1 - _SMOOTHING) * moving + _SMOOTHING * loss
        seconds += progress.seconds
        used = self.limit.used if self.limit is not None else 0.0
        self._commit(replace(progress, batch=stop, moving_loss=moving, seconds=seconds, used=used))

    def _stretch(self) -> int:
        """The number of steps until the next check, at most as many as fit into the remaining time."""
        if self.limit is None:
            return _STRETCH
        return max(1, min(_STRETCH, int(self.limit.left / self._pace))) if self._pace else 1

    def _set_position(self, steps: int) -> None:
        """Set random streams and schedules for the step that follows `steps` completed steps.

        A resumed run thus continues identically, except that with a time limit, schedules also depend on the clock.
        """
        self.network.position = steps
        self.network.span = self._span(steps)
        nd.random.seed(self.settings.seed * _SEED_FACTOR + steps + 1)

    def _span(self, steps: int) -> Span:
        """The training progress as a function of the step, from `steps` on."""
        if self.limit is None:
            return Span(steps=self.epochs * self.batches)
        pace = self._pace or 0.0
        return Span(self.limit.share, steps, self.limit.available / pace if pace else math.inf)

    def _losses(self, rows: np.ndarray) -> list[float]:
        """Take a step on each batch of these training images; return the losses.

        The last batch may be smaller.
        """
        size = self.settings.batch_size
        whole = len(rows) // size * size
        losses: list[float] = []
        for batches in (rows[:whole].reshape(-1, size), rows[None, whole:]):
            if batches.size:
                data = self.network.data_of(batches, self._images, self.train.labels)
                results = self._step.run_batches(*data, self.settings.lr)
                losses += results.asnumpy().ravel().tolist()
        return losses

    def _check(self, losses: list[float]) -> None:
        """Raise `NonFiniteLossError` if a loss, or a parameter after the last step, is not finite."""
        finite = np.isfinite(losses)
        if not finite.all():
            bad = int(np.argmin(finite))
            what = f"the loss became {losses[bad]}"
        elif not all(np.isfinite(p.asnumpy()).all() for p in self.network.parameters.values()):
            bad, what = len(losses) - 1, "the parameters overflowed"
        else:
            return
        step = self.progress.batch + bad + 1
        total = self.progress.epoch * self.batches + step
        raise NonFiniteLossError(
            f"{what} at step {step} of epoch {self.progress.epoch + 1} (step {total} in all); "
            f"use a lower learning rate than {self.settings.lr:g}"
        )

    def _commit(self, progress: Progress) -> None:
        """Save the network's parameters and this progress as the state for resuming the training."""
        self._arrays, self.progress = self.network.arrays(), progress


@eager()
def network_of(settings: Settings, inputs: int) -> ChapterNetwork:
    """Create a network with these settings and this number of inputs."""
    return RECIPES[settings.recipe].network((inputs, *settings.hidden, 10))


def _work(settings: Settings, train: Digits) -> float:
    """A lower bound on the number of floating-point operations in a training."""
    if settings.epochs is None:
        return _SLOW * (settings.time_limit or 0.0)
    sizes = (train.images.shape[1], *settings.hidden, 10)
    weights = sum(m * n for m, n in itertools.pairwise(sizes))
    return training_flops(weights, len(train), settings.epochs * RECIPES[settings.recipe].passes)


@eager()
def evaluate(network: ChapterNetwork, data: Digits) -> tuple[float, float, np.ndarray]:
    """The network's accuracy, mean loss, and class probabilities (n, classes) on these images."""
    forward = compile(network.__call__, independent_rows=True)
    losses: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    for start in range(0, len(data), _EVALUATION_ROWS):
        images: NDArray = data.images[start : start + _EVALUATION_ROWS]
        labels: NDArray = data.labels[start : start + _EVALUATION_ROWS]
        scores = forward(images)
        losses.append(network.losses(scores, labels).asnumpy())
        probabilities.append(nd.softmax(scores).asnumpy())
    predicted = np.concatenate(probabilities)
    correct = predicted.argmax(axis=1) == data.labels.asnumpy()
    return float(correct.mean()), float(np.concatenate(losses).mean()), predicted


# --- labelled 28×28 digits --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digits:
    """Images, uint8 (n, 784) with 255 for ink, and labels, float32 (n,)."""

    images: NDArray
    labels: NDArray

    def __len__(self) -> int:
        return len(self.labels)

    def on(self, context: Context) -> Digits:
        """Copy the images and labels to a device."""
        return Digits(self.images.as_in_context(context), self.labels.as_in_context(context))

    def first(self, count: int | None) -> Digits:
        """The first `count` images; all images if `count` is None."""
        return Digits(self.images[:count], self.labels[:count]) if count else self

    def at(self, rows: np.ndarray) -> Digits:
        """Select images by position, int32 (rows,)."""
        places = nd.array(rows, ctx=self.labels.context, dtype=np.int32)
        return Digits(nd.take(self.images, places), nd.take(self.labels, places))

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray) -> Digits:
        """Create digits from uint8 images of shape (n, 28, 28) and n integer labels from 0 to 9.

        Raises `ShapeError` for other shapes.
        """
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            found = f"found {images.shape} and {labels.shape}"
            raise ShapeError(f"expected images of shape (n, 28, 28) and labels of shape (n,); {found}")
        return cls(pixel_rows(images), nd.array(labels))


def pixel_rows(images: np.ndarray) -> NDArray:
    """Flatten images, uint8 (n, 28, 28), to a network's input, uint8 (n, 784)."""
    return nd.array(images.reshape(len(images), -1), dtype=np.uint8)


def load_digits() -> tuple[Digits, Digits]:
    """Load the 60,000 training and the 10,000 test images of MNIST, which the package contains."""
    from lamina.support.datasets import mnist

    data = mnist()
    train = Digits.from_arrays(data.train_images, data.train_labels)
    return train, Digits.from_arrays(data.test_images, data.test_labels)
