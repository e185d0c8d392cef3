"""A training table on workers: surveyed and encoded there, and fetched in blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.estimators.dask._partitions import Partitions
from lamina.table.encode import TableEncoder
from lamina.table.messages import rows_from
from lamina.table.stream.cache import Layout
from lamina.table.stream.keys import MarkKeys
from lamina.table.stream.sample import RowSample
from lamina.table.stream.survey import Division, Survey, encoded_block

if TYPE_CHECKING:
    import polars as pl

_Encoded = tuple[np.ndarray, np.ndarray, np.ndarray]


class PartitionedTable:
    """Partitions with their survey and division; see `lamina.estimators.streamed.LookedOver`."""

    def __init__(self, partitions: Partitions, survey: Survey, division: Division) -> None:
        self.partitions, self.survey, self.division = partitions, survey, division
        self.is_apart = partitions.is_apart

    def encoded(self, encoder: TableEncoder, encode_target: Callable[[Any], np.ndarray]) -> WorkersRows:
        """Have each worker encode the training rows it holds."""
        own, client = self.partitions, self.partitions.client
        how = client.scatter(_How(own.types, own.target, self.division, encoder, encode_target), hash=False)
        parts = client.map(_encoded, own.parts, own.starts, how=how, pure=False)
        own.parts = []  # only the encoded rows are needed from here on
        described = client.gather(client.map(_described, parts, pure=False))
        layout = Layout(len(encoder.numeric_names), len(encoder.code_names), _outputs(described))
        return WorkersRows(client, parts, [rows for rows, _, _ in described], layout, _digest(described))


@dataclass(frozen=True)
class KeyedPartitions:
    """Partitions with row keys; see `lamina.table.stream.survey.KeyedRows`."""

    keys: MarkKeys
    partitions: Partitions

    def lowest(self, most: int) -> RowSample:
        """See `KeyedRows`: each worker finds the rows with the lowest keys in its partitions."""
        own = self.partitions
        return own.merged(self._mapped(_lowest, own.starts, types=own.types, most=most))

    def count(self, above: int) -> int:
        """See `KeyedRows`."""
        own = self.partitions
        return sum(own.client.gather(self._mapped(_count, own.starts, types=own.types, above=above)))

    def _mapped(self, function: Callable[..., Any], *others: Any, **settings: Any) -> list[Any]:
        own = self.partitions
        return own.client.map(function, own.parts, *others, keys=self.keys, pure=False, **settings)


def _outputs(described: Sequence[tuple[int, int, str]]) -> int:
    return described[0][1]


def _digest(described: Sequence[tuple[int, int, str]]) -> str:
    return hashlib.sha256("".join(digest for _, _, digest in described).encode()).hexdigest()


class WorkersRows:
    """Encoded rows in workers' memory; see `lamina.table.stream.cache.EncodedRows`.

    Groups don't cross partitions, so that the last group of each partition may be short.
    """

    def __init__(
        self, client: Any, parts: Sequence[Any], lengths: Sequence[int], layout: Layout, digest: str
    ) -> None:
        self._client, self._parts = client, parts
        self.layout, self.digest, self.rows = layout, digest, sum(lengths)
        size = layout.group
        self._places = [
            (i, begin, min(begin + size, length))
            for i, length in enumerate(lengths)
            for begin in range(0, length, size)
        ]

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self._places)

    def read(self, groups: Sequence[int], arrays: Sequence[np.ndarray]) -> int:
        """Fetch groups, batched by partition, into the start of the arrays; return the number of rows.

        Dask recomputes the data of a lost worker.
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


# --- functions that workers run --------------------------------------------------------------------------------------


class _How:
    """The inputs for encoding a partition."""

    def __init__(
        self,
        types: Mapping[str, pl.DataType],
        target: str,
        division: Division,
        encoder: TableEncoder,
        encode_target: Callable[[Any], np.ndarray],
    ) -> None:
        self.types, self.target, self.encoder, self.encode_target = types, target, encoder, encode_target
        none = division.sample.frame.clear()
        empty = type(division.sample)(none, division.sample.numbers[:0])
        # Workers find the training rows by their keys, so held-out rows need not be sent.
        self.division = replace(division, validation=empty, test=empty, sample=empty)


def _lowest(frame: pl.DataFrame, start: int, *, keys: MarkKeys, types: Any, most: int) -> RowSample:
    found, block = RowSample(most, keys.seed), frame.cast(types)
    with rows_from(start):
        found.update(block, start, keys.of(block))
    return found


def _count(frame: pl.DataFrame, start: int, *, keys: MarkKeys, types: Any, above: int) -> int:
    with rows_from(start):
        return int((keys.of(frame.cast(types)) > np.uint64(above)).sum())


def _encoded(frame: pl.DataFrame, start: int, *, how: _How) -> _Encoded:
    block = frame.cast(dict(how.types))  # pyright: ignore[reportArgumentType]
    numbers, codes, target, _ = encoded_block(
        block, start, how.target, how.division, how.encoder, how.encode_target
    )
    return numbers, codes, target


def _described(encoded: _Encoded) -> tuple[int, int, str]:
    """The number of rows, the target's number of columns (0 if 1-D), and the SHA-256 of all encoded rows."""
    digest = hashlib.sha256()
    for array in encoded:
        digest.update(np.ascontiguousarray(array).data)
    target = encoded[2]
    return len(target), target.shape[1] if target.ndim > 1 else 0, digest.hexdigest()


def _pieces(encoded: _Encoded, places: Sequence[tuple[int, int]]) -> list[_Encoded]:
    numbers, codes, target = encoded
    return [(numbers[begin:end], codes[begin:end], target[begin:end]) for begin, end in places]
