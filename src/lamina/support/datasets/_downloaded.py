"""Fashion-MNIST, from a folder or the internet, and MNIST from a folder."""

from __future__ import annotations

import hashlib
import os
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lamina.errors import DataError, DataUnavailableError
from lamina.support.datasets._images import ImageDataset, mnist, require_sum
from lamina.support.files.idx import read_idx

_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
"""The published SHA-256 of Fashion-MNIST's files, whose names are MNIST's."""

_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_SUBFOLDERS = ("fashion-mnist", "FashionMNIST/raw", "")
"""Subfolders of a user's folder that may have the files; the second is PyTorch's."""

_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_MNIST_LABELS = "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"
"""The SHA-256 of MNIST's 60,000 training labels, one byte each."""

_TIMEOUT_SECONDS = 30


def fashion_mnist(root: str | os.PathLike[str] | None = None) -> ImageDataset:
    """Fashion-MNIST, with 60,000 + 10,000 images of clothes (Xiao, Rasul and Vollgraf, 2017; MIT licence).

    Args:
        root: a folder with the four files, gzipped or not, or with a subfolder `fashion-mnist` (or `FashionMNIST/raw`)
            that has them. None downloads the files (30 MB) to the user's cache folder.

    Raises:
        DataUnavailableError: if the files are neither found nor downloaded; the message names a folder for them.
        DataError: if a file is damaged or not the published file.
    """
    if root is None:
        import pooch

        paths = fetched(_SHA256, _MIRRORS, Path(pooch.os_cache("lamina"), "fashion-mnist"))
    else:
        paths = _given(Path(root))
    arrays = (read_idx(paths[name]) for name in _SHA256)
    dataset = ImageDataset("Fashion-MNIST", *arrays, classes=_CLASSES)
    # Unpacked files have no published digests.
    if hashlib.sha256(dataset.train_labels.tobytes()).hexdigest() == _MNIST_LABELS:
        raise DataError(f"{next(iter(paths.values())).parent} holds MNIST's digits, not Fashion-MNIST")
    return dataset


def _given(root: Path) -> dict[str, Path]:
    """The paths of Fashion-MNIST's files in a user's folder, by published name."""
    folders = [root / sub for sub in _SUBFOLDERS]
    found = next((files for files in map(_present, folders) if len(files) == len(_SHA256)), None)
    if found is None:
        looked = "; ".join(map(str, folders))
        raise DataUnavailableError(f"Fashion-MNIST: expected {', '.join(_SHA256)} in one of: {looked}")
    for name, path in found.items():
        if path.name == name:
            with path.open("rb") as file:
                require_sum(file, str(path), _SHA256[name])
    return found


def _present(folder: Path) -> dict[str, Path]:
    """The paths of those files that a folder has, gzipped or not, by published name."""
    candidates = ((name, folder / form) for name in _SHA256 for form in (name.removesuffix(".gz"), name))
    return {name: path for name, path in candidates if path.is_file()}


def fetched(sha256: Mapping[str, str], mirrors: Sequence[str], cache: Path) -> dict[str, Path]:
    """Download the files that a cache lacks, and return the path of each file in the cache.

    A file is downloaded from the first mirror whose file has the published SHA-256.

    Args:
        sha256: the published SHA-256 of each file, by file name.
        mirrors: base URLs to which a file's name is appended, the best first.
        cache: the folder for the files.

    Raises:
        DataUnavailableError: if no mirror has a file; the message names a folder for the files.
    """
    return {name: _from_mirrors(name, sha256, mirrors, cache) for name in sha256}


def _from_mirrors(name: str, sha256: Mapping[str, str], mirrors: Sequence[str], cache: Path) -> Path:
    import pooch
    import requests

    failures: list[str] = []
    downloader: Any = pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS)  # which pooch annotates more narrowly
    for mirror in mirrors:
        try:
            known = f"sha256:{sha256[name]}"
            return Path(pooch.retrieve(mirror + name, known, name, cache, downloader=downloader))
        # A connection or server that fails; another SHA-256; a disk that is full or read-only.
        except (requests.RequestException, ValueError, OSError) as error:
            failures.append(f"{mirror}{name}: {error}")
    with suppress(OSError):  # removes the empty folder
        cache.rmdir()
    raise DataUnavailableError(
        f"the data set is not on this machine and could not be downloaded ({'; '.join(failures)}). Put "
        f"{', '.join(sha256)} into {cache}, or into a folder and pass root=FOLDER."
    )


def mnist_in(root: str | os.PathLike[str] | None) -> ImageDataset:
    """MNIST from the files in a folder, or from the package if the folder has none of them.

    Args:
        root: the folder; ``~`` is the home folder. Files may be gzipped (``….gz``) or not.

    Raises:
        DataError: some of the four files are missing, or one is damaged.
    """
    if root is None or not (found := _present(Path(root).expanduser())):
        return mnist()
    if len(found) < len(_SHA256):
        raise DataError(
            f"{Path(root).expanduser()} has some of MNIST's files, but must have all: {', '.join(_SHA256)}"
        )
    return ImageDataset("MNIST", *(read_idx(found[name]) for name in _SHA256), classes=tuple(string.digits))
