"""Products with fewer columns than a vector has lanes, and which way round they are computed."""

from __future__ import annotations

from itertools import product as all_of
from typing import Any

import numpy as np
import pytest
from pairwise import pairwise

import lamina
from lamina import autograd, nd
from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.cpu._microkernel import Finish
from lamina.compiler.cpu._products import is_turned, product_shape, wants_transposed_right
from lamina.compiler.cpu.machine import NAMED_MACHINES, compiling_for
from lamina.compiler.cpu.target import shared_kernels
from lamina.compiler.llvm import FLOAT32, FLOAT64
from lamina.compiler.passes.graph import Input, Node
from lamina.core.primitive import REGISTRY

SHAPES = [(3, 16, 256), (1, 5, 7), (3, 37, 16), (2, 300, 19), (5, 8, 130), (8, 1, 4), (10, 33, 1), (3, 0, 5)]
FLAGS = list(all_of([False, True], repeat=2))


def along(size: tuple[int, ...], transposed: bool, dtype: Any, seed: int) -> np.ndarray:
    shape = (*size[:-2], size[-1], size[-2]) if transposed else size
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def turned(x: np.ndarray, transposed: bool) -> np.ndarray:
    return x.swapaxes(-1, -2) if transposed else x


def close(found: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    terms = a.shape[-1] + 2
    bound = terms * np.finfo(found.dtype).eps * (np.abs(a) @ np.abs(b))
    assert np.all(np.abs(found - a.astype(np.float64) @ b.astype(np.float64)) <= bound)


def compiled(product: MatrixProduct, split: str) -> Any:
    """C = A · Bᵀ, the code for a share of the rows or columns."""

    def make() -> ThreadModule:
        module = ThreadModule()
        with module.function("step") as b:
            left, right, result, scratch = [
                b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4)
            ]
            part = product.scratch_bytes // product.dtype.itemsize
            mine = b.offset(scratch, b.argument("thread") * part, product.dtype)

            def store(b: Any, row: Any, column: Any, value: Any) -> None:
                b.store(result, value, row * product.columns + column)

            rows = b.split(product.rows, product.row_step) if split == "rows" else None
            columns = b.split(product.columns, product.column_step) if split == "columns" else None
            product.emit(b, left, right, store, rows=rows, columns=columns, scratch=mine)
        return module

    return run.load(f"test narrow {product} {split}", make, ("step",))


@pairwise(shape=SHAPES, dtype=[FLOAT32, FLOAT64], sums_lanes=[False, True], is_long=[False, True])
def test_rows_times_rows_are_right_and_the_same_for_any_split(shape, dtype, sums_lanes, is_long, execute):
    check_rows_times_rows(shape, dtype, sums_lanes, is_long, execute)


@pytest.mark.usefixtures("without_fused_multiply_add")
@pairwise(shape=SHAPES, dtype=[FLOAT32, FLOAT64], sums_lanes=[False, True])
def test_rows_times_rows_without_fused_multiply_add(shape, dtype, sums_lanes, execute):
    check_rows_times_rows(shape, dtype, sums_lanes, False, execute)


def check_rows_times_rows(shape, dtype, sums_lanes, is_long, execute):
    m, k, n = shape
    if sums_lanes and not k:
        pytest.skip("there are no vectors along empty sums")
    product = MatrixProduct(
        m, k, n, dtype, (k, 1), k, long_epilogue=is_long, right_is_transposed=True, sums_lanes=sums_lanes
    )
    a, b = along((m, k), False, dtype, 0), along((k, n), True, dtype, 1)
    results = []
    for split, threads in [("columns", 1), ("columns", 2), ("rows", 3), ("rows", 8)]:
        result = np.full((m, n), np.nan, dtype)
        scratch = np.full(8 * product.scratch_bytes + 64, 255, np.uint8)
        code = compiled(product, split)
        execute(code.address("step"), [a, b, result, scratch], threads)
        results.append(result)
    close(results[0], a, b.T)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("shape", [(3, 16, 256), (3, 51, 32), (2, 37, 19)], ids=str)
def test_packed_panels_are_summed_as_rows_in_memory_are(shape, execute):
    m, k, n = shape
    a, b = along((m, k), False, FLOAT32, 0), along((k, n), False, FLOAT32, 1)
    found = []
    for right in (b, np.ascontiguousarray(b.T)):
        turned = right is not b
        product = MatrixProduct(m, k, n, FLOAT32, (k, 1), k if turned else n, right_is_transposed=turned)
        result = np.full((m, n), np.nan, np.float32)
        code = compiled(product, "rows")
        execute(code.address("step"), [a, right, result, np.empty(product.scratch_bytes + 64, np.uint8)], 1)
        found.append(result)
    np.testing.assert_array_equal(found[1], found[0])


def test_lanes_beyond_the_sums_do_not_count(execute):
    product = MatrixProduct(2, 3, 2, FLOAT32, (3, 1), 3, right_is_transposed=True, sums_lanes=True)
    a = np.array([[np.inf, 1, 1], [1, 2, 3]], np.float32)
    b = np.array([[1, 1, 1], [np.nan, 1, 1]], np.float32)
    result = np.zeros((2, 2), np.float32)
    code = compiled(product, "rows")
    execute(code.address("step"), [a, b, result, np.empty(64, np.uint8)], 1)
    np.testing.assert_array_equal(result, [[np.inf, np.nan], [6, np.nan]])


@pytest.mark.parametrize("is_flat", [False, True], ids=["apart", "flat"])
@pytest.mark.parametrize("shape", [(3, 37, 256), (2, 5, 19), (4, 16, 33), (5, 8, 130), (7, 6, 16)], ids=str)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_an_epilogue_whose_vectors_lie_apart_gets_every_element(shape, dtype, is_flat, execute):
    """The result is stored transposed: element (r, c) at c · rows + r."""
    m, k, n = shape
    product = MatrixProduct(m, k, n, dtype, (k, 1), n, long_epilogue=True)
    x, y = along((m, k), False, dtype, 0), along((k, n), False, dtype, 1)

    def make() -> ThreadModule:
        module = ThreadModule()
        with module.function("step") as b:
            arguments = b.pointer_argument("arguments")
            left, right, result, scratch = [b.load_pointer(arguments, i) for i in range(4)]

            def store(b: Any, row: Any, column: Any, value: Any) -> None:
                b.store_strided(result, value, column * m + row, m)

            def store_flat(b: Any, position: Any, value: Any) -> None:
                b.store(result, value, position)

            columns, flat = b.split(n, product.column_step), store_flat if is_flat else None
            product.emit(b, left, right, store, columns=columns, scratch=scratch, flat=flat)
        return module

    code = run.load(f"test apart {product} {is_flat}", make, ("step",))
    results = []
    for threads in (1, 3):
        result = np.full((n, m), np.nan, dtype)
        execute(code.address("step"), [x, y, result, np.empty(product.scratch_bytes + 64, np.uint8)], threads)
        results.append(result)
    close(results[0].T, x, y)
    np.testing.assert_array_equal(results[1], results[0])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("columns", [2, 3, 5])
@pytest.mark.parametrize("batch", [(), (4,)], ids=["matrices", "batches"])
def test_a_narrow_weight_is_updated_in_place(batch, columns, threads):
    lamina.set_num_threads(threads)
    random = np.random.default_rng(0)
    x, error = random.normal(size=(*batch, 135, 24)), random.normal(size=(*batch, 135, columns))
    weight, mean = random.normal(size=(*batch, 24, columns)), random.normal(size=(*batch, 24, columns))
    multiply = nd.batch_dot if batch else nd.dot

    def step(x: Any, error: Any, weight: Any, mean: Any) -> Any:
        mean[:] = 0.9 * mean + 0.1 * multiply(x, error, transpose_a=True)
        weight[:] = weight - 0.5 * mean / (nd.sqrt(nd.abs(mean)) + 1e-3)
        return nd.sum(weight)

    found = []
    for function in (step, lamina.compile(step)):
        arrays = [nd.array(a, dtype="float64") for a in (x, error, weight, mean)]
        function(*arrays)
        found.append([a.asnumpy() for a in arrays[2:]])
    for eager, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-12, atol=1e-12)


# --- compiled functions -----------------------------------------------------------------------------------------------


@pairwise(
    batch=[(), (5,)],
    ends=[(256, 16, 3), (16, 256, 3), (40, 3, 2), (33, 70, 1), (3, 16, 256), (5, 4, 3)],
    dtype=["float32", "float64"],
    transpose_a=[False, True],
    transpose_b=[False, True],
)
def test_an_epilogue_of_a_narrow_product(batch, ends, dtype, transpose_a, transpose_b):
    m, k, n = ends
    a, b = along((*batch, m, k), transpose_a, dtype, 0), along((*batch, k, n), transpose_b, dtype, 1)
    random = np.random.default_rng(2)
    bias, others = random.normal(size=n).astype(dtype), random.normal(size=(*batch, m, n)).astype(dtype)
    of_rows = random.normal(size=(m, 1)).astype(dtype)
    multiply = nd.batch_dot if batch else nd.dot

    @lamina.compile
    def step(a: Any, b: Any) -> Any:
        z = multiply(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
        return z, nd.array(others, dtype=dtype) * z + nd.array(bias, dtype=dtype) - nd.array(
            of_rows, dtype=dtype
        )

    arrays = nd.array(a, dtype=dtype), nd.array(b, dtype=dtype)
    bits = []
    for threads in (1, 3):
        lamina.set_num_threads(threads)
        bits.append([x.asnumpy() for x in step(*arrays)])
    z, after = bits[0]
    close(z, turned(a, transpose_a), turned(b, transpose_b))
    np.testing.assert_allclose(after, others * z + bias - of_rows, rtol=1e-4, atol=1e-5)
    for one, other in zip(*bits, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_narrow_product_of_views():
    x = np.random.default_rng(0).normal(size=(7, 40, 20)).astype(np.float32)
    w = np.random.default_rng(1).normal(size=(7, 30, 3)).astype(np.float32)

    @lamina.compile
    def step(x: Any, w: Any) -> Any:
        inner = nd.slice_axis(nd.slice_axis(x, axis=1, begin=2, end=39), axis=2, begin=1, end=17)
        return nd.batch_dot(inner, nd.slice_axis(w, axis=1, begin=10, end=26))

    found = step(nd.array(x), nd.array(w)).asnumpy()
    close(found, x[:, 2:39, 1:17], w[:, 10:26])


def test_gradients_of_a_narrow_product():
    x = np.random.default_rng(0).normal(size=(6, 64, 16))
    w, g = np.random.default_rng(1).normal(size=(6, 16, 3)), np.random.default_rng(2).normal(size=(6, 64, 3))

    @lamina.compile
    def gradients(x: Any, w: Any) -> Any:
        x.attach_grad()
        w.attach_grad()
        with autograd.record():
            out = nd.batch_dot(x, w)
        out.backward(nd.array(g, dtype="float64"))
        return x.grad, w.grad

    of_x, of_w = gradients(nd.array(x, dtype="float64"), nd.array(w, dtype="float64"))
    close(of_x.asnumpy(), g, w.swapaxes(1, 2))
    close(of_w.asnumpy(), x.swapaxes(1, 2), g)


# --- the choice -------------------------------------------------------------------------------------------------------


def matmul(batch: tuple[int, ...], m: int, k: int, n: int, *flags: bool) -> Node:
    dtype = np.dtype(np.float32)
    shapes = [(k, m) if flags[0] else (m, k), (n, k) if flags[1] else (k, n)]
    inputs = [Node(Input(i), (), {}, (*batch, *shape), dtype) for i, shape in enumerate(shapes)]
    params = {"transpose_a": flags[0], "transpose_b": flags[1]}
    return Node(REGISTRY["matmul"], inputs, params, (*batch, m, n), dtype)


@pytest.mark.parametrize("machine", NAMED_MACHINES.values(), ids=NAMED_MACHINES)
def test_full_vectors_stay_along_the_columns(machine):
    with compiling_for(machine):
        for flags in [(False, False), (True, False)]:
            assert not is_turned(matmul((), 256, 784, 128, *flags))
            assert not is_turned(matmul((), 256, 128, 32, *flags))
            assert not is_turned(matmul((64,), 3, 16, 256, *flags))
        assert not wants_transposed_right(matmul((), 256, 784, 128, False, True))


@pytest.mark.parametrize("machine", ["x86-64-v3", "x86-64-v4"])
def test_vectors_of_a_narrow_product_run_along_the_rows(machine):
    with compiling_for(NAMED_MACHINES[machine]):
        shape = product_shape(matmul((64,), 256, 16, 3, True, False))
        assert (shape.rows, shape.columns) == (3, 256)
        assert not shape.sums_lanes
        assert product_shape(matmul((), 256, 128, 1, True, False)).columns == 256


@pytest.mark.parametrize("machine", ["x86-64-v3", "x86-64-v4"])
def test_long_sums_of_batches_run_along_the_vectors(machine):
    with compiling_for(NAMED_MACHINES[machine]):
        assert wants_transposed_right(matmul((64,), 16, 256, 3, False, False))
        assert product_shape(matmul((64,), 16, 256, 3, False, True)).sums_lanes


def test_panels_are_only_transposed_where_they_stay_in_the_first_cache():
    with compiling_for(NAMED_MACHINES["x86-64-v4"]):
        assert is_turned(matmul((64,), 256, 16, 3, False, False))
        assert not is_turned(matmul((), 256, 784, 1, False, False))


def test_how_the_right_operand_lies_does_not_change_a_bit():
    a = nd.array(along((9, 16, 250), False, "float32", 0))
    b = along((9, 250, 3), False, "float32", 1)
    as_it_is = lamina.compile(nd.batch_dot)
    transposed = lamina.compile(lambda a, b: nd.batch_dot(a, b, transpose_b=True))
    one = as_it_is(a, nd.array(b)).asnumpy()
    np.testing.assert_array_equal(transposed(a, nd.array(b.swapaxes(1, 2).copy())).asnumpy(), one)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_row_is_the_same_whatever_it_is_computed_with(columns):
    a, b = along((200, 128), False, "float32", 0), along((128, columns), False, "float32", 1)
    multiply = lamina.compile(nd.dot)
    everything = multiply(nd.array(a), nd.array(b)).asnumpy()
    some = multiply(nd.array(a[:3]), nd.array(b)).asnumpy()
    np.testing.assert_array_equal(some, everything[:3])


@pytest.mark.parametrize("columns", [2, 3, 5, 7, 9, 15, 19])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_single_row_has_the_bits_that_it_has_among_others(columns, dtype):
    """Its vectors are narrower; a batch is read to the last element of its memory."""
    random = np.random.default_rng(0)
    x, weight = (nd.array(random.normal(size=s), dtype=dtype) for s in [(30, 5, 18), (30, 18, columns)])
    product = lamina.compile(nd.batch_dot, independent_rows=True)
    found = product(nd.slice_axis(x, axis=1, begin=0, end=1), weight).asnumpy()
    np.testing.assert_array_equal(found, product(x, weight).asnumpy()[:, :1])
    np.testing.assert_allclose(found, x.asnumpy()[:, :1] @ weight.asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("terms", "is_loop"), [(128, True), (10, False)])
def test_work_on_a_transposed_tile_is_written_once_after_long_sums(
    terms: int, is_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles: list[tuple[bool, int]] = []
    write = Finish._columns

    def noted(finish: Finish, tile: list[list[Any]], *others: Any) -> None:
        tiles.append((finish.is_long, len(tile)))
        write(finish, tile, *others)

    monkeypatch.setattr(Finish, "_columns", noted)
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")
    shared_kernels.clear()
    x, w, scale = (
        nd.array(along(shape, False, np.float32, 0)) for shape in ((64, terms), (75, terms), (1, 75))
    )
    found = lamina.compile(lambda x, w, scale: nd.dot(x, w, transpose_b=True) * scale + 1)(x, w, scale)
    assert {is_long for is_long, _ in tiles} == {is_loop}
    with lamina.eager():
        wanted = nd.dot(x, w, transpose_b=True) * scale + 1
    np.testing.assert_array_equal(found.asnumpy(), wanted.asnumpy())


@pytest.mark.parametrize("columns", [3, 13, 15])
@pytest.mark.parametrize("rows", [3, 11])
def test_transposed_tiles_of_odd_width(rows: int, columns: int) -> None:
    """Registers of four numbers leave vectors of three, which are transposed as four (`make processors`)."""
    x, w = (nd.array(along(shape, False, np.float32, 0)) for shape in ((rows, 16), (columns, 16)))
    found = lamina.compile(lambda x, w: nd.dot(x, w, transpose_b=True) * 2 + 1)(x, w)
    with lamina.eager():
        wanted = nd.dot(x, w, transpose_b=True) * 2 + 1
    np.testing.assert_array_equal(found.asnumpy(), wanted.asnumpy())
