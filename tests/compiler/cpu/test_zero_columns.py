"""Products that skip columns of zeros: the same bits as those that multiply by them, NaN and infinity included."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.llvm import FLOAT32, FLOAT64, DType

BATCH = 20
SIZES = [(100, 70), (33, 64), (7, 17), (256, 128), (1, 1)]
"""Features, and columns of the other operand."""


def compiled_product(features: int, columns: int, dtype: DType, transposed: bool, skips: bool, split: str):
    """X · B, or Xᵀ · B, and the scratch bytes of a thread."""
    rows, inner = (features, BATCH) if transposed else (BATCH, features)
    strides = (1, rows) if transposed else (inner, 1)
    product = MatrixProduct(rows, inner, columns, dtype, strides, columns, skips_zeros=skips)

    def make() -> ThreadModule:
        module = ThreadModule()
        with module.function("step") as b:
            left, right, result, scratch = (
                b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4)
            )
            mine = b.offset(scratch, b.argument("thread") * (product.scratch_bytes // dtype.itemsize), dtype)
            product.emit(
                b,
                left,
                right,
                lambda b, row, column, value: b.store(result, value, row * columns + column),
                rows=b.split(rows, product.row_step) if split == "rows" else None,
                columns=b.split(columns, product.column_step) if split == "columns" else None,
                scratch=mine,
            )
        return module

    code = run.load(f"test zero columns {product} {split}", make, ("step",))
    return code, product.scratch_bytes, (rows, columns)


def multiply(execute, x, other, transposed, skips, split="columns", threads=1):
    features = x.shape[1]
    code, scratch_bytes, shape = compiled_product(features, other.shape[1], x.dtype, transposed, skips, split)
    result = np.full(shape, 7, x.dtype)
    scratch = np.full(threads * scratch_bytes + 64, 255, np.uint8)
    execute(code.address("step"), [x, other, result, scratch], threads)
    return result


def operands(features, columns, dtype, transposed, zeros):
    generator = np.random.default_rng(features)
    x = generator.standard_normal((BATCH, features)).astype(dtype)
    x[:, generator.random(features) < zeros] = 0
    x[::2] = np.where(x[::2] == 0, -x[::2], x[::2])  # some zeros are negative
    other = generator.standard_normal((BATCH if transposed else features, columns)).astype(dtype)
    return x, other


@pytest.mark.parametrize("transposed", [False, True], ids=["terms", "rows"])
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize(("features", "columns"), SIZES)
@pytest.mark.parametrize("zeros", [0, 0.4, 1])
def test_skipping_zero_columns_changes_no_bit(features, columns, dtype, transposed, zeros, execute):
    x, other = operands(features, columns, dtype, transposed, zeros)
    expected = multiply(execute, x, other, transposed, skips=False)
    for split, threads in [("columns", 1), ("columns", 3), ("rows", 2), ("rows", 8)]:
        result = multiply(execute, x, other, transposed, True, split, threads)
        np.testing.assert_array_equal(result.view(f"u{dtype.itemsize}"), expected.view(f"u{dtype.itemsize}"))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("transposed", [False, True], ids=["terms", "rows"])
@pytest.mark.parametrize(("features", "columns"), SIZES)
def test_zero_times_infinity_is_still_nan(features, columns, transposed, value, execute):
    x, other = operands(features, columns, FLOAT32, transposed, 0.5)
    x[:, -1] = 0
    other[-1, columns // 2] = value
    with np.errstate(invalid="ignore"):
        expected = (x.T if transposed else x) @ other
    for split, threads in [("columns", 1), ("columns", 3), ("rows", 2)]:
        result = multiply(execute, x, other, transposed, True, split, threads)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        finite = np.isfinite(expected)
        np.testing.assert_allclose(result[finite], expected[finite], rtol=1e-4, atol=1e-5)
