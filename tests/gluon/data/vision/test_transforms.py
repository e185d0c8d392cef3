"""Transforms of pictures against their formulas in NumPy."""

from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import ShapeError
from lamina.gluon.data import ArrayDataset, DataLoader
from lamina.gluon.data.vision import transforms


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


def of(picture: np.ndarray) -> Any:
    return nd.array(picture, dtype=picture.dtype)


def test_to_tensor(picture: np.ndarray) -> None:
    wanted = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    out = transforms.ToTensor()(of(picture))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.asnumpy(), wanted)
    np.testing.assert_array_equal(transforms.ToTensor()(of(picture[None])).asnumpy()[0], wanted)
    with pytest.raises(ShapeError, match=r"found shape \(28, 28\)"):
        transforms.ToTensor()(nd.zeros((28, 28)))


@pytest.mark.parametrize(("mean", "std"), [((0.1, 0.2, 0.3), (1, 2, 3)), (0.13, 0.3), ((0.0,), 2.0), (0, 1)])
def test_normalize(picture: np.ndarray, mean: Any, std: Any) -> None:
    x = transforms.ToTensor()(of(picture))
    wanted = (x.asnumpy() - np.reshape(np.float32(mean), (-1, 1, 1))) / np.reshape(
        np.float32(std), (-1, 1, 1)
    )
    np.testing.assert_allclose(transforms.Normalize(mean, std)(x).asnumpy(), wanted, rtol=1e-6)


def test_normalize_explains_what_does_not_fit(picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="mean has 2 values for 3 channels"):
        transforms.Normalize((0.1, 0.2), 1)(nd.zeros((3, 4, 5)))
    with pytest.raises(ShapeError, match=r"as ToTensor gives; found uint8"):
        transforms.Normalize(0.5, 1)(of(picture))


def test_compose_and_cast(picture: np.ndarray) -> None:
    both = transforms.Compose([transforms.Cast(), lambda x: x * 2])
    np.testing.assert_array_equal(both(of(picture)).asnumpy(), picture.astype(np.float32) * 2)
    assert "Cast" in repr(both)


def test_flips_mirror_about_half_of_the_pictures(picture: np.ndarray) -> None:
    mx.random.seed(0)
    for flip, mirrored in [
        (transforms.RandomFlipLeftRight(), picture[:, ::-1]),
        (transforms.RandomFlipTopBottom(), picture[::-1]),
    ]:
        outs = [flip(of(picture)).asnumpy() for _ in range(100)]
        flipped = sum(np.array_equal(out, mirrored) for out in outs)
        kept = sum(np.array_equal(out, picture) for out in outs)
        assert flipped + kept == 100
        assert 30 < flipped < 70


def test_a_composed_transform_stays_deferred() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 1), dtype=np.uint8)
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.13, 0.31)])
    data = ArrayDataset(of(images), list(range(9)))
    batch, _ = next(iter(DataLoader(data.transform_first(prepare), 9)))
    assert data._sources[0] is not None
    assert data._sources[0].deferring
    np.testing.assert_array_equal(batch.asnumpy(), np.stack([prepare(of(i)).asnumpy() for i in images]))
