"""Each rule of simplification alone, and that none changes what it must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import capture, operators, verify

from lamina import nd
from lamina.compiler.passes.graph import Constant
from lamina.compiler.passes.simplify import constant_value, simplify

X, Y, V = nd.zeros((4, 4)), nd.ones((4, 4)), nd.ones((4,))


def simplified(function: Any, *arrays: Any) -> list[str]:
    graph = simplify(capture(function, *arrays))
    verify(graph)
    return operators(graph)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(lambda x: x * 1, [], id="times one"),
        pytest.param(lambda x: 1.0 * x, [], id="one times"),
        pytest.param(lambda x: x / 1, [], id="divided by one"),
        pytest.param(lambda x: x * nd.ones_like(x), [], id="times ones"),
        pytest.param(lambda x: x**1, [], id="to the power of one"),
        pytest.param(lambda x: x**2, ["multiply"], id="squared"),
        pytest.param(lambda x: x**3, ["power"], id="cubed"),
        pytest.param(lambda x: x.astype(np.float32), [], id="cast to the same"),
        pytest.param(lambda x: x.reshape((2, 8)).reshape((4, 4)), [], id="reshape and back"),
        pytest.param(lambda x: x.reshape((2, 8)).reshape((16,)), ["reshape"], id="reshape of reshape"),
        pytest.param(lambda x: nd.broadcast_to(x, shape=(4, 4)), [], id="broadcast to its own shape"),
        pytest.param(lambda x: nd.transpose(x, axes=(0, 1)), [], id="transpose that moves nothing"),
        pytest.param(lambda x: x[0:4], [], id="slice of everything"),
        pytest.param(lambda x: x[::-1], ["slice"], id="a reversed slice stays"),
        pytest.param(lambda x: x + 0, ["add"], id="plus zero stays: it turns -0 into 0"),
        pytest.param(lambda x: x * 0, ["multiply"], id="times zero stays: NaN and infinities"),
        pytest.param(lambda x: x - x, ["subtract"], id="minus itself stays"),
        pytest.param(lambda x: (x + x) * (x + x), ["add", "multiply"], id="common subexpressions"),
        pytest.param(lambda x: [x.exp(), x + 1][1], ["add"], id="dead code"),
        pytest.param(lambda x: nd.dot(x.T, x), ["matmul"], id="transposed operand"),
        pytest.param(lambda x: nd.dot(x, x.T), ["matmul"], id="other transposed operand"),
        pytest.param(lambda x: nd.exp(nd.zeros((4,)) + 1) * x, ["multiply"], id="constants are folded"),
    ],
)
def test_rules(function: Any, expected: list[str]) -> None:
    assert simplified(function, X) == expected


def test_implied_broadcasts_disappear() -> None:
    assert simplified(lambda x, v: x + nd.broadcast_to(v.reshape((1, 4)), shape=(4, 4)), X, V) == [
        "reshape",
        "add",
    ]
    assert "broadcast_to" in simplified(lambda v: nd.broadcast_to(v, shape=(4, 4)) * 2, V)


def test_an_assignment_of_everything_forgets_the_old_contents() -> None:
    def overwrite(x: Any, y: Any) -> Any:
        z = x * 3
        z[:] = y
        return z + 1

    assert simplified(overwrite, X, Y) == ["add"]


def test_transposes_become_flags_that_cancel() -> None:
    graph = simplify(capture(lambda x, y: nd.dot(x.T, y.T, transpose_a=True), X, Y))
    (product,) = (n for n in graph.nodes() if n.is_op("matmul"))
    assert (product.params["transpose_a"], product.params["transpose_b"]) == (False, True)


def test_constants_fold_to_what_eval_says() -> None:
    graph = simplify(capture(lambda: nd.exp(nd.full((2, 3), 0.5)) / 0.0))
    (result,) = graph.results
    assert result.is_op("full")
    assert constant_value(result) == np.inf
    assert isinstance(result.inputs[0].op, Constant)


def test_zeros_of_both_signs_are_different_constants() -> None:
    graph = simplify(capture(lambda x: (x / 0.0, x / -0.0), X))
    assert graph.results[0] is not graph.results[1]


def test_simplifying_twice_changes_nothing_more() -> None:
    once = simplify(capture(lambda x, y: nd.softmax(nd.dot(x.T, y) * 1 + 1, axis=1), X, Y))
    assert simplify(once).text() == once.text()
