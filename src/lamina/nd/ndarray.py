"""`NDArray`, the public array class, with its operators, conversions and autograd methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from lamina.core.array import Array, StaleGradient, attribute, placed, view
from lamina.core.finite import look, watch, weights
from lamina.core.primitive import Primitive, bind, bind_on, set_array_type
from lamina.core.state import Mode, flush_pending, pending, state
from lamina.core.tape import Leaf, backward, become_leaf, is_recorded, recording_suspended
from lamina.device.context import Context, device_of, usable
from lamina.errors import AutogradError, ShapeError
from lamina.nd import _indexing as indexing
from lamina.nd._fluent import Fluent
from lamina.nd.conversion import array
from lamina.nd.creation import ones_like
from lamina.nd.operators import known_name, operand, write_into
from lamina.primitives import BINARY, COMPARISON, UNARY, cast, element_type, full, matmul, reshape, to_context
from lamina.support.foreign_names import telling
from lamina.support.messages import warn

__all__ = ["NDArray", "Number", "formatted"]

Number = int | float | bool | np.number[Any] | np.bool_

_EVERYTHING = slice(None)


@telling
class NDArray(Array, Fluent):
    """A dense array on a device (MXNet 1.x's ``mx.nd.NDArray``).

    Create an array with `nd.array`, `nd.zeros` etc., not by calling the class. The buffer is a C-contiguous NumPy
    array, or memory of a device.

    >>> from lamina import nd
    >>> x = nd.array([[1, 2], [3, 4]])
    >>> x + 1
    <BLANKLINE>
    [[2. 3.]
     [4. 5.]]
    <NDArray 2x2 @cpu(0)>
    """

    __slots__ = ()
    __array_priority__ = 1000.0  # NumPy then calls the reflected operators of this class
    __hash__ = object.__hash__

    # --- what it is ----------------------------------------------------------------------------------------------

    context: Context = attribute("_context", "The device whose memory contains the array.")
    ctx = context

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def stype(self) -> str:
        """MXNet's storage type, always ``"default"`` (dense)."""
        return "default"

    def tostype(self, stype: str) -> NDArray:
        """A copy of the array; `stype` must be ``"default"``, the only supported storage type."""
        known_name("tostype", "stype", stype, ("default",))
        return self.copy()

    @property
    def T(self) -> NDArray:
        """A copy with all axes reversed."""
        return self.transpose()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray]:
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.shape))
        return f"\n{self._seen()}\n<NDArray {sizes} @{self._context}>"

    def __format__(self, spec: str) -> str:
        """Format a single element like a Python number, as in ``f"{loss:.4f}"``.

        An empty `spec` formats like `str`.
        """
        return formatted(self, self, spec)

    # --- numbers out ---------------------------------------------------------------------------------------------

    def _seen(self) -> np.ndarray:
        """The array's values as a NumPy array for user code to read."""
        numbers = self._numbers()
        if weights:
            look(self, numbers)
        return numbers

    def asnumpy(self) -> np.ndarray:
        """A copy of the array as a NumPy array."""
        numbers = self._seen()
        return numbers.copy() if self._context.is_host else numbers

    def asscalar(self) -> Any:
        """The single element, as a NumPy scalar of the array's dtype."""
        data = self._seen()
        if data.size != 1:
            raise ShapeError(f"asscalar: needs exactly one element, the shape is {self.shape}")
        return data.reshape(())[()]

    def item(self) -> Any:
        """The single element, as a Python number."""
        return self.asscalar().item()

    def tolist(self) -> list[Any]:
        """The elements as nested Python lists."""
        return self._seen().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._numbers() if copy else _for_numpy(self), dtype=dtype, copy=copy)

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call a function of NumPy on the arguments, with each `NDArray` converted to a NumPy array.

        Without this method, some functions of NumPy would call `NDArray`'s methods with NumPy's arguments.
        """
        read = NDArray._concrete if function in _OF_SHAPES else _for_numpy
        named = {name: _as_numpy(value, read) for name, value in kwargs.items()}
        return function(*_as_numpy(args, read), **named)

    def __dlpack__(self, **options: Any) -> Any:
        if self._context.is_host:
            return self._concrete().__dlpack__(**options)
        return _capsule_of(self, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        if self._context.is_host:
            return self._concrete().__dlpack_device__()
        from lamina.device.dlpack import device_type

        return device_type(self._data)  # pyright: ignore[reportArgumentType]

    def __bool__(self) -> bool:
        if self.size == 0:
            return False
        if self.size > 1:
            raise ValueError(
                f"the truth value of an array of shape {self.shape} is ambiguous; "
                "compare one element, or use .sum() or .max() first"
            )
        return bool(self.asscalar())

    def __float__(self) -> float:
        return float(self.asscalar())

    def __int__(self) -> int:
        return int(self.asscalar())

    def __round__(self, ndigits: int | None = None) -> Any:
        """Round half to even, as NumPy does, to a Python number for a single element, else to an array."""
        if self.size == 1:
            return round(self.item(), ndigits)
        return array(np.round(self._numbers(), ndigits or 0), ctx=self._context, dtype=self._dtype)

    def __index__(self) -> int:
        if np.dtype(self.dtype).kind not in "iu":
            raise TypeError(
                f"only an integer array of one element is an index, this one is {np.dtype(self.dtype)}"
            )
        return int(self.asscalar())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values and the gradient, if any; after loading, training continues with both."""
        rebuilt = (_rebuild, (self._numbers(), self._context))
        leaf = self._leaf
        if leaf is None:
            return rebuilt
        return (*rebuilt, (leaf.req, None if leaf.grad._is_stale else leaf.grad))

    def __setstate__(self, state: tuple[str, NDArray | None]) -> None:
        """Restore the gradient when unpickling.

        None in `state` stands for a gradient that a compiled step used without storing it.
        """
        req, grad = state
        if grad is None:
            grad = NDArray(StaleGradient(self.shape, self._dtype), self._context)
        self._leaf = Leaf(grad, req)

    def __copy__(self) -> NDArray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> NDArray:
        return self.copy()

    # --- operators -----------------------------------------------------------------------------------------------

    def __neg__(self) -> NDArray:
        return bind(UNARY["negative"], self)

    def __pos__(self) -> NDArray:
        return self

    def __abs__(self) -> NDArray:
        return bind(UNARY["abs"], self)

    def __add__(self, other: Any) -> NDArray:
        return bind(_add, self, other if isinstance(other, Array) else operand(self, other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> NDArray:
        return bind(_subtract, self, other if isinstance(other, Array) else operand(self, other))

    def __rsub__(self, other: Any) -> NDArray:
        return bind(_subtract, operand(self, other), self)

    def __mul__(self, other: Any) -> NDArray:
        return bind(_multiply, self, other if isinstance(other, Array) else operand(self, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> NDArray:
        return bind(_divide, self, other if isinstance(other, Array) else operand(self, other))

    def __rtruediv__(self, other: Any) -> NDArray:
        return bind(_divide, operand(self, other), self)

    def __mod__(self, other: Any) -> NDArray:
        return bind(BINARY["mod"], self, operand(self, other))

    def __rmod__(self, other: Any) -> NDArray:
        return bind(BINARY["mod"], operand(self, other), self)

    def __pow__(self, other: Any) -> NDArray:
        return bind(BINARY["power"], self, operand(self, other))

    def __rpow__(self, other: Any) -> NDArray:
        return bind(BINARY["power"], operand(self, other), self)

    def __matmul__(self, other: NDArray) -> NDArray:
        return bind(matmul, self, other, transpose_a=False, transpose_b=False)

    def __eq__(self, other: object) -> Any:
        return self._compare("equal", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("not_equal", other)

    def __gt__(self, other: Any) -> NDArray:
        return bind(COMPARISON["greater"], self, operand(self, other))

    def __ge__(self, other: Any) -> NDArray:
        return bind(COMPARISON["greater_equal"], self, operand(self, other))

    def __lt__(self, other: Any) -> NDArray:
        return bind(COMPARISON["less"], self, operand(self, other))

    def __le__(self, other: Any) -> NDArray:
        return bind(COMPARISON["less_equal"], self, operand(self, other))

    def _compare(self, name: str, other: object) -> Any:
        try:
            return bind(COMPARISON[name], self, operand(self, other))
        except TypeError:
            if isinstance(other, Array):
                raise
            return NotImplemented

    # --- writing in place ----------------------------------------------------------------------------------------

    def __iadd__(self, other: Any) -> NDArray:
        return self._in_place(_add, other)

    def __isub__(self, other: Any) -> NDArray:
        return self._in_place(_subtract, other)

    def __imul__(self, other: Any) -> NDArray:
        return self._in_place(_multiply, other)

    def __itruediv__(self, other: Any) -> NDArray:
        return self._in_place(_divide, other)

    def __imod__(self, other: Any) -> NDArray:
        return self._in_place(BINARY["mod"], other)

    def _in_place(self, primitive: Primitive, other: Any) -> NDArray:
        if state.recording:
            self._forbid_recorded_write(other)
            with recording_suspended():
                result = bind(primitive, self, operand(self, other))
        else:
            result = bind(primitive, self, other if isinstance(other, Array) else operand(self, other))
        if result.shape != self.shape:
            raise ShapeError(
                f"in-place {primitive.name}: {self.shape} cannot hold the result's shape {result.shape}"
            )
        self._write(result)
        return self

    def _forbid_recorded_write(self, value: Any = None) -> None:
        """Raise `AutogradError` if a write inside `record()` would lose gradients of the array or of `value`."""
        if state.recording and (is_recorded(self) or is_recorded(value)):
            raise AutogradError(
                "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd: "
                f"an array of shape {self.shape} is written in place inside autograd.record(), and it, or what is "
                "written, has or needs a gradient. Compute a new array instead (x = x + y), or write outside record()."
            )

    def __getitem__(self, key: Any) -> NDArray:
        if isinstance(key, slice) and key == _EVERYTHING and self.shape and not state.recording:
            return self  # as in MXNet; so `x[:] -= y` is no more than `x -= y`
        return indexing.get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if state.recording:
            if is_recorded(value) and _is_everything(self, key):
                write_into(self, value.astype(self.dtype).broadcast_to(self.shape))
                return
            self._forbid_recorded_write(value)
        if isinstance(key, slice) and key == _EVERYTHING and _same_type(self, value):
            if value is not self:
                self._write(value)  # the common `param[:] = …`, without the overhead of general indexing
            return
        with recording_suspended():
            indexing.set(self, key, value)

    # --- copies --------------------------------------------------------------------------------------------------

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        """Convert to another dtype; ``copy=False`` returns the array itself if it already has this dtype."""
        if not copy and self._dtype == element_type(dtype):
            return self
        return bind(cast, self, dtype=element_type(dtype))

    def copy(self) -> NDArray:
        """A copy with separate memory."""
        return bind(cast, self, dtype=np.dtype(self.dtype))

    def copyto(self, other: NDArray | Context) -> NDArray:
        """Write the contents into the array `other` and return `other`, or return a copy on the device `other`."""
        if isinstance(other, Context):
            return _on(self, other)
        if other.shape != self.shape:
            raise ShapeError(f"copyto: {self.shape} does not fit into {other.shape}")
        other[:] = self
        return other

    def as_in_context(self, context: Context) -> NDArray:
        """The array itself if it is on `context`, else a copy there."""
        return self if context is self._context else _on(self, context)

    as_in_ctx = as_in_context

    def wait_to_read(self) -> None:
        """Wait until the array's contents are computed."""
        if not self._is_computed:
            pending.flush()
        if not self._context.is_host:
            device_of(self._context).synchronize()

    # --- autograd ------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> NDArray | None:
        """The gradient array, the same object at every step, or None before `attach_grad`."""
        if state.trace is not None:
            state.trace.uses_gradient(self)
        return None if self._leaf is None else self._leaf.grad

    @property
    def _fresh_grad(self) -> bool:
        """Whether the gradient was written since this attribute was last set to False, for MXNet's training loops."""
        return self._leaf is not None and self._leaf.known != self._leaf.grad._version

    @_fresh_grad.setter
    def _fresh_grad(self, is_fresh: bool) -> None:
        if self._leaf is not None:
            self._leaf.known = -1 if is_fresh else self._leaf.grad._version

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Attach a gradient, which `backward` overwrites (``grad_req="write"``) or adds to (``"add"``).

        With ``"null"`` there is no gradient. The array becomes a leaf: its history on the tape is dropped.
        """
        if grad_req not in ("write", "add", "null"):
            raise ValueError(f'grad_req {grad_req!r} is unknown; known: "write", "add", "null"')
        become_leaf(self)
        if state.trace is None or isinstance(self._data, np.ndarray):
            grad = NDArray(placed(np.zeros(self.shape, self.dtype), self._context), self._context)
        else:
            grad = bind_on(self._context, full, 0, shape=self.shape, dtype=self._data.dtype)
        self._leaf = None if grad_req == "null" else Leaf(grad, grad_req)
        watch(self)

    def detach(self) -> NDArray:
        """An array that shares this array's memory, but through which no gradient flows back."""
        if state.trace is None:
            with recording_suspended():
                result = bind(reshape, self, shape=self.shape)
            result._writes = self._writes
            return result
        result = NDArray(state.trace.value(self), self._context)
        return view(result, self, lambda base: base, lambda _base, value: value)

    def backward(
        self, out_grad: NDArray | None = None, retain_graph: bool = False, train_mode: bool = True
    ) -> None:
        """Compute the gradients of this array's sum with respect to all arrays with `attach_grad`.

        `out_grad` is the gradient of the final objective with respect to this array, by default ones.
        """
        with Mode(False, train_mode):
            out_grad = ones_like(self) if out_grad is None else out_grad
            backward([self], [out_grad], retain_graph=retain_graph)


def formatted(shown: Any, x: NDArray, spec: str) -> str:
    """``format(shown, spec)`` for an array `x` or its facade `shown`."""
    if not spec:
        return str(shown)
    if x.size != 1:
        raise TypeError(
            f"format: {spec!r} is for one number, and this array has shape {x.shape}; format one element or its "
            "mean(), or leave the specification out to show the whole array"
        )
    return format(x.item(), spec)


_add, _subtract, _multiply, _divide = (BINARY[n] for n in ("add", "subtract", "multiply", "divide"))


def _is_everything(x: Array, key: Any) -> bool:
    """Whether the index `key` selects the whole array; writing to it then replaces the array's entry on the tape."""
    return isinstance(key, slice) and bool(x.shape) and range(x.shape[0])[key] == range(x.shape[0])


def _same_type(x: Array, value: Any) -> bool:
    return isinstance(value, Array) and value.shape == x.shape and value._dtype == x._dtype


_OF_SHAPES = {np.shape, np.size, np.ndim, np.zeros_like, np.ones_like, np.empty_like, np.full_like}
"""Functions of NumPy whose results depend on no element, so that there is no gradient to lose."""


def _as_numpy(value: Any, read: Callable[[NDArray], np.ndarray]) -> Any:
    """`value` with each NDArray converted to a NumPy array that shares its memory, also in nested containers."""
    if isinstance(value, NDArray):
        return read(value)
    if isinstance(value, list | tuple):
        return type(value)(_as_numpy(v, read) for v in value)
    return value


def _for_numpy(x: NDArray) -> np.ndarray:
    """The array's memory, for a function of NumPy; warns if a gradient would flow through the array."""
    numbers = x._concrete()
    if state.recording and is_recorded(x):
        warn(
            f"a function of NumPy reads an array of shape {x.shape} inside autograd.record(), and no gradient flows "
            "through its result. Use the function of lamina.nd, or x.asnumpy() where a constant is intended."
        )
    return numbers


def _on(x: NDArray, context: Context) -> NDArray:
    return bind(to_context, x, context=usable(context))


def _rebuild(data: np.ndarray, context: Context) -> NDArray:
    made = array(data, ctx=context, dtype=data.dtype)
    return made if data.ndim else bind(reshape, made, shape=())


_CPU = (1, 0)  # the CPU for DLPack


def _capsule_of(
    x: NDArray,
    *,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """The DLPack capsule of `x`, with the arguments of ``x.__dlpack__``.

    The capsule always has the first version of the protocol, which every `max_version` allows.
    """
    if dl_device == _CPU:
        if copy is False:
            raise BufferError(
                f"an array on {x._context} must be copied to get to the CPU; don't pass copy=False"
            )
        return x._numbers().__dlpack__()
    from lamina.device.dlpack import exported

    flush_pending()
    value: Any = x._data
    if copy:
        value = value.copy()
    else:
        x._note_export()
    return exported(value, stream)


def __getattr__(name: str) -> Any:
    """The functions of `lamina.nd`, which MXNet has in this module."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(import_module("lamina.nd"), name)


set_array_type(NDArray)
