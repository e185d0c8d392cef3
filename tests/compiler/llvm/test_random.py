"""Generated Philox numbers are NumPy's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu.builder import ThreadModule
from lamina.compiler.llvm import FLOAT64, UINT64
from lamina.compiler.llvm.random import BLOCK, fill, uniform_float64

FULL = 2**64 - 1


def numpy_words(key, counter, blocks):
    return np.random.Philox(counter=counter, key=key).random_raw(blocks * BLOCK)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "counter",
    [[0, 0, 0, 0], [5, 6, 7, 8], [FULL - 2, 0, 9, 0], [FULL, FULL, FULL, 1], [FULL, FULL, FULL, FULL]],
)
def test_blocks_are_numpys(counter, threads, execute):
    blocks = 17
    key = np.array([0x0123456789ABCDEF, FULL - 1], np.uint64)
    counter = np.array(counter, np.uint64)
    out = np.zeros(blocks * BLOCK, np.uint64)
    module = ThreadModule()
    with module.function("step") as b:
        pointers = [b.load_pointer(b.pointer_argument("arguments"), i) for i in range(3)]
        fill(b, *pointers, *b.split(blocks))
    compiled = run.load(module.ir(), lambda: module, ("step",))
    execute(compiled.address("step"), [key, counter, out], threads)
    np.testing.assert_array_equal(out, numpy_words(key, counter, blocks))


@pytest.mark.parametrize("lanes", [1, 4])
def test_uniform_numbers_are_numpys(lanes, elementwise):
    bits = numpy_words(np.array([1, 2], np.uint64), np.zeros(4, np.uint64), 25)
    result = elementwise(uniform_float64, bits, lanes=lanes, result=FLOAT64)
    generator = np.random.Generator(np.random.Philox(counter=0, key=np.array([1, 2], np.uint64)))
    np.testing.assert_array_equal(result, generator.random(100))
    assert bits.dtype == UINT64
