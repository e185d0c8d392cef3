"""Training on devices, deferred and compiled: the same as on the CPU, up to rounding."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.context import device_of
from lamina.deferral import _path
from lamina.errors import DeviceError

SHAPES = ((7, 5), (5,), (5, 3), (3,))
CLOSE = {"rtol": 1e-4, "atol": 1e-6}


class Chapter:
    """The chapter's program in small: parameters by hand, a loss by hand, SGD by hand."""

    def __init__(self, ctx: mx.Context) -> None:
        mx.random.seed(0)
        self.ctx = ctx
        self.params = [nd.random_normal(shape=shape, scale=0.3, ctx=ctx) for shape in SHAPES]
        for p in self.params:
            p.attach_grad()

    def net(self, x: Any) -> Any:
        w1, b1, w2, b2 = self.params
        hidden = nd.dot(x, w1) + b1
        return nd.dot(nd.maximum(hidden, nd.zeros_like(hidden)), w2) + b2

    def step(self, data: Any, label: Any, lr: float) -> Any:
        labels = nd.one_hot(label, 3)
        with autograd.record():
            loss = -nd.nansum(labels * nd.log_softmax(self.net(data)), axis=0, exclude=True)
        loss.backward()
        for p in self.params:
            p[:] = p - lr * p.grad
        return nd.sum(loss)

    def train(self, steps: int, step: Any = None) -> list[float]:
        random, losses = np.random.default_rng(1), []
        for i in range(steps):
            data = nd.array(random.normal(size=(4, 7))).as_in_context(self.ctx).reshape((-1, 7))
            label = nd.array(random.integers(0, 3, 4)).as_in_context(self.ctx)
            losses.append((step or self.step)(data, label, 0.1 / (i + 1)).asscalar())
        return losses

    def weights(self) -> list[np.ndarray]:
        return [p.asnumpy() for p in self.params]


def assert_same(found: Any, expected: Any) -> None:
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, **CLOSE)


@pytest.mark.few(1)
@pytest.mark.compiles
def test_the_chapters_loop_is_put_off_and_compiled_there(
    ctx: mx.Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Chapter(mx.cpu())
    expected = host.train(6)
    monkeypatch.setenv("LAMINA_DEBUG", "1")
    monkeypatch.setattr(_path, "_times", {})
    there = Chapter(ctx)
    found = there.train(6)
    told = capsys.readouterr().err
    assert "deferred events are computed, compiled" in told
    assert "on the CPU" not in told
    assert "can't be deferred" not in told
    np.testing.assert_allclose(found, expected, **CLOSE)
    assert_same(there.weights(), host.weights())
    assert_same([p.grad.asnumpy() for p in there.params], [p.grad.asnumpy() for p in host.params])
    assert {p.context for p in there.params} == {ctx}


@pytest.mark.slow
@pytest.mark.compiles
def test_a_compiled_step_and_many_batches(ctx: mx.Context) -> None:
    host, there = Chapter(mx.cpu()), Chapter(ctx)
    there.train(2, lamina_step := mx.compile(there.step))
    host.train(2)
    assert_same(there.weights(), host.weights())
    random = np.random.default_rng(2)
    images, labels = random.normal(size=(9, 7)), random.integers(0, 3, 9)
    rows = random.permutation(9)[: 2 * 4].reshape(2, 4)
    data, label = nd.array(images, ctx=ctx), nd.array(labels, ctx=ctx)
    losses = lamina_step.run_batches(rows, data, label, 0.1)
    wanted = [host.step(nd.array(images[r]), nd.array(labels[r]), 0.1).asscalar() for r in rows]
    np.testing.assert_allclose(losses.asnumpy().ravel(), wanted, **CLOSE)
    assert_same(there.weights(), host.weights())


def test_a_compiled_function_stays_on_one_device(emulated: None) -> None:
    weight = nd.ones((2,), ctx=mx.gpu())

    @mx.compile
    def both(x: Any) -> Any:
        return x + 1, weight * 2

    with pytest.warns(
        UserWarning, match=r"both runs eagerly, since what it computes .* is on several devices"
    ):
        first, second = both(nd.ones((2,)))
    assert (first.context, second.context) == (mx.cpu(), mx.gpu())
    assert second.tolist() == [2, 2]


def network(ctx: Any, steps: int) -> tuple[list[float], gluon.nn.Sequential]:
    """A few steps of Gluon's on one device or several."""
    contexts = ctx if isinstance(ctx, list) else [ctx]
    mx.random.seed(3)
    net = gluon.nn.Sequential()
    net.add(
        gluon.nn.Dense(6, activation="relu"), gluon.nn.Dropout(0.3), gluon.nn.LayerNorm(), gluon.nn.Dense(3)
    )
    net.initialize(mx.init.Xavier(), ctx=contexts)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    random, losses = np.random.default_rng(0), []
    for _ in range(steps):
        xs = gluon.utils.split_and_load(random.normal(size=(8, 5)), contexts)
        ys = gluon.utils.split_and_load(random.integers(0, 3, 8), contexts)
        with autograd.record():
            parts = [loss_of(net(x), y) for x, y in zip(xs, ys, strict=True)]
        autograd.backward(parts)
        trainer.step(8)
        losses.append(sum(float(part.sum().asscalar()) for part in parts))
    return losses, net


def test_gluon_trains_there_and_its_parameters_go_anywhere(by_numpy: None, tmp_path: Path) -> None:
    expected, _ = network(mx.cpu(), 3)
    found, net = network(mx.gpu(), 3)
    np.testing.assert_allclose(found, expected, **CLOSE)
    net.save_parameters(tmp_path / "net")
    _, other = network(mx.cpu(), 1)
    other.load_parameters(tmp_path / "net")
    x = np.ones((2, 5))
    np.testing.assert_allclose(
        net(nd.array(x, ctx=mx.gpu())).asnumpy(), other(nd.array(x)).asnumpy(), **CLOSE
    )
    net.collect_params().reset_ctx(mx.cpu())
    np.testing.assert_array_equal(net(nd.array(x)).asnumpy(), other(nd.array(x)).asnumpy())


@pytest.mark.few(1)
@pytest.mark.parametrize("is_deferred", [True, False], ids=["deferred", "eager"])
def test_a_hybridized_block_rounds_its_products(is_deferred: bool, emulated: None) -> None:
    """The operands of large ones, its gradients' too, in compiled steps; and only where that was asked for."""
    from rounded_products import EXACT, assert_near, numbers, rounded

    def products(**precision: Any) -> tuple[Any, Any]:
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(256, use_bias=False, in_units=64, weight_initializer=mx.init.Constant(w)))
        net.initialize(ctx=mx.gpu())
        net.hybridize(**precision)
        assert net[0]._precision == precision.get("precision", "float32")
        weight = net[0].weight
        inputs, gradient = nd.array(x, ctx=mx.gpu()), nd.array(g, ctx=mx.gpu())
        for _ in range(4):  # the first steps are computed operator by operator, in float32
            with autograd.record():
                outputs = net(inputs)
                loss = nd.sum(outputs * gradient)
            loss.backward()
            weight.data()[:] = weight.data() - 0.0 * weight.grad()
            nd.waitall()
        return outputs, weight.grad()

    x, w, g = numbers(256, 64), numbers(256, 64, seed=1), numbers(256, 256, seed=2)
    for precision in ("tf32", "float32"):
        with contextlib.nullcontext() if is_deferred else mx.eager():
            outputs, gradient = products(precision=precision)
            used = precision if is_deferred else "float32"  # compiled are only the steps around it
            assert_near(outputs, rounded(x, used), rounded(w, used).T, EXACT)
            assert_near(gradient, g.T, x, EXACT)  # of two tiles, too few for tensor cores
    with pytest.raises(
        ValueError, match=r"^hybridize: precision must be one of 'float32', 'tf32', 'bfloat16', not 16"
    ):
        gluon.nn.Dense(2).hybridize(precision=16)  # pyright: ignore[reportArgumentType]


def test_gluon_on_two_devices(by_numpy: None) -> None:
    expected, _ = network([mx.cpu(0), mx.cpu(1)], 3)
    found, net = network([mx.gpu(0), mx.gpu(1)], 3)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    first, second = next(iter(net.collect_params().values())).list_data()
    assert (first.context, second.context) == (mx.gpu(0), mx.gpu(1))
    np.testing.assert_array_equal(first.asnumpy(), second.asnumpy())


def test_a_loader_of_rows_that_lie_on_a_device(by_numpy: None) -> None:
    data = nd.array(np.arange(12).reshape(6, 2), ctx=mx.gpu())
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(data, np.arange(6)), batch_size=4)
    first, _ = loader
    assert first[0].context is mx.gpu()
    assert first[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.compiles
def test_a_device_that_fails_gives_no_old_numbers(emulated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off and could not be computed stays lost; what was there before is there."""

    def steps() -> Any:
        y = x
        for i in range(8):
            y = y + i
        return y

    x = nd.ones((3,), ctx=mx.gpu())
    for _ in range(3):
        assert steps().tolist() == [29, 29, 29]

    def fails(_launches: Any) -> None:
        raise DeviceError("gpu(0) failed: a kernel or the driver failed")

    with monkeypatch.context() as patch:
        patch.setattr(device_of(mx.gpu()), "launch", fails)
        lost = steps()
        with pytest.raises(DeviceError, match="failed: a kernel"):
            lost.asnumpy()
    with pytest.raises(
        mx.MXNetError, match=r"was not computed: an operator before it failed with DeviceError"
    ):
        lost.asnumpy()
    assert x.tolist() == [1, 1, 1]
    assert steps().tolist() == [29, 29, 29]


_IN_A_CHILD = """
import multiprocessing, sys, numpy as np, lamina as mx
from lamina import nd
x = nd.array([1, 2], ctx=mx.gpu()) + 1

def child(queue):
    nd.waitall()
    for act in (lambda: x.asnumpy(), lambda: nd.ones(2, ctx=mx.gpu())):
        try:
            act()
            queue.put("no error")
        except mx.MXNetError as error:
            queue.put(str(error))

context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=child, args=(queue,))
process.start()
told = [queue.get() for _ in range(2)]
process.join(60)
assert process.exitcode == 0, process.exitcode
assert all("since the parent process opened the device before the fork" in text for text in told), told
assert x.asnumpy().tolist() == [2, 3]
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_is_told_that_it_has_no_device(ctx: mx.Context) -> None:
    if ctx is mx.gpu(0):
        pytest.skip("the emulator works in children, too: it is no more than memory")
    environment = {**os.environ, "LAMINA_COMPILE": "0", "LAMINA_DEVICE": "opencl"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _IN_A_CHILD],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_THE_CHAPTER = """
import runpy, sys
import lamina as mx
from lamina.context import num_gpus

digits = mx.gluon.data.vision.MNIST
mx.gluon.data.vision.MNIST = lambda **how: digits(**how).take(640)
sys.argv = ["mlp_from_scratch.py", "--epochs", "2"]
found = runpy.run_path(PROGRAM, run_name="__main__")
assert num_gpus() and found["ctx"] is mx.gpu()
assert all(p.context is mx.gpu() and p.grad.context is mx.gpu() for p in found["params"])
"""


@pytest.mark.slow
def test_the_chapters_program_trains_there(ctx: mx.Context) -> None:
    """The example as it stands, with few digits."""
    if ctx is mx.gpu(0):
        pytest.skip("the emulator would take minutes; a smaller network's loop runs on it above")
    program = Path(__file__).parents[2] / "examples" / "mlp_from_scratch.py"
    code, printed = _THE_CHAPTER.replace("PROGRAM", repr(str(program))), []
    for device in ("opencl", "none"):
        code = code if device == "opencl" else code.partition("assert num_gpus()")[0]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={**os.environ, "LAMINA_DEVICE": device},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(
            [float(x) for x in re.findall(r"[A-Za-z]: ?([\d.]+)|acc ([\d.]+)", done.stdout) for x in x if x]
        )
    assert len(printed[0]) == 6
    np.testing.assert_allclose(*printed, rtol=1e-3, atol=0.01)


def test_importing_lamina_looks_for_no_device() -> None:
    code = (
        "import sys, lamina; print([m for m in sys.modules if m.startswith(('pyopencl', 'lamina.device'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
