"""Every primitive with a lowering: its machine code against its own `eval`, over the examples of the registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES, special_values
from same_values import arguments, assert_same, by_numpy

import lamina
from lamina import nd
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.llvm import FLOAT32
from lamina.core.lowering import Contraction, Elementwise, Reduction
from lamina.core.primitive import REGISTRY, bind
from lamina.errors import DTypeError
from lamina.nd.ndarray import NDArray

COMPILED = sorted(name for name, p in REGISTRY.items() if p.lowering is not None)
EAGER_ONLY = sorted(name for name, p in REGISTRY.items() if p.lowering is None)
DECISIONS = Path(__file__).parents[2] / "docs" / "adr" / "operators-that-stay-eager.md"


def compiled_and_by_numpy(function: Any, *args: Any) -> tuple[Any, Any]:
    compiled = lamina.compile(function)(*args)
    with by_numpy():
        return compiled, function(*args)


def test_what_never_compiles_is_decided_in_writing() -> None:
    bullets = re.findall(r"^\* .*(?:\n  .*)*", DECISIONS.read_text(), re.MULTILINE)
    decided = [name for bullet in bullets for name in re.findall(r"`(\w+)`", bullet)]
    assert sorted(decided) == EAGER_ONLY


@pytest.mark.few(22)
@pytest.mark.parametrize("name", COMPILED)
def test_machine_code_agrees_with_eval(name: str) -> None:
    """All examples in one program of float32, and a few in float64."""
    primitive = REGISTRY[name]
    for dtype, examples in ((np.float32, EXAMPLES[name]), (np.float64, EXAMPLES[name][:3])):

        def every(all_arguments: Any, examples: Any = examples) -> list[Any]:
            return [bind(primitive, *xs, **e.params) for xs, e in zip(all_arguments, examples, strict=True)]

        inputs = [arguments(e, dtype) for e in examples]
        for actual, expected, example in zip(*compiled_and_by_numpy(every, inputs), examples, strict=True):
            assert_same(actual, expected, f"{name} {example.label} {np.dtype(dtype)}")


@pytest.mark.parametrize("name", ["scatter_nd_add", "scatter_nd_set"])
def test_a_single_number_is_scattered(name: str) -> None:
    place = nd.array([1, 2], dtype="int32")
    number = NDArray(np.array(5.0, np.float32), lamina.cpu())  # without axes, as mx.np has them
    compiled, expected = compiled_and_by_numpy(
        lambda *xs: bind(REGISTRY[name], *xs, shape=(3, 4)), number, place
    )
    np.testing.assert_array_equal(compiled.asnumpy(), expected.asnumpy())
    assert expected.asnumpy()[1, 2] == 5


# --- special values ------------------------------------------------------------------------------------------------

ELEMENTWISE = [n for n in COMPILED if isinstance(REGISTRY[n].lowering, Elementwise)]
ARITY = {n: len(EXAMPLES[n][0].inputs) for n in ELEMENTWISE}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_one_number_on_special_values(dtype: Any) -> None:
    names = [n for n in ELEMENTWISE if ARITY[n] == 1 and not EXAMPLES[n][0].params]
    x = nd.array(special_values(dtype), dtype=dtype)

    def every(x: Any) -> dict[str, Any]:
        return {n: bind(REGISTRY[n], x) for n in names}

    actual, expected = compiled_and_by_numpy(every, x)
    for n in names:
        assert_same(actual[n], expected[n], n)
        if n != "relu":  # which of two zeros is larger, NumPy leaves open
            np.testing.assert_array_equal(*signs_of_zeros(actual[n], expected[n]), err_msg=n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_two_numbers_on_special_values(dtype: Any) -> None:
    names = [n for n in ELEMENTWISE if ARITY[n] == 2]
    values = special_values(dtype)
    x, y = (
        nd.array(np.repeat(values, len(values)), dtype=dtype),
        nd.array(np.tile(values, len(values)), dtype=dtype),
    )

    def every(x: Any, y: Any) -> dict[str, Any]:
        return {n: bind(REGISTRY[n], x, y) for n in names}

    actual, expected = compiled_and_by_numpy(every, x, y)
    for n in names:
        assert_same(actual[n], expected[n], n)
        if n not in ("maximum", "minimum"):
            np.testing.assert_array_equal(*signs_of_zeros(actual[n], expected[n]), err_msg=n)


def signs_of_zeros(actual: Any, expected: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = actual.asnumpy(), expected.asnumpy()
    zero = (x == 0) & (y == 0)
    return np.signbit(x[zero]), np.signbit(y[zero])


REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin", "softmax", "log_softmax")


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_keep_nan_and_infinities(name: str) -> None:
    primitive = REGISTRY[name]
    rows = np.ones((6, 37), np.float32)
    rows[1, 20], rows[2, 3], rows[3, [3, 36]] = np.nan, np.inf, [np.inf, -np.inf]
    rows[4, :], rows[5, 0] = -np.inf, -np.inf
    params: dict[str, Any] = {} if "soft" in name else {"keepdims": False}

    def both(x: Any) -> list[Any]:
        axes: Any = ((0,), (1,)) if isinstance(primitive.lowering, Reduction) else (0, 1)
        return [bind(primitive, x, axis=axis, **params) for axis in axes]

    for actual, expected in zip(*compiled_and_by_numpy(both, nd.array(rows)), strict=True):
        assert_same(actual, expected, name)


# --- sizes and other dtypes ------------------------------------------------------------------------------------------

SIZES = (1, 3, 7, 10, 17)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_integers(dtype: Any) -> None:
    names = [n for n in ELEMENTWISE if ARITY[n] <= 2 and not EXAMPLES[n][0].params]
    names = [n for n in names if not n.startswith("same_")]  # of random numbers, which are floats
    x, y = nd.array([0, 1, 2, 3, 5, 9, 100], dtype=dtype), nd.array([3, 0, 2, 1, 2, 4, 1], dtype=dtype)
    # Poles and undefined values have no integer, and what a conversion makes of them depends on the processor.
    undefined = {
        "log", "log2", "log10", "rsqrt", "arcsin", "arccos", "arccosh", "arctanh", "erfinv", "gammaln", "digamma",
        "exp", "expm1", "sinh", "cosh", "divide", "mod", "power", "sigmoid",
    }  # fmt: skip

    def every(x: Any, y: Any) -> dict[str, Any]:
        positive, small = nd.maximum(x, 1), nd.minimum(x, 3)
        table = {n: bind(REGISTRY[n], *(x, y)[: ARITY[n]]) for n in names if n not in undefined}
        table |= {n: bind(REGISTRY[n], small) for n in ("exp", "expm1", "sinh", "cosh")}
        table |= {n: bind(REGISTRY[n], positive) for n in ("log", "log2", "log10", "rsqrt", "gammaln")}
        table |= {n: bind(REGISTRY[n], y, positive) for n in ("divide", "mod")}
        table["power"] = bind(REGISTRY["power"], small, y)
        table["divided by zero"] = x / y
        return table | {
            "sum": nd.sum(x),
            "max": nd.max(x),
            "argmax": nd.argmax(x, axis=0),
            "prod": nd.prod(small),
        }

    actual, expected = compiled_and_by_numpy(every, x, y)
    for n, value in expected.items():
        assert_same(actual[n], value, n, exact=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int8, np.int32, np.int64, np.bool_])
def test_casts_from_and_to_every_dtype(dtype: Any) -> None:
    targets = [np.dtype(t) for t in ("f4", "f8", "u1", "i1", "i4", "i8", "?")]
    values = [0, 1, 2, 100, 1.75] if np.dtype(dtype).kind == "f" else [0, 1, 2, 100]

    def every(x: Any) -> list[Any]:
        return [x.astype(t) for t in targets]

    for actual, expected in zip(
        *compiled_and_by_numpy(every, nd.array(values * 7, dtype=dtype)), strict=True
    ):
        assert_same(actual, expected, f"{np.dtype(dtype)}", exact=True)


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_sizes_of_everything_that_networks_do(dtype: Any) -> None:
    random = np.random.default_rng(0)

    def one(x: Any, y: Any) -> list[Any]:
        product = nd.dot(x, y)
        return [
            product,
            nd.softmax(product, axis=1),
            nd.sum(x, axis=0),
            nd.mean(x, axis=1, keepdims=True) * x,
            nd.max(y, axis=1),
            nd.argmax(x, axis=1),
            nd.relu(product) + nd.sum(y, axis=0),
            x.T,
            nd.dot(product, y, transpose_b=True),
            nd.dot(x, product, transpose_a=True),
            nd.concat(x, product, dim=1),
        ]

    def every(pairs: Any) -> list[Any]:
        return [result for x, y in pairs for result in one(x, y)]

    pairs = [
        (nd.array(random.normal(size=(m, k)), dtype=dtype), nd.array(random.normal(size=(k, n)), dtype=dtype))
        for m, k, n in zip(SIZES, (7, 1, 17, 3, 10), (3, 10, 1, 17, 7), strict=True)
    ]
    for i, (actual, expected) in enumerate(zip(*compiled_and_by_numpy(every, pairs), strict=True)):
        assert_same(actual, expected, f"result {i}")


def test_axes_of_size_one_wherever_they_are() -> None:
    shapes = [(37, 1), (1, 37), (37, 1, 1), (1, 37, 1), (5, 1, 3, 1), (1, 1), (1,), (0, 1), (1, 0)]
    random = np.random.default_rng(0)
    arrays = [nd.array(random.normal(size=s)) for s in shapes]

    def every(arrays: Any) -> list[Any]:
        return [
            f(x) for x in arrays for f in (lambda x: x * 2 + x, nd.relu, lambda x: nd.sum(x, axis=-1), nd.sum)
        ]

    for i, (actual, expected) in enumerate(zip(*compiled_and_by_numpy(every, arrays), strict=True)):
        assert_same(actual, expected, f"{shapes[i // 4]} {i % 4}")


def test_contractions_say_that_integers_have_none() -> None:
    contractions = [n for n in COMPILED if isinstance(REGISTRY[n].lowering, Contraction)]
    assert contractions == ["matmul"]


def test_relu_of_minus_zero_is_zero() -> None:
    x = nd.array([-0.0, -1.0, float("nan")])
    for f in (nd.relu, lambda x: nd.maximum(x, 0), lambda x: nd.maximum(0, x)):
        for result in (f(x), lamina.compile(f)(x)):
            np.testing.assert_array_equal(result.asnumpy(), [0, 0, np.nan])
            np.testing.assert_array_equal(np.signbit(result.asnumpy()[:2]), [False, False])


@pytest.mark.parametrize("f", [nd.softmax, nd.log_softmax])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_softmax_of_nothing(f: Any, shape: Any) -> None:
    for axis in (0, 1):
        assert lamina.compile(lambda x, axis=axis: f(x, axis=axis))(nd.zeros(shape)).shape == shape


BOOLEANS = nd.array([0, 0, 1, 1], dtype="bool"), nd.array([0, 1, 0, 1], dtype="bool")


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a % b,
        lambda a, b: 2 * a + 1,
        lambda a, b: nd.add_n(a, b, a).astype("float32"),
        lambda a, b: nd.stack(a.sum(), a.prod(), a.max(), b.min(), axis=0),
        lambda a, b: a.clip(0, 1),
        nd.maximum,
    ],
)
def test_booleans_are_counted_as_in_numpy(f: Any) -> None:
    expected, found = f(*BOOLEANS), lamina.compile(f)(*BOOLEANS)
    assert expected.dtype == found.dtype
    np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


@pytest.mark.parametrize(
    "f", [lambda a: a - a, lambda a: -a, nd.sign, nd.softmax, lambda a: nd.log_softmax(a.astype("int32"))]
)
def test_what_only_numbers_have(f: Any) -> None:
    for g in (f, lamina.compile(f)):
        with pytest.raises(DTypeError, match="convert with astype"):
            g(BOOLEANS[0])


@pytest.mark.parametrize("name", [n for n, p in REGISTRY.items() if isinstance(p.lowering, Elementwise)])
def test_what_is_declared_expensive_is_more_than_a_few_instructions(name: str) -> None:
    """... or one of those that take the processor as long as many others."""
    example, lowering = EXAMPLES[name][0], REGISTRY[name].lowering
    assert isinstance(lowering, Elementwise)
    with ThreadModule().function("step") as b:
        source = b.pointer_argument("arguments")
        values = [b.load(source, FLOAT32, i, 4) for i in range(len(example.inputs))]
        before = len(b.body())
        lowering.emit(b, *values, **example.params)
        written = b.body()[before - 1 : -1]
    is_slow = any(re.search("fdiv|frem|sqrt", line) for line in written)
    assert lowering.expensive == (len(written) > 6 or is_slow)
