"""Whole training steps on the emulator: the CPU's numbers, few launches, many steps from one recording."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.compiler.front import batches as many_steps
from lamina.compiler.gpu import _binding
from lamina.errors import StaleGradientError

SIZES = (20, 32, 16, 10)


def parameters(ctx: Any) -> list[Any]:
    random = np.random.default_rng(0)
    made = [
        nd.array(random.normal(size=shape, scale=0.2), ctx=ctx)
        for a, b in pairwise(SIZES)
        for shape in ((a, b), (b,))
    ]
    for p in made:
        p.attach_grad()
    return made


def chapter_step(params: list[Any]) -> Any:
    """The chapter's: two hidden layers, softmax, cross entropy and SGD, written out."""

    def step(X: Any, y: Any, lr: float) -> Any:
        with autograd.record():
            h = X
            for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
                h = nd.maximum(nd.dot(h, w) + b, 0)
            scores = nd.dot(h, params[-2]) + params[-1]
            loss = -nd.sum(nd.one_hot(y, 10) * nd.log_softmax(scores), axis=1)
        loss.backward()
        for p in params:
            p[:] = p - lr * p.grad
        return nd.mean(loss)

    return lamina.compile(step)


def trained(ctx: Any, batches: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], Any]:
    random = np.random.default_rng(1)
    X, y = random.normal(size=(60, SIZES[0])), random.integers(0, 10, 60)
    with ctx:
        params = parameters(ctx)
        step = chapter_step(params)
        losses = step.run_batches(batches, nd.array(X, ctx=ctx), nd.array(y, ctx=ctx), 0.1).asnumpy()
    return losses.ravel(), [p.asnumpy() for p in params], step


@pytest.mark.parametrize("steps", [3, 70])
def test_steps_write_to_items_of_their_own(gpu: Any, steps: int) -> None:
    numbers = np.random.default_rng(3).normal(size=(steps + 1, 6)).astype(np.float32)
    source, target = nd.array(numbers, ctx=gpu), nd.zeros((steps + 1, 6), ctx=gpu)

    def double(x: Any, y: Any) -> None:
        y[:] = 2 * x

    lamina.compile(double).run_stacks([source, target], [()] * steps)
    np.testing.assert_array_equal(target.asnumpy()[:-1], 2 * numbers[:-1])
    assert not target.asnumpy()[-1].any()


@pytest.mark.slow
def test_a_step_is_the_cpus_in_six_launches(gpu: Any) -> None:
    batches = np.random.default_rng(2).integers(0, 60, (5, 12))
    losses, params, step = trained(gpu, batches)
    expected, others, _ = trained(lamina.cpu(), batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for found, same in zip(params, others, strict=True):
        np.testing.assert_allclose(found, same, rtol=1e-4, atol=1e-6)
    stages = next(iter(step._entries.values())).program.code.schedule.stages
    assert len(stages) == 6


def test_many_steps_are_replayed_and_give_the_same_bits(
    emulator: Any, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """... as launched one by one; also what is left over beyond whole recordings."""
    monkeypatch.setattr(emulator, "repeats", 1)
    monkeypatch.setattr(_binding, "_STEPS_A_RECORDING", 4)
    monkeypatch.setattr(many_steps, "_CHUNK_SECONDS", 100)  # 1, 4, 16 and 16 steps
    batches = np.random.default_rng(2).integers(0, 60, (37, 12))
    replays: list[int] = []
    record = emulator.record

    def recorded(launches: Any) -> Any:
        replays.append(len(launches))
        return record(launches)

    monkeypatch.setattr(emulator, "record", recorded)
    losses, params, _ = trained(gpu, batches)
    assert replays == [6 * 4]  # and the last steps from the same recording
    monkeypatch.setattr(emulator, "record", lambda launches: None)
    again, others, _ = trained(gpu, batches)
    np.testing.assert_array_equal(losses, again)
    for found, same in zip(params, others, strict=True):
        np.testing.assert_array_equal(found, same)


def test_what_a_step_writes_may_not_overlap(gpu: Any) -> None:
    """Such a call runs operator by operator."""
    whole = nd.arange(8)
    a, b = whole[:6], whole[2:]

    @lamina.compile
    def f() -> None:
        a[:] = b * 2

    with pytest.warns(UserWarning, match="shares memory"):
        f()
    np.testing.assert_array_equal(whole.asnumpy()[:6], np.arange(2, 8) * 2)


def test_gradients_that_a_step_used_up_are_stale(gpu: Any) -> None:
    (w, *_) = parameters(gpu)

    @lamina.compile
    def step(x: Any) -> None:
        with autograd.record():
            loss = nd.sum(nd.dot(x, w) ** 2)
        loss.backward()
        w[:] = w - 0.1 * w.grad

    step(nd.ones((2, SIZES[0])))
    with pytest.raises(StaleGradientError):
        w.grad.asnumpy()


def test_what_the_device_lacks_runs_operator_by_operator(
    emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "limits", dataclasses.replace(emulator.limits, has_float64=False))
    f = lamina.compile(lambda x: nd.exp(x) * 2)
    x = nd.array([0.0, 1.0], dtype=np.float64)
    with pytest.warns(UserWarning, match="float64"):
        found = f(x)
    np.testing.assert_allclose(found.asnumpy(), 2 * np.exp([0.0, 1.0]))
