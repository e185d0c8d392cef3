"""A disk cache of machine code, with an index of the kernels that it contains.

Files are written atomically. Foreign or damaged files are ignored. The least recently used files are removed.

Cached code is executed, so only this user's files are read: directory and file must belong to the user and be writable
by no other user, as ssh requires of keys. Otherwise the code is compiled again, with a single warning.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterable
from functools import cache, cached_property
from pathlib import Path

_MAGIC = b"lamina-object-1\n"
_DIGEST_BYTES = 32
_LIMIT_BYTES = 256 << 20
_SUFFIX = ".object"
_INDEX = "kernels.index"
_DIGITS = 16
"""The length of digests in the index; code that loads an entry compares the whole digest."""
_ASIDE = "lamina-aside-"
_ASIDE_SECONDS = 3600.0
"""The age from which temporary files are assumed to belong to processes that have ended."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_room: dict[Path, int] = {}
"""The bytes that this process may add to a directory before it checks the size of all its files again."""
_told: set[str] = set()


def default_directory() -> Path:
    """`LAMINA_CACHE_DIR`, else `lamina` in the user's cache directory (XDG), without a home in a temporary one."""
    chosen = os.environ.get("LAMINA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "lamina"
    with contextlib.suppress(RuntimeError):  # neither HOME nor an entry in the system's list of users
        home = Path.home()
        if home.is_absolute():
            return home / ".cache" / "lamina"
    return Path(tempfile.gettempdir()) / f"lamina-{_user()}"


def size_limit() -> int:
    """The maximum size in bytes from `LAMINA_CACHE_SIZE` (``500M``, ``2G``; 0 turns the cache off); default 256 MiB."""
    given = os.environ.get("LAMINA_CACHE_SIZE", "").strip()
    if not given:
        return _LIMIT_BYTES
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([KMG]?)(?:I?B)?", given.upper())
    if found is None:
        _tell(f"LAMINA_CACHE_SIZE={given!r} is not a size; write a number of bytes, 500M or 2G. 256M is used")
        return _LIMIT_BYTES
    return int(float(found[1]) * _UNITS[found[2]])


@cache
def digest_of_sources(*folders: Path) -> str:
    """A digest of all Python files in some folders, computed once per process."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def digest_of_primitives() -> str:
    """A digest that changes when the code of a primitive changes."""
    package = Path(__file__).parents[2]
    return digest_of_sources(package / "primitives", package / "core")


class CodeCache:
    """A directory of object code by key. If it can't be read, written or trusted, the cache is empty."""

    def __init__(self, directory: Path, limit_bytes: int | None = None) -> None:
        self._directory = directory
        self._limit_bytes = size_limit() if limit_bytes is None else limit_bytes

    def path(self, key: str) -> Path:
        return self._directory / (key + _SUFFIX)

    def get(self, key: str) -> bytes | None:
        """The code stored under a key; None if there is none."""
        path = self.path(key)
        stored = self._read(path)
        if stored is None:
            return None
        head = len(_MAGIC) + _DIGEST_BYTES
        code = stored[head:]
        is_whole = stored[:head] == _MAGIC + _digest(key, code)
        with contextlib.suppress(OSError):  # of a directory that can only be read
            if is_whole:
                os.utime(path)  # the least recently used go first
            else:
                path.unlink()
        return code if is_whole else None

    def put(self, key: str, code: bytes) -> None:
        """Store code under a key."""
        content = _MAGIC + _digest(key, code) + code
        if len(content) > self._limit_bytes:
            return
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._is_trusted():
                self._write(self.path(key), content)
                room = _room.get(self._directory, 0) - len(content)
                _room[self._directory] = room if room >= 0 else self._shrink()

    def entry_with(self, digest: str) -> str | None:
        """The key of the latest entry with a kernel, by the index, which is read only once.

        The entry may be gone, or have another kernel whose digest begins alike.
        """
        place = max(self._index.rfind(b" " + digest[:_DIGITS].encode()), 0)
        start = self._index.rfind(b"\n", 0, place) + 1
        key = self._index[start:place].partition(b" ")[0]
        return key.decode() if key.isalnum() else None

    @cached_property
    def _index(self) -> bytes:
        """The lines of the index, oldest first: the key of an entry, and the digests of its kernels."""
        return self._read(self._directory / _INDEX) or b""

    def add_to_index(self, key: str, digests: Iterable[str]) -> None:
        """Add a line to the index: the entry under a key contains the kernels with these digests.

        An index that has become too large to be read begins anew.
        """
        path = self._directory / _INDEX
        line = " ".join([key, *(digest[:_DIGITS] for digest in digests)]) + "\n"
        with contextlib.suppress(OSError):
            if self._limit_bytes and self._is_trusted():
                handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_FOLLOW, mode=0o600)
                with os.fdopen(handle, "wb", buffering=0) as file:  # one call: other processes add lines, too
                    status = os.fstat(handle)
                    if _is_own(status, stat.S_ISREG, path):
                        if status.st_size > self._limit_bytes:
                            file.truncate(0)
                        file.write(line.encode())

    def _read(self, path: Path) -> bytes | None:
        """The content of a file that only this user can have written; None if there is no such file."""
        if not self._limit_bytes or not self._is_trusted():
            return None
        try:
            # Links are not followed, and the file that is checked is the file that is read.
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_FOLLOW)) as file:
                status = os.fstat(file.fileno())
                if status.st_size > self._limit_bytes or not _is_own(status, stat.S_ISREG, path):
                    return None
                return file.read(status.st_size)  # allocates this size at once, whatever the file holds
        except OSError:
            return None

    def _write(self, path: Path, content: bytes) -> None:
        """Write a temporary file and rename it: readers see the whole file or none. Raises `OSError`."""
        handle, aside = tempfile.mkstemp(dir=self._directory, prefix=_ASIDE, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(aside, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise

    def _is_trusted(self) -> bool:
        """Whether only this user can have written to the directory.

        A link to the directory must be this user's, too: another user's link could lead anywhere in this user's files.
        """
        try:
            link = os.lstat(self._directory)
            if stat.S_ISLNK(link.st_mode) and not _is_own(link, stat.S_ISLNK, self._directory):
                return False
            return _is_own(os.stat(self._directory), stat.S_ISDIR, self._directory)
        except OSError:
            return False

    def _shrink(self) -> int:
        """If the entries exceed the limit, remove the least recently used entries until half of the limit is free.

        Returns how many bytes may be added before the next check. This is half of the free space, since other processes
        add entries, too.
        """
        entries: list[tuple[int, int, str]] = []
        oldest_aside = time.time_ns() - int(_ASIDE_SECONDS * 1e9)
        with os.scandir(self._directory) as found:
            for entry in found:
                with contextlib.suppress(OSError):  # another process removed it meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_SUFFIX):
                        entries.append((status.st_mtime_ns, status.st_size, entry.path))
                    elif entry.name.startswith(_ASIDE) and status.st_mtime_ns < oldest_aside:
                        os.unlink(entry.path)
        size = sum(nbytes for _, nbytes, _ in entries)
        if size > self._limit_bytes:
            entries.sort()
            while size > self._limit_bytes // 2:
                _, nbytes, path = entries.pop(0)
                with contextlib.suppress(OSError):
                    os.unlink(path)
                size -= nbytes
        self._shrink_index({os.fsencode(Path(path).stem) for _, _, path in entries})
        return max(0, self._limit_bytes - size) // 2

    def _shrink_index(self, keys: Collection[bytes]) -> None:
        """Keep only the lines of entries with these keys, if they are less than half of the index."""
        lines = (self._read(self._directory / _INDEX) or b"").splitlines(keepends=True)
        kept = {key: line for line in lines for key in [line.partition(b" ")[0]] if key in keys}
        if 2 * len(kept) < len(lines):
            self._write(self._directory / _INDEX, b"".join(kept.values()))


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def _user() -> int | str:
    return os.geteuid() if hasattr(os, "geteuid") else os.environ.get("USERNAME", "user")


def _is_own(status: os.stat_result, is_kind: Callable[[int], bool], path: Path) -> bool:
    """Whether a file is of the right kind, and only this user can write to it. Warns once if other users can."""
    if not is_kind(status.st_mode):
        return False
    if not hasattr(os, "geteuid"):  # Windows: the profile's folders are the user's alone
        return True
    is_link = stat.S_ISLNK(status.st_mode)  # whose mode says nothing
    if status.st_uid != os.geteuid():
        reason = f"belongs to user {status.st_uid}"
    elif not is_link and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "can be written by other users"
    else:
        return True
    _tell(
        f"machine code is not taken from {path}, which {reason}, and is compiled anew. Remove it, make it yours alone "
        "(chmod go-w), or set LAMINA_CACHE_DIR"
    )
    return False


def _tell(message: str) -> None:
    if message not in _told:
        _told.add(message)
        warnings.warn(f"lamina: {message}", stacklevel=2)


def _digest(key: str, code: bytes) -> bytes:
    """A digest of the key and the code, which reveals code stored under a wrong key."""
    return hashlib.sha256(key.encode() + b"\0" + code).digest()
