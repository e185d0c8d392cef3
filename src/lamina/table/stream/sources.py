"""Sources of streamed tables: files, a pyarrow dataset, a polars lazy frame, or a sequence."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.columns import Column, as_column, value_name
from lamina.table.distinct import distinct_values
from lamina.table.findings.left_out import MOST_ROWS, has_value, target_missing, total_left_out
from lamina.table.formats import FORMATS, Reader, end_reading
from lamina.table.formats.textual import common_type
from lamina.table.messages import counted, rows_called, warn
from lamina.table.places import Places
from lamina.table.read import batches_of, common_types, require_polars
from lamina.table.schema import free_name
from lamina.table.source import ReadOptions, Source, open_sources
from lamina.table.target import no_values

BLOCK_ROWS = 1 << 16
_BLOCK_CELLS = 1 << 22
_FIRST_LOOK_ROWS = 1000


class Blocks(ABC):
    """A table that can be read in blocks, from the first row to the last, repeatedly.

    Attributes:
        types: the columns in order, with their types, which a pass may change, see `_SequenceBlocks`.
        named: whether columns are matched by name; see `Schema`.
        places: the file and line of every row read in the latest pass; None for tables without files.
    """

    types: dict[str, pl.DataType]
    named: bool = True
    places: Places | None = None

    @abstractmethod
    def blocks(self) -> Generator[pl.DataFrame]:
        """The blocks of rows in order, each with the columns and types of `types`."""


def _rows_at_once(columns: int) -> int:
    """The maximum number of rows per block."""
    return max(256, min(BLOCK_ROWS, _BLOCK_CELLS // max(columns, 1)))


class FileBlocks(Blocks):
    """The rows of files, which `files_as_blocks` opens.

    The files must not change during training.
    """

    places: Places

    def __init__(self, sources: Sequence[Source], options: ReadOptions) -> None:
        self._readers: list[Reader] = [FORMATS[file.format].reader()(file, options) for file in sources]
        self._paths = [file.path for file in sources]
        self._before = [_signature(path) for path in self._paths]
        self.types = common_types(self._readers)
        self.places = Places()
        self._target: str | None = None
        self._total: int | None = None
        self._is_told = False

    def leave_out(self, target: str) -> None:
        """Leave out rows without a value in the column `target`, and a row of totals; warnings say so.

        Only small tables, from spreadsheets, are examined for totals.
        """
        frames, rows = list[pl.DataFrame](), 0
        with closing(self.blocks()) as blocks:
            for block in blocks:
                frames.append(block)
                rows += len(block)
                if rows > MOST_ROWS:
                    break
            else:
                with self.places.named():
                    self._total = total_left_out(pl.concat(frames)) if frames else None
        self._target = target

    def blocks(self) -> Generator[pl.DataFrame]:
        """The blocks of rows in order; see `Blocks`.

        Raises:
            DataError: a file changed, or is invalid as in `lamina.table.read.read`.
        """
        missing, first = 0, ""
        self.places = Places()  # pyright: ignore[reportIncompatibleVariableOverride] - is never None
        rows = _rows_at_once(len(self.types))
        for reader, path, before in zip(self._readers, self._paths, self._before, strict=True):
            _require_same(reader.name, path, before)
            for batch in batches_of(reader, self.types, rows, self.places):
                start = self.places.rows - len(batch)
                if self._target is not None:
                    present = has_value(batch[self._target])
                    if not present.all():
                        missing += int(np.count_nonzero(~present))
                        first = first or self.places.of_read(start + int(np.argmin(present)))
                    if self._total is not None and start <= self._total < start + len(batch):
                        present[self._total - start] = False
                    self.places.keep(start + np.flatnonzero(present))
                    batch = batch.filter(present)
                if len(batch):
                    yield batch
            _require_same(reader.name, path, before)
        end_reading()
        if self._target is not None and missing:
            self._tell(self._target, missing, first)

    def _tell(self, target: str, missing: int, first: str) -> None:
        if missing == self.places.rows:
            raise no_values(target, missing)
        if not self._is_told:
            with rows_called(lambda _: first):
                warn(target_missing(target, missing, self.places.rows, 0))
            self._is_told = True


@contextmanager
def files_as_blocks(files: Sequence[str], options: ReadOptions) -> Generator[FileBlocks]:
    """A context with the table in some files, globs, or standard input.

    Temporary copies exist only inside the context.

    Raises:
        DataError: the files are invalid, as in `lamina.table.read.read`.
    """
    require_polars()
    with open_sources(files, options.format) as sources:
        yield FileBlocks(sources, options)


def _signature(path: os.PathLike[str]) -> tuple[int, int] | None:
    if os.path.isdir(path):
        return None
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def _require_same(name: str, path: os.PathLike[str], before: tuple[int, int] | None) -> None:
    try:
        same = _signature(path) == before
    except FileNotFoundError:
        same = False
    if not same:
        raise DataError(f"{name} has changed while it was read; train when nothing writes to it any more")


# --- objects of other libraries ---------------------------------------------------------------------------------------


def is_source(X: Any) -> bool:
    """Whether `X` is a table to be streamed.

    Such a table is a pyarrow dataset, a polars lazy frame, or a sequence of rows. A sequence has ``__len__`` and
    ``__getitem__`` for slices of rows, like LightGBM's `Sequence`, and is not an in-memory table that lamina accepts.

    >>> is_source(np.eye(2)), is_source([[1.0], [2.0]])
    (False, False)
    """
    if isinstance(X, (np.ndarray, list, tuple, dict, str, bytes)) or X is None:
        return False
    if _is_dataset(X) or _is_lazy(X):
        return True
    known = "columns", "column_names", "shape", "tocsr"
    protocols = "__array__", "__dataframe__", "__narwhals_dataframe__"
    is_table = any(hasattr(X, name) for name in known + protocols)
    return not is_table and hasattr(type(X), "__len__") and hasattr(type(X), "__getitem__")


def _is_dataset(X: Any) -> bool:
    return type(X).__module__.startswith("pyarrow") and hasattr(X, "scanner") and hasattr(X, "to_batches")


def _is_lazy(X: Any) -> bool:
    is_polars = type(X).__module__.startswith("polars")
    return is_polars and hasattr(type(X), "collect_schema") and hasattr(type(X), "collect_batches")


def blocks_of(X: Any) -> Blocks:
    """The `Blocks` of a source (see `is_source`).

    Raises:
        DataError: the source has no rows, or does not return tables.
    """
    require_polars()
    if _is_dataset(X):
        return _DatasetBlocks(X)
    return _LazyBlocks(X) if _is_lazy(X) else _SequenceBlocks(X)


class _DatasetBlocks(Blocks):
    """The rows of a pyarrow dataset, fragment after fragment."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        empty = pl.from_arrow(dataset.schema.empty_table())
        self.types: dict[str, pl.DataType] = dict(pl.DataFrame(empty).schema)

    def blocks(self) -> Generator[pl.DataFrame]:
        few = {"batch_readahead": 2, "fragment_readahead": 1}
        for batch in self._dataset.to_batches(batch_size=_rows_at_once(len(self.types)), **few):
            if len(batch):
                yield pl.DataFrame(pl.from_arrow(batch)).cast(self.types)  # pyright: ignore[reportArgumentType]


class _LazyBlocks(Blocks):
    """The rows of a lazy frame, which are computed anew on each pass."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.types: dict[str, pl.DataType] = dict(frame.collect_schema())

    def blocks(self) -> Generator[pl.DataFrame]:
        rows = _rows_at_once(len(self.types))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # polars warns that the method is new and might change
            batches = self._frame.collect_batches(chunk_size=rows, maintain_order=True)
        for batch in batches:
            if len(batch):
                yield batch


class _SequenceBlocks(Blocks):
    """The rows of an object whose slices are arrays (rows, columns) or data frames.

    The types become wider where a slice has values that they can't represent.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        if not len(rows):
            raise DataError("the table has no rows (0 samples); training needs at least 2")
        first, self.named = frame_of(rows[0 : min(len(rows), _FIRST_LOOK_ROWS)])
        self.types: dict[str, pl.DataType] = dict(first.schema)
        self._at_once = getattr(rows, "batch_size", None) or _rows_at_once(first.width)

    def blocks(self) -> Generator[pl.DataFrame]:
        for begin in range(0, len(self._rows), self._at_once):
            wanted = slice(begin, min(begin + self._at_once, len(self._rows)))
            block, _ = frame_of(self._rows[wanted])
            if len(block) != wanted.stop - wanted.start or set(block.columns) != set(self.types):
                raise DataError(
                    f"the sequence gave {counted(len(block), 'row')} of {counted(block.width, 'column')} for the rows "
                    f"{wanted.start} to {wanted.stop - 1}; give all of these rows, with the same "
                    f"{counted(len(self.types), 'column')} as in the first rows"
                )
            self.types = wider(self.types, block.schema)
            yield in_types(block, self.types)


def frame_of(block: Any) -> tuple[pl.DataFrame, bool]:
    """A block of a sequence as a polars frame, and whether the block has column names."""
    import narwhals

    if hasattr(block, "columns") or hasattr(block, "column_names"):
        frame = narwhals.from_native(block, eager_only=True)
        return pl.DataFrame([*map(_series, frame.iter_columns())]), True
    array = np.asarray(block)
    if array.ndim != 2:
        raise DataError(
            f"a sequence gives blocks of rows (rows, columns) for slices, not arrays of shape {array.shape}"
        )
    return pl.DataFrame(np.ascontiguousarray(array), schema=[f"x{i}" for i in range(array.shape[1])]), False


def _series(column: Any) -> pl.Series:
    try:
        return column.to_polars()
    except (TypeError, ValueError):  # Arrow has no columns of several types
        return _texts(as_column(column.to_native(), column.name))


def _texts(column: Column) -> pl.Series:
    """A column's values by their names."""
    values, positions = distinct_values(column)
    names = [value if value is None else value_name(value) for value in values]
    return pl.Series(column.name, names, pl.String).gather(positions)


def wider(types: Mapping[str, pl.DataType], others: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The types of the columns of two parts of a table together; columns of different kinds become texts."""
    return {name: common_type(kind, others[name], text=True) or pl.String() for name, kind in types.items()}


def in_types(block: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A part of a table, in types that `wider` found."""
    texts = (name for name, kind in types.items() if kind == pl.String() != block[name].dtype)
    block = block.with_columns([_texts(as_column(block[name], name)) for name in texts])
    return block.select([*types]).cast(cast(Any, types))


def with_target(blocks: Blocks, y: Any) -> tuple[Blocks, str]:
    """The table with the separate target as an additional column, and this column's name."""
    name = free_name("target", blocks.types)
    values = pl.Series(name, np.asarray(y) if not hasattr(y, "to_arrow") else y)
    return _Joined(blocks, values.alias(name)), name


class _Joined(Blocks):
    """The blocks of a table, joined with an additional column in memory."""

    def __init__(self, blocks: Blocks, values: pl.Series) -> None:
        self._blocks, self._values = blocks, values
        self.types = {**blocks.types, values.name: values.dtype}
        self.named, self.places = blocks.named, blocks.places

    def blocks(self) -> Generator[pl.DataFrame]:
        start = 0
        for block in self._blocks.blocks():
            values = self._values[start : start + len(block)]
            start += len(block)
            self.types = {**self._blocks.types, values.name: values.dtype}
            if len(values) < len(block):
                break
            yield block.with_columns(values)
        if start != len(self._values):
            raise DataError(
                f"Found input variables with inconsistent numbers of samples: [{start}, {len(self._values)}]: "
                "the target must have a value for each row"
            )
