"""The data sets Fashion-MNIST, KMNIST and EMNIST, in MNIST's format, from the user's folders or the internet."""

from __future__ import annotations

import hashlib
import os
import string
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from lamina.errors import DataError, DataUnavailableError
from lamina.support.datasets._images import ImageDataset, mnist, require_sum
from lamina.support.files.idx import read_idx

# --- Finds a data set's files in the user's folders, or downloads them from the first mirror that has them -----------

DATA_VARIABLE = "LAMINA_DATA"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Published:
    """A published data set, with its files and their digests and addresses.

    Attributes:
        name: the display name, "Fashion-MNIST".
        folder: the name of the subfolder with its files, "fashion-mnist".
        other_folders: names of subfolders in which other libraries store the same files.
        mirrors: base URLs to which a file's name is appended, the best first.
        sha256: the published SHA-256 of each file, by file name.
        alternative: another way to provide the files, for messages.
        classes: the names of the classes, unless they depend on a split.
    """

    name: str
    folder: str
    other_folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    sha256: Mapping[str, str]
    alternative: str = ""
    classes: tuple[str, ...] = ()

    def listed(self) -> str:
        """The names of the files, joined for a message."""
        return ", ".join(self.sha256) + self.alternative


@cache
def published_sets() -> dict[str, Published]:
    """The published data sets, by the names of their functions; `published.toml` describes them."""
    import tomllib  # only if a data set is read

    text = Path(__file__).with_name("published.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Published])


def obtain(
    published: Published, root: str | os.PathLike[str] | None = None, *, cache: Path | None = None
) -> dict[str, Path]:
    """Find a data set's files in `root` or in the folder $LAMINA_DATA, or else download them to a cache.

    In the user's folders a file may also be unpacked, with a name without ".gz".

    Args:
        published: the data set.
        root: a folder with the files or with the data set's subfolder. Unless `root` is None, nothing is downloaded.
        cache: the folder for downloads; by default the user's cache folder.

    Returns:
        The path of each file, by its published name.

    Raises:
        DataUnavailableError: if the files are not found and can't be downloaded; the message names a folder for them.
        DataError: if a file does not have the published SHA-256.
    """
    folders = search_folders(published, root)
    found = find_files(folders, published.sha256)
    if found is not None:
        for name, path in found.items():
            if path.name == name:
                with path.open("rb") as file:
                    require_sum(file, str(path), published.sha256[name])
        return found
    if root is not None:
        looked = "; ".join(map(str, folders))
        raise DataUnavailableError(f"{published.name}: expected {published.listed()} in one of: {looked}")
    return _download(published, cache or _cache_folder(published))


def search_folders(published: Published, root: str | os.PathLike[str] | None) -> list[Path]:
    """The folders, in `root` or else in $LAMINA_DATA, that may contain a data set's files.

    The folders are the data set's subfolders, and `root` itself. ($LAMINA_DATA itself is excluded, since several data
    sets use the same file names.)
    """
    base = os.environ.get(DATA_VARIABLE) if root is None else root
    if not base:
        return []
    folders = [Path(base, sub) for sub in (published.folder, *published.other_folders)]
    return folders if root is None else [*folders, Path(base)]


def find_files(folders: Iterable[Path], names: Iterable[str]) -> dict[str, Path] | None:
    """The paths of the files, gzipped or not, in the first folder that has all of them, or None."""
    names = list(names)
    for folder in folders:
        found: dict[str, Path] = {}
        for name in names:
            candidates = folder / name, folder / name.removesuffix(".gz")
            present = [path for path in candidates if path.is_file()]
            if present:
                found[name] = present[0]
        if len(found) == len(names):
            return found
    return None


def _cache_folder(published: Published) -> Path:
    import pooch

    return Path(pooch.os_cache("lamina"), published.folder)


def _download(published: Published, cache: Path) -> dict[str, Path]:
    """Download missing files, and return the path of each file in the cache.

    A missing file is downloaded from the first mirror whose file has the published SHA-256.
    """
    return {name: _from_mirrors(published, name, cache) for name in published.sha256}


def _from_mirrors(published: Published, name: str, cache: Path) -> Path:
    import pooch
    import requests

    failures: list[str] = []
    for mirror in published.mirrors:
        with _progress() as progress:
            bar = _Bar(progress, f"{published.name}: {name}")
            # Any: pooch documents both arguments so, but annotates them more narrowly.
            downloader: Any = pooch.HTTPDownloader(progressbar=cast(Any, bar), timeout=_TIMEOUT_SECONDS)
            known = f"sha256:{published.sha256[name]}"
            try:
                return Path(pooch.retrieve(mirror + name, known, name, cache, downloader=downloader))
            # A connection or server that fails; another SHA-256; a disk that is full or read-only.
            except (requests.RequestException, ValueError, OSError) as error:
                failures.append(f"{mirror}{name}: {error}")
    with suppress(OSError):  # removes the empty folder
        cache.rmdir()
    raise DataUnavailableError(
        f"{published.name} is not on this machine and could not be downloaded ({'; '.join(failures)}). Put "
        f"{published.listed()} into {cache}, or into FOLDER/{published.folder} and pass root=FOLDER "
        f"or set {DATA_VARIABLE}=FOLDER."
    )


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, console=Console(stderr=True))


class _Bar:
    """A progress bar of the package rich, for pooch, which downloads files."""

    def __init__(self, progress: Any, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    @property
    def total(self) -> int:
        return self._progress.tasks[self._task].total or 0

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()


# ---------------------------------------------------------------------------------------------------------------------

_ALL_CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Lower-case letters that look like upper-case letters have the upper-case label (Cohen et al., 2017, section II.C).
_MERGED_CHARACTERS = string.digits + string.ascii_uppercase + "abdefghnqrt"
_EMNIST_CLASSES = {
    "byclass": _ALL_CHARACTERS,
    **dict.fromkeys(("bymerge", "balanced"), _MERGED_CHARACTERS),
    "letters": string.ascii_uppercase,
    **dict.fromkeys(("digits", "mnist"), string.digits),
}
EMNIST_SPLITS = tuple(_EMNIST_CLASSES)

# SHA-256 of MNIST's 60,000 training labels, one byte each.
_MNIST_LABELS = "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"


def fashion_mnist(root: str | os.PathLike[str] | None = None) -> ImageDataset:
    """Fashion-MNIST, with 60,000 + 10,000 images of clothes (Xiao, Rasul and Vollgraf, 2017; MIT licence).

    Args:
        root: a folder with the four files, or with a subfolder `fashion-mnist` (or `FashionMNIST/raw`) that has them.
            None reads a subfolder of $LAMINA_DATA, or else downloads the files (30 MB) to a cache.

    Raises:
        DataUnavailableError: if the files are neither found nor downloaded; the message names a folder for them.
        DataError: if a file is damaged or not the published file.
    """
    return _like_mnist("fashion_mnist", root)


def kmnist(root: str | os.PathLike[str] | None = None) -> ImageDataset:
    """Kuzushiji-MNIST, with 60,000 + 10,000 images of cursive hiragana (Clanuwat et al., 2018; CC BY-SA 4.0, CODH).

    Args:
        root: a folder with the four files, or with a subfolder `kmnist` (or `KMNIST/raw`) that has them. None reads a
            subfolder of $LAMINA_DATA, or else downloads the files (21 MB) to a cache.

    Raises:
        DataUnavailableError: if the files are neither found nor downloaded; the message names a folder for them.
        DataError: if a file is damaged or not the published file.
    """
    return _like_mnist("kmnist", root)


def _like_mnist(name: str, root: str | os.PathLike[str] | None) -> ImageDataset:
    published = published_sets()[name]
    paths = obtain(published, root)
    arrays = (read_idx(paths[name]) for name in published.sha256)
    dataset = ImageDataset(published.name, *arrays, classes=published.classes)
    # Unpacked files have no published digests, and MNIST's files have the same names.
    if hashlib.sha256(dataset.train_labels.tobytes()).hexdigest() == _MNIST_LABELS:
        raise DataError(f"{next(iter(paths.values())).parent} holds MNIST's digits, not {published.name}")
    return dataset


def mnist_in(root: str | os.PathLike[str] | None) -> ImageDataset:
    """MNIST from the files in a folder, or from the package if the folder has none of them.

    Args:
        root: the folder; ``~`` is the home folder. Files may be gzipped (``….gz``) or not.

    Raises:
        DataError: some of the four files are missing, or one is damaged.
    """
    names = list(published_sets()["fashion_mnist"].sha256)  # MNIST's file names
    folder = None if root is None else Path(root).expanduser()
    if folder is None or not any(find_files([folder], [name]) for name in names):
        return mnist()
    found = find_files([folder], names)
    if found is None:
        raise DataError(f"{folder} has some of MNIST's files, but must have all: {', '.join(names)}")
    return ImageDataset("MNIST", *(read_idx(found[name]) for name in names), classes=tuple(string.digits))


def emnist(split: str = "balanced", root: str | os.PathLike[str] | None = None) -> ImageDataset:
    """EMNIST, with images of handwritten digits and letters (Cohen, Afshar, Tapson and van Schaik, 2017; NIST).

    In the files the images are transposed, and the labels of the split "letters" begin at 1. In the result the images
    are upright, and every label is an index into `classes`.

    Args:
        split: "balanced" (47 classes, 112,800 + 18,800 images), "byclass" (62 classes), "bymerge" (47 classes; both
            with 697,932 + 116,323 images), "letters" (26 classes), "digits" (10) or "mnist" (10).
        root: a folder with `gzip.zip` or the unpacked files of the split, or with a subfolder `emnist` (or
            `EMNIST/raw`) that has them. None reads a subfolder of $LAMINA_DATA, or else downloads `gzip.zip` (562 MB)
            to a cache.

    Raises:
        ValueError: if the split is unknown.
        DataUnavailableError: if the files are neither found nor downloaded; the message names a folder for them.
        DataError: if a file is damaged or not the published file.
    """
    if split not in _EMNIST_CLASSES:
        raise ValueError(f"EMNIST has no split {split!r}; choose one of {', '.join(EMNIST_SPLITS)}")
    parts = [f"{part}-{kind}" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")]
    names = [f"emnist-{split}-{part}-ubyte.gz" for part in parts]
    published = published_sets()["emnist"]
    unpacked = find_files(search_folders(published, root), names)
    if unpacked is not None:
        arrays = [read_idx(unpacked[name]) for name in names]
    else:
        [archive] = obtain(published, root).values()
        arrays = _from_archive(archive, names)
    for position, array in enumerate(arrays):
        if array.ndim == 3:
            arrays[position] = np.ascontiguousarray(array.transpose(0, 2, 1))
        elif split == "letters":
            arrays[position] = array - 1  # an invalid 0 becomes 255, which is not a class
    return ImageDataset(f"EMNIST {split}", *arrays, classes=tuple(_EMNIST_CLASSES[split]))


def _from_archive(path: Path, names: list[str]) -> list[np.ndarray]:
    """The arrays in gzipped IDX files of a zip file, which is not unpacked to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            missing = [name for name in names if name not in members]
            if missing:
                raise DataError(f"{path} lacks {', '.join(missing)}")
            arrays: list[np.ndarray] = []
            for name in names:
                with archive.open(members[name]) as file:
                    arrays.append(read_idx(file, name=f"{path}: {name}"))
            return arrays
    # The errors of zipfile: structure and checksums, compressed data, unknown or encrypted members.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is not a readable zip file: {error}") from error
