"""Instructions of ten fixed workloads, beside an earlier commit, and held under ceilings that only fall.

    python tools/instructions.py                   # the table, with the difference to the commit before
    python tools/instructions.py --against v0.1.0  # to another commit
    python tools/instructions.py --check           # exit 1 if one is above its ceiling in tools/ceilings.toml

Valgrind's callgrind counts them, between two requests that the workloads make of it, so that the start of Python is not
counted. It emulates a processor with AVX2 whatever the host has; the compiler, OpenBLAS and threads are fixed besides.
Counts depend on the versions of Python and of the packages that run: ceilings are of those that tools/ceilings.toml
names under `counted with`, and with others the table is printed and nothing is judged. docs/adr/ceilings.md says why.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from size import CEILINGS, REASONS, ROOT, ceilings, complaints, counted_with, unpack

TOLERANCE = 0.02
PREFIX = "instructions of "
UNCOUNTED = "warming up"
PACKAGES = ("numpy", "llvmlite", "polars", "narwhals", "scikit-learn", "typer", "msgspec", "starlette")
FILES = ROOT / "tests"
RUN, TABLE = FILES / "runs/files/classification", FILES / "estimators/files/table.csv"

# --- asking callgrind -------------------------------------------------------------------------------------------------

_ZERO, _DUMP_AT, _START, _STOP = (0x43540000 + request for request in (1, 3, 4, 5))  # callgrind.h
_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
"""A function of machine code that valgrind knows by its rotations (valgrind.h), which do nothing elsewhere."""


def _request() -> Callable[..., int]:
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(_REQUEST)
    made = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(
        ctypes.addressof(ctypes.c_char.from_buffer(memory))
    )
    made.memory = memory
    return made


class Callgrind:
    """Counts what runs inside `counting`."""

    def __init__(self) -> None:
        self._ask = _request()

    def _say(self, request: int, text: bytes = b"") -> None:
        name = ctypes.create_string_buffer(text)
        words = (ctypes.c_long * 6)(request, ctypes.addressof(name))
        self._ask(ctypes.addressof(words))

    @contextmanager
    def counting(self, name: str, repetitions: int = 1) -> Generator[None]:
        """What runs inside belongs to the workload of this name, of which there are so many repetitions in all."""
        self._say(_START)
        self._say(_ZERO)  # stopping forgets costs, but not what the last dump had of them
        try:
            yield
        finally:
            self._say(_DUMP_AT, f"{name}/{repetitions}".encode())
            self._say(_STOP)


# --- the workloads ----------------------------------------------------------------------------------------------------


def import_lamina(callgrind: Callgrind) -> None:
    with callgrind.counting("import lamina"):
        import lamina

        lamina.nd.ones((1,))


def predict_rows(callgrind: Callgrind) -> None:
    rows = Path("rows.csv")
    rows.write_text("".join(TABLE.read_text().splitlines(keepends=True)[:21]))
    sys.argv = ["lamina", "predict", str(RUN), str(rows), "--out", "out.csv"]
    with callgrind.counting("lamina predict of 20 rows"), contextlib.suppress(SystemExit):
        from lamina.cli import main

        main()


def first_compile(callgrind: Callgrind) -> None:
    import lamina
    from lamina import nd

    x, w = nd.ones((16, 32)), nd.ones((32, 8)) * 0.01
    lamina.compile(lambda x, w: nd.tanh(nd.dot(x, w)))(x, w).asnumpy()  # what any compile imports is there
    with callgrind.counting("a first compile"):
        lamina.compile(lambda x, w: nd.log_softmax(nd.relu(nd.dot(x, w)) * 3))(x, w).asnumpy()


def calls(callgrind: Callgrind) -> None:
    import lamina
    from lamina import nd

    x, w, b = nd.ones((16, 32)), nd.ones((32, 8)) * 0.01, nd.ones((8,))

    def step(counted: contextlib.AbstractContextManager[Any]) -> None:
        with counted:
            y = nd.dot(x, w)
            for _ in range(9):
                y = y + b
        y.asnumpy()

    for _ in range(60):
        step(callgrind.counting(UNCOUNTED))
    for _ in range(10):
        step(callgrind.counting("noting a deferred operator", 10 * 10))

    def repeated(function: Callable[[], Any], name: str, times: int = 100) -> None:
        for _ in range(20):
            function()
        with callgrind.counting(name, times):
            for _ in range(times):
                function()

    compiled = lamina.compile(lambda x, w: nd.tanh(nd.dot(x, w)))
    repeated(lambda: compiled(x, w), "a warm call of a compiled function")
    with lamina.eager():
        repeated(lambda: x + x, "an eager operator")


def estimators(callgrind: Callgrind) -> None:
    import numpy as np
    import polars as pl

    import lamina
    from lamina.runs.run_folder import open_run
    from lamina.serve._app import Service
    from lamina.serve._errors import Limits
    from lamina.serve._registry import Registry

    X = np.random.default_rng(0).normal(size=(800, 4)).astype(np.float32)
    model = lamina.MLPRegressor((16,), preset="fast", batch_size=8, random_state=0)
    for _ in range(3):
        model.partial_fit(X, X[:, 0])
    with callgrind.counting("a compiled epoch of 100 steps"):
        model.partial_fit(X, X[:, 0])
    for _ in range(3):
        model.predict(X[:1])
    with callgrind.counting("a prediction of one row", 20):
        for _ in range(20):
            model.predict(X[:1])

    frame = pl.read_csv(TABLE)
    many = pl.concat([frame] * (10_000 // len(frame) + 1))[:10_000]
    opened = open_run(RUN)[0]
    rows = opened.inputs(many)
    opened.fitted.encode(rows)
    with callgrind.counting("encoding 10,000 rows"):
        opened.fitted.encode(rows)

    service = Service(Registry([f"kinds={RUN}"], Limits()))
    service.is_ready = True
    body = json.dumps({"rows": frame.head(1).to_dicts()}).encode()

    async def ask(times: int) -> None:
        for _ in range(times):
            sent: list[Any] = []

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: dict[str, Any], sent: list[Any] = sent) -> None:
                sent.append(message)

            path = "/v1/models/kinds/predict"
            scope = {
                "type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
                "query_string": b"", "headers": [(b"content-type", b"application/json")], "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 2), "scheme": "http", "root_path": "",
            }  # fmt: skip
            await service.app(scope, receive, send)
            assert sent[0]["status"] == 200, sent

    asyncio.run(ask(5))
    with callgrind.counting("a request to the server", 20):
        asyncio.run(ask(20))
    service.end()


PROGRAMS = {
    program.__name__: program for program in (import_lamina, predict_rows, first_compile, calls, estimators)
}
"""Each runs in a process of its own."""

LAYOUTS = {"calls": 4}
"""Short calls are counted in processes whose objects lie at other addresses, and the fewest count: Python looks up
context variables by a hash of their address, so that a collision costs a call of 20,000 instructions 5 % (a folder's
name of another length was enough)."""

# --- counting ---------------------------------------------------------------------------------------------------------


def environment(root: Path, folder: Path) -> dict[str, str]:
    """That of a workload: everything that changes what is executed is fixed."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ
    }
    return kept | {
        "PYTHONPATH": str(root / "src"), "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "LAMINA_CPU": "x86-64-v3", "LAMINA_NUM_THREADS": "1", "LAMINA_CACHE_DIR": str(folder / "kernels"),
        "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1",
    }  # fmt: skip


def counted(root: Path, program: str, layout: int = 0) -> dict[str, int]:
    """Instructions of each workload of a program, with the lamina of a tree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables, command = environment(root, folder), [sys.executable, __file__, "--run", program]
        variables["PYTHONPATH"] += f":{'x' * 25 * layout}" * layout  # moves what is allocated after it
        settings: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True}
        for _ in range(2):  # bytecode and kernels are there, as in every use but the first
            done = subprocess.run(command, env=variables, check=False, **settings)
            if done.returncode:
                print(f"NOT COUNTED: {program} with {root}: {done.stderr.strip().splitlines()[-1]}")
                return {}
        if program == "first_compile":
            variables["LAMINA_CACHE_SIZE"] = "0"  # a first compile compiles
        tool = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            "--callgrind-out-file=out",
            "--error-exitcode=0",
        ]
        subprocess.run([*tool, *command], env=variables, check=True, **settings)
        found: Counter[tuple[str, int]] = Counter()
        for file in folder.glob("out.*"):
            text = file.read_text()
            told = re.search(r"^desc: Trigger: Client Request: (.+)/(\d+)$", text, re.MULTILINE)
            if told is not None and told[1] != UNCOUNTED:
                total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
                assert total is not None
                found[told[1], int(told[2])] += int(total[1])
        return {PREFIX + name: total // repetitions for (name, repetitions), total in found.items()}


def what_counts() -> str:
    """The versions that a count depends on."""
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()}), {packages}"


def show(now: dict[str, int], before: dict[str, int], limits: dict[str, int]) -> None:
    """The table."""
    print(f"{'':56}{'now':>15}{'change':>9}{'ceiling':>15}")
    for name, count in sorted(now.items()):
        change = f"{count / before[name] - 1:+.1%}" if before.get(name) else "new"
        print(f"{name:56}{count:15,}{change:>9}{limits.get(name, 0):15,}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--against", default="HEAD~1", help="the commit to compare with")
    parser.add_argument("--check", action="store_true", help="exit 1 if something is above its ceiling")
    parser.add_argument("--run", choices=[*PROGRAMS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        gc.disable()  # it comes after so many objects, whoever made them
        PROGRAMS[options.run](Callgrind())
        return 0
    if shutil.which("valgrind") is None or platform.machine() != "x86_64":
        print("NOT COUNTED: instructions of workloads, as there is no valgrind for x86-64 here")
        return 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as side_by_side:
        unpack(options.against, Path(folder))
        trees = (ROOT, Path(folder))
        jobs = [
            (tree, program, layout)
            for program in reversed(PROGRAMS)
            for layout in range(LAYOUTS.get(program, 1))
            for tree in trees
        ]
        found: dict[Path, dict[str, int]] = {tree: {} for tree in trees}
        for (tree, _, _), part in zip(jobs, side_by_side.map(lambda job: counted(*job), jobs), strict=True):
            for name, count in part.items():
                found[tree][name] = min(count, found[tree].get(name, count))
        now, before = (found[tree] for tree in trees)
        earlier = ceilings(Path(folder))
    limits = {name: limit for name, limit in ceilings(ROOT).items() if name.startswith(PREFIX)}
    show(now, before, limits)
    print(f"counted with {what_counts()}")
    if counted_with(ROOT) != what_counts():
        print(f"NOT JUDGED: the ceilings in {CEILINGS} are of {counted_with(ROOT)}")
        return 0
    allowed = {name: round(limit * (1 + TOLERANCE)) for name, limit in limits.items()}
    wrong = complaints(now, allowed, {}, "") + complaints({}, limits, earlier, (ROOT / REASONS).read_text())
    low = [name for name, limit in limits.items() if name in now and now[name] < limit * (1 - TOLERANCE)]
    print(*wrong, *(f"{name}: lower its ceiling to {now[name]}" for name in low), sep="\n")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
