"""Arrays that come and go in every step cause no page faults."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lamina.core.memory import aligned_empty, is_misplaced

PROGRAM = """
import resource
from lamina import nd
W, g = nd.ones((784, 256)), nd.ones((784, 256))
def faults(updates):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(updates):
        W[:] = W - 0.001 * g
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(3)
print(faults(50) / 50)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted as Linux does")
def test_updates_need_no_new_pages():
    # Dask's nannies leave MALLOC_TRIM_THRESHOLD_ behind, with which glibc learns nothing.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert float(done.stdout) < 20  # 360 where every temporary comes from the operating system


@pytest.mark.parametrize("shape", [(), (0, 3), (3,), (5, 7), (100, 100)])
@pytest.mark.parametrize("alignment", [64, 4096])
def test_aligned_arrays_begin_where_they_should(shape, alignment):
    array = aligned_empty(shape, np.dtype(np.float32), alignment)
    assert array.shape == shape and array.dtype == np.float32
    assert array.size == 0 or array.ctypes.data % alignment == 0
    assert array.flags.c_contiguous and array.flags.writeable


def test_large_arrays_inside_a_line_are_misplaced():
    memory = aligned_empty((2000,), np.dtype(np.float32))
    assert not is_misplaced(memory)
    assert is_misplaced(memory[4:])
    assert not is_misplaced(memory[4:100])  # so small that it doesn't matter
