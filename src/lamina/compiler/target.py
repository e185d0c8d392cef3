"""The interface between the compiler and the machines for which it compiles.

The capture of the user's function (`front`) and the passes over its graph (`passes`) are independent of the machine. A
machine is a `Target`, a package such as `cpu`; `targets` finds it by the arrays' context. A target may write its
kernels with `emit` and `llvm`. docs/adr/target-seam.md explains the design.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph, Node
from lamina.compiler.passes.plan import Partition, Plan
from lamina.core.array import Array, Value
from lamina.core.interrupts import Change, Turn
from lamina.core.lowering import Overlap
from lamina.core.ownership import release_buffers

COMPILED_DTYPES = frozenset(
    map(np.dtype, ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
)
"""The dtypes with which generated code computes."""


class NotForTarget(Exception):  # noqa: N818 - not an error: the function runs operator by operator
    """Raised by `Target.load`, with the reason, for a graph that the target can't compute."""


class Code(Protocol):
    """The loaded code of a plan. Targets add members."""

    def ir(self) -> str:
        """The code in LLVM assembly."""
        ...

    def assembly(self) -> str:
        """The code in the machine's assembly language."""
        ...


class Lowered:
    """A captured graph that is being compiled for a target.

    The plan is computed on first use, since a target that has the graph's code on disk doesn't need it. `key` contains
    everything on which the plan depends. `rows` has, by input slot, how many bytes each step advances the input's
    pointer.
    """

    def __init__(self, captured: Graph, key: str, rows: Mapping[int, int], make: Callable[[], Plan]) -> None:
        self.captured, self.key, self.rows = captured, key, rows
        self._make = make

    @cached_property
    def plan(self) -> Plan:
        """The plan that the passes produce from the graph."""
        return self._make()


@dataclass(frozen=True)
class Program:
    """A compiled step: its graph, its plan, and its code for a target."""

    target: Target
    lowered: Lowered
    code: Any
    build_seconds: float

    @property
    def plan(self) -> Plan:
        return self.lowered.plan

    @property
    def graph(self) -> Graph:
        """The graph after the passes."""
        return self.plan.graph

    @cached_property
    def flops(self) -> int:
        """The number of arithmetic operations in a step."""
        return sum(kernel.flops for kernel in self.plan.kernels)


class BoundStep(ABC):
    """A program bound to the buffers of arrays, and to private memory for temporaries.

    `arrays` are the step's arrays by input slot. Each call replaces the arrays in the slots `arguments`; the step
    writes to the arrays in the slots `written`.
    """

    lock: Any
    """The lock that is held while the step runs."""
    used_slots: Sequence[int]
    """The input slots that the step reads or writes."""
    binds_arguments = True
    """Whether the step may stay bound to arguments' buffers after a call."""

    def __init__(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> None:
        self.program = program
        self.arrays: list[Array] = list(arrays)
        self.bound: list[Any] = [None] * len(arrays)
        """The buffers to which the step is bound, by input slot."""
        self._arguments, self._written = tuple(arguments), written
        self._stand_ins = [arrays[slot] for slot in arguments]
        self._is_running = False

    @abstractmethod
    def run(
        self,
        arguments: Sequence[Array],
        numbers: Sequence[float],
        steps: int,
        lead: tuple[int, ...],
        turn: Turn | None = None,
        then: Callable[[list[Any]], list[Change]] | None = None,
    ) -> list[Any]:
        """Execute a number of steps, and return their results stacked along new leading axes `lead`.

        `numbers` has the numeric inputs of all steps, one step after the other. The changes ``then(results)`` become
        visible atomically with the results. If `turn` (see `lamina.core.interrupts`) is already closed, nothing is
        done. Raises `Overlap`.
        """

    def forget_arguments(self) -> None:
        """Drop the references to the last call's arguments, unless a call is in progress."""
        if not self._is_running and self.lock.acquire(blocking=False):
            try:
                for slot, stand_in in zip(self._arguments, self._stand_ins, strict=True):
                    self.arrays[slot] = stand_in
                bound = [slot for slot in self._arguments if self.bound[slot] is not None]
                if bound:
                    self.release(bound)
            finally:
                self.lock.release()

    def release(self, slots: Sequence[int] | None = None) -> None:
        """Release the buffers in these slots, by default all; the step can't be executed any more then."""
        release_buffers(self.bound, slots)

    @staticmethod
    def _fill(
        cells: np.ndarray, values: Sequence[float], dtypes: Sequence[np.dtype], used: Container[int]
    ) -> None:
        """Write the `used` scalar inputs of all steps into cells of 8 bytes. Raises `Overlap` beyond 64 bits."""
        views = [cells.view(dtype)[:: 8 // dtype.itemsize] for dtype in dtypes]
        for i, value in enumerate(values):
            slot = i % len(dtypes)
            if slot not in used:
                continue
            try:
                views[slot][i] = value
            except OverflowError:
                raise Overlap(f"the integer {value} is beyond ±2**63, the limit of machine code") from None

    def measure(self) -> list[float] | None:
        """The time of each kernel in seconds, measured on copies of the buffers; None if it can't be measured."""
        return None

    def __del__(self, is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_ending():  # modules are emptied then, and memory goes with the process
            self.release()


class Target(ABC):
    """A kind of machine for which graphs are compiled."""

    dtypes: frozenset[np.dtype] = COMPILED_DTYPES
    """The dtypes of arrays that the target's code supports."""
    passes: Sequence[Callable[[Graph], Graph]] = ()
    """The target's passes, which run on the simplified graph before the graph is divided into kernels."""
    alignment: int
    """The alignment of temporaries, in bytes."""
    stores_transposed: bool = False
    """Whether a matrix is first stored transposed if its transpose is read several times or concatenated."""
    apart_bytes: int = 0
    """The total bytes up to which temporaries don't share memory, since sharing makes kernels wait for each other."""

    @property
    @abstractmethod
    def description(self) -> str:
        """A text with everything besides the graph on which the code depends: the kind of target, and the machine."""

    # how a plan is made

    def compiling(self, captured: Graph) -> AbstractContextManager[object]:
        """The context manager in which a graph is planned."""
        return nullcontext()

    @abstractmethod
    def computes_operand(self, product: Node, operand: Node) -> bool:
        """Whether a product computes an operand's elements as it loads them, without a buffer for the operand."""

    def partition(self, kernel: Kernel, updates: int) -> Partition:
        """The division of a kernel among workers; by default, none.

        `updates` is the number of arrays of the kernel's shape that the kernel updates in place.
        """
        return Partition("serial")

    # how it is run

    @abstractmethod
    def load(self, lowered: Lowered) -> Code:
        """Emit the code of a plan, and load it."""

    @abstractmethod
    def bind(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> BoundStep:
        """Bind a program to `arrays`, which are listed by input slot.

        Each call replaces the arrays in the slots `arguments`, and modifies the arrays in the slots `written`.
        """

    def run_steps(
        self, calls: Sequence[tuple[BoundStep, Sequence[Array], Sequence[float]]], steps: int
    ) -> list[list[Any]]:
        """Run a number of steps of bound programs that write to different arrays, given with arguments and numbers.

        Returns each program's results, stacked along a new first axis.
        """
        return [step.run(arrays, numbers, steps, (steps,)) for step, arrays, numbers in calls]

    # memory

    @abstractmethod
    def from_numpy(self, array: np.ndarray) -> Value:
        """The contents of a NumPy array, in memory that the machine can read."""

    def to_numpy(self, value: Value) -> np.ndarray:
        """The contents of a value as a NumPy array."""
        return np.asarray(value)

    # words and figures for `explain`

    @abstractmethod
    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """A description of how the kernel's work is divided among workers."""

    @abstractmethod
    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """The highest possible rate of a kernel of the program, in floating-point operations per second."""
