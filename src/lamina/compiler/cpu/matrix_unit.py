"""A CPU's instructions that multiply bfloat16 numbers: Intel's AMX, by tiles, and AVX-512's, by pairs.

AMX has eight tiles: registers of 16 rows of 64 bytes. An instruction multiplies 16 by 32 numbers with 32 by 16 and adds
the products to 16 by 16 float32 sums: 8192 multiply-adds in 16 cycles, where a vector unit does 512 (Intel,
"Architecture instruction set extensions programming reference", chapter 3, 2023). Denormals count as zero.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

import numpy as np

from lamina.compiler.llvm import Builder, Operand, Pointer, Value

TILE_ROWS = 16
"""The number of rows of a tile, and of float32 numbers or pairs of bfloat16 numbers in a row."""
TILE_DEPTH = 32
"""The inner dimension of one instruction's product."""
TILE_BYTES = 1024

_ROW_BYTES = 64
_PAIRS = "<32 x bfloat>"
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18


def is_switched_off() -> bool:
    """Whether the user has disabled the unit with ``LAMINA_MATRIX_UNIT=0``."""
    return os.environ.get("LAMINA_MATRIX_UNIT", "").strip() == "0"


def is_permitted() -> bool:
    """Whether this process may use the matrix unit in all of its threads; requests the permission from Linux."""
    if is_switched_off():
        return False
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0


class _Rounding:
    """Emits the instruction that rounds numbers to bfloat16, which every processor with either unit has."""

    def __init__(self, b: Builder) -> None:
        self._b = b

    def rounded(self, first: Value, second: Value) -> Value:
        """Round two vectors' 32 numbers to pairs of bfloat16, to nearest with ties to even; denormals become 0."""
        b, name = self._b, "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
        b.module.declare(f"declare {_PAIRS} @{name}({first.type}, {first.type})")
        rounded = b.result(f"call {_PAIRS} @{name}({second.typed}, {first.typed})", first.dtype)
        return b.result(f"bitcast {_PAIRS} {rounded.name} to <16 x i32>", np.dtype(np.uint32), 16)


class MatrixUnit(_Rounding):
    """Emits the unit's instructions. Tiles are numbered 0 to 7, and always full: 16 rows of 64 bytes."""

    def begin(self) -> None:
        """Emit the instructions that turn on the unit."""
        rows = struct.pack("<BB14x8H16x8B8x", 1, 0, *[_ROW_BYTES] * 8, *[TILE_ROWS] * 8)
        text = "".join(f"\\{byte:02X}" for byte in rows)
        table = f'[{len(rows)} x i8] c"{text}"'
        self._b.module.declare(f"@matrix_unit_tiles = internal constant {table}, align {_ROW_BYTES}")
        self._call("ldtilecfg", "ptr @matrix_unit_tiles", "ptr")

    def end(self) -> None:
        """Emit the instruction that turns off the unit, after which the system need not save its registers."""
        self._call("tilerelease", "", "")

    def zero(self, tile: int) -> None:
        self._call("tilezero", f"i8 {tile}", "i8")

    def load(self, tile: int, pointer: Pointer, stride: Operand = _ROW_BYTES) -> None:
        """Load a tile with rows `stride` bytes apart."""
        self._call("tileloadd64", f"i8 {tile}, {self._place(pointer, stride)}", "i8, ptr, i64")

    def store(self, tile: int, pointer: Pointer, stride: Operand = _ROW_BYTES) -> None:
        self._call("tilestored64", f"i8 {tile}, {self._place(pointer, stride)}", "i8, ptr, i64")

    def multiply_add(self, sums: int, left: int, right: int) -> None:
        """Emit sums += left · right; a row of `left` has 32 numbers, one of `right` two rows of 16 columns."""
        self._call("tdpbf16ps", f"i8 {sums}, i8 {left}, i8 {right}", "i8, i8, i8")

    def _place(self, pointer: Pointer, stride: Operand) -> str:
        return f"{pointer.typed}, {self._b.match(stride, self._b.const(0))[0].typed}"

    def _call(self, name: str, arguments: str, types: str) -> None:
        self._b.module.declare(f"declare void @llvm.x86.{name}({types})")
        self._b.emit(f"call void @llvm.x86.{name}({arguments})")


class PairUnit(_Rounding):
    """Emits AVX-512's instructions for pairs of bfloat16 numbers: a vector of sums gets two products each."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def multiply_add(self, sums: Value, left: Value, right: Value) -> Value:
        """sums + left₀ · right₀ + left₁ · right₁, for a pair `left` and a vector of 16 pairs, as words of 32 bits."""
        b, name = self._b, "llvm.x86.avx512bf16.dpbf16ps.512"
        b.module.declare(f"declare {sums.type} @{name}({sums.type}, {_PAIRS}, {_PAIRS})")
        both = b.splat(left, 16), right
        factors, terms = (b.result(f"bitcast {words.typed} to {_PAIRS}", sums.dtype) for words in both)
        call = f"call {sums.type} @{name}({sums.typed}, {_PAIRS} {factors.name}, {_PAIRS} {terms.name})"
        return b.result(call, sums.dtype, 16)
