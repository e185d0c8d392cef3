"""Functions of two operands against NumPy, with broadcasting and numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina import nd
from lamina.errors import ContextError, DTypeError, ShapeError

CASES: dict[str, Any] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.true_divide,
    "modulo": np.mod,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "hypot": np.hypot,
    "arctan2": np.arctan2,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "lesser": np.less,
    "lesser_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
ALIASES = {
    "modulo": ["broadcast_mod"],
    "add": ["broadcast_add", "broadcast_plus", "elemwise_add"],
    "subtract": ["broadcast_sub", "broadcast_minus", "elemwise_sub"],
    "multiply": ["broadcast_mul", "elemwise_mul"],
    "divide": ["broadcast_div", "elemwise_div", "true_divide"],
}


@pytest.mark.parametrize("name", CASES)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
def test_broadcasts_as_numpy_does(name: str, shapes: Any) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(1, 4, shape or (1,)).astype(np.float32) for shape in shapes.input_shapes)
    with np.errstate(all="ignore"):
        expected = CASES[name](a, b)
    out = getattr(nd, name)(nd.array(a), nd.array(b))
    assert out.dtype == np.float32
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_takes_numbers_on_either_side(name: str) -> None:
    x = np.array([0.5, 2.0, 3.0], np.float32)
    function, oracle = getattr(nd, name), CASES[name]
    for number in (2, 2.0, np.float64(2), np.int32(2)):
        np.testing.assert_allclose(
            function(nd.array(x), number).asnumpy(), oracle(x, np.float32(2)), rtol=1e-6
        )
        np.testing.assert_allclose(
            function(number, nd.array(x)).asnumpy(), oracle(np.float32(2), x), rtol=1e-6
        )
    assert float(function(1, 2)) == pytest.approx(float(oracle(np.float64(1), np.float64(2))))
    with pytest.raises(TypeError, match="must be an NDArray"):
        function("1", 2)


@pytest.mark.parametrize(("name", "alias"), [(n, a) for n, names in ALIASES.items() for a in names])
def test_aliases(name: str, alias: str) -> None:
    assert getattr(nd, alias) is getattr(nd, name)


def test_every_comparison_and_arithmetic_has_its_broadcast_name() -> None:
    for name in CASES:
        if name not in ALIASES and name not in ("arctan2", "power"):  # power names its arguments otherwise
            assert getattr(nd, f"broadcast_{name}") is getattr(nd, name)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "int64"])
def test_keeps_the_dtype(dtype: str) -> None:
    x = nd.array([1, 2, 4], dtype=dtype)
    for out in (x + x, x + 1, 1 - x, x * 2, x / 2, x**2, x % 2, x > 1, x == 2, nd.maximum(x, 2)):
        assert out.dtype == np.dtype(dtype)


def test_integer_division_truncates_and_survives_zero() -> None:
    x = nd.array([-7, 7, 5], dtype="int32")
    assert (x / 2).asnumpy().tolist() == [-3, 3, 2]
    assert (x / nd.array([0, 2, 3], dtype="int32")).asnumpy().tolist() == [0, 3, 1]
    assert (nd.array([2, 3], dtype="int32") ** -1).asnumpy().tolist() == [0, 0]


def test_mixed_dtypes_raise() -> None:
    with pytest.raises(DTypeError, match=r"add: mixed dtypes float32 and int32; convert with astype"):
        nd.ones(2) + nd.ones(2, dtype="int32")


def test_a_fraction_does_not_silently_lose_itself_in_integers() -> None:
    with pytest.raises(DTypeError, match=r"int32 does not combine with 0\.5"):
        nd.ones(2, dtype="int32") * 0.5
    assert (nd.ones(2, dtype="int32") * 2.0).dtype == np.int32


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"add: shapes \(2, 3\) and \(2, 4\) do not broadcast"):
        nd.ones((2, 3)) + nd.ones((2, 4))


def test_mixed_contexts() -> None:
    import lamina as mx

    with pytest.raises(ContextError, match=r"multiply: arrays on different devices, cpu\(0\) and cpu\(1\)"):
        nd.ones(2) * nd.ones(2, ctx=mx.cpu(1))


def test_operators_with_numpy_arrays_and_scalars() -> None:
    x, a = nd.array([1, 2]), np.array([10.0, 20.0])
    for out in (x * a, a * x):
        assert isinstance(out, nd.NDArray)
        assert out.dtype == np.float32
        assert out.asnumpy().tolist() == [10, 40]
    assert (a - x).asnumpy().tolist() == [9, 18]
    for scalar in (np.float64(2), np.float32(2), np.int64(2)):
        assert isinstance(scalar * x, nd.NDArray)
        assert (scalar - x).asnumpy().tolist() == [1, 0]
    assert (a >= x).asnumpy().tolist() == [1, 1]


def test_add_n() -> None:
    x = nd.array([1, 2])
    assert nd.add_n(x, x, x).asnumpy().tolist() == [3, 6]
    assert nd.ElementWiseSum(x).asnumpy().tolist() == [1, 2]
    with pytest.raises(TypeError, match="at least one"):
        nd.add_n()


@given(st.integers(-5, 5), st.integers(-5, 5).filter(bool))
def test_modulo_has_the_sign_of_the_divisor(a: int, b: int) -> None:
    assert (nd.array([a]) % b).asscalar() == a % b
