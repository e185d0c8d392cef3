"""The available memory, and an estimate of the memory that a training needs."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lamina.errors import DataError
from lamina.table.formats import FORMATS
from lamina.table.source import ReadOptions, Source

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_CELL_BYTES = 32
"""Peak bytes per cell for training on a table in memory: 1.6 KB per row of 50 columns, measured."""

_TEXT_TIMES = 6
"""Peak bytes per byte of a text file, with some 6 bytes per cell."""

_PACKED_TIMES = 5
"""Approximate bytes of text per byte of a compressed file."""


def bytes_in(text: str) -> int:
    """The number of bytes that a text specifies, with units of 1024.

    Raises:
        DataError: the text is not a size.

    >>> bytes_in("512M"), bytes_in("1.5 GiB")
    (536870912, 1610612736)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if found is None or not float(found[1]):
        raise DataError(f"--memory {text}: a size is written like 800M or 4G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def free_memory() -> int | None:
    """The bytes available before the system or container runs short of memory; None if unknown."""
    known = [size for size in (_of_the_system(), _of_the_container()) if size is not None]
    return min(known, default=None)


def _of_the_system() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    with suppress(AttributeError, OSError, ValueError):  # raised on Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _of_the_container() -> int | None:
    folder = Path("/sys/fs/cgroup")
    old = "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"
    for most, now in (("memory.max", "memory.current"), old):
        with suppress(OSError, ValueError):
            return max(int((folder / most).read_text()) - int((folder / now).read_text()), 0)
    return None


def release_memory() -> None:
    """Return to the system what was freed, which the C library may keep for the process (glibc)."""
    with suppress(OSError, AttributeError, TypeError):  # raised by other C libraries, and on Windows
        ctypes.CDLL(None).malloc_trim(0)


def used_memory(process: int | None = None) -> int:
    """The bytes used by a process and its children; 0 if the system doesn't report memory.

    `process`: the process's id; None: this process.
    """
    used = 0
    own = os.getpid() if process is None else process
    with suppress(OSError):
        processes = [str(own)]
        for task in Path(f"/proc/{own}/task").iterdir():
            processes += (task / "children").read_text().split()
        for one in processes:
            with suppress(OSError):
                pages = int(Path("/proc", one, "statm").read_text().split()[1])
                used += pages * os.sysconf("SC_PAGE_SIZE")
    return used


def memory_to_hold(sources: Sequence[Source], options: ReadOptions) -> int:
    """The approximate memory in bytes for training on these files in memory.

    The files are not read. Files with typed columns, such as Parquet, state their number of rows; for text files, the
    file size is used.
    """
    return sum(_to_hold(source, options) for source in sources)


def _to_hold(source: Source, options: ReadOptions) -> int:
    if source.path.is_dir():
        return 0  # images are always read as a whole
    size = source.path.stat().st_size * (_PACKED_TIMES if source.compression else 1)
    if source.format in ("parquet", "feather") and not source.compression:
        reader: Any = FORMATS[source.format].reader()(source, options)
        return reader.count() * len(reader.types()) * _CELL_BYTES
    return size * _TEXT_TIMES
