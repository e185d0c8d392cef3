"""Batching of prediction requests: requests that arrive during a batch's computation form the next batch.

If nothing is running, the requests that were read in the same turn of the event loop are computed at once, so that
batching adds no latency to an idle server. One thread computes for all models, since the kernels use all cores
themselves.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.serve._model import Model
from lamina.serve._rows import Inputs, joined

_MOST_ROWS = 2048
"""Maximum number of rows of a batch of several requests, so that waits are short; a single request may have more."""


@dataclass(frozen=True)
class Batch:
    """Statistics of requests that were computed together.

    Attributes:
        requests, rows: the numbers of requests and of rows.
        begin, end: the begin and end of the computation, in nanoseconds since 1970.
    """

    requests: int
    rows: int
    begin: int
    end: int


@dataclass
class _Job:
    model: Model
    inputs: Inputs
    answer: asyncio.Future[tuple[np.ndarray, Batch]]


class Batcher:
    """The queue of prediction requests, and the thread that computes them in batches.

    Args:
        observe: called with each computed batch.
        waits: called with the number of waiting requests, whenever this number changes.
    """

    def __init__(self, observe: Callable[[Batch], object], waits: Callable[[int], object]) -> None:
        self._observe, self._waits = observe, waits
        self._arrived: list[_Job] = []  # in this turn of the event loop
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="lamina-predictions", daemon=True)
        self._thread.start()

    async def outputs(self, model: Model, inputs: Inputs) -> tuple[np.ndarray, Batch]:
        """Compute the outputs for a request's rows, and return them with the request's batch.

        Raises the model's errors.
        """
        loop = asyncio.get_running_loop()
        job = _Job(model, inputs, loop.create_future())
        if not self._arrived:
            loop.call_soon(self._enqueue)
        self._arrived.append(job)
        return await job.answer

    def _enqueue(self) -> None:
        with self._changed:
            self._waiting += self._arrived
            self._waits(len(self._waiting))
            self._changed.notify()
        self._arrived.clear()

    def end(self) -> None:
        """Compute the requests in the queue, and stop the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    # --- in the thread -------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while jobs := self._next():
            begin = time.time_ns()
            results = _computed(jobs)
            batch = Batch(len(jobs), sum(job.inputs.rows for job in jobs), begin, time.time_ns())
            self._observe(batch)
            _deliver(jobs, results, batch)

    def _next(self) -> list[_Job]:
        """Wait for requests, and return the next batch, whose requests are for the same version of a model.

        After `end`, the batch is empty.
        """
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            jobs: list[_Job] = []
            others: list[_Job] = []
            rows = 0
            while self._waiting and (not jobs or rows < _MOST_ROWS):
                job = self._waiting.popleft()
                # A cancelled request has timed out; the last one is computed anyway.
                if job.answer.cancelled() and (jobs or self._waiting):
                    continue
                if jobs and (job.model is not jobs[0].model or rows + job.inputs.rows > _MOST_ROWS):
                    others.append(job)
                    continue
                jobs.append(job)
                rows += job.inputs.rows
            self._waiting.extendleft(reversed(others))
            self._waits(len(self._waiting))
            return jobs


def _computed(jobs: Sequence[_Job]) -> list[Any]:
    """The outputs of each request, or its error, which does not affect other requests."""
    try:
        outputs = jobs[0].model.outputs(joined([job.inputs for job in jobs]))
    except Exception as error:
        return [error] if len(jobs) == 1 else [result for job in jobs for result in _computed([job])]
    ends = np.cumsum([job.inputs.rows for job in jobs])
    return np.split(outputs, ends[:-1])


def _deliver(jobs: Sequence[_Job], results: Sequence[Any], batch: Batch) -> None:
    def settle() -> None:
        for job, result in zip(jobs, results, strict=True):
            if job.answer.done():
                continue
            if isinstance(result, Exception):
                job.answer.set_exception(result)
            else:
                job.answer.set_result((result, batch))

    with suppress(RuntimeError):  # the event loop is closed, so no request waits
        jobs[0].answer.get_loop().call_soon_threadsafe(settle)
