"""Emission of LLVM assembly as text: instructions, constants, labels and declarations.

The output is text, because LLVM's parser is faster than building the same module object by object from Python.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard, TypeVar

import numpy as np

from lamina.compiler.llvm.module import Module
from lamina.compiler.llvm.values import INDEX, DType, Operand, Pointer, Value, type_name

V = TypeVar("V", Value, Pointer)


def _literal(value: float | int | bool, dtype: DType) -> str:
    if dtype.kind == "f" and dtype.itemsize == 2:
        return f"0xH{int(np.float16(value).view(np.uint16)):04X}"
    if dtype.kind == "f":
        rounded = float(dtype.type(value))
        bits = struct.unpack("<Q", struct.pack("<d", rounded))[0]
        return f"0x{bits:016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    return str(int(value))


class Emitter:
    """The text of one function; registers are numbered in its order, labels and stack slots have names."""

    def __init__(self, module: Module[Any]) -> None:
        self.module = module
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._registers = 0
        self._labels = 0
        self._block = "entry"
        self.is_worth_trouble = True
        self._here: dict[tuple[Any, ...], Any] = {}
        """Values computed in this block, by key."""

    def emit(self, instruction: str) -> None:
        """Append an instruction without a result."""
        self._lines.append(instruction)

    def result(self, instruction: str, dtype: DType, lanes: int = 1) -> Value:
        """Append an instruction with a result, and return the result's register as a value."""
        return Value(self, self._register(instruction), dtype, lanes)

    def pointer_result(self, instruction: str, space: int = 0) -> Pointer:
        return Pointer(self._register(instruction), space)

    def _register(self, instruction: str) -> str:
        name = f"%{self._registers}"
        self._registers += 1
        self._lines.append(f"{name} = {instruction}")
        return name

    def once(self, key: tuple[Any, ...], write: Callable[[], V]) -> V:
        """The value that `write` returns for this key. `write` emits its code only once per block."""
        found = self._here.get(key)
        if found is None:
            found = self._here[key] = write()
        return found

    def new_label(self, hint: str) -> str:
        self._labels += 1
        return f"{hint}{self._labels}"

    def start_block(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label
        self._here.clear()

    def branch(self, label: str) -> None:
        self.emit(f"br label %{label}")

    def branch_if(self, condition: Value, then: str, otherwise: str) -> None:
        self.emit(f"br {condition.typed}, label %{then}, label %{otherwise}")

    def stack_slot(self, type_: str, alignment: int) -> Pointer:
        """Reserve stack memory in the function's entry block, where LLVM can turn it into registers."""
        name = f"%slot{len(self._slots)}"
        self._slots.append(f"{name} = alloca {type_}, align {alignment}")
        return Pointer(name)

    def const(self, value: float | int | bool, dtype: DType = INDEX, lanes: int = 1) -> Value:
        """A constant of a dtype, equal in every lane."""
        if dtype is INDEX and lanes == 1:
            return Value(self, str(int(value)), dtype, 1, value)
        literal = _literal(value, dtype)
        if lanes > 1:
            literal = f"splat ({type_name(dtype)} {literal})"
        return Value(self, literal, dtype, lanes, constant=value)

    def const_vector(self, values: list[int] | list[float] | list[bool], dtype: DType) -> Value:
        """A constant vector with a separate value for each lane."""
        element = type_name(dtype)
        if len(values) == 1:
            return self.const(values[0], dtype)
        literal = ", ".join(f"{element} {_literal(value, dtype)}" for value in values)
        return Value(self, f"<{literal}>", dtype, len(values))

    def splat(self, value: Value, lanes: int) -> Value:
        """Broadcast a scalar to a vector."""
        if value.lanes == lanes:
            return value
        if value.lanes != 1:
            raise ValueError(
                f"only a scalar can be broadcast to {lanes} lanes, not a vector of {value.lanes} lanes"
            )
        if value.constant is not None:
            return self.const(value.constant, value.dtype, lanes)
        return self.once(("splat", value.key, value.dtype, lanes), lambda: self._spread(value, lanes))

    def _spread(self, value: Value, lanes: int) -> Value:
        type_ = type_name(value.dtype, lanes)
        first = self.result(f"insertelement {type_} poison, {value.typed}, i64 0", value.dtype, lanes)
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.result(f"shufflevector {first.typed}, {type_} poison, {zeros}", value.dtype, lanes)

    def match(self, *operands: Operand) -> list[Value]:
        """Convert operands to a common dtype and number of lanes: numbers become constants, scalars are broadcast.

        Values of different dtypes are an error: conversions need an explicit `cast`.
        """
        if _are_alike(operands):
            return [*operands]
        values = [operand for operand in operands if isinstance(operand, Value)]
        dtype = values[0].dtype if values else INDEX
        lanes = max((value.lanes for value in values), default=1)
        matched: list[Value] = []
        for operand in operands:
            value = operand if isinstance(operand, Value) else self.const(operand, dtype)
            if value.dtype != dtype:
                dtypes = ", ".join(str(value.dtype) for value in values)
                raise TypeError(
                    f"operands of one instruction must have one dtype, not {dtypes}: cast them first"
                )
            matched.append(self.splat(value, lanes))
        return matched

    def intrinsic(self, name: str, *operands: Operand) -> Value:
        """Call the LLVM intrinsic `llvm.name`, whose operands and result have the same type."""
        values = self.match(*operands)
        first = values[0]
        function = f"llvm.{name}.{suffix_of(first)}"
        self.module.declare(f"declare {first.type} @{function}({', '.join(v.type for v in values)})")
        arguments = ", ".join(value.typed for value in values)
        return self.result(f"call {first.type} @{function}({arguments})", first.dtype, first.lanes)

    def extract(self, vector: Value, lane: int) -> Value:
        """One lane of a vector as a scalar."""
        if vector.lanes == 1:
            return vector
        return self.result(f"extractelement {vector.typed}, i64 {lane}", vector.dtype)

    def gather_lanes(self, scalars: list[Value]) -> Value:
        """A vector with the scalars as its lanes."""
        lanes, dtype = len(scalars), scalars[0].dtype
        if lanes == 1:
            return scalars[0]
        vector = Value(self, "poison", dtype, lanes)
        for lane, scalar in enumerate(scalars):
            vector = self.result(f"insertelement {vector.typed}, {scalar.typed}, i64 {lane}", dtype, lanes)
        return vector

    def shuffle(self, first: Value, second: Value | None, lanes: list[int]) -> Value:
        """A vector of lanes selected from the concatenation of two vectors; -1 selects an unspecified value."""
        other = f"{first.type} poison" if second is None else second.typed
        if len(lanes) == 1:
            source = first if lanes[0] < first.lanes else second
            assert source is not None
            return self.extract(source, lanes[0] % first.lanes)
        picks = ", ".join("i32 poison" if lane < 0 else f"i32 {lane}" for lane in lanes)
        mask = f"<{len(lanes)} x i32> <{picks}>"
        return self.result(f"shufflevector {first.typed}, {other}, {mask}", first.dtype, len(lanes))


def _are_alike(operands: Sequence[Operand]) -> TypeGuard[Sequence[Value]]:
    """Whether all operands are values of the same dtype and number of lanes."""
    first = operands[0]
    if not isinstance(first, Value):
        return False
    dtype, lanes = first.dtype, first.lanes
    for other in operands:
        if not isinstance(other, Value) or other.lanes != lanes:
            return False
        if other.dtype is not dtype and other.dtype != dtype:
            return False
    return True


def suffix_of(value: Value) -> str:
    """The suffix for a value's type in an intrinsic's name."""
    letter = "f" if value.dtype.kind == "f" else "i"
    bits = 1 if value.dtype.kind == "b" else value.dtype.itemsize * 8
    return f"{letter}{bits}" if value.lanes == 1 else f"v{value.lanes}{letter}{bits}"


# --- Sums and products of positions, emitted once per block, with constant offsets delayed until they are needed -----
#
# Most positions are another position plus a constant: the next row, the next column. In an address the constant is
# part of the instruction, so the sum itself is never needed.


class Shifted(Value):
    """The value `base` + `distance`, of type INDEX; the addition is emitted here, but only if its register is used."""

    __slots__ = ("_name", "_write", "base", "distance")

    def __init__(
        self, builder: Any, name: str, base: Value, distance: int, write: Callable[[], None]
    ) -> None:
        self.builder, self.dtype, self.lanes = builder, INDEX, 1
        self.constant, self.base, self.distance = None, base, distance
        self._name, self._write = name, write

    @property
    def key(self) -> str:
        return self._name

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._write()
        return self._name


class Positions(Emitter):
    """Addition, subtraction and multiplication of positions (scalar indices); None for other operands."""

    puts_off_sums = True
    """Whether constants are added to positions only when code needs the sum."""

    def position_sum(self, x: Operand, y: Operand) -> Value | None:
        if isinstance(y, Value) and y.constant is None:
            x, y = y, x
        if not (self.puts_off_sums and _is_position(x)):
            return None
        if (distance := _distance(y)) is not None:
            return self._shifted(x, distance)
        if not _is_position(y):
            return None
        (base, left), (other, right) = _parts(x), _parts(y)
        key = ("add", base.key, other.key)
        whole = self.once(key, lambda: self.result(f"add {base.typed}, {other.name}", INDEX))
        return self._shifted(whole, left + right)

    def position_difference(self, x: Operand, y: Operand) -> Value | None:
        distance = _distance(y)
        if distance is None or not (self.puts_off_sums and _is_position(x)):
            return None
        return self._shifted(x, -distance)

    def position_product(self, x: Operand, y: Operand) -> Value | None:
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
        key = ("mul", base.key, factor)
        product = self.once(key, lambda: self.result(f"mul {base.typed}, {factor}", INDEX))
        return self._shifted(product, distance * factor)

    def _shifted(self, x: Value, distance: int) -> Value:
        base, before = _parts(x)
        distance += before
        if not distance:
            return base
        return self.once(("shift", base.key, distance), lambda: self._new(base, distance))

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
    """The constant that an operand adds to a position; None if the operand isn't constant."""
    if not isinstance(y, Value):
        return y if type(y) is int else None
    return int(y.constant) if y.constant is not None and y.dtype == INDEX and y.lanes == 1 else None


def _parts(x: Value) -> tuple[Value, int]:
    return (x.base, x.distance) if isinstance(x, Shifted) else (x, 0)
