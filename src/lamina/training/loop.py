"""The epoch loop of every training, with observers, interruption, and bit-exact resumption."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lamina.compiler.deferral import eager
from lamina.core.timings import timed

_BEST = "best."


@dataclass
class Epoch:
    """The results of an epoch.

    Attributes:
        number: the epoch's number, from 1.
        loss: the training loss.
        score: the validation score, higher is better; None without validation rows.
        is_best: whether the epoch is the best so far, by the score, or without a score by the loss.
        seconds: seconds since the training began.
        scores: other measurements, by name.
        part_losses: the sums of the losses of each part of the validation rows, if they are measured.
    """

    number: int
    loss: float
    score: float | None
    is_best: bool
    seconds: float
    scores: dict[str, float] = field(default_factory=dict[str, float])
    part_losses: list[float] = field(default_factory=list[float])

    def line(self) -> dict[str, Any]:
        """The epoch as a JSON object for a run's metrics: number, loss, and `scores`, or else the validation's result.

        >>> Epoch(2, 0.5, -0.4, True, 1.5).line()
        {'epoch': 2, 'loss': 0.5, 'validation_score': -0.4, 'best': True, 'seconds': 1.5}
        """
        validated = {
            "validation_score": None if self.score is None else float(self.score),
            "best": bool(self.is_best),
            "seconds": round(float(self.seconds), 3),
        }
        return {"epoch": self.number, "loss": float(self.loss), **(self.scores or validated)}


class Observer:
    """The base class of observers of a training; a subclass overrides the methods it needs.

    Any error from a method ends the training; `loop.stop()` ends it after the current epoch.

    >>> class Seconds(Observer):
    ...     def on_epoch(self, loop, epoch):
    ...         print(f"epoch {epoch.number} of {loop.epochs} after {epoch.seconds:.0f} s")
    """

    watches_steps: bool = False
    """Whether the observer needs `on_steps`; if not, a training may run a whole epoch at once."""

    def on_begin(self, loop: Loop) -> None:
        """Called before the first step; after resuming, `loop.past` has the earlier epochs."""

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        """Called within an epoch after `done` of `of` steps; `loss` is the training loss so far, if known."""

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Called after an epoch, when it has been measured and appended to `loop.past`."""

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        """Called when the training ends, normally or by `error` (`KeyboardInterrupt` for Ctrl-C)."""


class Loop:
    """The loop over a training's epochs; subclasses define an epoch and the state.

    `past` lists completed epochs. `state` returns everything that determines the rest of the training: after `restore`
    of this state, a training with the same settings continues with identical bits. With a validation score, the best
    epoch's parameters are kept (the last of equally good epochs); `restore_best` restores them. `is_stopped` is true if
    the training ends after the current epoch because of `stop`.

    Args:
        epochs: the number of epochs.
        observers: the observers, in the order of calls.
        tolerance: the minimum decrease in loss that counts as better, without a validation score.
    """

    resumes_within_epochs: bool = False
    """Whether `state` is valid after Ctrl-C, rather than only between epochs."""
    part_losses: Sequence[float] = ()
    """The `part_losses` of the last epoch."""
    scores_are_losses: bool = False
    """Whether a validation score is the negative mean loss, which compares with the training loss."""

    def __init__(self, epochs: int, observers: Sequence[Observer] = (), tolerance: float = 0.0) -> None:
        self.epochs, self.observers = epochs, list(observers)
        self.past: list[Epoch] = []
        self.best_state: dict[str, np.ndarray] | None = None
        self.best_epoch, self.best_score, self.best_loss = 0, -np.inf, np.inf
        self._tolerance = tolerance
        self.is_stopped = False

    def run(self, epochs: int | None = None) -> Iterator[Epoch]:
        """Train `epochs` more epochs, or all remaining epochs; yield each epoch's results.

        Each observer's `on_begin` is called before, and `on_end` at the end, also after an error.

        Raises:
            NonFiniteLossError: the loss became infinite or NaN.
        """
        self.is_stopped = False
        with ExitStack() as stack:
            for observer in self.observers:
                observer.on_begin(self)
                stack.push(lambda _kind, error, _trace, on_end=observer.on_end: on_end(self, error))
            self._begin_together()
            last = self.epochs if epochs is None else len(self.past) + epochs
            with eager():
                self._prepare(last - len(self.past))
            before = self.past[-1].seconds if self.past else 0.0
            start = time.perf_counter() - before
            while len(self.past) < last and not self.is_stopped:
                number = len(self.past) + 1
                # Callers may use deferred evaluation between epochs; the training's bits must not depend on that.
                with timed("computing"), eager():
                    loss = self._train(number)
                    score, scores = self._measure()
                is_best = self._is_best(number, loss, score)
                seconds = time.perf_counter() - start
                self.past.append(Epoch(number, loss, score, is_best, seconds, scores, [*self.part_losses]))
                for observer in self.observers:
                    observer.on_epoch(self, self.past[-1])
                self.is_stopped = self._agreed(self.is_stopped)
                yield self.past[-1]

    @property
    def expected_epochs(self) -> int:
        """The expected number of epochs."""
        return self.epochs

    @property
    def waited(self) -> float | None:
        """The share of time for communication with other processes, including waiting; None with a single process."""
        return None

    def stop(self) -> None:
        """End the training after the current epoch."""
        self.is_stopped = True

    def restore_best(self) -> None:
        """Restore the best epoch's parameters."""
        if self.best_state is not None:
            self._load_parameters(self.best_state)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The complete state for resuming the training: arrays, and JSON values."""
        arrays, position = self._own_state()
        arrays |= {_BEST + name: x for name, x in (self.best_state or {}).items()}
        best = [self.best_epoch, self.best_score, self.best_loss]
        return arrays, {**position, "past": [asdict(epoch) for epoch in self.past], "best": best}

    def restore(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Restore a `state`, from which `run` continues.

        Raises:
            KeyError, TypeError, ValueError: the state is not from a training with these settings.
        """
        best = {name.removeprefix(_BEST): x for name, x in arrays.items() if name.startswith(_BEST)}
        own = {name: x for name, x in arrays.items() if not name.startswith(_BEST)}
        fits = _shapes(own) == _shapes(self._own_state()[0])
        if not fits or (best and _shapes(best) != _shapes(self._parameters())):
            raise ValueError("its arrays belong to another network")
        past = [Epoch(**epoch) for epoch in position["past"]]
        self.best_epoch, self.best_score, self.best_loss = position["best"]
        self._restore_own(own, position)
        self.best_state, self.past = best or None, past

    def watched(self) -> bool:
        """Whether any observer needs `on_steps`."""
        return any(observer.watches_steps for observer in self.observers)

    def report(self, done: int, of: int, loss: float | None = None) -> None:
        """Report the number of completed steps to the observers that need `on_steps`."""
        for observer in self.observers:
            if observer.watches_steps:
                observer.on_steps(self, done, of, loss)

    def _is_best(self, number: int, loss: float, score: float | None) -> bool:
        """Whether the last epoch is the best so far.

        If so, and if there is a score, its parameters are kept.
        """
        if score is None:
            is_best = loss < self.best_loss - self._tolerance
        else:
            is_best = score >= self.best_score
            if is_best:
                self.best_score, self.best_state = score, self._parameters()
        self.best_loss = min(loss, self.best_loss)
        if is_best:
            self.best_epoch = number
        return is_best

    # --- defined by subclasses -----------------------------------------------------------------------------------

    def fingerprints(self) -> list[str]:
        """Digests of the training's data, which must be equal for resuming."""
        return []

    def _begin_together(self) -> None:
        """Synchronize with other processes after `on_begin`, since observers may have restored a state."""

    def _agreed(self, stop: bool) -> bool:
        """Whether any process of the training wants to stop; all processes get the same answer."""
        return stop

    def _prepare(self, epochs: int) -> None:
        """Prepare for training `epochs` epochs."""

    def _train(self, number: int) -> float:
        """Train an epoch, and report steps if `watched`; return the training loss."""
        raise NotImplementedError

    def _measure(self) -> tuple[float | None, dict[str, float]]:
        """The validation score after an epoch, if any, and other measurements by name."""
        raise NotImplementedError

    def _own_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The subclass's values in `state`: arrays, and JSON values."""
        raise NotImplementedError

    def _restore_own(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Restore the result of `_own_state`; the arrays' names and shapes have been checked."""
        raise NotImplementedError

    def _parameters(self) -> dict[str, np.ndarray]:
        """Copies of the parameters, for keeping the best epoch."""
        raise NotImplementedError

    def _load_parameters(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the result of `_parameters`."""
        raise NotImplementedError


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[Any, ...]]:
    return {name: (x.shape, x.dtype) for name, x in arrays.items()}


class EarlyStopping(Observer):
    """An observer that stops after `patience` epochs without an improvement by more than `tolerance`.

    Epochs are compared with the best epoch, by the validation score, higher is better, or without validation rows by
    the training loss. With `window`, training also goes on while the mean score of the last `window` epochs improves:
    at a high learning rate, single scores are noisy. Nor does it end while the mean training loss of these epochs is at
    least that of validation rows, if scores are losses: what hinders networks that don't learn noise is the learning
    rate and dropout, which fall later.
    """

    def __init__(self, patience: float, tolerance: float = 0.0, window: int | None = None) -> None:
        self._patience, self._tolerance, self._window = patience, tolerance, window

    def on_begin(self, loop: Loop) -> None:
        """Count the epochs before resuming."""
        self._best, self._best_mean, self._waited = -math.inf, -math.inf, 0
        for epoch in loop.past:
            self.on_epoch(loop, epoch)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Stop, if the patience is exhausted."""
        last = loop.past[max(epoch.number - (self._window or 1), 0) : epoch.number]
        scores = [-one.loss if one.score is None else one.score for one in last]
        mean = sum(scores) / len(scores)
        improved = scores[-1] > self._best + self._tolerance or mean > self._best_mean + self._tolerance
        self._best, self._best_mean = max(self._best, scores[-1]), max(self._best_mean, mean)
        is_judged = bool(self._window) and loop.scores_are_losses
        learns_noise = not is_judged or sum(one.loss for one in last) < -sum(scores)
        self._waited = 0 if improved else self._waited + learns_noise
        if self._waited >= self._patience:
            loop.stop()


class CycleStopping(Observer):
    """An observer that stops after a learning-rate cycle that improved the validation score by too little.

    Within a cycle the score is noisy, since the learning rate is high. The score at a cycle's end is surpassed only at
    the end of the next cycle, which is twice as long. The first cycles are too short for a decision.

    Args:
        ends: shares of the training at which cycles end; if the first cycle ends before the first epoch
            does, the observer never stops the training.
        least: minimum gain of a cycle, relative to the best earlier score, to continue with the next cycle.
    """

    _JUDGED_FROM = 2  # index of the first cycle that may stop the training

    def __init__(self, ends: Sequence[float], least: float) -> None:
        self._ends, self._least = ends, least

    def on_begin(self, loop: Loop) -> None:
        """Stop at once, if the training had stopped before resuming."""
        if loop.past:
            self.on_epoch(loop, loop.past[-1])

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Stop at the end of a cycle with too little gain."""
        if not self._ends or self._ends[0] * loop.epochs < 1:
            return
        ends = [math.ceil(share * loop.epochs) for share in self._ends]
        if epoch.number not in ends[self._JUDGED_FROM :]:
            return
        scores = [past.score for past in loop.past]
        began = ends[ends.index(epoch.number) - 1]
        before, within = ([x for x in part if x is not None] for part in (scores[:began], scores[began:]))
        if before and within and max(within) - max(before) <= self._least * abs(max(before)):
            loop.stop()
