"""Execution of single operators on devices: compiled as one-operator programs, or computed on the CPU.

Repeated code is compiled as a whole, by `lamina.compiler.deferral` or `lamina.compile`. This module handles the first
executions, and code that does not repeat. A small operator is compiled on its third use: copying its operands to the
CPU and its result back is far cheaper than compiling, and most repeated operators are part of a step. Programs are
cached by operator, parameters and types.
"""

from __future__ import annotations

import atexit
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lamina.compiler import compilation_enabled
from lamina.compiler.front.graphs import built, captured_sequence
from lamina.compiler.targets import target_of
from lamina.core.array import Array, Value, placed
from lamina.core.interrupts import compiling
from lamina.core.keys import Unfit, frozen
from lamina.core.lowering import Contraction, Overlap, Uncompilable
from lamina.core.primitive import Primitive, apply, evaluate
from lamina.core.state import concrete
from lamina.device.context import Context, device_of, set_current
from lamina.device.interface import DeviceArray
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import stand_in
from lamina.primitives.elementwise import to_context
from lamina.primitives.movement import COPIES, VIEWS, view_of
from lamina.support.messages import debug_level, show, user_location

_MOST_KEPT = 1024
_kept: OrderedDict[Any, Callable[..., Value] | None] = OrderedDict()
"""The program for each operator and its types; None if only the CPU can compute the operator."""
atexit.register(_kept.clear)  # before the modules that free the programs' memory are gone
_seen: Counter[Any] = Counter()
"""Uses of operators that are not compiled yet."""
_OFTEN = 3
_MANY_ELEMENTS = 1 << 22
_MANY_PRODUCTS = 1 << 36  # the product of two operands' sizes: for matrices of n × n, n⁴
_told: set[tuple[str, str]] = set()


def evaluate_on_device(
    primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], context: Context
) -> Value:
    """Compute a primitive's result on `context`, with inputs or result on a device."""
    if primitive is to_context:
        return placed(np.array(inputs[0]._data), context)
    arrays = [x for x in inputs if isinstance(x, Array)]
    for x in arrays:
        if not isinstance(x._data, DeviceArray):
            np.asarray(x._data)  # raises for a stale gradient, and for a node of a finished trace
    if not arrays:  # NumPy is faster than compiling a program, and random numbers are the same everywhere
        shape, dtype = primitive.infer(*inputs, **params)
        size = math.prod(shape)
        if size >= _MANY_ELEMENTS:  # if there is room; it goes back at once, to be taken for the copy
            device_of(context).allocate(size * dtype.itemsize)
        return _on_cpu(primitive, inputs, params, context)
    shared = COPIES.get(primitive, primitive)
    if shared in VIEWS:
        view = view_of(shared, inputs[0]._data, params)
        if view is not None:
            return view if shared is primitive else view.copy()
    run = _known(primitive, inputs, params, context)
    if run is not None:
        try:
            return run(inputs)
        except Overlap as reason:
            _tell(primitive, str(reason))
    return _on_cpu(primitive, inputs, params, context)


# --- compiled ----------------------------------------------------------------------------------------------------


def _known(
    primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], context: Context
) -> Callable[..., Value] | None:
    """The compiled program for an operator on a device, or None if the CPU should compute it."""
    try:
        key = (primitive, device_of(context), frozen(params), *_types_of(inputs), compilation_enabled())
    except Unfit:
        _tell(primitive, "its parameters have unknown types")
        return None
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    _seen[key] += 1
    if _seen[key] < _OFTEN and _is_small(primitive, inputs) and primitive.lowering is not None:
        return None
    del _seen[key]
    try:
        run = _compiled(primitive, inputs, params, context)
    except Uncompilable as reason:
        _tell(primitive, f"{reason.what} {reason.why}")
        run = None
    _kept[key] = run
    if len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return run


def _is_small(primitive: Primitive, inputs: Sequence[Any]) -> bool:
    """Whether computing the result on the CPU, including the copies, is faster than compiling a program."""
    sizes = [x.size for x in inputs if isinstance(x, NDArray)]
    if isinstance(primitive.lowering, Contraction):
        return math.prod(sizes) < _MANY_PRODUCTS
    return sum(sizes) < _MANY_ELEMENTS


def _types_of(inputs: Sequence[Any]) -> Iterator[Any]:
    """The inputs' part of a cache key: types (of numbers, too, which are inputs), and which are the same array."""
    seen: dict[int, int] = {}
    for x in inputs:
        if isinstance(x, Array):
            yield seen.setdefault(id(x), len(seen)), x.shape, x._dtype
        else:
            yield x.__class__ if x.__class__ in (int, float) else frozen(x)


def _compiled(
    primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], context: Context
) -> Callable[..., Value]:
    """Compile a program for a single operator; returns a function of the operator's inputs. Raises `Uncompilable`."""
    if primitive.lowering is None:
        raise Uncompilable("it")
    if not compilation_enabled():
        raise Uncompilable("compilation", "is off (LAMINA_COMPILE=0)")
    is_number = [x.__class__ in (int, float) for x in inputs]
    numbers = [x for x, is_one in zip(inputs, is_number, strict=True) if is_one]

    def do(slots: Iterator[Any]) -> list[Array]:
        operands = [next(slots) if is_one else x for x, is_one in zip(inputs, is_number, strict=True)]
        return [apply(primitive, tuple(operands), params)]

    before = set_current(context)
    try:
        with compiling(), concrete():
            captured = captured_sequence(do, numbers)
            target = target_of(context)
            program = built(captured.graph, target)
    finally:
        set_current(before)
    order = [next(i for i, x in enumerate(inputs) if x is array) for array in captured.arrays]
    arguments = [stand_in(x) for x in captured.arrays]
    step = target.bind(program, arguments, range(len(order)), frozenset())
    result = captured.result[0].number

    def run(given: Sequence[Any]) -> Value:
        values = [x for x, is_one in zip(given, is_number, strict=True) if is_one]
        with step.lock:
            found = step.run([given[i] for i in order], values, 1, ())[result]
        step.forget_arguments()
        return found

    return run


# --- on the CPU --------------------------------------------------------------------------------------------------


def _on_cpu(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], context: Context) -> Value:
    """Compute the result by NumPy from copies of the inputs, and copy it to the device."""
    buffers = [np.asarray(x._data) if isinstance(x, Array) else x for x in inputs]
    return placed(np.asarray(evaluate(primitive, buffers, params)), context)


def _tell(primitive: Primitive, why: str) -> None:
    """Print that an operator is computed on the CPU, once per operator and reason, if ``LAMINA_DEBUG=1``."""
    if debug_level() < 1 or (primitive.name, why) in _told:
        return
    _told.add((primitive.name, why))
    show(f"{user_location()}: {primitive.name} is computed on the CPU, with copies: {why}")
