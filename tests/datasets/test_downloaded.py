"""The other data sets from folders: layouts, checks, EMNIST's zip and its transposed pictures."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from idx_files import write_idx

from lamina.datasets import EMNIST_SPLITS, emnist, fashion_mnist, kmnist, mnist
from lamina.datasets import _downloaded as downloaded
from lamina.errors import DataError, DataUnavailableError

RANDOM = np.random.default_rng(0)
IMAGES = {"train": RANDOM.integers(0, 256, (12, 28, 28)).astype(np.uint8)}
IMAGES["t10k"] = IMAGES["test"] = IMAGES["train"][:5]
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


def test_kmnist_from_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_like_mnist(tmp_path / "kmnist")
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path))
    assert kmnist().classes[1] == "ki"
    np.testing.assert_array_equal(kmnist().test_images, IMAGES["t10k"])


def test_a_folder_without_the_files(tmp_path: Path) -> None:
    (write_like_mnist(tmp_path / "some") / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(
        DataUnavailableError, match=r"KMNIST: expected train-images-idx3-ubyte\.gz, .*some/kmnist;"
    ):
        kmnist(tmp_path / "some")
    with pytest.raises(
        DataUnavailableError, match=r"EMNIST: expected gzip\.zip \(or the emnist-….gz files in it\)"
    ):
        emnist(root=tmp_path / "missing")


def test_a_gzipped_file_must_be_the_published_one(tmp_path: Path) -> None:
    folder = write_like_mnist(tmp_path / "kmnist")
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", LABELS[:5])
    with pytest.raises(
        DataError, match=r"t10k-labels-idx1-ubyte\.gz is not the published file: expected SHA-256 20bb"
    ):
        kmnist(tmp_path)


def test_mnists_own_files_are_no_other_data_set(tmp_path: Path) -> None:
    for part, images, labels in (
        ("train", mnist().train_images, mnist().train_labels),
        ("t10k", mnist().test_images, mnist().test_labels),
    ):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    with pytest.raises(DataError, match="holds MNIST's digits, not Fashion-MNIST"):
        fashion_mnist(tmp_path)


def emnist_members(split: str, first_label: int = 0) -> dict[str, np.ndarray]:
    members: dict[str, np.ndarray] = {}
    for part in ("train", "test"):
        members[f"emnist-{split}-{part}-images-idx3-ubyte"] = IMAGES[part].transpose(0, 2, 1)
        members[f"emnist-{split}-{part}-labels-idx1-ubyte"] = LABELS[: len(IMAGES[part])] + np.uint8(
            first_label
        )
    return members


def packed(array: np.ndarray, folder: Path) -> bytes:
    write_idx(folder / "member", array, compress=True)
    return (folder / "member").read_bytes()


@pytest.mark.parametrize("split", EMNIST_SPLITS)
def test_emnist_from_its_zip(tmp_path: Path, split: str) -> None:
    path = tmp_path / "gzip.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in emnist_members(split, first_label=int(split == "letters")).items():
            archive.writestr(f"gzip/{name}.gz", packed(array, tmp_path))
    names = [f"emnist-{split}-{part}-ubyte.gz" for part in ("train-images-idx3", "train-labels-idx1")]
    images, labels = downloaded._from_archive(path, names)
    np.testing.assert_array_equal(images.transpose(0, 2, 1), IMAGES["train"])
    np.testing.assert_array_equal(labels, LABELS + (split == "letters"))
    with pytest.raises(DataError, match=r"gzip\.zip is not the published file"):
        emnist(split, tmp_path)


@pytest.mark.parametrize(
    ("split", "classes"), list(zip(EMNIST_SPLITS, [62, 47, 47, 26, 10, 10], strict=True))
)
@pytest.mark.parametrize("sub", ["", "emnist", "emnist/gzip", "EMNIST/raw"])
def test_emnist_from_unpacked_files(tmp_path: Path, split: str, classes: int, sub: str) -> None:
    (tmp_path / sub).mkdir(parents=True, exist_ok=True)
    for name, array in emnist_members(split, first_label=int(split == "letters")).items():
        write_idx(tmp_path / sub / f"{name}.gz", array)
    dataset = emnist(split, tmp_path)
    np.testing.assert_array_equal(dataset.train_images, IMAGES["train"])
    np.testing.assert_array_equal(dataset.test_images, IMAGES["test"])
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    assert len(dataset.classes) == len(set(dataset.classes)) == classes
    assert dataset.train_images.flags.c_contiguous


def test_emnist_errors(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="no split 'digit'; choose one of byclass, bymerge, balanced, letters, digits"
    ):
        emnist("digit", tmp_path)
    for name, array in emnist_members("letters", first_label=0).items():
        write_idx(tmp_path / name, array)
    with pytest.raises(DataError, match="EMNIST letters, train: expected labels from 0 to 25"):
        emnist("letters", tmp_path)


def test_damaged_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("gzip/a.gz", gzip.compress(b"\0\0\x08\1\0\0\0\3abc"))
    content = buffer.getvalue()
    path = tmp_path / "gzip.zip"
    path.write_bytes(content)
    assert downloaded._from_archive(path, ["a.gz"])[0].tobytes() == b"abc"
    with pytest.raises(DataError, match=r"gzip\.zip lacks b\.gz"):
        downloaded._from_archive(path, ["b.gz"])
    broken = content.replace(b"abc", b"abd").replace(b"gzip/a.gz", b"gzip/b.gz", 1)
    for damaged in (b"", content[:-10], content[:60], content[:50] + b"\xff" + content[51:], broken):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"gzip\.zip"):
            downloaded._from_archive(path, ["a.gz"])


@pytest.mark.parametrize("published", downloaded.published_sets().values())
def test_what_is_published_is_well_formed(published: downloaded.Published) -> None:
    assert all(len(bytes.fromhex(digest)) == 32 for digest in published.sha256.values())
    assert all(mirror.endswith("/") for mirror in published.mirrors)
    assert len(published.mirrors) >= 2
