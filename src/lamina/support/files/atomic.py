"""Atomic file writes, after which a reader sees the old content or the new, never a partial file."""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from lamina.support.files.staging import aside

_MOST_LINKS = 40  # Linux's limit on links to follow


@contextmanager
def naming(path: str | os.PathLike[str]) -> Generator[None]:
    """A context that adds `path` to an `OSError` without a file name, such as for a full disk.

    >>> with naming("out.csv"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    ...
    OSError: [Errno 28] No space left on device: 'out.csv'
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: Literal["w", "wb"] = "wb") -> Generator[IO[Any]]:
    """Open a file for writing that appears under `path` only once complete and synced to disk.

    The content is written to a hidden file in the same folder, flushed with fsync, and renamed to `path` by
    `os.replace` when the block ends. If the block raises an error (Ctrl-C, too), the hidden file is removed and `path`
    is unchanged; files left behind by a killed process are removed by the next write in the folder. A symbolic link is
    followed; a replaced file's permissions are kept. A device or pipe such as /dev/null is written directly, not
    replaced. An alias of a file that this process has open, such as /dev/stdout, is also written directly: earlier
    content (``>> all.csv``) is kept, and later output follows.

    Args:
        path: the file to write; its folder must exist.
        mode: "wb" for bytes, "w" for text (UTF-8, with unchanged line ends).

    Raises:
        ValueError: for any other mode.
        OSError: if the folder is missing or not writable, or the disk is full.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "settings.txt"
    >>> with atomic_write(target, "w") as file:
    ...     _ = file.write("epochs = 10")
    >>> target.read_text()
    'epochs = 10'
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write: mode must be 'w' or 'wb', not {mode!r}")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {os.fspath(path)}: it is a folder")
    encoding, newline = (None, None) if mode == "wb" else ("utf-8", "")
    descriptor = _descriptor(path)
    if descriptor is not None or (os.path.exists(path) and not os.path.isfile(path)):
        with naming(path):
            place = path if descriptor is None else os.dup(descriptor)
            with open(place, mode, encoding=encoding, newline=newline) as file:
                yield file
        return
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}")
    with aside(target.parent, f".{target.name[:100]}.", lambda new: new.touch(exist_ok=False)) as hidden:
        with naming(path), open(hidden, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, hidden)
        os.replace(hidden, target)
    sync(target.parent)


def _descriptor(path: str | os.PathLike[str]) -> int | None:
    """The file descriptor to which `path` refers as an alias such as /dev/stdout, or None."""
    own = {os.path.realpath(f"/proc/{process}/fd") for process in ("self", "thread-self")} | {"/dev/fd"}
    for _ in range(_MOST_LINKS):
        folder, name = os.path.realpath(os.path.dirname(path)), os.path.basename(path)
        if folder in own and name.isdecimal():
            return int(name)
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))
    return None


def exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders with the same parent, atomically if possible.

    On Linux a single system call (renameat2, RENAME_EXCHANGE) exchanges the names; each name always exists. Other
    systems and some file systems need several steps, and `one` is missing for a moment.

    Raises:
        OSError: a folder is missing or can't be renamed.

    >>> import tempfile
    >>> old, new = (Path(tempfile.mkdtemp()) for _ in range(2))
    >>> _ = (new / "model").write_text("new")
    >>> exchange(old, new)
    >>> (old / "model").read_text(), list(new.iterdir())
    ('new', [])
    """
    if _exchanged(one, other):
        return
    between = other.with_name(f"{other.name}-before")
    os.rename(one, between)
    os.rename(other, one)
    os.rename(between, other)


_AT_FOLDER, _RENAME_EXCHANGE = -100, 2  # Linux's AT_FDCWD and RENAME_EXCHANGE


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step, or return False if the system can't do this."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # musl lacks it
    if rename is None:
        return False
    if rename(_AT_FOLDER, os.fsencode(one), _AT_FOLDER, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):  # errors of file systems and kernels without this call
        return False
    raise OSError(code, os.strerror(code), os.fspath(one))


def sync(path: Path) -> None:
    """Flush a file's content or a folder's entries to disk, if the system supports this."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
