"""Generated Philox numbers are NumPy's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.llvm import FLOAT64, UINT64
from lamina.compiler.llvm.random import BLOCK, philox_block, short_philox_block, uniform

FULL = 2**64 - 1


def numpy_words(key, counter, blocks):
    return np.random.Philox(counter=counter, key=key).random_raw(blocks * BLOCK)


@pytest.mark.parametrize(
    "counter",
    [[0, 0, 0, 0], [5, 6, 7, 8], [FULL - 2, 0, 9, 0], [FULL, FULL, FULL, 1], [FULL, FULL, FULL, FULL]],
)
@pytest.mark.parametrize("written", [philox_block, short_philox_block])
def test_blocks_are_numpys(written, counter, execute):
    """NumPy's generator counts before it answers."""
    key = np.array([0x0123456789ABCDEF, FULL - 1], np.uint64)
    number = sum(word << 64 * i for i, word in enumerate(counter)) + 1
    after = np.array([number >> 64 * i & FULL for i in range(4)], np.uint64)
    out = np.zeros(BLOCK, np.uint64)
    module = ThreadModule()
    with module.function("step") as b:
        keys, counters, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(3))
        start = [b.load(counters, UINT64, i) for i in range(4)]
        for i, word in enumerate(written(b, [b.load(keys, UINT64, i) for i in range(2)], start)):
            b.store(target, word, i)
    compiled = run.load(module.ir(), lambda: module, ("step",))
    execute(compiled.address("step"), [key, after, out])
    np.testing.assert_array_equal(out, numpy_words(key, np.array(counter, np.uint64), 1))


@pytest.mark.parametrize("lanes", [1, 4])
def test_uniform_numbers_are_numpys(lanes, elementwise):
    bits = numpy_words(np.array([1, 2], np.uint64), np.zeros(4, np.uint64), 25)
    result = elementwise(lambda b, bits: uniform(b, bits, FLOAT64), bits, lanes=lanes, result=FLOAT64)
    generator = np.random.Generator(np.random.Philox(counter=0, key=np.array([1, 2], np.uint64)))
    np.testing.assert_array_equal(result, generator.random(100))
    assert bits.dtype == UINT64
