"""The loop over epochs of every training, with observers, interruption, and resumption to the same bits."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lamina.compiler.deferral import eager
from lamina.core.timings import timed

__all__ = ["Epoch", "Loop", "Observer"]

_BEST = "best."


@dataclass
class Epoch:
    """The results of an epoch.

    Attributes:
        number: from 1 on.
        loss: the training loss.
        score: of the validation rows, higher is better; None without them.
        is_best: whether it is the best until now, by the score, or without it by the loss.
        seconds: since the training began.
        scores: what else was measured, by name.
    """

    number: int
    loss: float
    score: float | None
    is_best: bool
    seconds: float
    scores: dict[str, float] = field(default_factory=dict[str, float])


class Observer:
    """Observes a training; a subclass overrides the methods that it needs.

    Whatever a method raises ends the training, and so does `loop.stop()` after the present epoch.

    >>> class Seconds(Observer):
    ...     def on_epoch(self, loop, epoch):
    ...         print(f"epoch {epoch.number} of {loop.epochs} after {epoch.seconds:.0f} s")
    """

    watches_steps: bool = False
    """Whether `on_steps` is wanted; without, a training may run a whole epoch at once."""

    def on_begin(self, loop: Loop) -> None:
        """Called before the first step; `loop.past` holds the epochs of an earlier run that goes on."""

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        """Part of an epoch is done; `loss` is the training loss until now, where it is known."""

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """An epoch is complete, measured, and among `loop.past`."""

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        """Called when the training ends, or when `error` ends it: Ctrl-C is a `KeyboardInterrupt`."""


class Loop:
    """Trains epoch after epoch; a subclass defines an epoch and the state.

    `past` are the epochs done. `state` gives all that the rest of the training depends on, and `restore` has another
    training of the same settings go on from there to the same bits. The best epoch's parameters are kept, if there is
    a validation score (of equal ones the last): `restore_best` puts them back.

    Args:
        epochs: how many there are to be.
        observers: what watches, in this order.
        tolerance: without a validation score, by how much the loss of a better epoch is lower.
    """

    resumes_within_epochs: bool = False
    """Whether `state` is good after Ctrl-C, too. If not, only between two epochs."""

    def __init__(self, epochs: int, observers: Sequence[Observer] = (), tolerance: float = 0.0) -> None:
        self.epochs, self.observers = epochs, list(observers)
        self.past: list[Epoch] = []
        self.best_state: dict[str, np.ndarray] | None = None
        self.best_epoch, self.best_score, self.best_loss = 0, -np.inf, np.inf
        self._tolerance = tolerance
        self._is_stopped = False

    def run(self, epochs: int | None = None) -> Iterator[Epoch]:
        """Train `epochs` more epochs, or to the last, yielding after each.

        Raises:
            NonFiniteLossError: the loss became infinite or NaN.
        """
        self._is_stopped = False
        with self._observed():
            self._begin_together()
            last = self.epochs if epochs is None else len(self.past) + epochs
            with eager():
                self._prepare(last - len(self.past))
            before = self.past[-1].seconds if self.past else 0.0
            start = time.perf_counter() - before
            while len(self.past) < last and not self._is_stopped:
                number = len(self.past) + 1
                # What is yielded to may defer, but the training's bits don't depend on what was before.
                with timed("computing"), eager():
                    loss = self._train(number)
                    score, scores = self._measure()
                is_best = self._is_best(number, loss, score)
                seconds = time.perf_counter() - start
                self.past.append(Epoch(number, loss, score, is_best, seconds, scores))
                for observer in self.observers:
                    observer.on_epoch(self, self.past[-1])
                self._is_stopped = self._agreed(self._is_stopped)
                yield self.past[-1]

    @property
    def expected_epochs(self) -> int:
        """The expected number of epochs."""
        return self.epochs

    @property
    def waited(self) -> float | None:
        """The share of the steps' time that went into exchanging and waiting for other processes, if there are any."""
        return None

    @property
    def is_stopped(self) -> bool:
        """Whether the present epoch is the last, as something has said so."""
        return self._is_stopped

    def stop(self) -> None:
        """Let the present epoch be the last."""
        self._is_stopped = True

    def restore_best(self) -> None:
        """Put the best epoch's parameters back."""
        if self.best_state is not None:
            self._load_parameters(self.best_state)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The whole state that the training goes on from: arrays, and values for JSON."""
        arrays, position = self._own_state()
        arrays |= {_BEST + name: x for name, x in (self.best_state or {}).items()}
        best = [self.best_epoch, self.best_score, self.best_loss]
        return arrays, {**position, "past": [asdict(epoch) for epoch in self.past], "best": best}

    def restore(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Go on from a `state`.

        Raises:
            KeyError, TypeError, ValueError: it is not one of a training of these settings.
        """
        best = {name.removeprefix(_BEST): x for name, x in arrays.items() if name.startswith(_BEST)}
        own = {name: x for name, x in arrays.items() if not name.startswith(_BEST)}
        fits = _shapes(own) == _shapes(self._own_state()[0])
        if not fits or (best and _shapes(best) != _shapes(self._parameters())):
            raise ValueError("its arrays are those of another network")
        past = [Epoch(**epoch) for epoch in position["past"]]
        self.best_epoch, self.best_score, self.best_loss = position["best"]
        self._restore_own(own, position)
        self.best_state, self.past = best or None, past

    def watched(self) -> bool:
        """Whether anybody wants to hear of the steps within an epoch."""
        return any(observer.watches_steps for observer in self.observers)

    def report(self, done: int, of: int, loss: float | None = None) -> None:
        """Report the number of completed steps to observers of steps."""
        for observer in self.observers:
            if observer.watches_steps:
                observer.on_steps(self, done, of, loss)

    @contextmanager
    def _observed(self) -> Generator[None]:
        """Report the end, of whatever kind, to every observer that has begun."""
        with ExitStack() as stack:
            for observer in self.observers:
                observer.on_begin(self)
                stack.push(lambda _kind, error, _trace, on_end=observer.on_end: on_end(self, error))
            yield

    def _is_best(self, number: int, loss: float, score: float | None) -> bool:
        """Whether the epoch just trained is the best; if so by its score, its parameters are kept."""
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

    # --- what subclasses say -------------------------------------------------------------------------------------

    def fingerprints(self) -> list[str]:
        """Digests of the training's data, to recognize it when an earlier run goes on."""
        return []

    def _begin_together(self) -> None:
        """Observers have begun, which may have restored a state: have other processes do likewise."""

    def _agreed(self, stop: bool) -> bool:
        """Whether to stop, agreed among all processes of a training."""
        return stop

    def _prepare(self, epochs: int) -> None:
        """Called before `epochs` epochs are trained."""

    def _train(self, number: int) -> float:
        """Train an epoch, telling `report` of its steps if it is `watched`; the training loss."""
        raise NotImplementedError

    def _measure(self) -> tuple[float | None, dict[str, float]]:
        """The validation score after an epoch, if there is one, and whatever else is measured."""
        raise NotImplementedError

    def _own_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The subclass's part of `state`."""
        raise NotImplementedError

    def _restore_own(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Go on from `_own_state`; the arrays have its names and shapes."""
        raise NotImplementedError

    def _parameters(self) -> dict[str, np.ndarray]:
        """Copies of the parameters, as they are kept of the best epoch."""
        raise NotImplementedError

    def _load_parameters(self, arrays: dict[str, np.ndarray]) -> None:
        """Put `_parameters` back."""
        raise NotImplementedError


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[Any, ...]]:
    return {name: (x.shape, x.dtype) for name, x in arrays.items()}
