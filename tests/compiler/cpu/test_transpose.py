"""Transposed copies of any shape, shared by threads."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._transpose import emit_transpose


@pytest.mark.few(20)
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
        emit_transpose(b, x.dtype, (source, columns), (target, rows), (b.const(0), b.const(rows)), share)
    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    execute(compiled.address("step"), [x, out], threads)
    np.testing.assert_array_equal(out, x.T)


@pytest.mark.parametrize(("dtype", "functions"), [("float32", []), ("float64", ["transposed_float64"])])
def test_copies_of_a_type_are_one_function(dtype, functions):
    """That of float32 is in the runtime."""
    module = ThreadModule()
    with module.function("step") as b:
        source, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
        for rows, columns in ((16, 90), (30, 17)):
            whole = [(b.const(0), b.const(n)) for n in (rows, columns)]
            emit_transpose(b, np.dtype(dtype), (source, columns), (target, rows), *whole)
    assert list(module.functions) == [*functions, "step"]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 40), (7, 40)), ((3, 38), (0, 17)), ((5, 6), (2, 40)), ((1, 40), (39, 40))]
)
def test_a_part_of_a_matrix_is_transposed(rows, columns, threads):
    lamina.set_num_threads(threads)
    x = np.arange(1600, dtype=np.float32).reshape(40, 40)

    @lamina.compile
    def turned(x):
        part = nd.slice_axis(
            nd.slice_axis(x, axis=0, begin=rows[0], end=rows[1]), axis=1, begin=columns[0], end=columns[1]
        )
        return nd.transpose(part), nd.concat(nd.transpose(part) + 1, nd.transpose(part), dim=1)

    part = x[slice(*rows), slice(*columns)].T
    alone, joined = turned(nd.array(x))
    np.testing.assert_array_equal(alone.asnumpy(), part)
    np.testing.assert_array_equal(joined.asnumpy(), np.concatenate([part + 1, part], axis=1))
