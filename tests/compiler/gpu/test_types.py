"""float16 arrays, which are stored and not computed with; and devices that lack float64."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES
from graphs import capture, verify
from same_values import arguments, assert_same

import lamina
from lamina import autograd, nd
from lamina.compiler import targets
from lamina.compiler.gpu.target import narrow_numbers, widen_halves
from lamina.context import device_of
from lamina.core.primitive import REGISTRY, bind

HALVES = sorted(
    name
    for name, p in REGISTRY.items()
    if p.lowering is not None and name in EXAMPLES and name != "to_context" and EXAMPLES[name][0].float_places
)


@pytest.fixture
def halves(gpu: Any) -> Any:
    """The context, of a device that stores float16."""
    if not device_of(gpu).limits.has_float16:
        pytest.skip("the device lacks float16, so that such arrays are computed on the CPU")
    return gpu


@pytest.mark.few(1)
@pytest.mark.parametrize("part", range(4))
def test_every_primitive_on_float16(part: int, halves: Any) -> None:
    names = HALVES[part::4]

    def every(all_arguments: Any) -> list[Any]:
        pairs = zip(names, all_arguments, strict=True)
        return [bind(REGISTRY[n], *xs, **EXAMPLES[n][0].params) for n, xs in pairs]

    def inputs(ctx: Any) -> Any:
        return [arguments(EXAMPLES[n][0], np.float16, ctx) for n in names]

    with lamina.cpu():
        expected = every(inputs(lamina.cpu()))
    compiled = lamina.compile(every)
    for n, actual, same in zip(names, compiled(inputs(halves)), expected, strict=True):
        assert_same(actual, same, n)
    assert compiled._entries  # and not run operator by operator


def test_a_chain_of_operators_rounds_as_numpy_does(halves: Any) -> None:
    x = np.random.default_rng(0).normal(size=300).astype(np.float16)

    def chain(x: Any) -> Any:
        return (x * 3 + 0.1) / (x * x + 1) - x

    with lamina.cpu():
        expected = chain(nd.array(x, dtype=np.float16)).asnumpy()
    np.testing.assert_array_equal(lamina.compile(chain)(nd.array(x, dtype=np.float16)).asnumpy(), expected)


def test_a_network_of_float16_trains(halves: Any) -> None:
    random = np.random.default_rng(0)
    x, w = random.normal(size=(12, 7)), random.normal(size=(7, 4))

    def trained(ctx: Any) -> tuple[Any, Any]:
        with ctx:
            weight = nd.array(w, dtype=np.float16)
            weight.attach_grad()

            def step(x: Any, lr: float) -> Any:
                with autograd.record():
                    loss = nd.sum(nd.tanh(nd.dot(x, weight)))
                loss.backward()
                weight[:] = weight - lr * weight.grad
                return loss

            run = step if ctx.is_host else lamina.compile(step)
            losses = [run(nd.array(x, dtype=np.float16), 0.1).asnumpy() for _ in range(2)]
            return losses, weight.asnumpy()

    (losses, weight), (others, same) = trained(halves), trained(lamina.cpu())
    assert weight.dtype == np.float16
    np.testing.assert_allclose(losses, others, rtol=5e-3)
    np.testing.assert_allclose(weight, same, rtol=2e-2, atol=5e-3)


def test_a_device_without_float64_gets_its_numbers_in_float32(
    emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "limits", dataclasses.replace(emulator.limits, has_float64=False))
    targets._for_device.cache_clear()
    monkeypatch.setattr(emulator, "repeats", 1)
    w = nd.array([[0.5, -1.0, 2.0]])

    @lamina.compile
    def step(x: Any, lr: float, n: int) -> Any:
        w[:] = w - lr / 3 * x * n
        return nd.mean(w)

    try:
        found = step(nd.ones((1, 3)), 0.25, 2)
        assert "double" not in next(iter(step._entries.values())).program.code.ir()
        np.testing.assert_allclose(w.asnumpy(), [[0.5 - 1 / 6, -1 - 1 / 6, 2 - 1 / 6]], rtol=1e-6)
        np.testing.assert_allclose(found.asnumpy(), [1.0 / 3], rtol=1e-6)
    finally:
        targets._for_device.cache_clear()


def test_the_passes_leave_graphs_that_verify() -> None:
    x = nd.array(np.ones((3, 4)), dtype=np.float32)
    graph = capture(lambda x: nd.softmax(x * 2, axis=1), x)
    for one_pass in (narrow_numbers, widen_halves):
        changed = one_pass(graph)
        verify(changed)
        assert changed.text() == graph.text()  # where there is nothing to do
