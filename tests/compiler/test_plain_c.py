"""A third target, which writes plain C: the whole registry, and a training, with the bits of machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES
from plain_c import MACHINE, PlainC
from same_values import arguments

import lamina
from lamina import autograd, nd
from lamina.compiler import targets
from lamina.compiler.cpu.machine import compiling_for
from lamina.core import threads
from lamina.core.primitive import REGISTRY, bind

COMPILED = sorted(name for name, primitive in REGISTRY.items() if primitive.lowering is not None)


@pytest.fixture
def in_c(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a function compiled by way of C, and then as machine code, on one thread; the arrays of both."""
    monkeypatch.setattr(threads, "_num_threads", 1)  # barriers do nothing in C

    def apply(make: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        with monkeypatch.context() as patch:
            patch.setitem(targets._TARGETS, "cpu", PlainC)
            found = [x.asnumpy() for x in make()]
        with compiling_for(MACHINE):
            return found, [x.asnumpy() for x in make()]

    return apply


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_every_primitive_has_the_same_bits_in_c(name: str, in_c: Any) -> None:
    check([name], in_c)


def check(names: list[str], in_c: Any) -> None:
    for dtype, count in ((np.float32, None), (np.float64, 3)):
        examples = [(REGISTRY[name], example) for name in names for example in EXAMPLES[name][:count]]
        inputs = [arguments(example, dtype) for _, example in examples]

        def every(inputs: Any, examples: Any = examples) -> list[Any]:
            return [bind(p, *xs, **e.params) for xs, (p, e) in zip(inputs, examples, strict=True)]

        found = in_c(lambda: lamina.compile(every)(inputs))  # noqa: B023 - called at once
        for own, expected, (primitive, example) in zip(*found, examples, strict=True):
            label = f"{primitive.name} {example.label} {np.dtype(dtype)}"
            assert (own.shape, own.dtype) == (expected.shape, expected.dtype), label
            np.testing.assert_array_equal(own.view(np.uint8), expected.view(np.uint8), label)


def test_a_network_trains_to_the_same_bits_in_c(in_c: Any) -> None:
    def trained() -> list[Any]:
        random = np.random.default_rng(0)
        parameters = [nd.array(random.normal(size=size, scale=0.3)) for size in ((20, 32), (32,), (32, 3))]
        for p in parameters:
            p.attach_grad()
        x, y = nd.array(random.normal(size=(40, 20))), nd.array(random.integers(0, 3, 40))

        @lamina.compile
        def step(rate: float) -> Any:
            with autograd.record():
                hidden = nd.tanh(nd.dot(x, parameters[0]) + parameters[1])
                loss = -nd.mean(nd.pick(nd.log_softmax(nd.dot(hidden, parameters[2])), y))
            loss.backward()
            for p in parameters:
                p[:] = p - p.grad * rate
            return loss

        return [*[step(0.5) for _ in range(4)], *parameters]

    found, expected = in_c(trained)
    for own, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own.view(np.uint32), same.view(np.uint32))
