"""How much sooner several processes have taken a training's steps, and what to expect of more of them.

    python benchmarks/distributed.py                     # 1 and 2 processes of one thread each, batch 1024
    python benchmarks/distributed.py --batch 256 --shards 8 --processes 2

The network is 784-256-256-10 under Adam. In one job, the first process alone and all of them take some steps in turn,
so that both sides see the same machine. Figures are the ratios of the medians of all steps, of their tenth percentiles,
and of the quickest steps, which tell most on a machine that does other things too: a step of several processes is as
slow as the one that is disturbed most. Then messages are
measured: their latency and bandwidth, in shared memory or, with ``--tcp``, by TCP within the machine. From that follows
what networks between machines would give (``--model``; "What to expect" in docs/scale.md).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIZES = (784, 256, 256, 10)
ROWS = 1 << 14


def _training(batch: int, shards: int, team: object):
    from lamina.estimators._initialize import build_network
    from lamina.estimators._losses import cross_entropy
    from lamina.estimators._sharded import ShardedTraining
    from lamina.estimators.architecture import Architecture
    from lamina.estimators.data import Data
    from lamina.estimators.network import Ensemble
    from lamina.estimators.settings import Settings

    rng = np.random.default_rng(0)
    numeric = rng.random((ROWS, SIZES[0]), np.float32)
    data = Data(numeric, None, rng.integers(0, SIZES[-1], ROWS).astype(np.float32))
    parts = Architecture(
        numbers=0, inputs=SIZES[0], cardinalities=(), outputs=SIZES[-1], hidden=SIZES[1:-1], activation="relu",
        dropout=0.0, number_embedding=False, input_scale=False, learned_activation=False, ntk=False,
    )  # fmt: skip
    network = Ensemble([build_network(parts, data, rng)])
    plan = Settings(max_iter=1, batch_size=batch, learning_rate_init=1e-3, shards=shards)
    training = ShardedTraining(network, cross_entropy(), plan, rng, [data], team=team)
    training._prepare(1000)
    return training


def _steps(training, batch: int, steps: int) -> list[float]:
    """The seconds of each step."""
    import lamina

    rows = training._rng.integers(0, ROWS, (steps, batch)).astype(np.int32)
    arrays = training._batches._arrays
    seconds: list[float] = []
    with lamina.eager():
        for i in range(steps):
            start = time.perf_counter()
            training._run(rows[i : i + 1], arrays, 0)
            seconds.append(time.perf_counter() - start)
    return seconds


def _message(comm, size: int, times: int = 60) -> float:
    """Seconds of one way of a message between the first two processes."""
    buffer, seconds = np.zeros(size, np.uint8), []
    for _ in range(times):
        comm.Barrier()
        start = time.perf_counter()
        if comm.Get_rank() == 0:
            comm.Send(buffer, 1)
            comm.Recv(buffer, 1)
        elif comm.Get_rank() == 1:
            comm.Recv(buffer, 0)
            comm.Send(buffer, 0)
        seconds.append((time.perf_counter() - start) / 2)
    return statistics.median(seconds)


def work(options: argparse.Namespace) -> None:
    """What each process does."""
    from mpi4py import MPI

    import lamina
    from lamina.distributed.communicator import Communicator, world

    lamina.set_num_threads(1)
    team, batch, shards = world(), options.batch, options.shards
    alone, together = Communicator(), team
    trainings = {1: _training(batch, shards, alone), team.size: _training(batch, shards, together)}
    times: dict[int, list[float]] = {size: [] for size in trainings}
    waited: list[float] = []
    for round in range(options.rounds + 1):
        for size, training in trainings.items():
            team.wait_for_all()
            if size == team.size or team.is_first:
                flat = training._flat
                flat.seconds = flat.waited = 0.0
                seconds = _steps(training, batch, options.steps)
                if round:  # the first compiles
                    times[size] += seconds
                    if size > 1:
                        waited.append(flat.waited / flat.seconds)
    messages = {size: _message(MPI.COMM_WORLD, size) for size in (8, 1 << 16, 1 << 20)}
    if not team.is_first:
        return
    found = {size: np.percentile(values, (0, 10, 50)) * 1e3 for size, values in times.items()}
    for size, (least, low, median) in found.items():
        print(f"{size} processes: {median:.2f} ms a step; a tenth below {low:.2f}, the least {least:.2f}")
    least, low, median = found[1] / found[team.size]
    print(
        f"times as many steps: {median:.2f} by the medians, {low:.2f} by the tenths, {least:.2f} by the least"
    )
    print(f"exchanging and waiting: {statistics.median(waited):.1%} of the time")
    rate = (1 << 20) / (messages[1 << 20] - messages[8])
    print(f"messages: {messages[8] * 1e6:.1f} µs for 8 bytes, {rate / 1e9:.2f} GB/s for 1 MiB")


# Measured on a core of a Zen 4 (AMD EPYC, AVX-512): milliseconds, of the network above.
_CALL, _ROW, _UPDATE = 0.05, 0.0128, 0.3
_ELEMENTS = 269_322
NETWORKS = {"10 Gbit/s": (10e9 / 8, 0.025), "100 Gbit/s": (100e9 / 8, 0.002)}
"""Bytes a second, and the latency in milliseconds: TCP's within this machine and a switch; RDMA."""


def expected(batch: int, processes: int, network: tuple[float, float]) -> float:
    """Milliseconds a step; see docs/scale.md."""
    bandwidth, latency = network
    computed = _CALL + _ROW * batch / processes + _UPDATE / processes
    moved = 4 * _ELEMENTS * (processes - 1) / processes / bandwidth * 1e3
    return computed + 2 * ((processes - 1) * latency + moved)


def _print_expected() -> None:
    for batch in (1024, 8192):
        alone = expected(batch, 1, NETWORKS["10 Gbit/s"])
        for processes in (8, 64):
            for name, network in NETWORKS.items():
                step = expected(batch, processes, network)
                print(
                    f"batch {batch}, {processes} nodes, {name}: {step:.2f} ms a step, {alone / step:.1f} times as many"
                )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tcp", action="store_true", help="messages by TCP instead of shared memory")
    parser.add_argument(
        "--model", action="store_true", help="only what to expect of networks between machines"
    )
    options = parser.parse_args()
    if options.model:
        _print_expected()
    elif "OMPI_COMM_WORLD_RANK" in os.environ:
        work(options)
    else:
        mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if mpirun is None:
            sys.exit("there is no mpirun here: pip install 'lamina[mpi]'")
        wire = ["--mca", "btl", "tcp,self"] if options.tcp else []
        command = [
            mpirun,
            "--bind-to",
            "core",
            *wire,
            "-n",
            str(options.processes),
            sys.executable,
            *sys.argv,
        ]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
