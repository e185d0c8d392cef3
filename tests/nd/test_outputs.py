"""MXNet's output layers and sequences: the same compiled as at once, and what they refuse.

What they give is compared with MXNet's own answers in tests/docs/test_from_mxnet.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

LABEL = nd.array([0, 2, 1])
LENGTHS = nd.array([1, 2, 2, 1])

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "SoftmaxOutput": lambda x: nd.SoftmaxOutput(
        x, LABEL, use_ignore=True, ignore_label=1, normalization="valid"
    ),
    "SVMOutput": lambda x: nd.SVMOutput(x, LABEL),
    "LogisticRegressionOutput": lambda x: nd.LogisticRegressionOutput(x, x.detach() * 2),
    "MakeLoss": lambda x: nd.MakeLoss(x, grad_scale=3, normalization="batch"),
    "round_ste": nd.contrib.round_ste,
    "gradientmultiplier": lambda x: nd.contrib.gradientmultiplier(x, scalar=-2),
    "SequenceMask": lambda x: nd.SequenceMask(x, LENGTHS, use_sequence_length=True, value=7),
    "SequenceLast": lambda x: nd.SequenceLast(x, LENGTHS, use_sequence_length=True),
    "SequenceReverse": lambda x: nd.SequenceReverse(x, LENGTHS, use_sequence_length=True),
    "foreach": lambda x: nd.contrib.foreach(lambda a, s: (a * s, a + s), x, nd.ones(4))[0],
    "unravel": lambda x: nd.unravel_index(nd.floor(x * x * 10), shape=(3, 5)),
    "pad": lambda x: nd.pad(x, mode="reflect", pad_width=(1, 1, 0, 2)),
    "softmax": lambda x: nd.softmax(x, nd.array([1, 4, 2], dtype="int32"), use_length=True),
    "ctc": lambda x: nd.CTCLoss(x.reshape((3, 1, 4)), nd.array([[1, 2]])),
}


@pytest.mark.compiles
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_equals_eager(name: str) -> None:
    def step(x: nd.NDArray) -> list[nd.NDArray]:
        with autograd.record():
            y = FUNCTIONS[name](x)
        return [y, *autograd.grad(y, x)]

    x = nd.array(np.random.default_rng(1).normal(size=(3, 4)))
    x.attach_grad()
    with mx.eager():
        expected = [y.asnumpy() for y in step(x)]
    for found, wanted in zip(mx.compile(step)(x), expected, strict=True):
        np.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-5, atol=1e-6)


def test_lengths_and_labels_that_do_not_fit() -> None:
    x = nd.ones((3, 4))
    with pytest.raises(ParameterError, match=r"sequence_length of shape \(4,\), got \(3,\)"):
        nd.SequenceMask(x, LABEL, use_sequence_length=True)
    with pytest.raises(ParameterError, match="got None"):
        nd.SequenceLast(x, use_sequence_length=True)
    with pytest.raises(ShapeError, match=r"needs labels of shape \(3,\), not \(4,\)"):
        nd.SoftmaxOutput(x, LENGTHS)
    with pytest.raises(ShapeError, match="differ in size"):
        nd.LinearRegressionOutput(x, LABEL)
    with pytest.raises(ParameterError, match="normalization='other' is unknown"):
        nd.MakeLoss(x, normalization="other")
    with pytest.raises(ShapeError, match=r"needs a length of shape \(3,\), got \(4,\)"):
        nd.softmax(x, LENGTHS, use_length=True)
    with pytest.raises(ParameterError, match="max_iterations"):
        nd.contrib.while_loop(lambda i: i < 1, lambda i: (i, i), nd.zeros(1))


@pytest.mark.parametrize("use_ignore", [False, True])
@pytest.mark.parametrize(
    ("shape", "labels", "setting", "of_mxnet"),
    [
        ((4, 3), (4,), {}, {-1: 4, 1: 3, 0: 2}),
        ((4, 5, 3), (4, 5), {"preserve_shape": True}, {-1: 20, 1: 15, 0: 13}),
        ((4, 3, 2), (4, 2), {"multi_output": True}, {-1: 4, 1: 3, 0: 2.5}),
    ],
)
def test_the_divisor_of_valid_labels_is_mxnets(
    shape: tuple[int, ...],
    labels: tuple[int, ...],
    setting: dict[str, Any],
    of_mxnet: dict[int, float],
    use_ignore: bool,
) -> None:
    """The gradient without normalization over that with ``"valid"``, by `ignore_label`, by MXNet 1.9.1."""
    x = nd.array(np.random.RandomState(1).randn(*shape))
    label = nd.array(np.random.RandomState(2).randint(0, 3, labels))
    x.attach_grad()

    def gradient(**settings: Any) -> np.ndarray:
        with autograd.record():
            y = nd.SoftmaxOutput(x, label, use_ignore=use_ignore, **setting, **settings)
        y.backward()
        return x.grad.asnumpy()

    for ignored, divisor in of_mxnet.items():
        without, valid = (gradient(ignore_label=ignored, normalization=name) for name in ("null", "valid"))
        np.testing.assert_allclose(without, valid * divisor, rtol=1e-5, atol=1e-7)
