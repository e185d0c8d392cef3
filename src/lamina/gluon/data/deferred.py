"""Deferred row arithmetic, which makes a per-sample transform as fast as a per-batch transform.

A `DataLoader` must call the user's transform once for each sample, in order: only then do random numbers, counters and
branches in the transform agree with MXNet. The calls themselves are fast, but sixty thousand tiny array operations are
slow. Therefore the transform gets a `DeferredRow`, an `NDArray` that only records ``astype``, arithmetic with a number,
``reshape`` and ``transpose``. If all rows of a batch have recorded the same operations, the batch is computed by one
gather and each operation once. Any other use of a row (another operator, reading, writing, an attribute) first turns
this row and all uncomputed rows into plain `NDArray`s; from then on the data set returns only plain arrays.

docs/adr/deferred-rows.md explains why the result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.state import concrete, state
from lamina.nd.lookup import rows_of
from lamina.nd.ndarray import NDArray

_MOST_BRANCHES = 16  # operations that differ from sample to sample (random factors) are not worth caching
_ARITHMETIC = (
    "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__",
)  # fmt: skip
_CODES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2")
_NUMBERS = frozenset((int, float, *(np.dtype(code).type for code in _CODES)))


def _may_wait(kind: str, name: str, argument: Any) -> bool:
    """Whether an operation can be deferred, i.e. gives equal results for a batch and for single rows.

    `kind` is the kind of the rows' dtype. The result is True for reshapes and transposes, correctly rounded arithmetic,
    and conversions except float to integer, whose results for NaN or on overflow may differ between the processor's
    instructions.
    """
    if name == "astype":
        is_dtype = isinstance(argument, type | str | np.dtype)
        return is_dtype and (kind != "f" or np.dtype(argument).kind not in "iu")
    if name not in _ARITHMETIC:
        return True
    # 0.0 and -0.0 are equal as keys of a dict but not as divisors, so operations with zeros are not deferred
    exact = kind == "f" or (kind in "iu" and "div" not in name)
    return exact and argument.__class__ in _NUMBERS and bool(argument)


class Recipe:
    """The sequence of operations recorded for a row, and the resulting dtype and shape.

    Recipes form a tree, in which equal sequences are the same object; two rows' recipes can be compared by `is`.
    """

    __slots__ = ("after", "model", "operations")

    def __init__(self, model: NDArray, operations: tuple[tuple[str, Any, tuple[int, ...]], ...] = ()) -> None:
        self.model = model  # an array of zeros that shows an operation's shape and dtype, or error
        self.operations = operations  # each with the shape of its result
        self.after: dict[Any, Recipe] = {}

    def then(self, name: str, argument: Any) -> Recipe | None:
        """The recipe extended by an operation (cached), or None if the operation can't be deferred.

        Errors of the operation itself are raised.
        """
        kind = np.dtype(self.model.dtype).kind
        if len(self.after) >= _MOST_BRANCHES or not _may_wait(kind, name, argument):
            return None
        with concrete():
            model = getattr(self.model, name)(argument)
        recipe = Recipe(model, (*self.operations, (name, argument, model.shape)))
        return self.after.setdefault((name, argument.__class__, argument), recipe)

    def on_row(self, row: NDArray) -> NDArray:
        """Apply the operations to a single row, exactly as the transform called them."""
        for name, argument, _ in self.operations:
            row = getattr(row, name)(argument)
        return row

    def on_batch(self, batch: NDArray) -> NDArray:
        """Apply the operations to each row of `batch`, whose rows lie along axis 0."""
        for name, argument, shape in self.operations:
            if name == "reshape":  # MXNet's codes would count from axis 0, which here is the batch
                argument = (batch.shape[0], *shape)
            elif name == "transpose":
                ndim = len(shape)
                argument = (0, *(a % ndim + 1 for a in argument or range(ndim)[::-1]))
            batch = getattr(batch, name)(argument)
        return batch


class RowSource:
    """An array whose rows along axis 0 are samples, deferred until a transform first reads a row's values."""

    def __init__(self, data: NDArray) -> None:
        self.data = data
        self.deferring = data.ndim > 1 and data.shape[0] > 0
        self.recipe = Recipe(data[0].copy() * 0) if self.deferring else None

    def rows(self) -> Callable[[int], NDArray]:
        """A function that returns rows by index, for the samples of one batch."""
        if self.recipe is None or not self.deferring or state.trace is not None:
            return self.data.__getitem__
        return Rows(self, self.recipe).get


class Rows:
    """The deferred rows of one batch."""

    __slots__ = ("recipe", "size", "source", "waiting")

    def __init__(self, source: RowSource, recipe: Recipe) -> None:
        self.source, self.recipe, self.size = source, recipe, source.data.shape[0]
        self.waiting: list[NDArray] = []

    def get(self, index: int) -> NDArray:
        """Row `index` of the data, as a `DeferredRow` if possible."""
        if not self.source.deferring or index.__class__ is not int or not 0 <= index < self.size:
            return self.source.data[index]
        row = _new(DeferredRow)
        _write_note(row, (self, index, self.recipe))
        return row


_new: Any = object.__new__
_slot: Any = Array._index  # a slot that is read only if `_node` is set, which it is not
_read_note: Callable[[Any], tuple[Rows, int, Recipe]] = _slot.__get__
_write_note: Callable[[Any, tuple[Rows, int, Recipe]], None] = _slot.__set__


class DeferredRow(NDArray):
    """A row of a data set with recorded operations, which becomes a plain `NDArray` at any other use.

    The attributes of an `NDArray` stay unset; reading an attribute calls `__getattr__`, which computes the row.
    """

    __slots__ = ()
    _is_computed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(_become_plain(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_become_plain(self), name, value)

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        return _later(self, "astype", dtype) if copy is True else _become_plain(self).astype(dtype, copy)

    def reshape(self, *shape: Any, **named: Any) -> NDArray:
        return _move_later(self, "reshape", shape, named)

    def transpose(self, *axes: Any, **named: Any) -> NDArray:
        return _move_later(self, "transpose", axes, named)


def _move_later(row: NDArray, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> NDArray:
    """Defer a reshape or transpose with integer arguments or a tuple of integers, or else compute the result now."""
    values = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
    if named or not all(isinstance(value, int) for value in values):
        return getattr(_become_plain(row), name)(*arguments, **named)
    return _later(row, name, values)


def _arithmetic_later(name: str) -> Any:
    def operator(self: NDArray, other: Any) -> NDArray:
        return _later(self, name, other)

    operator.__name__ = operator.__qualname__ = name
    return operator


def _of_model(name: str) -> Any:
    """A property that reads `name` from an array with the row's shape and dtype, without computing the row."""
    return property(lambda row: getattr(_read_note(row)[2].model, name))


for _name in _ARITHMETIC:
    setattr(DeferredRow, _name, _arithmetic_later(_name))
for _name in ("shape", "dtype", "context", "ndim", "size"):
    setattr(DeferredRow, _name, _of_model(_name))


def _later(row: NDArray, name: str, argument: Any) -> NDArray:
    """The row with one more recorded operation, or the computed result if the operation can't be deferred."""
    rows, index, recipe = _read_note(row)
    try:
        longer = recipe.after.get((name, argument.__class__, argument)) or recipe.then(name, argument)
    except TypeError:  # an unhashable argument
        longer = None
    if longer is None or state.trace is not None:
        return getattr(_become_plain(row), name)(argument)
    later = _new(DeferredRow)
    _write_note(later, (rows, index, longer))
    rows.waiting.append(later)
    return later


def _become_plain(row: NDArray) -> NDArray:
    """Compute all deferred rows in the order of their operations, and finally this row.

    Later rows of the data set are not deferred.
    """
    rows = _read_note(row)[0]
    rows.source.deferring = False
    waiting, rows.waiting = rows.waiting, []
    for each in (*waiting, row):
        if each.__class__ is DeferredRow:
            _, index, recipe = _read_note(each)
            with concrete():
                value = recipe.on_row(rows.source.data[index])
            object.__setattr__(each, "__class__", NDArray)
            Array.__init__(each, value._data, value._context)
    return row


def gather(samples: Sequence[Any]) -> NDArray | None:
    """The batch of the samples, along axis 0.

    Returns None unless all samples are deferred rows of one batch with the same recipe.
    """
    if set(map(type, samples)) != {DeferredRow}:
        return None
    notes = list(map(_read_note, samples))
    rows, _, recipe = notes[0]
    if any(note[0] is not rows or note[2] is not recipe for note in notes):
        return None
    rows.waiting.clear()
    data = rows.source.data
    indices = [index for _, index, _ in notes]
    return recipe.on_batch(rows_of(data, indices))
