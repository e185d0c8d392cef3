"""``lamina doctor``: report lamina's environment on this machine, and check that lamina works."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import lamina
from lamina.errors import ContextError
from lamina.support.extras import EXTRAS
from lamina.support.lazily import np

if TYPE_CHECKING:
    from lamina.device.context import Context

_REQUIRED = ("numpy", "llvmlite", "msgspec", "pooch", "typer", "rich")


def doctor() -> None:
    """Show versions, processor and threads, and check that lamina works, by training a tiny network.

    The exit code is 1 if a check fails.
    """
    sections = (("versions", _versions), ("processor", _processor), ("devices", _devices), ("files", _files))
    for title, section in sections:
        print(title)
        for name, value in section().items():
            print(f"  {name:<16} {value}")
    print("self-check")
    checks = {**_CHECKS, **_device_checks()}
    failures = [not _passes(name, check) for name, check in checks.items()]
    if any(failures):
        raise typer.Exit(1)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    def found(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            optional = f" (optional: pip install 'lamina[{EXTRAS[package]}]')" if package in EXTRAS else ""
            return f"not installed{optional}"

    own = {"lamina": lamina.__version__, "Python": f"{platform.python_version()} on {platform.platform()}"}
    # From 3.14 on, Python has zstd.
    optional = [name for name in EXTRAS if name != "backports.zstd" or sys.version_info < (3, 14)]
    return own | {package: found(package) for package in (*_REQUIRED, *optional)}


def _processor() -> dict[str, str]:
    from lamina.compiler.cpu.machine import host_machine
    from lamina.core.denormals import flush_denormals, restore_denormals
    from lamina.core.threads import available_cores

    machine = host_machine()
    saved = flush_denormals()
    restore_denormals(saved)
    caches = (machine.l1_bytes, machine.l2_bytes, machine.l3_bytes)
    return {
        "model": f"{_model_name()} ({machine.architecture})",
        "compiled for": f"{machine.cpu} (LAMINA_CPU={os.environ.get('LAMINA_CPU', 'not set')})",
        "vector width": f"{machine.vector_bits} bits, {machine.lanes(np.dtype(np.float32))} float32",
        "matrix unit": _matrix_unit(machine.has_matrix_unit),
        "bfloat16": "rounded products with precision='bfloat16'"
        if machine.can_round
        else "none: stays float32",
        "caches": ", ".join(f"L{level} {size >> 10:,} KiB" for level, size in enumerate(caches, start=1)),
        "cores": f"{available_cores()} for this process, {os.cpu_count()} in all",
        "threads": f"{lamina.get_num_threads()} (LAMINA_NUM_THREADS={os.environ.get('LAMINA_NUM_THREADS', 'not set')})",
        "denormals": "flushed to zero in training" if saved is not None else "not flushed in eager training",
        "compilation": "off (LAMINA_COMPILE=0)" if os.environ.get("LAMINA_COMPILE") == "0" else "on",
    }


def _matrix_unit(exists: bool) -> str:
    from lamina.compiler.cpu.matrix_unit import is_switched_off

    if is_switched_off():
        return "off (LAMINA_MATRIX_UNIT=0)"
    return "AMX, used for large float32 products" if exists else "none"


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _devices() -> dict[str, str]:
    """The names of the devices that `gpu()` can use, and a report on the search for devices."""
    from lamina.device.choice import found, looked_for

    try:
        there = {f"gpu({i})": f"{one.name} ({one.kind})" for i, one in enumerate(found())}
        return {**there, **({"looked for": looked_for()} if looked_for() else {})}
    except ContextError as error:
        return {"looked for": str(error)}


def _files() -> dict[str, str]:
    from lamina.compiler.llvm.cache import default_directory

    cache = default_directory()
    nearest = next(folder for folder in (cache, *cache.parents) if folder.exists())
    note = "" if os.access(nearest, os.W_OK) else " (not writable: kernels are compiled anew in each process)"
    return {"package": str(Path(lamina.__file__).parent), "kernel cache": f"{cache}{note}"}


# --- checks ------------------------------------------------------------------------------------------------------


def _passes(name: str, check: Callable[[], str]) -> bool:
    """Run a check and print its result; return whether the check passed."""
    start = time.perf_counter()
    try:
        found = check()
    except Exception as error:  # every error is reported: finding errors is this command's purpose
        print(f"  {name:<16} FAILED: {type(error).__name__}: {error}")
        return False
    print(f"  {name:<16} ok: {found} ({time.perf_counter() - start:.2f} s)")
    return True


def _check_gradient() -> str:
    """Compare a gradient with finite differences, in float64; return a description of the result."""
    from lamina import autograd, nd

    def loss(x: nd.NDArray) -> nd.NDArray:
        return nd.sum(nd.log_softmax(nd.tanh(x)) ** 2)

    x = nd.array(np.linspace(-1, 1, 6).reshape(2, 3), dtype=np.float64)
    x.attach_grad()
    with autograd.record():
        y = loss(x)
    y.backward()
    step = nd.array(np.full((2, 3), 1e-6), dtype=np.float64)
    numeric = float((loss(x + step) - loss(x - step)).asscalar()) / 2e-6
    assert x.grad is not None
    difference = abs(numeric - float(nd.sum(x.grad).asscalar()))
    if not difference < 1e-6:
        raise ArithmeticError(f"differs from finite differences by {difference:.1e}")
    return "equals finite differences"


def _computed(ctx: Context, *, compiled: bool = True) -> np.ndarray:
    """The result of a small function, computed on a device."""
    from lamina import nd

    def function(x: nd.NDArray, w: nd.NDArray) -> nd.NDArray:
        return nd.log_softmax(nd.maximum(nd.dot(x, w), 0.0))

    source = np.random.default_rng(0)
    given = [nd.array(source.normal(size=shape), ctx=ctx) for shape in ((33, 50), (50, 17))]
    return (lamina.compile(function) if compiled else function)(*given).asnumpy()


def _require_alike(one: np.ndarray, other: np.ndarray, failed: str) -> None:
    difference = float(abs(one - other).max())
    if not difference < 1e-4:
        raise ArithmeticError(f"{failed} by {difference:.1e}")


def _check_compiler() -> str:
    """Compare a compiled function's result with the eager result; return a description."""
    _require_alike(
        _computed(lamina.cpu(), compiled=False), _computed(lamina.cpu()), "compiled and eager results differ"
    )
    return "compiled code agrees with NumPy"


def _check_training() -> str:
    """Train a tiny network on a few MNIST digits, and check its accuracy; return a description of the result."""
    from lamina.runs.recipes import Digits, Settings, Training, load_digits

    train, test = (Digits(part.images[:2000], part.labels[:2000]) for part in load_digits())
    *_, last = Training(Settings(hidden=(64,), epochs=5, lr=0.002), train, test).run()
    accuracy = last.scores["test_accuracy"]
    if not accuracy > 0.6:
        raise ArithmeticError(f"a tiny network reached a test accuracy of only {accuracy:.3f}")
    return f"a tiny network reached a test accuracy of {accuracy:.3f}"


def _device_checks() -> dict[str, Callable[[], str]]:
    """The check of the first device, by name; empty if there is no device."""
    try:
        return {"gpu(0)": _check_device} if lamina.num_gpus() else {}
    except ContextError:
        return {}


def _check_device() -> str:
    """Compare a compiled function's result on the first device with the CPU's result; return a description."""
    from lamina.device.context import gpu_memory_info

    _require_alike(_computed(lamina.gpu()), _computed(lamina.cpu()), "differs from the CPU's result")
    free, total = gpu_memory_info()
    return f"agrees with the CPU; {free / 2**30:.1f} of {total / 2**30:.1f} GiB are free"


_CHECKS = {"gradient": _check_gradient, "compiler": _check_compiler, "training": _check_training}
