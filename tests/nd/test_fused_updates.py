"""Updates of many arrays in one call, and with a copy in float32: what a loop over single updates does.

`tools/compare_mxnet` compares each with MXNet's own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.errors import ShapeError


@pytest.fixture
def arrays() -> Callable[[int], list[nd.NDArray]]:
    random = np.random.default_rng(0)
    return lambda count: [nd.array(random.normal(size=(3, 2))) for _ in range(count)]


def numbers(arrays: list[nd.NDArray]) -> list[Any]:
    return [x.asnumpy().tolist() for x in arrays]


@pytest.mark.parametrize("preloaded", [False, True])
def test_many_are_updated_as_each_alone(arrays: Callable[[int], list[nd.NDArray]], preloaded: bool) -> None:
    with lamina.eager():
        w, g, m, w2, g2, m2 = many = arrays(6)
        alone = [x.copy() for x in many]
        rates, decays = (0.5, 0.25), (0.125, 0.0)
        settings = {"momentum": 0.5, "clip_gradient": 0.5, "num_weights": 2, "out": [w, w2]}
        if preloaded:
            nd.preloaded_multi_sgd_mom_update(*many, nd.array(rates), nd.array(decays), **settings)
        else:
            nd.multi_sgd_mom_update(*many, lrs=rates, wds=decays, **settings)
        for i, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
            x, slope, moment = alone[3 * i : 3 * i + 3]
            nd.sgd_mom_update(x, slope, moment, lr=rate, wd=decay, momentum=0.5, clip_gradient=0.5, out=x)
        assert numbers([w, m, w2, m2]) == numbers([alone[0], alone[2], alone[3], alone[5]])
        assert numbers([g, g2]) == numbers([alone[1], alone[4]])


def test_small_steps_add_up_in_float32() -> None:
    half, single = nd.ones(1, dtype="float16"), nd.ones(1)
    for _ in range(100):
        nd.mp_sgd_update(half, nd.ones(1, dtype="float16"), single, lr=1e-4, out=half)
    np.testing.assert_allclose(single.asnumpy(), 0.99, rtol=1e-5)
    assert half.asscalar() == np.float16(0.99)


def test_lamb_does_not_depend_on_the_gradient_s_length(arrays: Callable[[int], list[nd.NDArray]]) -> None:
    w, g = arrays(2)
    steps = []
    for scale in (1.0, 1000.0):
        mean, var = nd.zeros_like(w), nd.zeros_like(w)
        new = nd.contrib.multi_lamb_update(
            [w], [g * scale], [mean], [var], step_count=(1,), lrs=(0.1,), wds=(0.0,), epsilon=1e-12
        )
        steps.append((new - w).asnumpy())
        np.testing.assert_allclose(np.linalg.norm(steps[-1]), 0.1 * np.linalg.norm(w.asnumpy()), rtol=1e-4)
    np.testing.assert_allclose(*steps, rtol=1e-4)


def test_adamw_skips_a_step_whose_scale_is_not_finite(arrays: Callable[[int], list[nd.NDArray]]) -> None:
    w, g, mean, var = arrays(4)
    before = numbers([w, mean, var])
    for scale in (0.0, float("inf"), nd.array([float("nan")])):
        nd.contrib.adamw_update(w, g, mean, var, scale, lr=0.1, eta=1.0, out=w)
    assert numbers([w, mean, var]) == before


def test_wrong_numbers_of_arrays_are_told(arrays: Callable[[int], list[nd.NDArray]]) -> None:
    w, g, m = arrays(3)
    with pytest.raises(ShapeError, match=r"num_weights=1 takes 2 arrays \(2 for each weight\), got 3"):
        nd.multi_sgd_update(w, g, m, lrs=(0.1,), wds=(0.1,))
    with pytest.raises(ShapeError, match="2 values of lr for 1 weights"):
        nd.multi_sgd_update(w, g, lrs=(0.1, 0.2), wds=(0.1,))
    with pytest.raises(ShapeError, match="2 arrays in out= for 1 weights"):
        nd.multi_sgd_update(w, g, lrs=(0.1,), wds=(0.1,), out=[w, g])
    with pytest.raises(ShapeError, match=r"needs rates and decays of shape \(1,\), got \(2,\)"):
        nd.preloaded_multi_sgd_update(w, g, nd.ones(2), nd.ones(1))
    with pytest.raises(ShapeError, match="num_arrays=2, but 1 arrays"):
        nd.reset_arrays(w, num_arrays=2)
