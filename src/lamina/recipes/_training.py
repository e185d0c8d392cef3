"""Training on digits: epochs of shuffled batches, that can be interrupted and resumed anywhere.

An epoch goes in short stretches of steps. After each one the losses are looked at and the parameters copied,
so that a Ctrl-C or a diverging step loses a few milliseconds of work and never leaves a half-updated network.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler import compile
from lamina.deferral import eager
from lamina.errors import LaminaError, NonFiniteLossError
from lamina.nd.ndarray import NDArray
from lamina.primitives.random import generator
from lamina.recipes._augmented import AugmentedNetwork
from lamina.recipes._chapter import ChapterNetwork
from lamina.recipes.digits import Digits
from lamina.training.device import chosen_device, training_flops
from lamina.training.loop import Loop, Observer

__all__ = ["Progress", "Settings", "Training", "evaluate", "network_of"]

_STRETCH = 50  # steps between two looks at the losses
_SMOOTHING = 0.01  # of the moving loss, as in the chapter
_SHUFFLE_STREAMS = 1 << 40  # random streams from here on belong to shuffling, one an epoch
_SEED_FACTOR = 1_000_003  # more than the steps of any training, so that runs of two seeds share no numbers
_EVALUATION_ROWS = 2000


_RECIPES: dict[str, dict[str, Any]] = {
    "default": {"epochs": 10, "batch_size": 128, "lr": 0.002},
    "chapter": {"epochs": 10, "batch_size": 64, "lr": 0.001},
}
"""``default``: Adam with a warm-up and a cosine, dropout 0.1, digits shifted by up to a pixel. ``chapter``: SGD."""


@dataclass(frozen=True)
class Settings:
    """What determines a training; the same settings give the same network, bit for bit, on the same machine.

    Raises `LaminaError` where a value makes no sense.
    """

    hidden: tuple[int, ...] = (256, 256)
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.001
    seed: int = 0
    recipe: str = "chapter"

    @classmethod
    def of(cls, recipe: str, **chosen: Any) -> Settings:
        """A recipe's settings, but for those chosen."""
        values: dict[str, Any] = {**_RECIPES.get(recipe, {}), **chosen}
        return cls(recipe=recipe, **values)

    def __post_init__(self) -> None:
        if self.recipe not in _RECIPES:
            raise LaminaError(f"unknown recipe {self.recipe!r}; known: {', '.join(_RECIPES)}")
        if any(units < 1 for units in self.hidden):
            raise LaminaError(f"every hidden layer needs at least 1 unit, not {self.hidden}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise LaminaError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.lr < float("inf"):
            raise LaminaError(f"lr must be a positive number, not {self.lr}")
        if not 0 <= self.seed < 1 << 63:
            raise LaminaError(f"seed must be a whole number from 0 to 2**63 - 1, not {self.seed}")


@dataclass(frozen=True)
class Progress:
    """How far the epoch begun is: its number from 0 on, its batches done, the moving loss, and the steps' seconds."""

    epoch: int = 0
    batch: int = 0
    moving_loss: float | None = None
    seconds: float = 0.0


class Training(Loop):
    """The training loop on digits, whose state is good after each stretch of steps.

    The random state needs no saving: the order of an epoch's batches depends on the seed and the epoch's
    number alone. Of each epoch is measured: "train_accuracy", "test_accuracy", and "train_seconds", of its steps alone.
    `device` is "cpu", "gpu", "gpu:1" or "auto"; ``context``, where that is.
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
    ) -> None:
        super().__init__(settings.epochs, observers)
        sizes = (train.images.shape[1], *settings.hidden, 10)
        weights = sum(m * n for m, n in itertools.pairwise(sizes))
        self.context = chosen_device(device, training_flops(weights, len(train), settings.epochs))
        self.settings, self.train, self.test = settings, train.on(self.context), test.on(self.context)
        nd.random.seed(settings.seed)
        with self.context:
            self.network = network_of(settings, train.images.shape[1])
        self.progress = Progress()
        self._step = compile(self.network.step)
        self._arrays = self.network.arrays()
        self._images = self.train.images

    @property
    def batches(self) -> int:
        """The number of steps in an epoch; the last one may be smaller."""
        return -(-len(self.train) // self.settings.batch_size)

    def _prepare(self, epochs: int) -> None:
        self.network.total = self.settings.epochs * self.batches

    def _train(self, number: int) -> float:
        """An epoch, or what is left of it; the moving loss at its end.

        Raises:
            NonFiniteLossError: at the first step whose loss is infinite or NaN.
        """
        if self.progress.epoch != number - 1:
            self.progress = Progress(number - 1, 0, self.progress.moving_loss)
        order = self._order(number - 1)
        images = self.network.images_of_epoch(self.train.images, self.settings.seed, number - 1)
        self._images = images.as_in_context(self.context)
        while self.progress.batch < self.batches:
            self._run_stretch(order)
            self.report(self.progress.batch, self.batches, self.progress.moving_loss)
        assert self.progress.moving_loss is not None
        return self.progress.moving_loss

    def _measure(self) -> tuple[None, dict[str, float]]:
        accuracies = [evaluate(self.network, data)[0] for data in (self.train, self.test)]
        return None, {
            "train_accuracy": accuracies[0],
            "test_accuracy": accuracies[1],
            "train_seconds": self.progress.seconds,
        }

    def _own_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return dict(self._arrays), asdict(self.progress)

    def _restore_own(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        progress = Progress(**{name: position[name] for name in asdict(self.progress)})
        self.network.load(dict(arrays))
        self._commit(progress)

    def _order(self, epoch: int) -> np.ndarray:
        """The rows of the training set in the order in which this epoch takes them."""
        source = generator(self.settings.seed, _SHUFFLE_STREAMS + epoch)
        return source.permutation(len(self.train)).astype(np.int32)

    def _run_stretch(self, order: np.ndarray) -> None:
        """Make some steps; only if all went well, they become part of the state."""
        progress, size = self.progress, self.settings.batch_size
        stop = min(progress.batch + _STRETCH, self.batches)
        start = time.perf_counter()
        self._set_position(progress.epoch * self.batches + progress.batch)
        losses = self._losses(order[progress.batch * size : stop * size])
        seconds = time.perf_counter() - start
        self._check(losses)
        moving = progress.moving_loss
        for loss in losses:
            moving = loss if moving is None else (1 - _SMOOTHING) * moving + _SMOOTHING * loss
        seconds += progress.seconds
        self._commit(replace(progress, batch=stop, moving_loss=moving, seconds=seconds))

    def _set_position(self, steps: int) -> None:
        """Schedules and random numbers depend on the steps done alone, so that a resumed run goes on the same way."""
        self.network.position = steps
        nd.random.seed(self.settings.seed * _SEED_FACTOR + steps + 1)

    def _losses(self, rows: np.ndarray) -> list[float]:
        """Take a step with each batch of these rows; the last batch may be smaller."""
        size = self.settings.batch_size
        whole = len(rows) // size * size
        losses: list[float] = []
        for batches in (rows[:whole].reshape(-1, size), rows[None, whole:]):
            if batches.size:
                results = self._step.run_batches(batches, self._images, self.train.labels, self.settings.lr)
                losses += results.asnumpy().ravel().tolist()
        return losses

    def _check(self, losses: list[float]) -> None:
        """Raise if a loss, or what the last step made of the parameters, is not finite."""
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
        """Make the network's present parameters the state from which the training would go on."""
        self._arrays, self.progress = self.network.arrays(), progress


@eager()
def network_of(settings: Settings, inputs: int) -> ChapterNetwork:
    """A new network for these settings."""
    make = ChapterNetwork if settings.recipe == "chapter" else AugmentedNetwork
    return make((inputs, *settings.hidden, 10))


@eager()
def evaluate(network: ChapterNetwork, data: Digits) -> tuple[float, float, np.ndarray]:
    """The accuracy, the mean loss, and the probabilities of the classes, shape (n, classes)."""
    forward = compile(network.__call__)
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
