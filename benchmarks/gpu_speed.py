"""How fast a GPU computes, beside others: the two sections of `gpu_check.py` that compare."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpu_sections import figure

import lamina
from lamina import autograd, nd
from lamina.context import device_of

__all__ = ["peers", "speed"]


def speed(ctx: Any, *, quick: bool) -> Iterator[str]:
    """Large products, and a step of four layers of 2048 at batch 4096, in all precisions; beside cuBLAS by PyTorch."""
    for precision in ("float32", "tf32", "bfloat16"):
        yield from _speed_in(precision, ctx, quick)


def peers(ctx: Any) -> Iterator[str]:
    """The chapter's epoch beside torch.compile and JAX, by `compare.py`, which installs them in an environment."""
    if device_of(ctx).kind != "cuda":
        yield "not of this kind of device"
        return
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.json")
        command = [sys.executable, str(Path(__file__).with_name("compare.py")), "--device", "gpu", "--quick"]
        done = subprocess.run(
            [*command, "--only", "gpu_epoch", "--json", str(found)],
            capture_output=True,
            text=True,
            check=False,
        )
        yield from (done.stdout + done.stderr).splitlines()[-25:]
        if done.returncode != 0:  # peers that can't be installed say nothing about lamina
            yield f"not measured: compare.py ended with {done.returncode}"
            return
        seconds = {
            name: entry["median_seconds"]
            for name, entry in json.loads(found.read_text())["workloads"]["gpu_epoch"]["contestants"].items()
            if "median_seconds" in entry
        }
    others = [seconds[name] for name in ("torch_compile", "jax") if name in seconds]
    if "lamina" in seconds and others:
        yield figure("epoch_ratio", seconds["lamina"] / min(others))


def _speed_in(precision: Any, ctx: Any, quick: bool) -> Iterator[str]:
    size, batch = (256, 256) if quick else (2048, 4096)
    product = lamina.compile(nd.dot, precision=precision)
    for n in (size, 2 * size):
        x = nd.random_normal(shape=(n, n), ctx=ctx)
        seconds = _best(lambda x=x: product(x, x))
        yield f"{precision}, {n}³: {2 * n**3 / seconds / 1e12:.2f} TFLOP/s"
    params = [nd.random_normal(shape=(size, size), scale=0.01, ctx=ctx) for _ in range(4)]
    for p in params:
        p.attach_grad()

    @lamina.compile(precision=precision)
    def wide(x: Any) -> Any:
        with autograd.record():
            h = x
            for W in params:
                h = nd.maximum(nd.dot(h, W), 0)
            loss = nd.mean(h * h)
        loss.backward()
        for W in params:
            W[:] = W - 1e-7 * W.grad
        return loss

    x = nd.random_normal(shape=(batch, size), ctx=ctx)
    seconds = _best(lambda: wide(x))
    flops = (3 * 4 - 1) * 2 * batch * size * size
    rate = f"{flops / seconds / 1e12:.2f} TFLOP/s"
    yield f"{precision}, four layers of {size}, batch {batch}: {1e3 * seconds:.2f} ms a step, {rate}"
    theirs = _torch_seconds(precision, size, batch, ctx)
    if theirs is None:
        yield f"{precision}: PyTorch is not there for this device, so nothing is said of cuBLAS"
        return
    yield f"{precision}, the same by PyTorch: {1e3 * theirs:.2f} ms; lamina's speed is {theirs / seconds:.2f} of that"
    if not quick:
        yield figure(f"wide_{precision}", theirs / seconds)


def _torch_seconds(precision: str, size: int, batch: int, ctx: Any) -> float | None:
    """The seconds of the same step by PyTorch, whose products are cuBLAS's; None where it can't compute there."""
    try:
        import torch
    except ImportError:
        return None
    if device_of(ctx).kind != "cuda" or not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    weights = [0.01 * torch.randn(size, size, device="cuda") for _ in range(4)]
    for w in weights:
        w.requires_grad_()
    x = torch.randn(batch, size, device="cuda")

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            h = x
            for w in weights:
                h = torch.relu(h @ w)
            loss = (h.float() ** 2).mean()
        grads = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, grad in zip(weights, grads, strict=True):
                w -= 1e-7 * grad

    return _best(step, torch.cuda.synchronize)


def _best(act: Callable[[], object], wait: Callable[[], object] = nd.waitall, repeats: int = 5) -> float:
    """The least seconds of some calls, each waited for."""
    act()
    wait()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        wait()
        best = min(best, time.perf_counter() - start)
    return best
