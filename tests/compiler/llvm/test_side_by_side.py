"""A module in parts, which threads translate side by side, is the module."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import FLOAT32, INDEX, jit
from lamina.compiler.llvm.jit import Team, joined, separated
from lamina.core.threads import get_num_threads, set_num_threads


def waves(module: ThreadModule) -> None:
    """Two functions that share one of the module's own, and ``step``, which calls both and reads constants."""
    for name in ("cosine", "sine"):
        with module.function(name) as b:
            x, y = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
            value = b.load(x, FLOAT32, 0, 16)
            b.store(
                y, b.cos(value) if name == "cosine" else b.sin(b.cos(value)), 0 if name == "cosine" else 16
            )
    with module.function("step") as b:
        arguments = b.pointer_argument("arguments")
        numbers = b.constants("numbers", [3, 4])
        for name in ("cosine", "sine"):
            b.call(name, arguments, b.argument("thread"), b.argument("threads"))
        for i in range(2):
            b.store(b.load_pointer(arguments, 2), b.load(numbers, INDEX, i), i)


def run(execute, key: str) -> tuple[np.ndarray, np.ndarray]:
    code = jit.load(host_machine(), key, lambda: ThreadModule().written_by(waves))
    x = np.array([0.5, 1e6, np.inf, np.nan, -3.0, 0.0, 1e-30, -1e5] * 2, np.float32)
    y, numbers = np.zeros(32, np.float32), np.zeros(2, np.int64)
    execute(code.address("step"), [x, y, numbers])
    return y, numbers


@pytest.mark.parametrize("threads", [1, 3])
def test_parts_compute_the_same_bits_as_the_whole(threads, execute, tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    whole, numbers = run(execute, "whole")
    assert numbers.tolist() == [3, 4]
    np.testing.assert_allclose(whole[:2], np.cos([0.5, 1e6]), rtol=1e-5)
    before = get_num_threads()
    set_num_threads(threads)
    try:
        monkeypatch.setattr(jit, "_PART_LINES", 1)
        made = run(execute, "parts")
        found = run(execute, "parts")  # on disk
    finally:
        set_num_threads(before)
    for y, numbers in (made, found):
        assert y.tobytes() == whole.tobytes()
        assert numbers.tolist() == [3, 4]


def test_a_part_has_what_it_needs_and_declares_the_rest():
    module = ThreadModule().written_by(waves)
    told: list[str] = []
    module.finish(told.append)
    assert told == ["cosine", "sine", "step"]
    step, cosine = module.part(["step"]), module.part(["cosine"])
    assert "declare void @cosine(ptr %arguments" in step
    assert "@numbers" in step
    assert "@numbers" not in cosine
    assert "define internal void @each_cos_float" in cosine
    assert "@each_cos_float" not in step


def test_what_was_written_before_is_told_too():
    module = ThreadModule()
    waves(module)
    told: list[str] = []
    module.finish(told.append)
    assert told == ["cosine", "sine", "step"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_part_that_llvm_refuses_is_an_error(threads):
    machine = host_machine()
    jit.assembly(machine, "")  # initializes LLVM
    team = Team(threads, lambda: jit._new_target(machine), jit._cleaned)
    team.give("define void @fine() { ret void }")
    team.give("define void @broken() { no }")
    with pytest.raises(RuntimeError, match="LLVM IR parsing error"):
        team.objects()


def test_a_module_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))

    def write(module: ThreadModule) -> None:
        waves(module)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jit.load(host_machine(), "not written", lambda: ThreadModule().written_by(write))
    assert not [*tmp_path.iterdir()]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are sent to a thread")
def test_ctrl_c_waits_for_the_threads():
    """One that still held LLVM's lock in a process that is forked would hold it for ever in the child."""
    machine, main = host_machine(), threading.main_thread()
    jit.assembly(machine, "")
    begun, done = threading.Barrier(2), threading.Event()

    def clean(target, module):
        begun.wait(20)
        if threading.current_thread() is not main:
            time.sleep(0.1)  # by now the main thread waits
            signal.pthread_kill(main.ident, signal.SIGINT)
            time.sleep(0.1)
            done.set()
        return jit._cleaned(target, module)

    team = Team(2, lambda: jit._new_target(machine), clean)
    for name in ("one", "two"):
        team.give(f"define void @{name}() {{ ret void }}")
    with pytest.raises(KeyboardInterrupt):
        team.objects()
    assert done.is_set()


def test_without_another_thread_the_caller_does_it_all(monkeypatch):
    machine = host_machine()
    jit.assembly(machine, "")

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    team = Team(4, lambda: jit._new_target(machine), jit._cleaned)
    for name in ("one", "two"):
        team.give(f"define void @{name}() {{ ret void }}")
    one, two = team.objects()
    assert b"one" in one and b"two" in two


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_object_files_in_one_come_apart_again(parts):
    assert separated(joined(parts)) == parts
