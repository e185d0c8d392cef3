"""Encoded rows for networks, the batches made of them, and a member's share of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from lamina import nd
from lamina.device.context import Context
from lamina.nd.ndarray import NDArray
from lamina.table.encode import SparseNumbers

_GROUP_BYTES = 1 << 25  # maximum size of densified sparse rows
T = TypeVar("T")


@dataclass(frozen=True)
class Data:
    """Encoded rows: numeric float32 (n, inputs), codes int32 (n, q), target float32, weights float32 (n,).

    `codes` and `weights` may be None. For a large sparse table, `numeric` is a `SparseNumbers`.

    `rows` (int32) selects rows of these arrays without a copy, e.g. the training rows; None selects all.
    """

    numeric: np.ndarray | SparseNumbers
    codes: np.ndarray | None
    target: np.ndarray
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numeric) if self.rows is None else len(self.rows)

    def some(self, which: slice | np.ndarray) -> Data:
        """These of the selected rows, by their positions among them."""
        return replace(self, rows=self._selected()[which])

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """The selected rows in random order, int32."""
        # NumPy shuffles words of the machine in less time than others.
        return rng.permutation(self._selected().astype(np.intp)).astype(np.int32)

    def _selected(self) -> np.ndarray:
        return np.arange(len(self), dtype=np.int32) if self.rows is None else self.rows

    @property
    def weighted(self) -> np.ndarray:
        """The selected rows with non-zero weight, which `fit` trains on."""
        rows = self._selected()
        return rows if self.weights is None else rows[self.weights[rows] > 0]

    def chosen(self, begin: int = 0, end: int | None = None) -> slice | np.ndarray:
        """An index into the arrays that selects `rows[begin:end]`."""
        return slice(begin, end) if self.rows is None else self.rows[begin:end]

    def once(self, what: Hashable, others: Parts, compute: Callable[[], T]) -> T:
        """The result of `compute()`, kept for further calls, e.g. by a search's other trials.

        `what` and these data determine the result, together with `others`, which are kept, too. None is not kept.
        """
        known: dict[Hashable, Any] = vars(self).setdefault("_known", {})
        key = what, *map(id, others)
        if key not in known:
            if (found := compute()) is None:
                return found
            known[key] = others, found
        return known[key][1]

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickles, without the results of `once`."""
        return {name: value for name, value in vars(self).items() if name != "_known"}

    def fingerprint(self) -> str:
        """The SHA-256 of all arrays, used by a resumed training to recognize its data."""
        digest = hashlib.sha256()
        numbers = [self.numeric] if isinstance(self.numeric, np.ndarray) else self.numeric.parts
        for part in (*numbers, self.codes, self.target, self.weights, self.rows):
            digest.update(b"none" if part is None else f"{part.dtype}{part.shape}".encode())
            digest.update(b"" if part is None else np.ascontiguousarray(part).data)
        return digest.hexdigest()


Parts = Sequence[Data]
"""Encoded rows in parts, e.g. those of each member of an ensemble."""


def targets_of(parts: Parts) -> tuple[np.ndarray, np.ndarray | None]:
    """The targets and the weights (or None) of the selected rows of all parts, concatenated."""
    target = np.concatenate([part.target[part.chosen()] for part in parts])
    if parts[0].weights is None:
        return target, None
    return target, np.concatenate([part.weights[part.chosen()] for part in parts if part.weights is not None])


def share_of(rows: np.ndarray, i: int, members: int) -> np.ndarray:
    """Member `i`'s row indices (steps, batch), in those of all members, (steps, members · batch)."""
    size = rows.shape[1] // members
    return np.ascontiguousarray(rows[:, i * size : (i + 1) * size])


_ROWS = 10.0
"""The number of rows at which a category's embedding decays twice as fast as a frequent one's."""

_COMMON = 100
"""The minimum number of rows of a frequent category."""


def rare_columns(data: Data, cardinalities: Sequence[int]) -> set[int]:
    """The positions of the code columns that have a rare category."""
    return {j for j, count in enumerate(cardinalities) if _counts(data, j, count)[1:].min() < _COMMON}


def decays_of_categories(data: Data, j: int, cardinality: int) -> np.ndarray:
    """Decay factors of a column's embeddings, (cardinality,): 1 + (10 / rows)² for each rare code, otherwise 1.

    The embedding of a category with few rows would learn noise, so a strong decay keeps it near 0. The same holds for
    code 0 (missing and unknown values), if few training rows have it.
    """
    return decays_of_rare(_counts(data, j, cardinality))


def decays_of_rare(counts: np.ndarray) -> np.ndarray:
    """Decay factors of categories with these numbers of rows; see `decays_of_categories`."""
    return np.where(counts < _COMMON, 1 + (_ROWS / np.maximum(counts, 1)) ** 2, 1.0)


def _counts(data: Data, j: int, cardinality: int) -> np.ndarray:
    """The number of rows with each code in column `j`, (cardinality,)."""
    assert data.codes is not None
    codes = data.codes[:, j] if data.rows is None else data.codes[data.rows, j]
    return np.bincount(codes, minlength=cardinality)


# --- batches ----------------------------------------------------------------------------------------------------------


Group = tuple[np.ndarray, Sequence[NDArray]]
"""Row indices of some steps, and the arrays that they index."""


class Batches(Protocol):
    """A source of training batches, from rows in memory or from a table larger than memory.

    Attributes:
        rows: the number of rows per epoch and member.
        samples: rows of each member, in memory, to fit a linear path to; all, if all are in memory.
    """

    rows: int
    samples: Parts

    def fingerprints(self) -> list[str]:
        """Digests of the rows, used by a resumed training to recognize its data."""
        ...

    def epoch(self, rng: np.random.Generator, batch: int, drop_last: bool) -> Iterator[Group]:
        """Groups of an epoch's steps: row indices (steps, members · batch), and the arrays that they index.

        The arrays are valid until the next group is requested. Rows that don't fill a batch form a last, smaller
        batch; with `drop_last`, they are left out.
        """
        ...


class HeldBatches:
    """Batches of rows in memory; see `Batches`.

    Dense rows are copied to a device once. Sparse rows are made dense for one group of steps at a time.
    """

    def __init__(self, parts: Parts, context: Context | None = None) -> None:
        self.samples, data = parts, parts[0]
        self.rows = min(len(part) for part in parts)
        arrays = [data.codes, data.target, data.weights]
        self._parts = [data.numeric, *(x for x in arrays if x is not None and x.shape[-1])]
        is_dense = isinstance(data.numeric, np.ndarray)
        self._arrays = [nd.from_numpy(np.asarray(x)) for x in self._parts] if is_dense else None
        if self._arrays is not None and context is not None:
            self._arrays = [x.as_in_context(context) for x in self._arrays]

    def fingerprints(self) -> list[str]:
        return [part.fingerprint() for part in self.samples]

    def epoch(self, rng: np.random.Generator, batch: int, drop_last: bool) -> Iterator[Group]:
        for rows in self.steps(rng, batch, drop_last):
            yield from self.groups(rows)

    def steps(self, rng: np.random.Generator, batch: int, drop_last: bool) -> list[np.ndarray]:
        """The row indices of an epoch's steps, an array (steps, members · batch).

        A second array has the indices of a last, smaller batch, if there is one and it is not dropped.
        """
        orders = [part.shuffled(rng) for part in self.samples]
        whole = self.rows // batch * batch
        steps = [np.concatenate([order[:whole].reshape(-1, batch) for order in orders], axis=1)]
        if whole < self.rows and not (drop_last and whole):
            steps.append(np.concatenate([order[whole : self.rows] for order in orders]).reshape(1, -1))
        return [rows for rows in steps if rows.size]

    def groups(self, rows: np.ndarray) -> Iterator[Group]:
        """Groups of the steps in `rows`: row indices (steps, batch), and the arrays that they index.

        The arrays are valid until the next group is requested.
        """
        if self._arrays is not None:
            yield rows, self._arrays
            return
        steps = min(max(1, _GROUP_BYTES // (4 * rows.shape[1] * self._parts[0].shape[1])), len(rows))
        buffers = [np.zeros((steps * rows.shape[1], *x.shape[1:]), x.dtype) for x in self._parts]
        arrays = [nd.from_numpy(x) for x in buffers]
        for start in range(0, len(rows), steps):
            group = rows[start : start + steps]
            for part, buffer in zip(self._parts, buffers, strict=True):
                if isinstance(part, np.ndarray):
                    buffer[: group.size] = part[group.ravel()]
                else:
                    part.write(group.ravel(), buffer[: group.size])
            yield np.arange(group.size, dtype=np.int32).reshape(group.shape), arrays
