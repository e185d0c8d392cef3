"""A disk cache of machine code.

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
from collections.abc import Callable
from functools import cache
from pathlib import Path

_MAGIC = b"lamina-object-1\n"
_DIGEST_BYTES = 32
_LIMIT_BYTES = 256 << 20
_SUFFIX = ".object"
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


def digest_of_sources(*folders: Path) -> str:
    """A digest of all Python files in some folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
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
        if not self._limit_bytes or not self._is_trusted():
            return None
        path = self.path(key)
        try:
            # Links are not followed, and the file that is checked is the file that is read.
            handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(handle)
                if status.st_size > self._limit_bytes or not _is_own(status, stat.S_ISREG, path):
                    return None
                stored = file.read(status.st_size)  # allocates this size at once, whatever the file holds
            os.utime(path)  # the least recently used go first
        except OSError:
            return None
        head = len(_MAGIC) + _DIGEST_BYTES
        code = stored[head:]
        if stored[:head] != _MAGIC + _digest(key, code):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return code

    def put(self, key: str, code: bytes) -> None:
        """Store code under a key, by a temporary file that is renamed: readers see the whole file or none."""
        content = _MAGIC + _digest(key, code) + code
        if len(content) > self._limit_bytes:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._is_trusted():
                return
            handle, aside = tempfile.mkstemp(dir=self._directory, prefix=_ASIDE, suffix=".tmp")
        except OSError:
            return
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(aside, self.path(key))
            room = _room.get(self._directory, 0) - len(content)
            _room[self._directory] = room if room >= 0 else self._shrink()
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)

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
            for _, nbytes, path in sorted(entries):
                if size <= self._limit_bytes // 2:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(path)
                size -= nbytes
        return max(0, self._limit_bytes - size) // 2


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
