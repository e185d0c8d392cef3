"""What lies beside the machine code on disk, and that a later process runs the code by it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.compiler import program
from lamina.compiler.cpu._outline import Outline
from lamina.compiler.cpu.target import shared_kernels
from lamina.compiler.emit import Layout


def test_an_outline_is_what_it_was() -> None:
    layout = Layout(inputs=3, results=1, strides=(0, 8, 0, 64, 0, 4, 0, 0, 0), held={1: 0, 2: 4096})
    names, elsewhere = ["kernel0_map_add"] * 2, {"kernel0_map_add": ("cd", "kernel3_map_add")}
    outline = Outline(names, ["ab"] * 2, elsewhere, layout, 8192, 512, 64, 2, 1000, 2000, [0, 2], [0])
    assert Outline.unpacked(outline.packed()) == outline


def as_in_a_new_process() -> None:
    program._kept.clear()
    shared_kernels.clear()


def training() -> list[np.ndarray]:
    """What some steps of a function leave that has arguments, a number, a result, and arrays that it writes."""
    rng = np.random.default_rng(0)
    weight = nd.array(rng.normal(0, 0.1, (20, 4)))
    weight.attach_grad()

    @lamina.compile
    def step(x: nd.NDArray, y: nd.NDArray, rate: float) -> nd.NDArray:
        with autograd.record():
            loss = nd.mean((nd.dot(x, weight) - y) ** 2)
        loss.backward()
        weight[:] = weight - rate * weight.grad  # pyright: ignore[reportOperatorIssue]
        return loss

    X, y = nd.array(rng.normal(0, 1, (30, 20))), nd.array(rng.normal(0, 1, (30, 4)))
    with lamina.eager():
        losses = [step(X, y, 0.1 / i).asnumpy() for i in range(1, 4)]
        losses.append(step.run_batches(rng.integers(0, 30, (5, 8)), X, y, 0.05).asnumpy())
    return [*losses, weight.asnumpy(), np.array([step.explain().count("\n")])]


def test_code_from_disk_runs_without_a_pass_over_its_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    passes: list[object] = []
    lower = program.lower
    monkeypatch.setattr(program, "lower", lambda *given: passes.append(given) or lower(*given))
    found: list[list[np.ndarray]] = []
    made: list[int] = []
    for _ in range(2):
        as_in_a_new_process()
        passes.clear()
        found.append(training())
        made.append(len(passes))
    assert made == [2, 1]  # to be explained, the graph of the last step is lowered after all
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
