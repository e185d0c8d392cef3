"""Products: each size of tile, sums in parts, operands that are computed, what follows in the same blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rounded_products import numbers

import lamina
from lamina import nd
from lamina.compiler.gpu._tiles import LARGE, MEDIUM, SMALL


@pytest.mark.parametrize(("tile", "parts"), [(MEDIUM, 1), (LARGE, 1), (SMALL, 3)])
@pytest.mark.parametrize("dtype", [np.float32])
def test_tiles_and_parts(tile: Any, parts: int, dtype: Any, gpu: Any, forced: Any) -> None:
    forced(tile, parts)
    a, b = numbers(70, 130), numbers(130, 133, seed=1)
    bias = numbers(133, seed=2)

    def layer(a: Any, b: Any, bias: Any) -> Any:
        return nd.relu(nd.dot(a, b) + bias), nd.dot(b, a, transpose_a=True, transpose_b=True)

    found = lamina.compile(layer)(*(nd.array(x) for x in (a, b, bias)))
    wide = a.astype(np.float64) @ b
    np.testing.assert_allclose(found[0].asnumpy(), np.maximum(wide + bias, 0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1].asnumpy(), wide.T, rtol=1e-4, atol=1e-4)


def test_few_tiles_make_parts_of_the_sums(emulator: Any) -> None:
    """... and the same bits each time, also from steps that follow each other."""
    a, b = nd.array(numbers(5, 300)), nd.array(numbers(300, 7, seed=1))
    product = lamina.compile(nd.dot)
    found = [product(a, b).asnumpy() for _ in range(3)]
    assert "sums in 4 parts" in product.explain()
    assert emulator.limits.processors == 4
    for one in found:
        np.testing.assert_array_equal(one, found[0])
    np.testing.assert_allclose(found[0], a.asnumpy() @ b.asnumpy(), rtol=1e-4, atol=1e-5)


def test_rows_of_a_data_set_are_read_where_they_lie(gpu: Any) -> None:
    data = np.random.default_rng(0).integers(0, 256, (50, 40)).astype(np.uint8)
    rows, weights = np.array([3, 49, 3, 0], np.int32), numbers(40, 6)

    def layer(data: Any, rows: Any, weights: Any) -> Any:
        return nd.dot(nd.take(data, rows).astype("float32") / 255, weights)

    compiled = lamina.compile(layer)
    found = compiled(nd.array(data, dtype=np.uint8), nd.array(rows, dtype=np.int32), nd.array(weights))
    np.testing.assert_allclose(found.asnumpy(), data[rows] / 255.0 @ weights, rtol=1e-4)
    assert len(launches_of(compiled)) == 1


def launches_of(compiled: Any) -> Any:
    return next(iter(compiled._entries.values())).program.code.schedule.stages


def test_a_softmax_follows_its_product_in_the_same_blocks(gpu: Any) -> None:
    x, w, y = numbers(70, 20), numbers(20, 10, seed=1), np.arange(70) % 10

    def loss(x: Any, w: Any, y: Any) -> Any:
        scores = nd.dot(x, w)
        return nd.sum(nd.one_hot(y, 10) * nd.log_softmax(scores), axis=1), nd.softmax(scores) - nd.one_hot(
            y, 10
        )

    compiled = lamina.compile(loss)
    on_device = compiled(nd.array(x), nd.array(w), nd.array(y))
    with lamina.cpu():
        expected = loss(nd.array(x), nd.array(w), nd.array(y))
    for found, same in zip(on_device, expected, strict=True):
        np.testing.assert_allclose(found.asnumpy(), same.asnumpy(), rtol=1e-4, atol=1e-6)
    (stage,) = launches_of(compiled)
    assert [kernel.kind for kernel in stage.tasks[0].kernels] == ["product", "reduce"]
