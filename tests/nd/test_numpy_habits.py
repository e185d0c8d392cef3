"""What NumPy's users write and MXNet's arrays take otherwise is told at their line; the numbers stay MXNet's."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina import autograd, nd

X = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)


def written(x: nd.NDArray, key: Any) -> nd.NDArray:
    x[key] = 0
    return x


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda x: x[x > 0], X[(X > 0).astype(int)]),
        (lambda x: written(x, x < 0), np.zeros_like(X)),
        (lambda x: x.T[nd.array([1, 0, 1]) == 1], X.T[[1, 0, 1]]),
    ],
)
def test_a_comparison_as_an_index_is_told_to_be_positions(
    use: Callable[[nd.NDArray], nd.NDArray], expected: np.ndarray
) -> None:
    with pytest.warns(UserWarning, match="holds only 0 and 1, as a comparison does") as told:
        found = use(nd.array(X))
    assert [one.filename for one in told] == [__file__]
    np.testing.assert_array_equal(found.asnumpy(), expected)


def test_what_the_warning_advises_is_a_mask() -> None:
    x = nd.array(X)
    np.testing.assert_array_equal(x[(x > 0).astype("bool")].asnumpy(), X[X > 0])
    x[(x < 0).astype("bool")] = 0
    np.testing.assert_array_equal(x.asnumpy(), np.maximum(X, 0))


@pytest.mark.parametrize("key", [[1, 0], [0, 1, 1, 0], [2, 0, 1]])
def test_positions_are_not_warned_of(key: list[int]) -> None:
    x = nd.array(X.T[: max(2, max(key) + 1)])
    np.testing.assert_array_equal(x[nd.array(key)].asnumpy(), X.T[key])


READS: list[Callable[[Any], Any]] = [np.exp, np.mean, lambda x: np.stack([x, x]), np.asarray]


@pytest.mark.parametrize("read", READS)
def test_a_function_of_numpy_under_record_is_told_to_have_no_gradient(read: Callable[[Any], Any]) -> None:
    x = nd.array(X)
    x.attach_grad()
    with pytest.warns(UserWarning, match="no gradient flows through its result") as told, autograd.record():
        y: Any = nd.sum(x * nd.sum(nd.array(read(x))))
    assert {one.filename for one in told} == {__file__}
    y.backward()
    assert x.grad is not None and len(np.unique(x.grad.asnumpy())) == 1


def test_numpy_is_not_warned_of_where_no_gradient_is_lost() -> None:
    x, constant = nd.array(X), nd.array(X)
    x.attach_grad()
    np.exp(x)
    with warnings.catch_warnings(), autograd.record():
        warnings.simplefilter("error")
        y: Any = nd.sum(x * nd.array(np.exp(constant)) * nd.array(x.asnumpy()))
        with autograd.pause():
            np.tanh(y)


def test_functions_of_shapes_have_no_gradient_to_lose() -> None:
    x = nd.array(X)
    x.attach_grad()
    with warnings.catch_warnings(), autograd.record():
        warnings.simplefilter("error")
        y: Any = x * 2
        assert (np.shape(y), np.size(y), np.ndim(y)) == ((2, 3), 6, 2)
        assert np.array_equal(np.full_like(y, 2) * np.ones_like(y), np.zeros_like(y) + 2)
