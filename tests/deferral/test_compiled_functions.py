"""`lamina.compile` and deferred operators in one program."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
from both_modes import sees_the_same

import lamina
from lamina import autograd, nd
from lamina.errors import StaleGradientError


def test_a_compiled_function_writes_what_deferred_operators_read() -> None:
    def program(see: Any) -> None:
        w, x = nd.ones((4, 4)), nd.ones((4, 4))

        @lamina.compile
        def step(x: Any) -> Any:
            w[:] = w - 0.1 * x
            return nd.sum(w)

        for _ in range(7):
            before = (w * 2 + 1) - 3
            see(step(x))
            see(before)
            see(w)

    sees_the_same(program)


def test_deferred_results_are_arguments_of_many_steps() -> None:
    def program(see: Any) -> None:
        w, rows = nd.zeros((3,)), nd.arange(12).reshape((4, 3))

        @lamina.compile
        def step(x: Any) -> Any:
            w[:] = w + nd.sum(x)
            return nd.sum(w)

        for i in range(7):
            before, shifted = w * 2 + 1, rows + i
            see(step.run_batches(np.array([[0, 1], [2, 3]]), shifted))
            see(before)
            see(w)

    sees_the_same(program)


def _steps(keep_gradients: bool = False) -> tuple[Any, Any, Any]:
    """A parameter, a plain step that trains it, and the same compiled."""
    w, x = nd.ones((4, 4)), nd.ones((4, 4))
    w.attach_grad()

    def step() -> None:
        with autograd.record():
            loss = nd.sum(w * x)
        loss.backward()
        w[:] = w - 0.1 * w.grad

    return w, step, lamina.compile(step, keep_gradients=keep_gradients)


def test_a_deferred_step_writes_gradients_that_a_compiled_one_used_up() -> None:
    def program(see: Any) -> None:
        w, plain, compiled = _steps()
        for _ in range(7):
            plain()
            compiled()
            see(w)
            plain()
            see(w.grad)

    sees_the_same(program)


def test_so_it_does_in_a_forked_child() -> None:
    def program(see: Any) -> None:
        w, plain, compiled = _steps()
        for _ in range(4):
            plain()
            compiled()
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
            child = os.fork()
        if not child:
            try:
                for _ in range(7):
                    plain()
                    compiled()
                os.write(writing, w.asnumpy().tobytes())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            see(np.frombuffer(file.read(), np.float32))
        os.waitpid(child, 0)
        plain()
        see(w)

    sees_the_same(program)


def test_a_deferred_operator_does_not_read_a_gradient_that_was_used_up() -> None:
    """The error comes where it is read, and what was put off before is computed."""

    def program(see: Any) -> None:
        w, plain, compiled = _steps()
        for i in range(7):
            plain()
            if i == 5:
                compiled()
            before = w + 1
            if i == 5:
                with pytest.raises(StaleGradientError):
                    w.grad * 2
            else:
                see(w.grad * 2)
            see(before)

    sees_the_same(program)
