"""Element operations mean what NumPy means by them, on special values and in every lane."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.llvm import FLOAT32, FLOAT64
from lamina.compiler.llvm.values import type_name

FLOATS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 0.5, -0.5, 1.5, 3.0, np.inf, -np.inf, np.nan, 1e10, 7.25]
INTEGERS = [0, 1, 2, 3, 5, 7, 100, 127]
DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
LANES = [1, 3, 8]


def samples(dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return np.array(FLOATS, dtype)
    values = np.array(INTEGERS, dtype)
    if dtype.kind == "u":
        return values
    return np.concatenate([values, -values, np.array([np.iinfo(dtype).min], dtype)])


def pairs(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    grid = np.array(list(itertools.product(samples(dtype), repeat=2)), dtype)
    return np.ascontiguousarray(grid[:, 0]), np.ascontiguousarray(grid[:, 1])


def assert_same(result: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(result, expected)
    if expected.dtype.kind == "f":
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(expected[zero]))


BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "mod": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_operations(name, dtype, elementwise):
    x, y = pairs(np.dtype(dtype))
    with np.errstate(all="ignore"):
        expected = BINARY[name](x, y)
    for lanes in LANES:
        result = elementwise(lambda b, x, y: getattr(b, name)(x, y), x, y, lanes=lanes)
        if name in ("maximum", "minimum", "mod"):  # the sign of a zero is left open there
            np.testing.assert_array_equal(result, expected)
        else:
            assert_same(result, expected)


COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name, dtype, elementwise):
    x, y = pairs(np.dtype(dtype))
    result = elementwise(lambda b, x, y: getattr(b, name)(x, y), x, y, lanes=5, result=np.dtype(bool))
    np.testing.assert_array_equal(result, getattr(np, name)(x, y))


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_logic(name, dtype, elementwise):
    x, y = (np.clip(np.nan_to_num(values), -3, 3).astype(dtype) for values in pairs(FLOAT32))
    result = elementwise(lambda b, x, y: getattr(b, name)(x, y), x, y, lanes=8, result=np.dtype(bool))
    np.testing.assert_array_equal(result, getattr(np, name)(x, y))


UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "round": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),
}


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_operations(name, dtype, elementwise):
    x = samples(np.dtype(dtype))
    with np.errstate(all="ignore"):
        expected = UNARY[name](x).astype(x.dtype)
    for lanes in LANES:
        result = elementwise(lambda b, x: getattr(b, name)(x), x, lanes=lanes)
        if name == "sign":
            np.testing.assert_array_equal(result, expected)
        else:
            assert_same(result, expected)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_with_a_constant_keep_nan(name, elementwise):
    x = samples(FLOAT32)
    for constant in (0.0, 1.0, float("nan")):
        for emit in (
            lambda b, x, c=constant: getattr(b, name)(x, c),
            lambda b, x, c=constant: getattr(b, name)(c, x),
        ):
            np.testing.assert_array_equal(
                elementwise(emit, x, lanes=8), getattr(np, name)(x, np.float32(constant))
            )


@pytest.mark.parametrize("source", ["bool", *DTYPES])
@pytest.mark.parametrize("target", ["bool", *DTYPES])
def test_casts(source, target, elementwise):
    x = samples(np.dtype(source)) if source != "bool" else np.array([True, False, True, True])
    if np.dtype(source).kind == "f" and np.dtype(target).kind in "iu":
        x = x[np.isfinite(x) & (x < 100) & (x >= (0 if np.dtype(target).kind == "u" else -100))]
    target = np.dtype(target)
    result = elementwise(lambda b, x: b.cast(x, target), x, lanes=4, result=target)
    assert_same(result, x.astype(target))


@pytest.mark.parametrize("source", ["float32", "float64"])
@pytest.mark.parametrize("target", ["int8", "uint8", "int16", "uint16", "uint32"])
def test_floats_that_an_integer_cannot_hold_wrap_around(source, target, elementwise):
    x = np.array([-1, -300.5, 300.5, 255.9, 70000, -0.5, -1e6, 3], source)
    target = np.dtype(target)
    result = elementwise(lambda b, x: b.cast(x, target), x, lanes=8, result=target)
    np.testing.assert_array_equal(result, np.trunc(x).astype(np.int64).astype(target))


def test_integers_divide_towards_zero(elementwise):
    x, y = pairs(np.dtype("int32"))
    result = elementwise(lambda b, x, y: b.divide_trunc(x, y), x, y, lanes=8)
    nonzero = (y != 0) & (y != -1)
    np.testing.assert_array_equal(result[nonzero], np.trunc(x[nonzero] / y[nonzero]).astype(np.int32))
    np.testing.assert_array_equal(result[y == 0], 0)
    np.testing.assert_array_equal(result[y == -1], -x[y == -1])


def test_where_fma_and_copysign(elementwise):
    x, y = pairs(FLOAT32)
    with np.errstate(all="ignore"):
        chosen = elementwise(lambda b, x, y: b.where(b.less(x, y), x, b.copysign(y, x)), x, y, lanes=8)
        np.testing.assert_array_equal(chosen, np.where(x < y, x, np.copysign(y, x)))
        fused = elementwise(lambda b, x, y: b.fma(x, y, 0.1), x, y, lanes=3)
        exact = (x.astype(np.float64) * y + np.float32(0.1)).astype(np.float32)
    np.testing.assert_array_equal(fused, exact)


@pytest.mark.usefixtures("without_fused_multiply_add")
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_fma_rounds_once_without_such_an_instruction(dtype, elementwise):
    x = np.random.default_rng(0).uniform(1, 2, 300).astype(dtype)
    square = x * x
    lost = elementwise(lambda b, x, square: b.fma(x, x, b.neg(square)), x, square, lanes=3)
    exact = [Fraction(v) ** 2 - Fraction(s) for v, s in zip(x.tolist(), square.tolist(), strict=True)]
    np.testing.assert_array_equal(lost, [float(rest) for rest in exact])
    assert np.any(lost != 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=40))
def test_reductions_take_every_lane(values):
    import ctypes

    from lamina.compiler.cpu import run
    from lamina.compiler.llvm import INDEX

    x = np.array(values, np.int64)
    out = np.zeros(3, np.int64)
    module = ThreadModule()
    with module.function("step") as b:
        source, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        vector = b.load(source, INDEX, 0, len(values))
        for i, combine in enumerate((b.add, b.maximum, b.minimum)):
            b.store(target, b.reduce(vector, combine), i)
    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    pointers = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
    run.run(compiled.address("step"), ctypes.addressof(pointers), 1)
    np.testing.assert_array_equal(out, [x.sum(), x.max(), x.min()])


@pytest.mark.parametrize("lanes", range(1, 18))
def test_lanes_are_summed_pair_by_pair(lanes):
    """Neighbours first; the last lane of an odd number waits. Results are the same bits as they always were."""
    import ctypes

    from lamina.compiler.cpu import run

    x = np.random.default_rng(lanes).normal(size=lanes).astype(np.float32)
    out = np.zeros(1, np.float32)
    module = ThreadModule()
    with module.function("step") as b:
        source, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        b.store(target, b.reduce_add(b.load(source, FLOAT32, 0, lanes)))
    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    pointers = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
    run.run(compiled.address("step"), ctypes.addressof(pointers), 1)
    terms = list(x)
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
    assert out[0] == terms[0]


def test_mixed_dtypes_and_foreign_dtypes_are_errors():
    module = ThreadModule()
    with module.function("step") as b:
        with pytest.raises(TypeError, match="float32, float64"):
            b.add(b.const(1.0, FLOAT32), b.const(1.0, np.dtype("float64")))
        with pytest.raises(TypeError, match="divide_trunc"):
            b.div(b.const(1), b.const(2))
    with pytest.raises(TypeError, match="complex64"):
        type_name(np.dtype("complex64"))


DIVISORS = [
    *(255.0, -255.0, 127.5, 3.0, -7.0, 10.0, 65535.0),
    *(2.0 - 2.0**-23, 1 + 2.0**-23, 1 - 2.0**-24, 2.0**-60, -(2.0**60)),
    *np.random.default_rng(0).uniform(0.5, 300, 12).tolist(),
]


@pytest.mark.slow
@pytest.mark.parametrize("result", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "bool"])
def test_short_integers_divided_by_a_constant(elementwise, dtype, result):
    """The same bits as a division, for every integer that there is."""
    dtype, result = np.dtype(dtype), np.dtype(result)
    if dtype.kind == "b":
        x = np.array([False, True])
    else:
        x = np.arange(np.iinfo(dtype).min, int(np.iinfo(dtype).max) + 1, dtype=dtype)
    for divisor in DIVISORS:
        divided = elementwise(
            lambda b, x, divisor=divisor: b.div(b.cast(x, result), divisor), x, lanes=8, result=result
        )
        assert_same(divided, x.astype(result) / result.type(divisor))


def test_other_divisions_stay_divisions():
    def text(emit) -> str:
        module = ThreadModule()
        with module.function("step", {"x": FLOAT32, "i": np.dtype(np.uint8), "n": np.dtype(np.int64)}) as b:
            emit(b, b.argument("x"), b.argument("i"), b.argument("n"))
        return module.ir()

    assert "fdiv" in text(lambda b, x, _i, _n: b.div(x, 255.0))
    assert "fdiv" in text(lambda b, _x, _i, n: b.div(b.cast(n, FLOAT32), 255.0))
    for divisor in (0.0, np.inf, np.nan, 1e30, 1e-30):
        assert "fdiv" in text(lambda b, _x, i, _n, divisor=divisor: b.div(b.cast(i, FLOAT32), divisor))
