"""Compilation of a function of rows to machine code, for single rows and for blocks of rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.cpu.standalone import Standalone, global_array, with_transposed_constants
from lamina.compiler.front.graphs import compilable_graph, with_known_values
from lamina.compiler.passes.graph import Node
from lamina.errors import LaminaError

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
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _arrays: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def name_of(self, array: np.ndarray) -> str:
        """The name of the global array with these contents, which is added if necessary."""
        digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
        if digest not in self._names:
            self._names[digest] = f"weight{len(self._names)}"
            self._arrays[self._names[digest]] = array
        return self._names[digest]

    @property
    def arrays_ir(self) -> str:
        """The global arrays as LLVM assembly."""
        return "\n".join(global_array(name, array) for name, array in self._arrays.items()) + "\n"

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
    function: Callable[..., Any], inputs: Sequence[RowArray], machine: Machine
) -> CompiledNetwork:
    """Compile a function of batches for single rows, and for the largest block within the memory limit.

    Raises:
        LaminaError: the network has non-finite numbers, draws random numbers, or does not return one result per row.
    """
    network = CompiledNetwork(inputs)
    _add(network, function, 1, machine)
    for rows in _BLOCKS:
        _add(network, function, rows, machine)
        if network.bytes_for(rows) <= _MOST_STACK:
            break
        del network.programs[rows]
    return network


def _add(network: CompiledNetwork, function: Callable[..., Any], rows: int, machine: Machine) -> None:
    examples = [nd.zeros((rows, *one.shape), dtype=one.dtype) for one in network.inputs]
    with autograd.pause(train_mode=False):
        captured = with_known_values(compilable_graph(function, examples))
    for array in captured.contents.values():
        _require_finite(array)
    graph, constants = with_transposed_constants(captured.graph, captured.contents)
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
