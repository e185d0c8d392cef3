"""Kernels over the same rows, chunk by chunk: which ones, and that no bit depends on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from graphs import capture

import lamina
from lamina import autograd, nd
from lamina.compiler.cpu._step import Group, groups_of
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.compiler.cpu.target import CPU
from lamina.compiler.passes.plan import Plan
from lamina.compiler.program import lower

BATCH, WAVES, WIDTH, ROWS = 11, 16, 3, 64


def arrays() -> list[Any]:
    random = np.random.default_rng(0)
    shapes = [(BATCH, 1, ROWS), (BATCH, WAVES, 1), (BATCH, WAVES, WIDTH)]
    return [nd.array(random.normal(size=shape)) for shape in shapes]


def embedding(x: Any, frequency: Any, weight: Any) -> Any:
    return nd.batch_dot(weight, nd.cos(x * frequency), transpose_a=True)


def planned(function: Any, *inputs: Any) -> Plan:
    return lower(capture(function, *inputs), CPU())


def groups(plan: Plan, cache_bytes: int) -> list[Group]:
    return groups_of(plan, cache_bytes)


def test_kernels_over_the_same_rows_are_a_group():
    plan = planned(embedding, *arrays())
    assert [kernel.kind for kernel in plan.kernels] == ["map", "product"]
    (group,) = groups(plan, 64 << 10)
    assert (group.start, group.stop) == (0, 2)
    assert 1 < group.chunks <= BATCH


def test_what_fits_the_cache_is_one_chunk():
    assert groups(planned(embedding, *arrays()), 64 << 20) == [Group(0, 2, 1)]


def test_a_kernel_alone_is_one_chunk():
    plan = planned(lambda x: nd.cos(x) * 2, arrays()[0])
    assert groups(plan, 1) == [Group(0, 1, 1)]


def test_a_barrier_ends_a_group():
    def turned(x: Any, frequency: Any, weight: Any) -> Any:
        out = embedding(x, frequency, weight)
        return nd.cos(nd.transpose(out, (1, 0, 2)) + 1)

    plan = planned(turned, *arrays())
    barriers = {i for i, kernel in enumerate(plan.kernels) if kernel in plan.barriers}
    assert barriers
    assert barriers <= {group.start for group in groups(plan, 1)}


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_no_bit_depends_on_chunks(threads):
    lamina.set_num_threads(threads)
    found = []
    for l2_bytes in (4 << 10, 1 << 30):
        with compiling_for(dataclasses.replace(host_machine(), l2_bytes=l2_bytes)):
            x, frequency, weight = arrays()
            for w in (frequency, weight):
                w.attach_grad()

            @lamina.compile
            def step(x: Any, frequency: Any = frequency, weight: Any = weight) -> Any:
                with autograd.record():
                    out = embedding(x, frequency, weight)
                    loss = nd.sum(out * out, axis=2)
                loss.backward()
                for w in (frequency, weight):
                    w[:] = w - 0.01 * w.grad
                return loss

            losses = [step(x).asnumpy() for _ in range(3)]
            found.append([*losses, frequency.asnumpy(), weight.asnumpy()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rows", [3, 7, 11])
def test_chunks_of_fewer_rows_than_go_together(rows):
    """Two copies are a group whose rows go by eight."""
    x = np.random.default_rng(0).normal(size=(2, rows, 40, 3))
    with compiling_for(dataclasses.replace(host_machine(), l2_bytes=1 << 10)):

        @lamina.compile
        def step(x: Any, y: Any) -> Any:
            inner = [nd.slice_axis(part, axis=1, begin=1, end=38) for part in (x, y)]
            return nd.batch_dot(*inner, transpose_a=True)

        found = step(*(nd.array(part) for part in x)).asnumpy()
    a, b = x[:, :, 1:38].astype(np.float32)
    np.testing.assert_allclose(found, a.swapaxes(1, 2) @ b, atol=1e-4)
