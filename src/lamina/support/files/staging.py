"""Temporary files and folders, locked by their process to make leftovers of killed processes recognizable."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import gettempdir

_ATTEMPTS = 10
"""Attempts to remove a folder: meanwhile, another thread or process may create a file in it."""


@contextmanager
def aside(
    folder: Path, prefix: str, create: Callable[[Path], object], *, of_any_user: bool = True
) -> Generator[Path]:
    """A context with a hidden temporary file or folder in `folder`, removed if the block raises an error.

    A killed process leaves its file behind. The next process that uses the same folder removes the leftover, which is
    not locked, since locks end with their process. On file systems without locks, the file's name marks it as
    one that later processes never remove.

    Args:
        folder: the parent folder.
        prefix: the beginning of the name, which continues with 12 hexadecimal digits and ".tmp", or "-unlocked.tmp"
            without a lock.
        create: a function that creates the file or folder at a path.
        of_any_user: whether to remove leftovers of other users' processes, too, where permitted.

    Raises:
        OSError: nothing can be created in `folder`.
    """
    _remove_abandoned(folder, prefix, of_any_user)
    path, held = _claimed(folder, prefix, create)
    try:
        yield path
    except BaseException:
        _remove(path)
        raise
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def scratch(prefix: str) -> Generator[Path]:
    """A context with a new private folder in the temporary directory (`TMPDIR`), which is removed at the end.

    Folders with this prefix that killed processes of the same user left behind are removed, too.

    Raises:
        OSError: nothing can be created in the temporary directory.
    """
    create = partial(Path.mkdir, mode=0o700)
    with aside(Path(gettempdir()), prefix, create, of_any_user=False) as path:
        try:
            yield path
        finally:
            _remove(path)


def lock(path: Path) -> int | None:
    """Lock a file or folder until this process ends in any way, or closes the returned file descriptor.

    Returns None where such locks don't exist, i.e. on Windows and some network file systems.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: the file or folder is missing or unreadable.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    # Where others may write (/tmp), a name can be a pipe, which would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def _claimed(folder: Path, prefix: str, create: Callable[[Path], object]) -> tuple[Path, int | None]:
    while True:
        path = _made(folder, f"{prefix}{secrets.token_hex(6)}.tmp", create)
        try:
            held = lock(path)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process removed it as abandoned before it was locked
        except OSError:
            _remove(path)
            raise
        if held is None:  # another process may be able to lock files where this process can't
            _remove(path)
            return _made(folder, f"{prefix}{secrets.token_hex(6)}-unlocked.tmp", create), None
        if path.exists():
            return path, held
        os.close(held)


def _made(folder: Path, name: str, create: Callable[[Path], object]) -> Path:
    try:
        create(folder / name)
    except OSError as error:  # the hidden name would tell a user nothing
        raise OSError(error.errno, error.strerror, os.fspath(folder)) from error
    return folder / name


def _remove_abandoned(folder: Path, prefix: str, of_any_user: bool) -> None:
    pattern = re.compile(re.escape(prefix) + r"[0-9a-f]{12}\.tmp")
    with suppress(OSError):  # the folder can't be listed
        for name in filter(pattern.fullmatch, os.listdir(folder)):
            with suppress(OSError):  # its process is alive, or has just removed it
                held = lock(folder / name)
                if held is not None:
                    if of_any_user or os.fstat(held).st_uid == os.geteuid():
                        _remove(folder / name)
                    os.close(held)


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
    for _ in range(_ATTEMPTS):
        if not path.exists():
            break
        shutil.rmtree(path, ignore_errors=True)
