"""Loops that cover a range by steps of a fixed size, with a smaller step at the end."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.llvm import Builder, Value

Range = tuple[Value, Value]

Body = Callable[[Value, int], None]
"""`body(position, size)` writes the code for `size` elements from `position` on."""


def cover(b: Builder, extent: int, step: int, bounds: Range, body: Body) -> None:
    """Cover the part of range(extent) between `bounds`.

    Each bound is a multiple of `step` or `extent` itself, so that extent % step is the only smaller size.
    """
    whole = extent // step * step
    start, stop = bounds
    if whole:
        with b.loop(start, b.minimum(stop, whole), step) as position:
            body(position, step)
    if whole < extent:
        with b.if_(b.logical_and(b.greater(stop, whole), b.less(start, stop))):
            body(b.const(whole), extent - whole)
