"""What autograd gives does not depend on when things are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import deferring, sees_the_same

from lamina import autograd, nd
from lamina.errors import ShapeError


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


def test_a_hidden_state_is_carried_from_step_to_step() -> None:
    """As the book's recurrent loops do: a walk back uses its part of the tape up; before it, all is constant."""

    def program(see: Any) -> None:
        w, u, h = nd.array([[0.5, 0.1], [0.2, 0.3]]), nd.ones((2, 2)), nd.ones((1, 2))
        w.attach_grad()
        u.attach_grad("add")
        for i in range(9):
            with autograd.record():
                h = nd.tanh(nd.dot(h, w))
                loss = nd.sum(h * h)
                other = nd.sum(nd.dot(h, u))
            loss.backward()
            w[:] = w - 0.1 * w.grad
            see(w)
            if i == 7:
                see(loss.backward)  # used up
                see(other.backward)  # recorded before it was used up
                continue
            with autograd.record():
                late = nd.sum(nd.dot(h, u))
            late.backward()
            see(u.grad)
            see(w.grad)

    sees_the_same(program)


def test_what_has_no_slope_gives_zeros() -> None:
    def program(see: Any) -> None:
        p, q = nd.array([1, -2, 3.0]), nd.array([3.0, 1, 2])
        p.attach_grad()
        q.attach_grad("add")
        for _ in range(6):
            p.grad[:] = 7
            with autograd.record():
                z = nd.sum(nd.BlockGrad(p) * q + (p > 0) * nd.sign(q))
            z.backward()
            see(p.grad)
            see(q.grad)
            with autograd.record():
                z = p > 0
            z.backward()
            see(p.grad)

    sees_the_same(program)


def test_a_walk_back_to_what_could_not_be_noted() -> None:
    """A mistake begins a sequence; NumPy sees the memory of `x`, so that its product is not noted; `q` comes again."""

    def program(see: Any) -> None:
        x, q, w, other = nd.ones((2, 2)) * 2, nd.ones((2, 2)), nd.ones((2, 2)), nd.ones((7, 7))
        q.attach_grad()
        memory = np.asarray(x)
        for _ in range(8):
            with pytest.raises(ShapeError):
                q + other
            for _ in range(2):
                with autograd.record():
                    loss = nd.dot(x * q, w) - q
                loss.backward()
                see(q.grad)
            memory += 1

    sees_the_same(program)
