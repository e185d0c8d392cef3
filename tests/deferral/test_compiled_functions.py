"""`lamina.compile` and deferred operators in one program."""

from __future__ import annotations

from typing import Any

import numpy as np
from both_modes import sees_the_same

import lamina
from lamina import nd


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
