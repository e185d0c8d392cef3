"""The pool: every thread takes part, barriers hold, state is restored, and nothing survives where it shouldn't."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading

import llvmlite.binding as llvm
import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._runtime import runtime_ir
from lamina.compiler.cpu.machine import NAMED_MACHINES
from lamina.compiler.cpu.run import RUNTIME_FUNCTIONS
from lamina.compiler.llvm import FLOAT32, INDEX

ROUNDS = 200
LINE = 8  # int64 numbers in a cache line


def rounds_module() -> str:
    """Each thread counts up its own number, round by round, and checks that its neighbour is as far."""
    module = ThreadModule()
    with module.function("rounds") as b:
        counts, errors = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        thread, threads = b.argument("thread"), b.argument("threads")
        last = b.equal(thread + 1, threads)
        neighbour = b.where(last, 0, thread + 1) * LINE
        with b.loop(0, ROUNDS) as i:
            b.store(counts, b.load(counts, INDEX, thread * LINE) + 1, thread * LINE)
            b.barrier(threads)
            with b.if_(b.not_equal(b.load(counts, INDEX, neighbour), i + 1)):
                b.store(errors, b.const(1), thread * LINE)
            b.barrier(threads)
    with module.function("tiny") as b:
        source, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        b.store(target, b.mul(b.load(source, FLOAT32), 0.5))
    return module.ir()


@pytest.fixture(scope="module")
def code():
    return run.load("test pool", rounds_module, ("rounds", "tiny"))


def pointers(*arrays):
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def run_rounds(code, threads):
    counts, errors = np.zeros(64 * LINE, np.int64), np.zeros(64 * LINE, np.int64)
    arguments = pointers(counts, errors)
    run.run(code.address("rounds"), ctypes.addressof(arguments), threads)
    assert not errors.any()
    return counts[::LINE]


def test_a_pool_of_other_threads_than_a_job_has_memory_for_is_left_alone(code):
    assert (run_rounds(code, 3)[:3] == ROUNDS).all()  # two workers wait from now on
    counts, errors = np.zeros(64 * LINE, np.int64), np.zeros(64 * LINE, np.int64)
    arguments = pointers(counts, errors)
    run._runtime().run(code.address("rounds"), ctypes.addressof(arguments), 2)
    assert counts[0] == ROUNDS
    assert not counts[LINE:].any()
    assert (run_rounds(code, 3)[:3] == ROUNDS).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 2, 1])
def test_all_threads_take_part_and_barriers_hold(threads, code):
    for _ in range(3):
        counts = run_rounds(code, threads)
        assert np.all(counts[:threads] == ROUNDS)
        assert not counts[threads:].any()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1e-7, 10.0], ids=["all", "some", "none"])
def test_barriers_hold_whichever_offers_count_as_long(seconds, code, monkeypatch):
    monkeypatch.setattr(run, "_LONG_YIELD_SECONDS", seconds)
    monkeypatch.setattr(run, "_SPIN_SECONDS", 0.0)
    lone = run_rounds(code, 1)
    run._pool.pause()  # so that the workers start anew, with these settings
    for threads in (2, 3):
        assert np.all(run_rounds(code, threads)[:threads] == ROUNDS)
    run._pool.pause()
    assert lone[0] == ROUNDS


def test_python_threads_may_call_at_once(code):
    failures = []

    def work():
        try:
            for _ in range(20):
                counts = run_rounds(code, 3)
                assert set(counts[counts > 0]) == {ROUNDS}
        except AssertionError as error:
            failures.append(error)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


@pytest.mark.parametrize("threads", [1, 2])
def test_denormals_are_flushed_inside_only(threads, code):
    smallest = np.full(1, np.finfo(np.float32).smallest_normal)
    out = np.ones(1, np.float32)
    arguments = pointers(smallest, out)
    run.run(code.address("tiny"), ctypes.addressof(arguments), threads)
    assert out[0] == 0
    assert (smallest * np.float32(0.5))[0] > 0


def _in_child(threads, results):
    compiled = run.load("test pool", rounds_module, ("rounds", "tiny"))
    results.put(run_rounds(compiled, threads)[:threads].tolist())


@pytest.mark.untraced
def test_children_get_workers_of_their_own(code):
    run_rounds(code, 3)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_in_child, args=(3, results))
    child.start()
    assert results.get(timeout=60) == [ROUNDS] * 3
    child.join(timeout=60)
    assert child.exitcode == 0
    assert run_rounds(code, 3)[2] == ROUNDS


def run_program(text, **environment):
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_interpreter_exits_with_workers_waiting():
    done = run_program(
        "from lamina.compiler.cpu import run\n"
        "from lamina.compiler.cpu._builder import ThreadModule\n"
        "m = ThreadModule()\n"
        "with m.function('step'): pass\n"
        "code = run.load('empty step', lambda: m, ('step',))\n"
        "run.run(code.address('step'), None, 3)\n"
        "print('done')"
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
@pytest.mark.parametrize("processor", ["x86-64-v2", "aarch64"])
def test_the_runtime_is_valid_assembly_everywhere(system, processor):
    module = llvm.parse_assembly(runtime_ir(NAMED_MACHINES[processor], system))
    module.verify()
    defined = {function.name for function in module.functions if not function.is_declaration}
    assert set(RUNTIME_FUNCTIONS) <= defined
