"""Positions along axes, in generated code: affine in the loop variables, with a stride from lane to lane."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.llvm import INDEX, Builder, Value


class Axis:
    """The positions of all lanes along one axis: lane l at ``base + l·step``, or ``vector[l]`` if they are data."""

    __slots__ = ("base", "builder", "step", "vector")

    def __init__(self, builder: Builder, base: Value, step: int = 0, vector: Value | None = None) -> None:
        self.builder, self.base, self.step, self.vector = builder, base, step, vector

    @classmethod
    def at(cls, builder: Builder, position: int) -> Axis:
        """A fixed position."""
        return cls(builder, builder.const(position, INDEX))

    @property
    def key(self) -> tuple[str, int, str | None]:
        """A key that is equal for equal positions."""
        return (self.base.key, self.step, None if self.vector is None else self.vector.key)

    @property
    def is_constant_zero(self) -> bool:
        """Whether every lane is at 0."""
        return self.vector is None and self.step == 0 and self.base.constant == 0

    def __mul__(self, factor: int) -> Axis:
        if factor == 0:
            return Axis.at(self.builder, 0)
        if factor == 1:
            return self
        vector = None if self.vector is None else self.builder.mul(self.vector, factor)
        return Axis(self.builder, self.builder.mul(self.base, factor), self.step * factor, vector)

    def __add__(self, offset: int) -> Axis:
        if offset == 0:
            return self
        vector = None if self.vector is None else self.builder.add(self.vector, offset)
        return Axis(self.builder, self.builder.add(self.base, offset), self.step, vector)

    def lanes(self, count: int) -> Value:
        """The positions as a vector (a scalar for one lane)."""
        if self.vector is not None:
            return self.vector
        if count == 1 or self.step == 0:
            return self.builder.splat(self.base, count)
        steps = self.builder.const_vector([lane * self.step for lane in range(count)], INDEX)
        return self.builder.add(self.base, steps)


def flat_position(b: Builder, index: Sequence[Axis], shape: Sequence[int], lanes: int) -> Axis:
    """The position in a C-contiguous buffer of `shape`."""
    position = Axis.at(b, 0)
    stride = 1
    for axis, size in zip(reversed(index), reversed(shape), strict=True):
        if not axis.is_constant_zero:
            position = _sum(b, position, axis * stride, lanes)
        stride *= size
    return position


def moved_ones(b: Builder, index: Sequence[Axis], shape: Sequence[int], target: Sequence[int]) -> list[Axis]:
    """The same index for the shape `target`, which differs only by axes of size 1."""
    real = iter([axis for axis, n in zip(index, shape, strict=True) if n != 1])
    return [Axis.at(b, 0) if n == 1 else next(real) for n in target]


def _sum(b: Builder, x: Axis, y: Axis, lanes: int) -> Axis:
    if x.is_constant_zero:
        return y
    if x.vector is None and y.vector is None:
        return Axis(b, b.add(x.base, y.base), x.step + y.step)
    return Axis(b, b.const(0, INDEX), 0, b.add(x.lanes(lanes), y.lanes(lanes)))
