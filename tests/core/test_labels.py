"""Labels that are no class are told once a line; the numbers stay MXNet's, which takes the nearest class."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.core import labels
from lamina.errors import LabelWarning

SCORES = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests were told."""
    monkeypatch.setattr(labels, "_told", set())
    labels._turns.clear()


loss = gluon.loss.SoftmaxCrossEntropyLoss()
compiled = gluon.loss.SoftmaxCrossEntropyLoss()
compiled.hybridize()
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "plain": loss,
    "hybridized": compiled,
    "compiled": lamina.compile(loss),
    "function": nd.softmax_cross_entropy,
    "from_logits": lambda x, y: gluon.loss.SoftmaxCELoss(from_logits=True)(nd.log_softmax(x), y),
    "axis": lambda x, y: gluon.loss.SoftmaxCELoss(axis=0, batch_axis=1)(x.T, y),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("wrong", "nearest"), [(7, 2), (-1, 0), (3, 2), (-5, 0)])
def test_what_is_no_class_is_told_once(call: str, wrong: float, nearest: float) -> None:
    given = np.array([0, 1, 2, wrong, 0, 1], np.float32)
    right = np.where(given == wrong, nearest, given)
    expected = CALLS[call](nd.array(SCORES), nd.array(right)).asnumpy()
    said = rf"label {wrong} at position \[3\] of \(6,\) is not a class: the labels of 3 classes are 0 to 2"
    for time in range(3):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = CALLS[call](nd.array(SCORES), nd.array(given)).asnumpy()
        np.testing.assert_array_equal(found, expected)
        assert len(caught) == (time == 0)
        for warning in caught:
            assert warning.category is LabelWarning and warning.filename == __file__
            with pytest.warns(LabelWarning, match=said):
                warnings.warn(warning.message, stacklevel=1)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "float64"])
def test_classes_are_not(call: str, dtype: str) -> None:
    for _ in range(3):
        CALLS[call](nd.array(SCORES), nd.array([0, 1, 2, 2, 1, 0], dtype=dtype))


def test_nan_is_no_class() -> None:
    with pytest.warns(LabelWarning, match="label nan"):
        loss(nd.array(SCORES), nd.array([0, 1, 2, math.nan, 0, 1]))


def test_samples_that_have_a_weight_may_lack_a_class() -> None:
    weights = nd.array([[1], [1], [1], [0], [1], [1]])
    loss(nd.array(SCORES), nd.array([0, 1, 2, -1, 0, 1]), weights)


def test_probabilities_are_no_class_numbers() -> None:
    gluon.loss.SoftmaxCELoss(sparse_label=False)(nd.array(SCORES), nd.array(SCORES))


def test_conventions_of_other_operators_stay_silent() -> None:
    nd.SoftmaxOutput(nd.array(SCORES), nd.array([0, 1, 2, -1, 0, 1]), use_ignore=True, ignore_label=-1)
    nd.pick(nd.array(SCORES), nd.array([0, 1, 2, -1, 0, 7]), mode="wrap")
    nd.one_hot(nd.array([0, -1, 7]), 3)


@pytest.mark.parametrize("way", ["loop", "compiled loop", "hybridized loop", "many batches", "recorded"])
def test_trainings_tell_it_whichever_batch_it_is_in(way: str) -> None:
    x = np.random.default_rng(1).normal(size=(12, 4))
    y = np.arange(12) % 3
    y[9] = 7
    data, label = nd.array(x), nd.array(y)
    net = gluon.nn.Dense(3, in_units=4)
    net.initialize()
    if way == "hybridized loop":
        net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            out = loss(net(x), y)
        out.backward()
        trainer.step(4)
        return out

    with pytest.warns(LabelWarning, match="label 7 at position") as told:
        if way == "many batches":
            lamina.compile(step).run_batches(np.arange(12).reshape(3, 4), data, label)
        elif way == "recorded":
            with autograd.record():
                lamina.compile(lambda x, y: loss(net(x), y))(data, label)
        else:
            run = lamina.compile(step) if way == "compiled loop" else step
            for batch, labels_ in gluon.data.DataLoader(gluon.data.ArrayDataset(data, label), 4):
                run(batch, labels_)
    assert len(told) == 1


def test_a_long_training_tells_it_after_many_good_batches() -> None:
    scores, good, bad = nd.array(SCORES), nd.array([0, 1, 2, 2, 1, 0]), nd.array([0, 1, 2, 3, 1, 0])
    for _ in range(200):
        loss(scores, good)
    end = monotonic() + 60
    with pytest.warns(LabelWarning, match="label 3") as told:
        while not told.list and monotonic() < end:  # not necessarily at the first
            loss(scores, bad)
