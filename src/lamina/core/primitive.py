"""Primitives, and `bind`, the single entry point of every operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, repeat
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array, Facade, UserArray, Value
from lamina.core.state import Queue, is_silent, pending, state, wait_for_pending
from lamina.core.tape import record
from lamina.device.context import current_context, set_current
from lamina.errors import ContextError, DTypeError

if TYPE_CHECKING:
    from lamina.core.lowering import Lowering
    from lamina.device.context import Context

Operand = Any
"""An input of a primitive: an `Array`, or a Python number that takes the arrays' dtype."""

Type = tuple[tuple[int, ...], np.dtype]
"""The shape and dtype of a value."""

REGISTRY: dict[str, Primitive] = {}
"""All primitives by name. The tests and the compiler iterate over them."""

_array_type: type[Array] = Array


def set_array_type(array_type: type[Array]) -> None:
    """Set the subclass of `Array` that `bind` returns; `lamina.nd` calls this once."""
    global _array_type  # noqa: PLW0603 - the one registration that breaks the import cycle
    _array_type = array_type


_evaluate_on_device: Any = None
_kernel: Any = None


def set_compilation(
    evaluate_on_device: Callable[..., Value],
    kernel: Callable[[Primitive, np.dtype, int], Callable[..., Any] | None],
) -> None:
    """Set what compiles primitives for eager evaluation; `lamina.compiler.deferral` calls this once.

    ``evaluate_on_device(primitive, inputs, params, context)`` returns the result's value on `context`. `kernel` is the
    function that this module's `kernel` calls.
    """
    global _evaluate_on_device, _kernel
    _evaluate_on_device, _kernel = evaluate_on_device, kernel


def kernel(primitive: Primitive, dtype: np.dtype, inputs: int = 1) -> Callable[..., Any] | None:
    """The compiled code of a primitive for a float dtype; None if the primitive can't be compiled.

    For an elementwise primitive, the code is a function of `inputs` NumPy arrays. For a reduction it is ``fold(x,
    axes)``, which needs a non-empty array and returns the results flattened. For a matrix product it is ``product(a, b,
    out)``.
    """
    return None if _kernel is None else _kernel(primitive, dtype, inputs)


def by_dtype(
    primitive: Primitive, find: Callable[[np.dtype], Callable[..., Any] | None]
) -> Callable[..., Any]:
    """A `Primitive.compute` that calls ``find(dtype)``, cached, or the primitive's `eval` where that is None."""
    known: dict[str, Callable[..., Any]] = {}

    def compute(x: np.ndarray, *others: Any, **params: Any) -> Any:
        function = known.get(x.dtype.char)
        if function is None:
            function = find(np.dtype(x.dtype.type))
            if function is None:
                return primitive.eval(x, *others, **params)
            known[x.dtype.char] = function
        return function(x, *others, **params)

    return compute


class ForEachInput:
    """The vector-Jacobian products of any number of inputs: ``function(i, g, out, *inputs, **params)`` for input i."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return map(partial, repeat(self._function), count())


class Primitive:
    """An operator: how to evaluate, type, differentiate and compile it.

    ``eval(*buffers, **params)``
        the result as a NumPy array; the reference for compiled code.
    ``compute(*buffers, **params)``
        the result in eager evaluation. It is `eval`, or compiled code where NumPy's functions round differently. `bind`
        calls it with NumPy's floating-point warnings off.
    ``infer(*inputs, **params)``
        ``(shape, dtype)`` of the result. The inputs are any objects with `shape` and `dtype`. Raises an error that
        shows the shapes if they don't fit.
    ``vjp``
        a tuple with a function for each input, or None. ``vjp[i](g, out, *inputs, **params)`` computes the gradient of
        input i with lamina's operators (the vector-Jacobian product). No gradient flows to an input whose function is
        None, nor to any input if `vjp` is None. With a function per input, unused gradients are never computed.
    ``lowering``
        how to compile the operator (see `lamina.core.lowering`); with None it always runs eagerly.
    """

    __slots__ = ("compute", "eval", "infer", "lowering", "name", "same_dtype", "vjp")

    def __init__(
        self,
        name: str,
        eval: Callable[..., Any],
        infer: Callable[..., Any],
        vjp: Sequence[Callable[..., Any] | None] | ForEachInput | None,
        lowering: Lowering | None,
        same_dtype: bool,
    ) -> None:
        self.name, self.eval, self.infer = name, eval, infer
        self.compute = eval
        self.vjp, self.lowering, self.same_dtype = vjp, lowering, same_dtype

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Callable[[str], Primitive], tuple[str]]:
        return (_by_name, (self.name,))


def _by_name(name: str) -> Primitive:
    return REGISTRY[name]


def primitive(
    name: str,
    *,
    eval: Callable[..., Any],
    infer: Callable[..., Any],
    vjp: Sequence[Callable[..., Any] | None] | ForEachInput | None = None,
    lowering: Lowering | None = None,
    same_dtype: bool = False,
) -> Primitive:
    """Declare and register a primitive. With `same_dtype`, its array inputs must have equal dtypes."""
    if name in REGISTRY:
        raise ValueError(f"primitive {name!r} is declared twice")
    declared = Primitive(name, eval, infer, vjp, lowering, same_dtype)
    REGISTRY[name] = declared
    return declared


def bind(primitive: Primitive, *inputs: Operand, **params: Any) -> UserArray:
    """Apply a primitive with one result to arrays and numbers: eagerly, deferred, or as a node of the current trace."""
    queue = state.queue
    if queue is not None:
        if not queue.asleep:
            now = queue.current
            expected = now.next
            if expected is not None:
                out = expected.note(expected, now, primitive, inputs, params)
                if out is not None:
                    return out
            return queue.bind(primitive, inputs, params)
        queue.asleep -= 1
    return apply(primitive, inputs, params)


def bind_on(context: Context, primitive: Primitive, *inputs: Operand, **params: Any) -> UserArray:
    """Apply a primitive without array inputs, with the result on `context`."""
    if context is current_context():
        return bind(primitive, *inputs, **params)
    before = set_current(context)
    try:
        return bind(primitive, *inputs, **params)
    finally:
        set_current(before)


def apply(primitive: Primitive, inputs: tuple[Operand, ...], params: dict[str, Any]) -> UserArray:
    """Apply a primitive without deferring it: eagerly, or as a node of the current trace."""
    if pending.is_open and state.queue is None:
        wait_for_pending()
    context, buffers = _unpack(primitive, inputs)
    place: Context = params.get("context", context) if params else context
    if state.trace is not None:
        value: Value = state.trace.bind(primitive, inputs, params)
    elif context.is_host and (place is context or place.is_host):
        value = evaluate(primitive, buffers, params)
    else:
        value = _evaluate_on_device(primitive, inputs, params, place)
    output = _array_type(value, place)
    if state.recording:
        record(primitive, inputs, params, output)
    return output


def new_array(value: Value, context: Context) -> UserArray:
    """A new array of the class set by `set_array_type`."""
    return _array_type(value, context)


def _unpack(primitive: Primitive, inputs: tuple[Operand, ...]) -> tuple[Context, list[Any]]:
    """The inputs' common context, and their buffers; an error if contexts differ, or dtypes that must be equal."""
    context = dtype = None
    buffers: list[Any] = []
    for x in inputs:
        if x.__class__ is not _array_type and not isinstance(x, Array):
            if isinstance(x, Facade):
                raise TypeError(
                    f"{primitive.name}: functions of nd take NDArrays, not np.ndarray; pass x.as_nd_ndarray(), "
                    "or use np's and npx's functions"
                )
            buffers.append(x)
            continue
        data = x._data
        buffers.append(data)
        if context is None:
            context, dtype = x._context, data.dtype
        elif x._context is not context:
            raise ContextError(
                f"{primitive.name}: arrays on different devices, {context} and {x._context}; "
                "move one with as_in_context"
            )
        elif data.dtype is not dtype and primitive.same_dtype and data.dtype != dtype:
            found = " and ".join(str(y._data.dtype) for y in inputs if isinstance(y, Array))
            raise DTypeError(
                f"{primitive.name}: mixed dtypes {found}; convert with astype first: x.astype('float32')"
            )
    return current_context() if context is None else context, buffers


class Immediate(Queue):
    """A queue that runs each operator immediately, by NumPy (`Primitive.eval`) on the CPU, without gradients.

    So it needs no compiled code, and its results differ from compiled code's in the last bits.
    """

    is_immediate = True
    current = SimpleNamespace(next=None)

    def bind(self, primitive: Primitive, inputs: tuple[Operand, ...], params: dict[str, object]) -> UserArray:
        """Compute a primitive immediately and return its result."""
        context, buffers = _unpack(primitive, inputs)
        return _array_type(np.asarray(state.silently(primitive.eval, *buffers, **params)), context)


def evaluate(primitive: Primitive, buffers: list[Any], params: dict[str, Any]) -> Any:
    """Call `primitive.compute` without NumPy's warnings about overflow, division by zero and NaN."""
    try:
        out = state.silently(primitive.compute, *buffers, **params)
    except RuntimeError:
        if not is_silent.get():
            raise
        out = primitive.compute(*buffers, **params)  # called from inside another (by a signal handler, say)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError):
        # The checks that give clear messages run only after a failure, since they cost more than a small operator.
        for x in buffers:
            np.asarray(x)  # raises if there are no numbers: a stale gradient, a node of a finished trace
        primitive.infer(*buffers, **params)
        raise
    return np.asarray(out) if isinstance(out, np.generic) else out  # NumPy's answer for arrays without axes
