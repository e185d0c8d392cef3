"""Functions of `np` against NumPy's of the same name, on arrays of any shape."""

from collections.abc import Callable
from typing import Any

import numpy as onp
import pytest
from both_modes import deferring
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lamina
from lamina import np

FINITE = st.floats(-4, 4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4)

NAMES = (
    "abs", "sign", "negative", "floor", "ceil", "trunc", "exp", "expm1", "sin", "cos", "tan", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "square", "cbrt", "degrees", "radians", "isnan", "isinf", "isfinite",
    "logical_not", "sum", "mean", "max", "min", "std", "var", "prod", "any", "all", "argmax", "argmin", "cumsum",
    "ravel", "flip", "transpose", "copy", "count_nonzero", "ptp", "around", "nan_to_num", "zeros_like",
    "ones_like",
)  # fmt: skip

OF_ONE: dict[str, Callable[[Any, Any], Any]] = {
    **{name: lambda lib, x, name=name: getattr(lib, name)(x) for name in NAMES},
    "fix": lambda lib, x: (lib.trunc if lib is onp else lib.fix)(x),  # NumPy's is deprecated since 2.5
    "log of a size": lambda lib, x: lib.log(lib.abs(x) + 1),
    "sqrt of a size": lambda lib, x: lib.sqrt(lib.abs(x)),
    "sum over the first axis": lambda lib, x: x.sum(axis=0) if x.ndim else x,
    "mean over the last axis": lambda lib, x: lib.mean(x, axis=-1, keepdims=True) if x.ndim else x,
    "var with ddof": lambda lib, x: lib.var(lib.stack([x, x + 1]), axis=0, ddof=1),
    "expand, squeeze": lambda lib, x: lib.squeeze(lib.expand_dims(lib.expand_dims(x, 0), -1), 0),
    "stack": lambda lib, x: lib.stack([x, x * 2], axis=0),
    "concatenate flat": lambda lib, x: lib.concatenate([x, x + 1], axis=None),
    "sort": lambda lib, x: lib.sort(lib.ravel(x)),
    "argsort": lambda lib, x: lib.ravel(x)[lib.argsort(lib.ravel(x))],
    "tile": lambda lib, x: lib.tile(x, (2, 1, 3)),
    "repeat": lambda lib, x: lib.repeat(x, 2),
    "roll": lambda lib, x: lib.roll(x, 3),
    "clip": lambda lib, x: lib.clip(x, -1, 2),
    "where": lambda lib, x: lib.where(x > 0, x, 0 * x - 1),
    "mask": lambda lib, x: lib.ravel(x)[lib.ravel(x) > 0],
    "last": lambda lib, x: x[-1] if x.ndim else x[()],
    "strides": lambda lib, x: x[..., ::-1] if x.ndim else x,
    "new axes": lambda lib, x: x[None, ..., None],
    "outer": lambda lib, x: lib.outer(x, x),
    "array_split": lambda lib, x: lib.array_split(lib.ravel(x), 2)[0],
    "atleast_3d": lambda lib, x: lib.atleast_3d(x),
    "diff": lambda lib, x: lib.diff(lib.ravel(x)),
    "unique": lambda lib, x: lib.unique(x),
    "nonzero": lambda lib, x: lib.stack(lib.nonzero(lib.ravel(x))),
    "pad": lambda lib, x: lib.pad(x, 1) if x.ndim else x,
}


@settings(max_examples=15, deadline=None)
@given(x=hnp.arrays(onp.float32, SHAPES, elements=FINITE))
@pytest.mark.parametrize("name", OF_ONE)
def test_of_one_array(name: str, x: onp.ndarray) -> None:
    with lamina.eager():
        got = OF_ONE[name](np, np.array(x))
    wanted = OF_ONE[name](onp, x)
    assert got.shape == onp.shape(wanted)
    if onp.asarray(wanted).dtype.kind in "fb":
        assert got.dtype.kind == onp.asarray(wanted).dtype.kind
    onp.testing.assert_allclose(got.asnumpy(), wanted, rtol=2e-5, atol=2e-5)


REDUCTIONS = (
    "sum", "prod", "max", "min", "mean", "std", "var", "ptp", "any", "all", "count_nonzero", "argmax", "argmin",
    "nansum", "nanprod", "amax", "amin",
)  # fmt: skip


@pytest.mark.parametrize("keepdims", [False, True], ids=["axes dropped", "axes kept"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_shapes_of_full_reductions_in_all_modes(name: str, shape: tuple[int, ...], keepdims: bool) -> None:
    def reduce(x: np.ndarray) -> np.ndarray:
        return getattr(np, name)(x, keepdims=keepdims)

    numbers = onp.full(shape, 2.5, onp.float32)
    wanted = getattr(onp, name)(numbers, keepdims=keepdims)
    with lamina.eager():
        results = [reduce(np.array(numbers))]
    with deferring():
        for _ in range(6):
            results.append(reduce(np.array(numbers)))
            results[-1].asnumpy()
    compiled = lamina.compile(reduce)
    results += [compiled(np.array(numbers)) for _ in range(2)]
    for result in results:
        assert result.shape == result.asnumpy().shape == wanted.shape
        onp.testing.assert_allclose(result.asnumpy(), wanted, rtol=1e-6)


TWO = (
    "add", "subtract", "multiply", "maximum", "minimum", "hypot", "arctan2", "equal", "not_equal", "greater", "less",
    "less_equal", "logical_and",
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), data=st.data())
@pytest.mark.parametrize("name", TWO)
def test_of_two_arrays_that_broadcast(name: str, shapes: Any, data: Any) -> None:
    x, y = (data.draw(hnp.arrays(onp.float32, s, elements=FINITE)) for s in shapes.input_shapes)
    with lamina.eager():
        got = getattr(np, name)(np.array(x), np.array(y))
    wanted = getattr(onp, name)(x, y)
    assert got.shape == shapes.result_shape
    onp.testing.assert_allclose(got.asnumpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ij,jk,kl", [(2, 3), (3, 4), (4, 2)]),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
        ("ii->i", [(3, 3)]),
        ("iij->j", [(2, 2, 3)]),
        ("i,j->ji", [(2,), (3,)]),
        ("ijk->", [(2, 3, 4)]),
        ("bhqd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 3, 5)]),
        ("ij,ij,j->i", [(2, 3), (2, 3), (3,)]),
    ],
    ids=str,
)
def test_einsum(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    draws = onp.random.default_rng(0)
    arrays = [draws.normal(size=s).astype("float32") for s in shapes]
    got = np.einsum(subscripts, *[np.array(x) for x in arrays])
    wanted = onp.einsum(subscripts, *arrays)
    assert got.shape == wanted.shape
    onp.testing.assert_allclose(got.asnumpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("replace", [True, False], ids=["again", "once"])
def test_choices_follow_their_probabilities(replace: bool) -> None:
    np.random.seed(3)
    p = np.array([0.5, 0.3, 0.2, 0.0])
    drawn = [np.random.choice(4, 2, replace=replace, p=p).tolist() for _ in range(400)]
    first = onp.bincount([pair[0] for pair in drawn], minlength=4) / 400
    onp.testing.assert_allclose(first, [0.5, 0.3, 0.2, 0], atol=0.1)
    assert replace or all(a != b for a, b in drawn)
    assert sorted(np.random.permutation(5).tolist()) == [0, 1, 2, 3, 4]
