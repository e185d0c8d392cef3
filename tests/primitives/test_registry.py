"""Every primitive against itself: `infer` against `eval`, `vjp` against finite differences of `eval`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES, Example, all_examples

from lamina import autograd, nd
from lamina.core.primitive import REGISTRY, bind

EAGER_ONLY = {
    "argsort", "cholesky", "cumsum", "determinant", "eigenvalues", "eigenvectors", "inverse", "log_determinant",
    "orthonormal_rows", "polygamma", "random_gamma", "random_poisson", "sign_of_determinant", "sort",
    "triangular_solve",
}  # fmt: skip

CASES = [pytest.param(name, e, id=f"{name}-{e.label}") for name, e in all_examples()]
DIFFERENTIABLE = [
    pytest.param(name, e, id=f"{name}-{e.label}")
    for name, e in all_examples()
    if REGISTRY[name].vjp is not None and e.smooth
]
TWICE = [
    pytest.param(name, e, id=f"{name}-{e.label}")
    for name, e in all_examples()
    if REGISTRY[name].vjp is not None and e.smooth and e.float_places
]


def test_every_primitive_has_examples_and_every_example_a_primitive() -> None:
    assert set(EXAMPLES) == set(REGISTRY)


def test_what_can_be_compiled() -> None:
    assert {name for name, p in REGISTRY.items() if p.lowering is None} == EAGER_ONLY


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "example"), CASES)
def test_infer_foretells_shape_and_dtype_of_eval(name: str, example: Example, dtype: Any) -> None:
    inputs = example.with_dtype(dtype)
    out = REGISTRY[name].eval(*inputs, **example.params)
    shape, kind = REGISTRY[name].infer(*inputs, **example.params)
    assert (out.shape, out.dtype) == (tuple(shape), kind)
    assert out.flags.c_contiguous


@pytest.mark.parametrize(("name", "example"), CASES)
def test_float32_agrees_with_float64(name: str, example: Example) -> None:
    single = REGISTRY[name].eval(*example.with_dtype(np.float32), **example.params)
    double = REGISTRY[name].eval(*example.inputs, **example.params)
    if name == "random_gamma":
        single, double = single.mean(), double.mean()  # rejection may branch differently
    np.testing.assert_allclose(single, double, rtol=2e-5, atol=2e-5)


@pytest.mark.few(200)
@pytest.mark.parametrize(("name", "example"), DIFFERENTIABLE)
def test_vjp_is_the_derivative_of_eval(name: str, example: Example) -> None:
    def function(*arrays: Any) -> Any:
        return bind(REGISTRY[name], *arrays, **example.params)

    check_gradients(function, example)


@pytest.mark.few(124)
@pytest.mark.parametrize(("name", "example"), TWICE)
def test_vjp_can_be_differentiated_again(name: str, example: Example) -> None:
    places = example.float_places

    def gradient(*arrays: Any) -> Any:
        with autograd.record():
            out = bind(REGISTRY[name], *arrays, **example.params)
            heads = nd.array(weights(out.shape, 5), dtype=np.float64)
            grads = autograd.grad(out, [arrays[i] for i in places], heads, create_graph=True)
            return nd.concat(*[g.reshape((-1,)) for g in grads], dim=0)

    check_gradients(gradient, example, tolerance=1e-5)


# --- finite differences --------------------------------------------------------------------------------------------


def weights(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def check_gradients(function: Callable[..., Any], example: Example, tolerance: float = 1e-6) -> None:
    """Compare autograd's gradients of Σ w·function(inputs) with central differences in float64."""
    inputs, places = example.inputs, example.float_places

    def arrays() -> list[Any]:
        return [nd.array(x, dtype=x.dtype) if isinstance(x, np.ndarray) else x for x in inputs]

    leaves = arrays()
    for i in places:
        leaves[i].attach_grad()
    with autograd.record():
        out = function(*leaves)
    head = weights(out.shape, 3)
    if not autograd_reaches(out):
        return
    out.backward(nd.array(head, dtype=np.float64))

    def value(i: int, x: np.ndarray) -> float:
        changed = arrays()
        changed[i] = nd.array(x, dtype=np.float64)
        for j in places:
            changed[j].attach_grad()
        return float((function(*changed).asnumpy() * head).sum())

    for i in places:
        expected = central_differences(lambda x, i=i: value(i, x), inputs[i])
        assert leaves[i].grad.dtype == np.float64
        np.testing.assert_allclose(leaves[i].grad.asnumpy(), expected, rtol=tolerance, atol=tolerance)


def autograd_reaches(out: Any) -> bool:
    """Whether any gradient flows back from `out` (a piecewise constant gradient has none)."""
    return out._node is not None


def central_differences(
    value: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """The derivative of `value` by each element of `x`."""
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[index] = (value(up) - value(down)) / (2 * step)
    return result
