"""Takers: a call like the last one is recognized, and one that is not is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.compiler.front._arguments import Taker, take_nothing, taker

X, W = nd.ones((2, 3)), nd.ones((2, 3))


def taker_of(*values: Any) -> Taker:
    return taker(values, frozenset(), frozenset({id(W)}))


def with_gradient() -> Any:
    x = nd.ones((2, 3))
    x.attach_grad()
    return x


def test_arrays_and_numbers_of_the_same_types_fit() -> None:
    take = taker_of(X, 0.5, nd.zeros((4,)), 2)
    other, last = nd.zeros((2, 3)), nd.ones((4,))
    assert take((other, 0.1, last, 7)) == ((other, last), (0.1, 7))


@pytest.mark.parametrize(
    "values",
    [
        (nd.ones((3, 2)), 0.5),
        (nd.ones((2, 3), dtype=np.float64), 0.5),
        (X, 1),
        (X,),
        (X, X),
        (W, 0.5),
        (with_gradient(), 0.5),
        (0.5, X),
    ],
    ids=["shape", "dtype", "number", "fewer", "array for number", "closure", "gradient", "order"],
)
def test_other_calls_do_not(values: Any) -> None:
    take = taker_of(X, 0.5)
    assert take(values) is None


def test_the_same_array_twice_is_another_call() -> None:
    take = taker_of(X, nd.ones((2, 3)))
    assert take((X, X)) is None


@pytest.mark.parametrize("values", [(X, True), ([X],), (X, "name"), (W,), (X, None)])
def test_what_a_key_must_describe_is_not_taken(values: Any) -> None:
    assert taker_of(*values) is take_nothing


def test_a_function_called_in_turn_with_different_arguments_is_always_right() -> None:
    @lamina.compile
    def f(x: Any, factor: Any, other: Any = None) -> Any:
        with_other = x if other is None else x + other
        return with_other * factor if autograd.is_training() else with_other - factor

    calls: list[tuple[Any, ...]] = [(X, 2.0), (X, 2.0, X), (X, 2.0, W), (X, 3.0)]
    for _ in range(2):
        for call in calls:
            for context in (autograd.train_mode, autograd.predict_mode):
                with context():
                    np.testing.assert_array_equal(f(*call).asnumpy(), f.original(*call).asnumpy())
