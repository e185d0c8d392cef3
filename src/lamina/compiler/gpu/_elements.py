"""Emission of kernels with one thread per element: maps, argmin and argmax, scatters, random numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lamina.compiler.emit.expressions import Axis, PullContext, Reader
from lamina.compiler.emit.maps import is_flat
from lamina.compiler.emit.reductions import find_extremum
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.llvm import FLOAT32, FLOAT64, INDEX, INT32, UINT64, Value
from lamina.compiler.llvm.random import BLOCK, philox_block, uniform_float64
from lamina.compiler.passes.fuse import Kernel
from lamina.core.lowering import Scatter

_WORD_BYTES = 8
_UINT32 = np.dtype(np.uint32)


def blocks_of_elements(kernel: Kernel) -> int:
    """The number of blocks for a kernel with one thread per element."""
    if kernel.kind == "fill":
        (node,) = kernel.stores
        count = -(-node.size // _numbers_a_block(node.dtype))
    elif kernel.kind == "scatter":
        count = kernel.main.size
    else:
        count = math.prod(kernel.kept if kernel.kind == "arg" else kernel.domain)
    return -(-count // THREADS)


def emit_map(scope: DeviceScope) -> None:
    """Emit a map, with one thread per element."""
    b, domain = scope.b, scope.kernel.domain
    place, size = scope.place(), math.prod(domain)
    with b.if_(b.less(place, size)):
        if domain and is_flat(scope.kernel, scope.memory):
            last = max((a for a, n in enumerate(domain) if n != 1), default=0)
            index = [scope.axis(place) if a == last else Axis.at(b, 0) for a in range(len(domain))]
        else:
            index = scope.index(place, domain)
        scope.compute(dict.fromkeys(scope.kernel.stores, index), 1)


def emit_arg(scope: DeviceScope) -> None:
    """Emit an argmin or argmax, with one thread per row, which reads the elements in order."""
    b, kept = scope.b, scope.kernel.kept
    place = scope.place()
    with b.if_(b.less(place, math.prod(kept))):
        find_extremum(scope, scope.index(place, kept))


# --- scatters --------------------------------------------------------------------------------------------------------


def emit_scatter(scope: DeviceScope) -> None:
    """Emit a scatter, with one thread per result element.

    Each thread searches for the values to add, in order, as on the CPU. Along axes that are not scattered, a value has
    the same index as its result element. Only the other axes are searched.
    """
    b, anchor = scope.b, scope.kernel.main
    assert isinstance(anchor.lowering, Scatter)
    domain = scope.kernel.domain
    same = _unscattered(scope)
    place = scope.place()
    with b.if_(b.less(place, anchor.size)):
        own = scope.index(place, anchor.shape)
        total = b.variable(b.const(0, anchor.dtype))

        def visit(searched: list[Axis]) -> None:
            rest = iter(searched)
            index = [own[same[a]] if a in same else next(rest) for a in range(len(domain))]
            position = _target(scope, index)
            others = [a for a in range(len(own)) if a not in same.values()]
            hits = b.const(True, np.dtype(np.bool_))
            for a in others:
                hits = b.logical_and(hits, b.equal(position[a].lanes(1), own[a].base))
            with b.if_(hits):
                value = scope.evaluator(1).at(anchor.inputs[0], index)
                adds = isinstance(anchor.lowering, Scatter) and anchor.lowering.adds
                total.set(b.add(total.get(), value) if adds else value)

        scope.nest([n for a, n in enumerate(domain) if a not in same], visit)
        for pointer in scope.targets[anchor]:
            b.store(pointer, total.get(), place)


def _target(scope: DeviceScope, index: Sequence[Axis]) -> list[Axis]:
    """The result's index to which an element of the first input is scattered."""
    anchor = scope.kernel.main
    values = scope.evaluator(1)
    readers = [Reader(values, x) for x in anchor.inputs]
    return anchor.lowering.index(PullContext(values), list(index), readers, **anchor.params)


def _unscattered(scope: DeviceScope) -> dict[int, int]:
    """The axes of the first input that are not scattered, with the corresponding axes of the result.

    They are found by emitting code with a temporary builder.
    """
    written, scope.b = scope.b, scope.b.module.builder("trial", {})
    try:
        index = [Axis(scope.b, Value(scope.b, f"%axis{a}", INDEX)) for a in range(len(scope.kernel.domain))]
        target = _target(scope, index)
    finally:
        scope.b = written
    return {a: target.index(axis) for a, axis in enumerate(index) if axis in target}


# --- random numbers --------------------------------------------------------------------------------------------------


def emit_fill(scope: DeviceScope) -> None:
    """Emit a random fill, with one block of Philox (four 64-bit words) per thread.

    `primitives.random` defines the conversion of words to numbers.
    """
    b = scope.b
    (node,) = scope.kernel.stores
    values = scope.evaluator(1)
    seed, stream = (b.bitcast(values.at(x, []), UINT64) for x in node.inputs)
    number = scope.place()
    per_block = _numbers_a_block(node.dtype)
    zero = b.const(0, UINT64)
    # NumPy's generator counts before it answers, so block i has counter i + 1.
    words = philox_block(b, [seed, zero], [b.bitcast(b.add(number, 1), UINT64), zero, stream, zero])
    for i, value in enumerate(_numbers(scope, words, node.dtype)):
        position = b.add(b.mul(number, per_block), i)
        with b.if_(b.less(position, node.size)):
            for pointer in scope.targets[node]:
                b.store(pointer, value, position)


def _piece(dtype: np.dtype) -> np.dtype:
    """The integer type into which words are split. A float16 or float32 number is computed from 32 bits."""
    return dtype if dtype.kind == "u" or dtype == FLOAT64 else _UINT32


def _numbers_a_block(dtype: np.dtype) -> int:
    return BLOCK * _WORD_BYTES // _piece(dtype).itemsize


def _numbers(scope: DeviceScope, words: list[Value], dtype: np.dtype) -> list[Value]:
    """Convert a block's words to numbers of a dtype: uniformly distributed floats, or raw bits."""
    b = scope.b
    if dtype == FLOAT64:
        return [uniform_float64(b, word) for word in words]
    piece = _piece(dtype)
    pieces = [b.part_of_word(w, i, piece) for w in words for i in range(_WORD_BYTES // piece.itemsize)]
    if dtype.kind == "u":
        return pieces
    signed = [b.bitcast(b.shift_right(p, 8), INT32) for p in pieces]
    return [b.cast(b.mul(b.cast(s, FLOAT32), float(np.float32(2.0**-24))), dtype) for s in signed]
