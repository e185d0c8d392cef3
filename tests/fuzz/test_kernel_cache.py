"""Damaged and foreign files in the kernel cache: the code is compiled anew, and never is another function's run."""

import ctypes
import itertools

import numpy as np
from fuzzing import Target, fuzz

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import INDEX, jit
from lamina.compiler.llvm.cache import CodeCache

Step = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def storing(number):
    """A module that writes a number to the first of its buffers."""
    module = ThreadModule()
    with module.function("step") as b:
        b.store(b.load_pointer(b.pointer_argument("arguments"), 0), b.const(number, INDEX))
    return module


def loaded(number):
    """Load and run the module of a number; whether its code was taken from the cache."""
    asked = []

    def make():
        asked.append(number)
        return storing(number)

    code = jit.load(host_machine(), f"number {number}", make)
    out = np.zeros(1, np.int64)
    Step(code.address("step"))((ctypes.c_void_p * 1)(out.ctypes.data), 0, 1)
    assert out[0] == number
    return not asked


def test_a_damaged_file_of_the_cache_is_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    loaded(7)
    [entry] = tmp_path.iterdir()
    loaded(8)
    [other] = set(tmp_path.iterdir()) - {entry}
    whole, foreign = entry.read_bytes(), other.read_bytes()

    numbers = itertools.count()

    def run(content):
        entry.write_bytes(content)
        found = CodeCache(tmp_path).get(entry.stem)
        assert (found is not None) == (content == whole)
        if next(numbers) % 16 == 0:  # compiling takes a hundred times as long as looking
            entry.write_bytes(content)
            assert loaded(7) == (content == whole)
            assert entry.read_bytes() == whole

    # LLVM's linker keeps some 9 KB of each library that it ever linked.
    assert fuzz(Target("kernel_cache", run, [whole, foreign], memory=256 << 20)).inputs > 0
