"""The start time of the command, from which its time limit counts."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_begun = [time.perf_counter()]


def begin(*, of_process: bool) -> None:
    """Set the command's start time to now, or to the start of the process, before all imports."""
    _begun[0] = time.perf_counter() - (_age_of_process() if of_process else 0.0)


def started() -> float:
    """The command's start time, by `time.perf_counter`."""
    return _begun[0]


def since_start() -> float:
    """The seconds since the command's start."""
    return time.perf_counter() - _begun[0]


def _age_of_process() -> float:
    """The seconds since this process began, or its CPU seconds if the system does not report the start time."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return time.process_time()
