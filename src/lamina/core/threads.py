"""The number of threads of compiled functions."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lamina.errors import LaminaError

_MOST_THREADS = 1024
_num_threads: int | None = None
_usual_threads: int | None = None
_jobs = [1]
"""The numbers of parallel jobs among which active contexts divide the threads."""


def get_num_threads() -> int:
    """The number of threads on which compiled functions run.

    It is set by `set_num_threads` or the environment variable `LAMINA_NUM_THREADS`. The default is the number of cores
    that this process may use, but at most `OMP_NUM_THREADS`, which joblib, Dask and Ray set for their workers. Affinity
    and the control group's quota limit the cores; processes started by MPI share them equally.
    """
    global _usual_threads  # noqa: PLW0603
    if _num_threads is None and _usual_threads is None:
        _usual_threads = _default_threads()
    return max((_num_threads or _usual_threads or 1) // max(_jobs), 1)


def propose_num_threads(threads: int) -> None:
    """Set the maximum number of threads of compiled functions, unless the user has set a number."""
    global _usual_threads  # noqa: PLW0603
    if not os.environ.get("LAMINA_NUM_THREADS", "").strip():
        _usual_threads = min(threads, _default_threads())


def set_num_threads(threads: int) -> None:
    """Set the number of threads on which compiled functions run from now on; results don't depend on it.

    Raises `LaminaError` unless 1 <= threads <= 1024.

    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    """
    global _num_threads  # noqa: PLW0603
    _num_threads = _checked(threads, f"set_num_threads({threads!r})")


@contextmanager
def divided_threads(jobs: int) -> Generator[None]:
    """A context in which compiled functions run on the threads divided by `jobs`, and on at least one."""
    _jobs.append(jobs)
    try:
        yield
    finally:
        _jobs.remove(jobs)


def _default_threads() -> int:
    text = os.environ.get("LAMINA_NUM_THREADS", "").strip()
    if not text:
        # It may be a list, with a number for each level of nested parallelism; OpenMP reports invalid ones itself.
        others = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        most = int(others) if others.isdigit() and int(others) > 0 else _MOST_THREADS
        return min(available_cores(), most)
    if not text.isdigit():
        raise LaminaError(
            f"LAMINA_NUM_THREADS must be a whole number from 1 to {_MOST_THREADS}, not {text!r}"
        )
    return _checked(int(text), f"LAMINA_NUM_THREADS={text}")


def _checked(threads: int, where: str) -> int:
    if not 1 <= threads <= _MOST_THREADS:
        raise LaminaError(f"{where}: the number of threads must be from 1 to {_MOST_THREADS}")
    return threads


@cache
def available_cores() -> int:
    """The number of cores that this process may use by its affinity and its control group's quota, rounded up.

    On Apple's processors only the fast cores count, since all threads get equal shares of the work.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = _fast_apple_cores() or os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cores, quota)) if quota is not None else cores


def _fast_apple_cores() -> int | None:
    """The number of cores at macOS's first (fastest) performance level; None elsewhere."""
    if sys.platform != "darwin":
        return None
    cores, size = ctypes.c_int32(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int32))
    name = b"hw.perflevel0.logicalcpu"
    failed = ctypes.CDLL(None).sysctlbyname(
        name, ctypes.byref(cores), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return None if failed else cores.value


def _cgroup_quota() -> int | None:
    for read in (_cgroup2_quota, _cgroup1_quota):
        try:
            quota, period = read()
        except (OSError, ValueError):
            continue
        return -(-quota // period) if quota > 0 and period > 0 else None
    return None


def _cgroup2_quota() -> tuple[int, int]:
    quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    return (int(quota) if quota != "max" else -1), int(period)


def _cgroup1_quota() -> tuple[int, int]:
    files = (Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    quota, period = (file.read_text() for file in files)
    return int(quota), int(period)
