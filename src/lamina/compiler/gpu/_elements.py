"""Emission of kernels with one thread per element: maps, scatters, random numbers."""

from __future__ import annotations

import math

import numpy as np

from lamina.compiler.emit.expressions import Axis, flat_axes
from lamina.compiler.emit.maps import is_flat, scatter_target
from lamina.compiler.gpu._scope import THREADS, DeviceScope, Division
from lamina.compiler.llvm import BOOL, FLOAT64, INDEX, UINT64, Value
from lamina.compiler.llvm.random import (
    BLOCK,
    UINT32,
    key_and_counter,
    philox_block,
    uniform_float32,
    uniform_float64,
)
from lamina.compiler.passes.fuse import Kernel
from lamina.core.lowering import Scatter


def division_of_elements(kernel: Kernel) -> Division:
    """The division of a kernel with one thread per element."""
    if kernel.kind == "fill":
        (node,) = kernel.stores
        count = -(-node.size // _numbers_a_block(node.dtype))
    elif kernel.kind == "scatter":
        count = kernel.main.size
    else:
        count = math.prod(kernel.kept if kernel.kind == "arg" else kernel.domain)
    return Division(tiles=-(-count // THREADS))


def emit_map(scope: DeviceScope) -> None:
    """Emit a map, with one thread per element."""
    domain = scope.kernel.domain
    if domain and is_flat(scope.kernel, scope.memory):
        scope.each((math.prod(domain),), lambda place: scope.element(flat_axes(scope.b, place[0], domain), 1))
    else:
        scope.each(domain, lambda index: scope.element(index, 1))


# --- scatters --------------------------------------------------------------------------------------------------------


def emit_scatter(scope: DeviceScope) -> None:
    """Emit a scatter, with one thread per result element.

    Each thread searches for the values to add, in order, as on the CPU. Along axes that are not scattered, a value has
    the same index as its result element. Only the other axes are searched.
    """
    b, anchor = scope.b, scope.kernel.main
    domain = scope.kernel.domain
    same = _unscattered(scope)

    def element(place: list[Axis]) -> None:
        own = scope.index(place[0].base, anchor.shape)
        total = b.variable(b.const(0, anchor.dtype))

        def visit(searched: list[Axis]) -> None:
            rest = iter(searched)
            index = [own[same[a]] if a in same else next(rest) for a in range(len(domain))]
            position = scatter_target(scope, index, 1)
            others = [a for a in range(len(own)) if a not in same.values()]
            hits = b.const(True, BOOL)
            for a in others:
                hits = b.logical_and(hits, b.equal(position[a].lanes(1), own[a].base))
            with b.if_(hits):
                value = scope.evaluator(1).at(anchor.inputs[0], index)
                adds = isinstance(anchor.lowering, Scatter) and anchor.lowering.adds
                total.set(b.add(total.get(), value) if adds else value)

        scope.nest([n for a, n in enumerate(domain) if a not in same], visit)
        for pointer in scope.targets[anchor]:
            b.store(pointer, total.get(), place[0].base)

    scope.each((anchor.size,), element)


def _unscattered(scope: DeviceScope) -> dict[int, int]:
    """The axes of the first input that are not scattered, with the corresponding axes of the result."""
    with scope.trial():
        index = [scope.axis(Value(scope.b, f"%axis{a}", INDEX)) for a in range(len(scope.kernel.domain))]
        target = scatter_target(scope, index, 1)
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
    words = philox_block(b, *key_and_counter(b, seed, stream, number))
    for i, value in enumerate(_numbers(scope, words, node.dtype)):
        position = b.add(b.mul(number, per_block), i)
        with b.if_(b.less(position, node.size)):
            for pointer in scope.targets[node]:
                b.store(pointer, value, position)


def _piece(dtype: np.dtype) -> np.dtype:
    """The integer type into which words are split. A float16 or float32 number is computed from 32 bits."""
    return dtype if dtype.kind == "u" or dtype == FLOAT64 else UINT32


def _numbers_a_block(dtype: np.dtype) -> int:
    return BLOCK * UINT64.itemsize // _piece(dtype).itemsize


def _numbers(scope: DeviceScope, words: list[Value], dtype: np.dtype) -> list[Value]:
    """Convert a block's words to numbers of a dtype: uniformly distributed floats, or raw bits."""
    b = scope.b
    if dtype == FLOAT64:
        return [uniform_float64(b, word) for word in words]
    piece = _piece(dtype)
    places = range(0, 8 * UINT64.itemsize, 8 * piece.itemsize)  # the first is in the lowest bits
    pieces = [b.cast(b.shift_right(w, place) if place else w, piece) for w in words for place in places]
    return pieces if dtype.kind == "u" else [b.cast(uniform_float32(b, p), dtype) for p in pieces]
