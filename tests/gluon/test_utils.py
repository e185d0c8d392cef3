"""Splitting batches and limiting gradients."""

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import OutsideError, ShapeError
from lamina.gluon.utils import check_sha1, clip_global_norm, split_and_load, split_data


@pytest.mark.parametrize("axis", [0, 1])
def test_split_is_numpys(axis: int) -> None:
    data = np.arange(48).reshape(6, 8)
    parts = split_data(nd.array(data), 2, batch_axis=axis)
    for part, wanted in zip(parts, np.split(data, 2, axis), strict=True):
        np.testing.assert_array_equal(part.asnumpy(), wanted)


def test_uneven_splits_lose_nothing() -> None:
    data = np.arange(11)
    parts = split_data(nd.array(data), 4, even_split=False)
    np.testing.assert_array_equal(np.concatenate([p.asnumpy() for p in parts]), data)
    assert [len(p) for p in parts] == [len(p) for p in np.array_split(data, 4)] == [3, 3, 3, 2]
    assert [len(p) for p in split_data(nd.array(data[:2]), 3, even_split=False)] == [1, 1, 0]
    with pytest.raises(ShapeError, match=r"11 samples .* not divisible into 4"):
        split_data(nd.array(data), 4)


def test_split_and_load() -> None:
    x = nd.ones((4, 2))
    assert split_and_load(x, [mx.cpu()])[0] is x
    first, second = split_and_load(np.ones((4, 2)), [mx.cpu(0), mx.cpu(1)])
    assert (first.context, second.context) == (mx.cpu(0), mx.cpu(1))
    assert first.shape == second.shape == (2, 2)


def test_clip_global_norm_scales_all_arrays_together() -> None:
    values = [np.random.default_rng(0).normal(size=s) for s in [(3, 4), (5,), (1,)]]
    norm = np.linalg.norm(np.concatenate([v.ravel() for v in values]))
    arrays = [nd.array(v) for v in values]
    assert clip_global_norm(arrays, 1.0) == pytest.approx(norm, rel=1e-6)
    for array, value in zip(arrays, values, strict=True):
        np.testing.assert_allclose(array.asnumpy(), value / norm, rtol=1e-5)


def test_a_small_norm_is_left_alone() -> None:
    x = nd.array([0.3, 0.4], dtype=np.float64)
    norm = clip_global_norm([x], 1.0, check_isfinite=False)
    assert norm.shape == (1,)
    assert x.asnumpy().tolist() == [0.3, 0.4]


def test_a_norm_that_is_not_finite_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="not finite"):
        clip_global_norm([nd.array([np.nan])], 1.0)
    with pytest.raises(ShapeError, match="no arrays"):
        clip_global_norm([], 1.0)


@pytest.mark.compiles
def test_clipping_compiles() -> None:
    x = nd.array([3.0, 4.0])

    @mx.compile
    def step(limit: float) -> nd.NDArray:
        return clip_global_norm([x], limit)

    assert float(step(1.0).asscalar()) == 5.0
    np.testing.assert_allclose(x.asnumpy(), [0.6, 0.8], rtol=1e-6)


def test_small_helpers(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert check_sha1(path, "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert not check_sha1(path, "0" * 40)
    with pytest.raises(OutsideError, match="does not download"):
        mx.gluon.utils.download  # noqa: B018 - the mistake under test
