"""The same line, the same bits: every operator eagerly, deferred and compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from both_modes import deferring
from examples_of_primitives import EXAMPLES, special_values
from same_values import arguments

import lamina
from lamina import autograd, gluon, nd
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.compiler.llvm.processor import runnable_levels
from lamina.core import blas
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.lowering import Elementwise
from lamina.core.primitive import REGISTRY, bind
from lamina.core.state import state
from lamina.errors import ParameterError
from lamina.gluon import nn

COMPILED = sorted(name for name, p in REGISTRY.items() if p.lowering is not None)
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


@pytest.mark.few(64)
@DTYPES
@pytest.mark.parametrize("name", COMPILED)
def test_examples_of_the_registry(name: str, dtype: Any) -> None:
    examples = EXAMPLES[name]
    inputs = [arguments(e, dtype) for e in examples]

    def every(inputs: Any) -> list[Any]:
        return [bind(REGISTRY[name], *xs, **e.params) for xs, e in zip(inputs, examples, strict=True)]

    assert_same_bits(in_three_ways(every, inputs), [f"{name} {e.label}" for e in examples])


ELEMENTWISE = {
    n: len(EXAMPLES[n][0].inputs)
    for n in COMPILED
    if isinstance(REGISTRY[n].lowering, Elementwise) and not EXAMPLES[n][0].params
}
"""Elementwise operators, and how many inputs they have."""


UNARY = [n for n, count in ELEMENTWISE.items() if count == 1]


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("count", [1, 2])
def test_special_values(count: int, dtype: Any) -> None:
    """All combinations of them; but which of two zeros is the larger one, NumPy leaves open."""
    names = [n for n in ELEMENTWISE if ELEMENTWISE[n] == count and n not in ("maximum", "minimum")]
    grid = np.meshgrid(*[special_values(dtype)] * count)
    inputs = [nd.array(x.ravel(), dtype=dtype) for x in grid]
    assert_same_bits(in_three_ways(lambda *xs: [bind(REGISTRY[n], *xs) for n in names], *inputs), names)


def denormals(dtype: Any) -> np.ndarray:
    """Denormals of both signs, and numbers that make them."""
    tiny, smallest = np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    positive = [smallest, tiny / 4, tiny * 0.75, tiny, tiny * 1.5, tiny * 3, 0, 0.5, 1, 2, np.inf]
    return np.array([*positive, *(-np.array(positive)), np.nan], dtype)


@DTYPES
def test_a_remainder_of_denormals(dtype: Any) -> None:
    """C's `fmod` keeps them, and what follows it counts them as zero."""
    inputs = [nd.array(x.ravel(), dtype=dtype) for x in np.meshgrid(*[denormals(dtype)] * 2)]
    assert_same_bits(in_three_ways(lambda x, y: [x % y, x % 2, 1 % y, x], *inputs), ["%", "% 2", "1 %", "x"])


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("count", [1, 2])
def test_denormals(count: int, dtype: Any) -> None:
    names = [n for n in ELEMENTWISE if ELEMENTWISE[n] == count]
    inputs = [nd.array(x.ravel(), dtype=dtype) for x in np.meshgrid(*[denormals(dtype)] * count)]
    assert_same_bits(in_three_ways(lambda *xs: [bind(REGISTRY[n], *xs) for n in names], *inputs), names)


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("name", COMPILED)
def test_examples_with_denormals(name: str, dtype: Any) -> None:
    """More than half of the numbers are denormals, infinities or near them, in every float input."""
    random = np.random.default_rng(0)
    examples = [e for e in EXAMPLES[name] if e.float_places]
    inputs = [arguments(e, dtype) for e in examples]
    for xs in inputs:
        for x in xs:
            if isinstance(x, nd.NDArray) and x.dtype == dtype:
                chosen = random.choice(denormals(dtype), x.shape)
                x[:] = nd.array(np.where(random.random(x.shape) < 0.6, chosen, x.asnumpy()), dtype=dtype)

    def every(inputs: Any) -> list[Any]:
        return [bind(REGISTRY[name], *xs, **e.params) for xs, e in zip(inputs, examples, strict=True)]

    if examples:
        assert_same_bits(in_three_ways(every, inputs), [f"{name} {e.label}" for e in examples])


@pytest.mark.slow
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
    ((32, 28, 28, 1), (0, 1, 2, 3)), ((3, 70, 90, 3), (1, 2, 3)), ((5000, 2), (0, 1)),
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
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions_over_no_axes(name: str, dtype: Any) -> None:
    """They change nothing, not even the sign of a zero."""
    x = nd.array([[-0.0, 0.0, 1.5], [-1.0, np.inf, -0.0]], dtype=dtype)

    def every(x: Any) -> list[Any]:
        keeping = [bind(REGISTRY[name], x, axis=(), keepdims=keepdims) for keepdims in (False, True)]
        return [*keeping, getattr(nd, name)(x, axis=(0, 1), exclude=True)]

    found = in_three_ways(every, x)
    assert_same_bits(found, ["dropping", "keeping", "exclude"])
    assert same_bits(found["eager"][0], x.asnumpy()).all()


@DTYPES
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0), (2, 0, 0)])
def test_sums_of_nothing(shape: tuple[int, ...], dtype: Any) -> None:
    def every(x: Any) -> list[Any]:
        return [nd.sum(x), nd.sum(x, axis=-1), nd.prod(x, axis=(0, 1), keepdims=True), nd.sum(x * 2, axis=1)]

    found = in_three_ways(every, nd.zeros(shape, dtype=dtype))
    assert_same_bits(found, ["sum", "rows", "prod", "twice"])
    assert found["eager"][0].tolist() == [0]


@DTYPES
def test_sums_of_pictures(dtype: Any) -> None:
    """Whatever is fused with a sum over a short last axis: pictures' last axis is that of their colours."""
    pictures = [nd.array(_random.random((28, 28, 1)), dtype=dtype) for _ in range(8)]
    factors = nd.array(_random.random((28, 1, 1)), dtype=dtype)

    def every(inputs: Any) -> list[Any]:
        *one_by_one, factors = inputs
        batch = nd.stack(*[x / 255 for x in one_by_one])
        return [nd.sum(batch), nd.sum(batch * factors), nd.mean(nd.stack(batch, batch, axis=-1)), batch]

    labels = "sum", "times factors", "colours", "batch"
    assert_same_bits(in_three_ways(every, [*pictures, factors]), labels)


def test_a_compiled_sum_of_a_column_reaches_beyond_24_bits() -> None:
    ones = nd.ones((20_000_000, 1))
    assert lamina.compile(lambda x: nd.sum(x * 1.0))(ones).asscalar() == 20_000_000


@DTYPES
@pytest.mark.parametrize("shape", [(33, 256, 10), (7, 300, 130)])
def test_sums_of_joined_arrays_and_of_products(shape: tuple[int, int, int], dtype: Any) -> None:
    """What is fused with a sum along rows does not change its order."""
    rows, inner, columns = shape
    sizes = (rows, inner), (rows, inner + 5), (inner, columns)
    inputs = [nd.array(_random.normal(size=size), dtype=dtype) for size in sizes]

    def every(inputs: Any) -> list[Any]:
        x, y, weight = inputs
        joined, layer = nd.concat(x, y, dim=1), nd.maximum(nd.dot(x, weight) + 1, 0)
        below = nd.concat(x, x * 2, dim=0)
        sums = [nd.sum(z, axis=1) for z in (joined, nd.exp(joined), below, layer, layer.T)]
        return [*sums, nd.sum(layer), nd.norm(layer, axis=1), nd.softmax(layer)]

    labels = "joined", "exp of joined", "joined rows", "layer", "its columns", "all of it", "norm", "softmax"
    assert_same_bits(in_three_ways(every, inputs), labels)


@pytest.mark.slow
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


@pytest.fixture
def without_matrix_unit() -> Iterator[None]:
    """Whose products have no chain of multiply-adds: see docs/adr/matrix-unit.md."""
    with compiling_for(replace(host_machine(), has_matrix_unit=False)):
        yield


PRODUCTS = [
    (64, 784, 256), (64, 256, 10), (256, 64, 10), (1, 784, 256), (64, 256, 1), (1, 256, 1), (7, 13, 5), (13, 700, 33),
    (8, 1100, 17), (6, 1, 9), (3, 5, 40),
]  # fmt: skip
"""Rows, terms, columns: tiles that are whole and not, one row, one column, several panels of terms."""


@pytest.mark.few(5)
@pytest.mark.usefixtures("without_matrix_unit")
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@DTYPES
def test_products(dtype: Any, transpose_a: bool, transpose_b: bool) -> None:
    def matrix(rows: int, columns: int, transposed: bool) -> Any:
        shape = (columns, rows) if transposed else (rows, columns)
        return nd.array(_random.normal(size=shape), dtype=dtype)

    inputs = [(matrix(m, k, transpose_a), matrix(k, n, transpose_b)) for m, k, n in PRODUCTS]

    def every(inputs: Any) -> list[Any]:
        return [nd.dot(x, y, transpose_a, transpose_b) for x, y in inputs]

    assert_same_bits(in_three_ways(every, inputs), [str(shape) for shape in PRODUCTS])


@pytest.mark.usefixtures("without_matrix_unit")
def test_batches_of_products() -> None:
    """But for narrow ones, which compiled code may sum up by lanes."""
    x, y = nd.array(_random.normal(size=(5, 30, 64))), nd.array(_random.normal(size=(5, 64, 48)))
    assert_same_bits(in_three_ways(lambda x, y: [nd.batch_dot(x, y)], x, y), ["batch_dot"])


def test_products_of_infinities_and_nan() -> None:
    x = np.array([[np.inf, 0, 1], [np.nan, 1, 2], [-np.inf, np.inf, 0], [-0.0, 0.0, -0.0]], np.float32)
    inputs = nd.array(x), nd.array(x[:3])
    assert_same_bits(in_three_ways(lambda x, y: [nd.dot(x, y)], *inputs), ["dot"])


def test_products_of_views() -> None:
    """Strides that no transposition has."""
    product = REGISTRY["matmul"].compute
    x, y = (_random.normal(size=(40, 90)).astype(np.float32) for _ in range(2))
    for a, b in ((x[::2, ::3], y[:30, 1::2]), (x[::-1, :40], y[:, ::-1]), (x[:, 5:45], np.asfortranarray(y))):
        found = product(a, b, transpose_a=False, transpose_b=False)
        assert same_bits(found, product(a.copy(), b.copy("C"), transpose_a=False, transpose_b=False)).all()
        np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "shapes", [((40, 90, 700), (40, 700, 8)), ((2, 64, 784), (2, 784, 257)), ((2, 3001, 400), (2, 400, 9))]
)
def test_threads_share_a_product(shapes: Any) -> None:
    """Matrices of a batch, columns, or rows, each among more threads than divide them, too."""
    x, y = (_random.normal(size=shape).astype(np.float32) for shape in shapes)
    product, found = REGISTRY["matmul"].compute, []
    for threads in (1, 2, 3):
        lamina.set_num_threads(threads)
        found.append(product(x, y, transpose_a=False, transpose_b=False))
    np.testing.assert_allclose(found[0], x.astype(np.float64) @ y, rtol=1e-3, atol=1e-3)
    assert same_bits(found[1], found[0]).all()
    assert same_bits(found[2], found[0]).all()


def test_blas_is_asked_where_that_is_wanted() -> None:
    x, y = (_random.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
    with pytest.raises(ParameterError, match="Known: lamina, blas"):
        lamina.set_eager_products("mkl")
    lamina.set_eager_products("blas")
    try:
        with lamina.eager():
            found = nd.dot(nd.array(x), nd.array(y)).asnumpy()
    finally:
        lamina.set_eager_products("lamina")
    assert same_bits(found, blas.matmul(x, y)).all()


_SHOW_BITS = """
import hashlib, numpy as np, lamina
from lamina import nd
random, digest = np.random.default_rng(0), hashlib.sha256()
def results(x):
    return [nd.sum(x, axis=1), nd.sum(x, axis=0), nd.sum(x), nd.softmax(x), nd.tanh(x), nd.dot(x, x, transpose_b=True)]
for dtype in ("float32", "float64"):
    for shape in [(64, 256), (63, 131), (64, 10)]:
        for x in results(nd.array(random.normal(size=shape), dtype=dtype)):
            digest.update(x.asnumpy().tobytes())
        for x in lamina.compile(results)(nd.array(random.normal(size=shape), dtype=dtype)):
            digest.update(x.asnumpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_the_same_bits_on_shorter_vectors() -> None:
    """Eagerly and compiled, on all levels of processors that have multiply-adds, whatever this one is."""
    levels = [level for level in runnable_levels() if level != "x86-64-v2"]
    assert levels
    shown = {
        subprocess.check_output(
            [sys.executable, "-c", _SHOW_BITS], env={**os.environ, "LAMINA_CPU": level, "LAMINA_EAGER": "1"}
        )
        for level in levels
    }
    assert len(shown) == 1


@pytest.mark.slow
def test_what_ieee_defines_needs_no_llvm() -> None:
    """... and without a compiler nothing does: eager evaluation is NumPy's."""
    program = (
        "import sys, numpy as np\nfrom lamina import nd\nx = nd.ones((3, 4)) + 1\n"
        "nd.sqrt(nd.relu(x) / 3 - x).asnumpy()\n"
        "assert 'llvmlite' not in sys.modules\n"
    )
    without = (
        "assert nd.exp(x).asnumpy().tobytes() == np.exp(x.asnumpy()).tobytes()\nnd.dot(x, x.T), x.sum()\n"
    )
    unloaded = "assert 'llvmlite' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", program], check=True)
    environment = {**os.environ, "LAMINA_COMPILE": "0"}
    subprocess.run([sys.executable, "-c", program + without + unloaded], check=True, env=environment)


@pytest.mark.usefixtures("without_matrix_unit")
def test_a_line_shows_the_same_numbers_however_often_it_runs() -> None:
    net = nn.Sequential()
    net.add(nn.Dense(64, activation="tanh"), nn.Dense(32, activation="sigmoid"), nn.Dense(10))
    net.initialize()
    x = nd.array(_random.normal(size=(5, 20)))
    with deferring() as compiled:
        shown = {str(nd.softmax(net(x))) for _ in range(6)}
    assert compiled, "nothing was deferred"
    assert len(shown) == 1


@pytest.mark.few(2)
@pytest.mark.usefixtures("without_matrix_unit")
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "nag"])
def test_a_training_ends_with_the_same_bits(optimizer: str) -> None:
    def train() -> list[np.ndarray]:
        lamina.random.seed(0)
        random = np.random.default_rng(0)
        rows, labels = nd.array(random.uniform(size=(320, 40))), nd.array(random.integers(0, 10, 320))
        net = nn.Sequential()
        net.add(nn.Dense(64, activation="tanh"), nn.Dropout(0.2), nn.Dense(10))
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.01})
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
        losses: list[float] = []
        for start in range(0, 320, 32):
            with autograd.record():
                loss = loss_of(net(rows[start : start + 32]), labels[start : start + 32])
            loss.backward()
            trainer.step(32)
            losses.append(loss.mean().asscalar())
        return [np.array(losses), *(p.data().asnumpy() for p in net.collect_params().values())]

    with lamina.eager():
        expected = train()
    with deferring() as compiled:
        found = train()
    assert compiled, "nothing was deferred"
    for x, y in zip(found, expected, strict=True):
        assert same_bits(x, y).all()


@DTYPES
@pytest.mark.parametrize("name", UNARY)
def test_elements_that_lie_apart(name: str, dtype: Any) -> None:
    """Columns, broadcast rows and Fortran's order have the bits of a contiguous copy."""
    x = np.abs(_random.normal(size=(19, 70))).astype(dtype)
    compute = REGISTRY[name].compute
    for view in (x[:, ::3], x[::-1, 1:], x[3:4, 5:], np.broadcast_to(x[0], x.shape), np.asfortranarray(x)):
        found, expected = (state.silently(compute, y) for y in (view, view.copy("C")))
        assert same_bits(np.ascontiguousarray(found), expected).all()


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers(dtype: str) -> None:
    """Without those of which some have poles or NaN: what a conversion makes of them depends on the processor."""
    names = [n for n in UNARY if not n.startswith("same_") and n not in _WITH_POLES]
    if dtype == "bool":  # which has no sign
        names = [n for n in names if n not in ("negative", "sign")]
    x = nd.array([0, 1, 2, 3, 5], dtype=dtype)
    assert_same_bits(in_three_ways(lambda x: [bind(REGISTRY[n], x) for n in names], x), names)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_integers_of_functions_of_two(dtype: str) -> None:
    """Computed in float64; negative exponents and 1 / 0 give 0."""
    grid = np.meshgrid(*[[0, 1, 2, 3, 5, 7] if dtype == "uint8" else [-3, -2, -1, 0, 1, 2, 5]] * 2)
    inputs = [nd.array(x.ravel(), dtype=dtype) for x in grid]
    if dtype in ("uint8", "int8"):  # larger powers wrap around, as the processor has it
        inputs[1] = nd.minimum(inputs[1], 2)
    names = ["power", "arctan2", "hypot"]
    assert_same_bits(in_three_ways(lambda x, y: [bind(REGISTRY[n], x, y) for n in names], *inputs), names)


@pytest.mark.parametrize("exponent", [2, 2.0, 3, -1, 0.5, 1])
def test_numbers_as_exponents(exponent: float) -> None:
    x = nd.array(_random.uniform(0.1, 3, size=(7, 37)))
    assert_same_bits(
        in_three_ways(lambda x: [x**exponent, exponent**x], x), ["x to a number", "a number to x"]
    )


def test_squares_of_large_integers() -> None:
    """They go through float64, too."""
    x = nd.array([3, -70_000, 2**29 + 1, 2**31 - 1], dtype="int64")
    assert_same_bits(in_three_ways(lambda x: [x**2], x), ["x squared"])


_WITH_POLES = ("log", "rsqrt", "erfinv", "gammaln", "digamma")


# --- where eager evaluation leaves it to NumPy -----------------------------------------------------------------------


def test_long_eager_sums_lose_no_digits() -> None:
    """A chain of ones in float32 ends at 2^24."""
    ones = nd.ones((20_000_000, 1))
    with lamina.eager():
        assert ones.mean().asscalar() == 1
        assert ones.sum(axis=0).asscalar() == 20_000_000
        assert nd.dot(ones, ones, transpose_a=True).asscalar() == 20_000_000
        middle = nd.array(_random.random((64, 4, 56, 56)))
        wanted = middle.asnumpy().astype(np.float64).sum(axis=(0, 2, 3))
        np.testing.assert_allclose(nd.sum(middle, axis=(0, 2, 3)).asnumpy(), wanted, rtol=1e-6)


@pytest.mark.slow
def test_a_kernel_may_be_wanted_while_one_is_found_and_in_a_child() -> None:
    """Handlers of signals, finalizers and children that are forked meanwhile compute, and nobody waits for ever."""
    program = """
import gc, os, signal, sys, threading, time
import lamina
from lamina import nd

a, seen = nd.ones((3,)), []

def look(*_):
    with lamina.eager():
        seen.append(nd.sin(a).asnumpy()[0])

signal.signal(signal.SIGALRM, look)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
with lamina.eager():
    nd.exp(a).asnumpy()
signal.setitimer(signal.ITIMER_REAL, 0)

def first_use():
    with lamina.eager():
        nd.tanh(a).asnumpy()

thread = threading.Thread(target=first_use)
thread.start()
time.sleep(0.001)
child = os.fork()
if not child:
    signal.alarm(60)
    with lamina.eager():
        nd.erf(a).asnumpy()
    os._exit(0)
thread.join()
print(os.waitpid(child, 0)[1], {round(float(x), 4) for x in seen} <= {0.8415}, bool(seen))
"""
    with tempfile.TemporaryDirectory() as folder:  # an empty cache: kernels are compiled
        environment = os.environ | {"LAMINA_CACHE_DIR": folder}
        command = [sys.executable, "-W", "ignore", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["0", "True", "True"], done.stderr
