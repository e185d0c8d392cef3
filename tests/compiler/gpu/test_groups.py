"""Kernels of a launch whose code differs in pointers alone are written once: the members of an ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np
from same_values import assert_same

import lamina
from lamina import nd

MEMBERS = 5


def layers(arrays: Any) -> list[Any]:
    """Of each member: one input for all, and one of its own."""
    x, members = arrays[0], arrays[1:]
    triples = [members[i : i + 3] for i in range(0, len(members), 3)]
    found = [nd.relu(nd.dot(x, w) + b) for w, b, _ in triples]
    found += [nd.sum(own * 2, axis=1) for _, _, own in triples]
    return [*found, *(nd.dot(own, own, transpose_b=True) for _, _, own in triples)]


def arrays(ctx: Any, members: int) -> list[Any]:
    random = np.random.default_rng(0)
    shapes = [(20, 30), *[(30, 7), (7,), (20, 11)] * members]
    return [nd.array(random.normal(size=shape), ctx=ctx) for shape in shapes]


def schedule_and_length(ctx: Any, members: int) -> tuple[Any, int]:
    compiled = lamina.compile(layers)
    found = compiled(arrays(ctx, members))
    with lamina.cpu():
        expected = layers(arrays(lamina.cpu(), members))
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        assert_same(x, y, f"{members} members, result {i}")
    code = next(iter(compiled._entries.values())).program.code
    return code.schedule, code.ir().count("\n")


def test_members_of_an_ensemble_share_code(gpu: Any) -> None:
    schedule, length = schedule_and_length(gpu, MEMBERS)
    (stage,) = schedule.stages
    assert len(stage.tasks) == 3 * MEMBERS
    groups = schedule.groups(stage)
    assert sorted(len(group) for group in groups) == [MEMBERS] * 3
    assert [group[0] for group in groups] == [stage.tasks[i] for i in (0, MEMBERS, 2 * MEMBERS)]
    _, alone = schedule_and_length(gpu, 1)
    assert length < 1.5 * alone


def test_a_pointer_that_is_met_twice_is_other_code(gpu: Any) -> None:
    """x xᵀ reads one array where x yᵀ reads two."""

    def products(x: Any, y: Any) -> list[Any]:
        return [
            nd.dot(x, x, transpose_b=True),
            nd.dot(x, y, transpose_b=True),
            nd.dot(y, x, transpose_b=True),
        ]

    random = np.random.default_rng(0)
    numbers = [random.normal(size=(9, 9)).astype(np.float32) for _ in range(2)]
    compiled = lamina.compile(products)
    found = compiled(*(nd.array(a, ctx=gpu) for a in numbers))
    with lamina.cpu():
        expected = products(*map(nd.array, numbers))
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert_same(a, b, f"product {i}")
    schedule = next(iter(compiled._entries.values())).program.code.schedule
    assert [[len(g) for g in schedule.groups(stage)] for stage in schedule.stages] == [[1, 2]]
