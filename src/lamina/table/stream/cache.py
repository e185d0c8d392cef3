"""A file of encoded rows, in groups that can be read in any order."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.files.atomic import naming

if TYPE_CHECKING:
    from lamina.table.stream.survey import Division

_WINDOW_BYTES = 64 << 20
_GROUP_BYTES = 1 << 19
_FEWEST_ROWS = 128


@dataclass(frozen=True)
class Layout:
    """The layout of a row in words of 4 bytes: numeric inputs, codes, targets.

    Attributes:
        inputs, codes: the number of columns of `Encoded.numeric` and of `Encoded.codes`.
        outputs: the number of columns of the target; 0 if the target is 1-D.
    """

    inputs: int
    codes: int
    outputs: int

    @property
    def row_bytes(self) -> int:
        """The number of bytes per row."""
        return 4 * (self.inputs + self.codes + max(self.outputs, 1))

    @property
    def group(self) -> int:
        """The number of rows in a group, the unit of reading."""
        return max(_GROUP_BYTES // self.row_bytes, _FEWEST_ROWS)

    @property
    def window(self) -> int:
        """The number of rows that are shuffled in memory at a time, a multiple of `group`."""
        return max(_WINDOW_BYTES // (self.row_bytes * self.group), 4) * self.group

    def arrays(self, rows: int) -> list[np.ndarray]:
        """Arrays of zeros for the numeric inputs, codes and targets of `rows` rows."""
        inputs, codes = np.zeros((rows, self.inputs), np.float32), np.zeros((rows, self.codes), np.int32)
        return [inputs, codes, np.zeros((rows, self.outputs) if self.outputs else rows, np.float32)]


@dataclass
class EncodedRows(ABC):
    """Encoded rows in groups that can be read in any order, from a `RowCache` or another store.

    Attributes:
        layout: the layout of a row.
        rows: the number of rows.
        digest: a hash of all rows.
    """

    layout: Layout
    rows: int
    digest: str

    @property
    def groups(self) -> int:
        """The number of groups, each with at most `layout.group` rows."""
        return -(-self.rows // self.layout.group)

    @abstractmethod
    def read(self, groups: Sequence[int], arrays: Sequence[np.ndarray]) -> int:
        """Read groups, in this order, into the start of the arrays (see `Layout.arrays`); return the number of rows."""


@dataclass
class RowCache(EncodedRows):
    """Encoded rows in a file; `digest` is their SHA-256, and only the last group may have fewer rows than others."""

    path: Path

    def read(self, groups: Sequence[int], arrays: Sequence[np.ndarray]) -> int:
        """Read groups, in this order, into the start of the arrays (see `Layout.arrays`); return the number of rows.

        Raises:
            DataError: the file was truncated.
        """
        rows, size = 0, self.layout.group
        with self.path.open("rb", buffering=0) as file:
            for group in groups:
                count = min(size, self.rows - group * size)
                file.seek(group * size * self.layout.row_bytes)
                for array in arrays:
                    part = _bytes_of(array[rows : rows + count])
                    while part:
                        if not (got := file.readinto(part)):
                            raise DataError(
                                f"{self.path} has been truncated since it was written; train again"
                            )
                        part = part[got:]
                rows += count
        return rows


class CacheWriter:
    """A writer of a `RowCache`, in the order of appended rows.

    Args:
        folder: the destination.
        layout: the layout of a row.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.path, self.layout = folder / "rows", layout
        self._group = layout.arrays(layout.group)
        self._filled = self.rows = 0
        self._digest = hashlib.sha256(repr(layout).encode())

    def __enter__(self) -> Self:
        with naming(self.path):
            self._file = self.path.open("wb", buffering=0)
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def append(self, *arrays: np.ndarray) -> None:
        """Append rows: numeric inputs, codes, targets.

        Further arrays, which only a `ShuffledWriter` needs, are ignored.
        """
        done, count = 0, len(arrays[0])
        while done < count:
            taken = min(count - done, self.layout.group - self._filled)
            for own, array in zip(self._group, arrays, strict=False):
                own[self._filled : self._filled + taken] = array[done : done + taken]
            self._filled += taken
            done += taken
            if self._filled == self.layout.group:
                self._write_group()

    def finish(self) -> RowCache:
        """Finish writing; return the cache."""
        self._write_group()
        return RowCache(self.layout, self.rows, self._digest.hexdigest(), self.path)

    def _write_group(self) -> None:
        for array in self._group:
            content = _bytes_of(array[: self._filled])
            self._digest.update(content)
            _write(self._file, content, self.path)
        self.rows += self._filled
        self._filled = 0


def _bytes_of(array: np.ndarray) -> memoryview:
    """The memory of an array in C order, byte by byte."""
    return memoryview(cast(Any, array.reshape(-1).view(np.uint8)))


def _write(file: Any, content: memoryview, path: Path) -> None:
    with naming(path.parent):
        while len(content):
            content = content[file.write(content) :]


class ShuffledWriter:
    """A writer of a `RowCache` in random order, which distributes rows over files and then shuffles each file.

    Args:
        folder, layout: the arguments of `CacheWriter`.
        division: the division of the table, from which the number of training rows is taken.
    """

    def __init__(self, folder: Path, layout: Layout, division: Division) -> None:
        self._folder, self._layout = folder, layout
        self._parts = -(-division.training // layout.window)
        self._paths = [folder / f"part-{i}" for i in range(self._parts)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)

    def append(self, numbers: np.ndarray, codes: np.ndarray, target: np.ndarray, keys: np.ndarray) -> None:
        """Distribute rows over the files.

        A row's key determines its file, and its position in this file.
        """
        words = [x.reshape(len(keys), -1).view(np.uint32) for x in (numbers, codes, target)]
        # The low bits of a key select the file, the high bits the order in the file.
        part = (keys % np.uint64(self._parts)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        records = np.concatenate([keys.view(np.uint32).reshape(-1, 2), *words], axis=1)[order]
        ends = np.cumsum(np.bincount(part, minlength=self._parts))
        begin = 0
        for path, end in zip(self._paths, ends.tolist(), strict=True):
            if end > begin:
                with naming(path.parent), path.open("ab", buffering=0) as file:
                    _write(file, _bytes_of(records[begin:end]), path)
            begin = end

    def finish(self) -> RowCache:
        """Finish writing; return the cache.

        Rows are ordered by key within each file, and the files are concatenated.
        """
        layout = self._layout
        with CacheWriter(self._folder, layout) as writer:
            for path in self._paths:
                if not path.exists():
                    continue
                records = np.fromfile(path, np.uint32).reshape(-1, 2 + layout.row_bytes // 4)
                os.unlink(path)
                keys = np.ascontiguousarray(records[:, :2]).view(np.uint64).ravel()
                order = np.argsort(keys)
                for begin in range(0, len(order), layout.group):
                    writer.append(*self._arrays(records[order[begin : begin + layout.group], 2:]))
            return writer.finish()

    def _arrays(self, words: np.ndarray) -> list[np.ndarray]:
        """The numeric inputs, codes and targets from rows of 4-byte words (rows, words)."""
        arrays, end = self._layout.arrays(len(words)), 0
        for array in arrays:
            own = array.view(np.uint32).reshape(len(words), -1)
            begin, end = end, end + own.shape[1]
            own[:] = words[:, begin:end]
        return arrays
