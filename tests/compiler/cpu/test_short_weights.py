"""Products of few rows that convert 8-bit weights as they load them: the bits of the product of converted weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina import nd

RANDOM = np.random.default_rng(0)


def operands(rows: int, inner: int, columns: int, dtype: str) -> tuple[nd.NDArray, nd.NDArray]:
    info = np.iinfo(dtype)
    left = nd.array(RANDOM.standard_normal((rows, inner)).astype(np.float32))
    return left, nd.array(RANDOM.integers(info.min, info.max + 1, (inner, columns)), dtype=dtype)


def product(short: nd.NDArray, **options: Any) -> Any:
    return lamina.compile(lambda x: nd.relu(nd.dot(x, short.astype("float32")) + 1), **options)


@settings(max_examples=40)
@given(
    st.integers(1, 12),
    st.integers(1, 300),
    st.integers(1, 200),
    st.sampled_from(["int8", "uint8"]),
    st.booleans(),
)
def test_the_bits_are_those_of_converted_weights(rows, inner, columns, dtype, independent_rows):
    left, short = operands(rows, inner, columns, dtype)
    whole = short.astype("float32")
    plain = lamina.compile(lambda x: nd.relu(nd.dot(x, whole) + 1), independent_rows=independent_rows)
    found = product(short, independent_rows=independent_rows)(left)
    np.testing.assert_array_equal(found.asnumpy(), plain(left).asnumpy())


@pytest.mark.parametrize("rows", [1, 4])
def test_no_converted_copy_is_made(rows):
    """A copy would be written and read again: a row of 1024 × 1024 weights took twice as long as in float32."""
    left, short = operands(rows, 300, 256, "int8")
    step = product(short)
    step(left)
    text = step.explain()
    assert "1 kernel," in text and "map" not in text


def test_many_rows_convert_once():
    left, short = operands(500, 300, 256, "int8")
    step = product(short)
    step(left)
    assert "map" in step.explain()
