"""Control flow, variables and memory of generated code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.llvm import BOOL, FLOAT32, FLOAT64, INDEX, UINT64, Builder


@pytest.fixture
def compile_and_run(execute):
    """`compile_and_run(write, arrays, threads)`: `write(b, *pointers)` writes the function."""

    def apply(write, arrays, threads=1):
        module = ThreadModule()
        with module.function("step") as b:
            write(b, *(b.load_pointer(b.pointer_argument("arguments"), i) for i in range(len(arrays))))
        ir = module.ir()
        compiled = run.load(ir, lambda: ir, ("step",))
        execute(compiled.address("step"), arrays, threads)

    return apply


def test_a_loop_goes_on_while_a_condition_holds(compile_and_run):
    starts, turns = np.array([1, 6, 7, 27]), np.zeros(4, np.int64)

    def write(b: Builder, source, target):
        with b.module.function("next_number", {"x": INDEX}) as function:
            x = function.argument("x")
            is_odd = function.equal(function.bit_and(x, 1), 1)
            function.returns(function.where(is_odd, x * 3 + 1, function.shift_right(x, 1)))
        with b.loop(0, 4) as i:
            x, count = b.variable(b.load(source, INDEX, i)), b.variable(b.const(0))
            with b.while_(lambda: b.not_equal(x.get(), 1)):
                x.set(b.result(f"call i64 @next_number({x.get().typed})", INDEX))
                count.set(count.get() + 1)
            b.store(target, count.get(), i)

    compile_and_run(write, [starts, turns])
    assert turns.tolist() == [0, 8, 16, 111]


def test_loops_carry_variables(compile_and_run):
    out = np.zeros(1, np.int64)

    def write(b: Builder, target):
        total = b.variable(b.const(0))
        with b.loop(2, 20, 3) as i, b.loop(0, i) as j:
            total.set(total.get() + i * j)
        with b.loop(5, 5):
            total.set(b.const(-1))
        b.store(target, total.get(), 0)

    compile_and_run(write, [out])
    assert out[0] == sum(i * j for i in range(2, 20, 3) for j in range(i))


def test_branches(compile_and_run):
    x = np.arange(-3, 4)
    out = np.zeros(7, np.int64)

    def write(b: Builder, source, target):
        with b.loop(0, 7) as i:
            value = b.load(source, INDEX, i)
            result = b.variable(value)
            with b.if_(b.less(value, 0)):
                result.set(b.neg(value))
            b.if_else(
                b.equal(value, 0),
                lambda: result.set(b.const(100)),
                lambda: result.set(result.get() * 10),
            )
            b.store(target, result.get(), i)

    compile_and_run(write, [x, out])
    np.testing.assert_array_equal(out, [30, 20, 10, 100, 10, 20, 30])


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 40), start=st.integers(0, 8), lanes=st.sampled_from([1, 2, 4, 8, 16]))
def test_vector_loops_cover_each_element_once(length, start, lanes):
    for known in (True, False):
        bounds = np.array([start, start + length])
        out = np.zeros(64, np.float32)
        module = ThreadModule()
        with module.function("step") as b:
            limits, target = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(2))
            first, last = (b.const(int(v)) for v in bounds)
            if not known:
                first, last = (b.load(limits, INDEX, i) for i in range(2))

            def body(i, width, b=b, target=target):
                b.store(target, b.add(b.load(target, FLOAT32, i, width), 1.0), i)

            b.vector_loop(first, last, lanes, body)
        _run(module, [bounds, out])
        expected = np.zeros(64)
        expected[start : start + length] = 1
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_whole_vectors_leave_nothing_over(count, compile_and_run):
    out = np.zeros(32, np.float32)

    def write(b: Builder, limits, target):
        def body(i, lanes):
            assert lanes == 8
            b.store(target, b.const(1.0, FLOAT32, lanes), i)

        b.vector_loop(8, b.load(limits, INDEX), 8, body, is_whole=True)

    compile_and_run(write, [np.array([8 + 8 * count]), out])
    np.testing.assert_array_equal(out, np.repeat([0.0, *[1.0] * count, *[0.0] * (3 - count)], 8))


@pytest.mark.parametrize("rounds", [0, 1, 5])
@pytest.mark.parametrize("known", [False, True])
def test_repeated_carries_values(rounds, known, compile_and_run):
    out = np.zeros(2, np.int64)

    def write(b: Builder, limits, target):
        def body(i, values):
            first, second = values
            with b.if_(b.less(i, 0)):  # the body may have branches
                b.store(target, i)
            return [second, first + second + i]

        stop = b.const(rounds) if known else b.load(limits, INDEX)
        last = b.repeated(0, stop, 1, [b.const(1), b.const(2)], body)
        for number, value in enumerate(last):
            b.store(target, value, number)

    compile_and_run(write, [np.array([rounds]), out])
    expected = (1, 2)
    for i in range(rounds):
        expected = expected[1], expected[0] + expected[1] + i
    assert tuple(out) == expected


def test_repeated_carries_positions_and_numbers(compile_and_run):
    out = np.zeros(2)

    def write(b: Builder, source, target):
        start = b.load(source, INDEX)
        small = b.cast(b.cast(start, np.int8), FLOAT64)

        def body(i, values):
            position, number = values
            return [position * 2 + 1, number * 1e300]

        position, number = b.repeated(0, 2, 1, [start + 3, small], body)
        b.store(target, b.cast(position, FLOAT64))
        b.store(target, number, 1)

    compile_and_run(write, [np.array([1]), out])
    np.testing.assert_array_equal(out, [19, np.inf])


def test_positions_are_moved_by_constants(compile_and_run):
    """Sums with constants are written where they are made, and only if something needs more than an address."""
    x = np.arange(64)
    out = np.zeros((5, 8), np.int64)

    def write(b: Builder, source, target):
        with b.loop(2, 7) as i:
            place = (i + 3) * 4 - 2 + i + i  # 6 i + 10
            beside = place - 1
            with b.if_(b.less(i, 5)):
                b.store(target, beside, (i - 2) * 8 + 7)  # first used in a branch
            values = [
                b.load(source, INDEX, place),
                b.load(source, INDEX, place + 5),
                b.load(source, INDEX, place - 22),
                beside,
                beside + 1,
                b.load(source, INDEX, 1 + beside),
            ]
            for number, value in enumerate(values):
                b.store(target, value, i * 8 + (number - 16))

    compile_and_run(write, [x, out])
    i = np.arange(2, 7)
    place = 6 * i + 10
    expected = [place, place + 5, place - 22, place - 1, place, place]
    np.testing.assert_array_equal(out[:, :6].T, expected)
    np.testing.assert_array_equal(out[:, 7], np.where(i < 5, place - 1, 0))


def test_equal_addresses_and_sums_are_written_once():
    module = ThreadModule()
    with module.function("step") as b:
        source = b.load_pointer(b.pointer_argument("arguments"))
        with b.loop(0, 100) as i:
            for distance in (1, 2, 3, 1, 2, 3):
                b.store(source, b.load(source, INDEX, i + distance), i + distance)
    ir = module.ir()
    assert ir.count("getelementptr") == 4  # one for i, and one for each distance
    assert ir.count(" = add i64") == 0


def test_numbers_are_spread_as_what_they_are(compile_and_run):
    """A register is a number of one dtype, and by a cast of another one, too: what is larger depends on it."""
    out = np.zeros((2, 4), np.int64)

    def write(b: Builder, source, target):
        number = b.load(source, INDEX)
        vector = b.load(source, INDEX, 1, 4)
        b.store(target, b.maximum(number, vector))
        larger = b.maximum(b.cast(number, UINT64), b.cast(vector, UINT64))
        assert larger.dtype == UINT64
        b.store(target, larger, 4)

    compile_and_run(write, [np.array([-1, 1, 2, 3, 4]), out])
    np.testing.assert_array_equal(out, [[1, 2, 3, 4], [-1, -1, -1, -1]])


def test_functions_are_called_by_their_addresses(compile_and_run):
    out = np.zeros(2, np.int64)

    def write(b: Builder, target):
        for number in range(2):
            with b.module.function(f"note{number}", {"where": None}) as other:
                other.store(other.pointer_argument("where"), other.const(number + 7))
        table = b.addresses("table", ["note1", "note0"])
        with b.loop(0, 2) as i:
            b.call(b.load_pointer(table, i), b.offset(target, i, INDEX))

    compile_and_run(write, [out])
    np.testing.assert_array_equal(out, [8, 7])


def _run(module: ThreadModule, arrays) -> None:
    import ctypes

    ir = module.ir()
    compiled = run.load(ir, lambda: ir, ("step",))
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    run.run(compiled.address("step"), ctypes.addressof(pointers), 1)


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_strided_and_indexed_memory(lanes, compile_and_run):
    x = np.arange(100, dtype=np.float32)
    numbers = np.array([9, 0, 55, 99, 1, 2, 3, 50], np.int32)
    out = np.full((3, 64), -1, np.float32)

    def write(b: Builder, source, indices, target):
        b.store(target, b.load_strided(source, FLOAT32, 5, 7, lanes))
        chosen = b.load(indices, np.dtype(np.int32), 0, lanes)
        gathered = b.gather(source, FLOAT32, chosen)
        b.store(target, gathered, 64)
        b.store_strided(target, gathered, 128, 3)

    compile_and_run(write, [x, numbers, out])
    np.testing.assert_array_equal(out[0, :lanes], x[5 : 5 + 7 * lanes : 7])
    np.testing.assert_array_equal(out[1, :lanes], x[numbers[:lanes]])
    np.testing.assert_array_equal(out[2, : 3 * lanes : 3], x[numbers[:lanes]])


@pytest.mark.parametrize("count", [1, 3, 7])
def test_masked_loads_read_no_further(count, compile_and_run):
    x = np.arange(1, 9, dtype=np.float32)
    out = np.zeros(8, np.float32)
    compile_and_run(
        lambda b, source, target: b.store(
            target, b.narrow(b.load_masked(source, FLOAT32, 0, count, 8), count)
        ),
        [x, out],
    )
    np.testing.assert_array_equal(out, np.where(np.arange(8) < count, x, 0))


def test_masks_are_bytes_in_memory(compile_and_run):
    x = np.array([True, False, True, True, False])
    out = np.zeros(5, bool)
    compile_and_run(lambda b, s, t: b.store(t, b.logical_not(b.load(s, BOOL, 0, 5))), [x, out])
    np.testing.assert_array_equal(out, ~x)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("extent", "step"), [(0, 1), (1, 1), (5, 1), (17, 4), (784, 6), (64, 16), (10, 16)])
def test_threads_split_work_in_whole_steps(extent, step, threads, compile_and_run):
    bounds = np.zeros((threads, 2), np.int64)

    def write(b: Builder, target):
        start, stop = b.split(extent, step)
        b.store(target, start, b.argument("thread") * 2)
        b.store(target, stop, b.argument("thread") * 2 + 1)

    compile_and_run(write, [bounds], threads)
    covered = [i for start, stop in bounds for i in range(start, stop)]
    assert covered == list(range(extent))
    assert all(start % step == 0 for start, stop in bounds if start < stop)


def test_misuse_is_an_error():
    module = ThreadModule()
    with module.function("step") as b:
        with pytest.raises(TypeError, match="pointer_argument"):
            b.argument("arguments")
        with pytest.raises(TypeError, match=r"call argument\(\)"):
            b.pointer_argument("thread")
        with pytest.raises(TypeError, match="can't hold"):
            b.variable(b.const(0)).set(b.const(0.0, FLOAT32))
        with pytest.raises(ValueError, match="broadcast to 4 lanes"):
            b.splat(b.const_vector([1, 2], INDEX), 4)
