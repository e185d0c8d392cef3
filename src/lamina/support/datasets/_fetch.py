"""Finds a data set's files in the user's folders, or downloads them from the first mirror that has them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lamina.errors import DataError, DataUnavailableError

DATA_VARIABLE = "LAMINA_DATA"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Published:
    """A published data set: its files, their digests and addresses.

    Attributes:
        name: the display name, "Fashion-MNIST".
        folder: the subfolder for its files, "fashion-mnist".
        other_folders: subfolders where other libraries put the same files.
        mirrors: base URLs, the best first; a file's name is appended.
        sha256: the files, and the SHA-256 of each as published.
        alternative: for messages: an alternative to the files in a folder.
    """

    name: str
    folder: str
    other_folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    sha256: Mapping[str, str]
    alternative: str = ""

    def listed(self) -> str:
        """The files, for a message."""
        return ", ".join(self.sha256) + self.alternative


def obtain(
    published: Published, root: str | os.PathLike[str] | None = None, *, cache: Path | None = None
) -> dict[str, Path]:
    """The files of a data set: from `root`, else from the folder $LAMINA_DATA, else downloaded and kept.

    In the user's folders a file may also be unpacked, without ".gz".

    Args:
        published: the data set.
        root: a folder that holds the files, or the data set's subfolder. If given, nothing is downloaded.
        cache: folder for downloads; by default the user's cache folder.

    Returns:
        The path of each file, by its published name.

    Raises:
        DataUnavailableError: if the files are neither found nor downloaded; says where to put them.
        DataError: if a file found has another SHA-256 than the published one.
    """
    folders = search_folders(published, root)
    found = find_files(folders, published.sha256)
    if found is not None:
        for name, path in found.items():
            if path.name == name:
                _check_sum(path, published.sha256[name])
        return found
    if root is not None:
        looked = "; ".join(map(str, folders))
        raise DataUnavailableError(f"{published.name}: expected {published.listed()} in one of: {looked}")
    return _download(published, cache or _cache_folder(published))


def search_folders(published: Published, root: str | os.PathLike[str] | None) -> list[Path]:
    """Candidate folders for a data set's files: under `root`, or if that is None, under $LAMINA_DATA.

    Only `root` may hold the files directly, since several data sets use the same file names.
    """
    base = os.environ.get(DATA_VARIABLE) if root is None else root
    if not base:
        return []
    folders = [Path(base, sub) for sub in (published.folder, *published.other_folders)]
    return folders if root is None else [*folders, Path(base)]


def find_files(folders: Iterable[Path], names: Iterable[str]) -> dict[str, Path] | None:
    """The files in the first folder that has all of them, gzipped or not; None if there is none."""
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


def _check_sum(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DataError(f"{path} is not the published file: expected SHA-256 {sha256}, found {found}")


def _cache_folder(published: Published) -> Path:
    import pooch

    return Path(pooch.os_cache("lamina"), published.folder)


def _download(published: Published, cache: Path) -> dict[str, Path]:
    """Each file from the cache, or from the first mirror that has it with the right SHA-256."""
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
    with suppress(OSError):  # leave no empty folder
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
    """A rich progress bar with the interface that pooch expects."""

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
