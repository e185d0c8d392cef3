"""Worker processes that serve the same port: start, restart and shutdown.

Each worker is a complete server with its own copy of the models. The workers share the listening socket, so that the
system gives each connection to a free process. The parent process loads no model, and passes signals on to the workers,
which also end when the parent ends for any reason.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from lamina.errors import LaminaError
from lamina.serve._log import EVENTS, logging_to_stderr
from lamina.support.contexts import environment, signals_handled
from lamina.support.files.staging import scratch

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with prometheus-client's folder for counts shared among processes."""

_THREADS = "LAMINA_NUM_THREADS"
_LONGEST_PAUSE = 30.0
_MORE = 10.0
"""Seconds for workers to end, in addition to the time limit of their last requests."""

ENDING = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a server."""

Begun = Callable[[str, dict[str, dict[str, Any]]], object]
Serve = Callable[[Sequence[str], Any, socket.socket, Begun], None]
"""A worker's function: serves runs with settings at a socket, and reports when it has begun."""


@dataclass
class _Worker:
    process: Any
    said: Connection
    is_ready: bool = False


def run_workers(
    serve: Serve, runs: Sequence[str], settings: Any, listener: socket.socket, begun: Begun
) -> None:
    """Run `settings.workers` worker processes until SIGTERM or SIGINT, and wait for their end.

    A second signal ends the workers at once.

    Raises:
        LaminaError: a worker can't start, or the system is Windows.
        KeyboardInterrupt: a signal came before all workers were ready.
    """
    if sys.platform == "win32":
        raise LaminaError("--workers: processes can't share a port on Windows; start several servers")
    with _environment(settings.workers), _signals() as signals:
        team = _Team(serve, runs, settings, listener)
        try:
            address, examples = team.start(signals)
            begun(address, examples)
            team.watch(signals)
            listener.close()  # now only the workers listen
            team.end(signals)
        finally:
            team.kill()


class _Team:
    def __init__(self, serve: Serve, runs: Sequence[str], settings: Any, listener: socket.socket) -> None:
        self._arguments = (serve, list(runs), settings, listener)
        self._settings = settings
        self._workers: list[_Worker] = []
        self._pause, self._due = 0.0, 0.0

    def start(self, signals: _Signals) -> tuple[str, dict[str, dict[str, Any]]]:
        """Start all workers, and wait until they are ready; return the address, and each model's example request."""
        self._workers = [self._new() for _ in range(self._settings.workers)]
        found: Any = None
        while not all(worker.is_ready for worker in self._workers):
            self._wait(signals, None)
            if signals.count:
                raise KeyboardInterrupt
            for worker in self._workers:
                found = self._heard(worker) or found
                if not worker.process.is_alive():
                    self._heard(worker)  # raises the worker's error, if it reported one
                    raise LaminaError(f"a worker ended during its start ({_how(worker.process.exitcode)})")
        return found

    def watch(self, signals: _Signals) -> None:
        """Replace workers that die, until a signal comes."""
        while not signals.count:
            missing = self._settings.workers - len(self._workers)
            self._wait(signals, max(0.0, self._due - time.monotonic()) if missing else None)
            for worker in list(self._workers):
                try:
                    if self._heard(worker) is not None:
                        self._pause = 0.0
                except LaminaError as error:
                    EVENTS.error("a new worker can't start: %s", error)
                if not worker.process.is_alive():
                    self._lost(worker)
            if len(self._workers) < self._settings.workers and time.monotonic() >= self._due:
                self._workers.append(self._new())

    def _lost(self, worker: _Worker) -> None:
        """Schedule the replacement of a dead worker, with a pause if workers die repeatedly."""
        self._forget(worker)
        how = _how(worker.process.exitcode)
        EVENTS.error("worker %d ended (%s); a new worker takes its place", worker.process.pid, how)
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause or 1.0, _LONGEST_PAUSE)

    def end(self, signals: _Signals) -> None:
        """Send SIGTERM to all workers, and wait until they have ended, or for another signal.

        The wait lasts at most the time limit of a request and some seconds.
        """
        for worker in self._workers:
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGTERM)
        until, before = time.monotonic() + self._settings.limits.seconds + _MORE, signals.count
        while self._workers and signals.count == before and time.monotonic() < until:
            self._wait(signals, until - time.monotonic())
            for worker in list(self._workers):
                if not worker.process.is_alive():
                    self._forget(worker)

    def kill(self) -> None:
        for worker in list(self._workers):
            worker.process.kill()
            self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        from prometheus_client import multiprocess

        worker.process.join()
        worker.said.close()
        self._workers.remove(worker)
        multiprocess.mark_process_dead(worker.process.pid)

    def _new(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        said, saying = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(saying, *self._arguments), name="lamina-worker")
        resource_tracker.ensure_running()  # before signals are blocked, since its start unblocks them
        with _held_back(signal.SIGINT):  # stays blocked in the worker, which a terminal's Ctrl-C would reach
            process.start()
        saying.close()
        return _Worker(process, said)

    def _heard(self, worker: _Worker) -> Any:
        """The first message of a worker, which then is ready; None if there is no such message.

        Raises:
            LaminaError: the worker reports an error.
        """
        if worker.is_ready or not worker.said.poll():
            return None
        try:
            found = worker.said.recv()
        except EOFError:
            return None
        if isinstance(found, str):
            raise LaminaError(found)
        worker.is_ready = True
        return found

    def _wait(self, signals: _Signals, seconds: float | None) -> None:
        """Wait until a worker sends a message or ends, a signal comes, or `seconds` have passed."""
        starting = [worker.said for worker in self._workers if not worker.is_ready]
        wait([signals.woken, *starting, *(worker.process.sentinel for worker in self._workers)], seconds)
        signals.quiet()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"


# --- signals and the environment -------------------------------------------------------------------------------------


class _Signals:
    """A counter of signals, which also wakes the thread that waits for them."""

    def __init__(self, woken: Connection, waking: Connection) -> None:
        self.count, self.woken, self._waking = 0, woken, waking

    def take(self, *_signal: Any) -> None:
        self.count += 1
        self._waking.send_bytes(b".")

    def quiet(self) -> None:
        """Discard earlier wake-ups, so that only the next signal wakes the thread."""
        while self.woken.poll():
            self.woken.recv_bytes()


@contextmanager
def _signals() -> Generator[_Signals]:
    woken, waking = multiprocessing.Pipe(duplex=False)
    signals = _Signals(woken, waking)
    with woken, waking, signals_handled(signals.take, *ENDING):
        yield signals


@contextmanager
def _held_back(one: signal.Signals) -> Generator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, [one])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [one])


@contextmanager
def _environment(workers: int) -> Generator[None]:
    """Set the workers' environment variables within this context: the metrics folder, and the threads per worker."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    threads = os.environ.get(_THREADS) or str(max(1, cores // workers))
    with scratch("lamina-metrics-") as folder, environment({METRICS_FOLDER: str(folder), _THREADS: threads}):
        yield


# --- in a worker -----------------------------------------------------------------------------------------------------


def _work(saying: Connection, serve: Serve, runs: list[str], settings: Any, listener: socket.socket) -> None:
    """Serve in a worker process; send the address and examples, or an error, to the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with logging_to_stderr(settings.access, settings.level):
        try:
            serve(runs, settings, listener, lambda *found: saying.send(found))
        except (LaminaError, OSError, MemoryError) as error:
            saying.send(f"{error}" or type(error).__name__)
            sys.exit(2)


def _end_with_parent() -> None:
    """Wait until the parent process ends; then end this process, as at SIGTERM."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
