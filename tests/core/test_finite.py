"""Weights and losses that are not finite are told once, where a program looks at a number or saves; nothing else is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.core import finite
from lamina.errors import NonFiniteWarning

ROWS = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
CLASSES = (ROWS.sum(axis=1) > 0).astype(np.float32)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The weights of this test alone are looked at, and whenever a program looks at a number."""
    others = dict(finite.weights)
    finite.weights.clear()
    monkeypatch.setattr(finite._Turns, "due", 0.0)
    monkeypatch.setattr(finite, "_REST", 0)
    yield
    finite.weights.update({key: weight for key, weight in others.items() if weight.reference() is not None})


class Plain:
    """A network from scratch whose loss hides NaN, as the README's does."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.weights = [nd.array(rng.normal(size=shape) * 0.1) for shape in ((4, 8), (8,), (8, 2), (2,))]
        for w in self.weights:
            w.attach_grad()

    def step(self, x: Any, y: Any, rate: float) -> Any:
        w1, b1, w2, b2 = self.weights
        with autograd.record():
            out = nd.exp(nd.dot(nd.relu(nd.dot(x, w1) + b1), w2) + b2)
            p = out / out.sum(axis=1, keepdims=True)
            loss = -nd.nansum(nd.one_hot(y, 2) * nd.log(p)) / 16
        loss.backward()
        for w in self.weights:
            w[:] = w - rate * w.grad
        return loss


class Compiled(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.step = lamina.compile(super().step)


class Gluon:
    hybrid = False

    def __init__(self) -> None:
        lamina.random.seed(0)
        self.net = gluon.nn.HybridSequential()
        self.net.add(gluon.nn.Dense(8, activation="relu"), gluon.nn.Dense(2))
        self.net.initialize()
        if self.hybrid:
            self.net.hybridize()
        self.trainer = gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": 1.0})
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(self, x: Any, y: Any, rate: float) -> Any:
        self.trainer.set_learning_rate(rate)
        with autograd.record():
            loss = nd.nansum(self.loss(self.net(x), y)) / 16
        loss.backward()
        self.trainer.step(1)
        return loss


class Hybrid(Gluon):
    hybrid = True


PROGRAMS = [Plain, Compiled, Gluon, Hybrid]


def trained(program: Callable[[], Any], rate: float, steps: int, look: Callable[[Any], Any]) -> list[Any]:
    """The warnings of a training, each with the number of the step that was the last before."""
    model, x, y = program(), nd.array(ROWS), nd.array(CLASSES)
    told: list[Any] = []
    for step in range(steps):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loss = model.step(x, y, rate if step < 6 else 1e30)
            look(loss)
        told += [(step + 1, each) for each in caught]
    return told


LOOKS = {
    "asscalar": lambda loss: loss.asscalar(),
    "float": float,
    "format": lambda loss: f"{loss:.3f}",
    "print": str,
    "asnumpy": lambda loss: loss.asnumpy(),
    "tolist": lambda loss: loss.tolist(),
    "another number": lambda loss: (loss * 2).item(),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_training_that_diverges_is_told_once(program: Callable[[], Any], look: str) -> None:
    told = trained(program, 0.1, 12, LOOKS[look])
    assert len(told) == 1
    step, warning = told[0]
    assert step in (7, 8)  # the loss is infinite after the one or the other update
    assert warning.category is NonFiniteWarning
    said = str(warning.message)
    assert f" after {step} updates" in said and "detect_anomaly" in said
    assert Path(warning.filename).name == "test_finite.py"
    if "weight" in said and issubclass(program, Gluon):
        assert "dense" in said


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_training_that_does_not_is_not(program: Callable[[], Any]) -> None:
    assert trained(program, 0.1, 6, float) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_last_step_that_was_looked_at_is_said(program: Callable[[], Any]) -> None:
    said = str(trained(program, 0.1, 12, float)[0][1].message)
    if "weight" in said:
        assert "(it was finite after" in said


def diverged() -> Gluon:
    model = Gluon()
    for _ in range(3):
        model.step(nd.array(ROWS), nd.array(CLASSES), 1e30)
    return model


def test_what_is_exported_is_looked_at(tmp_path: Path) -> None:
    model = diverged()
    model.net.hybridize()
    with pytest.warns(NonFiniteWarning):
        model.net(nd.array(ROWS))
        model.net.export(f"{tmp_path}/net")


@pytest.mark.parametrize("way", ["save_parameters", "ParameterDict", "nd.save"])
def test_what_is_saved_is_looked_at(way: str, tmp_path: Path) -> None:
    model, path = diverged(), f"{tmp_path}/net.params"
    params = model.net.collect_params()
    save = {
        "save_parameters": model.net.save_parameters,
        "ParameterDict": params.save,
        "nd.save": lambda path: nd.save(path, [p.data() for p in params.values()]),
    }[way]
    with pytest.warns(
        NonFiniteWarning, match="a weight is no longer finite: dense.* holds NaN after 3 updates"
    ):
        save(path)
    assert len(nd.load(path)) == 4
    save(path)  # once


def test_another_training_is_told_again() -> None:
    for _ in range(2):
        model = diverged()
        with pytest.warns(NonFiniteWarning):
            model.step(nd.array(ROWS), nd.array(CLASSES), 1.0).asscalar()


def test_weights_that_were_mended_are_told_again() -> None:
    model = Plain()
    for _ in range(2):
        model.step(nd.array(ROWS), nd.array(CLASSES), 1e30)
        with pytest.warns(NonFiniteWarning):
            model.step(nd.array(ROWS), nd.array(CLASSES), 1e30).asscalar()
        for w in model.weights:
            w[:] = 0.1
        model.step(nd.array(ROWS), nd.array(CLASSES), 0.1).asscalar()


def test_a_loss_before_the_update() -> None:
    w = nd.array([1.0, 2.0])
    w.attach_grad()
    with autograd.record():
        loss = nd.sum(nd.log(w - 1.0) * 0)
    loss.backward()
    with pytest.warns(
        NonFiniteWarning, match=r"the loss of shape \(1,\) holds NaN after 0 updates of the weights"
    ):
        float(loss)


def test_missing_values_are_no_divergence() -> None:
    rows = ROWS.copy()
    rows[::3, 1] = np.nan
    x, w = nd.array(rows), nd.array(np.ones(4))
    x.attach_grad()
    w.attach_grad()
    assert math.isnan(nd.sum(x).asscalar()) and np.isnan(x.asnumpy()).any()
    for _ in range(5):
        with autograd.record():
            known = nd.where(nd.contrib.isfinite(x), x, nd.zeros_like(x))
            loss = nd.nansum(nd.square(nd.dot(known, w) - 1))
        loss.backward()
        w[:] = w - 0.001 * w.grad
        print(x, nd.mean(x), loss.asscalar(), x.grad)
    x[:] = np.nan
    assert math.isnan(x[0, 0].asscalar())


def test_masks_that_are_infinite_are_none() -> None:
    w = nd.array(np.ones((4, 4)))
    w.attach_grad()
    for _ in range(4):
        with autograd.record():
            masked = nd.where(nd.array(np.tri(4)), w, nd.full((4, 4), -math.inf))
            loss = -nd.sum(nd.log(nd.softmax(masked)[:, 0]))
        loss.backward()
        w[:] = w - 0.1 * w.grad
        assert np.isinf(masked.asnumpy()).any() and math.isinf(masked[0, 1].asscalar())
        float(loss)


def test_no_number_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits with the weights looked at in each step and never."""

    def final(program: Callable[[], Any]) -> Iterator[bytes]:
        model = program()
        for _ in range(20):
            float(model.step(nd.array(ROWS), nd.array(CLASSES), 0.1))
        weights = (
            model.weights
            if isinstance(model, Plain)
            else [p.data() for p in model.net.collect_params().values()]
        )
        return (w.asnumpy().tobytes() for w in weights)

    for program in PROGRAMS:
        looked = list(final(program))
        with monkeypatch.context() as never:
            never.setattr(finite._Turns, "due", math.inf)
            assert list(final(program)) == looked


def test_many_batches_in_one_go_count_their_steps() -> None:
    model = Compiled()
    step = lamina.compile(lambda x, y: Plain.step(model, x, y, 1e30))
    step.run_batches(np.zeros((5, 16), int), nd.array(ROWS), nd.array(CLASSES))
    with pytest.warns(NonFiniteWarning, match="after 5 updates"):
        print(model.weights[0])
