"""What the emulator makes of tensor cores' instructions, and where `precision` has products use them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import pytest
from gpu_emulator.device import Emulator, KernelError
from gpu_emulator.host import Host
from hypothesis import given
from hypothesis import strategies as st
from rounded_products import BOUNDS, EXACT, assert_near, numbers, rounded

import lamina
from lamina import autograd, nd
from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule
from lamina.compiler.gpu._tiles import cut_for
from lamina.compiler.llvm import FLOAT32
from lamina.device.interface import DeviceArray, Launch, Limits

UINT32 = np.dtype(np.uint32)
LANES = np.arange(32)
GROUP, PLACE = LANES >> 2, LANES % 4
Fragment = tuple[np.ndarray, np.ndarray]


def loaded(
    write: Callable[..., None], pointers: int, *, threads: int = 32, repeats: int = 2
) -> Callable[..., Any]:
    """A kernel, written by ``write(b, *pointers)``, as a function that returns what it makes of arrays."""
    module = DeviceModule(Host())
    with module.kernel("one", pointers, [], Bounds(threads)) as b:
        write(b, *(b.pointer_argument(f"p{i}") for i in range(pointers)))
    device = Emulator(repeats=repeats)
    kernel = device.load(module.dialect.translate(module.ir(), module.kernels)).kernel("one")

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        given = [DeviceArray.of(device, x) for x in arrays]  # pyright: ignore
        device.launch([Launch(kernel, (1, 1, 1), (threads, 1, 1), tuple(x.region for x in given))])
        return [np.asarray(x) for x in given]

    return run


# PTX ISA, 9.7.14.5: rows and columns of the elements of a lane's fragments, an axis for each register (and its halves).

FRAGMENTS: dict[str, tuple[list[Fragment], list[Fragment]]] = {
    "tf32": (
        [(GROUP, PLACE), (GROUP + 8, PLACE), (GROUP, PLACE + 4), (GROUP + 8, PLACE + 4)],
        [(PLACE, GROUP), (PLACE + 4, GROUP)],
    ),
    "bfloat16": (
        [
            (GROUP + 8 * (1 if 2 <= i < 4 or i >= 6 else 0), 2 * PLACE + (i & 1) + (8 if i >= 4 else 0))
            for i in range(8)
        ],
        [(2 * PLACE + (i & 1) + (8 if i >= 2 else 0), GROUP) for i in range(4)],
    ),
}
SUMS: list[Fragment] = [(GROUP + (8 if i >= 2 else 0), 2 * PLACE + (i & 1)) for i in range(4)]


def registers(matrix: np.ndarray, elements: list[Fragment], precision: str) -> np.ndarray:
    """What the lanes hold of a matrix: their registers side by side."""
    bits = np.stack([matrix[place] for place in elements], 1).astype(np.float32).view(np.uint32)
    if precision == "tf32":
        return bits
    return np.ascontiguousarray(bits[:, ::2] >> 16 | bits[:, 1::2])


@pytest.mark.parametrize("precision", FRAGMENTS)
def test_lanes_multiply_together(precision: str) -> None:
    terms = {"tf32": 8, "bfloat16": 16}[precision]
    random = np.random.default_rng(0)
    a, b, c = (random.integers(-9, 9, shape) for shape in ((16, terms), (terms, 8), (16, 8)))
    left, right = FRAGMENTS[precision]
    sums = np.stack([c[place] for place in SUMS], 1).astype(np.float32)

    def write(b: DeviceBuilder, *pointers: Any) -> None:
        given = [
            [b.load(p, dtype, b.add(b.mul(b.thread(), n), i)) for i in range(n)]
            for p, dtype, n in zip(pointers, (UINT32, UINT32, FLOAT32), (4, 2, 4), strict=True)
        ]
        for i, total in enumerate(b.tensors.multiply_fragments(precision, *given)):
            b.store(pointers[2], total, b.add(b.mul(b.thread(), 4), i))

    *_, found = loaded(write, 3)(registers(a, left, precision), registers(b, right, precision), sums)
    np.testing.assert_array_equal(found, np.stack([(a @ b + c)[place] for place in SUMS], 1))


def multiplied(b: DeviceBuilder) -> None:
    """A product whose result nobody needs."""
    zeros = b.const(0, UINT32), b.const(0.0, FLOAT32)
    b.tensors.multiply_fragments("tf32", [zeros[0]] * 4, [zeros[0]] * 2, [zeros[1]] * 4)


def test_a_product_of_some_lanes_is_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        with b.if_(b.less(b.thread(), 31)):
            multiplied(b)

    with pytest.raises(KernelError, match="some lanes of a warp are not where others wait"):
        loaded(write, 1)(np.zeros(1, np.float32))


def test_warps_do_not_wait_for_each_other_where_they_multiply() -> None:
    """... though the lanes of each do: a barrier that is missing is found all the same."""

    def write(b: DeviceBuilder, pointer: Any, *, other: int) -> None:
        memory = b.shared(FLOAT32, 64)
        b.store(memory, b.load(pointer, FLOAT32, b.thread()), b.thread())
        multiplied(b)
        b.store(pointer, b.load(memory, FLOAT32, b.bit_xor(b.thread(), other)), b.thread())
        b.barrier()

    given = np.arange(64, dtype=np.float32)
    with pytest.raises(KernelError, match="order"):
        loaded(lambda b, p: write(b, p, other=32), 1, threads=64)(given)


FLOATS = st.floats(width=32) | st.sampled_from(
    [1.0 + 2.0**-11, 1.0 + 2.0**-8, 1.0 + 3 * 2.0**-8, -1.0 - 2.0**-11]
)


@pytest.fixture(scope="module")
def round_both() -> Callable[..., Any]:
    """A kernel: 32 numbers, the same in tf32, and in bfloat16 as upper halves."""

    def write(b: DeviceBuilder, source: Any, tf32: Any, bfloat16: Any) -> None:
        value = b.load(source, FLOAT32, b.thread())
        b.store(tf32, b.tensors.to_tf32(value), b.thread())
        b.store(bfloat16, b.tensors.to_bfloat16(b.const(0.0, FLOAT32), value), b.thread())

    return loaded(write, 3, repeats=1)


@given(st.lists(FLOATS, min_size=32, max_size=32))
def test_rounding(round_both: Callable[..., Any], values: list[float]) -> None:
    """Infinities and NaN stay; what is rounded beyond the greatest number becomes infinite."""
    x = np.array(values, np.float32)
    x[np.abs(x) < 2.0**-126] = 0  # denormals have fewer bits to begin with
    finite = np.where(np.isfinite(x), x, 0)
    _, *found = round_both(x, np.zeros(32, np.uint32), np.zeros(32, np.uint32))
    for precision, bits in zip(("tf32", "bfloat16"), found, strict=True):
        with np.errstate(over="ignore"):
            expected = np.where(np.isfinite(x), rounded(finite, precision).astype(np.float32), x)
        np.testing.assert_array_equal(bits.view(np.float32), expected)


# --- the option ------------------------------------------------------------------------------------------------------


def product(x: Any, y: Any) -> Any:
    return nd.dot(x, y)


@pytest.mark.slow
@pytest.mark.parametrize("precision", BOUNDS)
def test_large_products_are_rounded_and_small_ones_are_not(precision: Any, emulator: Any) -> None:
    """`explain` says which; four processors are enough for four tiles."""
    compiled = lamina.compile(product, precision=precision)
    for size in (256, 20):
        x, y = numbers(size, 64), numbers(64, size, seed=1)
        kept = precision if size == 256 else "float32"
        assert_near(compiled(nd.array(x), nd.array(y)), rounded(x, kept), rounded(y, kept), EXACT)
        assert (f" in {precision}" in compiled.explain()) == (kept != "float32")


@pytest.mark.parametrize("beside", ["float32", "bfloat16"])
def test_steps_around_a_compiled_function_have_its_precision_if_all_products_may(
    beside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the third step on, which is compiled."""
    monkeypatch.setenv("LAMINA_DEVICE", "emulator")
    with lamina.gpu():
        x, y, z = (nd.array(numbers(256, 256, seed=i)) for i in range(3))
        first, second = (lamina.compile(product, precision=p) for p in ("bfloat16", beside))
        x.attach_grad()
        ones = nd.ones((256, 256))
        for _ in range(4):
            with autograd.record():
                found, other = first(x, y), second(x, z)
                total = found + other + z
            total.backward(ones)
            nd.waitall()
    precision = beside if beside == "bfloat16" else "float32"
    rows = y.asnumpy().astype(np.float64)
    for result, factor in ((found, rows), (other, z.asnumpy().astype(np.float64))):
        assert_near(result, rounded(x.asnumpy(), precision), rounded(factor, precision), EXACT)
    assert_near(x.grad, ones.asnumpy(), (rows + z.asnumpy()).T, 2 * BOUNDS[precision] + EXACT)


@pytest.mark.slow
def test_a_step_in_tf32(emulator: Any) -> None:
    """Layers that follow each other and a softmax; gradients, of which one operand is transposed."""
    x, labels = numbers(256, 20), np.arange(256) % 128
    weights = [numbers(20, 256, seed=1) / 10, numbers(256, 256, seed=2) / 10]

    def trained(precision: Any) -> list[np.ndarray]:
        params = [nd.array(w) for w in weights]
        for p in params:
            p.attach_grad()

        @lamina.compile(precision=precision)
        def step(x: Any, labels: Any) -> Any:
            with autograd.record():
                scores = nd.dot(nd.relu(nd.dot(x, params[0])), params[1])
                loss = -nd.pick(nd.log_softmax(scores), labels)
            loss.backward()
            for p in params:
                p[:] = p - 0.001 * p.grad
            return nd.mean(loss)

        loss = step(nd.array(x), nd.array(labels)).asnumpy()
        assert step.explain().count(" in tf32") == (4 if precision == "tf32" else 0)
        return [loss, *(p.asnumpy() for p in params)]

    found, exact = trained("tf32"), trained("float32")
    for one, near in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, near, rtol=1e-3, atol=1e-3)
    assert (found[2] != exact[2]).any()


def test_parts_of_sums_where_tiles_are_few() -> None:
    """Gradients of weights: few tiles, long sums."""
    from graphs import capture

    from lamina.compiler.gpu.target import written_for

    limits = Limits("sm_90", 1024, 132, has_float64=True, has_float16=True, has_tensor_cores=True)
    graph = capture(
        lambda x, g: nd.dot(x, g, transpose_a=True), nd.zeros((4096, 1024)), nd.zeros((4096, 1024))
    )
    (task,) = written_for(graph, "nvptx", limits).schedule.stages[0].tasks
    cut = cut_for(task.kernel, limits, "tf32")
    assert (cut.tile.precision, cut.tiles, cut.parts) == ("tf32", 64, 4)
    assert cut_for(task.kernel, Limits(*list(vars(limits).values())[:5]), "tf32").tile.precision == "float32"


def test_the_cpu_does_not_round(emulator: Any) -> None:
    with lamina.cpu():
        x, y = nd.array(numbers(256, 64)), nd.array(numbers(64, 256, seed=1))
        found = [lamina.compile(product, precision=p)(x, y).asnumpy() for p in ("float32", "tf32")]
    np.testing.assert_array_equal(*found)


def test_a_precision_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="one of 'float32', 'tf32', 'bfloat16', not 'float16'"):
        lamina.compile(product, precision="float16")  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_precision_travels_with_its_function() -> None:
    compiled = lamina.compile(lambda x: 2 * x, precision="tf32")
    assert pickle.loads(cloudpickle.dumps(compiled)).precision == "tf32"
    assert math.isclose(float(compiled(nd.ones(1)).asscalar()), 2.0)
