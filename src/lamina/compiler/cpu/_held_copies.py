"""Code that copies inputs to their transposed copies before the first of several steps, and back after the last."""

from __future__ import annotations

import numpy as np

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._transpose import emit_transpose
from lamina.compiler.emit.pointers import Layout
from lamina.compiler.llvm import INDEX
from lamina.compiler.passes.plan import Plan
from lamina.core.memory import LINE_BYTES

_BYTE = np.dtype(np.int8)


def emit_transposed_copies(module: ThreadModule, plan: Plan) -> None:
    """Emit the copy functions that `copy_held` calls."""
    written: set[str] = set()
    for rows, columns, dtype in sorted({_held_type(plan, slot) for slot in plan.held}):
        for shape in dict.fromkeys([(rows, columns), (columns, rows)]):
            if (name := _transposed_copy(*shape, dtype)) not in written:
                written.add(name)
                _emit_transposed_copy(module, name, *shape, dtype)


def copy_held(b: ThreadBuilder, plan: Plan, layout: Layout, *, enters: bool) -> None:
    """Emit code that copies inputs to their transposed copies if `enters` is true, else back to their buffers.

    When executed, the code copies only if the step's control numbers request this. Barriers separate the copies from
    the kernels.
    """
    if not plan.held:
        return
    table, threads = b.pointer_argument("arguments"), b.argument("threads")
    control, holding = b.load_pointer(table, Layout.CONTROL), b.load_pointer(table, layout.holding)
    wanted = b.load(control, INDEX, Layout.ENTERS if enters else Layout.LEAVES)
    with b.if_(b.less(b.const(0), wanted)):
        if not enters:
            b.barrier(threads)
        for slot, offset in plan.held.items():
            buffer = b.load_pointer(table, Layout.FIRST_INPUT + slot)
            inside = b.offset(holding, offset, _BYTE)
            rows, columns, dtype = _held_type(plan, slot)
            source, destination = (buffer, inside) if enters else (inside, buffer)
            shape = (rows, columns) if enters else (columns, rows)
            name = _transposed_copy(*shape, dtype)
            b.call(name, source, destination, b.argument("thread"), threads)
        b.barrier(threads)


def _held_type(plan: Plan, slot: int) -> tuple[int, int, str]:
    (rows, columns), dtype = plan.graph.inputs[slot]
    return rows, columns, dtype.str


def _transposed_copy(rows: int, columns: int, dtype: str) -> str:
    """The name of the function that copies a matrix of this type transposed."""
    return f"transpose_{rows}x{columns}_{np.dtype(dtype).name}"


def _emit_transposed_copy(module: ThreadModule, name: str, rows: int, columns: int, dtype: str) -> None:
    """Emit a function that copies a matrix transposed, with its columns divided among the threads."""
    arguments = {"source": None, "destination": None, "thread": INDEX, "threads": INDEX}
    kind = np.dtype(dtype)
    with module.function(name, arguments, internal=True) as b:
        source, destination = b.pointer_argument("source"), b.pointer_argument("destination")
        share = b.split(columns, LINE_BYTES // kind.itemsize)
        emit_transpose(b, kind, source, columns, destination, rows, (b.const(0), b.const(rows)), share)
