"""Arrays know their device, whenever they are computed."""

from __future__ import annotations

from typing import Any

from both_modes import sees_the_same

from lamina import cpu, nd


def test_new_arrays_are_made_where_the_program_says_this_time() -> None:
    def program(see: Any) -> None:
        for i in range(7):
            x = nd.zeros((3,), ctx=cpu(i % 2))
            see((x + 1) * 2)
            see((x + 1).context)
            with cpu(1 if i > 4 else 0):
                see(nd.ones((3,)) * 3 + 1)
                see((nd.random.uniform(shape=(2,)) + 1).context)

    sees_the_same(program)


def test_devices_are_not_mixed_in_a_sequence_that_repeats() -> None:
    def program(see: Any) -> None:
        a = nd.ones((3,))
        for i in range(7):
            see(lambda i=i: (nd.zeros((3,), ctx=cpu(1 if i == 5 else 0)) + a) * 2)
            see(lambda i=i: a.as_in_context(cpu(1 + i % 2)) * 2 + a.as_in_context(cpu(1)))

    sees_the_same(program)


def test_several_devices_in_one_sequence() -> None:
    def program(see: Any) -> None:
        a, b = nd.ones((3,)), nd.ones((3,), ctx=cpu(1))
        a.attach_grad()
        for _ in range(5):
            x = nd.zeros((3,), ctx=cpu(1)) + b
            see(x * 2 + a.as_in_context(cpu(1)))
            see((x + 1).as_in_context(cpu(0)) + a)

    sees_the_same(program)
