"""MNIST from the package, and what an image data set checks."""

import dataclasses

import numpy as np
import pytest

from lamina.datasets import ImageDataset, mnist
from lamina.errors import DataError
from lamina.support.datasets import _images


@pytest.mark.slow
def test_mnist() -> None:
    dataset = mnist()
    assert dataset.train_images.shape == (60_000, 28, 28)
    assert dataset.test_images.shape == (10_000, 28, 28)
    # The class counts that the literature reports.
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(dataset.train_labels).tolist() == counts
    assert np.bincount(dataset.test_labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    # The pixel statistics that everyone normalizes MNIST with.
    assert dataset.train_images.mean(dtype=np.float64) / 255 == pytest.approx(0.1307, abs=5e-5)
    assert dataset.train_images.std(dtype=np.float64) / 255 == pytest.approx(0.3081, abs=5e-5)
    assert dataset.classes == tuple("0123456789")


def test_mnist_is_loaded_once_and_read_only() -> None:
    dataset = mnist()
    assert dataset is mnist()
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.classes = ()  # type: ignore[misc]


def test_an_image_data_set_checks_its_arrays() -> None:
    images, labels = np.zeros((3, 28, 28), np.uint8), np.array([0, 1, 1], np.uint8)
    good = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    ImageDataset("marks", **good, classes=("a", "b"))
    bad = [
        (
            "train_images",
            images.astype(float),
            r"marks, train: expected uint8 images .* found float64 \(3, 28, 28\)",
        ),
        ("test_images", images[:, 1:], r"marks, test: .* found uint8 \(3, 27, 28\)"),
        (
            "train_labels",
            labels[:2],
            r"expected uint8 labels of shape \(3,\), one for each image; found uint8 \(2,\)",
        ),
        ("test_labels", labels + 1, "marks, test: expected labels from 0 to 1, found 2"),
    ]
    for field, value, message in bad:
        with pytest.raises(DataError, match=message):
            ImageDataset("marks", **{**good, field: value}, classes=("a", "b"))


def test_a_damaged_file_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_images._SHA256, "t10k-labels-idx1-ubyte.gz", "0" * 64)
    with pytest.raises(
        DataError, match=r"own t10k-labels-idx1-ubyte\.gz is not the published file: expected SHA"
    ):
        mnist.__wrapped__()
