"""Parallel training of trials by joblib, in threads or with the backend that `joblib.parallel_config` sets.

Threads are the best default. A training spends 60 % (hundreds of rows) to 95 % (thousands of rows) of its time in
compiled code, one call per epoch, with Python's global interpreter lock released. Threads also share data and code,
whereas each process would load lamina and compile again, which takes as long as a few small trials.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from pathlib import Path
from pickle import PicklingError
from queue import Empty, SimpleQueue
from typing import Any

from joblib import Parallel, delayed

from lamina.core.threads import get_num_threads, propose_num_threads
from lamina.errors import LaminaError
from lamina.estimators.search.training import Shared
from lamina.estimators.search.worker import Blackboard, Job, Outcome, train
from lamina.support.files.staging import scratch
from lamina.training.loop import Epoch

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
            threads = get_num_threads()
            self._stack.callback(propose_num_threads, threads)
            propose_num_threads(max(threads // parallel.n_jobs, 1))
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
