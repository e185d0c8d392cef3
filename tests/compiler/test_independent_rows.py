"""`lamina.compile(…, independent_rows=True)`: a row has the same bits alone and among others, on every processor."""

from __future__ import annotations

import dataclasses
from typing import Any

import cloudpickle
import numpy as np
import pytest
from graphs import capture

import lamina
from lamina import MLPClassifier, nd
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.compiler.cpu.target import CPU
from lamina.compiler.program import lower

ROWS = np.random.default_rng(0).standard_normal((300, 200)).astype(np.float32)
WEIGHTS = nd.array(np.random.default_rng(1).standard_normal((200, 160)).astype(np.float32))


def ways(independent_rows: bool) -> list[str]:
    """How a processor with a matrix unit would share out the kernels of a layer of `ROWS`."""
    graph = capture(lambda x: nd.relu(nd.dot(x, WEIGHTS)), nd.array(ROWS))
    with compiling_for(dataclasses.replace(host_machine(), has_matrix_unit=True)):
        plan = lower(dataclasses.replace(graph, independent_rows=independent_rows), CPU())
        return [CPU().sharing(plan, kernel) for kernel in plan.kernels]


def test_they_stay_off_the_matrix_unit() -> None:
    assert any("matrix unit" in way for way in ways(independent_rows=False))
    assert not any("matrix unit" in way for way in ways(independent_rows=True))


def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    independent = lamina.compile(lambda x: nd.relu(nd.dot(x, WEIGHTS)), independent_rows=True)
    together = independent(nd.array(ROWS)).asnumpy()
    for size in (1, 7, 100):
        apart = [independent(nd.array(ROWS[i : i + size])).asnumpy() for i in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(apart), together)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_of_estimators_too(method: str) -> None:
    y = (ROWS[:, 0] > ROWS[:, 1]).astype(int)
    model = MLPClassifier(hidden_layer_sizes=(160, 160), members=1, max_iter=1, random_state=0).fit(ROWS, y)
    predicted = getattr(model, method)
    np.testing.assert_array_equal(predicted(ROWS)[5:6], predicted(ROWS[5:6]))


def test_methods_and_pickled_functions_keep_the_option() -> None:
    class Doubled:
        @lamina.compile(independent_rows=True)
        def doubled(self, x: nd.NDArray) -> nd.NDArray:
            return 2 * x

    assert Doubled().doubled.independent_rows
    function = lamina.compile(lambda x: 2 * x, independent_rows=True)
    assert cloudpickle.loads(cloudpickle.dumps(function)).independent_rows


def together_and_apart(function: Any, rows: np.ndarray) -> None:
    """Rows are data's, whatever axis of a batched product they end up in."""
    independent = lamina.compile(function, independent_rows=True)
    together = independent(nd.array(rows)).asnumpy()
    for size in (1, 2, 7, 16):
        np.testing.assert_array_equal(independent(nd.array(rows[:size])).asnumpy(), together[:size])


@pytest.mark.few(1)
@pytest.mark.parametrize("sums", [16, 70, 256])
def test_of_batched_products_too(sums: int) -> None:
    random = np.random.default_rng(2)
    rows = random.standard_normal((100, 3, sums)).astype(np.float32)
    weights = nd.array(random.standard_normal((3, sums, 5)).astype(np.float32))
    together_and_apart(
        lambda x: nd.transpose(nd.batch_dot(nd.transpose(x, axes=(1, 0, 2)), weights), axes=(1, 0, 2)), rows
    )
    across = nd.transpose(weights, axes=(0, 2, 1))
    together_and_apart(
        lambda x: nd.transpose(
            nd.batch_dot(across, nd.transpose(x, axes=(1, 0, 2)), transpose_b=True), axes=(2, 0, 1)
        ),
        rows,
    )
