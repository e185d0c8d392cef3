"""What Gluon cannot do with what it is given is told in its own words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina import gluon, nd
from lamina.gluon import nn


def dense() -> nn.Dense:
    net = nn.Dense(3, in_units=2, prefix="dense0_")
    net.initialize()
    return net


def trainer(*settings: Any, **others: Any) -> gluon.Trainer:
    return gluon.Trainer(dense().collect_params(), "sgd", *settings, **others)


def normalized(layer: nn.HybridBlock) -> nd.NDArray:
    layer.initialize()
    return layer(nd.ones((2, 3)))


CROSS_ENTROPY = gluon.loss.SoftmaxCrossEntropyLoss()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: dense()([[1.0, 2.0]]), r"dense0: needs an NDArray, got list; make one with nd\.array"),
        (
            lambda: CROSS_ENTROPY(nd.ones((2, 3)), [0, 1]),
            r"SoftmaxCross.*: labels are an NDArray, not a list; make",
        ),
        (
            lambda: gluon.loss.L2Loss()(nd.ones(2), [0, 1]),
            r"L2Loss: labels are an NDArray, not a list; make one",
        ),
        (lambda: normalized(nn.BatchNorm(axis=7)), r"axis 7 does not exist in an input of shape \(2, 3\)"),
        (lambda: normalized(nn.LayerNorm(axis=-3)), r"axis -3 does not exist in an input of shape \(2, 3\)"),
        (lambda: nn.Dropout("a"), r"Dropout: the rate must be between 0 and 1, not 'a'"),
        (lambda: trainer(0.1), r"optimizer_params is a dict of settings, as in Trainer\(.*\); not 0\.1"),
        (
            lambda: trainer(learning_rate=0.1),
            r"^Trainer has no argument 'learning_rate'\. Settings .* go into a dict",
        ),
        (lambda: trainer().step("a"), r"step: gradients are divided by batch_size, a number, not 'a'"),
        (
            lambda: gluon.data.DataLoader([1, 2], batch_size="2"),
            r"batch_size must be a whole number of rows, not '2'",
        ),
        (
            lambda: gluon.data.DataLoader([1], batch_size=1, num_workers="a"),
            r"num_workers is how many .*, not 'a'",
        ),
        (
            lambda: gluon.data.DataLoader(3, batch_size=1),
            r"a data set has __len__ and __getitem__.* int has no length",
        ),
    ],
)
def test_wrong_calls_say_what_to_do(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


def test_numbers_of_numpys_are_numbers() -> None:
    assert len(gluon.data.DataLoader([1, 2], batch_size=np.int64(2), num_workers=np.int64(0))) == 1
    assert nn.Dropout(np.float32(0.5))(nd.ones(2)).shape == (2,)
