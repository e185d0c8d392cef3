"""`MLPClassifier` and `MLPRegressor` for Dask collections."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state

import lamina.estimators as plain
from lamina.errors import DataError
from lamina.estimators.base import BaseMLP
from lamina.estimators.streamed import LookedOver, divided, kinds_beside
from lamina.support.lazily import pl
from lamina.table.messages import counted, listed, rows_from
from lamina.table.schema import free_name
from lamina.table.stream.cache import EncodedRows, Layout
from lamina.table.stream.sample import MarkKeys, RowSample
from lamina.table.stream.sources import frame_of, in_types, wider
from lamina.table.stream.statistics import TableStatistics
from lamina.table.stream.survey import KeyedRows, RowEncoder, Rows, Survey

# --- partitions in workers' memory ------------------------------------------------------------------------------------
# Each partition is a polars frame with the target as a column.


_MERGED_AT_ONCE = 8


def is_array(X: Any) -> bool:
    """Whether `X` is a `dask.array.Array`."""
    import dask.array as da

    return isinstance(X, da.Array)


def is_frame(X: Any) -> bool:
    """Whether `X` is a `dask.dataframe.DataFrame`."""
    try:
        import dask.dataframe as dd
    except ImportError:  # dask without dataframe
        return False
    return isinstance(X, dd.DataFrame)


class Partitions:
    """A table in workers' memory: for each partition of a collection, a future of a polars frame.

    Args:
        client: the client of the workers that hold the rows.
        X: a Dask array of chunks that span all columns, or a Dask frame.
        y: a collection with the target, in partitions of the same lengths; or the name of a column of `X`.

    Attributes:
        target: the target's name.
        is_apart: whether `y` was a collection, rather than a column's name.
        types: the type of each column, including the target, by name.
        parts: the futures of the non-empty partitions.
        starts: the number of each non-empty partition's first row in the table.
        named: whether `X` has column names.

    Raises:
        TypeError: `X` or `y` is not a Dask collection.
        DataError: the partitions don't match, or there are no rows.
    """

    def __init__(self, client: Any, X: Any, y: Any) -> None:
        self.client, self.named = client, is_frame(X)
        self.is_apart = not isinstance(y, str)
        parts = _delayed_parts(X, "X")
        names = [str(name) for name in X.columns] if self.named else []
        self.target = free_name("target", names) if self.is_apart else y
        if not self.is_apart and y not in names:
            raise DataError(f"there is no column {y!r} to predict; the table has {listed(names, limit=20)}")
        targets = _delayed_parts(y, "y") if self.is_apart else [None] * len(parts)
        if len(targets) != len(parts):
            raise DataError(
                f"X has {counted(len(parts), 'partition')} and y {len(targets)}; give both the same partitions, e.g. "
                "by y.rechunk(…), or by taking y from the frame that X comes from"
            )
        whole = client.compute(parts)
        own = client.compute(targets) if self.is_apart else targets
        frames = client.map(_frame, whole, own, [self.target] * len(parts), pure=False)
        described = client.gather(client.map(_size_and_types, frames, pure=False))
        # Empty partitions, e.g. after a filter, are dropped: even their types may be wrong.
        kept = [i for i, (rows, _) in enumerate(described) if rows] or [0]
        self.parts = [frames[i] for i in kept]
        self.starts: list[int] = np.cumsum([0, *(described[i][0] for i in kept)])[:-1].tolist()
        types = [described[i][1] for i in kept]
        if any(one.keys() != types[0].keys() for one in types):
            raise DataError("partitions differ in their columns; give all partitions the same columns")
        self.types = reduce(wider, types)

    def statistics(
        self, task: Any, kinds: Mapping[str, Any], dates: str | None, seed: int
    ) -> TableStatistics:
        """The statistics of the table.

        Workers compute each partition's statistics, and merge them in a fixed order.
        """
        settings = {"task": task, "kinds": dict(kinds), "dates": dates, "named": self.named, "seed": seed}
        found = self.client.map(
            _looked_over, self.parts, self.starts, types=self.types, target=self.target, settings=settings, pure=False
        )  # fmt: skip
        return self.merged(found)

    def merged(self, found: list[Any]) -> Any:
        """The merged value of these futures; workers merge them in a fixed order."""
        while len(found) > 1:
            groups = [found[i : i + _MERGED_AT_ONCE] for i in range(0, len(found), _MERGED_AT_ONCE)]
            found = [self.client.submit(_merged, group, pure=False) for group in groups]
        return found[0].result()


def _delayed_parts(collection: Any, name: str, axes: Sequence[int] = (1, 2)) -> list[Any]:
    """The partitions of a collection as delayed objects, if its number of axes is in `axes`; errors call it `name`."""
    if is_array(collection):
        if collection.ndim not in axes:
            raise DataError(f"{name} has {collection.ndim} dimensions; a table has 2, a target 1 or 2")
        if collection.ndim == 2 and len(collection.chunks[1]) > 1:
            raise DataError(
                f"{name} has {len(collection.chunks[1])} chunks of columns; give it chunks of rows: "
                f"{name}.rechunk({{1: -1}})"
            )
        return collection.to_delayed().ravel().tolist()
    if hasattr(collection, "to_delayed") and hasattr(collection, "partitions"):
        return list(collection.to_delayed())
    raise TypeError(
        f"{name} is a {type(collection).__name__}; lamina.dask takes Dask arrays and frames. For tables in memory "
        "use lamina.MLPClassifier or lamina.MLPRegressor"
    )


# --- functions that workers run ---------------------------------------------------------------------------------------


def _frame(part: Any, target: Any, name: str) -> pl.DataFrame:
    """A partition as a polars frame.

    The partition of a separate target, if not None, becomes the column `name`.
    """
    can_be_renamed = hasattr(part, "columns") and hasattr(part, "rename")
    frame, _ = frame_of(part.rename(columns=str) if can_be_renamed else part)
    if target is not None:
        values = np.asarray(target)
        if values.ndim > 1 and values.shape[1:] == (1,):
            values = values[:, 0]
        if values.ndim != 1:
            raise DataError(f"y has {values.shape[1]} columns; lamina.dask trains on one target")
        if len(values) != len(frame):
            raise DataError(
                f"a partition of X has {counted(len(frame), 'row')}, but the same partition of y has {len(values)}; "
                "give both the same partitions"
            )
        frame = frame.with_columns(pl.Series(name, values.tolist() if values.dtype == object else values))
    # Each partition has its own codes for categories; as texts, categories are the same in all partitions.
    texts = [column for column, kind in frame.schema.items() if isinstance(kind, (pl.Categorical, pl.Enum))]
    return frame.cast(dict.fromkeys(texts, pl.String()))  # pyright: ignore[reportArgumentType]


def _size_and_types(frame: pl.DataFrame) -> tuple[int, dict[str, pl.DataType]]:
    return len(frame), dict(frame.schema)


def _looked_over(
    frame: pl.DataFrame,
    first: int,
    *,
    types: Mapping[str, pl.DataType],
    target: str,
    settings: Mapping[str, Any],
) -> TableStatistics:
    statistics = TableStatistics(types, target, first=first, **settings)
    statistics.update(in_types(frame, types))
    return statistics


def _merged(parts: Sequence[Any]) -> Any:
    import copy

    whole = copy.deepcopy(parts[0])  # since another task of the worker may read the original, too
    for part in parts[1:]:
        whole.merge(part)
    return whole


class _OnWorkers(BaseMLP):
    """The base class of both estimators: `fit` and predictions for Dask collections, `client_`, and `to_local`."""

    client: Any
    _local: ClassVar[type[BaseMLP]]

    @property
    def client_(self) -> Any:
        """The Dask client in use, which is the parameter `client` or else Dask's current client.

        Raises:
            ValueError: there is no client.
        """
        from distributed import default_client

        return default_client() if self.client is None else self.client

    def to_local(self) -> Any:
        """An estimator for tables in memory, with the same settings and learned state."""
        settings = {name: x for name, x in self.get_params(deep=False).items() if name != "client"}
        local = self._local(**settings)
        vars(local).update({name: x for name, x in vars(self).items() if name != "client"})
        return local

    def __getstate__(self) -> dict[str, Any]:
        """The state without the client, which can't be pickled."""
        return {**super().__getstate__(), "client": None}

    def _computed(self, X: Any, function: Any) -> np.ndarray:
        if hasattr(X, "__dask_graph__"):
            raise TypeError(
                f"this method can't compute on a Dask {type(X).__name__}, only predict, predict_proba and score can; "
                "give it a table in memory: X.compute()"
            )
        return super()._computed(X, function)

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        *,
        groups: str | None = None,
        time: str | None = None,
    ) -> Self:
        """Train on a Dask collection.

        Args:
            X: a Dask frame, or a Dask array (rows, columns) in chunks of rows.
            y: a Dask series or array in the same partitions; or the name of a column of `X`.
            sample_weight: must be None.
            eval_set: a pair (X, y), of Dask or in memory, to validate on; None: validate on a part of the rows.
            groups: the name of the column of `X` that has each row's group, or None. No group is in both training and
                validation. The column is a predictor only if `column_kinds` names it.
            time: the name of the column of `X` that has each row's time, or None. The rows with the last times are
                used for validation.

        Raises:
            TypeError: X or y is not a Dask collection.
            ValueError: `X` has no column of this name, or both `groups` and `time` are given.
            DataError: the partitions of `X` and `y` don't match, or the data are invalid as in
                `lamina.MLPClassifier.fit`.
        """
        if sample_weight is not None:
            raise ValueError("sample_weight is for tables in memory, not for Dask collections")
        settings, client = self._resolved(), self.client_
        partitions = Partitions(client, X, y)
        marks: dict[Any, str | None] = {"groups": groups, "time": time}
        kinds = kinds_beside(marks, self.column_kinds, [*partitions.types], "a collection of Dask")
        seed = int(check_random_state(self.random_state).randint(2**31))
        statistics = partitions.statistics(self._task, kinds, self.date_format, seed)
        survey = Survey(statistics, statistics.schema(True, self.monotone or (), marks), seed)
        share = settings.validation_fraction if settings.early_stopping and eval_set is None else 0.0
        of_keys = partial(KeyedPartitions, partitions=partitions)
        division = divided(survey, marks, of_keys, share, gap=self.time_gap)
        table = PartitionedTable(survey, division, partitions.is_apart, partitions)
        return self._fit_streamed(table, _computed(client, eval_set))

    def _mapped(self, method: str, X: Any, columns: int | None) -> Any:
        """The results of an estimator's method, as a Dask array with a chunk for each partition.

        `columns`: the number of columns of the results; None: they are 1-D.
        """
        import dask.array as da
        from dask.delayed import delayed

        local = self.to_local()
        has_classes = method == "predict" and hasattr(local, "classes_")
        dtype = local.classes_.dtype if has_classes else np.dtype(np.float64)
        model = delayed(local, pure=False)
        outer = (np.nan,) if columns is None else (np.nan, columns)
        if is_array(X):
            parts, lengths = _delayed_parts(X, "X", (2,)), X.chunks[0]
        elif is_frame(X):
            target = local._fitted().encoder.schema.target
            named = [] if target is None else [target.name]  # maybe a column of the training table
            parts = _delayed_parts(X.drop(columns=named, errors="ignore"), "X")
            lengths = [np.nan] * len(parts)
        else:
            return getattr(local, method)(X)
        of_part = delayed(_of_part, pure=False)
        chunks = [
            da.from_delayed(of_part(model, method, part, columns), (length, *outer[1:]), dtype)
            for part, length in zip(parts, lengths, strict=True)
        ]
        return da.concatenate(chunks, axis=0, allow_unknown_chunksizes=True)


def _of_part(model: Any, method: str, part: Any, columns: int | None) -> np.ndarray:
    if not len(part):
        return np.empty(0 if columns is None else (0, columns))
    return getattr(model, method)(part)


def _computed(client: Any, collections: Sequence[Any] | np.ndarray | None) -> Any:
    """The value of a Dask collection, or of each item in a tuple or list.

    Objects that are not collections are unchanged.
    """
    if isinstance(collections, (list, tuple)):
        return type(collections)(_computed(client, one) for one in collections)
    if hasattr(collections, "__dask_graph__"):
        return client.compute(collections).result()
    return collections


@dataclass(eq=False, repr=False, kw_only=True)
class MLPClassifier(_OnWorkers, plain.MLPClassifier):
    """`lamina.MLPClassifier` for Dask arrays and frames of numbers, texts and categories.

    Args:
        client: the cluster's client, which is not pickled; None: Dask's current client.

    All other parameters and learned attributes are those of `lamina.MLPClassifier`. `fit` keeps the partitions in the
    workers' memory while it trains in the client's process. The result depends on the table, its
    partitions and `random_state`, but not on the workers or their number.

    >>> from lamina.estimators.dask import MLPClassifier
    >>> MLPClassifier(preset="fast", members=2).get_params()["members"]
    2
    """

    client: Any = None
    _local: ClassVar[type[BaseMLP]] = plain.MLPClassifier

    def predict(self, X: Any) -> Any:
        """The predicted class of each row, a Dask array (rows,) that the workers compute."""
        return self._mapped("predict", X, None)

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """The probability of each class, a Dask array (rows, classes).

        Only tables in memory allow `return_std`.
        """
        if return_std:
            return super().predict_proba(X, return_std=True)
        return self._mapped("predict_proba", X, len(self.classes_))

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        return self._mapped("predict_log_proba", X, len(self.classes_))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy of the predictions."""
        truth, found, weights = _computed(self.client_, (y, self.predict(X), sample_weight))
        return float(accuracy_score(truth, found, sample_weight=weights))


@dataclass(eq=False, repr=False, kw_only=True)
class MLPRegressor(_OnWorkers, plain.MLPRegressor):
    """`lamina.MLPRegressor` for Dask arrays and frames; see `lamina.dask.MLPClassifier`.

    >>> from lamina.estimators.dask import MLPRegressor
    >>> MLPRegressor(preset="fast").client is None
    True
    """

    client: Any = None
    _local: ClassVar[type[BaseMLP]] = plain.MLPRegressor

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predicted target, a Dask array (rows,), or for several quantiles (rows, quantiles).

        The workers compute the predictions. Only tables in memory allow `return_std`; for these, use the
        estimator from `to_local`.
        """
        if return_std:
            return super().predict(X, return_std=True)
        return self._mapped("predict", X, len(getattr(self._fitted().target, "levels", ())) or None)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The R² of the predictions; see `lamina.MLPRegressor.score`."""
        truth, found, weights = _computed(self.client_, (y, self.predict(X), sample_weight))
        return self._agreement(truth, found, weights)


# --- A training table on workers: surveyed and encoded there, and fetched in blocks -----------------------------------


_Encoded = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass
class PartitionedTable(LookedOver):
    """A Dask table with its statistics and its division into training and held-out rows."""

    partitions: Partitions

    def encoded(self, rows: RowEncoder) -> WorkersRows:
        """The training rows, encoded by the workers; see `LookedOver`."""
        own, client = self.partitions, self.partitions.client
        # Workers find the training rows by their keys, so held-out rows need not be sent.
        none = Rows(self.division.sample.frame.clear(), self.division.sample.numbers[:0])
        division = replace(self.division, validation=none, test=none, sample=none)
        encode = client.scatter(replace(rows, division=division), hash=False)
        parts = client.map(_encoded, own.parts, own.starts, types=own.types, rows=encode, pure=False)
        own.parts = []  # only the encoded rows are needed from here on
        described = client.gather(client.map(_described, parts, pure=False))
        lengths, (outputs, *_), digests = zip(*described, strict=True)
        layout = Layout(len(rows.encoder.numeric_names), len(rows.encoder.code_names), outputs)
        digest = hashlib.sha256("".join(digests).encode()).hexdigest()
        return WorkersRows(client, parts, lengths, layout, digest)


@dataclass(frozen=True)
class KeyedPartitions(KeyedRows):
    """A Dask table with a key for each row; the keys decide which rows are held out."""

    partitions: Partitions

    def lowest(self, most: int) -> RowSample:
        """The `most` rows with the lowest keys, found by the workers; see `KeyedRows`."""
        own = self.partitions
        return own.merged(self._mapped(_lowest, own.starts, types=own.types, most=most))

    def count(self, above: int) -> int:
        """The number of rows whose keys are greater than `above`."""
        own = self.partitions
        return sum(own.client.gather(self._mapped(_count, own.starts, types=own.types, above=above)))

    def _mapped(self, function: Callable[..., Any], *others: Any, **settings: Any) -> list[Any]:
        own = self.partitions
        return own.client.map(function, own.parts, *others, keys=self.keys, pure=False, **settings)


class WorkersRows(EncodedRows):
    """Encoded rows in workers' memory.

    A group's rows are all in one partition; the last group of each partition may have fewer rows.
    """

    def __init__(
        self, client: Any, parts: Sequence[Any], lengths: Sequence[int], layout: Layout, digest: str
    ) -> None:
        super().__init__(layout, sum(lengths), digest)
        self._client, self._parts = client, parts
        size = layout.group
        self._places = [
            (i, begin, min(begin + size, length))
            for i, length in enumerate(lengths)
            for begin in range(0, length, size)
        ]

    @property
    def groups(self) -> int:
        return len(self._places)

    def read(self, groups: Sequence[int], arrays: Sequence[np.ndarray]) -> int:
        """Fetch these groups into the start of the arrays; return the number of rows.

        There is a Dask task for each partition. Dask recomputes the data of a lost worker.
        """
        wanted: dict[int, list[tuple[int, int]]] = {}
        for group in groups:
            i, begin, end = self._places[group]
            wanted.setdefault(i, []).append((begin, end))
        tasks = [
            self._client.submit(_pieces, self._parts[i], places, pure=False) for i, places in wanted.items()
        ]
        fetched = dict(zip(wanted, map(iter, self._client.gather(tasks)), strict=True))
        rows = 0
        for group in groups:
            piece = next(fetched[self._places[group][0]])
            for array, own in zip(arrays, piece, strict=True):
                array[rows : rows + len(own)] = own
            rows += len(piece[0])
        return rows


# --- functions that workers run ---------------------------------------------------------------------------------------


def _lowest(frame: pl.DataFrame, start: int, *, keys: MarkKeys, types: Any, most: int) -> RowSample:
    found, block = RowSample(most, keys.seed), in_types(frame, types)
    with rows_from(start):
        found.update(block, start, keys.of(block))
    return found


def _count(frame: pl.DataFrame, start: int, *, keys: MarkKeys, types: Any, above: int) -> int:
    with rows_from(start):
        return int((keys.of(in_types(frame, types)) > np.uint64(above)).sum())


def _encoded(frame: pl.DataFrame, start: int, *, types: Any, rows: RowEncoder) -> _Encoded:
    numbers, codes, target, _ = rows.encoded(in_types(frame, types), start)
    return numbers, codes, target


def _described(encoded: _Encoded) -> tuple[int, int, str]:
    """The number of rows, the number of target columns (0 if 1-D), and the rows' SHA-256."""
    digest = hashlib.sha256()
    for array in encoded:
        digest.update(np.ascontiguousarray(array).data)
    target = encoded[2]
    return len(target), target.shape[1] if target.ndim > 1 else 0, digest.hexdigest()


def _pieces(encoded: _Encoded, places: Sequence[tuple[int, int]]) -> list[_Encoded]:
    numbers, codes, target = encoded
    return [(numbers[begin:end], codes[begin:end], target[begin:end]) for begin, end in places]
