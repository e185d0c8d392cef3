"""Matrix products against NumPy, and the promise that no split of the work changes a bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pairwise import pairwise

import lamina
from lamina import nd
from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.llvm import FLOAT32, FLOAT64, DType

SHAPES = [
    (64, 784, 256),
    (64, 256, 10),
    (784, 64, 17),
    (1, 10, 1),
    (3, 7, 255),
    (17, 1, 10),
    (7, 3, 1),
    (255, 17, 64),
    (1, 784, 100),
    (300, 300, 300),
    (130, 1100, 530),
]


def compile_product(shape: tuple[int, int, int], dtype: DType, transposed: bool, split: str = "columns"):
    """C -= A · B, and the scratch bytes of a thread."""
    m, k, n = shape
    product = MatrixProduct(m, k, n, dtype, (1, m) if transposed else (k, 1), n)

    def make() -> ThreadModule:
        module = ThreadModule()
        with module.function("step") as b:
            pointers = [b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4)]
            left, right, result, scratch = pointers
            mine = b.offset(scratch, b.argument("thread") * (product.scratch_bytes // dtype.itemsize), dtype)

            def subtract(b, row, column, value):
                index = row * n + column
                b.store(result, b.sub(b.load(result, dtype, index, value.lanes), value), index)

            rows = b.split(m, product.row_step) if split == "rows" else None
            columns = b.split(n, product.column_step) if split == "columns" else None
            product.emit(b, left, right, subtract, rows=rows, columns=columns, scratch=mine)
        return module

    compiled = run.load(f"test product {product} {split}", make, ("step",))
    return compiled, product.scratch_bytes


@pytest.mark.few(8)
@pairwise(shape=SHAPES, dtype=[FLOAT32, FLOAT64], transposed=[False, True])
def test_product_is_right_and_the_same_for_any_split(shape, dtype, transposed, execute):
    check_product(shape, dtype, transposed, execute)


@pytest.mark.usefixtures("without_fused_multiply_add")
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("shape", [(64, 256, 10), (17, 30, 255)], ids=str)
def test_product_without_fused_multiply_add(shape, dtype, execute):
    check_product(shape, dtype, False, execute)


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("columns", [256, 400, 643])
def test_a_single_row_by_several_panels_at_once(columns, dtype, execute):
    check_product((1, 30, columns), dtype, False, execute)


def check_product(shape, dtype, transposed, execute):
    m, k, n = shape
    generator = np.random.default_rng(0)
    a = generator.standard_normal((m, k)).astype(dtype)
    b = generator.standard_normal((k, n)).astype(dtype)
    c = generator.standard_normal((m, n)).astype(dtype)
    left = np.ascontiguousarray(a.T) if transposed else a
    results = []
    for split, threads in [("columns", 1), ("columns", 2), ("rows", 3), ("rows", 8)]:
        compiled, scratch_bytes = compile_product(shape, dtype, transposed, split)
        result = c.copy()
        scratch = np.full(8 * scratch_bytes + 64, 255, np.uint8)  # NaN, wherever it is read before written
        execute(compiled.address("step"), [left, b, result, scratch], threads)
        results.append(result)
    expected = c.astype(np.float64) - a.astype(np.float64) @ b.astype(np.float64)
    bound = (k + 1) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b) + np.abs(c))  # of a sum of k + 1 terms
    assert np.all(np.abs(results[0] - expected) <= bound)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.few(18)
@pairwise(shape=SHAPES, dtype=[FLOAT32, FLOAT64], is_long=[False, True])
def test_a_result_wanted_transposed_comes_by_columns(shape, dtype, is_long, execute):
    m, k, n = shape
    row_first = MatrixProduct(m, k, n, dtype, (k, 1), n, long_epilogue=is_long)
    by_columns = MatrixProduct(m, k, n, dtype, (k, 1), n, long_epilogue=is_long, by_columns=True)
    generator = np.random.default_rng(0)
    a = generator.standard_normal((m, k)).astype(dtype)
    b = generator.standard_normal((k, n)).astype(dtype)
    results = []
    for product in (row_first, by_columns):
        plain = product is row_first

        def make(product: MatrixProduct = product, plain: bool = plain) -> ThreadModule:
            module = ThreadModule()
            with module.function("step") as b:
                pointers = [b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4)]
                left, right, result, scratch = pointers

                def store(b, row, column, value):
                    b.store(result, value, row * n + column if plain else column * m + row)

                product.emit(b, left, right, store, scratch=scratch)
            return module

        compiled = run.load(f"test {product}", make, ("step",))
        result = np.full((m, n) if plain else (n, m), np.nan, dtype)
        execute(compiled.address("step"), [a, b, result, np.empty(product.scratch_bytes + 64, np.uint8)], 1)
        results.append(result)
    np.testing.assert_array_equal(results[1].T, results[0])


def store_to(result, n, dtype):
    return lambda b, row, column, value: b.store(result, value, row * n + column)


@pytest.mark.parametrize(("m", "n"), [(0, 5), (5, 0)])
def test_empty_results_are_no_code(m, n):
    with ThreadModule().function("step") as b:
        pointer = b.pointer_argument("arguments")
        MatrixProduct(m, 3, n, FLOAT32, (3, 1), n).emit(
            b, pointer, pointer, lambda *_: pytest.fail("no elements")
        )


def test_an_empty_sum_is_zero(execute):
    out = np.ones((3, 4), np.float32)
    product = MatrixProduct(3, 0, 4, FLOAT32, (0, 1), 4)
    module = ThreadModule()
    with module.function("step") as b:
        result = b.load_pointer(b.pointer_argument("arguments"), 0)
        product.emit(b, result, result, store_to(result, 4, FLOAT32))
    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    execute(compiled.address("step"), [out], 1)
    np.testing.assert_array_equal(out, 0)


def test_missing_scratch_is_an_error():
    product = MatrixProduct(600, 700, 40, FLOAT32, (700, 1), 40)
    with ThreadModule().function("step") as b, pytest.raises(ValueError, match="bytes of scratch memory"):
        pointer = b.pointer_argument("arguments")
        product.emit(b, pointer, pointer, lambda *_: None)


@pytest.mark.parametrize("batch", [(), (2,)], ids=["matrices", "batches"])
@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=2)), ids=str)
def test_empty_sums_of_tall_products_are_zero(batch, flags):
    """There is no panel to pack, and no memory for one."""
    (m, k, n), (transpose_a, transpose_b) = (70, 0, 64), flags
    a = nd.zeros((*batch, k, m) if transpose_a else (*batch, m, k))
    b = nd.zeros((*batch, n, k) if transpose_b else (*batch, k, n))
    multiply = nd.batch_dot if batch else nd.dot
    step = lamina.compile(lambda a, b: multiply(a, b, transpose_a=transpose_a, transpose_b=transpose_b) + 1)
    np.testing.assert_array_equal(step(a, b).asnumpy(), np.ones((*batch, m, n)))
