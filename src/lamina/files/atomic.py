"""Writing files so that a reader sees the old content or the new, never half of it; and safetensors files."""

import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from lamina.errors import DataError
from lamina.files.aside import aside

__all__ = ["atomic_write", "load_tensors", "naming", "save_tensors", "sync_folder"]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Generator[None]:
    """An `OSError` in the block that does not say which file it means, as that of a full disk, says `path`.

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
    """Open a file for writing that appears under `path` only once it is complete and on the disk.

    The content goes to a hidden file beside `path`, is flushed with fsync, and takes the name with
    `os.replace` when the block ends. If the block raises (Ctrl-C too), the hidden file is removed and
    whatever was at `path` is as before; what a killed process left is removed by the next that writes there.
    A symbolic link is followed; the permissions of a file that is replaced are kept.

    Args:
        path: the file to write; its folder must exist.
        mode: "wb" for bytes, "w" for text (UTF-8, line ends as given).

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
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}")
    with aside(target.parent, f".{target.name[:100]}.", lambda new: new.touch(exist_ok=False)) as hidden:
        encoding, newline = (None, None) if mode == "wb" else ("utf-8", "")
        with naming(path), open(hidden, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, hidden)
        os.replace(hidden, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, on systems where a folder can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_tensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and text metadata as a safetensors file, atomically.

    Args:
        path: the file to write.
        arrays: name → array of any shape; dtype bool, (u)int8…64, float16…64. Stored in C order.
        metadata: text by name, for what a reader needs besides the arrays.

    Raises:
        TypeError: for a value that is not an array of such a dtype, or metadata that is not text; names it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save_tensors(path, {"weight": np.eye(2, dtype=np.float32)}, {"epoch": "3"})
    >>> arrays, metadata = load_tensors(path)
    >>> arrays["weight"].shape, metadata
    ((2, 2), {'epoch': '3'})
    """
    from safetensors.numpy import save

    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata must map text to text, not {key!r} to {type(text).__name__} {text!r}")
    tensors = {name: _storable(name, array) for name, array in arrays.items()}
    content = save(tensors, dict(metadata) if metadata else None)
    with atomic_write(path) as file:
        file.write(content)


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """`array` in the memory layout of the format: C order, native (little-endian) byte order."""
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"a tensor's name must be text other than '__metadata__', not {name!r}")
    if not isinstance(array, np.ndarray) or not (array.dtype == np.bool_ or array.dtype.kind in "iuf"):
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(
            f"tensor {name!r} is {kind}; safetensors holds NumPy arrays of bool, integers and floats"
        )
    if array.dtype.itemsize > 8:
        raise TypeError(
            f"tensor {name!r} is an array of {array.dtype}; the widest float in safetensors is float64"
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file: its arrays by name and its metadata. Their order is not kept.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if the file is truncated or corrupt, or holds a type that NumPy lacks (bfloat16, float8).
    """
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if os.path.isdir(name):
        raise IsADirectoryError(f"{name} is a folder, not a safetensors file")
    try:
        with safe_open(name, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            metadata = file.metadata() or {}
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {name}") from error
    except (SafetensorError, TypeError, ValueError, AttributeError, MemoryError) as error:
        raise DataError(f"{name} is not a readable safetensors file: {error}") from error
    return arrays, metadata
