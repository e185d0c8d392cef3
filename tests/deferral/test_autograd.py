"""What autograd gives does not depend on when things are computed."""

from __future__ import annotations

from typing import Any

from both_modes import deferring, sees_the_same

from lamina import autograd, nd


def test_a_step_that_detaches_is_one_sequence() -> None:
    """As the discriminator's in a GAN: the walk back must not leave the sequence."""
    w, v, x = nd.ones((3, 3)), nd.ones((3, 3)), nd.ones((2, 3))
    w.attach_grad()
    v.attach_grad()
    with deferring() as compiled:
        for _ in range(6):
            with autograd.record():
                fake = nd.tanh(nd.dot(x, w))
                loss = nd.sum(nd.dot(x, v)) - nd.sum(nd.dot(fake.detach(), v))
            loss.backward()
            v[:] = v - 0.1 * v.grad
            loss.asscalar()
    assert len(compiled) == 4, "one sequence a step, compiled from the third on"


def test_detached_arrays_share_memory() -> None:
    def program(see: Any) -> None:
        p = nd.ones((2, 3))
        p.attach_grad()
        for i in range(8):
            with autograd.record():
                y = p * 2
                d = y.detach()
                z = nd.sum(y * d)
            if i == 6:
                d[:] = 5
            see(z.backward)
            see(p.grad)
            see(d)
            e = p.detach()
            e += 1
            see(p)

    sees_the_same(program)


def test_gradients_whose_requirements_change() -> None:
    def program(see: Any) -> None:
        p, q = nd.array([1, 2, 3.0]), nd.ones((3,))
        p.attach_grad()
        q.attach_grad()
        for i in range(10):
            if i in (4, 7):
                q.attach_grad("null" if i == 4 else "add")
            with autograd.record():
                z = p * p * 2 * q
            z.backward()
            see(p.grad)
            see(q.grad)

    sees_the_same(program)
