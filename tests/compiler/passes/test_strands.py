"""Parts of a step that share nothing: that they are found, and nothing else is taken for such."""

from __future__ import annotations

from typing import Any

import numpy as np
from graphs import capture, operators, verify

from lamina import nd
from lamina.compiler.cpu.target import CPU
from lamina.compiler.passes.plan import Plan, nodes_read, own_rows
from lamina.compiler.program import lower

ROWS, COLUMNS, MEMBERS = 6, 5, 3
rng = np.random.default_rng(0)
TABLE = nd.array(rng.normal(size=(40, COLUMNS)))
NUMBERS = nd.array(rng.integers(0, 40, MEMBERS * ROWS), dtype=np.int32)
WEIGHTS = [nd.array(rng.normal(size=(COLUMNS, COLUMNS))) for _ in range(MEMBERS)]


def planned(function: Any, *inputs: Any) -> Plan:
    return lower(capture(function, *inputs), CPU())


def share(x: Any, i: int, rows: int = ROWS) -> Any:
    return nd.slice_axis(x, axis=0, begin=i * rows, end=(i + 1) * rows)


def network(x: Any, weight: Any) -> Any:
    """Products that need what was there before: several kernels."""
    for _ in range(4):
        x = nd.softmax(nd.dot(x, weight), axis=1)
    return nd.sum(x * x)


def side_by_side(table: Any, numbers: Any, *weights: Any) -> list[Any]:
    rows = nd.take(table, numbers)
    return [network(share(rows, i), weight) for i, weight in enumerate(weights)]


def test_networks_on_rows_of_their_own_are_strands() -> None:
    plan = planned(side_by_side, TABLE, NUMBERS, *WEIGHTS)
    ends = plan.strands
    assert len(ends) == MEMBERS
    assert ends[-1] == len(plan.kernels)
    parts = [plan.kernels[i:j] for i, j in zip([0, *ends], ends, strict=False)]
    stored = [{node for kernel in part for node in kernel.stores} for part in parts]
    for part, own in zip(parts, stored, strict=True):
        read = {node for kernel in part for node in nodes_read(kernel, plan.places)}
        assert not any(read & others for others in stored if others is not own)
    single = planned(lambda *x: side_by_side(*x)[0], TABLE, NUMBERS, WEIGHTS[0])
    assert plan.arena_bytes == single.arena_bytes


def test_what_networks_share_makes_them_one() -> None:
    def same_weight(table: Any, numbers: Any, weight: Any) -> list[Any]:
        results = side_by_side(table, numbers, *[weight] * MEMBERS)
        weight[:] = weight * 2
        return results

    def same_sum(*inputs: Any) -> Any:
        first, *rest = side_by_side(*inputs)
        return sum(rest, first)

    assert len(planned(same_weight, TABLE, NUMBERS, WEIGHTS[0]).strands) == 1
    assert len(planned(same_sum, TABLE, NUMBERS, *WEIGHTS).strands) == 1


def test_what_does_less_goes_along() -> None:
    def with_more(extra: Any, *inputs: Any) -> list[Any]:
        return [*side_by_side(*inputs), extra + 1]

    plan = planned(with_more, nd.zeros(3), TABLE, NUMBERS, *WEIGHTS)
    assert len(plan.strands) == MEMBERS
    assert plan.strands[-1] == len(plan.kernels)


def test_parts_of_different_sizes_are_one() -> None:
    def unequal(x: Any, small: Any, large: Any) -> list[Any]:
        return [network(x, small), network(large, large)]

    x, small, large = nd.ones((4, 4)), nd.ones((4, 4)), nd.ones((40, 40))
    assert len(planned(unequal, x, small, large).strands) == 1
    assert len(planned(lambda x, y: [x + 1, y + 1], large, large * 2).strands) == 1


def test_each_reader_takes_its_own_rows() -> None:
    def parts(table: Any, numbers: Any) -> list[Any]:
        rows = nd.take(table, numbers)
        return [nd.tanh(share(rows, i)) for i in range(MEMBERS)]

    graph = own_rows(capture(parts, TABLE, NUMBERS))
    verify(graph)
    takes = [node for node in graph.nodes() if node.is_op("take")]
    assert [take.shape for take in takes] == [(ROWS, COLUMNS)] * MEMBERS
    assert [take.inputs[1].params["begin"] for take in takes] == [(0,), (ROWS,), (2 * ROWS,)]


def test_rows_that_several_read_are_taken_once() -> None:
    def overlapping(table: Any, numbers: Any) -> list[Any]:
        rows = nd.take(table, numbers)
        return [nd.tanh(share(rows, 0)), nd.tanh(nd.slice_axis(rows, axis=0, begin=ROWS - 1, end=2 * ROWS))]

    def whole(table: Any, numbers: Any) -> list[Any]:
        rows = nd.take(table, numbers)
        return [nd.tanh(share(rows, 0)), nd.tanh(share(rows, 1)), nd.sum(rows)]

    def returned(table: Any, numbers: Any) -> list[Any]:
        rows = nd.take(table, numbers)
        return [rows, nd.tanh(share(rows, 0)), nd.tanh(share(rows, 1))]

    for function in (overlapping, whole, returned):
        graph = capture(function, TABLE, NUMBERS)
        assert operators(own_rows(graph)).count("take") == 1, function.__name__
        assert own_rows(graph).text() == graph.text()
