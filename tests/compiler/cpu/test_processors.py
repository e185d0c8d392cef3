"""`LAMINA_CPU`; and products and programs as they are compiled for lesser processors, with the caches that those have.

`make processors` runs the compiler's tests for each of them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulated_unit import EmulatedUnit
from processors import PROCESSORS, needs

import lamina
from lamina import nd
from lamina.compiler.cpu import _unit_product as unit_product
from lamina.compiler.cpu.machine import NAMED_MACHINES, compiling_for, host_machine, named_machine
from lamina.compiler.llvm.processor import architecture, named_processor, runnable_levels
from lamina.errors import LaminaError

on_x86 = pytest.mark.skipif(architecture() != "x86_64", reason=f"levels of x86-64; this is {architecture()}")


def cpu_of(text: str, program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LAMINA_CPU": text}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


# --- names ---------------------------------------------------------------------------------------------------------


@on_x86
def test_changes_of_a_processor():
    needs("x86-64-v3")
    lesser = named_machine("x86-64-v3,-f16c,l2=512K")
    assert (lesser.cpu, lesser.features, lesser.vector_bits) == ("x86-64-v3", "-f16c", 256)
    assert (lesser.l1_bytes, lesser.l2_bytes) == (host_machine().l1_bytes, 512 << 10)
    assert not lesser.has_matrix_unit
    assert named_machine("x86-64-v2").vector_bits == 128
    assert named_machine("-avx").vector_bits == named_machine("native, -fma").vector_bits == 128
    assert named_machine("-avx512f").vector_bits <= 256


@on_x86
def test_levels_are_what_code_for_others_is_made_for():
    for name in runnable_levels():
        own, named = named_machine(name), NAMED_MACHINES[name]
        assert (own.cpu, own.vector_bits, own.vector_registers) == (
            named.cpu, named.vector_bits, named.vector_registers,
        )  # fmt: skip


@on_x86
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x86-64-v5",
            "unknown processor 'x86-64-v5'. Did you mean 'x86-64-v4'? Known: native, x86-64-v2, x86-64-v3",
        ),
        ("aarch64", "unknown processor 'aarch64'. Known: native, x86-64-v2"),
        ("native,-avx512", "unknown feature 'avx512'. Did you mean 'avx512"),
        ("x86-64-v2,f16c", "write features with a sign: +f16c or -f16c"),
        ("l2=half", "'l2=half' is not the size of a cache, such as l1=32K"),
        ("l5=1M", "'l5=1M' is not the size of a cache"),
        ("native,+xop,+fma4,+lwp,+avx512fp16", "this processor lacks"),
    ],
)
def test_wrong_names(text: str, message: str):
    with pytest.raises(LaminaError, match=re.escape(message)):
        named_processor(text)


def test_a_processor_that_lacks_a_level(monkeypatch: pytest.MonkeyPatch):
    """One error, and no illegal instruction."""
    from lamina.compiler.llvm import processor

    nehalem = dataclasses.replace(processor.LEVELS["x86-64-v2"], cpu="nehalem")
    monkeypatch.setattr(processor, "_host", lambda: nehalem)
    monkeypatch.setattr(processor, "architecture", lambda: "x86_64")
    with pytest.raises(LaminaError, match=r"lacks avx, avx2, .*movbe\. Use one of native, x86-64-v2$"):
        named_processor("x86-64-v3")


# --- what it reaches -----------------------------------------------------------------------------------------------

COMPILED = """
import lamina
from lamina import nd
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.cpu import run
step = lamina.compile(lambda x, w: nd.tanh(nd.dot(x, w)))
print(float(step(nd.ones((64, 64)), nd.ones((64, 64))).sum().asscalar()), host_machine().cpu)
from lamina.compiler.cpu._builder import ThreadModule
module = ThreadModule()
with module.function("step") as b:
    p = b.load_pointer(b.pointer_argument("arguments"), 0)
    lanes = b.lanes(lamina.compiler.llvm.FLOAT32)
    x = b.load(p, lamina.compiler.llvm.FLOAT32, 0, lanes)
    b.store(p, b.multiply_add(x, x, x), 0)
print(run.load("multiplied", lambda: module, ("step",)).assembly())
"""


@pytest.mark.slow
@on_x86
@pytest.mark.parametrize(
    ("name", "register", "multiplication"), [("x86-64-v2", "xmm", "mulps"), ("x86-64-v3", "ymm", "vfmadd")]
)
def test_machine_code_is_for_the_processor(name: str, register: str, multiplication: str):
    needs(name)
    found = cpu_of(name, COMPILED)
    assert found.returncode == 0, found.stderr
    first, assembly = found.stdout.split("\n", 1)
    assert first == f"4096.0 {name}"
    assert f"%{register}0" in assembly and multiplication in assembly
    assert not re.search("%ymm|%zmm" if register == "xmm" else "%zmm", assembly)


def test_an_error_is_told_where_a_plain_loop_is_compiled():
    program = """
from lamina import autograd, nd
w = nd.ones((50, 50)); w.attach_grad()
for _ in range(100):
    with autograd.record():
        loss = (nd.dot(w, w) / 50).sum()
    loss.backward()
    w -= 0.001 * w.grad
print(w.sum().asscalar())
"""
    found = cpu_of("pentium", program)
    assert found.returncode and "LAMINA_CPU: unknown processor 'pentium'" in found.stderr


def test_doctor_says_it():
    name = [*runnable_levels(), "native"][0]
    found = cpu_of(name, "from lamina.cli._doctor import _processor; print(_processor()['compiled for'])")
    assert found.stdout.strip().endswith(f"(LAMINA_CPU={name})"), found.stderr


# --- products ------------------------------------------------------------------------------------------------------

SHAPES = [
    (1, 50, 30), (7, 3, 5), (64, 100, 10), (150, 280, 70), (130, 9, 66), (33, 700, 129), (400, 390, 410),
]  # fmt: skip


@pytest.fixture(params=PROCESSORS)
def processor(request: pytest.FixtureRequest) -> Iterator[str]:
    needs(request.param)
    with compiling_for(named_machine(request.param)):
        yield request.param


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processor", "dtype"),
    [
        pytest.param(processor, dtype, marks=() if dtype == quick else pytest.mark.slow)
        for processor, quick in zip(PROCESSORS, ("float32", "float64", "float32"), strict=True)
        for dtype in ("float32", "float64")
    ],
    indirect=["processor"],
)
def test_products(dtype: str, processor: str):
    check_products(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_in_pairs_of_rows_for_any_number_of_threads(dtype: str, processor: str):
    """A thread's share of the columns is tiles, not panels for pairs: columns beyond the result were computed."""
    for threads in (1, 3):
        lamina.set_num_threads(threads)
        check_products(dtype, [(100, 784, 200), (256, 784, 200), (33, 1000, 129)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "processor",
    [pytest.param(one, marks=() if "v3" in one else pytest.mark.slow) for one in PROCESSORS],
    indirect=True,
)
def test_products_on_an_emulated_matrix_unit(processor: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unit_product, "MatrixUnit", EmulatedUnit)
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")  # where the unit's own instructions could lie
    with compiling_for(dataclasses.replace(named_machine(processor), has_matrix_unit=True)):
        check_products("float32", [(150, 280, 170), (400, 390, 410)])


def check_products(dtype: str, shapes: list[tuple[int, int, int]] = SHAPES) -> None:
    """Plain and transposed, of operands with columns of zeros, with rows beyond them that are all zero."""
    random = np.random.default_rng(0)
    for number, (m, k, n) in enumerate(shapes):
        first, second = bool(number & 1), bool(number & 2)
        a, b = random.standard_normal((m, k)), random.standard_normal((k, n))
        a[:, random.random(k) < 0.5] = 0
        a[m // 2 :, : k // 3] = 0
        a, b = a.astype(dtype), b.astype(dtype)

        def multiply(x: Any, y: Any, first: bool = first, second: bool = second) -> Any:
            return nd.maximum(nd.dot(x, y, transpose_a=first, transpose_b=second) + 1, 0)

        x, y = (nd.array(z.T if turned else z, dtype=dtype) for z, turned in ((a, first), (b, second)))
        with lamina.eager():
            result = lamina.compile(multiply)(x, y).asnumpy()
        wide = a.astype(np.longdouble), b.astype(np.longdouble)
        bound = (k + 2) * np.finfo(dtype).eps * (np.abs(wide[0]) @ np.abs(wide[1]) + 1)
        assert (np.abs(result - np.maximum(wide[0] @ wide[1] + 1, 0)) <= bound).all(), (m, k, n)
