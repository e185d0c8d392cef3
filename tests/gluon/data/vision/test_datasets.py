"""MNIST and Fashion-MNIST as MXNet gives them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import write_idx

import lamina as mx
from lamina.datasets import mnist
from lamina.errors import DataError
from lamina.gluon.data import DataLoader
from lamina.gluon.data.vision import MNIST, FashionMNIST


@pytest.fixture(scope="module")
def train() -> MNIST:
    return MNIST(train=True)


def chapter(data: Any, label: Any) -> Any:
    return data.astype(np.float32) / 255, label.astype(np.float32)


def test_a_sample(train: MNIST) -> None:
    image, label = train[7]
    assert isinstance(image, mx.nd.NDArray)
    assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
    assert type(label) is np.int32
    np.testing.assert_array_equal(image.asnumpy()[..., 0], mnist().train_images[7])
    assert label == mnist().train_labels[7]
    assert len(train) == 60000
    assert len(MNIST(train=False)) == 10000


def test_the_chapters_batches() -> None:
    data, label = next(iter(DataLoader(MNIST(train=False, transform=chapter), 64)))
    assert (data.shape, data.dtype, label.shape, label.dtype) == (
        (64, 28, 28, 1),
        np.float32,
        (64,),
        np.float32,
    )
    wanted = mnist().test_images[:64, ..., None].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(data.asnumpy(), wanted)


def test_a_subclass_may_redefine_its_samples() -> None:
    class Inverted(MNIST):
        def __getitem__(self, idx: int) -> Any:
            image, label = super().__getitem__(idx)
            return 255 - image, label

    image, _ = next(iter(DataLoader(Inverted(train=False), 2)))
    np.testing.assert_array_equal(image.asnumpy()[..., 0], 255 - mnist().test_images[:2])


def test_the_samples_are_not_the_packages_own_memory() -> None:
    data = MNIST(train=False)
    data[0][0][:] = 1
    assert data[0][0].asnumpy().max() == 1
    assert mnist().test_images[0].max() > 1


def test_fashion_mnist_reads_the_folder_it_is_given(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.zeros((4, 28, 28), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.zeros(4, np.uint8))
    with pytest.raises(DataError, match=f"{tmp_path}.* is not the published file"):
        FashionMNIST(root=str(tmp_path))


def test_files_in_root_are_read_where_there_are_any(tmp_path):
    pictures = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
    for part, count in (("train", 3), ("t10k", 2)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", pictures[:count])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8))
    own = MNIST(root=tmp_path, train=False)
    assert len(own) == 2 and len(MNIST(root=str(tmp_path))) == 3
    np.testing.assert_array_equal(own[1][0].asnumpy()[..., 0], pictures[1])
    assert len(MNIST(root=tmp_path / "elsewhere", train=False)) == 10000
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="has some of MNIST's files, but must have all"):
        MNIST(root=tmp_path)
