"""Object code of a complete prediction: reading rows, evaluating blocks of rows, writing results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

import numpy as np

from lamina.compiler.cpu.machine import Machine
from lamina.compiler.cpu.standalone import OneThread, OneThreadModule
from lamina.compiler.llvm import BOOL, INDEX, INT32, DType, Pointer, Value
from lamina.compiler.llvm.jit import compile_linkable
from lamina.compiler.llvm.module import Argument
from lamina.export import Classes
from lamina.export.library._encoding import FIELD_BYTES, FIND_TEXT, Reader, bytes_of, declare_texts
from lamina.export.library._interface import Interface, class_names
from lamina.export.library._network import CompiledNetwork, RowArray

_BYTE: DType = np.dtype(np.int8)
_FRAMES = 4096
"""Bytes of stack that the functions need besides a block's memory."""
_BLOCK: Mapping[str, Argument] = {
    "rows": None,
    "values": None,
    "classes": None,
    "start": INDEX,
    "status": None,
}
_LOOP: Mapping[str, Argument] = {
    "rows": None,
    "values": None,
    "classes": None,
    "count": INDEX,
    "status": None,
}

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
        reader = Reader(module, interface.fields)
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
                places = [
                    b.offset(place, i * one.size, one.dtype)
                    for place, one in zip(inputs, network.inputs, strict=True)
                ]
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
    parameter = ", ptr %classes" if with_classes else ""
    predict = _PREDICT.substitute(
        name=name, parameter=parameter, classes="%classes" if with_classes else "null"
    )
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
