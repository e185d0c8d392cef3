"""The builder with which the rest of the compiler writes functions: control flow and memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lamina.compiler.llvm._emitter import Shifted, suffix_of
from lamina.compiler.llvm.module import Argument, Module
from lamina.compiler.llvm.reductions import Reductions
from lamina.compiler.llvm.values import BOOL, INDEX, INT32, DType, Operand, Pointer, Value, type_name


class Variable:
    """A mutable value that can be set inside a loop or branch and read afterwards. LLVM keeps it in a register."""

    def __init__(self, builder: Builder, initial: Value) -> None:
        self._builder = builder
        self._dtype, self._lanes = initial.dtype, initial.lanes
        self._slot = builder.stack_slot(initial.type, builder.alignment_of(initial))
        self.set(initial)

    def get(self) -> Value:
        type_ = type_name(self._dtype, self._lanes)
        return self._builder.result(f"load {type_}, {self._slot.typed}", self._dtype, self._lanes)

    def set(self, value: Value) -> None:
        if (value.dtype, value.lanes) != (self._dtype, self._lanes):
            raise TypeError(
                f"a variable of {self._lanes} x {self._dtype} can't hold {value.lanes} x {value.dtype}"
            )
        self._builder.emit(f"store {value.typed}, {self._slot.typed}")


class Variables:
    """Variables that are read and set together."""

    def __init__(self, builder: Builder, initial: Sequence[Value]) -> None:
        self._variables = [Variable(builder, value) for value in initial]

    def get(self) -> list[Value]:
        return [variable.get() for variable in self._variables]

    def set(self, values: Sequence[Value]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.set(value)


class Builder(Reductions):
    """Writes one function: element operations (inherited; `Mathematics` adds more), control flow and memory."""

    def __init__(self, module: Module[Any], arguments: Mapping[str, Argument]) -> None:
        super().__init__(module)
        self._arguments = arguments
        self.result_type, self._end = "void", "ret void"

    def body(self) -> list[str]:
        """The lines of the finished function's body."""
        return ["entry:", *self._slots, *filter(None, self._lines), self._end]

    def returns(self, value: Value) -> None:
        """Return a value at the function's end."""
        self.result_type, self._end = value.type, f"ret {value.typed}"

    def argument(self, name: str) -> Value:
        """The function's numeric argument with this name."""
        dtype = self._arguments[name]
        if dtype is None:
            raise TypeError(f"argument {name!r} is a pointer: call pointer_argument()")
        return Value(self, f"%{name}", dtype)

    def pointer_argument(self, name: str) -> Pointer:
        """The function's pointer argument with this name."""
        if self._arguments[name] is not None:
            raise TypeError(f"argument {name!r} is a number: call argument()")
        return Pointer(f"%{name}")

    def lanes(self, dtype: DType) -> int:
        """The number of elements of a dtype in a vector register."""
        return self.module.machine.lanes(dtype)

    # control flow

    @contextmanager
    def loop(self, start: Operand, stop: Operand, step: int = 1) -> Generator[Value]:
        """Emit a loop over range(start, stop, step) around the enclosed code; `step` must be positive."""
        start, stop = self.match(start, stop) if isinstance(start, Value) else self.match(stop, start)[::-1]
        body, end = self.new_label("loop"), self.new_label("done")
        latch = f"{body}.next"
        index, following = f"%{body}.index", f"%{body}.following"
        before = self._block
        if _surely_runs(start, stop):
            self.branch(body)
        else:
            self.branch_if(self.less(start, stop), body, end)
        self.start_block(body)
        self.emit(f"{index} = phi {start.type} [{start.name}, %{before}], [{following}, %{latch}]")
        i = Value(self, index, start.dtype)
        yield i
        self.branch(latch)
        self.start_block(latch)
        self.emit(f"{following} = add nsw {i.typed}, {step}")
        self.branch_if(self.less(Value(self, following, start.dtype), stop), body, end)
        self.start_block(end)

    def repeated(
        self,
        start: Operand,
        stop: Operand,
        step: int,
        initial: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """Emit a loop whose values ``body(i, values)`` hands on, by phi nodes (shorter text); returns the last ones."""
        before, first = self._block, len(self._lines)
        with self.loop(start, stop, step) as i:
            latch, place = f"{self._block}.next", len(self._lines)
            values = [Value(self, f"%carried{first}.{n}", x.dtype, x.lanes) for n, x in enumerate(initial)]
            self._lines += [""] * len(values)
            following = list(body(i, values))
        both = zip(initial, following, strict=True)
        ends = [f"[{x.name}, %{before}], [{y.name}, %{latch}]" for x, y in both]
        for n, (value, end) in enumerate(zip(values, ends, strict=True)):
            self._lines[place + n] = f"{value.name} = phi {value.type} {end}"
        if _surely_runs(*self.match(start, stop)):
            return following
        either = zip(initial, ends, strict=True)
        return [self.result(f"phi {x.type} {end}", x.dtype, x.lanes) for x, end in either]

    @contextmanager
    def if_(self, condition: Value) -> Generator[None]:
        """Emit the enclosed code as a branch that is executed if a scalar condition is true."""
        then, end = self.new_label("then"), self.new_label("done")
        self.branch_if(condition, then, end)
        self.start_block(then)
        yield
        self.branch(end)
        self.start_block(end)

    @contextmanager
    def while_(self, condition: Callable[[], Value]) -> Generator[None]:
        """Emit a loop around the enclosed code, which goes on while the scalar that ``condition()`` emits is true."""
        test, body, end = self.new_label("while"), self.new_label("then"), self.new_label("done")
        self.branch(test)
        self.start_block(test)
        self.branch_if(condition(), body, end)
        self.start_block(body)
        yield
        self.branch(test)
        self.start_block(end)

    def if_else(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Emit both branches of a scalar condition. Results for later code must be stored in variables."""
        yes, no, end = self.new_label("then"), self.new_label("else"), self.new_label("done")
        self.branch_if(condition, yes, no)
        for label, branch in ((yes, then), (no, otherwise)):
            self.start_block(label)
            branch()
            self.branch(end)
        self.start_block(end)

    def variable(self, initial: Value) -> Variable:
        """A variable with an initial value, such as a loop's accumulator."""
        return Variable(self, initial)

    def variables(self, initial: Sequence[Value]) -> Variables:
        """Several variables, such as the values that a loop carries."""
        return Variables(self, initial)

    def vector_loop(
        self,
        start: Operand,
        stop: Operand,
        lanes: int,
        body: Callable[[Value, int], None],
        *,
        is_whole: bool = False,
    ) -> None:
        """Emit a vectorized loop over range(start, stop); ``body(i, lanes)`` emits code for `lanes` elements from i on.

        `lanes` is a power of two. Whole vectors come first. The remainder is one narrower vector if the range is
        constant, else a loop over single elements. `body` must support any number of lanes. `is_whole` means that the
        range consists of whole vectors.
        """
        start_value = self.match(start, self.const(0))[0]
        stop_value = self.match(stop, self.const(0))[0]
        if start_value.constant is not None and stop_value.constant is not None:
            first, last = int(start_value.constant), int(stop_value.constant)
            whole = first + (last - first) // lanes * lanes
            if whole > first:
                with self.loop(first, whole, lanes) as i:
                    body(i, lanes)
            if last > whole:
                body(self.const(whole), last - whole)
            return
        if lanes == 1 or is_whole:
            with self.loop(start_value, stop_value, lanes) as i:
                body(i, lanes)
            return
        extent = self.maximum(self.sub(stop_value, start_value), 0)
        whole = self.add(start_value, self.bit_and(extent, -lanes))
        with self.loop(start_value, whole, lanes) as i:
            body(i, lanes)
        with self.loop(whole, stop_value) as i:
            body(i, 1)

    def rarely(self, name: str, function: Callable[[Any, Value], Value], x: Value) -> Value:
        """Call a rarely needed scalar function. For vectors, a separate function loops over the lanes."""
        if x.lanes == 1:
            return function(self, x)
        name = f"each_{name}_{type_name(x.dtype)}"
        if name not in self.module.functions:
            with self.module.function(name, {"values": None, "count": INDEX}, internal=True) as b:
                b.is_worth_trouble = False
                values = b.pointer_argument("values")
                with b.loop(0, b.argument("count")) as i:
                    b.store(values, function(b, b.load(values, x.dtype, i)), i)
        buffer = self.alloca(x.dtype, x.lanes)
        self.store(buffer, x)
        self.call(name, buffer, self.const(x.lanes))
        return self.load(buffer, x.dtype, 0, x.lanes)

    def call(self, function: str | Pointer, *arguments: Value | Pointer) -> None:
        """Call a function without result, by its name in this module or by address."""
        name = function.name if isinstance(function, Pointer) else f"@{function}"
        self.emit(f"call void {name}({', '.join(argument.typed for argument in arguments)})")

    # memory

    def alignment_of(self, value: Value) -> int:
        return max(1, value.dtype.itemsize)

    def alloca(self, dtype: DType | None, count: int, alignment: int = 64) -> Pointer:
        """Allocate memory for `count` elements (pointers if dtype is None) on the stack, until the function returns."""
        return self.stack_slot(f"[{count} x {_memory_type(dtype)}]", alignment)

    def offset(self, pointer: Pointer, index: Operand, dtype: DType | None) -> Pointer:
        """The address of element `index` of an array at `pointer`; dtype None means an array of pointers."""
        if not isinstance(index, Value):
            index = self.const(index)
        if index.constant == 0:
            return pointer
        kind = _memory_type(dtype)
        if not isinstance(index, Shifted):
            key = ("at", pointer.name, index.key, kind)
            return self.once(key, lambda: self._address(f"inbounds {kind}", pointer, index))
        key = ("at", pointer.name, index.base.key, kind)  # this may be outside of the array
        start = self.once(key, lambda: self._address(kind, pointer, index.base))
        distance = self.const(index.distance)
        return self.once(("at", start.name, distance.key, kind), lambda: self._address(kind, start, distance))

    def _address(self, kind: str, pointer: Pointer, index: Value) -> Pointer:
        return self.pointer_result(f"getelementptr {kind}, {pointer.typed}, {index.typed}", pointer.space)

    def where_address(self, condition: Value, x: Pointer, y: Pointer) -> Pointer:
        """Select address x if a scalar condition is true, else y, in the same address space."""
        return self.pointer_result(f"select {condition.typed}, {x.typed}, {y.typed}", x.space)

    def load_pointer(self, pointer: Pointer, index: Operand = 0) -> Pointer:
        """Load a pointer from an array of pointers."""
        return self.pointer_result(f"load ptr, {self.offset(pointer, index, None).typed}")

    def store_pointer(self, pointer: Pointer, value: Pointer, index: Operand = 0) -> None:
        """Store a pointer in an array of pointers."""
        self.emit(f"store {value.typed}, {self.offset(pointer, index, None).typed}")

    def constants(self, name: str, numbers: Sequence[int]) -> Pointer:
        """Emit a constant array of 64-bit integers, named `name` in the module; returns its address."""
        content = ", ".join(f"i64 {number}" for number in numbers)
        self.module.declare(f"@{name} = internal constant [{len(numbers)} x i64] [{content}]")
        return Pointer(f"@{name}")

    def addresses(self, name: str, functions: Sequence[str]) -> Pointer:
        """Emit a constant array of function addresses, named `name` in the module; returns its address."""
        content = ", ".join(f"ptr @{function}" for function in functions)
        self.module.declare(f"@{name} = internal constant [{len(functions)} x ptr] [{content}]")
        return Pointer(f"@{name}")

    def load(self, pointer: Pointer, dtype: DType, index: Operand = 0, lanes: int = 1) -> Value:
        """Load `lanes` adjacent elements from element `index` on; no alignment is required."""
        address = self.offset(pointer, index, dtype)
        memory = _memory_type(dtype) if lanes == 1 else f"<{lanes} x {_memory_type(dtype)}>"
        value = self.result(f"load {memory}, {address.typed}, align {dtype.itemsize}", dtype, lanes)
        if dtype != BOOL:
            return value
        return self.result(f"icmp ne {memory} {value.name}, zeroinitializer", BOOL, lanes)

    def load_masked(self, pointer: Pointer, dtype: DType, index: Operand, count: int, lanes: int) -> Value:
        """Load `count` adjacent elements into the first of `lanes` lanes; the other lanes are unspecified."""
        mask = self.const_vector([lane < count for lane in range(lanes)], BOOL)
        return self.load_where(mask, pointer, index, Value(self, "poison", dtype, lanes))

    def first_lanes(self, count: Value, lanes: int) -> Value:
        """The mask of the first `count` of `lanes` lanes; `count` is computed at run time."""
        return self.less(self.const_vector([*range(lanes)], INT32), self.cast(count, INT32))

    def load_where(self, mask: Value, pointer: Pointer, index: Operand, fill: Value) -> Value:
        """Load adjacent elements into the lanes where the mask is true; take the other lanes from `fill`."""
        function = f"llvm.masked.load.{suffix_of(fill)}.p0"
        self.module.declare(f"declare {fill.type} @{function}(ptr, i32, {mask.type}, {fill.type})")
        address = self.offset(pointer, index, fill.dtype)
        arguments = f"{address.typed}, i32 {fill.dtype.itemsize}, {mask.typed}, {fill.typed}"
        return self.result(f"call {fill.type} @{function}({arguments})", fill.dtype, fill.lanes)

    def store_where(self, mask: Value, pointer: Pointer, value: Value, index: Operand = 0) -> None:
        """Store the lanes where the mask is true to adjacent elements."""
        function = f"llvm.masked.store.{suffix_of(value)}.p0"
        self.module.declare(f"declare void @{function}({value.type}, ptr, i32, {mask.type})")
        address = self.offset(pointer, index, value.dtype)
        alignment = f"i32 {value.dtype.itemsize}"
        self.emit(f"call void @{function}({value.typed}, {address.typed}, {alignment}, {mask.typed})")

    def prefetch(self, pointer: Pointer) -> None:
        """Prefetch a cache line that will be read soon. The address may be invalid."""
        self.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.emit(f"call void @llvm.prefetch.p0({pointer.typed}, i32 0, i32 2, i32 1)")

    def store(self, pointer: Pointer, value: Value, index: Operand = 0) -> None:
        """Store a value's lanes to adjacent elements from element `index` on."""
        address = self.offset(pointer, index, value.dtype)
        typed = value.typed
        if value.dtype == BOOL:
            memory = "i8" if value.lanes == 1 else f"<{value.lanes} x i8>"
            typed = f"{memory} {self._register(f'zext {value.typed} to {memory}')}"
        self.emit(f"store {typed}, {address.typed}, align {value.dtype.itemsize}")

    def load_strided(
        self, pointer: Pointer, dtype: DType, index: Operand, stride: int, lanes: int = 1
    ) -> Value:
        """Load elements index, index + stride, … into a vector; stride 0 broadcasts one element."""
        if lanes == 1 or stride in (0, 1):
            width = lanes if stride == 1 else 1
            return self.splat(self.load(pointer, dtype, index, width), lanes)
        positions = self._positions(index, stride, lanes)
        return self.gather_lanes([self.load(pointer, dtype, i) for i in positions])

    def store_strided(self, pointer: Pointer, value: Value, index: Operand, stride: int) -> None:
        """Store lanes to elements index, index + stride, …"""
        for lane, position in enumerate(self._positions(index, stride, value.lanes)):
            self.store(pointer, self.extract(value, lane), position)

    def _positions(self, index: Operand, stride: int, lanes: int) -> Sequence[Value]:
        return [self.const(0) + index + stride * lane for lane in range(lanes)]

    def gather(self, pointer: Pointer, dtype: DType, indices: Value) -> Value:
        """Load the elements at the positions `indices`, one per lane."""
        positions = [self.cast(self.extract(indices, lane), INDEX) for lane in range(indices.lanes)]
        return self.gather_lanes([self.load(pointer, dtype, position) for position in positions])

    def divide_positive(self, x: Operand, y: Operand) -> Value:
        """x // y for integers with x >= 0 and y > 0, as a single instruction."""
        x, y = self.match(x, y)
        if y.constant == 1:
            return x
        if x.constant is not None and y.constant is not None:
            return self.const(int(x.constant) // int(y.constant), x.dtype)
        return self.result(f"udiv {x.typed}, {y.name}", x.dtype, x.lanes)


def _surely_runs(start: Value, stop: Value) -> bool:
    """Whether a loop certainly has at least one iteration."""
    return start.constant is not None and stop.constant is not None and start.constant < stop.constant


def _memory_type(dtype: DType | None) -> str:
    """LLVM's name for the type of an element in memory; dtype None means a pointer."""
    if dtype is None:
        return "ptr"
    return "i8" if dtype == BOOL else type_name(dtype)
