"""One row through 784-256-256-10: an exported library beside ONNX Runtime, in turns.

    python benchmarks/library.py [--rounds 200]

Both predict the same rows: digits of MNIST's test set, and rows of random numbers, of which none is 0. The library is
called through ctypes, ONNX Runtime through its Python interface; what either interface takes is part of the time. Each
round times some calls of one and then of the other; printed are the medians, and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

import lamina
from lamina import nd
from lamina.datasets import mnist
from lamina.export.library import export_library
from lamina.gluon import nn

SIZES = (784, 256, 256, 10)
CALLS = 50


def network() -> nn.HybridSequential:
    """Three dense layers; how fast they are does not depend on what they learned."""
    lamina.random.seed(0)
    net = nn.HybridSequential()
    for inputs, units in itertools.pairwise(SIZES):
        net.add(nn.Dense(units, in_units=inputs, activation="relu" if units != SIZES[-1] else None))
    net.initialize(lamina.init.Xavier())
    return net


def library(net: nn.HybridSequential, folder: Path) -> Callable[[np.ndarray], Callable[[], np.ndarray]]:
    """For a row, what predicts it with the exported library."""
    export_library(net, folder / "net.so")
    function = ctypes.CDLL(str(folder / "net.so")).net_predict
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    result = np.empty(SIZES[-1], np.float32)

    def caller(row: np.ndarray) -> Callable[[], np.ndarray]:
        source, target = row.ctypes.data, result.ctypes.data

        def call() -> np.ndarray:
            function(source, 1, target)
            return result

        return call

    return caller


def runtime(
    net: nn.HybridSequential, threads: int, folder: Path
) -> Callable[[np.ndarray], Callable[[], np.ndarray]]:
    """For a row, what predicts it with ONNX Runtime, from the file that `lamina.export_onnx` writes."""
    lamina.export_onnx(net, folder / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda row: lambda: session.run(None, {name: row})[0]


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime")
    asked = parser.parse_args()
    net = network()
    digits = mnist().test_images.reshape(-1, 784)[:64].astype(np.float32) / 255
    noise = np.random.default_rng(0).normal(size=(64, 784)).astype(np.float32)
    machine = platform.processor() or platform.machine()
    print(f"{machine}, ONNX Runtime {onnxruntime.__version__} with {asked.threads} thread(s)")
    with tempfile.TemporaryDirectory() as folder:
        compiled = lamina.compile(net)  # operators one by one are NumPy's, whose sums have other last bits
        ours, theirs = library(net, Path(folder)), runtime(net, asked.threads, Path(folder))
        for name, rows in (("digits", digits), ("random numbers", noise)):
            times: list[tuple[float, float]] = []
            for i in range(asked.rounds):
                row = rows[i % len(rows)][None].copy()
                np.testing.assert_array_equal(ours(row)(), compiled(nd.array(row)).asnumpy()[0])
                np.testing.assert_allclose(ours(row)(), theirs(row)()[0], atol=1e-5)
                times.append((seconds(ours(row)), seconds(theirs(row))))
            mine, other = (1e6 * statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(a / b for a, b in times)
            print(f"{name}: library {mine:.1f} us, ONNX Runtime {other:.1f} us a row, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
