"""`Array`, the base class of arrays; `lamina.nd.NDArray` adds the public interface."""

from __future__ import annotations

from operator import attrgetter, setitem
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lamina.core.interrupts import Change, make
from lamina.core.memory import aligned_empty, keep_freed_memory
from lamina.core.state import flush_pending, pending, state, wait_for_pending
from lamina.errors import StaleGradientError, TraceError
from lamina.support.messages import user_location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.core.tape import Leaf, TapeNode
    from lamina.device.context import Context

keep_freed_memory()

UserArray = Any
"""The public array class `lamina.nd.NDArray`, which `core` must not import."""


class Facade:
    """A wrapper of an `Array`, ``_array``, with another interface, which operators don't accept (see `nd.facade`)."""

    __slots__ = ("__weakref__", "_array")

    _array: UserArray

    if TYPE_CHECKING:  # what its subclass has besides

        def __getattr__(self, name: str) -> Any: ...


class Symbolic:
    """The base class of `lamina.mxnet.symbol.Symbol`, a graph node that operators accept in place of an array."""

    __slots__ = ()

    def _forward(self, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a Gluon block with symbols and return symbols; `args` begins with `self`."""
        raise NotImplementedError


class Value(Protocol):
    """The contents of an array: a NumPy array, memory of a device, or a graph node while tracing."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...


class Keeper(Protocol):
    """An object that temporarily stores the contents of arrays; see `lamina.compiler.cpu._holding`."""

    def give_back(self) -> None: ...


class StaleGradient:
    """A placeholder for the buffer of a gradient that a compiled step used without storing it.

    Reading the gradient calls `__array__`, which raises an error. Code that overwrites the whole gradient gets a new
    buffer from `renew`.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise StaleGradientError(
            f"this gradient (shape {self.shape}) was consumed by a compiled step that both computes and uses it, "
            "so it was never stored. To read gradients after the step, compile with "
            "@lamina.compile(keep_gradients=True)."
        )


class View:
    """A view of a traced array: the base array, and functions that read and write the viewed elements.

    Outside a trace no such object is needed, since views share the base's memory.
    """

    __slots__ = ("base", "base_value", "read", "write")

    def __init__(
        self,
        base: Array,
        base_value: Value,
        read: Callable[[Array], Array],
        write: Callable[[Array, Array], Array],
    ) -> None:
        self.base, self.base_value, self.read, self.write = base, base_value, read, write


_EXPORTED = 1


def attribute(path: str, doc: str = "") -> Any:
    """A property that reads an attribute of an attribute without running Python code, as each operator reads some."""
    return property(attrgetter(path), doc=doc)


class Array:
    """An array's contents on a device, and its position in the graph for `backward`.

    ``_data``     the contents (see `Value`)
    ``_context``  the device
    ``_node``     the tape node that computed the array, as its output number ``_index``; None for a leaf
    ``_leaf``     the gradient and how `backward` writes it, once `attach_grad` was called; else None
    ``_writes``   a list with the number of in-place writes to the memory, shared by all views. It has a second
                  element if objects other than lamina's arrays may refer to the memory
    ``_view``     for a traced view: the base array and access functions; for an array with a ``_keeper``: its
                  shape and dtype
    ``_keeper``   the object that stores the contents after a compiled step has left them in another layout
    """

    __slots__ = (
        "__weakref__", "_context", "_data", "_index", "_keeper", "_leaf", "_node", "_view", "_writes",
    )  # fmt: skip

    _is_computed = True
    """Whether the array's values are available without further computation."""

    _data: Value
    _context: Context
    _node: TapeNode | None
    _index: int
    _leaf: Leaf | None
    _writes: list[int]
    _view: View | None
    _keeper: Keeper

    def __init__(self, data: Value, context: Context) -> None:
        self._data = data
        self._context = context
        self._node = None
        self._index = 0
        self._leaf = None
        self._writes = [0]
        self._view = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self._data.shape

    @property
    def dtype(self) -> type[np.generic]:
        """The element type, as a NumPy scalar type (``numpy.float32``), as in MXNet."""
        return self._data.dtype.type

    @property
    def _is_stale(self) -> bool:
        """Whether the array is a gradient whose values were never stored; see `StaleGradient`."""
        return isinstance(self._data, StaleGradient)

    def _is_recorded(self) -> bool:
        """Whether gradients flow to or through the array."""
        node = self._node
        return self._leaf is not None or (node is not None and node.inputs is not None)

    _dtype: np.dtype = attribute("_data.dtype")
    """The dtype as a NumPy dtype object."""

    @property
    def _version(self) -> int:
        """The number of in-place writes; `backward` compares versions to find operands that have changed."""
        return self._writes[0]

    def _note_write(self) -> None:
        """Compute all pending arrays, which may need the old contents, and count an in-place write."""
        flush_pending()
        self._writes[0] += 1

    @staticmethod
    def _note_writes(arrays: Iterable[Array], times: int = 1) -> None:
        """Call `_note_write` for several arrays, and count `times` writes for each."""
        flush_pending()
        for array in arrays:
            array._writes[0] += times

    def _write(self, value: Array) -> None:
        """Copy the contents of `value`, of the same shape and any dtype, into the array."""
        queue = state.queue
        if queue is not None and queue.write(self, value):
            return
        flush_pending()
        self._write_now(value)

    def _write_now(self, value: Array) -> None:
        """Do the same as `_write` immediately; the caller must ensure that no pending array needs the old contents."""
        if state.trace is not None:
            self._writes[0] += 1
            state.trace.assign(self, value)
        else:
            make(iter(self._rewritten(value)))

    def _rewritten(self, value: Array) -> list[Change]:
        """The calls, for `lamina.core.interrupts.make`, that copy `value` into the array and increment its version."""
        data: Any = self._data
        if isinstance(data, np.ndarray):
            copy = (setitem, data, ..., value._data)
        elif self._is_stale:
            fresh = placed(np.array(value._data, dtype=data.dtype), self._context)
            copy = (setattr, self, "_data", fresh)
        else:
            copy = (data.write, value._data)
        return [copy, (setitem, self._writes, 0, self._writes[0] + 1)]

    def _numbers(self) -> np.ndarray:
        """The values as a NumPy array, for immediate reading or copying.

        The NumPy array is a copy if the values are on a device. Raises `TraceError` while tracing, since a traced array
        has no values.
        """
        if state.trace is not None:
            raise TraceError(
                f"{user_location()}: the value of an array (shape {self.shape}) is read inside lamina.compile, "
                "where no values exist yet. Return the array and read it outside, or choose with nd.where "
                "instead of `if`."
            )
        if pending.is_open:
            wait_for_pending()
            if state.queue is not None:
                state.queue.look(self)
        return np.asarray(self._data)  # a stale gradient or a node of a finished trace raises its own error

    def _concrete(self) -> np.ndarray:
        """The values as a NumPy array that the caller may keep, and may read or write at any time."""
        flush_pending()
        self._note_export()
        return self._numbers()

    def _note_export(self) -> None:
        """Record that objects other than lamina's arrays may refer to the memory from now on."""
        if len(self._writes) == 1:
            self._writes.append(_EXPORTED)


def placed(numbers: np.ndarray, context: Context) -> Any:
    """The contents of a new array on `context`: `numbers` itself on the CPU, a copy on a device."""
    if context.is_host:
        return numbers
    from lamina.device.context import device_of
    from lamina.device.interface import DeviceArray

    return DeviceArray.of(device_of(context), numbers)


def writes_of(array: Array) -> int:
    """The number of in-place writes to an array so far; while it stays, what was computed from the array holds."""
    return array._version


def require_numbers(array: Array) -> None:
    """Raise `StaleGradientError` if `array` is a gradient whose values were never stored; see `StaleGradient`."""
    if array._is_stale:
        np.asarray(array._data)


def renew(array: Array) -> None:
    """Allocate a new buffer for a stale gradient, before it is overwritten; do nothing for other arrays."""
    if not array._is_stale:
        return
    if array._context.is_host:
        array._data = aligned_empty(array.shape, array._dtype)
        return
    from lamina.device.context import device_of
    from lamina.device.interface import DeviceArray

    array._data = DeviceArray.empty(device_of(array._context), array.shape, array._dtype)


def view(
    result: UserArray, base: Array, read: Callable[[Any], Any], write: Callable[[Any, Any], Any]
) -> UserArray:
    """Make `result` a view of `base` in the current trace; `read` and `write` access the viewed elements of `base`.

    Outside a trace a view needs no such call, since it shares the memory of its base.
    """
    result._writes = base._writes
    if state.trace is not None:
        result._view = View(base, state.trace.value(base), read, write)
    return result
