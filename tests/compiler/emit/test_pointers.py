"""What a kernel's frame points to, and which kernels are the same code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd


def share(x: Any, i: int, rows: int) -> Any:
    return nd.slice_axis(x, axis=0, begin=i * rows, end=(i + 1) * rows)


def functions_of(compiled: Any) -> list[str]:
    (entry,) = compiled._entries.values()
    return entry.program.code.outline.kernels


@pytest.mark.parametrize(
    "of_share",
    [
        lambda x: nd.exp(x) * 2,
        lambda x: nd.exp(nd.transpose(x)) * 2,
        lambda x: nd.exp(nd.reshape(x, (5, 1, -1))) * 2,
        lambda x: nd.max(x, axis=1),
        lambda x: nd.exp(nd.slice_axis(x, axis=0, begin=1, end=3)),
    ],
    ids=["map", "transposed", "reshaped", "reduced", "rows of rows"],
)
@pytest.mark.parametrize("is_computed", [False, True])
def test_kernels_that_differ_by_the_rows_they_read_are_one_function(of_share, is_computed):
    members = 4

    def several(x: Any) -> Any:
        x = nd.dot(x, x.T) if is_computed else x  # in the step's own memory, or in the caller's
        return tuple(of_share(share(x, i, 5)) for i in range(members))

    x = nd.array(np.random.default_rng(0).normal(size=(5 * members, 7)).astype(np.float32))
    compiled = lamina.compile(several)
    for result, expected in zip(compiled(x), several(x), strict=True):
        np.testing.assert_allclose(result.asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-5)
    assert len(set(functions_of(compiled))) == (3 if is_computed else 1)  # transpose, product


def test_parts_that_are_no_whole_rows_are_read_where_they_are():
    x = nd.array(np.arange(24, dtype=np.float32).reshape(4, 6))

    def parts(x: Any) -> Any:
        return nd.exp(x[::2] / 9), nd.exp(x[:, 1:3] / 9), nd.exp(x[::-1] / 9), nd.exp(x[1:2, 2:] / 9)

    for result, expected in zip(lamina.compile(parts)(x), parts(x), strict=True):
        np.testing.assert_allclose(result.asnumpy(), expected.asnumpy(), rtol=1e-6)


def test_rows_of_an_array_that_moves_from_step_to_step():
    x = nd.array(np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32))
    rows = np.random.default_rng(2).integers(0, 30, (5, 8)).astype(np.int32)
    halves = lamina.compile(lambda x: (nd.exp(share(x, 0, 4)), nd.exp(share(x, 1, 4))))
    for i, result in enumerate(halves.run_batches(rows, x)):
        expected = np.exp(x.asnumpy()[rows][:, 4 * i : 4 * i + 4])
        np.testing.assert_allclose(result.asnumpy(), expected, rtol=1e-6)
