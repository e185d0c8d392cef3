"""Tables that are read block by block: their first pass, their division, and batches for training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from lamina import nd
from lamina.errors import DataError
from lamina.estimators.data import Data, Group, Parts
from lamina.estimators.targets import AnyTarget, Classes, Numbers, positive_class
from lamina.estimators.text_targets import with_text_targets
from lamina.support.files.staging import scratch
from lamina.support.lazily import pl
from lamina.table.categories import told_of, unknown_values, warn_of_unknown
from lamina.table.columns import as_column, named
from lamina.table.encode import TableEncoder
from lamina.table.marks import as_mark
from lamina.table.messages import listed, rows_from, rows_numbered
from lamina.table.schema import Schema, Target
from lamina.table.stream import survey as surveys
from lamina.table.stream.cache import EncodedRows, RowCache
from lamina.table.stream.sample import MarkKeys, folds_by
from lamina.table.stream.sources import Blocks, blocks_of, with_target
from lamina.table.stream.survey import Division, RowEncoder, Survey
from lamina.table.target import target_values


class StreamedBatches:
    """Training batches from the rows of a `RowCache` or a similar object.

    Each epoch reads the cache's groups of rows in a new random order. A window of several groups is in memory at a
    time, and each member takes the window's rows in a separate random order; rows that don't fill a batch join the
    next window. The order depends only on the cache and the generator, not on available memory or disk speed.

    Args:
        cache: the rows.
        samples: some rows for each of the jointly trained members, to fit a linear path to.
    """

    def __init__(self, cache: EncodedRows, samples: Parts) -> None:
        self.rows, self.samples = cache.rows, samples
        self._cache, self._members = cache, len(samples)
        self._window = cache.layout.window // cache.layout.group  # in groups
        self._buffers: list[_Buffer] = []

    def fingerprints(self) -> list[str]:
        """The digest of the cache."""
        return [self._cache.digest]

    def epoch(self, rng: np.random.Generator, batch: int, drop_last: bool) -> Iterator[Group]:
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
        inputs, *others = self.content
        self.arrays = [nd.from_numpy(x) for x in (inputs, *(one for one in others if one.shape[-1]))]

    def take(self, other: _Buffer, rows: np.ndarray, member: int) -> np.ndarray:
        """Copy a member's leftover rows from another buffer; return their positions in this buffer, int32."""
        begin = self._rows + member * self._batch
        for own, source in zip(self.content, other.content, strict=True):
            own[begin : begin + len(rows)] = source[rows]
        return np.arange(begin, begin + len(rows), dtype=np.int32)


@dataclass
class LookedOver(ABC):
    """A table, wherever it is stored, with its statistics and its division into training and held-out rows.

    Attributes:
        survey, division: the table's statistics, and the division of its rows.
        is_apart: whether the target is separate, rather than a column of the table.
    """

    survey: Survey
    division: Division
    is_apart: bool

    @abstractmethod
    def encoded(self, rows: RowEncoder) -> EncodedRows:
        """The training rows, encoded by `rows`."""


@dataclass
class Streamed(LookedOver):
    """A table that is read in blocks; see `LookedOver`.

    Attributes:
        blocks: the table's blocks of rows.
        folder: the folder for the cache of encoded rows.
    """

    blocks: Blocks
    folder: Path

    def encoded(self, rows: RowEncoder) -> RowCache:
        return surveys.encode_rows(self.blocks, self.survey, rows, self.folder)


@contextmanager
def looked_over(
    source: Any,
    y: Any,
    marks: Mapping[Any, str | None],
    share: float,
    *,
    kinds: Mapping[Any, Any] | None,
    gap: float,
    monotone: Iterable[Any] = (),
    **how: Any,
) -> Generator[Streamed]:
    """A source of blocks of rows (see `is_source`), after a first pass over it.

    Encoded rows are cached in the folder for temporary files (`TMPDIR`) until the context ends.

    Args:
        source: the source.
        y: the name of the target column, or an array of each row's target.
        marks: the column names for "groups" and "time", or None. The group column is a predictor only if `kinds` names
            it.
        share: the share of rows held out for validation.
        kinds: the kinds of columns, by name or position, or None.
        gap: the minimum time between training and validation rows.
        monotone: see `infer`.
        how: further arguments of `look_over`.
    """
    blocks, target = blocks_of(source), y
    if not isinstance(y, str):
        blocks, target = with_target(blocks, y)
    known = kinds_beside(marks, kinds, [*blocks.types], "a streamed table")
    judging = {"labels": True, "monotone": monotone, "marks": marks}
    survey = surveys.look_over(blocks, target, judging, kinds=known, **how)
    division = divided(survey, marks, lambda keys: surveys.KeyedBlocks(keys, blocks), share, gap=gap)
    with scratch("lamina-rows-") as folder:
        yield Streamed(survey, division, not isinstance(y, str), blocks, folder)


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


def divided(
    survey: Survey,
    marks: Mapping[Any, str | None],
    keyed: Callable[[MarkKeys], surveys.KeyedRows],
    *shares: float,
    gap: float = 0.0,
) -> Division:
    """The division of a table's rows: by the "groups" or "time" column that `marks` names, or else at random.

    Args:
        survey: the table's statistics.
        marks: the column names, or None.
        keyed: the table's rows with given keys.
        shares, gap: the shares of validation and test rows, and the minimum time between parts.

    Raises:
        DataError: see `Survey.divided` and `Survey.divided_by`.
    """
    for mark, name in marks.items():
        if name is not None:
            known = next(column for column in survey.schema.columns if column.name == name)
            if mark == "time" and not known.used and known.type_name == "String":
                raise DataError(
                    f"{as_mark('time', name)}: the format of its texts is detected only if the column is an input; "
                    f"do not leave {name!r} out, or give its times another type"
                )
            return survey.divided_by(keyed(MarkKeys(mark, known, survey.seed)), *shares, gap=gap)
    return survey.divided(*shares)


def note_columns(estimator: Any, survey: Survey) -> None:
    """Set scikit-learn's attributes `n_features_in_` and `feature_names_in_`."""
    types = {name: kind for name, kind in survey.statistics.types.items() if name != survey.statistics.target}
    X: Any = pl.DataFrame(schema=types) if survey.schema.named else np.empty((0, len(types)))
    validate_data(estimator, X, skip_check_array=True, reset=True)


def target_encoder(survey: Survey, target: AnyTarget) -> Callable[[Any], np.ndarray]:
    """A function from a block's target column to the encoded target, float32.

    The function raises `DataError` if the column has a class that the first pass did not find.
    """
    schema = survey.schema.target
    assert schema is not None

    def encoded(column: Any) -> np.ndarray:
        values = target_values(schema, column)
        if isinstance(target, Numbers):
            return target.encode(values)
        if len(values) and values.min() < 0:
            raise DataError(
                f"the target {column.name!r} has classes that the first pass did not find, so the table has "
                "changed; fit again"
            )
        return values.astype(np.float32)

    return encoded


def target_of(survey: Survey, *, logarithmic: bool) -> AnyTarget:
    """The target's classes, or a regression target's scale, from the statistics of all rows."""
    target = survey.schema.target
    assert target is not None
    if target.task == "classification":
        classes = np.array(target.classes)
        return Classes(classes, positive=positive_class(classes, target.counts))
    moments = survey.statistics.moments()
    return Numbers.of_moments(
        moments.low, moments.high, moments.mean, moments.deviation, logarithmic=logarithmic
    )


def learned(
    table: LookedOver, schema: Schema, target: AnyTarget, encoder_of: Callable[[Schema], TableEncoder]
) -> tuple[RowEncoder, Data]:
    """The encoding of a table's rows, learned from a sample of the training rows; and this sample, encoded.

    `encoder_of` makes an encoder, not fitted yet, of the `schema` with the features that texts learn from the target.
    """
    division, name = table.division, str(table.survey.statistics.target)
    frame, numbers = division.sample.frame, division.sample.numbers
    predictors, encode_target = frame.drop(named(name)), target_encoder(table.survey, target)
    folds = folds_by(division.keys, division.seed, frame, numbers)
    wanted = encode_target(as_column(frame[name], name))
    schema, given, texts = with_text_targets(schema, predictors, target, wanted, None, folds(frame, numbers))

    def values(block: pl.DataFrame, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
        return texts.values(block, folds(block, numbers)) if given else given

    with unknown_values(schema.owners) as found:
        encoder = encoder_of(schema).fit_counted(predictors, given)
        rows = RowEncoder(name, division, encoder, encode_target, values)
        sample = data_of(division.sample, rows, given)
    # Unreadable values were told as the types were found.
    told = {one.column for one in found if one.wanted}
    told |= {part for part, owner in schema.owners.items() if owner in told}
    warn_of_unknown([one for one in found if not one.wanted])
    return replace(rows, told=told), sample


def evenly_spaced(sample: Data, most: int) -> Data:
    """A copy of at most `most` evenly spaced rows of a sample, which may be large."""
    step = max(-(-len(sample) // most), 1)
    codes = None if sample.codes is None else sample.codes[::step].copy()
    return Data(sample.numeric[::step].copy(), codes, sample.target[::step].copy())


def data_of(rows: surveys.Rows, encode: RowEncoder, given: Mapping[str, np.ndarray] | None = None) -> Data:
    """Some rows of the table, encoded; `given` has the values of some inputs, see `TableEncoder.fit`."""
    name = encode.target
    with rows_numbered(rows.numbers), told_of(encode.told):
        numbers = encode.encoder.transform(rows.frame.drop(named(name)), given)
    return Data(numbers.numeric, numbers.codes, encode.encode_target(as_column(rows.frame[name], name)))


def blocks_to_predict(source: Any, target: Target | None) -> Generator[Any]:
    """The blocks of a source, as tables without the column of the `target`.

    While a block is in use, row numbers in error messages count from the source's first row.
    """
    start, blocks = 0, blocks_of(source)
    for block in blocks.blocks():
        if target is not None and target.name in block.columns:
            block = block.drop(named(target.name))
        with rows_from(start):
            yield block if blocks.named else block.to_numpy()
        start += len(block)
