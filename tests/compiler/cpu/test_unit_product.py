"""Matrix products on a matrix unit: as exact as in float32, the same for any split, and right for every kind of number.

Every test runs with the unit's instructions in plain vector code; and on the unit, where this processor has one. So do
products with rounded operands by AVX-512's pairs.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from emulated_unit import EmulatedPairs, EmulatedUnit
from rounded_products import rounded

import lamina
from lamina import autograd, nd
from lamina.compiler.cpu import _unit_product as unit_product
from lamina.compiler.cpu import run
from lamina.compiler.cpu._block_sizes import BITS, choose_unit_blocking
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.cpu.machine import compiling_for, host_machine, target_machine
from lamina.compiler.cpu.matrix_unit import MatrixUnit, PairUnit
from lamina.compiler.llvm import FLOAT32, jit

SHAPES = [
    (130, 784, 256),
    (784, 128, 256),
    (150, 256, 250),
    (129, 399, 181),
    (200, 131, 165),
    (700, 133, 200),
    (128, 2048, 148),
    (128, 256, 2500),
]
EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(autouse=True, params=["emulated", "processor"])
def unit(request, monkeypatch):
    """Products go to a matrix unit: to an emulated one, and to the processor's own."""
    host = host_machine()
    if request.param == "emulated":
        monkeypatch.setattr(unit_product, "MatrixUnit", EmulatedUnit)
    elif request.param == "emulated pairs":
        monkeypatch.setattr(unit_product, "PairUnit", EmulatedPairs)
    elif request.param == "pairs" and "+avx512bf16" not in host.features:
        pytest.skip("NOT TESTED: products of bfloat16 pairs, which this processor lacks; they are emulated")
    elif request.param == "processor" and not host.has_matrix_unit:
        pytest.skip("NOT TESTED: a matrix unit (AMX), which this processor lacks; it is emulated")
    by_pairs = "pairs" in request.param
    with compiling_for(dataclasses.replace(host, has_matrix_unit=not by_pairs, has_fast_pairs=by_pairs)):
        yield request.param


rounding_units = pytest.mark.parametrize(
    "unit", ["emulated", "processor", "emulated pairs", "pairs"], indirect=True
)


@pytest.fixture
def rounding(unit):
    """Operands are rounded to bfloat16."""
    with compiling_for(target_machine().rounding):
        yield


@pytest.fixture
def multiply(execute, unit):
    """`multiply(a, b, …)`: the product, computed by so many threads that share rows or columns."""

    def apply(a, right, *, transposed=False, split="columns", threads=1, by_columns=False, **options):
        (m, k), n = a.shape, right.shape[1]
        strides = (1, m) if transposed else (k, 1)
        product = MatrixProduct(m, k, n, FLOAT32, strides, n, by_columns=by_columns, **options)
        assert product.is_on_unit

        def make() -> ThreadModule:
            module = ThreadModule()
            with module.function("step") as b:
                left, right, result, scratch = (
                    b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4)
                )
                mine = b.offset(scratch, b.argument("thread") * (product.scratch_bytes // 4), FLOAT32)

                def store(b, row, column, value):
                    b.store(result, value, row * m + column if by_columns else row * n + column)

                def turned(b, row, column, value):
                    store(b, column, row, value)

                share = {
                    split: b.split(m, product.row_step)
                    if split == "rows"
                    else b.split(n, product.column_step)
                }
                product.emit(b, left, right, turned if by_columns else store, scratch=mine, **share)
            return module

        compiled = run.load(f"test unit {unit} {product} {split}", make, ("step",))
        result = np.full((n, m) if by_columns else (m, n), np.nan, np.float32)
        scratch = np.full(
            threads * product.scratch_bytes + 64, 255, np.uint8
        )  # NaN, wherever it is read too early
        aligned = scratch[-scratch.ctypes.data % 64 :]
        left = np.ascontiguousarray(a.T) if transposed else a
        execute(compiled.address("step"), [left, right, result, aligned], threads)
        return result.T if by_columns else result

    return apply


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def allowed(a, b):
    """The bound for a float32 sum of k products, each with the error of the parts that are left out."""
    return (a.shape[1] + 2) * EPSILON * (np.abs(a) @ np.abs(b)) + 8 * a.shape[1] * 2.0**-126


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "transposed"),
    [
        pytest.param(shape, turned, marks=() if turned == number % 2 else pytest.mark.slow)
        for number, shape in enumerate(SHAPES)
        for turned in (False, True)
    ],
    ids=str,
)
def test_product_is_right_and_the_same_for_any_split(shape, transposed, multiply):
    m, k, n = shape
    a, b = numbers(m, k), numbers(k, n, seed=1)
    result = multiply(a, b, transposed=transposed)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert (np.abs(result - exact) <= allowed(a, b)).all()
    for split, threads in (("columns", 2), ("rows", 2), ("rows", 3), ("columns", 8)):
        again = multiply(a, b, transposed=transposed, split=split, threads=threads)
        np.testing.assert_array_equal(again, result)


@pytest.mark.few(1)
@rounding_units
@pytest.mark.usefixtures("rounding")
@pytest.mark.parametrize(
    ("shape", "transposed"),
    [
        pytest.param(shape, turned, marks=() if number < 4 and turned == number % 2 else pytest.mark.slow)
        for number, shape in enumerate([(64, 800, 256), *SHAPES[1:4], (90, 165, 37), (96, 2048, 300)])
        for turned in (False, True)
    ],
    ids=str,
)
def test_rounded_operands_are_multiplied_as_in_float32(shape, transposed, multiply):
    m, k, n = shape
    a, b = numbers(m, k), numbers(k, n, seed=1)
    result = multiply(a, b, transposed=transposed)
    near, other = rounded(a, "bfloat16"), rounded(b, "bfloat16")
    assert (np.abs(result - near @ other) <= allowed(near, other)).all()
    for split, threads in (("columns", 2), ("rows", 3)):
        again = multiply(a, b, transposed=transposed, split=split, threads=threads)
        np.testing.assert_array_equal(again, result)
    by_columns = multiply(a, b, transposed=transposed, by_columns=True)
    np.testing.assert_array_equal(by_columns, result)


@rounding_units
@pytest.mark.usefixtures("rounding")
@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
def test_rounding_is_to_even_and_keeps_infinities_and_nan(transposed, multiply):
    """Integers that are rounded at ties; numbers that become infinite; denormals, which count as zero."""
    a = np.full((64, 128), 1, np.float32)
    a[:, :4] = 257, 259, -261, 1.003906373  # 256, 260, -260, and beyond a tie
    b = np.eye(128, dtype=np.float32)
    b[4, 4] = np.inf
    a[7, 40:44] = np.nan, np.inf, -np.inf, 3.4e38
    a[9, 50], b[50, 50] = 1e-39, 3e38
    with np.errstate(invalid="ignore"):
        near = rounded(a, "bfloat16")
        near[7, 43], near[9, 50] = np.inf, 0
        exact = near @ rounded(b, "bfloat16")
    result = multiply(a, b, transposed=transposed)
    assert result[0, :4].tolist() == [256, 260, -260, 1.0078125]
    np.testing.assert_array_equal(result, exact)


@pytest.mark.few(1)
@rounding_units
def test_precision_of_a_compiled_function_rounds_its_large_products(unit, monkeypatch):
    """Also its gradients'; not small ones, nor those with independent rows; 11 bits are for GPUs."""
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")  # where the unit's own instructions could lie
    x, w, v = numbers(64, 300), numbers(300, 96, seed=1), numbers(96, 4, seed=2)
    near, weights = rounded(x, "bfloat16"), rounded(w, "bfloat16")

    def trained(**how):
        parameters = [nd.array(w), nd.array(v)]
        for one in parameters:
            one.attach_grad()

        def step(x):
            with autograd.record():
                hidden = nd.dot(x, parameters[0])
                total = nd.sum(nd.dot(hidden, parameters[1]))
            total.backward()
            return hidden

        compiled = lamina.compile(step, keep_gradients=True, **how)
        with lamina.eager():
            hidden = compiled(nd.array(x)).asnumpy()
        return hidden, parameters[0].grad.asnumpy(), compiled.explain().count(" in bfloat16")

    hidden, gradient, count = trained(precision="bfloat16")
    assert count == 2
    assert (np.abs(hidden - near @ weights) <= allowed(near, weights)).all()
    upon = np.tile(rounded(v.sum(axis=1, dtype=np.float32), "bfloat16"), (64, 1))
    turned = near.T
    assert (np.abs(gradient - turned @ upon) <= 0.008 * (np.abs(turned) @ np.abs(upon))).all()
    plain = trained()
    for how in ({"precision": "tf32"}, {"precision": "bfloat16", "independent_rows": True}):
        *found, count = trained(**how)
        assert count == 0
        assert (np.abs(found[0] - x.astype(float) @ w) <= allowed(x, w)).all()
    assert plain[2] == 0


@pytest.mark.parametrize("depth", [128, 192, 784, 2048])
def test_products_are_more_exact_than_a_chain_of_multiply_adds(depth, multiply):
    a, b = numbers(128, depth), numbers(depth, 128, seed=1)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    chain = np.zeros((128, 128), np.float32)
    for k in range(depth):  # in float64 the product is exact; the sum is rounded to float32, as by an fma
        chain = (chain.astype(np.float64) + np.outer(a[:, k].astype(np.float64), b[k])).astype(np.float32)
    error, error_of_chain = (np.linalg.norm(x - exact) for x in (multiply(a, b), chain))
    assert error <= 0.5 * error_of_chain


@pytest.mark.few(1)
@pytest.mark.parametrize("shape", [(64, 784, 256), (784, 64, 256), (70, 300, 90), (97, 201, 110)], ids=str)
def test_short_integers_are_multiplied_exactly(shape, multiply):
    """Sums of integers below 2²⁴ have no rounding at all."""
    m, k, n = shape
    generator = np.random.default_rng(0)
    a = generator.integers(0, 256, (m, k)).astype(np.float32)
    b = generator.integers(-60, 60, (k, n)).astype(np.float32)
    for transposed in (False, True):
        result = multiply(a, b, transposed=transposed, left_is_short=True)
        np.testing.assert_array_equal(result, a @ b)
    fractions = numbers(k, n)
    exact = a.astype(np.float64) @ fractions.astype(np.float64)
    result = multiply(a, fractions, left_is_short=True)
    assert (np.abs(result - exact) <= allowed(a, fractions)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "transposed"),
    [
        pytest.param(value, turned, marks=() if turned == number % 2 else pytest.mark.slow)
        for number, value in enumerate((np.inf, -np.inf, np.nan, 3.4e38, -(2.0**127)))
        for turned in (False, True)
    ],
)
def test_numbers_without_parts(value, transposed, multiply):
    """What NumPy has there; and elements that don't meet such a number are what they would be without it."""
    a, b = numbers(140, 300), numbers(300, 130, seed=1)
    clean = multiply(a, b, transposed=transposed)
    a[70, 250], b[290, 64] = value, value
    with np.errstate(all="ignore"):
        exact = a.astype(np.float64) @ b.astype(np.float64)
        bound = allowed(a.astype(np.float64), b.astype(np.float64))
    results = [
        multiply(a, b, transposed=transposed, split=split, threads=threads)
        for split, threads in (("columns", 1), ("columns", 3), ("rows", 2))
    ]
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    result = results[0]
    np.testing.assert_array_equal(np.isnan(result), np.isnan(exact))
    np.testing.assert_array_equal(np.isposinf(result), exact > np.finfo(np.float32).max)
    np.testing.assert_array_equal(np.isneginf(result), exact < -np.finfo(np.float32).max)
    finite = np.isfinite(result)
    assert (np.abs(result[finite] - exact[finite]) <= bound[finite]).all()
    np.testing.assert_array_equal(result[:64, :64], clean[:64, :64])
    np.testing.assert_array_equal(result[96:, 96:], clean[96:, 96:])


def test_zero_times_infinity_is_not_left_out(multiply):
    a, b = np.zeros((128, 200), np.float32), np.ones((200, 130), np.float32)
    b[7, 5] = np.inf
    result = multiply(a, b)
    assert np.isnan(result[:, 5]).all()
    assert (np.delete(result, 5, axis=1) == 0).all()


@pytest.mark.parametrize("scale", [2.0**-120, 2.0**-60, 2.0**60, 2.0**120])
def test_small_and_large_numbers(scale, multiply):
    a, b = numbers(128, 200) * np.float32(scale), numbers(200, 130, seed=1)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert (np.abs(multiply(a, b) - exact) <= allowed(a.astype(np.float64), b)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [*SHAPES[2:4], *(pytest.param(one, marks=pytest.mark.slow) for one in SHAPES[:2] + SHAPES[4:5])],
    ids=str,
)
def test_a_result_wanted_transposed_comes_by_columns(shape, multiply):
    m, k, n = shape
    a, b = numbers(m, k), numbers(k, n, seed=1)
    np.testing.assert_array_equal(multiply(a, b, by_columns=True), multiply(a, b))


@pytest.mark.slow
@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
def test_mostly_zero_columns_are_left_out_whoever_computes(transposed, multiply):
    """Such products take another way; all threads take the same one."""
    a, b = numbers(320, 288), numbers(288, 128, seed=1)
    columns = a.T if transposed else a  # as A lies in memory
    columns[:, 20:] = 0
    columns[:64, 20] = 1  # used in some rows only
    exact = a.astype(np.float64) @ b.astype(np.float64)
    first = multiply(a, b, transposed=transposed, skips_zeros=True)
    assert (np.abs(first - exact) <= allowed(a, b)).all()
    for split, threads in (("rows", 3), ("columns", 2), ("rows", 8)):
        again = multiply(a, b, transposed=transposed, skips_zeros=True, split=split, threads=threads)
        np.testing.assert_array_equal(again, first)
    columns[:, 20:] = 1
    full = multiply(a, b, transposed=transposed, skips_zeros=True)
    np.testing.assert_array_equal(full, multiply(a, b, transposed=transposed))


@pytest.mark.parametrize("shape", [(512, 1024, 2000), (300, 5000, 300)], ids=str)
def test_scratch_memory_has_room_for_either_way(shape):
    """A product that may skip zero columns decides as it runs, also where a vector unit would cut it up."""
    m, k, n = shape
    product = MatrixProduct(m, k, n, FLOAT32, (k, 1), n, skips_zeros=True)
    assert product.is_on_unit and not product.only_packs_left
    assert product.scratch_bytes >= product.way.scratch_bytes
    assert product.scratch_bytes >= product.vector_blocks.scratch_bytes


def multiply_adds(product: MatrixProduct) -> int:
    """How many the code of a product has."""
    module = ThreadModule(product.machine)
    with module.function("step") as b:
        left, right, result, scratch = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(4))

        def store(b, row, column, value):
            b.store(result, value, row * product.columns + column)

        product.emit(b, left, right, store, scratch=scratch)
    return module.ir().count("call <16 x float> @llvm.fma")


def test_the_way_on_the_vector_unit_has_tiles_that_fit_its_registers(unit):
    """And not blocks of the matrix unit's size, whose sums would lie on the stack."""
    machine = dataclasses.replace(
        host_machine(), vector_bits=512, vector_registers=32, has_matrix_unit=True, l2_bytes=1 << 24
    )
    without = dataclasses.replace(machine, has_matrix_unit=False)
    shape = (512, 1024, 256, FLOAT32, (1024, 1), 256)
    way = multiply_adds(MatrixProduct(*shape, machine, skips_zeros=True))
    way -= multiply_adds(MatrixProduct(*shape, machine))
    assert 0 < way <= multiply_adds(MatrixProduct(*shape, without, skips_zeros=True))


def test_small_products_stay_on_the_vector_unit():
    def blocking(machine, rows, inner, columns, *, left_is_short=False):
        shape = rows, inner, columns, FLOAT32, (inner, 1), columns
        return choose_unit_blocking(MatrixProduct(*shape, machine, left_is_short=left_is_short))

    machine = dataclasses.replace(host_machine(), has_matrix_unit=True)
    assert blocking(machine, 256, 256, 10) is None
    assert blocking(machine, 1, 784, 256) is None
    assert blocking(machine, 64, 784, 256) is None
    assert blocking(machine, 64, 784, 256, left_is_short=True) is not None
    assert blocking(machine.rounding, 64, 784, 256) is not None
    assert blocking(machine.rounding, 32, 256, 64) is not None
    assert blocking(machine.rounding, 32, 256, 63) is None
    assert blocking(machine.rounding, 64, 784, 10) is None
    assert blocking(machine, 128, 784, 256) is not None
    without = dataclasses.replace(machine, has_matrix_unit=False, has_fast_pairs=False)
    assert blocking(without, 128, 784, 256) is None
    assert blocking(without.rounding, 128, 784, 256) is None
    by_pairs = dataclasses.replace(without, has_fast_pairs=True)
    assert blocking(by_pairs, 512, 784, 256) is None
    assert blocking(by_pairs.in_order.rounding, 512, 784, 256) is None
    assert blocking(by_pairs.rounding, 64, 784, 256) is not None


def processor_called(cpu):
    """A machine for which code is written, though not executed."""
    return dataclasses.replace(
        host_machine(),
        architecture="x86_64",
        cpu=cpu,
        features="",
        vector_bits=512,
        vector_registers=32,
        triple="x86_64-unknown-linux-gnu",
    )


def test_the_units_instructions_are_written():
    with compiling_for(processor_called("sapphirerapids")):
        module = ThreadModule()
        with module.function("step", {"p": None}) as b:
            unit, pointer = MatrixUnit(b), b.pointer_argument("p")
            unit.begin()
            unit.zero(0)
            unit.load(4, pointer)
            unit.load(6, pointer, 128)
            unit.multiply_add(0, 4, 6)
            unit.store(0, pointer)
            unit.end()
        text = jit.assembly(module.machine, module.ir())
    for name in ("ldtilecfg", "tilezero", "tileloadd", "tdpbf16ps", "tilestored", "tilerelease"):
        assert name in text


def test_the_instructions_for_pairs_are_written():
    with compiling_for(processor_called("znver4")):
        module = ThreadModule()
        with module.function("step", {"p": None}) as b:
            unit, pointer = PairUnit(b), b.pointer_argument("p")
            terms = unit.rounded(b.load(pointer, FLOAT32, 0, 16), b.load(pointer, FLOAT32, 16, 16))
            sums = b.load(pointer, FLOAT32, 32, 16)
            b.store(pointer, unit.multiply_add(sums, b.load(pointer, BITS, 48), terms))
        text = jit.assembly(module.machine, module.ir())
    assert "vcvtne2ps2bf16" in text and "vdpbf16ps" in text
