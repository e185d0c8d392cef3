"""The partitions of a Dask collection in workers' memory.

Each partition is a polars frame with the target as a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.messages import counted, listed
from lamina.table.stream.statistics import TableStatistics

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
        self.target = _free_name(names) if self.is_apart else y
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
        described = client.gather(client.map(_described, frames, pure=False))
        # Empty partitions, e.g. after a filter, are dropped: even their types may be wrong.
        kept = [i for i, (rows, _) in enumerate(described) if rows] or [0]
        self.parts = [frames[i] for i in kept]
        self.starts: list[int] = np.cumsum([0, *(described[i][0] for i in kept)])[:-1].tolist()
        self.types = _common_types([described[i][1] for i in kept])

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


def _delayed_parts(collection: Any, name: str) -> list[Any]:
    """The partitions of a collection as delayed objects; error messages call the collection `name`."""
    if is_array(collection):
        if collection.ndim not in (1, 2):
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


def _free_name(names: Sequence[str]) -> str:
    name = "target"
    while name in names:
        name += "_"
    return name


def _common_types(empties: Sequence[pl.DataFrame]) -> dict[str, pl.DataType]:
    try:
        return dict(pl.concat(empties, how="vertical_relaxed").schema)
    except pl.exceptions.PolarsError as error:
        kinds = {name: {str(frame.schema.get(name)) for frame in empties} for name in empties[0].columns}
        differing = [name for name, types in kinds.items() if len(types) > 1]
        raise DataError(
            f"partitions differ in {listed(differing) or 'their columns'}; give all partitions the same columns, "
            "each of one type"
        ) from error


# --- functions that workers run --------------------------------------------------------------------------------------


def _frame(part: Any, target: Any, name: str) -> pl.DataFrame:
    """A partition as a polars frame.

    The partition of a separate target, if not None, becomes the column `name`.
    """
    import narwhals

    if hasattr(part, "columns"):
        renamed = part.rename(columns=str) if hasattr(part, "rename") else part
        frame = narwhals.from_native(renamed, eager_only=True).to_polars()
    else:
        array = np.ascontiguousarray(part)
        frame = pl.DataFrame(array, schema=[f"x{i}" for i in range(array.shape[1])])
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


def _described(frame: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    return len(frame), frame.clear()


def _looked_over(
    frame: pl.DataFrame,
    first: int,
    *,
    types: Mapping[str, pl.DataType],
    target: str,
    settings: Mapping[str, Any],
) -> TableStatistics:
    statistics = TableStatistics(types, target, first=first, **settings)
    statistics.update(frame.cast(dict(types)))  # pyright: ignore[reportArgumentType]
    return statistics


def _merged(parts: Sequence[Any]) -> Any:
    import copy

    whole = copy.deepcopy(parts[0])  # since another task of the worker may read the original, too
    for part in parts[1:]:
        whole.merge(part)
    return whole
