"""Weights that a compiled step holds in its own layout between calls: whatever is done with them, nobody can tell."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairwise import pairwise

import lamina
from lamina import autograd, gluon, nd
from lamina.compiler.cpu._hold_transposed import hold_transposed
from lamina.compiler.cpu._holding import HeldArray
from lamina.compiler.cpu.target import CPU

ROWS, INPUTS, BATCH, STEPS = 40, 12, 8, 9
INDICES = np.random.default_rng(1).integers(0, ROWS, (STEPS, BATCH))

OPTIMIZERS = {
    "sgd": {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01},
    "adam": {"learning_rate": 0.01},
    "lamb": {"learning_rate": 0.01},
}


def network(dtype: Any = np.float32) -> Any:
    random = np.random.default_rng(3)
    net = gluon.nn.HybridSequential()
    for units, inputs in ((12, INPUTS), (17, 12), (3, 17)):  # the first weight is square
        net.add(
            gluon.nn.Dense(units, in_units=inputs, activation="relu" if units != 3 else None, dtype=dtype)
        )
    net.initialize()
    for p in net.collect_params().values():
        p.set_data(nd.array(random.normal(scale=0.4, size=p.shape), dtype=dtype))
    return net


def training_step(net: Any, optimizer: str = "sgd", **settings: Any) -> Any:
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings or {"learning_rate": 0.1})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(BATCH)
        return nd.mean(loss)

    return lamina.compile(step)


def data(dtype: Any = np.float32) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, INPUTS))
    return nd.array(x, dtype=dtype), nd.array(x[:, :3].argmax(1), dtype=dtype)


def batches(dtype: Any = np.float32) -> list[tuple[Any, Any]]:
    x, y = data(dtype)
    return [(nd.take(x, nd.array(rows)), nd.take(y, nd.array(rows))) for rows in INDICES]


def weights(net: Any) -> list[np.ndarray]:
    return [p.data().asnumpy() for p in net.collect_params().values()]


def is_held(net: Any) -> bool:
    return type(net[0].weight.data()) is HeldArray


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Runs a function without the pass that decides what is held: the oracle."""

    def run(function: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(CPU, "passes", [p for p in CPU.passes if p is not hold_transposed])
            return function()

    return run


@pytest.mark.slow
@pairwise(optimizer=list(OPTIMIZERS), dtype=[np.float32, np.float64], in_one_go=[False, True])
def test_training_gives_the_same_bits(optimizer: str, dtype: Any, in_one_go: bool, plainly: Any) -> None:
    settings = OPTIMIZERS[optimizer]

    def trained() -> list[np.ndarray]:
        net = network(dtype)
        step = training_step(net, optimizer, **settings)
        together = [step.run_batches(INDICES, *data(dtype))] if in_one_go else []
        losses = together or [step(*batch) for batch in batches(dtype)]
        held.append(is_held(net))  # before numbers are seen, with which weights are looked at
        return [np.concatenate([loss.asnumpy().ravel() for loss in losses]), *weights(net)]

    held: list[bool] = []
    assert_equal(trained(), plainly(trained))
    assert held == [optimizer != "lamb", False]  # LAMB takes norms of the weights, which need no layout


def test_any_number_of_threads_gives_the_same_bits() -> None:
    found = []
    for count in (1, 2, 3, 8):
        lamina.set_num_threads(count)
        net = network()
        step = training_step(net)
        step.run_batches(INDICES, *data())
        step(*batches()[0])
        found.append(weights(net))
    for other in found[1:]:
        assert_equal(other, found[0])


def halve(net: Any) -> None:
    weight = net[1].weight.data()
    weight[:] = weight * 0.5


def set_a_row(net: Any) -> None:
    net[1].weight.data()[2] = 0.25


def write_through_a_view(net: Any) -> None:
    net[1].weight.data()[2:5][:] = 0.25


def set_data(net: Any) -> None:
    net[1].weight.set_data(nd.ones(net[1].weight.shape))


def write_from_numpy(net: Any) -> None:
    shared = np.from_dlpack(net[1].weight.data())
    shared *= 0.5


@pytest.mark.parametrize("change", [halve, set_a_row, write_through_a_view, set_data, write_from_numpy])
@pytest.mark.parametrize("in_one_go", [False, True])
def test_what_is_written_between_calls_counts(change: Any, in_one_go: bool, plainly: Any) -> None:
    def trained() -> list[np.ndarray]:
        net = network()
        step = training_step(net)
        for rows, batch in zip(INDICES, batches(), strict=True):
            if in_one_go:
                step.run_batches(rows[None], *data())
            else:
                step(*batch)
            change(net)
        step(*batch)
        return weights(net)

    assert_equal(trained(), plainly(trained))


def test_a_view_made_before_sees_what_is_trained() -> None:
    net = network()
    view = net[0].weight.data()[3:5]
    step = training_step(net)
    for batch in batches():
        before = view.asnumpy()
        step(*batch)
        assert not is_held(net)
        assert (view.asnumpy() != before).any()
        np.testing.assert_array_equal(view.asnumpy(), net[0].weight.data().asnumpy()[3:5])


def test_weights_shared_with_numpy_are_always_up_to_date() -> None:
    mine = np.random.default_rng(0).normal(size=(7, INPUTS)).astype(np.float32)
    w = nd.from_numpy(mine)
    w.attach_grad()

    @lamina.compile
    def step(x: Any) -> Any:
        with autograd.record():
            loss = nd.sum(nd.square(nd.dot(x, w, transpose_b=True)))
        loss.backward()
        w[:] = w - 0.001 * w.grad
        return loss

    for x, _ in batches():
        before = mine.copy()
        step(x)
        assert (mine != before).any()
        np.testing.assert_array_equal(w.asnumpy(), mine)


def test_holding_begins_once_a_view_is_gone() -> None:
    net = network()
    view = net[0].weight.data()[3:5]
    step = training_step(net)
    step(*batches()[0])
    del view
    for _ in range(100):
        step(*batches()[0])
    assert is_held(net)


def test_two_steps_take_turns(plainly: Any) -> None:
    """Another batch size is another specialization, and another function holds the same weights, too."""

    def trained() -> list[np.ndarray]:
        net = network()
        step, other = training_step(net), training_step(net, "adam", learning_rate=0.01)
        for x, y in batches():
            step(x, y)
            step(x[:5], y[:5])
            step(x[:5], y[:5])
            other(x, y)
        return weights(net)

    assert_equal(trained(), plainly(trained))


def test_compiled_prediction_uses_the_latest_weights() -> None:
    net = network()
    step, predict = training_step(net), lamina.compile(net)
    for x, y in batches():
        step(x, y)
        assert is_held(net)
        found = predict(x).asnumpy()
        assert not is_held(net)
        np.testing.assert_allclose(found, net(x).asnumpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda w: pickle.loads(pickle.dumps(w)), id="pickle"),
        pytest.param(lambda w: w.copy(), id="its own copy"),
        pytest.param(nd.from_dlpack, id="dlpack"),
        pytest.param(lambda w: nd.array(np.asarray(w)), id="numpy"),
        pytest.param(lambda w: w.astype(np.float32), id="astype"),
        pytest.param(lambda w: w.reshape(w.shape), id="a view"),
    ],
)
def test_copies_of_held_weights_are_up_to_date(copied: Any) -> None:
    net = network()
    step = training_step(net)
    step(*batches()[0])
    step(*batches()[1])
    assert is_held(net)
    found = copied(net[0].weight.data())
    assert type(found) is nd.NDArray
    np.testing.assert_array_equal(found.asnumpy(), net[0].weight.data().asnumpy())


def test_what_a_held_array_says_of_itself() -> None:
    net = network()
    step = training_step(net)
    step(*batches()[0])
    weight = net[0].weight.data()
    assert isinstance(weight, nd.NDArray)
    assert hasattr(weight, "no_such_attribute") is False
    with pytest.raises(AttributeError, match="'NDArray' object has no attribute 'no_such_attribute'"):
        _ = weight.no_such_attribute
    assert type(weight) is HeldArray
    assert repr(weight).endswith(f"<NDArray 12x{INPUTS} @cpu(0)>")


def test_files_hold_the_latest_weights(tmp_path: Path) -> None:
    net, other = network(), network()
    step = training_step(net)
    for batch in batches():
        step(*batch)
    net.save_parameters(str(tmp_path / "net.params"))
    other.load_parameters(str(tmp_path / "net.params"))
    assert_equal(weights(other), weights(net))


def test_weights_outlive_the_step() -> None:
    net, other = network(), network()
    for each in (net, other):
        step = training_step(each)
        for batch in batches():
            step(*batch)
            weights(other)
        del step
    assert_equal(weights(net), weights(other))


@pytest.mark.few(1)
@pytest.mark.parametrize("is_compiled", [True, False])
def test_memory_of_an_optimizer_that_is_gone_is_not_written(is_compiled: bool) -> None:
    """Its state was held with the weights, and both are written back once the program looks at the weights."""
    kept: list[Any] = []

    def trained(keep: Callable[[Any], object]) -> list[np.ndarray]:
        net = network()
        step = training_step(net, "adam", learning_rate=0.01)
        for batch in batches() * 2:
            (step if is_compiled else step.__wrapped__)(*batch)
        keep(step)
        del step
        gc.collect()
        sizes = [12 * INPUTS, 17 * 12, 3 * 17, 12, 17, 3]
        others = [
            np.full(size, 7, np.float32) for size in sizes for _ in range(50)
        ]  # where memory is free now
        found = weights(net)
        assert all((other == 7).all() for other in others)
        return found

    trained(kept.append)  # undecorated steps are computed operator by operator at first, with other roundings
    assert_equal(trained(lambda _: None), trained(kept.append))


def trained_and_dropped() -> Any:
    """A weak reference to a weight that was held when nothing was left that knew it."""
    w = nd.ones((7, INPUTS))
    w.attach_grad()
    x = batches()[0][0]

    @lamina.compile
    def step() -> None:
        with autograd.record():
            loss = nd.sum(nd.square(nd.dot(x, w, transpose_b=True)))
        loss.backward()
        w[:] = w - 0.001 * w.grad

    step()
    step()
    assert type(w) is HeldArray
    return weakref.ref(w)


def test_held_weights_leave_memory_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        assert trained_and_dropped()() is None
    finally:
        gc.enable()


def test_explain_leaves_what_is_held(plainly: Any) -> None:
    def trained() -> list[np.ndarray]:
        net = network()
        step = training_step(net)
        for batch in batches():
            step(*batch)
            step.explain()
        return weights(net)

    assert_equal(trained(), plainly(trained))


def test_gradients_that_are_kept_are_held_and_given_back(plainly: Any) -> None:
    def trained() -> list[np.ndarray]:
        net = network()
        step = lamina.compile(training_step(net).original, keep_gradients=True)
        for batch in batches():
            step(*batch)
        return [p.grad().asnumpy() for p in net.collect_params().values()]

    assert_equal(trained(), plainly(trained))


def test_threads_that_train_and_look_at_each_others_weights() -> None:
    nets = [network(), network()]
    steps = [training_step(net) for net in nets]
    failures: list[BaseException] = []

    def train(mine: int) -> None:
        try:
            for _ in range(30):
                for batch in batches():
                    steps[mine](*batch)
                weights(nets[1 - mine])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=train, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert_equal(weights(nets[0]), weights(nets[1]))


def _child(net: Any, step: Any, queue: Any) -> None:
    step(*batches()[3])
    queue.put(weights(net))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
def test_a_forked_process_goes_on_with_what_is_held() -> None:
    net = network()
    step = training_step(net)
    for batch in batches()[:3]:
        step(*batch)
    assert is_held(net)
    context: Any = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # fork in a process with threads is what is tested
        process = context.Process(target=_child, args=(net, step, queue))
        process.start()
    found = queue.get(timeout=60)
    process.join(timeout=60)
    step(*batches()[3])
    assert_equal(weights(net), found)


def test_a_held_matrix_that_is_an_argument_is_copied_at_each_call() -> None:
    @lamina.compile
    def step(x: Any, w: Any) -> Any:
        y = nd.dot(x, w, transpose_b=True)
        w[:] = w - 0.5 * w
        return y

    random = np.random.default_rng(0)
    for _ in range(3):
        x, w = nd.array(random.random((3, 4))), nd.array(random.random((5, 4)))
        before = w.asnumpy()
        np.testing.assert_allclose(step(x, w).asnumpy(), x.asnumpy() @ before.T, rtol=1e-5)
        np.testing.assert_allclose(w.asnumpy(), 0.5 * before)
