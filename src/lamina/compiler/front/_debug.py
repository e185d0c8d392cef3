"""Output of the compiler's work to standard error, with ``LAMINA_DEBUG=1…5``.

1: each compiled step with its kernels, flops, arena and compile time; 2: time and GFLOP/s per kernel, measured after
the first execution; 3: the graph after each pass; 4: LLVM assembly; 5: machine assembly.
"""

from __future__ import annotations

import sys

from lamina.compiler.front._explain import describe
from lamina.compiler.passes.graph import Graph
from lamina.compiler.target import Program
from lamina.support.messages import debug_level as level


def show(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr, flush=True)


def show_graph(title: str, graph: Graph) -> None:
    """Print the graph after a pass, from level 3 on."""
    if level() >= 3:
        show(f"--- after {title}\n{graph.text()}")


def show_program(program: Program) -> None:
    """Print a program: a description from level 1 on, LLVM assembly from 4, machine assembly from 5."""
    if level() >= 1:
        show(describe(program))
    if level() >= 4:
        show(program.code.ir())
    if level() >= 5:
        show(program.code.assembly())
