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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import PicklingError
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from lamina.compiler.deferral import eager
from lamina.core.threads import divided_threads
from lamina.device.context import cpu
from lamina.errors import LaminaError, NonFiniteLossError
from lamina.estimators.search.candidates import training_of
from lamina.estimators.search.training import Configuration, Shared
from lamina.estimators.search.trial import Budget, Curve, TimeIsOver, Trial
from lamina.support.files.staging import scratch
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

    with eager(), cpu(), _without_ctrl_c():
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
def _without_ctrl_c() -> Generator[None]:
    """A context in which workers ignore Ctrl-C.

    A terminal sends Ctrl-C to all processes, but the search's process ends the others. In that process, joblib's tasks
    run in threads other than the main one, which alone gets Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- parallel training by joblib, in threads or with the backend that `joblib.parallel_config` sets -------------------
# Threads are the best default. A training spends 60 % (hundreds of rows) to 95 % (thousands of rows) of its time in
# compiled code, one call per epoch, with Python's global interpreter lock released. Threads also share data and code,
# whereas each process would load lamina and compile again, which takes as long as a few small trials.


_TICK = 0.25
"""Seconds between checks of running trials' epochs."""

Event = Job | Outcome | tuple[int, Epoch] | None


class SideBySide:
    """A context in which joblib trains trials in parallel; the workers end with the context.

    Args:
        jobs: the number of parallel jobs.
        shared: the common data.
        next_job: returns the next job, or None if no job can start until another job ends. It is called from any
            thread, but never by two threads at the same time.
    """

    def __init__(self, jobs: int | None, shared: Shared, next_job: Callable[[Path], Job | None]) -> None:
        self._jobs, self._shared, self._next_job = jobs, shared, next_job
        self._events: SimpleQueue[Outcome | BaseException | None] = SimpleQueue()
        self._running: dict[int, Job] = {}
        self._begun: set[int] = set()
        self._is_at_work = False

    def __enter__(self) -> SideBySide:
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(scratch("lamina-search-"))
        self.board = Blackboard(self._folder)
        parallel = _parallel(self._jobs)
        if getattr(parallel._backend, "uses_threads", False):  # threads share this process's
            self._stack.enter_context(divided_threads(parallel.n_jobs))
        self._parallel = self._stack.enter_context(parallel)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def events(self) -> Iterator[Event]:
        """Yield the events of jobs: a job has begun, or an epoch or a trial has ended.

        The value None is yielded a few times per second, too. The iterator ends when no job is running and none
        remains.

        Raises:
            LaminaError: a worker was killed, or a job can't be sent to it.
        """
        while (first := self._begin()) is not None:
            self._is_at_work = True
            threading.Thread(target=self._work, args=(first,), daemon=True, name="lamina-search").start()
            yield from self.rest()

    def rest(self, seconds: float | None = None) -> Iterator[Event]:
        """Yield the events of running jobs until no job is running, or for at most `seconds`."""
        until = None if seconds is None else time.perf_counter() + seconds
        while self._is_at_work and (until is None or time.perf_counter() < until):
            try:
                event = self._events.get(timeout=_TICK)
            except Empty:
                for number in sorted(self._running.copy()):
                    yield from self._told(number)
                yield None
                continue
            if event is None or isinstance(event, BaseException):
                self._is_at_work = False
                if event is not None:
                    raise _explained(event) from event
                return
            yield from self._told(event.number, has_ended=event.trial is not None)
            self._running.pop(event.number, None)
            yield event

    def _told(self, number: int, *, has_ended: bool = False) -> Iterator[Job | tuple[int, Epoch]]:
        """Yield the new events of a trial: the job, after its start, and then epochs.

        A job may wait before it begins, since joblib accepts more jobs than there are workers.
        """
        if number not in self._begun and (has_ended or self.board.has_begun(number)):
            self._begun.add(number)
            yield self._running[number]
        for epoch in self.board.told(number):
            yield number, epoch

    def _begin(self) -> Job | None:
        job = self._next_job(self._folder)
        if job is not None:
            self._running[job.tried.number] = job
        return job

    def _work(self, first: Job) -> None:
        """Run jobs by joblib until no job remains.

        The loop runs in a separate thread.
        """

        def tasks() -> Iterator[Any]:
            job: Job | None = first
            while job is not None:
                yield delayed(train)(job, self._shared)
                job = self._begin()

        try:
            for outcome in self._parallel(tasks()) or ():
                self._events.put(outcome)
        except BaseException as error:
            self._events.put(error)
        else:
            self._events.put(None)


def _parallel(jobs: int | None) -> Parallel:
    """A joblib `Parallel` that returns results as tasks end.

    Each worker gets one task at a time.
    """
    how: dict[str, Any] = {"pre_dispatch": "n_jobs", "batch_size": 1, "prefer": "threads"}
    try:
        return Parallel(jobs, return_as="generator_unordered", **how)
    except ValueError:  # a backend, such as Ray's, that returns all results at the end
        return Parallel(jobs, **how)


def _explained(error: BaseException) -> BaseException:
    """The error to raise instead of an error from joblib.

    Known errors get an explanation.
    """
    if isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker":
        return LaminaError(
            "a process that trained a trial was killed, probably for lack of memory; train fewer trials in parallel "
            "(n_jobs, --jobs)"
        )
    if isinstance(error, PicklingError):
        return LaminaError(f"a trial cannot be sent to another process: {error}; use n_jobs=1")
    return error
