"""One contestant at one workload, in a process of its own.

Prints a line of JSON when it is ready, then one for each line that it reads: the seconds that the
work took, and the loss where the work ends with one (it tells whether all do the same).

    python benchmarks/worker.py lamina epoch --repeats 5
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import numpy as np
from tasks import Sample
from workloads import WORKLOADS

__all__ = ["main"]


def main() -> None:
    arguments = _arguments()
    _pin(arguments.threads)
    contestant = import_module(f"contestants.{arguments.contestant}_")
    workload = WORKLOADS[arguments.workload]
    calls = min(workload.calls, arguments.calls or workload.calls)
    start = time.perf_counter()
    on_gpu = workload.device == "gpu"
    try:
        if on_gpu:
            contestant.use_gpu()
        run = contestant.FACTORIES[workload.work](workload.task.limited(arguments.examples))
    except contestant.UNAVAILABLE as error:
        _say(unavailable=str(error).splitlines()[0])
        return
    share = run.share if isinstance(run, Sample) else 1.0
    _say(setup=time.perf_counter() - start, version=contestant.version(), share=share)
    for _ in _requests(arguments.repeats):
        start, cpu = time.perf_counter(), _cpu_seconds()
        for _ in range(calls):
            result = run()
        if on_gpu:
            contestant.wait()
        seconds = (time.perf_counter() - start) / share / calls
        _say(seconds=seconds, cpu=_cpu_seconds() - cpu, loss=_number(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant")
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--examples", type=int, help="fewer examples than the workload has")
    parser.add_argument("--calls", type=int, help="calls that are measured together")
    parser.add_argument(
        "--repeats", type=int, help="measure so often; default: once for each line on standard input"
    )
    return parser.parse_args()


def _pin(cores: int) -> None:
    """Keep every library to the same cores, whatever number of threads it has started or would like to start."""
    tasks = Path("/proc/self/task")
    if hasattr(os, "sched_setaffinity") and tasks.is_dir():
        chosen = sorted(os.sched_getaffinity(0))[:cores]
        for thread in tasks.iterdir():
            os.sched_setaffinity(int(thread.name), chosen)


def _requests(repeats: int | None) -> Iterable[object]:
    return sys.stdin if repeats is None else range(repeats)


def _number(result: object) -> float | None:
    return float(result) if isinstance(result, float | np.floating) else None


def _cpu_seconds() -> float:
    """What this process, its threads and its finished children have used of the processors."""
    return sum(os.times()[:4])


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
