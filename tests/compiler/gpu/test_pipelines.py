"""Products whose operands come to shared memory while the tiles before are multiplied: as copies, or rounded for tensor
cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu_emulator.device import KernelError
from gpu_emulator.host import HostBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rounded_products import BOUNDS, EXACT, assert_near, numbers, rounded

import lamina
from lamina import nd
from lamina.compiler.gpu._tiles import PIPELINED, TENSOR

SIZES = st.sampled_from([1, 3, 4, 8, 20, 31, 64, 130, 132])
TILES = {"float32": PIPELINED, **TENSOR}


@pytest.mark.slow
@pytest.mark.parametrize("precision", TILES)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=SIZES,
    k=SIZES,
    n=SIZES,
    transposes=st.tuples(st.booleans(), st.booleans()),
    parts=st.sampled_from([1, 3]),
)
def test_products_of_all_shapes(
    precision: str, m: int, k: int, n: int, transposes: tuple[bool, bool], parts: int, gpu: Any, forced: Any
) -> None:
    """... are those of the rounded operands, which is more than the documented bound asks for."""
    forced(TILES[precision], parts)
    a, b = numbers(m, k), numbers(k, n, seed=1)
    stored = nd.array(a.T if transposes[0] else a), nd.array(b.T if transposes[1] else b)

    def layer(x: Any, y: Any) -> Any:
        product = nd.dot(x, y, transpose_a=transposes[0], transpose_b=transposes[1])
        return product, nd.relu(product)

    product, positive = lamina.compile(layer, precision=precision)(*stored)
    assert_near(product, rounded(a, precision), rounded(b, precision), EXACT)
    assert_near(product, a, b, BOUNDS[precision] + EXACT)
    np.testing.assert_array_equal(positive.asnumpy(), np.maximum(product.asnumpy(), 0))


@pytest.mark.few(1)
@pytest.mark.parametrize("precision", TILES)
def test_views_that_begin_anywhere_are_read_element_by_element(precision: Any, gpu: Any, forced: Any) -> None:
    """Rows of 20 numbers from one of three on begin at a multiple of 16 bytes; from an element that is none, not."""
    forced(TILES[precision])
    x, y = numbers(20 * 21), numbers(20 * 24, seed=1)
    product = lamina.compile(nd.dot, precision=precision)
    a, near = nd.array(x), rounded(x, precision)
    wide, high = (rounded(y.reshape(shape), precision) for shape in ((20, 24), (24, 20)))
    for first in (0, 4, 1, 3):
        rows = a[first : first + 400].reshape((20, 20))
        where: Any = rows._data
        assert where.region.offset % 16 == 4 * first % 16
        own = near[first : first + 400].reshape(20, 20)
        assert_near(product(rows, nd.array(y.reshape(20, 24))), own, wide, EXACT)
        assert_near(product(nd.array(y.reshape(24, 20)), rows), high, own, EXACT)


@pytest.mark.few(1)
@pytest.mark.parametrize("precision", TILES)
def test_one_operand_is_computed_while_the_other_is_on_its_way(precision: Any, gpu: Any, forced: Any) -> None:
    forced(TILES[precision])
    data = np.random.default_rng(0).integers(0, 256, (50, 75)).astype(np.uint8)
    rows, weights = np.array([3, 49, 3, 0] * 40, np.int32), numbers(75, 133)

    def layer(data: Any, rows: Any, weights: Any) -> Any:
        scaled = nd.take(data, rows).astype("float32") / 255
        return nd.dot(scaled, weights), nd.dot(weights, scaled, transpose_a=True, transpose_b=True)

    found, transposed = lamina.compile(layer, precision=precision)(
        nd.array(data, dtype=np.uint8), nd.array(rows, dtype=np.int32), nd.array(weights)
    )
    scaled = data[rows] / 255.0  # exactly: the product is divided
    assert_near(found, scaled, rounded(weights, precision), EXACT)
    assert_near(transposed, rounded(weights, precision).T, scaled.T, EXACT)


@pytest.mark.parametrize("precision", TILES)
def test_batches_of_products(precision: Any, gpu: Any, forced: Any) -> None:
    forced(TILES[precision])
    a, b = numbers(3, 5, 40), numbers(3, 40, 12, seed=1)
    found = lamina.compile(nd.batch_dot, precision=precision)(nd.array(a), nd.array(b))
    for one, x, y in zip(found.asnumpy(), a, b, strict=True):
        assert_near(nd.array(one), rounded(x, precision), rounded(y, precision), EXACT)


@pytest.mark.parametrize("precision", TENSOR)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.finfo(np.float32).max])
def test_numbers_at_the_edge(precision: Any, value: float, gpu: Any, forced: Any) -> None:
    """... stay no numbers, or infinite; what is rounded up beyond all numbers becomes infinite."""
    forced(TENSOR[precision])
    x = numbers(20, 20)
    x[3, 5] = value
    found = lamina.compile(nd.dot, precision=precision)(nd.array(x), nd.array(np.eye(20, dtype=np.float32)))
    with np.errstate(over="ignore", invalid="ignore"):
        near = rounded(np.where(np.isfinite(x), x, 0), precision).astype(np.float32)
        expected = np.where(np.isfinite(x), near, x) @ np.eye(20, dtype=np.float32)
    np.testing.assert_array_equal(found.asnumpy(), expected)


BARRIERS = [("barrier", number, precision) for number in range(4) for precision in TILES]


@pytest.mark.few(4)
@pytest.mark.parametrize(("name", "missing", "precision"), [("wait_for_copies", 0, "float32"), *BARRIERS])
def test_no_wait_can_be_left_out(
    name: str, missing: int, precision: Any, emulator: Any, forced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """... for copies, for what others bring, for those who read a tile that is written over; in the end for those who
    read the last tile, and before and after rows of the result lie in shared memory."""
    forced(TILES[precision])
    x, y = numbers(40, 70), numbers(70, 40, seed=1)
    arrays = nd.array(x), nd.array(y)
    original, count = getattr(HostBuilder, name), [0]

    def wait(b: HostBuilder, *arguments: Any) -> None:
        count[0] += 1
        if count[0] != missing + 1:
            original(b, *arguments)

    monkeypatch.setattr(HostBuilder, name, wait)
    tag = 1 + missing + 10 * len(name)  # a program of its own
    layer = lamina.compile(lambda x, y: nd.dot(x, y) + tag, precision=precision)
    try:
        found = layer(*arrays).asnumpy() - tag
    except KernelError as error:
        assert "order" in str(error) or "waiting for copies" in str(error)
    else:
        assert not np.allclose(found, x @ y, atol=0.1)
    assert count[0] > missing
