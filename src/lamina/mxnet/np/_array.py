"""`ndarray`, an array with NumPy's semantics that wraps an `NDArray`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import iadd, imod, imul, isub, itruediv
from typing import Any

import numpy as onp

from lamina.core.array import Array, attribute
from lamina.core.primitive import bind
from lamina.core.tape import is_recorded
from lamina.device.context import Context
from lamina.errors import DTypeError, ShapeError
from lamina.mxnet.np import _elementwise, _select, _shape
from lamina.mxnet.np._elementwise import around, bitwise_and, bitwise_or, bitwise_xor, floor_divide, invert
from lamina.mxnet.np._numpys import by_function, by_ufunc
from lamina.mxnet.np._products import matmul
from lamina.mxnet.np.conversion import as_array, with_shape
from lamina.mxnet.np.promotion import arithmetic, as_bool, cast_to, compared, divided
from lamina.nd.facade import Facade, mapped, plain, set_facade
from lamina.nd.ndarray import formatted
from lamina.primitives import BINARY, COMPARISON, UNARY, element_type


class Methods:
    """Functions of `lamina.np` as methods, a base class of `ndarray`."""

    __slots__ = ()

    # each element
    from lamina.mxnet.np._elementwise import abs, round
    from lamina.mxnet.np._products import dot

    # along axes
    from lamina.mxnet.np._reduce import all, any, argmax, argmin, cumsum, max, mean, min, prod, std, sum, var
    from lamina.mxnet.np._select import argsort, diag, diagonal, nonzero, take, trace

    # shapes, parts and order
    from lamina.mxnet.np._shape import broadcast_to, expand_dims, ravel, repeat, squeeze, swapaxes, tile

    def clip(self: Any, min: Any = None, max: Any = None) -> Any:
        """Clip to [min, max]; see `np.clip`."""
        return _elementwise.clip(self, min, max)

    def reshape(self: Any, *newshape: Any, order: str = "C") -> Any:
        """A copy in another shape, a tuple or several integers; see `np.reshape`."""
        return _shape.reshape(self, newshape[0] if len(newshape) == 1 else newshape, order)

    def transpose(self: Any, *axes: Any) -> Any:
        """A copy with permuted axes, a tuple or several integers; see `np.transpose`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return _shape.transpose(self, order or None)

    def flatten(self: Any, order: str = "C") -> Any:
        """A flattened copy of the array."""
        return _shape.ravel(self)

    def sort(self: Any, axis: int | None = -1, kind: str | None = None, order: None = None) -> Any:
        """A copy sorted along `axis`, as in MXNet (NumPy's method sorts in place)."""
        return _select.sort(self, axis)


_Integer = int | onp.integer


def get(x: Any, key: Any) -> Any:
    """``x[key]``, as a view if the selected elements are contiguous, else as a copy."""
    if key.__class__ is int:
        found = x[key] if x.shape else _no_axes()
        return found if len(x.shape) > 1 else with_shape(found, ())
    parts = _parts(key)
    if not x.shape:
        return _of_number(x, parts)
    if len(parts) == 1 and _is_scalar(parts[0]):
        return with_shape(x[parts[0].reshape((1,))], x.shape[1:])
    if all(isinstance(p, _Integer) for p in parts):
        found = x[parts]
        return with_shape(found, ()) if len(parts) == len(x.shape) else found
    found = x[parts]
    return with_shape(found, ()) if _names_one_element(parts, len(x.shape)) else found


def set(x: Any, key: Any, value: Any) -> None:
    """Assign ``x[key] = value``, with `value` broadcast and converted to the dtype of `x`."""
    value = mapped(value, plain)
    if isinstance(key, slice) or key is Ellipsis:
        if isinstance(value, Array) and value.shape == x.shape and not is_recorded(value):
            x[slice(None)] = value
        else:
            x[key if x.shape else ...] = value
        return
    x[_parts(key)] = value


def _parts(key: Any) -> tuple[Any, ...]:
    """The index as a tuple of unwrapped arrays and other components.

    If there are several components, a scalar array among them becomes an integer.
    """
    if isinstance(key, list):
        key = onp.asarray(mapped(key, plain))
        key = key.astype(onp.int64) if not key.size else key
    if not isinstance(key, tuple):
        return (plain(key),)
    parts = [plain(p) for p in key]
    if len(parts) > 1:
        parts = [int(p) if _is_scalar(p) and p._dtype.kind != "b" else p for p in parts]
    return tuple(parts)


def _is_scalar(part: Any) -> bool:
    return isinstance(part, Array) and part.shape == ()


def _names_one_element(parts: tuple[Any, ...], ndim: int) -> bool:
    """Whether the index has an integer for every axis, and at most ellipses besides."""
    integers = [p for p in parts if isinstance(p, _Integer)]
    return len(integers) == ndim and all(p is Ellipsis for p in parts if not isinstance(p, _Integer))


def _of_number(x: Any, parts: tuple[Any, ...]) -> Any:
    """``x[parts]`` for a scalar array `x`, which gets an axis of size 1 for each None in the index."""
    if all(p is None or p is Ellipsis for p in parts):
        return with_shape(x, tuple([1 for p in parts if p is None]))
    return _no_axes()


def _no_axes() -> Any:
    raise IndexError("an array of shape () is one number, and has no axis to index")


_new: Any = object.__new__


def _applied(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], ndarray]:
    """The method of an operator that `compute` applies to two `NDArray`s, or an `NDArray` and a number."""
    return lambda self, other: wrapped(compute(self._array, plain(other)))


def _reflected(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], ndarray]:
    """The method of an operator for an array on its right."""
    return lambda self, other: wrapped(compute(other, self._array))


def _in_place(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], ndarray]:
    def written(self: Any, other: Any) -> ndarray:
        self._array = compute(self._array, _partner(self._array, other))
        return self

    return written


_divide_in_place = _in_place(itruediv)
_add, _subtract, _multiply, _mod, _power = (
    partial(arithmetic, BINARY[name]) for name in ("add", "subtract", "multiply", "mod", "power")
)


class ndarray(Facade, Methods):  # noqa: N801 - MXNet's and NumPy's name
    """An array with NumPy's semantics, for example with shape () for scalars and bools from comparisons.

    Create an array with `np.array`, `np.zeros` etc., not by calling the class. `as_nd_ndarray` returns the wrapped
    `NDArray`, which shares its memory.

    >>> from lamina import np
    >>> x = np.array([[1, 2], [3, 4]])
    >>> x + 1
    array([[2., 3.],
           [4., 5.]])
    >>> x.sum(), x > 2, x[x > 2]
    (array(10.), array([[False, False],
           [ True,  True]]), array([3., 4.]))
    """

    __slots__ = ()
    __array_priority__ = 1000.0
    __hash__ = None  # pyright: ignore[reportAssignmentType] - as NumPy's: == compares elements

    # --- attributes ----------------------------------------------------------------------------------------------

    shape: tuple[int, ...] = attribute("_array.shape", "The sizes of the axes, () for a scalar.")
    dtype: onp.dtype = attribute("_array._dtype", "The element type.")
    ndim: int = attribute("_array.ndim", "The number of axes.")
    size: int = attribute("_array.size", "The number of elements.")
    ctx: Context = attribute("_array._context", "The device whose memory contains the array.")
    context = ctx
    stype: str = attribute("_array.stype", 'MXNet\'s storage type, always ``"default"`` (dense).')

    @property
    def T(self) -> ndarray:  # noqa: N802 - NumPy's name
        """The array with its axes reversed."""
        return self.transpose()

    def as_nd_ndarray(self) -> Any:
        """The wrapped `NDArray`, which shares memory with this array."""
        return self._array

    def as_np_ndarray(self) -> ndarray:
        """The array itself."""
        return self

    def __len__(self) -> int:
        if not self._array.shape:
            raise TypeError("len() of an array of shape (), which is one number")
        return self._array.shape[0]

    def __iter__(self) -> Iterator[ndarray]:
        if not self._array.shape:
            raise TypeError("an array of shape () is one number, and has no rows")
        return (self[i] for i in range(self._array.shape[0]))

    def __repr__(self) -> str:
        return _text(self._array)

    def __str__(self) -> str:
        return str(self._array._seen())

    def __format__(self, spec: str) -> str:
        return formatted(self, self._array, spec)

    # --- numbers out ---------------------------------------------------------------------------------------------

    def asnumpy(self) -> onp.ndarray:
        """A copy of the array as a NumPy array."""
        return self._array.asnumpy()

    def item(self, *position: int) -> Any:
        """The element at `position`, by default the only element, as a Python number."""
        if position:
            return self._array._numbers().item(*position)
        if self.size != 1:
            raise ShapeError(f"item: needs exactly one element, the shape is {self.shape}; give its position")
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists, or a Python number for a scalar."""
        return self._array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> onp.ndarray:
        return self._array.__array__(dtype, copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return by_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return by_function(function, args, kwargs)

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __int__(self) -> int:
        return int(self._array)

    def __index__(self) -> int:
        return self._array.__index__()

    def __reduce__(self) -> tuple[Any, ...]:
        return (wrapped, (self._array,))

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    # --- operators -----------------------------------------------------------------------------------------------

    def __neg__(self) -> ndarray:
        x = self._array
        return wrapped(bind(UNARY["negative"], cast_to(x, _INT) if x._dtype.kind == "b" else x))

    def __pos__(self) -> ndarray:
        return self

    def __abs__(self) -> ndarray:
        return wrapped(bind(UNARY["abs"], self._array))

    __round__ = around

    def __invert__(self) -> ndarray:
        if self._array._dtype.kind not in "biu":
            raise DTypeError(f"~ takes bools and integers, not {self.dtype}; a comparison gives bools")
        return invert(self)

    __add__ = __radd__ = _applied(_add)
    __sub__, __rsub__ = _applied(_subtract), _reflected(_subtract)
    __mul__ = __rmul__ = _applied(_multiply)
    __truediv__, __rtruediv__ = _applied(divided), _reflected(divided)
    __mod__, __rmod__ = _applied(_mod), _reflected(_mod)
    __pow__, __rpow__ = _applied(_power), _reflected(_power)
    __floordiv__ = floor_divide
    __matmul__ = matmul
    __and__ = __rand__ = bitwise_and
    __or__ = __ror__ = bitwise_or
    __xor__ = __rxor__ = bitwise_xor

    def __rfloordiv__(self, other: Any) -> ndarray:
        return floor_divide(other, self)

    def __rmatmul__(self, other: Any) -> ndarray:
        return matmul(other, self)

    def __eq__(self, other: object) -> Any:
        return _compared("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return _compared("not_equal", self, other)

    __gt__, __ge__, __lt__, __le__ = (
        _applied(partial(compared, COMPARISON[name]))
        for name in ("greater", "greater_equal", "less", "less_equal")
    )

    # --- writing in place; as in MXNet, ``x **= 2`` and ``x //= 2`` make new arrays --------------------------------

    __iadd__, __isub__, __imul__, __imod__ = map(_in_place, (iadd, isub, imul, imod))

    def __itruediv__(self, other: Any) -> ndarray:
        if self._array._dtype.kind != "f":
            raise DTypeError(
                f"/= gives floats, which an array of {self.dtype} does not hold; write x = x / y"
            )
        return _divide_in_place(self, other)

    def __getitem__(self, key: Any) -> ndarray:
        return wrapped(get(self._array, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        set(self._array, key, value)

    # --- copies --------------------------------------------------------------------------------------------------

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> ndarray:
        """Convert to another dtype; ``copy=False`` returns the array itself if it already has this dtype."""
        kind = element_type(dtype)
        if not copy and self.dtype == kind:
            return self
        return wrapped(as_bool(self._array) if kind.kind == "b" else self._array.astype(kind))

    def copy(self, order: str = "C") -> ndarray:
        """A copy with separate memory."""
        return wrapped(self._array.copy())

    def copyto(self, other: Any) -> Any:
        """Write the contents into the array `other` and return `other`, or return a copy on the device `other`."""
        result = self._array.copyto(plain(other))
        return other if isinstance(other, ndarray) else wrapped(result)

    def as_in_ctx(self, ctx: Context) -> ndarray:
        """The array itself if it is on `ctx`, else a copy there."""
        return self if ctx is self._array._context else wrapped(self._array.as_in_context(ctx))

    def as_in_context(self, context: Context) -> ndarray:
        """The array itself if it is on `context`, else a copy there."""
        return self.as_in_ctx(context)

    def wait_to_read(self) -> None:
        """Wait until the array's contents are computed."""
        self._array.wait_to_read()

    # --- autograd ------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> ndarray | None:
        """The gradient array, or None before `attach_grad`."""
        found = self._array.grad
        return None if found is None else wrapped(found)

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Attach a gradient, which `backward` overwrites (``grad_req="write"``) or adds to (``"add"``)."""
        self._array.attach_grad(grad_req)

    def detach(self) -> ndarray:
        """An array that shares this array's memory, but through which no gradient flows back."""
        return wrapped(self._array.detach())

    def backward(self, out_grad: Any = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Compute the gradients of this array's sum with respect to all arrays with `attach_grad`."""
        self._array.backward(plain(out_grad), retain_graph, train_mode)


def wrapped(array: Any) -> ndarray:
    made = _new(ndarray)
    made._array = array
    return made


set_facade(wrapped)

_INT = onp.dtype(onp.int64)


def _compared(name: str, x: ndarray, other: object) -> Any:
    other = plain(other)
    if not isinstance(other, Array | int | float | onp.generic | onp.ndarray | list | tuple):
        return NotImplemented  # an array never equals None or a string
    return wrapped(compared(COMPARISON[name], x._array, other))


def _partner(x: Any, other: Any) -> Any:
    """`other` as the second operand of an in-place operation on `x`, converted to the dtype of `x`."""
    other = plain(other)
    if not isinstance(other, Array):
        if not isinstance(other, onp.ndarray | list | tuple):
            return other
        other = as_array(other)
    if other._dtype.kind == "f" and x._dtype.kind != "f":
        raise DTypeError(
            f"an array of {x._dtype} does not hold the result of an operation with {other._dtype}; "
            "write x = x + y, which makes a new array"
        )
    return cast_to(other, x._dtype)


def _text(x: Any) -> str:
    """NumPy's representation, with the dtype unless float32, and the device unless ``cpu(0)``."""
    numbers = x._seen()
    text = repr(numbers)
    if numbers.dtype == onp.float32:
        text = text.replace(", dtype=float32)", ")").replace(",\n      dtype=float32)", ")")
    elif "dtype=" not in text and numbers.dtype.kind != "b":
        text = f"{text[:-1]}, dtype={numbers.dtype})"
    return text if x._context.is_host and x._context.device_id == 0 else f"{text[:-1]}, ctx={x._context})"
