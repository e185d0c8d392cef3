"""Automatic differentiation: modes, leaves, heads, higher derivatives, hand-written gradients, misuse."""

import gc
import re
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd
from lamina.errors import AutogradError


def leaf(values: Any, grad_req: str = "write") -> nd.NDArray:
    x = nd.array(values, dtype="float64")
    x.attach_grad(grad_req)
    return x


# --- modes ---------------------------------------------------------------------------------------------------------


def test_modes() -> None:
    assert not autograd.is_recording()
    assert not autograd.is_training()
    with autograd.record():
        assert autograd.is_recording()
        assert autograd.is_training()
        with autograd.pause():
            assert not autograd.is_recording()
            assert not autograd.is_training()
        with autograd.predict_mode():
            assert autograd.is_recording()
            assert not autograd.is_training()
    with autograd.train_mode():
        assert not autograd.is_recording()
        assert autograd.is_training()
    with autograd.record(train_mode=False):
        assert not autograd.is_training()
    assert autograd.set_recording(True) is False
    assert autograd.set_recording(False) is True
    assert autograd.set_training(True) is False
    assert autograd.set_training(False) is True


def test_a_mode_ends_with_an_exception() -> None:
    with pytest.raises(RuntimeError), autograd.record():
        raise RuntimeError
    assert not autograd.is_recording()


def test_each_thread_records_for_itself() -> None:
    seen: list[bool] = []
    with autograd.record():
        thread = threading.Thread(target=lambda: seen.append(autograd.is_recording()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_nothing_is_recorded_outside_or_in_pause() -> None:
    x = leaf([1.0])
    y = x * 2
    with autograd.record(), autograd.pause():
        z = x * 2
    for head in (y, z):
        with pytest.raises(AutogradError, match="was not computed from arrays with a gradient"):
            head.backward()


# --- backward ------------------------------------------------------------------------------------------------------


def test_backward_on_a_vector_sums_over_it() -> None:
    x = leaf([1.0, 2.0, 3.0])
    with autograd.record():
        y = x * x
    y.backward()
    assert x.grad.asnumpy().tolist() == [2, 4, 6]


def test_head_gradients() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        y = x * x
    y.backward(nd.array([10.0, 100.0], dtype="float64"))
    assert x.grad.asnumpy().tolist() == [20, 400]
    with autograd.record():
        y = x * x
    with pytest.raises(
        AutogradError, match=r"head of shape \(2,\) needs a head gradient of the same shape, got \(3,\)"
    ):
        y.backward(nd.ones(3, dtype="float64"))


def test_several_heads_together() -> None:
    x = leaf([3.0])
    with autograd.record():
        a, b = x * 2, x * x
    autograd.backward([a, b], [nd.array([1.0], dtype="float64"), None])
    assert x.grad.asscalar() == 2 + 6
    with pytest.raises(AutogradError, match="2 heads but 1 head gradients"):
        autograd.backward([a, b], [None])


def test_an_array_used_twice_gets_both_gradients() -> None:
    x = leaf([2.0])
    with autograd.record():
        y = x * x
        z = y * x + y
    z.backward()
    assert x.grad.asscalar() == 3 * 4 + 2 * 2


def test_a_second_backward_needs_retain_graph() -> None:
    x = leaf([2.0])
    with autograd.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.asscalar() == 4
    with pytest.raises(AutogradError, match="already used and freed"):
        y.backward()


def test_what_was_used_up_is_a_constant_for_what_is_recorded_later() -> None:
    """As in MXNet: a hidden state carried from step to step cuts the gradient where the step before ended."""
    w = leaf([2.0])
    h = nd.ones(1, dtype="float64")
    found: list[float] = []
    for _ in range(3):
        with autograd.record():
            h = h * w
            loss = h * h
        loss.backward()
        found.append(w.grad.asscalar())
    assert found == [4, 16, 64]  # 2h · (h before)
    with autograd.record():
        shared = w * 3
        first, second = shared * shared, shared * w
    first.backward()
    with pytest.raises(AutogradError, match="already used and freed"):  # an error in MXNet, too
        second.backward()


def test_what_is_written_over_a_whole_array_takes_its_place() -> None:
    w, x = leaf([1.0, 2.0]), nd.zeros(2)
    with autograd.record():
        x[:] = w * 2
        z = x * x
    z.backward()
    assert w.grad.asnumpy().tolist() == [8, 16]

    def part(x: nd.NDArray) -> None:
        x[0] = (w * 2)[0]

    def sum_in_place(x: nd.NDArray) -> None:
        x += w

    def what_is_in_a_graph(x: nd.NDArray) -> None:
        y = x * w
        y[:] = 1

    for write in (part, sum_in_place, what_is_in_a_graph):
        with (
            autograd.record(),
            pytest.raises(AutogradError, match=r"Inplace operations .* are not supported when recording"),
        ):
            write(nd.zeros(2, dtype="float64"))


def test_what_has_no_slope_gives_zeros() -> None:
    x, y = leaf([1.0, -1.0]), leaf([5.0, 6.0])
    for function in (
        lambda: x > 0,
        lambda: nd.BlockGrad(x),
        lambda: nd.floor(x) + nd.sign(x),
        lambda: nd.argmax(x, axis=0),
        lambda: nd.one_hot(x, 3),
        lambda: nd.argsort(x),
    ):
        x.grad[:] = 7
        with autograd.record():
            z = function()
        z.backward()
        assert x.grad.asnumpy().tolist() == [0, 0]
    x.grad[:] = 7
    with autograd.record():
        z = nd.BlockGrad(x) * y
    z.backward()
    assert (x.grad.asnumpy().tolist(), y.grad.asnumpy().tolist()) == ([0, 0], [1, -1])
    with autograd.record():
        (g,) = autograd.grad(nd.sign(x), x)
    assert g.asnumpy().tolist() == [0, 0]


def test_a_compiled_step_writes_zeros_where_there_is_no_slope() -> None:
    x, y = leaf([1.0, -1.0]), leaf([5.0, 6.0])

    @mx.compile(keep_gradients=True)
    def step() -> nd.NDArray:
        with autograd.record():
            z = nd.sum(nd.BlockGrad(x) * y)
        z.backward()
        return z

    x.grad[:] = 7
    step()
    assert (x.grad.asnumpy().tolist(), y.grad.asnumpy().tolist()) == ([0, 0], [1, -1])


def test_backward_inside_record_is_not_recorded() -> None:
    x = leaf([3.0])
    with autograd.record():
        y = x * x
        y.backward()
        assert autograd.is_recording()
    assert x.grad.asscalar() == 6
    assert x.grad._node is None


def test_the_gradient_is_the_same_object_from_step_to_step() -> None:
    x = leaf([1.0, 2.0])
    grad, memory = x.grad, x.grad._concrete()
    for factor in (2.0, 5.0):
        with autograd.record():
            y = x * factor
        y.backward()
        assert x.grad is grad
        assert x.grad._concrete() is memory
        assert set(grad.asnumpy()) == {factor}


def test_grad_req_add_accumulates_and_null_does_nothing() -> None:
    x, y = leaf([1.0], "add"), leaf([1.0], "null")
    assert y.grad is None
    for _ in range(3):
        with autograd.record():
            z = x * 2 + y
        z.backward()
    assert x.grad.asscalar() == 6
    x.grad[:] = 0
    assert x.grad.asscalar() == 0
    with pytest.raises(ValueError, match='"write", "add", "null"'):
        x.attach_grad("accumulate")


def test_a_leaf_that_was_not_reached_keeps_its_gradient() -> None:
    x, y = leaf([1.0]), leaf([1.0])
    y.grad[:] = 7
    with autograd.record():
        z = x * 2
    z.backward()
    assert y.grad.asscalar() == 7


def test_attach_grad_cuts_the_past_off() -> None:
    x = leaf([2.0])
    with autograd.record():
        y = x * x
        y.attach_grad()
        z = y * 3
    z.backward()
    assert y.grad.asscalar() == 3
    assert x.grad.asscalar() == 0


def test_detach_stops_the_gradient_and_shares_memory() -> None:
    x = leaf([3.0])
    with autograd.record():
        y = x * x.detach()
    y.backward()
    assert x.grad.asscalar() == 3
    d = x.detach()
    d[:] = 5
    assert x.asscalar() == 5


def test_mark_variables() -> None:
    x, g = nd.array([2.0]), nd.zeros(1)
    autograd.mark_variables(x, g)
    with autograd.record():
        y = x * x
    y.backward()
    assert x.grad is g
    assert g.asscalar() == 4
    autograd.mark_variables([x], [g], "null")
    assert x.grad is None


def test_train_mode_of_backward_is_for_the_backward_pass_alone() -> None:
    x = leaf([1.0])
    seen: list[bool] = []

    class Spy(autograd.Function):
        def forward(self, x: Any) -> Any:
            return x * 1

        def backward(self, dy: Any) -> Any:
            seen.append(autograd.is_training())
            return dy

    for train_mode in (True, False):
        with autograd.record():
            y = Spy()(x)
        y.backward(train_mode=train_mode)
    assert seen == [True, False]


def test_gradients_come_back_from_another_device() -> None:
    x = leaf([1.0, 2.0], "add")
    with autograd.record():
        there = x.as_in_context(mx.cpu(1))
        y = (there * there).as_in_context(mx.cpu(0)) + x
    y.backward()
    assert x.grad.asnumpy().tolist() == [3, 5]
    assert x.grad.context == mx.cpu(0)


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [(nd.maximum, 1, 0), (nd.minimum, 1, 0), (lambda a, b: nd.relu(a - b), 0, 0)],
)
def test_the_subgradient_at_a_tie(function: Any, left: float, right: float) -> None:
    a, b = leaf([2.0]), leaf([2.0])
    with autograd.record():
        y = function(a, b)
    y.backward()
    assert (a.grad.asscalar(), b.grad.asscalar()) == (left, -0.0 if right == 0 else right)


# --- misuse that would give wrong gradients ------------------------------------------------------------------------


def test_writing_in_place_while_recording_raises() -> None:
    x = leaf([1.0])
    with autograd.record():
        y = x * 2
        with pytest.raises(AutogradError, match=r"written in place inside autograd\.record"):
            x[:] = 0
        with pytest.raises(AutogradError, match=r"written in place inside autograd\.record"):
            x += 1
        with pytest.raises(AutogradError, match=r"written in place inside autograd\.record"):
            y[0] = 1
        other = nd.ones(1)
        other += 1
        other[:] = 3
    assert x.asscalar() == 1


@pytest.mark.parametrize("write", ["input", "constant", "view of input", "result", "view of result"])
def test_a_value_that_backward_needs_was_changed(write: str) -> None:
    x, c = leaf([[1.0, 2.0]]), nd.array([[3.0, 4.0]], dtype="float64")
    with autograd.record():
        y = nd.exp(x * c)
        z = y * 2
    target = {
        "input": x,
        "constant": c,
        "view of input": x[0],
        "result": y,
        "view of result": y.reshape((2,)),
    }[write]
    target[:] = 0
    with pytest.raises(AutogradError, match="was changed in place after it was recorded"):
        z.backward()


def test_updates_after_backward_are_fine() -> None:
    w = leaf([1.0])
    for _ in range(3):
        with autograd.record():
            loss = w * w
        loss.backward()
        w[:] = w - 0.25 * w.grad
    assert w.asscalar() == 0.125


# --- grad ----------------------------------------------------------------------------------------------------------


def test_grad_returns_and_does_not_write() -> None:
    x, y = leaf([3.0]), leaf([4.0])
    with autograd.record():
        z = x * y
    dx, dy = autograd.grad(z, [x, y], retain_graph=True)
    assert (dx.asscalar(), dy.asscalar()) == (4, 3)
    assert x.grad.asscalar() == 0
    (dx,) = autograd.grad(z, x)
    assert dx.asscalar() == 4


def test_grad_by_an_array_on_the_way() -> None:
    x = leaf([2.0])
    with autograd.record():
        y = x * x
        z = y * y * x
    dy, dx = autograd.grad(z, [y, x])
    assert dy.asscalar() == 2 * 4 * 2
    assert dx.asscalar() == 5 * 2**4


def test_grad_by_what_has_no_gradient_or_no_part() -> None:
    x, apart = leaf([2.0]), leaf([[1.0, 2.0]])
    with autograd.record():
        z = x * x
    with pytest.raises(AutogradError, match=r"variable 1 \(shape \(1,\)\) has no gradient; call attach_grad"):
        autograd.grad(z, [x, nd.ones(1)])
    assert autograd.grad(z, apart)[0].asnumpy().tolist() == [[0, 0]]


def test_higher_derivatives() -> None:
    x = leaf([0.5, 2.0])
    with autograd.record():
        derivative = nd.sin(x * x)
        for _ in range(3):
            derivative = autograd.grad(derivative, x, create_graph=True)[0]
    v = x.asnumpy()
    expected = -12 * v * np.sin(v**2) - 8 * v**3 * np.cos(v**2)
    np.testing.assert_allclose(derivative.asnumpy(), expected, rtol=1e-10)


def test_a_gradient_penalty() -> None:
    x = leaf([1.0, 2.0])
    with autograd.record():
        (slope,) = autograd.grad((x**3).sum(), x, create_graph=True)
        penalty = (slope * slope).sum()
    penalty.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), 36 * x.asnumpy() ** 3)


# --- Function ------------------------------------------------------------------------------------------------------


class Sigmoid(autograd.Function):
    def forward(self, x: Any) -> Any:
        y = 1 / (1 + nd.exp(-x))
        self.save_for_backward(y)
        return y

    def backward(self, dy: Any) -> Any:
        (y,) = self.saved_tensors
        return dy * y * (1 - y)


def test_a_function_with_its_own_gradient() -> None:
    x = leaf([0.0, 1.0])
    with autograd.record():
        y = Sigmoid()(x * 2)
    y.backward()
    s = 1 / (1 + np.exp(-2 * x.asnumpy()))
    np.testing.assert_allclose(x.grad.asnumpy(), 2 * s * (1 - s))


def test_a_function_of_several_arrays_with_several_results() -> None:
    class SumAndProduct(autograd.Function):
        def forward(self, x: Any, y: Any) -> Any:
            self.save_for_backward(x, y)
            return x + y, x * y

        def backward(self, d_sum: Any, d_product: Any) -> Any:
            x, y = self.saved_tensors
            return d_sum + d_product * y, d_sum + d_product * x

    x, y = leaf([2.0]), leaf([5.0])
    with autograd.record():
        total, product = SumAndProduct()(x, y)
        z = total * 10 + product
    z.backward()
    assert (x.grad.asscalar(), y.grad.asscalar()) == (15, 12)
    with autograd.record():
        _, product = SumAndProduct()(x, y)
    product.backward()
    assert x.grad.asscalar() == 5


def test_a_function_with_the_wrong_number_of_gradients() -> None:
    class Wrong(autograd.Function):
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

        def backward(self, dy: Any) -> Any:
            return dy

    x, y = leaf([1.0]), leaf([1.0])
    with autograd.record():
        z = Wrong()(x, y)
    with pytest.raises(AutogradError, match=r"Wrong\.backward returned 1 gradients for 2 inputs"):
        z.backward()


def test_a_function_outside_record_just_computes() -> None:
    assert Sigmoid()(nd.zeros(1)).asscalar() == 0.5
    with pytest.raises(TypeError, match="must override forward"):
        autograd.Function()(nd.zeros(1))


# --- memory --------------------------------------------------------------------------------------------------------


def test_the_graph_is_freed_with_its_head_and_not_by_the_garbage_collector() -> None:
    x = leaf([1.0])
    gc.disable()
    try:
        with autograd.record():
            y = nd.exp(x)
            z = y * 2
        middle = weakref.ref(y)
        del y
        assert middle() is not None
        del z
        assert middle() is None
    finally:
        gc.enable()


@pytest.mark.slow
def test_a_long_chain() -> None:
    x = leaf([1.0])
    with autograd.record():
        y = x
        for _ in range(20_000):
            y = y + 1
    y.backward()
    assert x.grad.asscalar() == 1
    del y


def test_a_parameter_that_became_a_new_array_is_told():
    w = nd.ones((2,))
    w.attach_grad()
    with autograd.record():
        loss = (w * w).sum()
    loss.backward()
    w = w - 0.1 * w.grad
    with autograd.record():
        loss = (w * w).sum()
    with pytest.raises(AutogradError, match=re.escape("`W[:] = W - lr * W.grad`")):
        loss.backward()


def test_fresh_grad_says_whether_backward_came_since_it_was_cleared() -> None:
    x, y = leaf([1.0]), leaf([2.0])
    assert not x._fresh_grad
    with autograd.record():
        z = x * 2 + y.detach()
    z.backward()
    assert x._fresh_grad
    assert not y._fresh_grad
    x._fresh_grad = False
    assert not x._fresh_grad
    x._fresh_grad = True
    assert x._fresh_grad
    assert not nd.ones(1)._fresh_grad


def test_modes_are_truth_values() -> None:
    with autograd.record(train_mode=1):
        assert autograd.is_training() is True
    with autograd.pause(train_mode=np.bool_(False)):
        assert autograd.is_training() is False
