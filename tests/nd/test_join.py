"""Joining, splitting, repeating against NumPy."""

from typing import Any

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

A = np.arange(12, dtype=np.float32).reshape(3, 4)
x = nd.array(A)


def test_concat_joins_along_axis_1_by_default() -> None:
    assert nd.concat(x, x).shape == nd.Concat(x, x).shape == (3, 8)
    np.testing.assert_array_equal(nd.concat(x, x, dim=0).asnumpy(), np.concatenate([A, A], 0))
    np.testing.assert_array_equal(nd.concat([x, x], dim=-1).asnumpy(), np.concatenate([A, A], -1))
    with pytest.raises(ShapeError, match=r"concat: shapes \(3, 4\), \(2, 4\) differ outside axis 1"):
        nd.concat(x, x[:2])
    with pytest.raises(ShapeError, match="at least one array"):
        nd.concat()


def test_concatenate_joins_along_axis_0_by_default() -> None:
    np.testing.assert_array_equal(nd.concatenate([x, x]).asnumpy(), np.concatenate([A, A]))
    assert nd.concatenate([x], always_copy=False) is x
    assert nd.concatenate([x]) is not x


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack(axis: int) -> None:
    np.testing.assert_array_equal(nd.stack(x, x + 1, axis=axis).asnumpy(), np.stack([A, A + 1], axis))


def test_stack_needs_equal_shapes() -> None:
    with pytest.raises(ShapeError, match=r"stack: shapes \(3, 4\), \(2, 4\) differ"):
        nd.stack(x, x[:2])


def test_split() -> None:
    parts = nd.split(x, num_outputs=2)
    assert isinstance(parts, list)
    for part, expected in zip(parts, np.split(A, 2, axis=1), strict=True):
        np.testing.assert_array_equal(part.asnumpy(), expected)
    assert [p.shape for p in x.split(3, axis=0)] == [(1, 4)] * 3
    assert [p.shape for p in nd.SliceChannel(x, num_outputs=3, axis=0, squeeze_axis=True)] == [(4,)] * 3
    whole = nd.split(x, num_outputs=1)
    assert isinstance(whole, nd.NDArray)
    with pytest.raises(ShapeError, match=r"axis 1 of shape \(3, 4\) does not divide into 3 parts"):
        nd.split(x, num_outputs=3)


def test_split_v2() -> None:
    for part, expected in zip(nd.split_v2(x, (1, 3), axis=1), np.split(A, (1, 3), axis=1), strict=True):
        np.testing.assert_array_equal(part.asnumpy(), expected)
    assert [p.shape for p in nd.split_v2(x, 3)] == [(1, 4)] * 3


def test_gradients_through_split_meet_again() -> None:
    given = nd.array(A)
    given.attach_grad()
    with autograd.record():
        left, right = nd.split(given, num_outputs=2)
        y = left * 2 + right * 3
    y.backward()
    np.testing.assert_array_equal(given.grad.asnumpy(), np.repeat([[2, 2, 3, 3]], 3, axis=0))


@pytest.mark.parametrize("reps", [2, (2,), (2, 3), (2, 1, 3), (1, 1), np.int64(2), np.array([2, 3])])
def test_tile(reps: Any) -> None:
    np.testing.assert_array_equal(x.tile(reps).asnumpy(), np.tile(A, reps))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_repeat(axis: int | None) -> None:
    np.testing.assert_array_equal(nd.repeat(x, 3, axis=axis).asnumpy(), np.repeat(A, 3, axis))


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1)])
def test_flip(axis: int | tuple[int, ...]) -> None:
    np.testing.assert_array_equal(nd.flip(x, axis=axis).asnumpy(), np.flip(A, axis))
    assert nd.reverse is nd.flip


def test_pad() -> None:
    out = nd.pad(x, mode="constant", pad_width=(1, 0, 0, 2), constant_value=7)
    np.testing.assert_array_equal(out.asnumpy(), np.pad(A, ((1, 0), (0, 2)), constant_values=7))
    assert nd.Pad(nd.array([np.nan]), pad_width=(1, 1)).asnumpy()[0] == 0
    for mode in ("edge", "reflect"):
        np.testing.assert_array_equal(
            nd.pad(x, mode=mode, pad_width=(1, 0, 0, 2)).asnumpy(), np.pad(A, ((1, 0), (0, 2)), mode=mode)
        )
    with pytest.raises(ParameterError, match="mode='wrap' is unknown; known: constant, edge, reflect"):
        nd.pad(x, mode="wrap", pad_width=(0, 0, 1, 1))
    with pytest.raises(ShapeError, match="too short to reflect 9"):
        nd.pad(x, mode="reflect", pad_width=(0, 0, 9, 1))
    with pytest.raises(ShapeError, match=r"must hold 4 sizes"):
        nd.pad(x, pad_width=(1, 1))


def test_tile_does_not_repeat_less_than_not_at_all() -> None:
    assert x.tile(0).shape == np.tile(A, 0).shape
    with pytest.raises(ParameterError, match="whole numbers of at least 0, not -1"):
        x.tile(-1)
    with pytest.raises(ParameterError, match=r"whole numbers of at least 0, not 2\.5"):
        x.tile(2.5)


def test_counts_of_tile_may_be_an_array_of_lamina() -> None:
    counts = nd.array([2, 3], dtype="int32")
    np.testing.assert_array_equal(x.tile(counts).asnumpy(), np.tile(A, (2, 3)))
    with pytest.raises(ParameterError, match="<NDArray 2") as told:
        nd.tile(x, nd.array([0.5, 1]))
    assert "\n" not in str(told.value)
