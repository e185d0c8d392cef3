"""The chapter's training step compiled for processors and systems that aren't this one: looked at, not run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES
from graphs import capture
from same_values import arguments

from lamina import autograd, nd
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._runtime import runtime_ir
from lamina.compiler.cpu._step import emit_program, outline_of
from lamina.compiler.cpu.machine import NAMED_MACHINES, Machine, compiling_for
from lamina.compiler.cpu.run import RUNTIME_FUNCTIONS
from lamina.compiler.front._capture import Capture, tracing
from lamina.compiler.llvm import jit
from lamina.compiler.passes.graph import Graph
from lamina.compiler.program import lower
from lamina.compiler.targets import target_of
from lamina.core.primitive import REGISTRY, bind


def machine(triple: str, cpu: str, vector_bits: int, vector_registers: int) -> Machine:
    architecture = "aarch64" if triple.startswith(("aarch64", "arm64")) else "x86_64"
    caches = (64 << 10, 1 << 20, 32 << 20)
    return Machine(architecture, cpu, "", vector_bits, vector_registers, *caches, triple)


AVX512 = r"vfmadd\d+ps\s.*%zmm"
AVX2 = r"vfmadd\d+ps\s.*%ymm"
NEON = r"fmla(\.4s)?\s+v\d+"  # Apple's assembler writes the lanes behind the instruction's name
TARGETS = {  # how a multiply-add looks in each processor's assembly
    "AVX-512": (machine("x86_64-unknown-linux-gnu", "znver4", 512, 32), AVX512),
    "AVX2": (machine("x86_64-unknown-linux-gnu", "haswell", 256, 16), AVX2),
    "AVX2 on macOS": (machine("x86_64-apple-darwin23.0.0", "haswell", 256, 16), AVX2),
    "AVX2 on Windows": (machine("x86_64-pc-windows-msvc-elf", "haswell", 256, 16), AVX2),
    "SSE4": (machine("x86_64-unknown-linux-gnu", "nehalem", 128, 16), r"mulps\s.*%xmm"),
    "Graviton": (machine("aarch64-unknown-linux-gnu", "neoverse-n1", 128, 32), NEON),
    "Apple silicon": (machine("arm64-apple-darwin23.0.0", "apple-m1", 128, 32), NEON),
}


def captured_step() -> Graph:
    """A forward pass, backward pass and update of the chapter's network with one hidden layer."""
    shapes = [(784, 256), (256,), (256, 10), (10,)]
    params = [nd.zeros(shape) for shape in shapes]
    for p in params:
        p.attach_grad()
    X, y = nd.zeros((64, 784)), nd.zeros((64,))
    capture = Capture(keep_gradients=False)
    with tracing(capture):
        capture.declare(X)
        capture.declare(y)
        lr = capture.number(0, np.dtype(np.float64), "lr")
        with autograd.record():
            hidden = nd.maximum(nd.dot(X, params[0]) + params[1], 0)
            output = nd.dot(hidden, params[2]) + params[3]
            loss = -nd.sum(nd.log_softmax(output) * nd.one_hot(y, 10), axis=1)
        loss.backward()
        for p in params:
            p[:] = p - lr * p.grad
        return capture.finish(nd.mean(loss)).graph


def step_ir(captured: Graph) -> str:
    """What `program.build` makes of a graph, without linking it into this process."""
    plan = lower(captured, target_of())
    module = ThreadModule()
    emit_program(module, plan, outline_of(plan, {}))
    return module.ir()


def inner_loops(assembly: str) -> list[list[str]]:
    """The loops without branches: from a label to a jump back to it."""
    loops: list[list[str]] = []
    label, body = "", list[str]()
    for line in assembly.splitlines():
        if found := re.match(r"(\.?L\w+):", line):
            label, body = found.group(1), []
        elif not line.lstrip().startswith((".", ";", "#", "/")):
            body.append(line)
            if label and re.search(rf"\s{re.escape(label)}$", line):
                loops.append(body)
                label, body = "", []
    return loops


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_products_of_other_processors_stay_in_registers(name):
    """Their inner loops multiply and add whole vectors; where that is one instruction, nothing goes to the stack."""
    target, multiply_add = TARGETS[name]
    with compiling_for(target):
        assembly = jit.assembly(target, step_ir(captured_step()))
    accumulators = 16 if target.vector_registers == 32 else 12 if target.has_fused_multiply_add else 8
    terms = accumulators, 2 * accumulators  # of the sums one at a time, or two
    products = [body for body in inner_loops(assembly) if count(multiply_add, body) in terms]
    assert len(products) >= 2
    if target.has_fused_multiply_add:
        assert not sum(count(r"[(\[,]%?[re]?sp\b", body) for body in products)
    calls = re.findall(r"^\s+(?:callq?|bl)\s+(\S+)", assembly, re.MULTILINE)
    assert not [function for function in calls if "fma" in function or "mem" in function], calls


def count(pattern: str, lines: list[str]) -> int:
    return sum(re.search(pattern, line) is not None for line in lines)


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
@pytest.mark.parametrize("name", ["AVX2", "Graviton"])
def test_threads_of_other_systems_compile(name, system):
    triples = {
        "Linux": "{}-unknown-linux-gnu",
        "Darwin": "{}-apple-darwin23.0.0",
        "Windows": "{}-pc-windows-msvc-elf",
    }
    described = TARGETS[name][0]
    target = machine(triples[system].format(described.architecture), described.cpu, described.vector_bits, 16)
    assembly = jit.assembly(target, runtime_ir(target, system))
    for function in RUNTIME_FUNCTIONS:
        assert re.search(rf"^_?{function}:", assembly, re.MULTILINE), function
    assert ("usleep" in assembly) == (system == "Darwin")
    assert ("syscall" in assembly) == (system == "Linux")


@pytest.mark.slow  # quick tests assemble a training step for them
@pytest.mark.parametrize("name", ["x86-64-v2", "aarch64"])
def test_every_primitive_is_assembled_for_other_processors(name):
    """Their instruction selection and assembler take all of it; `make processors` runs some of it."""
    target = NAMED_MACHINES[name]
    for primitive in (p for p in REGISTRY.values() if p.lowering is not None):
        examples = EXAMPLES[primitive.name]
        given = [arguments(example, np.float32) for example in examples]

        def every(
            *_arrays: nd.NDArray, primitive=primitive, examples=examples, given=given
        ) -> list[nd.NDArray]:
            return [bind(primitive, *xs, **e.params) for xs, e in zip(given, examples, strict=True)]

        graph = capture(every, *(x for xs in given for x in xs if isinstance(x, nd.NDArray)))
        with compiling_for(target):
            code = jit.compile_object(target, step_ir(graph))
        assert code[:4] == b"\x7fELF" and code[18] == {"x86_64": 62, "aarch64": 183}[target.architecture]
