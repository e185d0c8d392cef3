"""The encoding of a table as a network's inputs: numbers, and codes for embeddings.

The preprocessing is RealMLP-TD's (Holzmüller, Grinsztajn, Steinwart 2024, arXiv 2407.04491, section 3), with one
addition: a missing number becomes the median, and a column that has missing numbers in training gets a second
column that flags them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property, partial
from typing import Any

import numpy as np

from lamina import nd
from lamina.core.timings import timed
from lamina.errors import DataError
from lamina.nd.ndarray import NDArray
from lamina.support.messages import excerpt
from lamina.table import _scale
from lamina.table.categories import category_codes, code_of_cell, unknown_values, warn_of_unknown
from lamina.table.check import check
from lamina.table.columns import ArrayColumn, Once
from lamina.table.messages import row, warn
from lamina.table.schema import ColumnSchema, Schema
from lamina.table.tables import Table, cells_of_row, dense
from lamina.table.types.quantity import infinite_error


@dataclass(frozen=True)
class SparseNumbers:
    """A sparse float32 matrix that returns dense rows for ``numbers[rows]``, like an array.

    Attributes:
        zeros: for each column, the encoding of the number 0, float32.
        entries: the encodings of the other numbers, a SciPy CSR array or matrix without duplicates.

    >>> from scipy.sparse import csr_array
    >>> numbers = SparseNumbers(np.array([0, -1], np.float32), csr_array(np.eye(2, dtype=np.float32)))
    >>> numbers[np.array([1, 1])]
    array([[0., 1.],
           [0., 1.]], dtype=float32)
    >>> numbers[:, 1]
    array([-1.,  1.], dtype=float32)
    """

    zeros: np.ndarray
    entries: Any

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and the number of columns."""
        return self.entries.shape

    @property
    def parts(self) -> list[np.ndarray]:
        """The arrays that store the matrix."""
        return [self.zeros, self.entries.data, self.entries.indices, self.entries.indptr]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple):
            rows, column = key
            return self._column(column)[rows]
        part = self.entries[key]
        out = np.empty(part.shape, np.float32)
        self._write(part, out)
        return out

    def write(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write these rows into `out` (rows, columns)."""
        self._write(self.entries[rows], out)

    def _write(self, part: Any, out: np.ndarray) -> None:
        out[:] = self.zeros
        out[np.repeat(np.arange(len(out)), np.diff(part.indptr)), part.indices] = part.data

    def _column(self, j: int) -> np.ndarray:
        by_column = self._by_column
        entries = slice(by_column.indptr[j], by_column.indptr[j + 1])
        column = np.full(len(self), self.zeros[j])
        column[by_column.indices[entries]] = by_column.data[entries]
        return column

    @cached_property
    def _by_column(self) -> Any:
        return self.entries.tocsc()


FORMAT_VERSION = 1

_LARGEST = float(np.finfo(np.float32).max)
_LEAST_SPREAD = 1e-307
"""The smallest spread of a column's numbers; a smaller number has no inverse in float64."""

_BLOCK = 1 << 17
"""Maximum size of a temporary array."""

_TOGETHER = 16
"""Maximum number of columns that are written together; 16 float32 fill a line of the cache."""

_FEW = 256
"""Maximum number of rows of a table with texts that is encoded in a graph; the encoding of more is smaller."""

_STAYS_SPARSE = 1 << 26
"""Minimum bytes of the dense encoding of a sparse table that stays sparse.

The sparse encoding must also have less than half as many bytes.
"""


@dataclass(frozen=True)
class Encoded:
    """An encoded table, which is the network's input; see `TableEncoder` for its columns.

    Attributes:
        numeric: float32, (rows, inputs), C order: numbers with an embedding, other numbers, missing flags, then
            one-hot categories; all are scaled. For a large sparse table, a `SparseNumbers`.
        codes: int32, (rows, embedded columns), C order: 0 for missing and unknown, otherwise 1 … cardinality − 1.
    """

    numeric: Any
    codes: np.ndarray


@dataclass(frozen=True)
class Coded:
    """A table as the arguments of `TableEncoder.traced`, which encodes it in a graph.

    Attributes:
        numbers: (rows, numeric columns), NaN where missing: float32 if the columns' types fit it exactly, else float64.
        codes: int32, (rows, categorical columns).
    """

    numbers: np.ndarray
    codes: np.ndarray


@dataclass(eq=False, repr=False)
class TableEncoder:
    """An encoder of tables that fit a schema.

    * A number is scaled by the median and the interquartile range (or half the range if the interquartile range is 0),
      then clipped to x / √(1 + (x/3)²). A missing number becomes 0, like the median; a constant also becomes 0.
    * A column with missing numbers in training gets a flag, 1 for missing and 0 for present, scaled like a number.
    * Booleans and two categories become a column of −1 and 1, with 0 for missing and unknown. Up to `max_one_hot`
      categories become a column each, all 0 for missing and unknown. These columns are scaled like numbers.
    * More categories become integer codes for an embedding.

    Args:
        schema: the training table's schema by `infer`.
        max_one_hot: the maximum number of categories of a one-hot column; columns with more categories are embedded.
        missing_indicator: whether to add flags of missing numbers.
        robust_scale: whether to subtract the median and scale; if not, missing numbers still become the median.
        smooth_clip: whether to clip smoothly.
        unclipped: the names of columns that are not clipped, so that the order of their values is exact to the last
            bit, which monotone functions need.

    Attributes:
        numeric_names: the content of each column of `Encoded.numeric`: "age", "age missing", "color=red", …
        n_numbers: the number of leading columns of `Encoded.numeric` that are numbers with an embedding.
        code_names: the table column of each column of `Encoded.codes`.
        cardinalities: the number of codes, including 0, of each column of `Encoded.codes`.

    >>> import polars as pl
    >>> from lamina.table.kinds import infer
    >>> frame = pl.DataFrame({"age": [10, 20, 30, 40], "color": ["red", "blue", "red", None]})
    >>> encoder = TableEncoder(infer(frame), smooth_clip=False).fit(frame)
    >>> encoder.numeric_names, encoder.n_numbers
    (('age', 'color=red'), 1)
    >>> encoder.transform(frame).numeric
    array([[-1.        ,  0.4       ],
           [-0.33333334, -1.2       ],
           [ 0.33333334,  0.4       ],
           [ 1.        , -0.4       ]], dtype=float32)
    """

    schema: Schema
    _: KW_ONLY
    max_one_hot: int = 8
    missing_indicator: bool = True
    robust_scale: bool = True
    smooth_clip: bool = True
    unclipped: Sequence[str] = ()

    def __post_init__(self) -> None:
        schema, self.unclipped = self.schema, tuple(self.unclipped)
        categories, self._numbers = schema.nominals, [*schema.quantities]
        self._number_names = tuple(column.name for column in self._numbers)
        self._gaps = [column for column in self._numbers if column.missing and self.missing_indicator]
        self._one_hot = [column for column in categories if len(column.categories) <= self.max_one_hot]
        self._embedded = [column for column in categories if len(column.categories) > self.max_one_hot]
        names = [*self._number_names, *(f"{column.name} missing" for column in self._gaps)]
        names += [f"{column.name}={value}" for column in self._one_hot for value in _shown_values(column)]
        self.numeric_names = tuple(names)
        self.n_numbers = len(schema.embedded)
        clips = [self.smooth_clip and name not in self.unclipped for name in self._number_names]
        self._clips = np.array(clips, bool)
        self.code_names = tuple(column.name for column in self._embedded)
        self.cardinalities = tuple(len(column.categories) + 1 for column in self._embedded)
        # A value x becomes (x − center) · factor, a missing number first becomes fill.
        self._center = np.zeros(len(names))
        self._factor = np.ones(len(names))
        self._fill = np.zeros(len(self._numbers))
        self._fitted = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled encoder.

        Encoders of earlier versions, which clipped either all numbers or none, are converted.
        """
        clips = np.full(state["n_numbers"], state["smooth_clip"])
        vars(self).update({"unclipped": (), "_clips": clips} | state)
        self._number_names = tuple(column.name for column in self._numbers)

    @property
    def positions(self) -> dict[str, tuple[list[int], list[int]]]:
        """The positions of each table column in `Encoded.numeric` and in `Encoded.codes`, by the column's name."""
        names = [column.name for column in (*self._numbers, *self._gaps)]
        names += [column.name for column in self._one_hot for _ in _shown_values(column)]
        owners = self.schema.owners
        found: dict[str, tuple[list[int], list[int]]] = {column.name: ([], []) for column in self.schema.used}
        for position, name in enumerate(names):
            found[owners[name]][0].append(position)
        for position, name in enumerate(self.code_names):
            found[owners[name]][1].append(position)
        return found

    @timed("encoding")
    def fit(
        self, data: Any, rows: np.ndarray | None = None, given: Mapping[str, np.ndarray] | None = None
    ) -> TableEncoder:
        """Learn medians and scales from a training table; return the encoder itself.

        Args:
            data: the table.
            rows: the positions of the rows to learn from, e.g. the rows not held out; None: all.
            given: the values of some inputs by name, float64 (rows,), which replace the values computed from the
                table.

        Raises:
            DataError: the table does not fit the schema, or has no rows.
        """
        return self._fit(check(self.schema, data).with_columns(given or {}), rows)

    def _fit(self, table: Table, rows: np.ndarray | None) -> TableEncoder:
        if not (table.rows if rows is None else len(rows)):
            raise DataError("there are no rows (0 samples) to learn the scaling from; at least 1 is needed")
        with unknown_values(self.schema.owners) as found:
            statistics = self._statistics(table, rows)
        warn_of_unknown([one for one in found if not one.wanted])  # others were told as the types were found
        return self._with(*statistics)

    @timed("encoding")
    def fit_transform(
        self, data: Any, rows: np.ndarray | None = None, given: Mapping[str, np.ndarray] | None = None
    ) -> Encoded:
        """The result of `fit` and `transform` of the same table, whose dates and texts are parsed once."""
        table = check(self.schema, data).with_columns(given or {})
        return self._fit(table, rows)._transformed(table)

    def fit_counted(self, sample: Any, given: Mapping[str, np.ndarray] | None = None) -> TableEncoder:
        """Learn medians and scales of a table too large for memory; return the encoder itself.

        Args:
            sample: random rows, from which quartiles are estimated; minima, maxima and frequencies come from the
                schema.
            given: see `fit`.
        """
        table = check(self.schema, sample).with_columns(given or {})
        found = [
            _scale.quartiles(table.column(one.name).numbers(), one.low, one.high) for one in self._numbers
        ]
        summaries = np.array(found, np.float64).reshape(-1, 5).T
        centers, factors = _scale.center_and_factor(summaries)
        pairs = list(zip(centers.tolist(), factors.tolist(), strict=True))
        pairs += [_flag_statistics(self.schema.rows, column.missing) for column in self._gaps]
        for column in self._one_hot:
            pairs += _one_hot_statistics([column.missing, *column.counts])
        return self._with(*np.array(pairs, np.float64).reshape(-1, 2).T.copy())

    def _with(self, centers: np.ndarray, factors: np.ndarray) -> TableEncoder:
        """Set these medians and scales; return the encoder itself, which is now fitted."""
        self._warn_of_spreads(factors)
        self._fill = centers[: len(self._numbers)].copy()
        if self.robust_scale:
            self._center, self._factor = centers, factors
        for name in ("_rows", "flags", "_flags_of", "codebooks"):
            vars(self).pop(name, None)  # they were computed from others
        self._fitted = True
        return self

    def _warn_of_spreads(self, factors: np.ndarray) -> None:
        """Warn about columns whose values differ by so little that the scale factor overflows float64."""
        if not self.robust_scale:
            return
        for column, factor in zip(self._numbers, factors, strict=False):
            low, high = column.low or 0.0, column.high or 0.0
            if factor == 0 and low < high and high - low < _LEAST_SPREAD:
                warn(
                    f"column {column.name!r}: its values, {low:g} to {high:g}, are too close together to be scaled "
                    "in float64, so the column counts as constant; multiply the column by a power of ten first",
                    subjects=[f"spread of {column.name!r}"],
                )

    def _statistics(self, table: Table, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The median and the scale factor of each encoded column, computed from `rows`."""
        counted = slice(None) if rows is None else rows
        centers, factors = self._center.copy(), self._factor.copy()
        for columns, values in self._blocks(table):
            centers[columns], factors[columns] = _scale.matrix_statistics(values, rows)
        j = len(self._numbers)
        for columns, values in table.numbers([column.name for column in self._gaps]):
            for i, missing in zip(columns, np.isnan(values[counted]).T, strict=True):
                centers[j + i], factors[j + i] = _flag_statistics(len(missing), int(missing.sum()))
        pairs: list[tuple[float, float]] = []
        for column in self._one_hot:
            codes = category_codes(column, table.column(column.name))[counted]
            pairs += _one_hot_statistics(np.bincount(codes, minlength=len(column.categories) + 1).tolist())
        j += len(self._gaps)
        centers[j:], factors[j:] = np.array(pairs, np.float64).reshape(-1, 2).T
        return centers, factors

    @timed("encoding")
    def transform(self, data: Any, given: Mapping[str, np.ndarray] | None = None) -> Encoded:
        """Encode a table.

        Only a few MiB of memory are needed besides the result. A large sparse table stays sparse. Categories unseen in
        training count as missing, with one warning for all columns. Without scaling and clipping, a float32 array in C
        order is its own encoding and is not copied.

        Args:
            data: the table.
            given: see `fit`.

        Raises:
            DataError: the encoder is not fitted, the table does not fit the schema (see `check`), or a number is
                infinite.
        """
        if not self._fitted:
            raise DataError("this TableEncoder is not fitted yet; call fit with the training table first")
        return self._transformed(check(self.schema, data).with_columns(given or {}))

    def _transformed(self, table: Table) -> Encoded:
        of_numbers = table.matrix is not None  # and has no unknown values
        with nullcontext(()) if of_numbers else unknown_values(self.schema.owners) as found:
            encoded = self._encoded(table, _codes_in(table))
        warn_of_unknown(found)
        return encoded

    @timed("encoding")
    def coded(self, data: Any) -> Coded | Encoded:
        """The arguments of `traced` for a table, if its graph has the bits of `transform`; else the table's encoding.

        Raises:
            DataError: see `transform`.
        """
        if type(data) is np.ndarray and self._is_plain(data):
            return self._without_infinity(data, _no_codes(len(data)))
        if not self._is_traceable:
            return self.transform(data)
        if (row := self._coded_row(data)) is not None:
            return row
        table = check(self.schema, data)
        with unknown_values(self.schema.owners) as found:
            numbers = self._work_numbers(table)
            if numbers is None:
                rows = self._encoded(table, _codes_in(table))
            else:
                codes = [*map(_codes_in(table), self.schema.nominals)]
                each = np.stack(codes, axis=1) if codes else _no_codes(table.rows)
                rows = self._without_infinity(numbers, each)
        warn_of_unknown(found)
        return rows

    def _coded_row(self, data: object) -> Coded | None:
        """The `coded` row of a frame that has only one, without conversions and warnings; None if it needs some."""
        names, at, lookups = self._places
        cells = cells_of_row(data, names, at) if names else None
        if cells is None:
            return None
        codes = [code_of_cell(lookup, cells[i]) for i, lookup in lookups.items()]
        numbers = np.array([[cells[i] for i in at]], np.float64)
        if None in codes or np.isinf(numbers).any():
            return None
        return Coded(numbers, np.array([codes], np.int32))

    @cached_property
    def _places(self) -> tuple[list[str], list[int], dict[int, dict[str, int]]]:
        """The names of a table's columns, the positions of numbers, and the codes of categories by position.

        They are empty for a table without names, and if one of its columns is not itself an input.
        """
        schema = self.schema
        are_own = {*map(id, schema.nominals)} <= {*map(id, schema.columns)}
        if not (schema.named and are_own and len(schema.plain) == len(schema.quantities)):
            return [], [], {}
        at = [schema.positions[name] for name in self._number_names]
        lookups = {schema.positions[one.name]: one.type.spellings(one.categories) for one in schema.nominals}
        return [column.name for column in schema.columns], at, lookups

    def checked_codes(self, numbers: np.ndarray, codes: np.ndarray) -> Coded | Encoded:
        """The same as `coded` for the arguments of `transform_coded`."""
        encode = self._without_infinity if self._is_traceable else self.transform_coded
        return encode(numbers, codes)

    @property
    def _is_traceable(self) -> bool:
        """Whether a graph has the bits of `transform`, with finite numbers; without clipping, some exceed float32."""
        return self._fitted and self._clipped is True

    def _is_plain(self, data: np.ndarray) -> bool:
        """Whether an array is itself the numbers of `Coded`."""
        is_table = data.ndim == 2 and data.shape[1] == len(self._numbers) and len(data) > 0
        is_number = data.dtype.char in "fd" and data.dtype.isnative
        return is_table and is_number and self.schema.is_matrix and self._is_traceable

    def _work_numbers(self, table: Table) -> np.ndarray | None:
        """The numbers of `Coded` for a matrix or few rows; None if columns are scaled in different types."""
        if table.matrix is not None:
            is_dense = isinstance(table.matrix, np.ndarray)
            return table.matrix.astype(_work(table.matrix.dtype), copy=False) if is_dense else None
        if table.rows > _FEW:
            return None
        blocks = [*table.numbers(self._number_names)]
        types = {_work(block.dtype) for _, block in blocks} or {np.float64}
        if len(types) > 1:
            return None
        numbers = np.empty((table.rows, len(self._numbers)), types.pop())
        for columns, block in blocks:
            numbers[:, columns] = block
        return numbers

    def _without_infinity(self, numbers: np.ndarray, codes: np.ndarray) -> Coded:
        if np.isinf(numbers).any():
            self._require_no_infinity(numbers, partial(self._place, 0, slice(None), numbers.shape[1]))
        return Coded(numbers, codes)

    @timed("encoding")
    def transform_coded(self, numbers: np.ndarray, codes: np.ndarray) -> Encoded:
        """Encode rows of numbers and category codes.

        Args:
            numbers: (rows, numeric columns), float64; NaN where missing.
            codes: (rows, categorical columns), int32: 0 for missing, otherwise 1 + the category's index.

        Raises:
            DataError: a number is infinite.
        """
        names, matrix = self._number_names, numbers if numbers.size else None
        columns = [ArrayColumn(name, numbers[:, j]) for j, name in enumerate(names)]
        table = Table(names, len(numbers), columns.__getitem__, named=True, matrix=matrix)
        by_name = {column.name: codes[:, j] for j, column in enumerate(self.schema.nominals)}
        return self._encoded(table, lambda column: by_name[column.name])

    def _encoded(self, table: Table, codes_of: Callable[[ColumnSchema[Any]], np.ndarray]) -> Encoded:
        if self._is_encoded(table.matrix):
            return Encoded(table.matrix, np.empty((table.rows, 0), np.int32))
        if self._stays_sparse(table.matrix):
            return Encoded(self._sparse_numbers(table.matrix), np.empty((table.rows, 0), np.int32))
        numeric = np.empty((table.rows, len(self.numeric_names)), np.float32)
        codes = np.empty((table.rows, len(self._embedded)), np.int32)
        self._write_numbers(table, numeric)
        self._write_one_hot(codes_of, numeric)
        for j, column in enumerate(self._embedded):
            codes[:, j] = codes_of(column)
        return Encoded(numeric, codes)

    def _is_encoded(self, matrix: Any) -> bool:
        """Whether a table equals its encoding.

        If so, the table is not copied.
        """
        if self.robust_scale or self.smooth_clip or self._gaps or not isinstance(matrix, np.ndarray):
            return False
        if matrix.dtype != np.float32 or not matrix.flags.c_contiguous or not matrix.size:
            return False
        return bool(np.isfinite(matrix.min()) and np.isfinite(matrix.max()))

    def _stays_sparse(self, matrix: Any) -> bool:
        if matrix is None or isinstance(matrix, np.ndarray) or self._gaps:
            return False
        size = 4 * matrix.shape[0] * matrix.shape[1]
        return size >= _STAYS_SPARSE and 2 * 8 * matrix.nnz < size  # an entry takes 8 bytes: number, column

    def _sparse_numbers(self, matrix: Any) -> SparseNumbers:
        """The encoding of a sparse matrix, bit-identical to `_scale`'s."""
        entries = matrix.tocsr()
        if not entries.has_canonical_format:
            entries = entries.copy()
            entries.sum_duplicates()
        scale = self._scaler(entries.dtype)
        values = np.empty(entries.nnz, np.float32)

        def place(start: int, i: int) -> tuple[int, int]:
            entry = start + i
            return int(np.searchsorted(entries.indptr, entry, side="right")) - 1, int(entries.indices[entry])

        for start in range(0, len(values), _BLOCK):
            part = slice(start, start + _BLOCK)
            values[part] = scale(entries.data[None, part], entries.indices[part], partial(place, start))
        width = entries.shape[1]
        zeros = scale(np.zeros((1, width), entries.dtype), np.arange(width), partial(place, 0))[0]
        encoded = type(entries)((values, entries.indices, entries.indptr), shape=entries.shape)
        return SparseNumbers(zeros.astype(np.float32), encoded)

    def _blocks(self, table: Table) -> Iterable[tuple[list[int] | slice, Any]]:
        """The numeric columns' positions and values, arrays or a sparse matrix (rows, columns)."""
        if table.matrix is None:
            return table.numbers(self._number_names)
        return [(slice(0, len(self._numbers)), table.matrix)]

    def _write_numbers(self, table: Table, numeric: np.ndarray) -> None:
        """Write numbers, scaled and clipped in chunks of rows, and the flags of missing numbers."""
        for columns, blocks in _side_by_side(self._blocks(table)):
            blocks = [values if isinstance(values, np.ndarray) else values.tocsr() for values in blocks]
            scale, width = self._scaler(blocks[0].dtype), sum(values.shape[1] for values in blocks)
            rows = max(1, _BLOCK // max(1, width))
            for start in range(0, table.rows, rows):
                parts = [dense(values[start : start + rows]) for values in blocks]
                part = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
                out = numeric[start : start + rows]
                out[:, columns] = scale(part, columns, partial(self._place, start, columns, width))
                if self._gaps:
                    self._write_flags(part, columns, out)

    def _place(self, start: int, columns: list[int] | slice, width: int, i: int) -> tuple[int, int]:
        """The row and the column of the i-th number of `width` numeric columns, from row `start` on."""
        return start + i // width, np.arange(len(self._numbers))[columns][i % width]

    def _write_flags(self, values: np.ndarray, columns: list[int] | slice, out: np.ndarray) -> None:
        """Write the flags of missing numbers of some numeric columns, whose values are given."""
        flag_of, both = self._flags_of
        flags = flag_of[columns]
        gaps = np.flatnonzero(flags)
        if len(gaps):
            out[:, flags[gaps]] = np.where(np.isnan(values[:, gaps]), *both[:, columns][:, gaps])

    def _scaler(self, dtype: np.dtype[Any]) -> Callable[..., np.ndarray]:
        """A function that scales and clips numbers.

        The function's arguments are the numbers, their columns, and a function that returns the row and column of the
        i-th number.
        """
        work = _work(dtype)
        rows, clips = self._rows[work], self._clipped

        def scale(part: np.ndarray, columns: Any, place: Callable[[int], tuple[int, int]]) -> np.ndarray:
            missing = None
            if part.dtype.kind == "f" and not np.isfinite(part).all():
                self._require_no_infinity(part, place)
                missing = np.isnan(part)
            of_part = (row[:, columns] for row in rows)
            clipped = clips if isinstance(clips, bool) else clips[columns]
            with np.errstate(over="ignore", invalid="ignore"):
                found = _scale.scaled(part.astype(work, copy=False), of_part, clipped, missing)
            if clips is not True:
                self._require_float32(found, part, place)
            return found

        return scale

    @cached_property
    def _rows(self) -> Once[Any, list[np.ndarray]]:
        """The arrays `center`, `factor` and `fill` of `scaled`, (1, columns), by their dtype."""
        return Once(self._rows_in)

    def _rows_in(self, work: Any) -> list[np.ndarray]:
        count = len(self._numbers)
        center, factor = self._center[:count], self._factor[:count]
        finite = np.minimum(factor, np.finfo(work).max)  # since 0 · ∞ would be NaN
        return [row.astype(work)[None] for row in (center, finite, (self._fill - center) * factor)]

    @cached_property
    def _clipped(self) -> np.ndarray | bool:
        """The argument `clips` of `scaled`."""
        some = self._clips
        return some if some.any() and not some.all() else bool(some.all())

    def traced(self, numbers: NDArray, codes: NDArray) -> tuple[NDArray, NDArray | None]:
        """The encoding of the arrays of `Coded` in a graph, as the arrays of `Encoded`.

        If no column is embedded, the codes are None.

        Args:
            numbers: (rows, numeric columns), NaN where missing: float64, or float32 if all columns are float32.
            codes: (rows, categorical columns), int32.
        """
        parts: list[NDArray] = []
        missing = numbers != numbers  # noqa: PLR0124 - NaN is not equal to itself
        if self._numbers:
            rows = (nd.array(row, dtype=row.dtype) for row in self._rows[numbers.dtype])
            parts.append(_scale.scaled(numbers, rows, self._clipped, missing).astype(np.float32))
        if self._gaps:
            at = [self._numbers.index(column) for column in self._gaps]
            gone = missing if len(at) == len(self._numbers) else nd.take(missing, nd.array(at), axis=1)
            flags = np.array([*self.flags.values()], np.float32).T
            parts.append(nd.where(gone, *(nd.broadcast_to(nd.array(row[None]), gone.shape) for row in flags)))
        places = {column.name: j for j, column in enumerate(self.schema.nominals)}
        for name, book in self.codebooks.items():
            parts.append(nd.take(nd.array(book), codes[:, places[name]]))
        if not parts:  # all columns are embedded: the network has no other inputs
            parts.append(numbers.astype(np.float32))
        numeric = parts[0] if len(parts) == 1 else nd.concat(*parts, dim=1)
        at = [places[name] for name in self.code_names]
        chosen = [nd.slice_axis(codes, axis=1, begin=j, end=j + 1) for j in at]
        return numeric, nd.concat(*chosen, dim=1) if len(chosen) > 1 else next(iter(chosen), None)

    def _require_no_infinity(self, part: np.ndarray, place: Callable[[int], tuple[int, int]]) -> None:
        infinite = np.isinf(part).ravel()
        if infinite.any():
            i = int(np.argmax(infinite))
            where, j = place(i)
            raise infinite_error(self._numbers[j].name, part.ravel()[i], row(where))

    def _require_float32(
        self, scaled: np.ndarray, part: np.ndarray, place: Callable[[int], tuple[int, int]]
    ) -> None:
        """Raise an error if a finite number becomes infinite in float32."""
        if not scaled.size or (scaled.min() >= -_LARGEST and scaled.max() <= _LARGEST):
            return
        i = int(np.argmax(~(np.abs(scaled.ravel()) <= _LARGEST)))
        where, j = place(i)
        raise DataError(
            f"column {self._numbers[j].name!r} has the value {part.ravel()[i]} in {row(where)}, which is beyond the "
            f"range of float32 (±{_LARGEST:.3g}) that the network computes in; scale the column or correct the value"
        )

    @cached_property
    def flags(self) -> dict[str, tuple[float, float]]:
        """The encoded values, (missing, present), of the flag for missing numbers, by column."""
        found: dict[str, tuple[float, float]] = {}
        for j, column in enumerate(self._gaps, start=len(self._numbers)):
            absent, present = self._encoded_values(j, np.array([[1.0], [0.0]])).ravel().tolist()
            found[column.name] = absent, present
        return found

    @cached_property
    def _flags_of(self) -> tuple[np.ndarray, np.ndarray]:
        """The position of each number's flag, 0 without one, and the flags' two values, (2, numbers)."""
        at, values = np.zeros(len(self._numbers), np.intp), np.zeros((2, len(self._numbers)), np.float32)
        positions = {name: j for j, name in enumerate(self._number_names)}
        for flag, (name, both) in enumerate(self.flags.items(), start=len(self._numbers)):
            at[positions[name]], values[:, positions[name]] = flag, both
        return at, values

    @cached_property
    def codebooks(self) -> dict[str, np.ndarray]:
        """The encodings of all codes of each one-hot column, by column: float32, (categories + 1, encoded columns)."""
        books: dict[str, np.ndarray] = {}
        j = len(self._numbers) + len(self._gaps)
        for column in self._one_hot:
            patterns = _patterns(len(column.categories))
            books[column.name] = self._encoded_values(j, patterns)
            j += patterns.shape[1]
        return books

    def _write_one_hot(self, codes_of: Callable[[ColumnSchema], np.ndarray], numeric: np.ndarray) -> None:
        j = len(self._numbers) + len(self._gaps)
        for column, encoded in zip(self._one_hot, self.codebooks.values(), strict=True):
            width = encoded.shape[1]
            codes, rows = codes_of(column), _BLOCK // width
            for start in range(0, len(numeric), rows):
                numeric[start : start + rows, j : j + width] = encoded[codes[start : start + rows]]
            j += width

    def _encoded_values(self, first: int, values: np.ndarray) -> np.ndarray:
        """The encoding of `values` (n, columns) for the encoded columns from index `first` on."""
        columns = slice(first, first + values.shape[1])
        encoded = (values - self._center[columns]) * self._factor[columns]
        if self.smooth_clip:
            _scale.smooth_clip(encoded)
        return encoded.astype(np.float32)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The encoder's whole state: a dictionary for JSON, and arrays by name.

        The arrays are float64; composite columns may have arrays of any dtype.
        """
        names = [one.name for one in fields(self) if one.name != "unclipped" or self.unclipped]
        settings = {"version": FORMAT_VERSION} | {name: getattr(self, name) for name in names}
        settings |= {"schema": self.schema.to_dict()}
        scales = {"center": self._center, "factor": self._factor, "fill": self._fill}
        return settings, scales | self.schema.arrays()

    @classmethod
    def from_state(cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableEncoder:
        """The fitted encoder with this state, which `state` returned.

        Raises:
            DataError: the state is of another version or inconsistent.
        """
        if settings.get("version") != FORMAT_VERSION:
            version = settings.get("version")
            raise DataError(
                f"the table encoder has version {version!r}, but this lamina reads {FORMAT_VERSION}; update lamina "
                "if the version is newer"
            )
        try:
            options = {key: value for key, value in settings.items() if key not in ("version", "schema")}
            encoder = cls(Schema.from_dict(settings["schema"]).with_arrays(arrays), **options)
            for name in ("center", "factor", "fill"):
                own = getattr(encoder, f"_{name}")
                if arrays[name].shape != own.shape:
                    raise ValueError(f"{name} has the shape {arrays[name].shape}, not {own.shape}")
                own[:] = arrays[name]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"not the state of a table encoder: {excerpt(error)}") from error
        encoder._fitted = True
        return encoder


def _work(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """The type in which numbers are scaled: float32 if it has them exactly.

    A time in seconds needs float64 until its median is subtracted.
    """
    return np.float32 if np.can_cast(dtype, np.float32) else np.float64


def _codes_in(table: Table) -> Callable[[ColumnSchema[Any]], np.ndarray]:
    """A function that returns the codes of a categorical column."""
    return lambda column: category_codes(column, table.column(column.name))


def _no_codes(rows: int) -> np.ndarray:
    return np.empty((rows, 0), np.int32)


def _side_by_side(
    blocks: Iterable[tuple[list[int] | slice, Any]],
) -> Iterator[tuple[list[int] | slice, list[Any]]]:
    """The columns' positions and values, with up to `_TOGETHER` neighbours of one dtype together.

    Written one by one, they would touch each row of the result as often.
    """
    together: list[int] = []
    found: list[Any] = []
    for columns, values in blocks:
        place = -1 if isinstance(columns, slice) or len(columns) > 1 else columns[0]
        fits = found and place == together[-1] + 1 and values.dtype == found[0].dtype
        if found and not (fits and len(found) < _TOGETHER):
            yield slice(together[0], together[-1] + 1), found
            together, found = [], []
        if place < 0:
            yield columns, [values]
        else:
            together, found = [*together, place], [*found, values]
    if found:
        yield slice(together[0], together[-1] + 1), found


def _shown_values(column: ColumnSchema) -> tuple[str, ...]:
    """The categories that have a one-hot column.

    If there are only two categories, just the second has a column, in which the first is encoded as −1.
    """
    return column.categories[1:] if len(column.categories) == 2 else column.categories


def _patterns(categories: int) -> np.ndarray:
    """The one-hot values, (categories + 1, columns): a row for missing or unknown, then a row for each category."""
    if categories == 2:
        return np.array([[0.0], [-1.0], [1.0]])
    return np.vstack([np.zeros(categories), np.eye(categories)])


def _flag_statistics(rows: int, ones: int) -> tuple[float, float]:
    """The median and scale factor of a column with this number of ones, and zeros in the other rows."""
    return _scale.count_statistics(np.array([0, 1]), np.array([rows - ones, ones]))


def _one_hot_statistics(counts: Sequence[int]) -> list[tuple[float, float]]:
    """The median and scale factor of each one-hot column.

    `counts` has the number of rows without a known category, and then the number of rows of each category.
    """
    unknown, *rows = counts
    if len(rows) == 2:
        return [_scale.count_statistics(np.array([-1, 0, 1]), np.array([rows[0], unknown, rows[1]]))]
    return [_flag_statistics(sum(counts), ones) for ones in rows]
