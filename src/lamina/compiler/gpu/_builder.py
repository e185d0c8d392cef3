"""The LLVM facade for GPU kernels: address spaces, thread numbers, shared memory, barriers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lamina.compiler.llvm import FLOAT32, FLOAT64, INDEX, INT32, UINT64, DType, Pointer, Value
from lamina.compiler.llvm.jit import translated
from lamina.compiler.llvm.mathematics import Mathematics
from lamina.compiler.llvm.module import Argument, Module
from lamina.compiler.llvm.values import Operand, type_name
from lamina.core.memory import rounded_up
from lamina.primitives.elementary import power_of_two

_FLOAT16 = np.dtype(np.float16)
_GLOBAL, _SHARED = 1, 3
_SHARED_ALIGNMENT = 128
"""The bytes of one element in each bank: shared arrays begin at the first bank."""
_MOST_NARROW = 1 << 31


class DeviceBuilder(Mathematics, ABC):
    """Emits one kernel, as the code of one thread of a block. Each kernel language has a subclass."""

    module: DeviceModule
    puts_off_sums = False  # with True, the driver's assembler uses more registers for some kernels
    index: DType = INDEX
    """The integer type for arithmetic on a thread's number, where it is large enough."""
    constant_space: int
    """The address space of constant tables in the code."""

    def __init__(self, module: DeviceModule, arguments: Mapping[str, Argument]) -> None:
        super().__init__(module, arguments)
        self.shared_bytes, self._shared_top = 0, 0
        self.shared_name = ""

    # what differs between languages

    @abstractmethod
    def thread(self) -> Value:
        """The number of the thread in its block."""

    @abstractmethod
    def block(self) -> Value:
        """The number of the block."""

    @abstractmethod
    def barrier(self) -> None:
        """Wait for all threads of the block; each then sees the others' writes."""

    def fence(self) -> None:
        """Make this thread's writes visible to other blocks before its next writes."""
        self.emit('fence syncscope("device") acq_rel')

    @abstractmethod
    def kernel(self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds) -> str:
        """The text of the finished kernel."""

    @staticmethod
    def parameters(pointers: int, numbers: Sequence[str]) -> str:
        """A kernel's parameters in LLVM's syntax.

        No parameter is `noalias`: LLVM would then read buffers that are updated in place through a cache that isn't
        coherent with writes.
        """
        parts = [f"ptr addrspace(1) %p{i}" for i in range(pointers)]
        return ", ".join([*parts, *(f"i64 %{name}" for name in numbers)])

    @property
    def tensors(self) -> TensorBuilder:
        """This builder, which must have asynchronous copies and tensor cores."""
        assert isinstance(self, TensorBuilder)
        return self

    # numbers

    def unravel(self, position: Value, sizes: Sequence[int]) -> list[Value]:
        """The index, in C order, of a flat position in an array with these sizes."""
        if len(sizes) == 1:
            return [position]
        rest, found = self.narrowed(position, math.prod(sizes)), []
        for size in reversed(sizes[1:]):
            outer = self.divide_positive(rest, size)
            found.append(self.cast(self.sub(rest, self.mul(outer, size)), INDEX))
            rest = outer
        return [self.cast(rest, INDEX), *reversed(found)]

    def narrowed(self, position: Value, end: int) -> Value:
        """Convert a position below `end` to a narrower integer, where this is faster."""
        return self.cast(position, self.index if end < _MOST_NARROW else INDEX)

    # memory

    def pointer_argument(self, name: str) -> Pointer:
        return Pointer(f"%{name}", _GLOBAL)

    def address(self, pointer: Pointer, index: Value, dtype: DType) -> Pointer:
        """The address of an element; the index may be out of range."""
        return self._address(type_name(dtype), pointer, index)

    def shared(self, dtype: DType, count: int) -> Pointer:
        """Allocate shared memory for the block, at a multiple of 128 bytes, until the enclosing `shared_again` ends."""
        start = rounded_up(self._shared_top, _SHARED_ALIGNMENT)
        self._shared_top = start + count * dtype.itemsize
        self.shared_bytes = max(self.shared_bytes, self._shared_top)
        block = Pointer(f"@{self.shared_name}", _SHARED)
        return self._address("inbounds i8", block, self.const(start))

    @contextmanager
    def shared_again(self) -> Generator[None]:
        """A context that frees the shared memory allocated inside; a barrier must precede its next use."""
        before = self._shared_top
        yield
        self._shared_top = before

    def load_vector(self, pointer: Pointer, dtype: DType, index: Operand, lanes: int) -> list[Value]:
        """Load adjacent elements at once, from an address that is a multiple of their total size."""
        if lanes == 1:
            return [self.load(pointer, dtype, index)]
        address = self.offset(pointer, index, dtype)
        type_, alignment = type_name(dtype, lanes), min(16, lanes * dtype.itemsize)
        vector = self.result(f"load {type_}, {address.typed}, align {alignment}", dtype, lanes)
        return [self.extract(vector, lane) for lane in range(lanes)]

    def store_vector(self, pointer: Pointer, values: Sequence[Value], index: Operand) -> None:
        """Store adjacent elements at once, to an address that is a multiple of their total size."""
        address, lanes = self.offset(pointer, index, values[0].dtype), len(values)
        vector = self.gather_lanes(list(values))
        alignment = min(16, lanes * values[0].dtype.itemsize)
        self.emit(f"store {vector.typed}, {address.typed}, align {alignment}")

    def misalignment(self, pointer: Pointer, nbytes: int) -> Value:
        """An address modulo `nbytes`, a power of two."""
        address = self.result(f"ptrtoint {pointer.typed} to i64", INDEX)
        return self.bit_and(address, nbytes - 1)

    def count_up(self, pointer: Pointer) -> Value:
        """Add 1 atomically to a 32-bit counter shared by all blocks, and return its previous value."""
        added = f'atomicrmw add {pointer.typed}, i32 1 syncscope("device") monotonic, align 4'
        return self.result(added, INT32)

    def prefetch(self, pointer: Pointer) -> None:
        """Do nothing: while a thread waits for memory, other threads run."""

    def constants(self, name: str, numbers: Sequence[int]) -> Pointer:
        space = self.constant_space
        content = ", ".join(f"i64 {number}" for number in numbers)
        table = f"[{len(numbers)} x i64] [{content}]"
        self.module.declare(f"@{name} = internal addrspace({space}) constant {table}, align 8")
        return Pointer(f"@{name}", space)

    # functions that a device has no instruction for

    def cast(self, x: Value, dtype: DType | type) -> Value:
        """Convert as NumPy's `astype` does; float64 from and to float16 by float32: hardware has no direct way."""
        dtype = np.dtype(dtype)
        if {x.dtype, dtype} == {FLOAT64, _FLOAT16}:
            x = super().cast(x, FLOAT32)
        return super().cast(x, dtype)

    def frem(self, x: Value, y: Value) -> Value:
        return remainder(self, x, y)


class TensorBuilder(DeviceBuilder):
    """A builder for GPUs with tensor cores and asynchronous copies."""

    @abstractmethod
    def begin_copy(self, target: Pointer, source: Pointer, nbytes: int, inside: Value | None) -> None:
        """Begin an asynchronous copy of 4 or 16 aligned bytes to shared memory; zeros if `inside` is false."""

    @abstractmethod
    def close_copies(self) -> None:
        """Group the copies that this thread has begun since the last call; the group may be empty."""

    @abstractmethod
    def wait_for_copies(self, left: int) -> None:
        """Wait for this thread's copies but the latest `left` groups; other threads see them after a barrier."""

    @abstractmethod
    def load_four(self, source: Pointer) -> list[Value]:
        """Load four float32 numbers with one instruction, from an address that is a multiple of 16 bytes."""

    @abstractmethod
    def unknown(self, number: Value) -> Value:
        """The number, hidden from LLVM: what is computed from it stays inside the loop, not in registers throughout."""

    @abstractmethod
    def to_tf32(self, x: Value) -> Value:
        """Round a float32 number to tf32, which has 10 fraction bits; returns 32 bits."""

    @abstractmethod
    def to_bfloat16(self, low: Value, high: Value) -> Value:
        """Round two float32 numbers to bfloat16, which has 7 fraction bits; returns them as the halves of 32 bits."""

    @abstractmethod
    def multiply_fragments(self, precision: str, *operands: Sequence[Value]) -> list[Value]:
        """Multiply fragments with tensor cores, and add the product to 16 by 8 float32 sums; returns the lane's sums.

        The inner dimension is 8 in tf32, 16 in bfloat16. `operands` are the lane's elements of the left and right
        operand and of the previous sums, laid out as in the PTX ISA for ``mma.m16n8k8`` and ``mma.m16n8k16``. All
        lanes of the warp must execute this together.
        """


class DeviceModule(Module[DeviceBuilder]):
    """The kernels of a program."""

    machine: object

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect.machine, dialect.builder, {})
        self.dialect = dialect
        self.kernels: list[str] = []

    @contextmanager
    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds
    ) -> Generator[DeviceBuilder]:
        """Emit a kernel whose arguments are pointers %p0, %p1, … and the named 64-bit numbers."""
        arguments = {**{f"p{i}": None for i in range(pointers)}, **dict.fromkeys(numbers, INDEX)}
        b = self.dialect.builder(self, arguments)
        b.shared_name = f"shared_{name}"
        yield b
        if b.shared_bytes:
            kind = f"internal addrspace({_SHARED}) global [{b.shared_bytes} x i8] undef"
            self.declare(f"@{b.shared_name} = {kind}, align {_SHARED_ALIGNMENT}")
        self.functions[name] = b.kernel(name, pointers, numbers, bounds)
        self.kernels.append(name)


# --- C's `fmod`, for devices, which have no such instruction and no C library ----------------------------------------


_MANTISSA_BITS, _BIAS = 52, 1023
_BITS_A_TURN = 11
"""The most bits that a 53-bit number can be shifted within 64 bits."""


def remainder(b: DeviceBuilder, x: Value, y: Value) -> Value:
    """C's `fmod`: for x = M 2ᵉ and y = N 2ᶠ, 2ᶠ (M 2ᵉ⁻ᶠ mod N), computed a few bits at a time."""
    dtype = x.dtype
    wide_x, wide_y = b.abs(b.cast(x, FLOAT64)), b.abs(b.cast(y, FLOAT64))
    m, exponent = _whole_parts(b, wide_x)
    n, own = _whole_parts(b, wide_y)
    n = b.where(b.equal(n, 0), b.const(1, UINT64), n)
    rest = b.variable(_modulo(b, m, n))
    places = b.sub(exponent, own)
    with b.loop(b.const(0), places, _BITS_A_TURN) as done:
        bits = b.minimum(b.sub(places, done), _BITS_A_TURN)
        rest.set(_modulo(b, b.shift_left(rest.get(), b.bitcast(bits, UINT64)), n))
    own = b.sub(own, _BIAS + _MANTISSA_BITS)
    half = b.shift_right(own, 1)
    value = b.mul(b.cast(rest.get(), FLOAT64), power_of_two(b, half, FLOAT64))
    value = b.mul(value, power_of_two(b, b.sub(own, half), FLOAT64))
    value = b.where(b.less(wide_x, wide_y), wide_x, value)
    has_some = b.logical_and(b.less(wide_x, math.inf), b.greater(wide_y, 0.0))
    has_some = b.logical_and(has_some, b.logical_not(b.isnan(wide_y)))
    value = b.where(has_some, value, math.nan)
    return b.copysign(b.cast(value, dtype), x)


def _whole_parts(b: DeviceBuilder, x: Value) -> tuple[Value, Value]:
    """The significand of x >= 0 as an integer, and the biased exponent, which is at least 1."""
    bits = b.bitcast(x, UINT64)
    exponent = b.bitcast(b.shift_right(bits, _MANTISSA_BITS), INDEX)
    hidden = b.where(b.equal(exponent, 0), b.const(0, UINT64), 1 << _MANTISSA_BITS)
    significand = b.bit_or(b.bit_and(bits, (1 << _MANTISSA_BITS) - 1), hidden)
    return significand, b.maximum(exponent, 1)


def _modulo(b: DeviceBuilder, x: Value, y: Value) -> Value:
    return b.result(f"urem {x.typed}, {y.name}", UINT64)


# --- Kernel languages: the machine, the builder of kernels, the translation to the device's code ---------------------


@dataclass(frozen=True)
class DeviceMachine:
    """A device as LLVM's machine (see `lamina.compiler.llvm.processor.Machine`), whose threads compute with scalars."""

    triple: str
    cpu: str = ""
    features: str = ""
    function_attributes: str = ""
    has_fused_multiply_add: bool = True
    has_masked_moves: bool = False

    def lanes(self, dtype: DType) -> int:
        return 1


@dataclass(frozen=True)
class Bounds:
    """A kernel's threads per block, and the least number of blocks that share a multiprocessor's registers."""

    threads: int
    blocks: int = 1


class Dialect(ABC):
    """A kernel language: NVPTX, SPIR-V or the emulator's."""

    machine: DeviceMachine
    builder: type[DeviceBuilder]
    """Writes kernels; its methods say what a thread's number, a barrier or a copy is in this language."""
    level = 0
    """LLVM's optimisation level."""

    @abstractmethod
    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        """Translate LLVM assembly to the code that the device loads."""

    def assembly(self, ir: str) -> str:
        """Translate LLVM assembly to the device's code in readable form."""
        return translated(self.machine, ir, level=self.level)
