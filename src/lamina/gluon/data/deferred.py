"""Samples whose arithmetic waits, so that a transform called sample by sample costs what one for the batch costs.

A `DataLoader` must call the user's transform once for each sample, in order: only then do random numbers, counters and
choices in it come out as in MXNet. What is slow about that is not the call but sixty thousand tiny array operations.
So the transform gets a `DeferredRow`: an `NDArray` that notes ``astype``, arithmetic with a number, ``reshape`` and
``transpose``, and does them later. If, at the end, all rows of a batch have the same notes, one gather and one
operation for each note make the batch. Whatever else happens to a row (any other operator, reading or writing it, an
attribute) turns it into a plain `NDArray` first, and every row that is waiting with it; from then on the data set
hands out plain arrays only.

Why the result is the same, to the last bit, is argued in docs/adr/deferred-rows.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array
from lamina.core.state import concrete, state
from lamina.nd.ndarray import NDArray

if TYPE_CHECKING:
    from lamina.context import Context

__all__ = ["DeferredRow", "RowSource", "Rows", "gather"]

_NUMBERS = frozenset(
    (
        int,
        float,
        np.float16,
        np.float32,
        np.float64,
        np.int8,
        np.int16,
        np.int32,
        np.int64,
        np.uint8,
        np.uint16,
    )
)
Operation = Callable[[NDArray], NDArray]

_MOST_BRANCHES = 16  # notes that differ from sample to sample (random factors) are not worth remembering


class Recipe:
    """The operations noted so far, and the dtype and shape that they give a row.

    Recipes form a tree: equal notes lead to the same object, so that comparing two rows' notes is `is`.
    """

    __slots__ = ("after", "model", "operations", "repetitions")

    def __init__(self, model: NDArray) -> None:
        self.model = model  # zeros: each operation itself says what shape, dtype or error it gives
        self.operations: tuple[tuple[str, Any], ...] = ()
        self.repetitions: tuple[Operation, ...] = ()
        self.after: dict[Any, Recipe] = {}

    def then(self, name: str, argument: Any) -> Recipe | None:
        """The recipe with one more operation, made at its first use; None if it can't be put off.

        Raises what the operation itself raises.
        """
        with concrete():
            repetition = _ON_BATCH[name](self.model, argument)
            if repetition is None or len(self.after) >= _MOST_BRANCHES:
                return None
            recipe = Recipe(getattr(self.model, name)(argument))
        recipe.operations = (*self.operations, (name, argument))
        recipe.repetitions = (*self.repetitions, repetition)
        return self.after.setdefault((name, argument.__class__, argument), recipe)

    def on_row(self, row: NDArray) -> NDArray:
        """The very calls that the transform made."""
        for name, argument in self.operations:
            row = getattr(row, name)(argument)
        return row

    def on_batch(self, batch: NDArray) -> NDArray:
        """The same operations on rows that lie along axis 0."""
        for repetition in self.repetitions:
            batch = repetition(batch)
        return batch


# --- which operations may wait, and how they are repeated on a batch ---------------------------------------------


def _cast(model: NDArray, dtype: Any) -> Operation | None:
    """All but float to integer, where a NaN or an overflow may differ between the processor's instructions."""
    if not isinstance(dtype, type | str | np.dtype):
        return None
    if np.dtype(model.dtype).kind == "f" and np.dtype(dtype).kind in "iu":
        return None
    return lambda batch: batch.astype(dtype)


def _arithmetic(name: str) -> Any:
    """One correctly rounded operation an element: the same alone as among others."""

    def rule(model: NDArray, number: Any) -> Operation | None:
        kind = np.dtype(model.dtype).kind
        exact = kind == "f" or (kind in "iu" and "div" not in name)
        # 0.0 and -0.0 are one key of a dict but not one divisor, so zeros don't wait
        if number.__class__ not in _NUMBERS or not number or not exact:
            return None
        return lambda batch: getattr(batch, name)(number)

    return rule


def _reshape(model: NDArray, shape: tuple[int, ...]) -> Operation:
    target = model.reshape(shape).shape  # MXNet's codes count from the front, where the batch's axis will be
    return lambda batch: batch.reshape((batch.shape[0], *target))


def _transpose(model: NDArray, axes: tuple[int, ...]) -> Operation:
    order = [a % model.ndim for a in axes] or list(range(model.ndim))[::-1]
    return lambda batch: batch.transpose((0, *(a + 1 for a in order)))


_ARITHMETIC = (
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__",
)  # fmt: skip
_ON_BATCH: dict[str, Callable[[NDArray, Any], Operation | None]] = {
    "astype": _cast,
    "reshape": _reshape,
    "transpose": _transpose,
    **{name: _arithmetic(name) for name in _ARITHMETIC},
}


# --- rows --------------------------------------------------------------------------------------------------------


class RowSource:
    """An array whose rows along axis 0 are samples, deferred for as long as no transform looks into one."""

    def __init__(self, data: NDArray) -> None:
        self.data = data
        self.deferring = data.ndim > 1 and data.shape[0] > 0
        self.recipe = Recipe(data[0].copy() * 0) if self.deferring else None

    def rows(self) -> Callable[[int], NDArray]:
        """For one batch: the function that gives its rows by index."""
        if self.recipe is None or not self.deferring or state.trace is not None:
            return self.data.__getitem__
        return Rows(self, self.recipe).get


class Rows:
    """The deferred rows of one batch."""

    __slots__ = ("recipe", "size", "source", "waiting")

    def __init__(self, source: RowSource, recipe: Recipe) -> None:
        self.source, self.recipe, self.size = source, recipe, source.data.shape[0]
        self.waiting: list[DeferredRow] = []

    def get(self, index: int) -> NDArray:
        """The row `index`, as ``data[index]`` gives it."""
        if not self.source.deferring or index.__class__ is not int or not 0 <= index < self.size:
            return self.source.data[index]
        row = _new(DeferredRow)
        _write_note(row, (self, index, self.recipe))
        return row

    def settle(self) -> None:
        """Compute all that waits, in the order in which it was noted; from here on rows are plain arrays."""
        self.source.deferring = False
        waiting, self.waiting = self.waiting, []
        for row in waiting:
            if row.__class__ is DeferredRow:
                _compute(row)


_new: Any = object.__new__
_slot: Any = Array._index  # a slot that plain arrays read only after `_node`, which is empty here
_read_note: Callable[[Any], tuple[Rows, int, Recipe]] = _slot.__get__
_write_note: Callable[[Any, tuple[Rows, int, Recipe]], None] = _slot.__set__


class DeferredRow(NDArray):
    """A row of a data set and the operations noted on it; at any other use it becomes a plain `NDArray`.

    The slots of an array stay empty, so that reading any of them ends in `__getattr__`, which fills them.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        _become_plain(self)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _become_plain(self)
        setattr(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        return _read_note(self)[2].model.shape

    @property
    def dtype(self) -> type[np.generic]:
        return _read_note(self)[2].model.dtype

    @property
    def context(self) -> Context:
        return _read_note(self)[2].model.context

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return _read_note(self)[2].model.size

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        return _later(self, "astype", dtype) if copy is True else _become_plain(self).astype(dtype, copy)

    def reshape(self, *shape: Any, **named: Any) -> NDArray:
        target = _integers(shape)
        if named or target is None:
            return _become_plain(self).reshape(*shape, **named)
        return _later(self, "reshape", target)

    def transpose(self, *axes: Any, **named: Any) -> NDArray:
        order = _integers(axes)
        if named or order is None:
            return _become_plain(self).transpose(*axes, **named)
        return _later(self, "transpose", order)


def _integers(arguments: tuple[Any, ...]) -> tuple[int, ...] | None:
    """Integers passed one by one or as a tuple, as a tuple; None if they are anything else."""
    values = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
    return values if all(isinstance(value, int) for value in values) else None


def _arithmetic_later(name: str) -> Any:
    def operator(self: NDArray, other: Any) -> NDArray:
        return _later(self, name, other)

    operator.__name__ = operator.__qualname__ = name
    return operator


for _name in _ARITHMETIC:
    setattr(DeferredRow, _name, _arithmetic_later(_name))


def _later(row: NDArray, name: str, argument: Any) -> NDArray:
    """The row with one more operation noted; the operation itself, where it can't wait."""
    rows, index, recipe = _read_note(row)
    try:
        longer = recipe.after.get((name, argument.__class__, argument)) or recipe.then(name, argument)
    except TypeError:  # an argument without a hash
        longer = None
    if longer is None or state.trace is not None:
        return getattr(_become_plain(row), name)(argument)
    later = _new(DeferredRow)
    _write_note(later, (rows, index, longer))
    rows.waiting.append(later)
    return later


def _become_plain(row: NDArray) -> NDArray:
    _read_note(row)[0].settle()
    if row.__class__ is DeferredRow:
        _compute(row)
    return row


def _compute(row: NDArray) -> None:
    """Do what was noted, on this row alone, and let the row be the result."""
    rows, index, recipe = _read_note(row)
    with concrete():
        value = recipe.on_row(rows.source.data[index])
    object.__setattr__(row, "__class__", NDArray)
    Array.__init__(row, value._data, value._context)


def gather(samples: Sequence[Any]) -> NDArray | None:
    """One array with the samples along axis 0, if all are rows of one source with the same notes; else None."""
    if samples[0].__class__ is not DeferredRow:
        return None
    rows, _, recipe = _read_note(samples[0])
    indices: list[int] = []
    for sample in samples:
        if sample.__class__ is not DeferredRow:
            return None
        its_rows, index, its_recipe = _read_note(sample)
        if its_recipe is not recipe or its_rows is not rows:
            return None
        indices.append(index)
    data = rows.source.data
    rows.waiting.clear()
    return recipe.on_batch(NDArray(data._concrete().take(indices, axis=0), data.context))
