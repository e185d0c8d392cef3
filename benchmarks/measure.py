"""Contestants' processes, measured in rounds: in each round everybody takes a turn, so that drifts hit all alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import worker_environment

__all__ = ["Contestant", "measure_in_rounds"]

_WORKER = Path(__file__).with_name("worker.py")
_PAUSE = 0.15
"""Seconds between two turns, in which the last contestant's threads stop spinning."""
_QUIET = 0.05
"""A turn counts as undisturbed if other processes took less than this share of the machine."""


@dataclass
class Contestant:
    """A contestant at a workload: its process and its times."""

    name: str
    workload: str
    threads: int
    examples: int | None = None
    version: str = ""
    extrapolated: bool = False
    unavailable: str = ""
    setup: float = 0.0
    turns: list[tuple[float, float]] = field(default_factory=list)
    """For each turn: seconds, and the share of the machine that others used meanwhile."""

    def start(self) -> None:
        arguments = [self.name, self.workload, "--threads", str(self.threads)]
        if self.examples is not None:
            arguments += ["--examples", str(self.examples)]
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(self.threads),
        )
        self._note(self._answer())

    def _note(self, ready: dict[str, Any]) -> None:
        self.unavailable = ready.get("unavailable", "")
        self.version = ready.get("version", "")
        self.extrapolated = ready.get("share", 1.0) < 1
        self.setup = ready.get("setup", 0.0)

    def turn(self) -> None:
        """Do the unit of work once."""
        busy, start = _busy_seconds(), time.perf_counter()
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._answer()
        if self.unavailable:
            return
        elapsed, others = time.perf_counter() - start, _busy_seconds() - busy - answer["cpu"]
        self.turns.append((answer["seconds"], max(0.0, others) / elapsed / (os.cpu_count() or 1)))

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        _, errors = self._process.communicate()
        self.unavailable = "failed: " + (errors.strip().splitlines() or ["no message"])[-1][:90]
        return {"unavailable": self.unavailable}

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
    contestants: list[Contestant], repeats: int, progress: Callable[[str], None], fresh: bool = False
) -> None:
    """Give everybody `repeats` turns, and up to as many again while other processes disturb.

    The first turn of a process is a warm-up and does not count, unless each turn gets a `fresh` process.
    """
    if not fresh:
        for contestant in contestants:
            progress(f"{contestant.name} starts")
            contestant.start()
            _warm_up(contestant)
    for number in range(2 * repeats):
        waiting = [c for c in contestants if not c.unavailable and len(c.quiet) < repeats]
        if not waiting or (number >= repeats and not any(c.disturbed or len(c.quiet) < 2 for c in waiting)):
            break
        for contestant in waiting:
            progress(f"round {number + 1}: {contestant.name}")
            if fresh:
                contestant.start()
            time.sleep(_PAUSE)
            if not contestant.unavailable:
                contestant.turn()
            if fresh:
                contestant.stop()
    if not fresh:
        for contestant in contestants:
            contestant.stop()


def _warm_up(contestant: Contestant) -> None:
    if not contestant.unavailable:
        contestant.turn()
        contestant.turns.clear()


def _busy_seconds() -> float:
    """Seconds that all processors together have worked since the machine started; 0 where that is not known."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
