"""Loops that nothing marks the steps of: no batch is fetched, nothing recorded, nothing looked at until the end."""

from __future__ import annotations

from typing import Any

from both_modes import deferring, sees_the_same

from lamina import nd
from lamina.core.state import state


def _weights() -> list[Any]:
    return [nd.random.normal(shape=shape) for shape in ((5, 7), (7,), (7, 3), (3,))]


def _correct(weights: list[Any], data: Any) -> Any:
    W1, b1, W2, b2 = weights
    return nd.sum(nd.argmax(nd.dot(nd.relu(nd.dot(data, W1) + b1), W2) + b2, axis=1) == 1)


def test_sequences_begin_where_a_step_hands_on_least() -> None:
    """A sequence of more than 1,024 events is cut; then not in the middle of the network again."""
    with deferring() as compiled:
        weights, data = _weights(), nd.random.normal(shape=(4, 5))
        count = nd.zeros(1)
        for _ in range(400):
            count += _correct(weights, data)
        count.asscalar()
        whole = [path for path in compiled if path.end.depth == state.queue._period]  # pyright: ignore
        assert len(whole) > 20
        assert all(path.plan is None or path.plan.results == [] for path in whole)


def test_after_another_step_the_loop_is_cut_as_before() -> None:
    """Each evaluation begins with a step of its own: `0.0 + x` is no write."""
    with deferring() as compiled:
        weights, data = _weights(), nd.random.normal(shape=(4, 5))
        for _ in range(4):
            count = 0.0
            for _ in range(300):
                count += _correct(weights, data)
            count.asscalar()  # pyright: ignore
        lengths = [path.end.depth for path in compiled[-30:]]
        assert lengths.count(state.queue._period) > 20  # pyright: ignore


def test_numbers_are_those_of_eager_evaluation() -> None:
    def program(see: Any) -> None:
        weights, data = _weights(), nd.random.normal(shape=(4, 5))
        for _ in range(3):
            count = 0.0
            for i in range(300):
                count += _correct(weights, data + i % 7)
            see(count)

    sees_the_same(program)


def test_arrays_of_the_next_run_become_the_programs_own_as_soon() -> None:
    """A training that is done again with other parameters: they may be held in the program's layout, too."""
    with deferring() as compiled:
        for _ in range(6):
            weight = nd.random.normal(shape=(4, 4))
            for _ in range(40):
                weight[:] = nd.tanh(weight) * 2 + 1
                nd.sum(weight).asscalar()
        plan = compiled[-1].plan
        assert plan is not None
        assert plan._patience == 1
        assert len(plan._own) == 1
