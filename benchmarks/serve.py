"""``lamina serve`` under load, beside the same network behind a plain FastAPI application with ONNX Runtime.

    python benchmarks/serve.py                       # 1, 16 and 256 connections, three rounds, some 2 minutes
    python benchmarks/serve.py --rows 32             # requests of 32 rows
    python benchmarks/serve.py --minutes 10          # lamina alone: whether its memory stays flat

The load is wrk's (Debian's package ``wrk``), on the machine that serves, so that it takes its share of the processor.
The network is MNIST's, 784-256-256-10, trained for an epoch. Every answer is compared with the first: any difference
is counted as wrong. While wrk asks for one picture, four other clients ask for pictures of all kinds, whose labels are
to be those that the network gives in Python. Contestants take turns, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import environment

PACKAGES = ("fastapi", "onnx", "onnxruntime", "uvicorn", "httptools", "starlette", "prometheus-client")
CONNECTIONS = (1, 16, 256)
_HERE = Path(__file__).resolve().parent

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args)
  local file = io.open(args[1], "r"); wrk.body = file:read("*a"); file:close()
  wrong, first = 0, nil
end
function response(status, headers, body)
  if first == nil then first = body end
  if status ~= 200 or body ~= first then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
  local e = summary.errors
  print(string.format(
    '{"p50": %g, "p99": %g, "max": %g, "rate": %g, "wrong": %d, "status": %d, "timeout": %d, "socket": %d}',
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    summary.requests / summary.duration * 1e6, wrong, e.status, e.timeout, e.connect + e.read + e.write))
end
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1, help="of each request")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="of load on lamina alone, whose memory is watched")
    asked = parser.parse_args()
    environment.enter(*PACKAGES)
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "load.lua").write_text(_SCRIPT)
        pictures, labels = _prepare(work, asked.rows)
        if asked.minutes:
            _watch_memory(work, asked.minutes, pictures, labels)
        else:
            _compare(work, asked, pictures, labels)


# --- what is served --------------------------------------------------------------------------------------------------


def _prepare(work: Path, rows: int) -> tuple[list[Any], list[int]]:
    """Train; write ONNX, too, and the body that wrk sends. Some test pictures and the labels that the network gives."""
    import numpy as np

    from lamina import nd
    from lamina.datasets import mnist
    from lamina.recipes.run import network_of_run

    run = work / "digits"
    train = [
        sys.executable,
        "-m",
        "lamina",
        "train",
        "mnist",
        "--epochs",
        "1",
        "--hidden",
        "256,256",
        "--out",
        str(run),
    ]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    network = network_of_run(run)
    _write_onnx(work / "digits.onnx", {name: x.asnumpy() for name, x in network.parameters.items()})
    images = mnist().test_images[:500].reshape(500, 784)
    labels = network(nd.array(images, dtype=np.uint8)).asnumpy().argmax(axis=1).tolist()
    pictures = images.tolist()
    (work / "body.json").write_text(json.dumps({"rows": pictures[:rows]}))
    return pictures, labels


def _write_onnx(path: Path, arrays: dict[str, Any]) -> None:
    """The network by hand: bytes to probabilities."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "white"], ["h0"]),
    ]
    initializers = [numpy_helper.from_array(np.float32(255), "white")]
    layers = len(arrays) // 2
    for i in range(1, layers + 1):
        initializers += [numpy_helper.from_array(arrays[name], name) for name in (f"W{i}", f"b{i}")]
        nodes.append(helper.make_node("Gemm", [f"h{i - 1}", f"W{i}", f"b{i}"], [f"z{i}"]))
        last = i == layers
        nodes.append(
            helper.make_node("Softmax" if last else "Relu", [f"z{i}"], ["probabilities" if last else f"h{i}"])
        )
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["rows", 784])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10])]
    graph = helper.make_graph(nodes, "digits", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


class _Served:
    """A contestant's process and where it answers."""

    def __init__(self, name: str, work: Path, port: int) -> None:
        self.name, self.port = name, port
        if name == "lamina":
            command = [sys.executable, "-m", "lamina", "serve", str(work / "digits"), "--port", str(port)]
            self.path = "/v1/models/digits/predict"
        else:
            command = [sys.executable, str(_HERE / "serve_peer.py"), str(work / "digits.onnx"), str(port)]
            self.path = "/predict"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                return
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        sys.exit(f"{self.name} does not answer")

    def load(self, work: Path, connections: int, seconds: float) -> dict[str, float]:
        """What wrk says."""
        command = [
            "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(work / "load.lua"),
            f"http://127.0.0.1:{self.port}{self.path}", str(work / "body.json"),
        ]  # fmt: skip
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        figures = json.loads(said.splitlines()[-1])
        figures["errors"] = figures["status"] + figures["timeout"] + figures["socket"]
        return figures

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)


class _Checkers:
    """Four clients that ask for pictures of all kinds meanwhile, and compare labels."""

    def __init__(self, served: _Served, pictures: list[Any], labels: list[int]) -> None:
        self._served, self._pictures, self._labels = served, pictures, labels
        self.answers = self.wrong = 0
        self._ended = False
        self._threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(4)]

    def _ask(self, begin: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._served.port, timeout=60)
        i = begin
        while not self._ended:
            i = (i + 7) % len(self._pictures)
            body = json.dumps({"rows": [self._pictures[i]]})
            connection.request("POST", self._served.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            self.answers += 1
            if response.status != 200 or json.loads(content)["predictions"][0]["label"] != self._labels[i]:
                self.wrong += 1
            time.sleep(0.02)
        connection.close()

    def __enter__(self) -> _Checkers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for thread in self._threads:
            thread.join()


# --- what is measured ------------------------------------------------------------------------------------------------


def _compare(work: Path, asked: argparse.Namespace, pictures: list[Any], labels: list[int]) -> None:
    contestants = [
        _Served(name, work, 8460 + i) for i, name in enumerate(("lamina", "FastAPI + ONNX Runtime"))
    ]
    try:
        for served in contestants:
            served.load(work, 16, 1)
        found: dict[tuple[int, str], list[dict[str, float]]] = {}
        for _ in range(asked.rounds):
            for connections in CONNECTIONS:
                for served in contestants:
                    with _Checkers(served, pictures, labels) as checkers:
                        figures = served.load(work, connections, asked.seconds)
                    figures["wrong"] += checkers.wrong
                    found.setdefault((connections, served.name), []).append(figures)
    finally:
        for served in contestants:
            served.end()
    print(f"{environment.processor()}; requests of {asked.rows} row(s), medians of {asked.rounds} rounds\n")
    print(
        "| connections | server | p50 (ms) | p99 (ms) | rows/s | errors | wrong |\n|--:|---|--:|--:|--:|--:|--:|"
    )
    for (connections, name), rounds in found.items():
        p50, p99, rate = (statistics.median(one[key] for one in rounds) for key in ("p50", "p99", "rate"))
        errors, wrong = (int(sum(one[key] for one in rounds)) for key in ("errors", "wrong"))
        print(
            f"| {connections} | {name} | {p50:.2f} | {p99:.2f} | {rate * asked.rows:,.0f} | {errors} | {wrong} |"
        )


def _watch_memory(work: Path, minutes: float, pictures: list[Any], labels: list[int]) -> None:
    """Load of changing shape, and the server's memory once a second."""
    served = _Served("lamina", work, 8460)
    end = time.monotonic() + 60 * minutes
    sizes: list[float] = []
    total = {"requests": 0.0, "errors": 0.0, "wrong": 0.0}
    try:
        with _Checkers(served, pictures, labels) as checkers:
            turn = 0
            while time.monotonic() < end:
                figures = served.load(work, CONNECTIONS[turn % len(CONNECTIONS)], 5)
                turn += 1
                total["requests"] += figures["rate"] * 5
                total["errors"] += figures["errors"]
                total["wrong"] += figures["wrong"]
                sizes.append(_resident(served.process.pid))
                if figures["errors"] or figures["wrong"]:
                    print(f"after {minutes * 60 - end + time.monotonic():.0f} s: {figures}", flush=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics") as response:
            lines = response.read().decode().splitlines()
        print("\n".join(line for line in lines if line.startswith("lamina_requests_total")))
    finally:
        served.end()
    fifth = max(1, len(sizes) // 5)
    parts = [statistics.median(sizes[i : i + fifth]) for i in range(0, fifth * 5, fifth)]
    print(f"{minutes:g} minutes, {total['requests']:,.0f} requests by wrk, {checkers.answers:,} by others")
    print(f"errors {total['errors']:.0f}, wrong {total['wrong'] + checkers.wrong:.0f}")
    print("memory (MiB), median of each fifth:", ", ".join(f"{size:.1f}" for size in parts))


def _resident(process: int) -> float:
    with open(f"/proc/{process}/status") as file:
        [line] = [line for line in file if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
