"""Order, memory, shares of threads, barriers: of the plan itself, without machine code."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from graphs import capture, verify

from lamina import nd
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.compiler.passes.graph import Input
from lamina.compiler.passes.plan import Plan, memory_reads, separate_roots
from lamina.compiler.program import lower
from lamina.compiler.targets import target_of


def planned(function: Any, *arrays: Any) -> Plan:
    return lower(capture(function, *arrays), target_of())


def written_inputs(p: Plan) -> list[int]:
    """The slots in the order in which they are overwritten."""
    return [
        place.number for k in p.kernels for n in k.stores for place in p.places[n] if place.kind == "input"
    ]


def check(p: Plan) -> None:
    """Of every plan: values before readers, inputs read before they are overwritten, no two live in one place."""
    stored = {n: i for i, k in enumerate(p.kernels) for n in k.stores}
    reads = [memory_reads(k, set(stored)) for k in p.kernels]
    overwritten: dict[int, int] = {
        place.number: i for n, i in stored.items() for place in p.places[n] if place.kind == "input"
    }
    last: dict[Any, int] = {}
    for i, found in enumerate(reads):
        for node, access in found.items():
            if isinstance(node.op, Input):
                when = overwritten.get(node.op.slot, len(p.kernels))
                assert i < when or (i == when and access.aligned)
            else:
                assert stored[node] < i
                last[node] = i
    in_arena = [(n, p.places[n][0].number) for n in stored if p.places[n][0].kind == "arena"]
    for a, at in in_arena:
        assert at % 64 == 0
        assert at + a.nbytes <= p.arena_bytes
        for b, other in in_arena:
            if a is not b and at < other + b.nbytes and other < at + a.nbytes:
                first, second = sorted((a, b), key=lambda n: stored[n])
                assert last.get(first, stored[first]) < stored[second]


A, B, C = nd.ones((40, 40)), nd.ones((40, 40)), nd.ones((40,))


def swap(a: Any, b: Any) -> None:
    old = a + 0
    a[:], b[:] = b, old


def product_into_operand(a: Any, b: Any) -> None:
    a[:] = nd.dot(a, b)


def softmax_in_place(a: Any) -> None:
    a[:] = nd.softmax(a, axis=1)


def update(a: Any, b: Any) -> None:
    a[:] = a - 0.1 * nd.dot(b, b)


def read_afterwards(a: Any, b: Any) -> Any:
    before = nd.dot(a, b)
    a[:] = a * 2
    return nd.sum(before)


@pytest.mark.parametrize(
    ("function", "count"),
    [(swap, 2), (product_into_operand, 2), (softmax_in_place, 1), (update, 2), (read_afterwards, 2)],
)
def test_in_place_plans_are_safe(function: Any, count: int) -> None:
    p = planned(function, *(A, B)[:count])
    check(p)
    assert set(written_inputs(p)) == ({0, 1} if function is swap else {0})


def test_an_update_at_its_own_element_happens_in_place() -> None:
    p = planned(update, A, B)
    assert len(p.kernels) == 1
    assert p.arena_bytes == 0


def test_a_product_into_its_own_operand_goes_aside_and_is_copied() -> None:
    p = planned(product_into_operand, A, B)
    assert [k.kind for k in p.kernels] == ["product", "map"]
    assert p.arena_bytes == A._data.nbytes


def test_temporaries_share_the_arena() -> None:
    def deep(x: Any, w: Any) -> Any:
        for _ in range(10):
            x = nd.tanh(nd.dot(x, w))
        return x

    p = planned(deep, A, B)
    check(p)
    assert p.arena_bytes == 2 * A._data.nbytes


def test_no_summed_axis_is_split() -> None:
    def every(a: Any, c: Any) -> Any:
        return nd.sum(a, axis=0), nd.sum(a, axis=1), nd.sum(a), nd.argmax(a, axis=0), nd.dot(a, a), nd.sum(c)

    for kernel, partition in (p := planned(every, A, C)).partitions.items():
        if partition.kind == "rows":
            assert 0 not in kernel.reduced
        if partition.kind == "columns":
            assert len(kernel.domain) - 1 not in kernel.reduced
    assert p.partitions


def test_an_optimizers_state_is_shared_by_rows() -> None:
    W, mean, x, g = nd.zeros((256, 128)), nd.zeros((256, 128)), nd.ones((256, 256)), nd.ones((256, 128))

    def plain(w: Any, x: Any, g: Any) -> None:
        w[:] = w - nd.dot(x.T, g)

    def with_momentum(w: Any, m: Any, x: Any, g: Any) -> None:
        m[:] = 0.9 * m + nd.dot(x.T, g)
        w[:] = w - m

    for has_unit, expected in ((False, "columns"), (True, "rows")):
        with compiling_for(dataclasses.replace(host_machine(), has_matrix_unit=has_unit)):
            (alone,) = planned(plain, W, x, g).partitions.values()
            (both,) = planned(with_momentum, W, mean, x, g).partitions.values()
        assert (alone.kind, both.kind) == (expected, "rows")


def test_threads_wait_only_where_they_must() -> None:
    def same_rows(x: Any) -> Any:
        y = nd.softmax(x, axis=1)
        return y, nd.max(y * 2, axis=1)

    assert planned(same_rows, A).barriers == set()
    crossing = planned(lambda x: nd.sum(nd.softmax(x, axis=1), axis=0), A)
    assert crossing.kernels[1] in crossing.barriers
    assert crossing.kernels[0] not in crossing.barriers


def test_roots_are_separate() -> None:
    graph = separate_roots(capture(lambda x: (x, x, x.reshape((1600,)), x + 1), A))
    assert len(set(graph.roots)) == len(graph.roots) == 2
    assert all(not isinstance(n.op, Input) for n in graph.roots)
    verify(graph)
