"""Object code of a complete prediction: the network for blocks of rows, reading rows, writing results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.compiler.cpu import standalone
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.cpu.standalone import OneThread, OneThreadModule, Standalone
from lamina.compiler.front.graphs import compilable_graph, with_known_values
from lamina.compiler.llvm import BOOL, INDEX, INT32, DType, Pointer, Value
from lamina.compiler.llvm.jit import compile_linkable
from lamina.compiler.llvm.module import Argument
from lamina.compiler.passes.graph import Node
from lamina.errors import LaminaError
from lamina.export import Classes
from lamina.export.library._encoding import FIELD_BYTES, FIND_TEXT, Reader, bytes_of, declare_texts
from lamina.export.library._interface import Interface, class_names

_BLOCKS = (8, 4, 2)
_MOST_STACK = 48 << 10
"""Maximum bytes of a block's memory, so that threads with small stacks can predict, too."""


@dataclass(frozen=True)
class RowArray:
    """The shape and dtype of a single row in an input or a result."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


@dataclass
class CompiledNetwork:
    """The compiled programs by their number of rows, and the arrays that they read."""

    inputs: Sequence[RowArray]
    results: Sequence[RowArray] = ()
    programs: dict[int, Standalone] = field(default_factory=dict[int, Standalone])
    _names: dict[bytes, str] = field(default_factory=dict[bytes, str])
    _arrays: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def name_of(self, array: np.ndarray) -> str:
        """The name of the global array with these bytes, of any shape, which is added if necessary."""
        content = array.tobytes()
        if content not in self._names:
            self._names[content] = f"weight{len(self._names)}"
            self._arrays[self._names[content]] = array
        return self._names[content]

    @property
    def arrays_ir(self) -> str:
        """The global arrays as LLVM assembly."""
        return "\n".join(standalone.global_array(name, array) for name, array in self._arrays.items()) + "\n"

    @property
    def array_names(self) -> list[str]:
        return list(self._arrays)

    @property
    def needs(self) -> list[str]:
        """The names of the C library functions that the code calls."""
        return sorted({name for program in self.programs.values() for name in _called(program.ir)})

    def bytes_for(self, rows: int) -> int:
        """The number of bytes that the program for `rows` rows needs: memory, inputs and results."""
        row = sum(one.nbytes for one in (*self.inputs, *self.results))
        return self.programs[rows].memory_bytes + rows * row


def compile_network(
    function: Callable[..., Any], inputs: Sequence[RowArray], machine: Machine, *, short: bool = False
) -> CompiledNetwork:
    """Compile a function of batches for single rows, and for the largest block within the memory limit.

    With `short`, weights are rounded to 8-bit integers.

    Raises:
        LaminaError: the network has non-finite numbers, draws random numbers, or does not return one result per row.
    """
    network = CompiledNetwork(inputs)
    _add(network, function, 1, machine, short)
    for rows in _BLOCKS:
        _add(network, function, rows, machine, short)
        if network.bytes_for(rows) <= _MOST_STACK:
            break
        del network.programs[rows]
    return network


def _add(
    network: CompiledNetwork, function: Callable[..., Any], rows: int, machine: Machine, short: bool
) -> None:
    examples = [nd.zeros((rows, *one.shape), dtype=one.dtype) for one in network.inputs]
    with autograd.pause(train_mode=False):
        captured = with_known_values(compilable_graph(function, examples))
    for array in captured.contents.values():
        _require_finite(array)
    graph, constants = standalone.with_transposed_constants(captured.graph, captured.contents)
    if short:
        graph, constants = standalone.with_short_weights(graph, constants)
    network.results = _rows_of(graph.results, rows)
    names = {slot: network.name_of(array) for slot, array in constants.items()}
    name = f"predict{rows}"
    network.programs[rows] = Standalone.of(name, graph, len(examples), names, machine)


def _rows_of(results: Sequence[Node], rows: int) -> list[RowArray]:
    if not results or any(node.shape[:1] != (rows,) for node in results):
        shapes = ", ".join(str(node.shape) for node in results)
        raise LaminaError(
            f"the network returns {shapes or 'nothing'} for {rows} rows; a library predicts one array, "
            "with a row for each input row"
        )
    return [RowArray(node.shape[1:], node.dtype) for node in results]


def _require_finite(array: np.ndarray) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise LaminaError(
            f"a parameter of shape {array.shape} has infinite numbers or NaN, so the network can't predict"
        )


def _called(ir: str) -> Iterable[str]:
    return re.findall(r"^declare \S+ @(?!llvm\.)(\w+)\(", ir, re.MULTILINE)


# --- the whole -------------------------------------------------------------------------------------------------------

_BYTE: DType = np.dtype(np.int8)
_FRAMES = 4096
"""Bytes of stack that the functions need besides a block's memory."""
_ARRAYS: Mapping[str, Argument] = {"rows": None, "values": None, "classes": None}
_BLOCK: Mapping[str, Argument] = {**_ARRAYS, "start": INDEX, "status": None}
_LOOP: Mapping[str, Argument] = {**_ARRAYS, "count": INDEX, "status": None}

_PREDICT = Template(Path(__file__).with_name("predict.ll").read_text("utf-8"))


@dataclass(frozen=True)
class LibraryCode:
    """An object file, its stack size in bytes, and the C library functions that it calls."""

    object: bytes
    stack_bytes: int
    needs: tuple[str, ...]


def prediction_code(interface: Interface, network: CompiledNetwork, machine: Machine) -> LibraryCode:
    """Compile a prediction to an object file with NAME_predict, NAME_class_names and NAME_column_names."""
    name, prediction = interface.name, interface.prediction
    module = OneThreadModule(machine)
    reader = None
    exported = [f"{name}_predict"]
    if interface.fields:
        reader = Reader(module, interface)
        reader.emit()
        columns = [bytes_of(field.column.name) for field in interface.fields]
        declare_texts(module, f"{name}_column_names", columns, is_seen=True)
        exported.append(f"{name}_column_names")
    if isinstance(prediction.output, Classes):
        classes = [bytes_of(label) for label in class_names(prediction.output)]
        declare_texts(module, f"{name}_class_names", classes, is_seen=True)
        exported.append(f"{name}_class_names")
    for rows in network.programs:
        _emit_block(module, network, rows, reader)
    row_bytes = FIELD_BYTES * len(interface.fields) if reader else network.inputs[0].nbytes
    code = _finished(module, name, network, row_bytes, exported, with_classes=interface.has_classes)
    return replace(code, stack_bytes=code.stack_bytes + reader.scratch_bytes) if reader else code


def network_code(name: str, network: CompiledNetwork, machine: Machine) -> LibraryCode:
    """Compile a bare network to an object file with NAME_predict, from inputs to outputs."""
    module = OneThreadModule(machine)
    for rows in network.programs:
        _emit_block(module, network, rows, None)
    return _finished(module, name, network, network.inputs[0].nbytes, [f"{name}_predict"], with_classes=False)


def _emit_block(module: OneThreadModule, network: CompiledNetwork, rows: int, reader: Reader | None) -> None:
    with module.function(f"block{rows}", _BLOCK, internal=True) as b:
        inputs, status = [b.pointer_argument("rows")], b.pointer_argument("status")
        if reader is not None:
            inputs = [b.alloca(one.dtype, max(rows * one.size, 1)) for one in network.inputs]
            with b.loop(0, rows) as i:
                row = b.offset(b.pointer_argument("rows"), i * (FIELD_BYTES * len(reader.fields)), _BYTE)
                pairs = zip(inputs, network.inputs, strict=True)
                places = [b.offset(place, i * one.size, one.dtype) for place, one in pairs]
                b.call("read", row, *places, status)
        with b.if_(b.equal(b.load(status, INT32), 0)):
            pairs = zip(("values", "classes"), network.results, strict=False)
            results = [_result(b, name, result, rows) for name, result in pairs]
            _call_network(b, network, rows, inputs, results)


def _result(b: OneThread, name: str, result: RowArray, rows: int) -> Pointer:
    """The destination of a block's result: the caller's array, or scratch memory if the caller passes NULL."""
    given = b.pointer_argument(name)
    place = b.offset(given, b.argument("start") * result.size, result.dtype)
    unread = b.alloca(result.dtype, rows * result.size)
    is_null = b.result(f"icmp eq {given.typed}, null", BOOL)
    return b.pointer_result(f"select {is_null.typed}, {unread.typed}, {place.typed}")


def _call_network(
    b: OneThread, network: CompiledNetwork, rows: int, inputs: list[Pointer], results: list[Pointer]
) -> None:
    program = network.programs[rows]
    memory = b.alloca(_BYTE, max(program.memory_bytes, 1))
    arguments = [*inputs, *results, memory]
    b.module.declare(f"declare void @{program.name}({', '.join(['ptr'] * len(arguments))})")
    b.call(program.name, *arguments)


def _finished(
    module: OneThreadModule,
    name: str,
    network: CompiledNetwork,
    row_bytes: int,
    exported: list[str],
    *,
    with_classes: bool,
) -> LibraryCode:
    _emit_loop(module, max(network.programs), row_bytes)
    parameter, classes = (", ptr %classes", "%classes") if with_classes else ("", "null")
    predict = _PREDICT.substitute(name=name, parameter=parameter, classes=classes)
    ir = "\n".join([module.ir(), network.arrays_ir, FIND_TEXT, predict])
    seen = [*exported, *network.array_names]
    programs = [(program.ir, [program.name]) for program in network.programs.values()]
    code = compile_linkable(module.machine, [(ir, seen), *programs], exported)
    stack = _FRAMES + max(network.bytes_for(rows) for rows in network.programs)
    return LibraryCode(code, stack, tuple(network.needs))


def _emit_loop(module: OneThreadModule, block: int, row_bytes: int) -> None:
    """Emit the loop over all rows, first in whole blocks, then row by row."""
    with module.function("predict_rows", _LOOP, internal=True) as b:
        status = b.pointer_argument("status")
        count = b.argument("count")
        whole = b.bit_and(count, -block)

        def predict(rows: int, start: Value) -> None:
            with b.if_(b.equal(b.load(status, INT32), 0)):
                first = b.offset(b.pointer_argument("rows"), start * row_bytes, _BYTE)
                values, classes = b.pointer_argument("values"), b.pointer_argument("classes")
                b.call(f"block{rows}", first, values, classes, start, status)

        with b.loop(b.const(0), whole, block) as start:
            predict(block, start)
        with b.loop(whole, count) as start:
            predict(1, start)
