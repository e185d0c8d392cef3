"""Mathematical functions against NumPy and SciPy: accuracy, special values, the same bits for any lanes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.special

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import FLOAT32

WIDE = np.longdouble
SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    1e-30,
    -1e-30,
    1e30,
    -1e30,
    100.0,
    -100.0,
]

# name: (reference, lowest and highest of the random arguments, allowed units in the last place for float32, float64)
FUNCTIONS = {
    "exp": (lambda x: np.exp(x.astype(WIDE)), -87, 88, 1.5, 1.5),
    "expm1": (lambda x: np.expm1(x.astype(WIDE)), -5, 20, 2, 2),
    "log": (lambda x: np.log(x.astype(WIDE)), 1e-3, 30, 1.5, 1.5),
    "log1p": (lambda x: np.log1p(x.astype(WIDE)), -0.99, 10, 2, 2),
    "sin": (lambda x: np.sin(x.astype(WIDE)), -50, 50, 1.5, 1.5),
    "cos": (lambda x: np.cos(x.astype(WIDE)), -50, 50, 1.5, 1.5),
    "tanh": (lambda x: np.tanh(x.astype(WIDE)), -6, 6, 2.5, 2.5),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x.astype(WIDE))), -80, 80, 2.5, 2.5),
    "erf": (lambda x: scipy.special.erf(x.astype(float)), -4, 4, 2.5, 3),
    "erfinv": (lambda x: scipy.special.erfinv(x.astype(float)), -1, 1, 1, 4),
    "gammaln": (
        lambda x: scipy.special.gammaln(np.where(x == -np.inf, np.inf, x.astype(float))),
        3,
        50,
        1.5,
        4,
    ),
    "digamma": (lambda x: scipy.special.digamma(x.astype(float)), 2, 50, 1.5, 50),
    "log2": (lambda x: np.log2(x.astype(WIDE)), 1e-3, 30, 1.5, 1.5),
    "log10": (lambda x: np.log10(x.astype(WIDE)), 1e-3, 30, 2, 2),
    "tan": (lambda x: np.tan(x.astype(WIDE)), -1.5, 1.5, 1.5, 1.5),
    "arcsin": (lambda x: np.arcsin(x.astype(WIDE)), -1, 1, 1.5, 1.5),
    "arccos": (lambda x: np.arccos(x.astype(WIDE)), -1, 1, 1.5, 1.5),
    "arctan": (lambda x: np.arctan(x.astype(WIDE)), -9, 9, 1.5, 1.5),
    "sinh": (lambda x: np.sinh(x.astype(WIDE)), -9, 9, 2.5, 2.5),
    "cosh": (lambda x: np.cosh(x.astype(WIDE)), -9, 9, 2.5, 2.5),
    "arcsinh": (lambda x: np.arcsinh(x.astype(WIDE)), -9, 9, 2.5, 2.5),
    "arccosh": (lambda x: np.arccosh(x.astype(WIDE)), 1, 9, 2.5, 2.5),
    "arctanh": (lambda x: np.arctanh(x.astype(WIDE)), -1, 1, 2.5, 2.5),
    "cbrt": (lambda x: np.cbrt(x.astype(WIDE)), -9, 9, 1.5, 4),
    "sqrt": (lambda x: np.sqrt(x.astype(WIDE)), 0, 9, 0.51, 0.51),
    "rsqrt": (lambda x: 1 / np.sqrt(x.astype(WIDE)), 0, 9, 1.5, 1.5),
}


def call(name):
    return lambda b, x: getattr(b, name)(x)


@pytest.mark.few(20)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy_special_values_and_lanes(name, dtype, elementwise):
    check_function(name, dtype, host_machine().lanes(np.dtype(dtype)), elementwise)


@pytest.mark.usefixtures("without_fused_multiply_add")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy_without_fused_multiply_add(name, dtype, elementwise):
    check_function(name, dtype, 4, elementwise)


def check_function(name, dtype, lanes, elementwise):
    """Values against the reference, and the same bits for any number of lanes."""
    reference, lowest, highest, single, double = FUNCTIONS[name]
    generator = np.random.default_rng(1)
    random = generator.uniform(lowest, highest, 3000).astype(dtype)
    near_zero = (generator.standard_normal(200) * 1e-3).astype(dtype)
    x = np.concatenate([random, near_zero, np.array(SPECIAL, dtype)])
    result = elementwise(call(name), x, lanes=lanes)
    for other in (1, 3):
        single_lanes = elementwise(call(name), x, lanes=other)
        np.testing.assert_array_equal(single_lanes, result)
        np.testing.assert_array_equal(np.signbit(single_lanes[result == 0]), np.signbit(result[result == 0]))
    with np.errstate(all="ignore"):
        expected = reference(x)
        rounded = expected.astype(dtype)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(rounded))
    tiny = np.abs(rounded) < np.finfo(dtype).smallest_normal
    assert np.all(np.abs(result[tiny]) <= np.finfo(dtype).smallest_normal)  # denormals are flushed to zero
    finite = np.isfinite(rounded) & ~tiny
    np.testing.assert_array_equal(result[np.isinf(rounded)], rounded[np.isinf(rounded)])
    with np.errstate(all="ignore"):
        units = np.abs((result.astype(WIDE) - expected) / np.spacing(np.abs(rounded)))[finite]
    worst = np.argmax(units)
    allowed = single if dtype is np.float32 else double
    assert units[worst] <= allowed, (x[finite][worst], result[finite][worst], expected[finite][worst])
    zero = x == 0
    if rounded[zero][0] == 0 and name != "erfinv":  # SciPy drops the sign there
        np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(rounded[zero]))


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_circular_functions_of_large_arguments(name, dtype, elementwise):
    x = np.concatenate([np.geomspace(1, 1e18, 997), -np.geomspace(1, 1e18, 996)]).astype(dtype)
    result = elementwise(call(name), x, lanes=8)
    expected = getattr(np, name)(x.astype(WIDE))
    assert np.max(np.abs(result - expected)) < 1.5 * np.finfo(dtype).eps


def test_a_rare_call_is_little_code_wherever_it_is_used():
    def calls(uses: int) -> int:
        module = ThreadModule()
        with module.function("f") as b:
            pointer = b.pointer_argument("arguments")
            for i in range(uses):
                b.store(pointer, b.sin(b.load(pointer, FLOAT32, 16 * i, 16)), 16 * i)
        return len(re.findall(r"call .*@(?!llvm)", module.ir()))

    assert calls(2) - calls(1) == 1  # and not one for each lane


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_two_arguments(dtype, elementwise):
    generator = np.random.default_rng(2)
    special = np.array(SPECIAL, dtype)
    x = np.concatenate([generator.standard_normal(300).astype(dtype), np.repeat(special, special.size)])
    y = np.concatenate([generator.standard_normal(300).astype(dtype), np.tile(special, special.size)])
    for name in ("power", "arctan2", "hypot"):
        result = elementwise(lambda b, x, y, name=name: getattr(b, name)(x, y), x, y, lanes=5)
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(x, y)
        np.testing.assert_array_max_ulp(result, expected, 3)
