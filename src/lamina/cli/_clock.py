"""When the command began, from which a time limit counts."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["begin", "since_start", "started"]

_begun = [time.perf_counter()]


def begin(*, of_process: bool) -> None:
    """The command begins now, or began with this process: starting Python and importing are part of a command."""
    _begun[0] = time.perf_counter() - (_age_of_process() if of_process else 0.0)


def started() -> float:
    """When the command began, by `time.perf_counter`."""
    return _begun[0]


def since_start() -> float:
    """The seconds since the command began."""
    return time.perf_counter() - _begun[0]


def _age_of_process() -> float:
    """The seconds since this process began, where the system tells; else those that it has computed."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return time.process_time()
