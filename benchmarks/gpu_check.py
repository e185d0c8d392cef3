"""Is everything right on this machine's GPU, and how fast is it? Ten minutes, and a report to send.

    python benchmarks/gpu_check.py                    # PyTorch and CuPy are asked, too, if they are there
    python benchmarks/gpu_check.py --only chapter     # some checks only
    LAMINA_DEVICE=opencl python benchmarks/gpu_check.py --quick

Each check is a process of its own, says what it found, or how it failed, and is stopped if it takes too long; the
others go on. In the end each target is said to be met or not, with its figure. All is also written to
``gpu_report.txt``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gpu_sections import MARK, figure, judged, run_section

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "tests" / "support"))  # the registry's examples
if (_ROOT / "src" / "lamina").is_dir():
    sys.path.insert(0, str(_ROOT / "src"))

import gpu_speed  # noqa: E402

import lamina  # noqa: E402
from lamina import autograd, nd  # noqa: E402
from lamina.context import device_of, gpu_memory_info  # noqa: E402

__all__ = ["main"]

GPU, CPU = lamina.gpu(), lamina.cpu()
_lines: list[str] = []
_quick = False


def say(text: str = "") -> None:
    """A line of the report."""
    print(text, flush=True)
    _lines.append(text)


def main() -> None:
    """Run the checks; the exit code is the number of those that failed."""
    global _quick  # noqa: PLW0603 - the command line's
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(_CHECKS), help=f"of {', '.join(_CHECKS)}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: for a device that is slow")
    parser.add_argument(
        "--limit", type=float, default=150, help="seconds that a check may take (default: 150)"
    )
    parser.add_argument("--report", type=Path, default=Path("gpu_report.txt"))
    parser.add_argument("--here", action="store_true", help="in this process, where a failure may end all")
    arguments = parser.parse_args()
    _quick = arguments.quick
    chosen = arguments.only.split(",")
    unknown = [name for name in chosen if name not in _CHECKS]
    if unknown:
        parser.error(f"no check is called {', '.join(unknown)}; there are {', '.join(_CHECKS)}")
    if arguments.here:
        sys.exit(sum(not _passes_here(name) for name in chosen))
    sys.exit(_report(chosen, arguments))


def _report(chosen: list[str], arguments: argparse.Namespace) -> int:
    """Run each check in a process of its own, and write what they said; how many failed."""
    failed: list[str] = []
    figures: dict[str, float] = {}
    for name in chosen:
        say(f"== {name}")
        command = [sys.executable, __file__, "--here", "--only", name, *(["--quick"] * arguments.quick)]
        outcome = run_section(command, arguments.limit, say)
        figures |= outcome.figures
        if outcome.code is None:
            say(f"   STOPPED after {arguments.limit:.0f} s; --limit allows more")
        elif outcome.code not in (0, 1):
            say(f"   FAILED: its process ended with {outcome.code}")
        if outcome.code != 0:
            failed.append(name)
        arguments.report.write_text("\n".join(_lines) + "\n")  # also of a run that is interrupted
    say()
    say("targets" + (" (of --quick, whose sizes are not those meant)" if arguments.quick else ""))
    for line in judged(figures):
        say(f"   {line}")
    say()
    say(f"FAILED: {', '.join(failed)}" if failed else "all checks passed")
    arguments.report.write_text("\n".join(_lines) + "\n")
    print(f"the report is in {arguments.report}")
    return len(failed)


def _passes_here(name: str) -> bool:
    start = time.perf_counter()
    try:
        for line in _CHECKS[name]():
            print(line if line.startswith(MARK) else f"   {line}", flush=True)
    except Exception:  # whatever is wrong is what we are here to show
        for line in traceback.format_exc().rstrip().splitlines()[-12:]:
            print(f"   ! {line}")
        print(f"   FAILED ({time.perf_counter() - start:.1f} s)", flush=True)
        return False
    print(f"   ok ({time.perf_counter() - start:.1f} s)", flush=True)
    return True


def expect(condition: bool, what: str) -> None:
    """Fail unless it is so."""
    if not condition:
        raise AssertionError(what)


# --- the machine -------------------------------------------------------------------------------------------------


def machine() -> Iterator[str]:
    """Versions, and what the device says of itself."""
    import llvmlite

    yield f"lamina {lamina.__version__}, NumPy {np.__version__}, llvmlite {llvmlite.__version__}"
    yield f"Python {platform.python_version()} on {platform.platform()}"
    from lamina.device.choice import found, looked_for

    for number, one in enumerate(found()):
        yield f"gpu({number}): {one.name} ({one.kind})"
    yield f"looked for: {looked_for()}"
    expect(bool(found()), "there is no device")
    device = device_of(GPU)
    yield repr(device.limits)
    free, total = gpu_memory_info()
    yield f"memory: {free / 2**30:.2f} of {total / 2**30:.2f} GiB free"
    yield _output_of(
        "nvidia-smi", "--query-gpu=name,driver_version,power.limit,clocks.max.sm", "--format=csv,noheader"
    )


def _output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"{command[0]}: not there"
    return f"{command[0]}: {done.stdout.strip() or done.stderr.strip()}"


# --- arrays ------------------------------------------------------------------------------------------------------


def arrays() -> Iterator[str]:
    """Copies of all sizes and types, views, keys, writes; numbers of random streams."""
    random = np.random.default_rng(0)
    for size in (0, 1, 1000, 1 << 20, 1 << (20 if _quick else 26)):
        numbers = random.integers(0, 200, size).astype(np.uint8)
        start = time.perf_counter()
        there = nd.array(numbers, ctx=GPU, dtype=np.uint8)
        there_seconds = time.perf_counter() - start
        start = time.perf_counter()
        back = there.asnumpy()
        back_seconds = time.perf_counter() - start
        expect(bool((back == numbers).all()), f"{size} bytes came back changed")
        if size >= 1 << 20:
            rates = size / there_seconds / 1e9, size / back_seconds / 1e9
            yield f"{size >> 20} MiB there at {rates[0]:.1f} GB/s, back at {rates[1]:.1f} GB/s"
    for dtype in ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"):
        host = nd.array(random.integers(0, 2, (5, 7)), dtype=dtype)
        device = host.as_in_context(GPU)
        device[1:3] = 1
        host[1:3] = 1
        device[:, 2] = host[0, 2].as_in_context(GPU)
        host[:, 2] = host[0, 2]
        for key in (1, slice(1, 4), (slice(None), 3), [0, 2], (Ellipsis, slice(None, None, -1))):
            expect(bool((device[key].asnumpy() == host[key].asnumpy()).all()), f"{dtype}, key {key}")
    drawn = []
    for ctx in (CPU, GPU):
        nd.random.seed(7)
        drawn.append(
            [
                nd.random.uniform(shape=1001, ctx=ctx).asnumpy(),
                nd.random.poisson(3, shape=10, ctx=ctx).asnumpy(),
            ]
        )
    expect(all((x == y).all() for x, y in zip(*drawn, strict=True)), "random numbers differ from the CPU's")
    yield "types, keys, views and random numbers agree with the CPU's"


def primitives() -> Iterator[str]:
    """Every primitive with a compiled form, compiled for the device, against NumPy."""
    from examples_of_primitives import EXAMPLES
    from same_values import arguments, assert_same

    from lamina.core.primitive import REGISTRY, bind

    names = sorted(
        n for n, p in REGISTRY.items() if p.lowering is not None and n in EXAMPLES and n != "to_context"
    )
    wrong: list[str] = []
    count = 0
    with lamina.eager():
        for name in names[:: 6 if _quick else 1]:
            for dtype in (np.float32, np.float64) if device_of(GPU).limits.has_float64 else (np.float32,):
                for example in EXAMPLES[name][: 1 if _quick else 4]:
                    count += 1
                    try:
                        given = [arguments(example, dtype, ctx) for ctx in (CPU, GPU)]
                        one = lambda *xs, p=REGISTRY[name], e=example: bind(p, *xs, **e.params)  # noqa: E731
                        with CPU:
                            expected = one(*given[0])
                        with GPU:
                            actual = lamina.compile(one)(*given[1])
                        expect(actual.context is GPU, "it is not on the device")
                        assert_same(actual, expected, example.label)
                    except Exception as error:  # collected: one wrong kernel is not to hide another
                        wrong.append(
                            f"{name} {example.label} {np.dtype(dtype)}: {str(error).splitlines()[0][:120]}"
                        )
    yield f"{len(names)} primitives, {count} examples"
    for line in wrong[:40]:
        yield f"wrong: {line}"
    expect(not wrong, f"{len(wrong)} examples are wrong")


def products() -> Iterator[str]:
    """Matrix products of many shapes, transposed and not, against float64."""
    random = np.random.default_rng(0)
    shapes = [
        (1, 1, 1),
        (3, 5, 7),
        (64, 64, 64),
        (65, 130, 33),
        (64, 784, 256),
        (256, 64, 784),
        (1000, 10, 999),
    ]
    if not _quick:
        shapes += [(513, 2049, 255), (2048, 2048, 2048), (4096, 33, 4096)]
    worst = 0.0
    for m, k, n in shapes:
        for ta in (False, True):
            for tb in (False, True):
                a = random.normal(size=(k, m) if ta else (m, k)).astype(np.float32)
                b = random.normal(size=(n, k) if tb else (k, n)).astype(np.float32)
                wanted = (a.T if ta else a).astype(np.float64) @ (b.T if tb else b)
                product = lamina.compile(
                    lambda x, y, ta=ta, tb=tb: nd.dot(x, y, transpose_a=ta, transpose_b=tb)
                )
                found = product(nd.array(a, ctx=GPU), nd.array(b, ctx=GPU)).asnumpy()
                error = float(np.abs(found - wanted).max() / np.sqrt(k))
                worst = max(worst, error)
                expect(error < 1e-5, f"{m}×{k}×{n}, transposed {ta}, {tb}: off by {error:.1e} √k")
    yield f"{len(shapes)} shapes, each in four forms; largest error {worst:.1e} √k"


def tensors() -> Iterator[str]:
    """Large products whose operands are rounded, against the bounds that `lamina.compile` says."""
    random = np.random.default_rng(0)
    shapes = [(256, 64, 256)] if _quick else [(2048, 2048, 2048), (4096, 301, 2050), (1024, 4096, 1024)]
    if not device_of(GPU).limits.has_tensor_cores:
        yield "the device has no tensor cores"
        return
    for precision, bound in (("tf32", 0.001), ("bfloat16", 0.008)):
        worst = 0.0
        for (m, k, n), ta, tb in itertools.product(shapes, (False, True), (False, True)):
            a, b = (random.normal(size=shape).astype(np.float32) for shape in ((m, k), (k, n)))
            product = lamina.compile(
                lambda x, y, ta=ta, tb=tb: nd.dot(x, y, transpose_a=ta, transpose_b=tb), precision=precision
            )
            given = (nd.array(x.T if turned else x, ctx=GPU) for x, turned in ((a, ta), (b, tb)))
            found = product(*given).asnumpy()
            sizes = np.abs(a).astype(np.float64) @ np.abs(b)
            error = float((np.abs(found - a.astype(np.float64) @ b) / sizes).max())
            worst = max(worst, error)
            where = f"{m}×{k}×{n}, transposed {ta}, {tb}"
            expect(error < bound + k * 2.0**-23, f"{precision}, {where}: off by {error:.1e} of Σ|xy|")
            expect(f"in {precision}" in product.explain(), f"{precision}, {where}: it was not rounded")
        yield f"{precision}: {len(shapes)} shapes in four forms; largest error {worst:.1e} of Σ|xy|, bound {bound}"


# --- training ----------------------------------------------------------------------------------------------------


class Chapter:
    """The chapter's network, 784-256-256-10 by hand, with SGD."""

    def __init__(self, ctx: Any, layers: tuple[int, ...] = (784, 256, 256, 10)) -> None:
        nd.random.seed(0)
        with lamina.eager():  # by NumPy each time: what repeats is compiled, to other last bits
            self.params = [
                nd.random_normal(shape=shape, scale=0.05, ctx=CPU).as_in_context(ctx)
                for m, n in itertools.pairwise(layers)
                for shape in ((m, n), (n,))
            ]
        for p in self.params:
            p.attach_grad()

    def net(self, x: Any) -> Any:
        """The scores."""
        *hidden, (W_last, b_last) = zip(self.params[::2], self.params[1::2], strict=True)
        for W, b in hidden:
            linear = nd.dot(x, W) + b
            x = nd.maximum(linear, nd.zeros_like(linear))
        return nd.dot(x, W_last) + b_last

    def step(self, pixels: Any, label: Any, lr: float) -> Any:
        """One step of SGD on bytes; the mean loss."""
        with autograd.record():
            scores = self.net(pixels.astype("float32") / 255)
            loss = -nd.nansum(nd.one_hot(label, 10) * nd.log_softmax(scores), axis=0, exclude=True)
        loss.backward()
        for p in self.params:
            p[:] = p - lr * p.grad
        return nd.mean(loss)


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from lamina.datasets import mnist

    data, count = mnist(), 1280 if _quick else 60_000
    train = data.train_images[:count].reshape(count, -1), data.train_labels[:count]
    return *train, data.test_images.reshape(-1, 784), data.test_labels


def _epochs(ctx: Any, epochs: int) -> tuple[Chapter, list[float], list[float], Any]:
    """Train; the network, the epochs' losses and seconds, and the compiled step."""
    images, labels, _, _ = _digits()
    model = Chapter(ctx)
    step = lamina.compile(model.step)
    data, label = nd.array(images, ctx=ctx, dtype=np.uint8), nd.array(labels, ctx=ctx)
    random, losses, seconds = np.random.default_rng(0), [], []
    for _ in range(epochs):
        rows = random.permutation(len(images))[: len(images) // 64 * 64].reshape(-1, 64)
        start = time.perf_counter()
        means = step.run_batches(rows, data, label, 0.001)
        losses.append(float(means.asnumpy().mean()))
        seconds.append(time.perf_counter() - start)
    return model, losses, seconds, step


def chapter() -> Iterator[str]:
    """The chapter's training: as on the CPU, the same bits twice, and how long an epoch takes."""
    epochs = 2 if _quick else 4
    model, losses, seconds, step = _epochs(GPU, epochs)
    launches = len(next(iter(step._entries.values())).program.code.schedule.stages)
    yield f"a step is {launches} launches"
    yield figure("launches", launches)
    again, losses_again, _, _ = _epochs(GPU, epochs)
    expect(losses == losses_again, "two trainings differ in their losses")
    for p, q in zip(model.params, again.params, strict=True):
        expect(bool((p.asnumpy() == q.asnumpy()).all()), "two trainings differ in their weights")
    yield figure("repeated_bits", 1)
    reference, expected, cpu_seconds, _ = _epochs(CPU, epochs)
    yield f"losses {', '.join(f'{x:.5f}' for x in losses)}; on the CPU {', '.join(f'{x:.5f}' for x in expected)}"
    yield f"an epoch takes {1e3 * min(seconds):.1f} ms (the first {1e3 * seconds[0]:.0f})"
    yield f"on the CPU it takes {1e3 * min(cpu_seconds):.0f} ms"
    if not _quick:
        yield figure("epoch_ms", 1e3 * min(seconds))
    np.testing.assert_allclose(losses, expected, rtol=2e-3)
    _, _, images, labels = _digits()
    rates = []
    for one, ctx in ((model, GPU), (reference, CPU)):
        scores = one.net(nd.array(images, ctx=ctx) / 255)
        rates.append(float((scores.asnumpy().argmax(1) == labels).mean()))
    yield f"test accuracy {rates[0]:.4f}, the CPU's network {rates[1]:.4f}"
    yield figure("accuracy_difference", abs(rates[0] - rates[1]))
    expect(abs(rates[0] - rates[1]) < 0.005, "the accuracies differ")


def loop() -> Iterator[str]:
    """The same as the book has it: a loop in Python, without a decorator."""
    images, labels, _, _ = _digits()
    steps = 60 if _quick else 300
    found = []
    for ctx in (GPU, CPU):
        model, losses = Chapter(ctx), []
        for i in range(steps):
            if i == steps // 2:
                start = time.perf_counter()
            rows = slice(64 * i % 1216, 64 * i % 1216 + 64)
            data = nd.array(images[rows], dtype=np.uint8).as_in_context(ctx)
            losses.append(
                float(model.step(data, nd.array(labels[rows]).as_in_context(ctx), 0.001).asscalar())
            )
        micros = 1e6 * (time.perf_counter() - start) / (steps - steps // 2)
        found.append((losses, micros))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=5e-3)
    yield f"a step takes {found[0][1]:.0f} µs, on the CPU {found[1][1]:.0f}"


def gluon() -> Iterator[str]:
    """Layers, dropout, Adam and a file; several devices, where there are."""
    from lamina import gluon as g

    def trained(contexts: list[Any]) -> tuple[list[float], Any]:
        nd.random.seed(1)
        net = g.nn.Sequential()
        net.add(g.nn.Dense(32, activation="relu"), g.nn.Dropout(0.2), g.nn.LayerNorm(), g.nn.Dense(3))
        net.initialize(lamina.init.Xavier(), ctx=contexts)
        trainer = g.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
        loss_of, random, losses = g.loss.SoftmaxCrossEntropyLoss(), np.random.default_rng(0), []
        for _ in range(10):
            xs = g.utils.split_and_load(random.normal(size=(24, 9)), contexts)
            ys = g.utils.split_and_load(random.integers(0, 3, 24), contexts)
            with autograd.record():
                parts = [loss_of(net(x), y) for x, y in zip(xs, ys, strict=True)]
            autograd.backward(parts)
            trainer.step(24)
            losses.append(sum(float(part.sum().asscalar()) for part in parts))
        return losses, net

    expected, _ = trained([CPU])
    found, _ = trained([GPU])
    np.testing.assert_allclose(found, expected, rtol=1e-2)
    yield "trains as on the CPU"
    if lamina.num_gpus() > 1:
        trained([lamina.gpu(0), lamina.gpu(1)])
        yield "and on two devices"


# --- the rest ----------------------------------------------------------------------------------------------------


def interchange() -> Iterator[str]:
    """DLPack with PyTorch and CuPy on the same device, without a copy."""
    if device_of(GPU).kind != "cuda":
        yield "not of this kind of device"
        return
    for name in ("torch", "cupy"):
        try:
            library = __import__(name)
        except ImportError:
            yield f"{name}: not installed"
            continue
        x = nd.array([1, 2, 3], ctx=GPU)
        theirs = library.from_dlpack(x)
        theirs += 1
        if name == "torch":
            library.cuda.synchronize()
        else:
            library.cuda.Device().synchronize()
        expect(x.tolist() == [2, 3, 4], f"{name} does not share our memory")
        own = library.ones(4, device="cuda") if name == "torch" else library.ones(4, dtype="float32")
        back = nd.from_dlpack(own)
        back *= 5
        nd.waitall()
        expect([float(v) for v in own] == [5.0] * 4, f"we do not share {name}'s memory")
        yield f"{name} {library.__version__}: both ways"


_IN_A_PROCESS = """
import lamina as mx
from lamina import nd
x = nd.ones(4, ctx=mx.gpu())
print((x + 1).asnumpy().sum())
"""


def failures() -> Iterator[str]:
    """Too much memory, a forked child, two processes: clear errors, and no hang."""
    from lamina.errors import DeviceMemoryError

    _, total = gpu_memory_info()
    try:
        device_of(GPU).allocate(2 * total)
        raise AssertionError("twice the device's memory was allocated")
    except DeviceMemoryError as error:
        yield f"out of memory: {error}"
    except MemoryError:
        yield "out of memory: the emulator's"
    with _processes(2) as codes:
        expect(codes == [0, 0], f"two more processes on the device ended with {codes}")
    yield "two processes beside this one computed there"
    if hasattr(os, "fork") and device_of(GPU).kind != "emulator":
        code = _in_a_fork(lambda: nd.ones(2, ctx=GPU).asnumpy())
        expect(code == 42, f"a forked child got no clear error (exit code {code})")
        yield "a forked child gets a clear error"
    expect(nd.ones(2, ctx=GPU).asnumpy().sum() == 2, "the device does not work after that")


@contextmanager
def _processes(count: int) -> Iterator[list[int]]:
    command = [sys.executable, "-c", _IN_A_PROCESS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(count)]
    yield [one.wait(timeout=120) for one in running]


def _in_a_fork(act: Callable[[], object]) -> int:
    """The exit code of a forked child: 42 if it got an error of lamina's."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(1)
        except lamina.MXNetError:
            os._exit(42)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


_CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "machine": machine,
    "arrays": arrays,
    "primitives": primitives,
    "products": products,
    "tensors": tensors,
    "chapter": chapter,
    "loop": loop,
    "gluon": gluon,
    "interchange": interchange,
    "failures": failures,
    "speed": lambda: gpu_speed.speed(GPU, quick=_quick),
    "peers": lambda: gpu_speed.peers(GPU),
}

if __name__ == "__main__":
    main()
