"""Strands on threads of their own and together: no bit depends on how many threads there are, or who works on what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from simulated_threads import thread_alone

import lamina
from lamina import autograd, nd
from lamina.compiler import program
from lamina.compiler.cpu import _binding, _outline
from lamina.compiler.cpu.target import CPU, shared_kernels

ROWS, COLUMNS, BATCH, STEPS = 60, 9, 8, 5


def trained(threads: int, members: int, width: int) -> list[np.ndarray]:
    """What some steps of networks side by side leave: each on rows of its own, with momentum and dropout."""
    lamina.set_num_threads(threads)
    lamina.random.seed(0)
    rng = np.random.default_rng(0)
    shapes = [(COLUMNS, width), (width, width), (width, 1)]
    networks = [[nd.array(rng.normal(0, 0.3, shape)) for shape in shapes] for _ in range(members)]
    weights = [weight for network in networks for weight in network]
    means = [nd.zeros(weight.shape) for weight in weights]
    for weight in weights:
        weight.attach_grad()

    @lamina.compile
    def step(x: Any, y: Any, rate: float) -> list[Any]:
        losses = []
        with autograd.record():
            for i, (first, second, third) in enumerate(networks):
                own, target = (nd.slice_axis(a, axis=0, begin=i * BATCH, end=(i + 1) * BATCH) for a in (x, y))
                hidden = nd.Dropout(nd.tanh(nd.dot(own, first)), p=0.2)
                out = nd.dot(nd.tanh(nd.dot(hidden, second)), third)
                losses.append(nd.mean((out - target) ** 2))
        autograd.backward(losses)
        for weight, mean in zip(weights, means, strict=True):
            mean[:] = 0.9 * mean + weight.grad
            weight[:] = weight - rate * mean
        return losses

    X, y = nd.array(rng.normal(size=(ROWS, COLUMNS))), nd.array(rng.normal(size=(ROWS, 1)))
    with lamina.eager():
        rows = rng.integers(0, ROWS, (STEPS, members * BATCH))
        losses = step.run_batches(rows, X, y, 0.05)
        losses += step(X[: members * BATCH], y[: members * BATCH], 0.1)
    return [x.asnumpy() for x in (*losses, *weights, *means)]


def strands() -> int:
    """How many the latest program has."""
    return len(list(program._kept.values())[-1].plan.strands)


@pytest.fixture(autouse=True)
def _anew(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Programs are compiled by each test, as it wants them."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    threads = lamina.get_num_threads()
    program._kept.clear()
    shared_kernels.clear()
    yield
    program._kept.clear()
    lamina.set_num_threads(threads)


@pytest.mark.few(2)
@pytest.mark.parametrize("width", [16, 200])
@pytest.mark.parametrize("shared", [False, True])
def test_no_bit_depends_on_who_works_on_a_strand(shared: bool, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outline, "_LARGE", 0 if shared else 1 << 60)
    monkeypatch.setattr(_outline, "_SMALL", 0)
    monkeypatch.setattr(_outline, "_BARRIER", 0)
    expected = trained(1, 5, width)
    assert strands() == 5
    for threads in (2, 3, 5, 7):
        for one, other in zip(expected, trained(threads, 5, width), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_thread_works_on_its_own_strands_in_memory_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outline, "_LARGE", 1 << 60)
    rng = np.random.default_rng(0)
    weights = [nd.array(rng.normal(size=(COLUMNS, COLUMNS))) for _ in range(5)]

    @lamina.compile
    def step(x: Any) -> list[Any]:
        found = []
        for weight in weights:
            out = x
            for _ in range(4):
                out = nd.softmax(nd.dot(out, weight), axis=1)
            found.append(out)
        return found

    expected = [x.asnumpy() for x in step(nd.array(rng.normal(size=(BATCH, COLUMNS))))]
    (entry,) = step._entries.values()
    assert entry.program.plan.arena_bytes
    for thread in range(3):
        results, changed = thread_alone(entry, thread, 3)
        assert changed == [i == thread for i in range(3)]
        for i, (one, other) in enumerate(zip(expected, results, strict=True)):
            np.testing.assert_array_equal(other, one if i % 3 == thread else 0 * one)


@pytest.mark.slow
def test_strands_change_no_bit(monkeypatch: pytest.MonkeyPatch):
    expected = trained(2, 4, 16)
    assert strands() == 4
    program._kept.clear()
    monkeypatch.setattr(CPU, "in_strands", False)
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")
    for one, other in zip(expected, trained(2, 4, 16), strict=True):
        np.testing.assert_array_equal(one, other)
    assert strands() == 1


def test_kernels_are_measured_in_memory_of_their_own():
    """That of the step may be for fewer threads, and others may be running the step."""
    lamina.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, *weights = (nd.array(rng.normal(size=(256, 256))) for _ in range(4))

    @lamina.compile
    def step(x: Any) -> Any:
        for weight in weights:
            x = nd.softmax(nd.dot(x, weight), axis=0)
        return x

    step(x)
    (entry,) = step._entries.values()
    memory = entry.step._memory
    assert memory._arena.size and memory._scratch.size
    memory._arena[:] = memory._scratch[:] = 1
    step.explain()
    assert (memory._arena == 1).all()
    assert (memory._scratch == 1).all()
    lamina.set_num_threads(8)
    assert "us" in step.explain()


def test_without_memory_for_more_threads_a_step_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outline, "_SMALL", 0)
    monkeypatch.setattr(_outline, "_BARRIER", 0)
    lamina.set_num_threads(1)
    x, weight = nd.ones((COLUMNS, COLUMNS)), nd.ones((COLUMNS, COLUMNS))
    step = lamina.compile(lambda x: nd.softmax(nd.softmax(nd.dot(x, weight), axis=0).T, axis=0))
    expected = step(x).asnumpy()
    (entry,) = step._entries.values()
    pages, given = _binding._pages, []

    def scarce(nbytes: int) -> np.ndarray:
        if given:
            raise MemoryError
        given.append(nbytes)
        return pages(nbytes)

    lamina.set_num_threads(3)
    monkeypatch.setattr(_binding, "_pages", scarce)
    with pytest.raises(MemoryError):
        step(x)
    memory = entry.step._memory
    assert memory.table[entry.program.code.outline.layout.arena] == memory._arena.ctypes.data
    lamina.set_num_threads(1)
    np.testing.assert_array_equal(step(x).asnumpy(), expected)


def test_strands_are_told():
    step = lamina.compile(lambda *x: [nd.softmax(nd.softmax(nd.softmax(nd.softmax(a).T).T).T) for a in x])
    step(nd.ones((4, 4)), nd.ones((4, 4)))
    lines = step.explain().splitlines()
    assert "8 kernels in 2 strands" in lines[0]
    assert lines.count("    -") == 1


def test_nothing_to_do_is_a_step_too():
    nothing = lamina.compile(lambda x: None)
    assert nothing(nd.ones(3)) is None
    assert nothing.run_batches([[0, 1]], nd.ones(3)) is None
    assert nothing.explain().startswith("0 kernels, ")
