"""Parameters that a compiled program holds in its own layout, and pending writes to them."""

from __future__ import annotations

from typing import Any

from both_modes import sees_the_same

from lamina import autograd, nd


def test_a_look_at_one_held_parameter_while_a_write_to_another_is_owed() -> None:
    def program(see: Any) -> None:
        w, v = nd.random.normal(scale=0.1, shape=(64, 32)), nd.random.normal(scale=0.1, shape=(16, 64))
        w.attach_grad()
        v.attach_grad()
        x = nd.random.normal(shape=(8, 32))
        for i in range(20):
            with autograd.record():
                hidden = nd.relu(nd.dot(x, w, transpose_b=True))
                loss = nd.sum(nd.square(nd.dot(hidden, v, transpose_b=True)))
            loss.backward()
            for p in (w, v):
                p[:] = p - 0.001 * p.grad
            see(loss)
            if i > 9:
                unrelated = x + 1
                w[:] = w * 0.5
                see(v)
                see(w)
                see(unrelated)

    sees_the_same(program)
