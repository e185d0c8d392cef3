"""Machine code is compiled once, kept on disk, and never taken from a file that isn't what it should be."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu.builder import ThreadModule
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import INDEX, jit
from lamina.compiler.llvm.cache import CodeCache, default_directory


def counting_module(value: int = 7) -> ThreadModule:
    module = ThreadModule()
    with module.function("step") as b:
        b.store(b.load_pointer(b.pointer_argument("arguments"), 0), b.const(value, INDEX))
    return module


def empty_module() -> ThreadModule:
    module = ThreadModule()
    with module.function("step"):
        pass
    return module


@pytest.fixture
def directory(tmp_path, monkeypatch):
    nothing = jit.load(host_machine(), "nothing", empty_module)
    run.run(nothing.address("step"), None, 1)  # loads the pool's own code before
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def load(directory, execute):
    """Load the module, run it, and say how often its assembly was asked for."""

    def apply(key="key"):
        calls = []

        def make():
            calls.append(1)
            return counting_module()

        compiled = jit.load(host_machine(), key, make)
        out = np.zeros(1, np.int64)
        execute(compiled.address("step"), [out])
        assert out[0] == 7
        return len(calls)

    return apply


def entries(directory):
    return sorted(directory.glob("*.object"))


def test_a_second_load_asks_for_nothing(load, directory):
    assert load() == 1
    assert load() == 0
    assert len(entries(directory)) == 1
    assert load("another key") == 1
    assert not list(directory.glob("*.tmp"))


def test_another_process_finds_the_code(load, directory):
    load()
    program = (
        "from lamina.compiler.cpu.machine import host_machine\n"
        "from lamina.compiler.llvm import jit\n"
        "def make(): raise SystemExit('asked for the assembly')\n"
        "print(jit.load(host_machine(), 'key', make).address('step') != 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "foreign", "magic"])
def test_damaged_entries_are_replaced(damage, load, directory):
    load("other")
    (foreign,) = entries(directory)
    foreign_bytes = foreign.read_bytes()
    foreign.unlink()
    load()
    (entry,) = entries(directory)
    good = entry.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    bad = {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "flipped": bytes(flipped),
        "foreign": foreign_bytes,
        "magic": b"x" + good[1:],
    }[damage]
    entry.write_bytes(bad)
    assert load() == 1
    assert load() == 0
    assert entry.read_bytes() == good


def test_directories_that_cannot_be_used_do_no_harm(monkeypatch, tmp_path, load):
    file = tmp_path / "a file"
    file.write_text("")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(file))
    assert load() == 1
    assert load() == 1


def test_the_cache_is_bounded_and_drops_the_oldest(tmp_path):
    cache = CodeCache(tmp_path, limit_bytes=1000)
    for number in range(9):
        cache.put(f"k{number}", bytes(200))
        os.utime(cache.path(f"k{number}"), (number, number))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 + 300
    assert cache.get("k0") is None
    assert cache.get("k8") == bytes(200)


def test_a_directory_of_many_files_is_looked_through_only_now_and_then(tmp_path, monkeypatch):
    looks, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looks.append(path) or scandir(path))
    cache = CodeCache(tmp_path, limit_bytes=100_000)
    for number in range(100):
        cache.put(f"k{number}", bytes(300))
    assert len(looks) <= 2
    for number in range(900):
        cache.put(f"m{number}", bytes(300))
    assert len(looks) < 100
    monkeypatch.undo()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_000 + 400


def test_the_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "own"))
    assert default_directory() == tmp_path / "own"
    monkeypatch.delenv("LAMINA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "lamina"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory().name == "lamina"


def test_assembly_can_be_read(directory):
    compiled = jit.load(host_machine(), "key", counting_module)
    assert "define void @step" in compiled.ir()
    assert "step:" in compiled.assembly()


def test_importing_lamina_loads_no_llvm():
    program = "import sys, lamina, lamina.compiler.llvm; print('llvmlite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
