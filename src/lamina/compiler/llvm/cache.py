"""A directory of machine code: whole files only, foreign or damaged ones are ignored, the oldest go first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["CodeCache", "default_directory", "digest_of_sources"]

_MAGIC = b"lamina-object-1\n"
_DIGEST_BYTES = 32
_LIMIT_BYTES = 256 << 20
_SUFFIX = ".object"
_room: dict[Path, int] = {}
"""Bytes that this process may add to a directory before it looks through it again: it may hold thousands of files."""


def default_directory() -> Path:
    """`LAMINA_CACHE_DIR`, else `lamina` in the user's cache directory (XDG base directories)."""
    chosen = os.environ.get("LAMINA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lamina"


def digest_of_sources(*folders: Path) -> str:
    """A digest of all Python files in some folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class CodeCache:
    """Object code by key. Never raises: a cache that can't be read or written is an empty cache."""

    def __init__(self, directory: Path, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes

    def path(self, key: str) -> Path:
        return self._directory / (key + _SUFFIX)

    def get(self, key: str) -> bytes | None:
        """The code stored under a key, or None."""
        path = self.path(key)
        try:
            stored = path.read_bytes()
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
        """Store code under a key: written aside, then renamed, so that readers see all of it or nothing."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, aside = tempfile.mkstemp(dir=self._directory, suffix=".tmp")
        except OSError:
            return
        content = _MAGIC + _digest(key, code) + code
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(aside, self.path(key))
            room = _room.get(self._directory, 0) - len(content)
            _room[self._directory] = room if room >= 0 else self._shrink()
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)

    def _shrink(self) -> int:
        """Beyond the limit, remove the least recently used entries until half of it is free.

        Returns how much may be added before the next look: half of what is free, since other processes add too.
        """
        with os.scandir(self._directory) as found:
            entries = [(entry.stat(), entry.path) for entry in found if entry.name.endswith(_SUFFIX)]
        size = sum(stat.st_size for stat, _ in entries)
        if size > self._limit_bytes:
            for stat, path in sorted(entries, key=lambda item: item[0].st_mtime_ns):
                if size <= self._limit_bytes // 2:
                    break
                Path(path).unlink(missing_ok=True)
                size -= stat.st_size
        return max(0, self._limit_bytes - size) // 2


def _digest(key: str, code: bytes) -> bytes:
    """Ties the code to its key, so that a file under another's name is foreign too."""
    return hashlib.sha256(key.encode() + b"\0" + code).digest()
