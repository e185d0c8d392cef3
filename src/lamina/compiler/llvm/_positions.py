"""Sums and products of positions, emitted once per block, with constant offsets delayed until they are needed.

Most positions are another position plus a constant: the next row, the next column. In an address the constant is part
of the instruction, so the sum itself is never needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from lamina.compiler.llvm._emitter import Emitter
from lamina.compiler.llvm.values import INDEX, Operand, Value


class Shifted(Value):
    """`base` + `distance`, of type INDEX. The addition is emitted at its point of creation when its name is
    first used.
    """

    __slots__ = ("_name", "_write", "base", "distance")

    def __init__(
        self, builder: Any, name: str, base: Value, distance: int, write: Callable[[], None]
    ) -> None:
        self.builder, self.dtype, self.lanes = builder, INDEX, 1
        self.constant, self.is_small_integer = None, False
        self.base, self.distance = base, distance
        self._name, self._write = name, write

    @property
    def key(self) -> str:
        return self._name

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._write()
        return self._name


class Positions(Emitter):
    """Position arithmetic for the operations of `Arithmetic`; None for operations on other values."""

    puts_off_sums = True
    """Whether constants are added to positions only when code needs the sum."""

    def position_sum(self, x: Operand, y: Operand) -> Value | None:
        """x + y."""
        if isinstance(y, Value) and y.constant is None:
            x, y = y, x
        if not (self.puts_off_sums and _is_position(x)):
            return None
        if (distance := _distance(y)) is not None:
            return self._shifted(x, distance)
        if not _is_position(y):
            return None
        (base, left), (other, right) = _parts(x), _parts(y)
        whole = self.once(
            ("add", base.key, other.key),
            lambda: self.result(f"add {base.typed}, {other.name}", INDEX),
        )
        return self._shifted(whole, left + right)

    def position_difference(self, x: Operand, y: Operand) -> Value | None:
        """x - y."""
        distance = _distance(y)
        if distance is None or not (self.puts_off_sums and _is_position(x)):
            return None
        return self._shifted(x, -distance)

    def position_product(self, x: Operand, y: Operand) -> Value | None:
        """x · y."""
        if isinstance(y, Value) and y.constant is None:
            x, y = y, x
        factor = _distance(y)
        if factor is None or not (self.puts_off_sums and _is_position(x)):
            return None
        if factor == 0:
            return self.const(0)
        if factor == 1:
            return x
        base, distance = _parts(x)
        product = self.once(
            ("mul", base.key, factor), lambda: self.result(f"mul {base.typed}, {factor}", INDEX)
        )
        return self._shifted(product, distance * factor)

    def _shifted(self, x: Value, distance: int) -> Value:
        base, before = _parts(x)
        distance += before
        return (
            self.once(("shift", base.key, distance), lambda: self._new(base, distance)) if distance else base
        )

    def _new(self, base: Value, distance: int) -> Shifted:
        name, place = f"%sum{len(self._lines)}", len(self._lines)
        self._lines.append("")

        def write() -> None:
            if not self._lines[place]:
                self._lines[place] = f"{name} = add {base.typed}, {distance}"

        return Shifted(self, name, base, distance, write)


def _is_position(x: Operand) -> TypeGuard[Value]:
    """Whether a value is a position that is not a constant."""
    return isinstance(x, Value) and x.dtype == INDEX and x.lanes == 1 and x.constant is None


def _distance(y: Operand) -> int | None:
    """A constant offset of a position."""
    if not isinstance(y, Value):
        return y if type(y) is int else None
    return int(y.constant) if y.constant is not None and y.dtype == INDEX and y.lanes == 1 else None


def _parts(x: Value) -> tuple[Value, int]:
    return (x.base, x.distance) if isinstance(x, Shifted) else (x, 0)
