"""Fashion-MNIST from folders: layouts and checks."""

from pathlib import Path

import numpy as np
import pytest
from idx_files import write_idx

from lamina.datasets import fashion_mnist, mnist
from lamina.errors import DataError, DataUnavailableError

RANDOM = np.random.default_rng(0)
IMAGES = {"train": RANDOM.integers(0, 256, (12, 28, 28)).astype(np.uint8)}
IMAGES["t10k"] = IMAGES["train"][:5]
LABELS = np.arange(12, dtype=np.uint8) % 10


def write_like_mnist(folder: Path, labels: np.ndarray = LABELS) -> Path:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", IMAGES[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels[: len(IMAGES[part])])
    return folder


@pytest.mark.parametrize("sub", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_fashion_mnist_from_a_folder(tmp_path: Path, sub: str) -> None:
    write_like_mnist(tmp_path / "data" / sub)
    dataset = fashion_mnist(tmp_path / "data")
    np.testing.assert_array_equal(dataset.train_images, IMAGES["train"])
    np.testing.assert_array_equal(dataset.test_images, IMAGES["t10k"])
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    assert dataset.classes[9] == "Ankle boot"


def test_a_folder_without_the_files(tmp_path: Path) -> None:
    (write_like_mnist(tmp_path / "some") / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(
        DataUnavailableError,
        match=r"Fashion-MNIST: expected train-images-idx3-ubyte\.gz, .*some/fashion-mnist;",
    ):
        fashion_mnist(tmp_path / "some")


def test_a_gzipped_file_must_be_the_published_one(tmp_path: Path) -> None:
    folder = write_like_mnist(tmp_path / "fashion-mnist")
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", LABELS[:5])
    with pytest.raises(
        DataError, match=r"t10k-labels-idx1-ubyte\.gz is not the published file: expected SHA-256 67da"
    ):
        fashion_mnist(tmp_path)


def test_mnists_own_files_are_no_other_data_set(tmp_path: Path) -> None:
    for part, images, labels in (
        ("train", mnist().train_images, mnist().train_labels),
        ("t10k", mnist().test_images, mnist().test_labels),
    ):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    with pytest.raises(DataError, match="holds MNIST's digits, not Fashion-MNIST"):
        fashion_mnist(tmp_path)
