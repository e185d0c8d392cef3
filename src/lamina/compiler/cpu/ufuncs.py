"""Compilation of machine code as NumPy ufuncs, for eager evaluation.

NumPy handles strides, broadcasting, and empty and 0-d arrays for a ufunc's inner loop, at the call overhead of NumPy's
functions. Each ufunc is compiled at its first use, for one dtype, and cached on disk.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import BYTE, INDEX, DType, Pointer, Value, jit
from lamina.compiler.llvm.cache import digest_of_primitives
from lamina.compiler.llvm.module import Argument
from lamina.core.denormals import FLUSHING_BITS
from lamina.core.interrupts import compiling, free_in_children
from lamina.core.lowering import Elementwise
from lamina.core.primitive import Primitive

if TYPE_CHECKING:
    from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule

Emit = Callable[..., Value]

_ARGUMENTS: Mapping[str, Argument] = {"pointers": None, "sizes": None, "strides": None, "data": None}
"""The signature of a ufunc's inner loop (NumPy's C API, ``PyUFuncGenericFunction``)."""
_ADD_UFUNC = 31
"""The index of ``PyUFunc_FromFuncAndDataAndSignature`` in NumPy's table of functions, which is fixed by NumPy's ABI."""
_NO_IDENTITY = -1

_making = free_in_children(threading.RLock())
_alive: list[Any] = []
"""Machine code and arrays that ufuncs point to."""


def made(
    name: str,
    dtype: DType,
    write: Callable[[ThreadBuilder], None],
    signature: str | None = None,
    inputs: int = 1,
    sharing: Sharing | None = None,
) -> np.ufunc | None:
    """A ufunc for arrays of a float dtype, with the inner loop that `write` emits; None if compilation isn't possible.

    `signature` is as in `numpy.vectorize`, for functions that are not elementwise. The loop's arguments are
    ``pointers``, ``sizes`` and ``strides`` (in bytes). With `sharing`, threads share the loop, and `write` emits the
    function of a thread, whose ``arguments`` are the addresses of these. Denormals are flushed, as in all compiled
    code. Compilation isn't possible for CPUs that lamina has no compiler for, or without NumPy's C API.
    """
    with compiling(), _making:
        machine = host_machine()
        table = _numpys_functions()
        if machine.architecture not in FLUSHING_BITS or table is None:
            return None
        key = f"ufunc {name} {dtype.str} {digest_of_primitives()}"
        module = jit.load(machine, key, lambda: _module(write, sharing is not None), ("loop",))
        module.keep_forever()
        types, data = bytes([dtype.num] * (inputs + 1)), None if sharing is None else sharing.address
        return _new(table, name, module.address("loop"), types, signature, data)


class Sharing:
    """The data of a loop that threads share: their number, and the address of the function that runs them."""

    def __init__(self) -> None:
        self._data = (ctypes.c_int64 * 2)(1, 0)
        self.address = ctypes.addressof(self._data)
        _alive.append(self._data)

    def set_threads(self, threads: int) -> None:
        """Set the number of threads for the next calls. (If other calls see it, too, they have the same results.)"""
        if threads > 1:
            from lamina.compiler.cpu.run import ready

            self._data[1] = ready(threads)  # before the number
        self._data[0] = threads


def _module(write: Callable[[ThreadBuilder], None], is_shared: bool) -> ThreadModule:
    from lamina.compiler.cpu._builder import ThreadModule

    module = ThreadModule(host_machine())
    if is_shared:
        with module.function("part") as b:
            write(b)
    with module.function("loop", _ARGUMENTS) as b, b.flushing_denormals():
        if is_shared:
            _write_sharing(b)
        else:
            write(b)
    return module


def _write_sharing(b: ThreadBuilder) -> None:
    """Emit the call of ``part`` on the threads that the loop's data names."""
    arguments, part, data = b.alloca(None, 3), Pointer("@part"), b.pointer_argument("data")
    for i, name in enumerate(("pointers", "sizes", "strides")):
        b.store_pointer(arguments, b.pointer_argument(name), i)
    threads = b.load(data, INDEX)
    b.if_else(
        b.greater(threads, 1),
        lambda: b.call(b.load_pointer(data, 1), part, arguments, threads),
        lambda: b.call(part, arguments, b.const(0), b.const(1)),
    )


# --- elements ------------------------------------------------------------------------------------------------------


def elementwise(primitive: Primitive, dtype: DType, inputs: int) -> np.ufunc | None:
    """A ufunc that applies a primitive's ``emit`` to each element; None if compilation isn't possible."""
    lowering = primitive.lowering
    assert isinstance(lowering, Elementwise), primitive
    return made(
        primitive.name, dtype, lambda b: _write_elements(b, lowering.emit, dtype, inputs), inputs=inputs
    )


@dataclass(frozen=True)
class _Elements:
    """An operand's first address and stride in bytes; `moves` is 0 if one number is read for all elements, else 1."""

    b: ThreadBuilder
    pointer: Pointer
    stride: Value
    moves: Value | int = 1

    def place(self, i: Value) -> Pointer:
        return self.b.offset(self.pointer, self.b.mul(i, self.stride), BYTE)

    def or_one_number(self, dtype: DType, lanes: int, size: Value) -> _Elements:
        """The same elements; if the stride is 0, the number is stored `lanes` times, for vector loads."""
        b, is_one = self.b, self.b.equal(self.stride, 0)
        numbers = b.alloca(dtype, lanes)
        with b.if_(b.logical_and(is_one, b.greater(size, 0))):
            b.store(numbers, b.splat(b.load(self.pointer, dtype), lanes))
        stride = b.where(is_one, dtype.itemsize, self.stride)
        pointer = b.where_address(is_one, numbers, self.pointer)
        return _Elements(b, pointer, stride, b.where(is_one, 0, b.const(1)))


def _write_elements(b: ThreadBuilder, emit: Emit, dtype: DType, inputs: int) -> None:
    """Emit the loop over elements.

    Operands that are contiguous, or one number for all elements, are processed two vectors at a time. Other operands,
    and the remainder, are copied through buffers.
    """
    pointers, strides = b.pointer_argument("pointers"), b.pointer_argument("strides")
    *sources, target = [
        _Elements(b, b.load_pointer(pointers, i), b.load(strides, INDEX, i)) for i in range(inputs + 1)
    ]
    size = b.load(b.pointer_argument("sizes"), INDEX)
    lanes = b.lanes(dtype)

    def result(values: list[Value], width: int) -> Value:
        return b.splat(emit(b, *values), width)

    dense = [source.or_one_number(dtype, 2 * lanes, size) for source in sources] if inputs > 1 else sources
    contiguous = reduce(b.logical_and, [b.equal(x.stride, dtype.itemsize) for x in (*dense, target)])
    whole = b.where(contiguous, b.bit_and(size, -2 * lanes), 0)
    with b.loop(0, whole, 2 * lanes) as i:
        values = [b.load(x.pointer, dtype, b.mul(i, x.moves), 2 * lanes) for x in dense]
        b.store(target.pointer, result(values, 2 * lanes), i)
    buffers = [b.alloca(dtype, lanes) for _ in sources]
    for buffer in buffers:  # for unused lanes, a number that is fast for every function
        b.store(buffer, b.const(0.5, dtype, lanes))
    with b.loop(whole, size, lanes) as first:
        count = b.minimum(b.sub(size, first), lanes)
        with b.loop(0, count) as i:
            for buffer, source in zip(buffers, sources, strict=True):
                b.store(buffer, b.load(source.place(first + i), dtype), i)
        b.store(buffers[0], result([b.load(buffer, dtype, 0, lanes) for buffer in buffers], lanes))
        with b.loop(0, count) as i:
            b.store(target.place(first + i), b.load(buffers[0], dtype, i))


# --- NumPy's side --------------------------------------------------------------------------------------------------


def _numpys_functions() -> Any:
    """NumPy's C API table, as an array of addresses; None in a Python without capsules."""
    try:
        from numpy._core._multiarray_umath import _UFUNC_API

        prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
        get = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
    except (ImportError, AttributeError):
        return None
    return ctypes.cast(get(_UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))


def _new(
    table: Any, name: str, loop: int, types: bytes, signature: str | None, argument: int | None
) -> np.ufunc:
    number, text, pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
    arguments = [pointer, pointer, pointer, *[number] * 4, text, text, number, text]
    create = ctypes.PYFUNCTYPE(ctypes.py_object, *arguments)(table[_ADD_UFUNC])
    loops, data = (pointer * 1)(loop), (pointer * 1)(argument)
    numbers = ctypes.create_string_buffer(types)
    label, core = text(name.encode()), text(None if signature is None else signature.encode())
    function = create(loops, data, numbers, 1, len(types) - 1, 1, _NO_IDENTITY, label, None, 0, core)
    _alive.append((function, loops, data, numbers, label, core))
    return function
