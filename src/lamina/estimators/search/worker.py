"""The training of a trial in a worker, which is a thread, another process, or another machine.

A worker reads the deadline from a folder, and reports its epochs there. A worker on another machine, without access to
the folder, uses the deadline known at its start, and reports only at its end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lamina.compiler.deferral import eager
from lamina.device.context import cpu
from lamina.errors import NonFiniteLossError
from lamina.estimators.search.budget import Budget, TimeIsOver
from lamina.estimators.search.candidates import training_of
from lamina.estimators.search.comparison import Curve
from lamina.estimators.search.training import Configuration, Shared
from lamina.estimators.search.trial import Trial
from lamina.training.loop import Epoch

_TOLD = ("number", "loss", "score", "is_best", "seconds")


class Blackboard:
    """A folder through which the search and its workers on the same machine communicate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[int, int] = {}

    def end_at(self, seconds: float | None) -> None:
        """Set the deadline for all workers, in seconds since the search began; None: no deadline."""
        aside = self._folder / "end.new"
        with suppress(FileNotFoundError):  # all workers have ended
            aside.write_text(json.dumps(seconds))
            os.replace(aside, self._folder / "end")

    def end(self) -> float | None:
        """The deadline set by `end_at`, in seconds since the search began; None: no deadline.

        Raises:
            FileNotFoundError: the search is over, or this is another machine.
        """
        return json.loads((self._folder / "end").read_text())

    def tell_begin(self, number: int) -> None:
        """Report the start of trial `number`."""
        with suppress(FileNotFoundError):
            (self._folder / str(number)).touch()

    def has_begun(self, number: int) -> bool:
        """Whether trial `number` has reported its start on this machine."""
        return (self._folder / str(number)).exists()

    def tell(self, number: int, epoch: Epoch) -> None:
        """Report a complete epoch of trial `number`."""
        line = json.dumps([getattr(epoch, name) for name in _TOLD]) + "\n"
        with suppress(FileNotFoundError), (self._folder / str(number)).open("r+") as file:  # never creates it
            file.seek(0, os.SEEK_END)
            file.write(line)

    def told(self, number: int) -> Iterator[Epoch]:
        """The epochs of trial `number` that were reported since the last call."""
        with suppress(FileNotFoundError), (self._folder / str(number)).open() as file:
            file.seek(self._read.get(number, 0))
            lines = file.read().rpartition("\n")[0]
            if lines:
                self._read[number] = self._read.get(number, 0) + len(lines) + 1
                yield from (Epoch(*json.loads(line)) for line in lines.split("\n"))


@dataclass(frozen=True)
class Job:
    """A worker's task: the training of a trial.

    Attributes:
        tried: the configuration.
        seed: the search's seed.
        others: the curves of the trials to compare with.
        limit: the search's time limit in seconds.
        start: the seconds before the deadline that the trial needs to start.
        costs: the longest duration of each kind of step so far, in seconds.
        seconds: the search's elapsed seconds at the wall-clock time `sent`.
        process: the id of the search's process.
        folder: the folder of the `Blackboard`.
    """

    tried: Configuration
    seed: int
    others: Sequence[Curve]
    limit: float | None
    start: float
    costs: Mapping[str, float]
    seconds: float
    sent: float
    process: int
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """A worker's result for a job.

    Attributes:
        number: the trial's number.
        trial: the trial; None if the training ended before learning anything.
        diverged: the error message if the training diverged, otherwise None.
        costs: the longest duration of each kind of step, in seconds.
        device: the device of the training.
        ended: the search's elapsed seconds at the trial's end, by the worker's clock.
    """

    number: int
    trial: Trial | None
    diverged: str | None
    costs: Mapping[str, float]
    device: str
    ended: float


class _ToldBudget(Budget):
    """A worker's copy of the search's time budget, which follows changes of the deadline."""

    def __init__(self, job: Job, board: Blackboard) -> None:
        super().__init__(job.limit, job.costs)
        self._board, self._is_near = board, job.folder.is_dir()
        self.go_on(job.seconds + max(time.time() - job.sent, 0.0))

    def has(self, seconds: float) -> bool:
        if self._is_near:
            try:
                self.limit = self._board.end()
            except FileNotFoundError:
                self.stop()
        return super().has(seconds)


def train(job: Job, shared: Shared) -> Outcome:
    """Train a trial; the result includes the trial's state at the end of each learning-rate cycle.

    The search chooses a state for the ensemble.
    """
    number, board = job.tried.number, Blackboard(job.folder)
    budget, stages, diverged = _ToldBudget(job, board), list[Trial](), None
    if not budget.has(job.start):  # the job may have waited long for a worker
        return Outcome(number, None, None, budget.costs, str(cpu()), budget.seconds())
    board.tell_begin(number)

    def offer(stage: Trial) -> bool:
        stages.append(stage)
        return False

    with eager(), cpu(), _without_ctrl_c(job.process):
        training = training_of(
            shared, job.tried, np.random.default_rng([job.seed, number]), budget, offer, job.others,
            partial(board.tell, number),
        )  # fmt: skip
        try:
            training.run()
        except TimeIsOver:
            pass
        except NonFiniteLossError as error:
            diverged = str(error)
        trial = training.result()
    if trial is not None:
        earlier = tuple(stage for stage in stages if stage.best_epoch != trial.best_epoch)
        trial = dataclasses.replace(trial, earlier=earlier)
    device = getattr(job.tried.estimator, "device_", str(cpu()))
    return Outcome(number, trial, diverged, budget.costs, device, budget.seconds())


@contextmanager
def _without_ctrl_c(process: int) -> Generator[None]:
    """A context in which workers ignore Ctrl-C.

    A terminal sends Ctrl-C to all processes, but the search's process ends the others.
    """
    if os.getpid() == process or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
