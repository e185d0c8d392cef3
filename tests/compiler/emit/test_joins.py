"""Many arrays joined along an axis: one loop a part, for any shares of the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pairwise import pairwise

import lamina
from lamina import nd

JOINED = [
    (0, [(3, 4), (1, 4), (5, 4)]),
    (1, [(3, 4), (3, 1), (3, 0), (3, 17)]),
    (2, [(2, 3, 5), (2, 3, 40), (2, 3, 1), (2, 3, 3)]),
    (0, [(7,), (1,), (40,), (0,)]),
    (1, [(2, 1, 6)] * 5),
    (0, [(30, 50)] * 40),
    (1, [(30, 50)] * 40),
    (0, [(1, 9, 9, 1)] * 20),
    (1, [(30, 9), (30, 41)]),
    (0, [(40,), (3,)]),
    (0, [(9, 30), (4, 30)]),
]
WAYS: dict[str, Callable[[Any], Any]] = {
    "as they are": lambda x: x,
    "computed on the way": lambda x: x * 3 - 1,
    "from another type": lambda x: x.astype("int32").astype("float32"),
    "moved": lambda x: nd.flip(x, axis=0),
}


@pytest.mark.few(15)
@pairwise(way=list(WAYS), joined=JOINED, threads=[1, 2, 5])
def test_parts_stand_where_they_belong(
    way: str, joined: tuple[int, list[tuple[int, ...]]], threads: int
) -> None:
    axis, shapes = joined
    lamina.set_num_threads(threads)
    random = np.random.default_rng(0)
    arrays = [nd.array(random.integers(-50, 50, shape)) for shape in shapes]
    parts = [WAYS[way](x) for x in arrays]
    wanted = np.concatenate([x.asnumpy() for x in parts], axis)

    @lamina.compile
    def join(arrays: list[Any]) -> Any:
        return nd.concat(*[WAYS[way](x) for x in arrays], dim=axis)

    np.testing.assert_array_equal(join(arrays).asnumpy(), wanted)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("axis", "shapes"), JOINED)
def test_what_is_computed_of_joined_arrays(axis: int, shapes: list[tuple[int, ...]], threads: int) -> None:
    lamina.set_num_threads(threads)
    random = np.random.default_rng(0)
    arrays = [nd.array(random.integers(-50, 50, shape)) for shape in shapes]
    joined = np.concatenate([x.asnumpy() for x in arrays], axis)
    scale = nd.array(random.integers(1, 9, joined.shape[-1]))

    @lamina.compile
    def scaled(arrays: list[Any]) -> Any:
        x = nd.concat(*arrays, dim=axis)
        return x, x * scale

    x, product = scaled(arrays)
    np.testing.assert_array_equal(x.asnumpy(), joined)
    np.testing.assert_array_equal(product.asnumpy(), joined * scale.asnumpy())


def test_stacked_rows_of_bytes() -> None:
    """As a data loader joins samples that a transform has computed one by one."""
    random = np.random.default_rng(1)
    rows = [nd.array(random.integers(0, 256, (9, 9, 1)), dtype="uint8") for _ in range(30)]
    batch = lamina.compile(lambda rows: nd.stack(*[x.astype("float32") / 255 for x in rows]))(rows)
    wanted = np.stack([x.asnumpy() for x in rows]).astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(batch.asnumpy(), wanted, rtol=1e-6)


READERS: dict[str, Callable[[Any, Any], Any]] = {
    "scaled": lambda x, scale: x * scale + 1,
    "twice at its place": lambda x, scale: nd.tanh(x) * (x + scale),
    "also turned around": lambda x, scale: x * scale + nd.flip(x, axis=1),
    "also its first column": lambda x, scale: x * scale + nd.slice_axis(x, axis=1, begin=0, end=1),
    "only its first column": lambda x, scale: nd.slice_axis(x, axis=1, begin=0, end=1) * scale,
    "beside another": lambda x, scale: (
        x * nd.concat(scale.reshape((1, -1)), dim=0) + nd.concat(x * 2, x, dim=0)[:30]
    ),
    "of its transpose": lambda x, scale: nd.transpose(x) * 2,
    "beside a sum": lambda x, scale: x * scale / (1 + nd.sum(nd.abs(x), axis=1, keepdims=True)),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("parts", [(9, 41), (30, 3, 8, 1, 33), (1, 1, 1)])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_joined_array_that_only_others_read(
    read: Callable[[Any, Any], Any], parts: tuple[int, ...], threads: int
) -> None:
    lamina.set_num_threads(threads)
    random = np.random.default_rng(0)
    arrays = [nd.array(random.normal(size=(30, n))) for n in parts]
    scale = nd.array(random.normal(size=sum(parts)))
    joined = np.concatenate([x.asnumpy() for x in arrays], 1)
    with lamina.eager():
        wanted = read(nd.array(joined), scale).asnumpy()
    found = lamina.compile(lambda arrays, scale: read(nd.concat(*arrays, dim=1), scale))(arrays, scale)
    np.testing.assert_array_equal(found.asnumpy(), wanted)
