"""Products that skip columns of zeros: the same bits as those that multiply by them, NaN and infinity included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pairwise import pairwise

from lamina.compiler.cpu import run
from lamina.compiler.cpu._block_sizes import Blocking
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.cpu.machine import target_machine
from lamina.compiler.llvm import FLOAT32, FLOAT64, DType

BATCH = 20
SIZES = [(100, 70), (33, 64), (7, 17), (256, 128), (1, 1)]
"""Features, and columns of the other operand."""


def compiled_product(features: int, columns: int, dtype: DType, transposed: bool, skips: bool, split: str):
    """X · B, or Xᵀ · B, and the scratch bytes of a thread."""
    rows, inner = (features, BATCH) if transposed else (BATCH, features)
    strides = (1, rows) if transposed else (inner, 1)
    product = MatrixProduct(rows, inner, columns, dtype, strides, columns, skips_zeros=skips)
    return *load_product(product, split), (rows, columns)


def load_product(product: MatrixProduct, split: str):
    rows, columns, dtype = product.rows, product.columns, product.dtype

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
    return code, product.scratch_bytes


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


@pytest.mark.few(10)
@pairwise(size=SIZES, dtype=[FLOAT32, FLOAT64], transposed=[False, True], zeros=[0, 0.4, 1])
def test_skipping_zero_columns_changes_no_bit(size, dtype, transposed, zeros, execute):
    x, other = operands(*size, dtype, transposed, zeros)
    expected = multiply(execute, x, other, transposed, skips=False)
    for split, threads in [("columns", 1), ("columns", 3), ("rows", 2), ("rows", 8)]:
        result = multiply(execute, x, other, transposed, True, split, threads)
        np.testing.assert_array_equal(result.view(f"u{dtype.itemsize}"), expected.view(f"u{dtype.itemsize}"))


@pytest.mark.few(11)
@pairwise(size=SIZES, transposed=[False, True], value=[np.inf, -np.inf, np.nan])
def test_zero_times_infinity_is_still_nan(size, transposed, value, execute):
    features, columns = size
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


BLOCKED = replace(target_machine(), l2_bytes=1 << 14)
"""A machine whose second cache is so small that products of this file's sizes are cut into blocks."""
UNCUT = replace(target_machine(), l2_bytes=1 << 24, has_matrix_unit=False)
"""And one where they are not, nor go to a matrix unit."""


@pytest.mark.few(1)
@pairwise(dtype=[FLOAT32, FLOAT64], transposed=[False, True], value=[1.0, np.inf, np.nan], zeros=[0.9, 0.3])
def test_tiles_of_a_blocked_product_skip_their_own_zeros(dtype, transposed, value, zeros, execute):
    x, other = blocked_operands(dtype, transposed, value, zeros)
    found = blocked_products(x, other, transposed, execute)
    for result in found[1:]:
        np.testing.assert_array_equal(result, found[0])
        if np.isfinite(value):
            np.testing.assert_array_equal(
                result.view(f"u{dtype.itemsize}"), found[0].view(f"u{dtype.itemsize}")
            )


@pytest.mark.parametrize("inner", [3, 8, 9, 23])
def test_pairs_of_rows_of_few_terms(inner, execute):
    """Terms are looked at eight together: there are fewer, as many, and some left over."""
    generator = np.random.default_rng(inner)
    x = generator.standard_normal((1200, inner)) * (generator.random((1200, inner)) < 0.1)
    other = generator.standard_normal((inner, 70))
    for result in blocked_products(x, other, False, execute):
        np.testing.assert_allclose(result, x @ other, rtol=1e-12, atol=1e-14)


def blocked_products(x, other, transposed, execute):
    """What comes out without and with skipping, of one and three threads."""
    (rows, inner), columns = (x.T if transposed else x).shape, other.shape[1]
    found = []
    for skips in (False, True):
        strides = (1, rows) if transposed else (inner, 1)
        product = MatrixProduct(
            rows, inner, columns, x.dtype, strides, columns, machine=BLOCKED, skips_zeros=skips
        )
        assert isinstance(product.way, Blocking) and not product.way.is_whole
        assert bool(product.way.pair_width) == (skips and inner >= 8)
        code, scratch_bytes = load_product(product, "rows")
        for threads in (1, 3):
            result = np.full((rows, columns), 7, x.dtype)
            scratch = np.full(threads * scratch_bytes + 64, 255, np.uint8)
            execute(code.address("step"), [x, other, result, scratch], threads)
            found.append(result)
    return found


def blocked_operands(dtype, transposed, value, zeros):
    """Rows that are zero in stretches, as pictures are, some in tiles that are dense."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((150, 330)).astype(dtype)
    x[generator.random((150, 33)).repeat(10, axis=1) < zeros] = 0
    x[100:120] = 1
    x[::2] = np.where(x[::2] == 0, -x[::2], x[::2])  # some zeros are negative
    other = generator.standard_normal((150 if transposed else 330, 70)).astype(dtype)
    other[3, 5] = value
    return x, other


@pytest.mark.few(2)
@pairwise(
    dtype=[FLOAT32, FLOAT64],
    transposed=[False, True],
    value=[1.0, np.inf, np.nan],
    zeros=[0.9, 0.3, 0],
    split=["rows", "columns"],
)
def test_pairs_of_rows_skip_their_own_zeros(dtype, transposed, value, zeros, split, execute):
    x, other = blocked_operands(dtype, transposed, value, zeros)
    x, other = x[:139, 3:280], other[:139] if transposed else other[3:280]  # odd, and no whole vectors
    x[:, :20] = 0  # zero throughout: then pairs are looked at
    x, other = np.ascontiguousarray(x), np.ascontiguousarray(other)
    (rows, inner), columns = (x.T if transposed else x).shape, other.shape[1]
    found = []
    for skips in (False, True):
        strides = (1, rows) if transposed else (inner, 1)
        product = MatrixProduct(rows, inner, columns, dtype, strides, columns, UNCUT, skips_zeros=skips)
        assert product.way.is_whole and bool(product.way.pair_width) == skips
        code, scratch_bytes = load_product(product, split)
        for threads in (1, 3):
            result = np.full((rows, columns), 7, x.dtype)
            scratch = np.full(threads * scratch_bytes + 64, 255, np.uint8)
            execute(code.address("step"), [x, other, result, scratch], threads)
            found.append(result)
    for result in found[1:]:
        np.testing.assert_array_equal(result, found[0])
        if np.isfinite(value):
            np.testing.assert_array_equal(
                result.view(f"u{dtype.itemsize}"), found[0].view(f"u{dtype.itemsize}")
            )


@pytest.mark.parametrize("registers", [16, 32])
def test_sums_of_pairs_of_rows_are_in_registers_whatever_the_tile(registers):
    """Of a batch of 10 rows the tiles are eight vectors wide, of 100 two; four of the former would spill."""
    machine = replace(
        target_machine(),
        vector_registers=registers,
        vector_bits=16 * registers,
        l1_bytes=32 << 10,
        l2_bytes=1 << 20,  # beyond a half of it, products are cut into blocks
    )
    widths = set()
    for rows in [*range(4, 20), *range(60, 260, 3)]:
        for columns in (64, 128, 256, 512):
            product = MatrixProduct(
                rows, 700, columns, FLOAT32, (700, 1), columns, machine=machine, skips_zeros=True
            )
            blocks = product.vector_blocks
            if blocks.is_whole and blocks.pair_width:
                width = blocks.pair_width // machine.lanes(FLOAT32)
                widths.add(width)
                assert 2 * width + 3 <= registers
    assert len(widths) > 1


def test_pairs_of_rows_by_a_part_of_wider_rows_write_nothing_beyond_the_result(execute):
    x, other = blocked_operands(FLOAT32, False, 1.0, 0.9)
    x = x[:139]
    x[:, :20] = 0
    other = np.pad(other, ((0, 0), (0, 50)), constant_values=np.float32(3))
    found = []
    for skips in (False, True):
        product = MatrixProduct(139, 330, 70, FLOAT32, (330, 1), 120, UNCUT, skips_zeros=skips)
        assert product.way.is_whole and bool(product.way.pair_width) == skips
        code, scratch_bytes = load_product(product, "columns")
        memory, scratch = np.full((140, 70), 7, np.float32), np.full(scratch_bytes + 64, 255, np.uint8)
        execute(code.address("step"), [x, other, memory, scratch], 1)
        assert (memory[139] == 7).all()
        found.append(memory)
    np.testing.assert_array_equal(found[1].view(np.uint32), found[0].view(np.uint32))


@pytest.mark.parametrize("columns", [128, 256], ids=["tile", "many"])
def test_pairs_of_rows_of_a_large_batch(columns, execute):
    x, _ = blocked_operands(FLOAT32, False, 1.0, 0.9)
    x = np.ascontiguousarray(np.pad(x, ((0, 0), (10, 300))))
    other = np.random.default_rng(0).standard_normal((x.shape[1], columns)).astype(np.float32)
    found = []
    for skips, threads in ((False, 1), (True, 1), (True, 2), (True, 3)):
        product = MatrixProduct(
            150, x.shape[1], columns, FLOAT32, (x.shape[1], 1), columns, UNCUT, skips_zeros=skips
        )
        assert product.way.is_whole and bool(product.way.pair_width) == skips
        code, scratch_bytes = load_product(product, "columns")
        result, scratch = (
            np.full((150, columns), 7, np.float32),
            np.full(threads * scratch_bytes + 64, 255, np.uint8),
        )
        execute(code.address("step"), [x, other, result, scratch], threads)
        found.append(result)
    for result in found[1:]:
        np.testing.assert_array_equal(result.view(np.uint32), found[0].view(np.uint32))


def test_columns_are_still_known_where_pairs_do_not_pay(execute):
    """Many more rows than terms: the order of rows takes more memory than a panel, and must outlast the lists."""
    x, other = np.random.default_rng(0).standard_normal((2, 32, 2000)).astype(np.float32)
    x[:, ::3] = 0
    found = []
    for skips in (False, True):
        product = MatrixProduct(2000, 32, 70, FLOAT32, (1, 2000), 70, UNCUT, skips_zeros=skips)
        assert product.way.is_whole and bool(product.way.pair_width) == skips
        code, scratch_bytes = load_product(product, "columns")
        result, scratch = np.full((2000, 70), 7, np.float32), np.full(scratch_bytes + 64, 255, np.uint8)
        execute(code.address("step"), [x, np.ascontiguousarray(other[:, :70]), result, scratch], 1)
        found.append(result)
    np.testing.assert_array_equal(found[1].view(np.uint32), found[0].view(np.uint32))
