"""Descriptions of compiled steps in the user's terms: the kernels, their formulas, and their cost.

``LAMINA_DEBUG=1…5`` prints to standard error: 1: each compiled step with its kernels, flops, arena and compile time;
2: time and GFLOP/s per kernel, measured after the first execution; 3: the graph after each pass; 4: LLVM assembly; 5:
machine assembly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Constant, Graph, Input, Node, Scalar
from lamina.compiler.passes.plan import Place, Plan, bytes_touched
from lamina.compiler.target import Program
from lamina.support.messages import counted, debug_level, show

_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_MAX_FORMULA = 160


def show_graph(title: str, graph: Graph) -> None:
    """Print the graph after a pass, if ``LAMINA_DEBUG`` is 3 or more."""
    if debug_level() >= 3:
        show(f"--- after {title}\n{graph.text()}")


def show_program(program: Program) -> None:
    """Print a program: a description from level 1 on, LLVM assembly from 4, machine assembly from 5."""
    shown = [lambda: describe(program), program.code.ir, program.code.assembly]
    for least, text in zip((1, 4, 5), shown, strict=True):
        if debug_level() >= least:
            show(text())


def describe(
    program: Program, names: Mapping[int, str] | None = None, seconds: Sequence[float] | None = None
) -> str:
    """Describe the kernels in order.

    `names` are the input slots' names; `seconds` are the kernels' times, if measured. In the description, a bar before
    a kernel means that the kernel waits for all earlier kernels.
    """
    plan = program.plan
    formulas = _Formulas(plan, names or {})
    lines = [
        f"{counted(len(plan.kernels), 'kernel')}, {program.flops / 1e6:.2f} Mflop, "
        f"arena {plan.arena_bytes / 1024:.0f} KiB, built in {program.build_seconds * 1e3:.0f} ms"
    ]
    sharing = [program.target.sharing(plan, kernel) for kernel in plan.kernels]
    width = max(map(len, sharing), default=0)
    for number, kernel in enumerate(plan.kernels):
        head = f"{_head(plan, number, kernel)}  {sharing[number]:{width}s}"
        lines.append(head + ("" if seconds is None else _measured(program, kernel, seconds[number])))
        lines += [f"        {formula}" for formula in formulas.of(kernel)]
    return "\n".join(lines)


def _head(plan: Plan, number: int, kernel: Kernel) -> str:
    bar = "|" if kernel in plan.barriers else " "
    return (
        f"{number:3d} {bar} {kernel.kind:8s}{_shape(kernel.domain):>12s} {kernel.flops / 1e6:9.3f} Mflop "
        f"{bytes_touched(kernel, plan) / 1024:8.1f} KiB"
    )


def _measured(program: Program, kernel: Kernel, seconds: float) -> str:
    """The time and rate of a kernel; a product's also as a share of the peak, as other kernels wait for memory."""
    rate = kernel.flops / max(seconds, 1e-12)
    text = f"{seconds * 1e6:8.1f} us {rate / 1e9:7.1f} Gflop/s"
    if kernel.kind != "product":
        return text
    return f"{text}, {rate / program.target.peak_flops(program, kernel.stores[0].dtype):.0%} of peak"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


class _Formulas:
    """Writes formulas of computed values, with names for the values in memory."""

    def __init__(self, plan: Plan, names: Mapping[int, str]) -> None:
        self._plan, self._inputs = plan, names
        self._temporaries: dict[Node, str] = {}

    def of(self, kernel: Kernel) -> list[str]:
        """A formula for each value that the kernel stores."""
        return [f"{self._target(node)} = {self._formula(node, kernel)}" for node in kernel.stores]

    def _target(self, node: Node) -> str:
        return " = ".join([self._place(place, node) for place in self._plan.places[node]])

    def _place(self, place: Place, node: Node) -> str:
        if place.kind == "input":
            return self._input(place.number)
        if place.kind == "result":
            return f"result{place.number}"
        return self._temporaries.setdefault(node, f"t{len(self._temporaries)}")

    def _input(self, slot: int) -> str:
        name = self._inputs.get(slot, f"input{slot}")
        return f"{name}.T" if slot in self._plan.held else name

    def _formula(self, node: Node, kernel: Kernel) -> str:
        text = self._expression(node, set(kernel.members), top=True)
        return text if len(text) <= _MAX_FORMULA else text[: _MAX_FORMULA - 1] + "…"

    def _expression(self, node: Node, members: set[Node], *, top: bool = False) -> str:
        if isinstance(node.op, Input):
            return self._input(node.op.slot)
        if isinstance(node.op, Constant):
            return f"{node.dtype.type(node.op.value):g}" if node.dtype.kind == "f" else str(node.op.value)
        if isinstance(node.op, Scalar):
            return f"number{node.op.slot}"
        if node in self._plan.places and (node not in members or not top):
            return self._target(node).partition(" = ")[0]
        parts = [self._expression(x, members) for x in node.inputs]
        return self._applied(node, parts, top)

    def _applied(self, node: Node, parts: list[str], top: bool) -> str:
        name = node.op.name
        if name in _INFIX:
            text = f" {_INFIX[name]} ".join(parts)
            return text if top else f"({text})"
        if name == "matmul":
            flags = [node.params["transpose_a"], node.params["transpose_b"]]
            parts = [f"{part}.T" if flag else part for part, flag in zip(parts, flags, strict=True)]
            return f"dot({', '.join(parts)})"
        if name in ("cast", "reshape", "broadcast_to", "full"):
            return parts[0]
        if "axis" in node.params:
            parts.append(f"axis={node.params['axis']}")
        return f"{name}({', '.join(parts)})"
