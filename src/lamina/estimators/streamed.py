"""Training and prediction on tables that are read block by block."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from sklearn.utils.validation import validate_data

from lamina import nd
from lamina.compiler.deferral import eager
from lamina.errors import DataError
from lamina.estimators import presets
from lamina.estimators.data import Data
from lamina.estimators.monotone_columns import constrained_columns
from lamina.estimators.targets import Classes, Numbers, positive_class
from lamina.nd.ndarray import NDArray
from lamina.support.files.staging import scratch
from lamina.table.columns import as_column, named
from lamina.table.encode import TableEncoder
from lamina.table.marks import as_mark
from lamina.table.messages import listed, rows_from
from lamina.table.read import import_polars
from lamina.table.stream.cache import EncodedRows, RowCache
from lamina.table.stream.keys import MarkKeys
from lamina.table.stream.sources import Blocks, blocks_of, with_target
from lamina.table.stream.survey import (
    Division,
    KeyedBlocks,
    Rows,
    Survey,
    encode_rows,
    fitted_encoder,
    look_over,
)
from lamina.table.target import target_values

if TYPE_CHECKING:
    from lamina.estimators._learned import Learned
    from lamina.estimators.base import BaseMLP
    from lamina.estimators.network import Ensemble


class StreamedBatches:
    """Training batches from the rows of a `RowCache` or a similar object.

    Each epoch reads the cache's groups of rows in a new random order. A window of several groups is in memory at a
    time, and each member takes the window's rows in a separate random order; rows that don't fill a batch join the
    next window. The order depends only on the cache and the generator, not on available memory or disk speed.

    Args:
        cache: the rows.
        members: the number of jointly trained members.
    """

    def __init__(self, cache: EncodedRows, members: int) -> None:
        self.rows = cache.rows
        self._cache, self._members = cache, members
        self._window = cache.layout.window // cache.layout.group  # in groups
        self._buffers: list[_Buffer] = []

    def fingerprints(self) -> list[str]:
        """The digest of the cache."""
        return [self._cache.digest]

    def epoch(
        self, rng: np.random.Generator, batch: int, drop_last: bool
    ) -> Iterator[tuple[np.ndarray, Sequence[NDArray]]]:
        order = rng.permutation(self._cache.groups)
        windows = [order[i : i + self._window] for i in range(0, len(order), self._window)]
        buffers = self._ready_buffers(batch, len(windows))
        left = [np.empty(0, np.int32)] * self._members  # the previous window's rows that filled no batch
        is_first = True
        with ThreadPoolExecutor(1, "lamina-read") as reader:
            ahead = self._read(reader, buffers[0], windows[0])
            for i, window in enumerate(windows):
                buffer, before = buffers[i % 2], buffers[(i + 1) % 2]
                rows = ahead.result()
                own = [np.arange(rows, dtype=np.int32) for _ in left]
                for j, some in enumerate(left):
                    own[j] = np.concatenate([buffer.take(before, some, j), own[j]])
                    rng.shuffle(own[j])
                if i + 1 < len(windows):
                    ahead = self._read(reader, before, windows[i + 1])
                whole = len(own[0]) // batch * batch
                if whole:
                    is_first = False
                    yield np.concatenate([x[:whole].reshape(-1, batch) for x in own], axis=1), buffer.arrays
                left = [x[whole:] for x in own]
                if len(window) and i + 1 == len(windows) and len(left[0]) and (is_first or not drop_last):
                    yield np.concatenate(left).reshape(1, -1), buffer.arrays

    def _read(self, reader: ThreadPoolExecutor, buffer: _Buffer, window: np.ndarray) -> Future[int]:
        return reader.submit(self._cache.read, window.tolist(), buffer.content)

    def _ready_buffers(self, batch: int, windows: int) -> list[_Buffer]:
        """The buffers for two windows.

        If a window has all rows, both are the same buffer.
        """
        if not self._buffers:
            rows = min(self._cache.layout.window, self.rows)
            count = min(windows, 2)
            self._buffers = [_Buffer(self._cache, rows, batch, self._members) for _ in range(count)]
        return [self._buffers[0], self._buffers[-1]]


class _Buffer:
    """Memory for the rows of a window, and for the rows that the previous window leaves over.

    Each member has separate leftover rows, which follow the window's rows.
    """

    def __init__(self, cache: EncodedRows, rows: int, batch: int, members: int) -> None:
        self._rows, self._batch = rows, batch
        self.content = cache.layout.arrays(rows + batch * members)
        self.arrays = [nd.from_numpy(x) for x in self.content if x.shape[-1]]

    def take(self, other: _Buffer, rows: np.ndarray, member: int) -> np.ndarray:
        """Copy a member's leftover rows from another buffer; return their positions in this buffer, int32."""
        begin = self._rows + member * self._batch
        for own, source in zip(self.content, other.content, strict=True):
            own[begin : begin + len(rows)] = source[rows]
        return np.arange(begin, begin + len(rows), dtype=np.int32)


class LookedOver(Protocol):
    """A table, wherever it is stored, with its statistics and its division into training and held-out rows.

    Attributes:
        survey, division: the table's statistics, and the division of its rows.
        is_apart: whether the target is separate, rather than a column of the table.
    """

    survey: Survey
    division: Division
    is_apart: bool

    def encoded(self, encoder: TableEncoder, encode_target: Callable[[Any], np.ndarray]) -> EncodedRows:
        """The encoded training rows.

        `encode_target` converts the target column to float32, as in `encode_rows`.
        """
        ...


@dataclass
class Streamed:
    """A table that is read in blocks; see `LookedOver`.

    Attributes:
        blocks: the table's blocks of rows.
        folder: the folder for the cache of encoded rows.
    """

    blocks: Blocks
    survey: Survey
    division: Division
    folder: Path
    is_apart: bool = False

    def encoded(self, encoder: TableEncoder, encode_target: Callable[[Any], np.ndarray]) -> RowCache:
        return encode_rows(self.blocks, self.survey, self.division, encoder, encode_target, self.folder)


def fit_source(
    estimator: BaseMLP, source: Any, y: Any, eval_set: Any, groups: str | None = None, time: str | None = None
) -> Any:
    """Fit an estimator to a source of blocks of rows (see `is_source`).

    `y` is the name of the target column, or an array of each row's target. `groups` and `time` are column names, or
    None; the group column is a predictor only if `column_kinds` names it. Encoded rows are cached in the folder for
    temporary files (`TMPDIR`) until the training ends.
    """
    settings = estimator._resolved()
    seed = estimator._drawn_seed(settings)
    blocks, target = blocks_of(source), y
    if not isinstance(y, str):
        blocks, target = with_target(blocks, y)
    task = estimator._task
    marks: dict[Any, str | None] = {"groups": groups, "time": time}
    kinds = kinds_beside(marks, estimator.column_kinds, [*blocks.types], "a streamed table")
    survey = look_over(blocks, target, task=task, kinds=kinds, dates=estimator.date_format, seed=seed)
    share = settings.validation_fraction if settings.early_stopping and eval_set is None else 0.0
    keys = mark_keys(survey, marks)
    keyed = None if keys is None else KeyedBlocks(keys, blocks)
    division = (
        survey.divided(share) if keyed is None else survey.divided_by(keyed, share, gap=estimator.time_gap)
    )
    with scratch("lamina-rows-") as folder:
        table = Streamed(blocks, survey, division, folder, not isinstance(y, str))
        return fit_streamed(estimator, table, eval_set)


def kinds_beside(
    marks: Mapping[str, Any], kinds: Mapping[Any, Any] | None, columns: list[str], what: str
) -> dict[str, Any]:
    """The kinds of columns by name, with "drop" for the group column unless `kinds` names it.

    `marks` has the names of the columns for "groups" and "time"; error messages call the table `what`.

    Raises:
        ValueError: `groups` or `time` is not a column, or both are given.
    """
    for mark, name in marks.items():
        if name is not None and (not isinstance(name, str) or name not in columns):
            raise ValueError(f"{mark} of {what} must be the name of a column, one of {listed(columns)}")
    if all(marks.values()):
        raise ValueError("groups and time together are for tables in memory; leave one of them out")
    groups = marks["groups"]
    named = {columns[key] if isinstance(key, int) else str(key): kind for key, kind in (kinds or {}).items()}
    return ({} if groups is None else {groups: "drop"}) | named


def mark_keys(survey: Survey, marks: Mapping[Any, str | None]) -> MarkKeys | None:
    """The row keys from the "groups" or "time" column, which determine the held-out rows.

    None means that held-out rows are random.
    """
    for mark, name in marks.items():
        if name is not None:
            known = next(column for column in survey.schema.columns if column.name == name)
            if mark == "time" and not known.used and known.type_name == "String":
                raise DataError(
                    f"{as_mark('time', name)}: the format of its texts is detected only if the column is an input; "
                    f"do not leave {name!r} out, or give its times another type"
                )
            return MarkKeys(mark, known, survey.seed)
    return None


def _note_columns(estimator: BaseMLP, survey: Survey) -> None:
    """Set scikit-learn's attributes `n_features_in_` and `feature_names_in_`."""
    types = {name: kind for name, kind in survey.statistics.types.items() if name != survey.statistics.target}
    X: Any = import_polars().DataFrame(schema=types) if survey.schema.named else np.empty((0, len(types)))
    validate_data(estimator, X, skip_check_array=True, reset=True)  # pyright: ignore[reportArgumentType]


def fit_streamed(estimator: BaseMLP, table: LookedOver, eval_set: Any = None) -> Any:
    """Fit an estimator to a table whose statistics and division are known.

    Args:
        estimator: the estimator to train.
        table: the table, with its held-out validation rows.
        eval_set: a pair (X, y) to validate on, instead of the held-out rows.

    Raises:
        DataError: the table has changed since its statistics were computed, or the data are invalid as in `fit`.
    """
    _require_plain(estimator)
    _note_columns(estimator, table.survey)
    settings = estimator._resolved()
    rng = np.random.default_rng(estimator._drawn_seed(settings))
    division, schema = table.division, table.survey.schema
    preprocess = settings.preprocess
    known = replace(schema, target=None) if table.is_apart else schema
    inputs = division.sample.frame.drop(named(str(table.survey.statistics.target)))
    unclipped = [*constrained_columns(settings.monotone, known)]
    encoder = fitted_encoder(
        known, inputs, robust_scale=preprocess, smooth_clip=preprocess, unclipped=unclipped
    )
    target = _target_of(estimator, table.survey)
    rows = division.training + len(division.validation)  # all rows, as for a table in memory
    members = settings.members or presets.enough_members(estimator.preset, rows, len(schema.columns))

    def encoded(column: Any) -> np.ndarray:
        values = target_values(_known(schema.target), column)
        if isinstance(target, Numbers):
            return target.encode(values)
        if len(values) and values.min() < 0:
            raise DataError(
                f"the target {column.name!r} has classes that the first pass did not find, so the table has "
                "changed; fit again"
            )
        return values.astype(np.float32)

    cache = table.encoded(encoder, encoded)
    sample = _data(division.sample, table.survey, encoder, encoded)
    if eval_set is not None:
        held_out = [estimator._evaluation_data(eval_set, encoder, target)]
    else:
        held_out = (
            [_data(division.validation, table.survey, encoder, encoded)] if len(division.validation) else []
        )
    estimator._require_held_out(held_out)
    settings = estimator._settled(settings, rows, encoder.n_numbers, cache.rows)
    with eager():  # so that the bits don't depend on what was computed before
        estimator._begin(encoder, target, [sample] * members, settings, rng, complete=False)
        estimator._train(StreamedBatches(cache, members), held_out, settings, rng)
    gc.collect()  # the training refers to itself, and has the windows' memory
    return estimator


def _require_plain(estimator: BaseMLP) -> None:
    """Raise an error if a setting needs all rows in memory."""
    for name in ("warm_start", "class_weight"):
        if getattr(estimator, name, None):
            raise ValueError(
                f"{name} is for tables in memory, not for streamed tables; leave {name} out, or load the table into "
                "memory"
            )


def _known(target: Any) -> Any:
    assert target is not None
    return target


def _target_of(estimator: BaseMLP, survey: Survey) -> Classes | Numbers:
    """The target's classes, or a regression target's scale, from the statistics of all rows."""
    target = _known(survey.schema.target)
    if target.task == "classification":
        classes = np.array(target.classes)
        classifier: Any = estimator
        return classifier._deciding(
            Classes(classes, positive=positive_class(classes, target.counts)), classes
        )
    moments = survey.statistics.moments()
    logarithmic = getattr(estimator, "loss", None) == "poisson"
    numbers = Numbers.of_moments(
        moments.low, moments.high, moments.mean, moments.deviation, logarithmic=logarithmic
    )
    regressor: Any = estimator
    return regressor._in_levels(numbers)


def _data(rows: Rows, survey: Survey, encoder: TableEncoder, encoded: Any) -> Data:
    name = str(survey.statistics.target)
    numbers = encoder.transform(rows.frame.drop(named(name)))
    return Data(numbers.numeric, numbers.codes, encoded(as_column(rows.frame[name], name)))


def computed_of_source(
    estimator: Learned, source: Any, function: Callable[[Ensemble, Data], np.ndarray]
) -> Generator[np.ndarray]:
    """The results of `function` for the network and each encoded block of a source."""
    start = 0
    blocks, target = blocks_of(source), estimator.fitted_.encoder.schema.target
    for block in blocks.blocks():
        if target is not None and target.name in block.columns:
            block = block.drop(named(target.name))
        with rows_from(start):
            yield estimator._computed(block if blocks.named else block.to_numpy(), function)
        start += len(block)
