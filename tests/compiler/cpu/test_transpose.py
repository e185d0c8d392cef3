"""Transposed copies of any shape, shared by threads."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._transpose import emit_transpose


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (8, 16), (64, 10), (256, 33), (17, 255), (100, 64)])
@pytest.mark.parametrize("threads", [1, 3])
def test_transposed_copy(shape, dtype, threads, execute):
    rows, columns = shape
    x = np.arange(rows * columns).reshape(shape).astype(dtype)
    out = np.zeros((columns, rows), dtype)
    module = ThreadModule()
    with module.function("step") as b:
        source, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        share = b.split(columns, 16)
        emit_transpose(b, x.dtype, source, columns, target, rows, (b.const(0), b.const(rows)), share)
    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    execute(compiled.address("step"), [x, out], threads)
    np.testing.assert_array_equal(out, x.T)
