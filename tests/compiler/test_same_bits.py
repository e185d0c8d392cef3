"""The same line, the same bits: every operator eagerly, deferred and compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from both_modes import deferring
from examples_of_primitives import EXAMPLES, special_values
from same_values import arguments

import lamina
from lamina import nd
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.lowering import Elementwise
from lamina.core.primitive import REGISTRY, bind
from lamina.core.state import state

_BY_THE_C_LIBRARY = "compiled code asks the C library element by element, NumPy has vector code of its own"
NOT_YET = {
    **dict.fromkeys(
        ("log2", "log10", "cbrt", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arccosh",
         "arctanh", "power", "arctan2"),
        _BY_THE_C_LIBRARY,
    ),
    "matmul": "eager products are BLAS's",
}  # fmt: skip
"""Operators whose eager bits still differ from those of compiled code, each with its reason."""

COMPILED = sorted(name for name, p in REGISTRY.items() if p.lowering is not None)
SAME = [name for name in COMPILED if name not in NOT_YET]
_random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def denormals_flushed() -> Iterator[None]:
    """As while a network is trained, and always in compiled code; elsewhere NumPy's arithmetic keeps denormals."""
    saved = flush_denormals()
    yield
    restore_denormals(saved)


def in_three_ways(function: Callable[..., Sequence[Any]], *inputs: Any) -> dict[str, list[np.ndarray]]:
    """What a function gives eagerly, compiled, and deferred once it was compiled for that."""
    with lamina.eager():
        found = {
            "eager": _numbers(function(*inputs)),
            "compiled": _numbers(lamina.compile(function)(*inputs)),
        }
    with deferring() as compiled:
        for _ in range(4):
            found["deferred"] = _numbers(function(*inputs))
    assert compiled, "nothing was deferred"
    return found


def _numbers(results: Sequence[Any]) -> list[np.ndarray]:
    return [x.asnumpy() for x in results]


def assert_same_bits(found: dict[str, list[np.ndarray]], labels: Sequence[str]) -> None:
    for way in ("compiled", "deferred"):
        for x, y, label in zip(found["eager"], found[way], labels, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), label
            differs = ~same_bits(x, y)
            assert not differs.any(), f"{label}, {way}: {x[differs][:5]} is {y[differs][:5]}"


def same_bits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Element by element, any NaN like any other."""
    if x.dtype.kind != "f":
        return x == y
    integers = np.dtype(f"u{x.dtype.itemsize}")
    return (x.view(integers) == y.view(integers)) | (np.isnan(x) & np.isnan(y))


DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@pytest.mark.parametrize("name", SAME)
def test_examples_of_the_registry(name: str, dtype: Any) -> None:
    examples = EXAMPLES[name]
    inputs = [arguments(e, dtype) for e in examples]

    def every(inputs: Any) -> list[Any]:
        return [bind(REGISTRY[name], *xs, **e.params) for xs, e in zip(inputs, examples, strict=True)]

    assert_same_bits(in_three_ways(every, inputs), [f"{name} {e.label}" for e in examples])


ELEMENTWISE = {
    n: len(EXAMPLES[n][0].inputs)
    for n in SAME
    if isinstance(REGISTRY[n].lowering, Elementwise) and not EXAMPLES[n][0].params
}
"""Elementwise operators, and how many inputs they have."""


UNARY = [n for n, count in ELEMENTWISE.items() if count == 1]


@DTYPES
@pytest.mark.parametrize("count", [1, 2])
def test_special_values(count: int, dtype: Any) -> None:
    """All combinations of them; but which of two zeros is the larger one, NumPy leaves open."""
    names = [n for n in ELEMENTWISE if ELEMENTWISE[n] == count and n not in ("maximum", "minimum")]
    grid = np.meshgrid(*[special_values(dtype)] * count)
    inputs = [nd.array(x.ravel(), dtype=dtype) for x in grid]
    assert_same_bits(in_three_ways(lambda *xs: [bind(REGISTRY[n], *xs) for n in names], *inputs), names)


@DTYPES
@pytest.mark.parametrize("count", [1, 2])
def test_many_elements(count: int, dtype: Any) -> None:
    """Whole vectors, and some elements that are left over."""
    names = [n for n in ELEMENTWISE if ELEMENTWISE[n] == count]
    inputs = [nd.array(_random.normal(size=(64, 257)) * 3, dtype=dtype) for _ in range(count)]
    assert_same_bits(in_three_ways(lambda *xs: [bind(REGISTRY[n], *xs) for n in names], *inputs), names)


FOLDED = [
    ((64, 256), (0,)), ((64, 256), (1,)), ((64, 256), (0, 1)), ((63, 131), (0,)), ((63, 131), (1,)), ((64, 10), (1,)),
    ((64, 10), (0,)), ((1000,), (0,)), ((127,), (0,)), ((3, 5, 37), (1,)), ((3, 5, 37), (0, 2)), ((3, 5, 37), (1, 2)),
    ((5, 100, 1), (1,)), ((2, 3, 4, 50), (1, 3)), ((2, 3, 4, 50), (0, 1)), ((70, 1), (0,)),
]  # fmt: skip
"""Shapes, and the axes that are folded: rows of several lengths, columns, and axes that do not lie together."""


@DTYPES
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions(name: str, dtype: Any) -> None:
    inputs = [nd.array(_random.normal(size=shape), dtype=dtype) for shape, _ in FOLDED]
    axes = [axis for _, axis in FOLDED]

    def every(inputs: Any) -> list[Any]:
        return [bind(REGISTRY[name], x, axis=a, keepdims=False) for x, a in zip(inputs, axes, strict=True)]

    assert_same_bits(in_three_ways(every, inputs), [f"{name} {case}" for case in FOLDED])


@DTYPES
def test_a_sum_among_others(dtype: Any) -> None:
    """What is fused with a sum, other dtypes among it, changes no bit of it."""
    other = "float64" if dtype == np.float32 else "float32"
    inputs = [nd.array(_random.normal(size=shape), dtype=dtype) for shape in ((64, 256), (64, 10), (33, 127))]

    def every(inputs: Any) -> list[Any]:
        results: list[Any] = []
        for x in inputs:
            wide = nd.exp(x.astype(other))
            results += [
                nd.sum(x * 2, axis=1) + nd.mean(nd.tanh(x), axis=1),
                nd.softmax(x, axis=1),
                nd.log_softmax(x, axis=0),
                nd.sum(wide, axis=1).astype(dtype) * nd.sum(x, axis=1),
                nd.norm(x, axis=1),
                nd.sum(nd.exp(x), axis=0),
                nd.mean(x),
            ]
        return results

    assert_same_bits(in_three_ways(every, inputs), [str(i) for i in range(21)])


@DTYPES
@pytest.mark.parametrize("name", UNARY)
def test_elements_that_lie_apart(name: str, dtype: Any) -> None:
    """Columns, broadcast rows and Fortran's order have the bits of a contiguous copy."""
    x = np.abs(_random.normal(size=(19, 70))).astype(dtype)
    compute = REGISTRY[name].compute
    for view in (x[:, ::3], x[::-1, 1:], x[3:4, 5:], np.broadcast_to(x[0], x.shape), np.asfortranarray(x)):
        found, expected = (state.silently(compute, y) for y in (view, view.copy("C")))
        assert same_bits(np.ascontiguousarray(found), expected).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers(dtype: str) -> None:
    """Without those of which some have poles or NaN: what a conversion makes of them depends on the processor."""
    names = [n for n in UNARY if not n.startswith("same_") and n not in _WITH_POLES]
    if dtype == "bool":  # which has no sign
        names = [n for n in names if n not in ("negative", "sign")]
    x = nd.array([0, 1, 2, 3, 5], dtype=dtype)
    assert_same_bits(in_three_ways(lambda x: [bind(REGISTRY[n], x) for n in names], x), names)


_WITH_POLES = ("log", "rsqrt", "erfinv", "gammaln", "digamma")
