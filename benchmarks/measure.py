"""Contestants' processes, measured in rounds: in each round everybody takes a turn, so that drifts hit all alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import worker_environment
from workloads import WORKLOADS, Workload

__all__ = ["Contestant", "measure_in_rounds"]

_WORKER = Path(__file__).with_name("worker.py")
_PAUSE = 0.15
"""Seconds between two turns, in which the last contestant's threads stop spinning."""
_QUIET = 0.05
"""A turn counts as undisturbed if other processes took less than this share of the machine."""
_TICKS = 0.03
"""Seconds that the system's count of busy time may be off."""


@dataclass
class Contestant:
    """A contestant at a workload: its process and its times."""

    entry: str
    """``name``, or ``name@workload`` if it does another workload than the others."""
    workload: str
    threads: int
    examples: int | None = None
    calls: int | None = None
    version: str = ""
    extrapolated: bool = False
    unavailable: str = ""
    turns: list[tuple[float, float]] = field(default_factory=list)
    """For each turn: seconds, and the share of the machine that others used meanwhile."""

    def start(self, cache: Path) -> None:
        """Start the process; what it keeps on disk goes to `cache`."""
        name, _, other = self.entry.partition("@")
        arguments = [name, other or self.workload, "--threads", str(self.threads)]
        for option, value in (("--examples", self.examples), ("--calls", self.calls)):
            if value is not None:
                arguments += [option, str(value)]
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(self.threads, cache),
        )
        ready = self._answer()
        self.unavailable = ready.get("unavailable", "")
        self.version = ready.get("version", "")
        self.extrapolated = ready.get("share", 1.0) < 1

    def turn(self) -> None:
        """Do the unit of work once."""
        if self.unavailable:
            return
        busy, start = _busy_seconds(), time.perf_counter()
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.unavailable = answer.get("unavailable", "")
        if not self.unavailable:
            elapsed = time.perf_counter() - start
            others = max(0.0, _busy_seconds() - busy - answer["cpu"] - _TICKS)
            self.turns.append((answer["seconds"], others / elapsed / (os.cpu_count() or 1)))

    def warm_up(self) -> None:
        """A turn that does not count."""
        self.turn()
        self.turns.clear()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        _, errors = self._process.communicate()
        return {"unavailable": "failed: " + (errors.strip().splitlines() or ["no message"])[-1]}

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.communicate("")

    @property
    def quiet(self) -> list[float]:
        """The times of the undisturbed turns."""
        return [seconds for seconds, others in self.turns if others < _QUIET]

    @property
    def disturbed(self) -> bool:
        """Whether there was no undisturbed turn, so that all had to count."""
        return not self.quiet

    @property
    def seconds(self) -> float:
        """The median over the undisturbed turns, or over all if there are none."""
        return statistics.median(self.quiet or [seconds for seconds, _ in self.turns])


def measure_in_rounds(
    contestants: list[Contestant], repeats: int, patience: float, progress: Callable[[str], None]
) -> None:
    """Give everybody `repeats` turns, and up to as many again for those that other processes disturbed.

    A turn waits up to `patience` seconds for other processes to be quiet. With none, no turn is repeated either.
    """
    workload = WORKLOADS[contestants[0].workload]
    with tempfile.TemporaryDirectory() as caches:
        processes = Processes(workload, Path(caches))
        for contestant in contestants:
            progress(f"{contestant.entry} starts")
            processes.begin(contestant)
        for number in range(2 * repeats if patience else repeats):
            for contestant in contestants:
                if not contestant.unavailable and len(contestant.quiet) < repeats:
                    progress(f"round {number + 1}: {contestant.entry}")
                    _wait_until_quiet(patience)
                    processes.turn(contestant)
        for contestant in contestants:
            contestant.stop()


class Processes:
    """When contestants get a new process, and what it finds on disk."""

    def __init__(self, workload: Workload, caches: Path) -> None:
        self._kind, self._caches = workload.process, caches
        self._count = 0

    def begin(self, contestant: Contestant) -> None:
        """A lasting process warms up. One that is to find another's machine code needs that other one first."""
        self._start(contestant)
        if self._kind != "cold":
            contestant.warm_up()

    def turn(self, contestant: Contestant) -> None:
        if self._kind != "lasting":
            contestant.stop()
            self._start(contestant)
        contestant.turn()

    def _start(self, contestant: Contestant) -> None:
        self._count += 1
        cache = self._caches / (str(self._count) if self._kind == "cold" else contestant.entry)
        cache.mkdir(exist_ok=True)
        contestant.start(cache)


def _wait_until_quiet(patience: float) -> None:
    """Wait for the last contestant's threads to sleep, and a little longer for other processes."""
    deadline = time.perf_counter() + patience
    cores = os.cpu_count() or 1
    while True:
        busy = _busy_seconds()
        time.sleep(_PAUSE)
        if _busy_seconds() - busy - _TICKS < _QUIET * _PAUSE * cores or time.perf_counter() > deadline:
            return


def _busy_seconds() -> float:
    """Seconds that all processors together have worked since the machine started; 0 where that is not known."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
