"""`detect_anomaly` finds the operator that made the first NaN or infinity, and its line; it changes no number."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.core.state import state
from lamina.errors import AnomalyError

X = [4.0, 0.0]


def lines() -> list[str]:
    with open(__file__, encoding="utf-8") as file:
        return file.read().splitlines()


def line_in(error: pytest.ExceptionInfo[AnomalyError]) -> str:
    """The line of this file that the message begins with."""
    path, number, _ = str(error.value).split(":", 2)
    assert path == __file__
    return lines()[int(number) - 1].strip()


def leaf(values: Any = X) -> Any:
    x = nd.array(values)
    x.attach_grad()
    return x


FORWARD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "log": (
        nd.log,
        r"the result of log of arrays \(2,\) has infinity at index \[1\] of \(2,\).*\(there: 0\)",
    ),
    "divide": (lambda x: 1 / x, r"the result of \w+ of arrays \(2,\) has infinity at index \[1\]"),
    "sqrt": (
        lambda x: nd.sqrt(x - 1),
        r"the result of sqrt of arrays \(2,\) has NaN at index \[1\].*\(there: -1\)",
    ),
    "exp": (lambda x: nd.exp(x * 100), r"the result of exp .* has infinity at index \[0\].*\(there: 400\)"),
    "dot": (lambda x: nd.dot(x * 1e30, x * 1e30), r"the result of \w+ of arrays \(.*\), \(.*\) has infinity"),
}
BACKWARD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "sqrt": (nd.sqrt, r"the gradient of sqrt of arrays \(2,\) has infinity at index \[1\]"),
    "power": (lambda x: x**0.5, r"the gradient of \w+ of arrays \(2,\) has infinity at index \[1\]"),
    "cbrt": (nd.cbrt, r"the gradient of cbrt"),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name: str) -> None:
    function, said = FORWARD[name]
    with pytest.raises(AnomalyError, match=said), lamina.detect_anomaly():
        function(nd.array(X))
    function(nd.array(X)).asnumpy()  # outside, nothing is said


@pytest.mark.parametrize("name", BACKWARD)
@pytest.mark.parametrize("way", ["plain", "compiled", "hybridized"])
def test_backward_tells_the_line_of_the_forward_operator(name: str, way: str) -> None:
    function, said = BACKWARD[name]

    class Layer(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return nd.sum(function(x))

    def forward(x: Any) -> Any:
        return nd.sum(function(x))

    layer = Layer()
    layer.hybridize()
    forward = {"plain": forward, "compiled": lamina.compile(forward), "hybridized": layer}[way]
    x = leaf()
    with pytest.raises(AnomalyError, match=said) as error, lamina.detect_anomaly():
        with autograd.record():
            y = forward(x)
        y.backward()
    assert "nd.sum(function(x))" in line_in(error) or f'"{name}"' in line_in(error)


def test_a_whole_compiled_step_and_many_batches() -> None:
    w = leaf([1.0, 1.0])

    def step(x: Any) -> Any:
        with autograd.record():
            loss = nd.sum(nd.log(x * w))
        loss.backward()
        w[:] = w - 0.1 * w.grad
        return loss

    compiled = lamina.compile(step)
    compiled(nd.array([1.0, 2.0]))  # known to the compiler already
    for call in (
        lambda: compiled(nd.array(X)),
        lambda: compiled.run_batches(np.array([[0]]), nd.array([X])),
        lambda: compiled.run_stacks([nd.array([X, X])], [(), ()]),
    ):
        with pytest.raises(AnomalyError, match="the result of log") as error, lamina.detect_anomaly():
            call()
        assert line_in(error) == "loss = nd.sum(nd.log(x * w))"


def test_an_update_that_overflows() -> None:
    net = gluon.nn.Dense(1, in_units=2, use_bias=False)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e38})
    with autograd.record():
        loss = nd.sum(net(nd.array([[1e3, 1e3]])))
    loss.backward()
    with pytest.raises(AnomalyError, match="has infinity") as error, lamina.detect_anomaly():
        trainer.step(1)
    assert line_in(error) == "trainer.step(1)"


def test_a_function_of_the_users_is_told_by_its_own_line() -> None:
    class Root(autograd.Function):
        def forward(self, x: Any) -> Any:
            y = nd.sqrt(x)
            self.save_for_backward(y)
            return y

        def backward(self, dy: Any) -> Any:
            (y,) = self.saved_tensors
            return 0.5 * dy / y

    x = leaf()
    with pytest.raises(AnomalyError) as error, lamina.detect_anomaly():
        with autograd.record():
            y = Root()(x)
        y.backward()
    assert line_in(error) == "return 0.5 * dy / y"


def test_what_was_there_before_or_is_meant_is_no_anomaly() -> None:
    with lamina.detect_anomaly():
        x = nd.array([math.nan, 1.0, math.inf])
        assert math.isnan(nd.sum(nd.exp(x) * 2).asscalar())
        assert nd.nansum(x[:2]).asscalar() == 1
        masked = nd.where(nd.array([1, 0]), nd.array([1, 2]), -math.inf)
        assert nd.softmax(masked).tolist() == [1, 0]
        assert nd.full((2,), math.inf).tolist() == [math.inf, math.inf]


def trained(hybridize: bool, precision: str = "float32") -> bytes:
    lamina.random.seed(3)
    net = gluon.nn.HybridSequential()
    net.add(
        gluon.nn.Dense(8, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.Dropout(0.3), gluon.nn.LayerNorm(),
        gluon.nn.Dense(6, activation="tanh"), gluon.nn.PReLU(), gluon.nn.Dense(3),
    )  # fmt: skip
    net.initialize()
    if hybridize:
        net.hybridize(precision=precision)
    loss, trainer = gluon.loss.SoftmaxCrossEntropyLoss(), gluon.Trainer(net.collect_params(), "adam")
    x, y = nd.random.normal(shape=(16, 4)), nd.array(np.arange(16) % 3)
    for _ in range(5):
        with autograd.record():
            out = loss(net(x), y)
        out.backward()
        trainer.step(16)
    return b"".join(p.data().asnumpy().tobytes() for p in net.collect_params().values())


@pytest.mark.parametrize(
    ("hybridize", "precision"), [(False, "float32"), (True, "float32"), (True, "bfloat16")]
)
def test_the_numbers_are_eager_s(hybridize: bool, precision: str) -> None:
    with lamina.eager():
        eager = trained(False)
    with lamina.detect_anomaly():
        assert trained(hybridize, precision) == eager


LOSSES = [
    getattr(gluon.loss, name)
    for name in sorted(gluon.loss.__all__)
    if name not in ("Loss", "CTCLoss", "SDMLLoss")
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_losses_make_no_anomalies_of_their_own(loss: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = leaf(rng.normal(size=(4, 3)) * 30), nd.array(np.abs(rng.normal(size=(4, 3))) + 0.1)
    others = {"TripletLoss": [y, y + 1], "CosineEmbeddingLoss": [y, nd.array([1, -1, 1, -1])]}
    arguments = others.get(loss.__name__, [nd.array([0, 1, 2, 0])] if "Softmax" in loss.__name__ else [y])
    with lamina.detect_anomaly():
        with autograd.record():
            out = loss()(x, *arguments)
        out.backward()


def test_switched_on_and_off() -> None:
    queue = state.queue
    lamina.set_detect_anomaly(True)
    lamina.set_detect_anomaly(True)
    with pytest.raises(AnomalyError):
        nd.log(nd.zeros(1))
    lamina.set_detect_anomaly(False)
    lamina.set_detect_anomaly(False)
    assert state.queue is queue and not state.runs_as_written
    nd.log(nd.zeros(1)).asnumpy()


def test_as_a_decorator_nested_and_inside_eager() -> None:
    @autograd.detect_anomaly()
    def logarithm(x: Any) -> Any:
        return nd.log(x)

    with pytest.raises(AnomalyError):
        logarithm(nd.zeros(1))
    with lamina.eager(), lamina.detect_anomaly(), lamina.eager(), pytest.raises(AnomalyError):
        nd.log(nd.zeros(1))
    logarithm(nd.ones(1))


def test_other_threads_go_on() -> None:
    found: list[Any] = []
    with lamina.detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(nd.log(nd.zeros(1)).asscalar()))
        thread.start()
        thread.join()
    assert found == [-math.inf]


def test_a_graph_may_be_used_afterwards() -> None:
    x = leaf([4.0, 9.0])
    with lamina.detect_anomaly(), autograd.record():
        y = nd.sum(nd.sqrt(x))
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [0.25, 1 / 6], rtol=1e-6)


def test_gradients_of_gradients() -> None:
    x = leaf([0.0])
    with pytest.raises(AnomalyError, match="gradient") as error, lamina.detect_anomaly():
        with autograd.record():
            y = nd.sum(x**1.5)
            (slope,) = autograd.grad(y, x, create_graph=True)
        slope.backward()
    assert line_in(error) in ("y = nd.sum(x**1.5)", "(slope,) = autograd.grad(y, x, create_graph=True)")
