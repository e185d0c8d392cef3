"""Compiled functions under `record()`: they are recorded operator by operator, and gradients flow through them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.errors import AutogradError


def numbers(*shape: int, seed: int = 0) -> Any:
    x = nd.array(np.random.default_rng(seed).normal(size=shape))
    x.attach_grad()
    return x


def check(function: Any, *shapes: tuple[int, ...], rtol: float = 1e-5) -> None:
    """Values and gradients of the compiled function and of the function, with work before and after it."""

    def run(f: Any) -> list[np.ndarray]:
        arrays = [numbers(*s, seed=i) for i, s in enumerate(shapes)]
        with autograd.record():
            out = f(*[x * 2 for x in arrays])
            outs = out if isinstance(out, tuple) else (out,)
            loss = sum((nd.sum(nd.tanh(y)) for y in outs), nd.zeros((1,)))
        loss.backward()
        return [*(y.asnumpy() for y in outs), *(x.grad.asnumpy() for x in arrays)]

    for actual, expected in zip(run(lamina.compile(function)), run(function), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: nd.exp(x) * x, [(5,)]),
        (lambda x, y: nd.dot(x, y) * 1.0, [(3, 4), (4, 2)]),
        (lambda x, y: (x * y, nd.sum(x, axis=0)), [(3, 4), (3, 4)]),
        (lambda x: nd.softmax(nd.relu(x), axis=1), [(4, 6)]),
        (lambda x, y: nd.concat(x[1:], y, dim=0), [(3, 2), (2, 2)]),
    ],
)
def test_gradients_flow_through(function: Any, shapes: Any) -> None:
    check(function, *shapes)


def test_parameters_in_the_closure_get_gradients() -> None:
    w, b = numbers(4, 3, seed=1), numbers(3, seed=2)
    net = lamina.compile(lambda x: nd.relu(nd.dot(x, w) + b))
    x = nd.array(np.random.default_rng(0).normal(size=(5, 4)))
    found = []
    for f in (net, net.original):
        with autograd.record():
            loss = nd.sum(f(x) ** 2)
        loss.backward()
        found.append((w.grad.asnumpy(), b.grad.asnumpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


def test_a_training_loop_around_a_compiled_net() -> None:
    w = numbers(4, 2)
    net = lamina.compile(lambda x: nd.dot(x, w))
    x = nd.array(np.random.default_rng(3).normal(size=(20, 4)))
    target = nd.dot(x, nd.ones((4, 2)))
    for _ in range(60):
        with autograd.record():
            loss = nd.mean((net(x) - target) ** 2)
        loss.backward()
        w[:] = w - 0.3 * w.grad
    assert loss.asscalar() < 1e-3


def test_the_same_array_twice_gets_both_gradients() -> None:
    multiply = lamina.compile(lambda x, y: x * y)
    x = numbers(3)
    with autograd.record():
        y = multiply(x, x)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), 2 * x.asnumpy(), rtol=1e-6)


def test_gradients_that_are_added() -> None:
    x = numbers(3)
    x.attach_grad("add")
    double = lamina.compile(lambda x: x * 2)
    for _ in range(3):
        with autograd.record():
            y = double(x)
        y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), [6, 6, 6])


def test_numbers_and_modes() -> None:
    seen = lamina.compile(lambda x, n: x * n + float(autograd.is_training()))
    x = numbers(2)
    with autograd.record():
        y = seen(x, 3.0)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), x.asnumpy() * 3 + 1, rtol=1e-6)
    np.testing.assert_array_equal(x.grad.asnumpy(), [3, 3])
    with autograd.record(train_mode=False):
        y = seen(x, 5.0)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), x.asnumpy() * 5, rtol=1e-6)


def test_dropout_has_one_mask_forward_and_backward() -> None:
    drop = lamina.compile(lambda x: nd.Dropout(x, p=0.5))
    x = nd.ones((1000,))
    x.attach_grad()
    with autograd.record():
        y = drop(x)
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), y.asnumpy())
    assert 300 < (y.asnumpy() == 0).sum() < 700
    with autograd.record():
        z = drop(x)
    assert (z.asnumpy() != y.asnumpy()).any()


def test_dropout_gives_the_eager_mask() -> None:
    def drop(x: Any) -> Any:
        return nd.Dropout(x, p=0.3, mode="always")

    x = nd.ones((37,))
    lamina.random.seed(5)
    expected = [drop(x).asnumpy() for _ in range(3)]
    compiled = lamina.compile(drop)
    lamina.random.seed(5)
    for want in expected:
        np.testing.assert_array_equal(compiled(x).asnumpy(), want)


def test_nothing_to_differentiate() -> None:
    positive = lamina.compile(lambda x: x > 0)
    x = numbers(3)
    with autograd.record():
        y = positive(x)
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), 0)
    with autograd.record():
        assert lamina.compile(lambda x: x * 2)(nd.ones((1,))).asscalar() == 2


def test_running_statistics_are_written_once() -> None:
    mean = nd.zeros((3,))

    def normalized(x: Any) -> Any:
        batch = nd.mean(x, axis=0)
        with autograd.pause():
            mean[:] = 0.5 * mean + 0.5 * batch
        return x - batch

    compiled = lamina.compile(normalized)
    x = numbers(4, 3)
    with autograd.record():
        y = nd.sum(compiled(x) ** 2)
    y.backward()
    np.testing.assert_allclose(mean.asnumpy(), 0.5 * x.asnumpy().mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        x.grad.asnumpy(), 2 * (x.asnumpy() - x.asnumpy().mean(0)), rtol=1e-4, atol=1e-6
    )


def test_what_does_not_compile_is_recorded_like_the_rest() -> None:
    x = numbers(5)
    with autograd.record():
        y = nd.sum(lamina.compile(nd.sort)(x) * nd.array([0.0, 1, 2, 3, 4]))
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.argsort(np.argsort(x.asnumpy())))


def test_second_derivatives_go_through() -> None:
    x = numbers(3)
    cube = lamina.compile(lambda x: x**3)
    with autograd.record():
        y = cube(x)
        (slope,) = autograd.grad(y, [x], create_graph=True)
    slope.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), 6 * x.asnumpy(), rtol=1e-5)


def test_a_thread_without_deferral_says_that_it_runs_eagerly() -> None:
    x = numbers(3)
    double = lamina.compile(lambda x: x * 2)

    def step() -> None:
        for _ in range(2):
            with autograd.record():
                y = double(x)
            y.backward()

    with ThreadPoolExecutor(1) as pool, pytest.warns(UserWarning, match="call record.* inside") as told:
        pool.submit(step).result()
    assert len(told) == 1
    np.testing.assert_array_equal(x.grad.asnumpy(), 2)


def test_changed_parameters_between_forward_and_backward_are_noticed() -> None:
    w = numbers(3)
    net = lamina.compile(lambda x: x * w)
    with autograd.record():
        y = net(nd.ones((3,)))
    w[:] = 7
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward()


def test_what_backward_reads_must_stay_as_it_was() -> None:
    w, x, factor = numbers(3, seed=1), nd.ones((3,)), nd.ones((3,))
    net = lamina.compile(lambda x: nd.exp(x * w * factor))
    for changed in (x, factor, w):
        with autograd.record():
            y = net(x)
        changed[:] = 2
        with pytest.raises(AutogradError, match=r"input \d of .* was changed in place"):
            y.backward()
    with autograd.record():
        y = net(x)
    y.backward()


def test_a_gradient_that_is_attached_later_is_noticed() -> None:
    w, x = nd.array([2]), nd.array([3])
    net = lamina.compile(lambda x: x * w)
    with autograd.record():
        net(x)
    w.attach_grad()
    with autograd.record():
        y = net(x)
    y.backward()
    assert w.grad.asscalar() == 3


def test_each_input_may_have_a_gradient_of_its_own() -> None:
    net = lamina.compile(lambda x: nd.sum(x * x))
    for i in range(4):
        x = nd.array([i])
        x.attach_grad()
        with autograd.record():
            y = net(x)
        y.backward()
        assert x.grad.asscalar() == 2 * i


def test_a_gradient_of_an_argument_that_is_used_inside() -> None:
    @lamina.compile
    def step(x: Any) -> Any:
        with autograd.record():
            loss = nd.sum(x * x)
        loss.backward()

    for req, factor in (("write", 1), ("add", 2), ("write", 1)):
        x = nd.array([3])
        x.attach_grad(req)
        step(x)
        step(x)
        assert x.grad.asscalar() == 6 * factor


def test_parameters_among_the_results_stay_what_they_are() -> None:
    w, unused = numbers(3, seed=1), numbers(3, seed=2)
    net = lamina.compile(lambda x: {"y": x * w, "others": [w, unused, x], "none": None})
    x = nd.ones((3,))
    with autograd.record():
        found = net(x)
        loss = nd.sum(found["y"] * found["others"][0] + found["others"][1])
    loss.backward()
    assert found["others"][0] is w
    assert found["others"][1] is unused
    assert found["others"][2] is x
    np.testing.assert_allclose(w.grad.asnumpy(), 2 * w.asnumpy(), rtol=1e-6)
    np.testing.assert_array_equal(unused.grad.asnumpy(), 1)


def test_results_without_a_slope_have_zeros() -> None:
    w = numbers(3, seed=1)
    net = lamina.compile(lambda x: (x * w, nd.stop_gradient(x * w), x.astype("int32")))
    with autograd.record():
        y, stopped, whole = net(nd.ones((3,)))
        loss = nd.sum(stopped)
    loss.backward(retain_graph=True)
    np.testing.assert_array_equal(w.grad.asnumpy(), 0)
    with pytest.raises(AutogradError, match="was not computed from arrays with a gradient"):
        whole.backward()
    y.backward()
    np.testing.assert_array_equal(w.grad.asnumpy(), 1)
