"""The seam: which target has which context, and a second target in the place of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interpreted import DeviceMemory, Interpreter

import lamina
from lamina import autograd, nd
from lamina.compiler import targets
from lamina.compiler.cpu.target import CPU
from lamina.compiler.targets import target_of
from lamina.errors import ContextError
from lamina.nd import NDArray


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(targets._TARGETS, "cpu", Interpreter)


def test_all_that_is_called_cpu_is_the_cpu() -> None:
    for context in (lamina.cpu(), lamina.cpu(3), lamina.cpu_pinned(), None):
        assert isinstance(target_of(context), CPU)


def test_a_gpu_has_no_target_and_says_so() -> None:
    with pytest.raises(ContextError, match=r"gpu\(0\) is not available"):
        target_of(lamina.gpu())


def trained(wrap: Any) -> tuple[list[float], list[Any], Any]:
    """A few steps of a network: the losses, what its parameters hold, and the compiled function."""
    random = np.random.default_rng(0)
    params = [
        NDArray(wrap(random.normal(size=s, scale=0.3).astype(np.float32)), lamina.cpu()) for s in SHAPES
    ]
    for p in params:
        p.attach_grad()

    @lamina.compile
    def step(x: Any, lr: float) -> Any:
        with autograd.record():
            hidden = nd.tanh(nd.dot(x, params[0]) + params[1])
            loss = nd.mean(nd.softmax(nd.dot(hidden, params[2].T)) ** 2)
        loss.backward()
        for p in params:
            p[:] = p - lr * p.grad
        return loss, lr * 2

    losses: list[float] = []
    for i in range(3):
        x = NDArray(wrap(random.normal(size=(5, 6)).astype(np.float32)), lamina.cpu())
        loss, twice = step(x, 0.5 + i)
        assert twice == 1 + 2 * i
        losses.append(loss._data)
    return losses, [p._data for p in params], step


SHAPES = [(6, 4), (4,), (3, 4)]


def test_another_target_trains_in_memory_of_its_own(interpreted: None) -> None:
    losses, params, step = trained(DeviceMemory)
    assert all(isinstance(x, DeviceMemory) for x in [*losses, *params])
    text = step.explain()
    assert "alone" in text
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(targets._TARGETS, "cpu", CPU)
        expected = trained(np.copy)
    for found, same in zip([*losses, *params], [*expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(found.contents, same, rtol=1e-4, atol=1e-6)
