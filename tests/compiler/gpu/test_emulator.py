"""The emulator finds what is wrong with kernels: barriers that are missing or not everybody's, and writes elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu_emulator.device import Emulator, KernelError
from gpu_emulator.host import Host, HostBuilder

import lamina
from lamina import nd
from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule
from lamina.compiler.gpu._loops import THREADS
from lamina.compiler.llvm import FLOAT32
from lamina.device.interface import DeviceArray, Launch, Region


def run(
    write: Any, numbers: np.ndarray, *, blocks: int = 1, threads: int = 64, repeats: int = 2
) -> np.ndarray:
    """What a kernel with one pointer, written by `write(b, pointer)`, makes of an array."""
    module = DeviceModule(Host())
    with module.kernel("one", 1, [], Bounds(threads)) as b:
        write(b, b.pointer_argument("p0"))
    device = Emulator(repeats=repeats)
    kernel = device.load(module.dialect.translate(module.ir(), module.kernels)).kernel("one")
    array = DeviceArray.of(device, numbers)  # pyright: ignore
    device.launch([Launch(kernel, (blocks, 1, 1), (threads, 1, 1), (array.region,))])
    return np.asarray(array)


def reversed_within(b: DeviceBuilder, pointer: Any, *, waits: bool = True) -> None:
    """Reverse 64 numbers by way of shared memory."""
    thread = b.thread()
    memory = b.shared(FLOAT32, 64)
    b.store(memory, b.load(pointer, FLOAT32, thread), thread)
    if waits:
        b.barrier()
    b.store(pointer, b.load(memory, FLOAT32, b.sub(63, thread)), thread)


NUMBERS = np.arange(64, dtype=np.float32)


def test_threads_exchange_numbers_through_shared_memory() -> None:
    np.testing.assert_array_equal(run(reversed_within, NUMBERS), NUMBERS[::-1])


def test_a_missing_barrier_is_found() -> None:
    with pytest.raises(KernelError, match="depends on the order of its threads"):
        run(lambda b, p: reversed_within(b, p, waits=False), NUMBERS)


def test_what_nobody_wrote_is_nan() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        b.store(pointer, b.load(b.shared(FLOAT32, 64), FLOAT32, b.thread()), b.thread())

    assert np.isnan(run(write, NUMBERS)).all()


def test_a_barrier_of_some_threads_is_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        with b.if_(b.less(b.thread(), 3)):
            b.barrier()

    with pytest.raises(KernelError, match="block 0: some threads have returned while others wait"):
        run(write, NUMBERS)


def test_two_barriers_are_not_one() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        b.if_else(b.less(b.thread(), 3), b.barrier, b.barrier)

    with pytest.raises(KernelError, match="different barriers"):
        run(write, NUMBERS)


def test_blocks_that_write_to_one_place_are_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        b.store(pointer, b.cast(b.block(), FLOAT32), 0)

    with pytest.raises(KernelError, match="order"):
        run(write, NUMBERS, blocks=7, repeats=3)


def test_writes_beyond_the_end_are_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        b.store(pointer, b.const(1.0, FLOAT32), b.add(b.thread(), 1))

    with pytest.raises(KernelError, match="beyond the end"):
        run(write, NUMBERS)


def test_copies_beyond_the_end_are_refused() -> None:
    device: Any = Emulator()
    with pytest.raises(KernelError, match="of a buffer of 8"):
        device.copy_in(Region(device.allocate(8), 4), NUMBERS)


def copied(
    b: DeviceBuilder, pointer: Any, *, closes: bool = True, left: int | None = 0, waits: bool = True
) -> None:
    """Reverse 64 numbers by way of shared memory, to which they are copied, number by number."""
    thread = b.thread()
    memory = b.shared(FLOAT32, 64)
    source = b.offset(pointer, thread, FLOAT32)
    b.tensors.begin_copy(b.offset(memory, thread, FLOAT32), source, 4, None)
    if closes:
        b.tensors.close_copies()
    if left is not None:
        b.tensors.wait_for_copies(left)
    if waits:
        b.barrier()
    b.store(pointer, b.load(memory, FLOAT32, b.sub(63, thread)), thread)
    b.tensors.close_copies()
    b.tensors.wait_for_copies(0)
    b.barrier()


def test_copies_arrive_when_they_are_waited_for() -> None:
    np.testing.assert_array_equal(run(copied, NUMBERS), NUMBERS[::-1])


@pytest.mark.parametrize("flaw", [{"closes": False}, {"left": 1}, {"left": None}])
def test_copies_do_not_arrive_before(flaw: Any) -> None:
    """A group that is not closed, or that is among the latest ones, is not waited for."""
    assert np.isnan(run(lambda b, p: copied(b, p, **flaw), NUMBERS)).all()


def test_others_copies_are_seen_after_a_barrier() -> None:
    with pytest.raises(KernelError, match="order"):
        run(lambda b, p: copied(b, p, waits=False), NUMBERS)


def test_a_copy_that_nobody_waits_for_is_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        b.tensors.begin_copy(b.offset(b.shared(FLOAT32, 64), b.thread(), FLOAT32), pointer, 4, None)
        b.barrier()

    with pytest.raises(KernelError, match="without waiting for copies"):
        run(write, NUMBERS)


def test_what_is_not_inside_is_zero_and_not_read() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        thread, memory = b.thread(), b.shared(FLOAT32, 64)
        far = b.address(pointer, b.mul(thread, 1 << 40), FLOAT32)
        b.tensors.begin_copy(b.offset(memory, thread, FLOAT32), far, 4, b.less(thread, 1))
        b.tensors.close_copies()
        b.tensors.wait_for_copies(0)
        b.barrier()
        b.store(pointer, b.load(memory, FLOAT32, thread), thread)

    np.testing.assert_array_equal(run(write, NUMBERS + 1), np.eye(64)[0])


def test_misaligned_copies_are_found() -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        target = b.offset(b.shared(FLOAT32, 256), b.mul(b.thread(), 4), FLOAT32)
        b.tensors.begin_copy(target, b.offset(pointer, 1, FLOAT32), 16, None)
        b.tensors.close_copies()
        b.tensors.wait_for_copies(0)
        b.barrier()

    with pytest.raises(KernelError, match="no multiples of the size of what is copied"):
        run(write, NUMBERS)


@pytest.mark.parametrize("first", [0, 4, 1, 2])
def test_misaligned_reads_of_four_are_found(first: int) -> None:
    def write(b: DeviceBuilder, pointer: Any) -> None:
        values = b.tensors.load_four(b.offset(pointer, first, FLOAT32))
        b.barrier()
        for i, value in enumerate(values):
            with b.if_(b.equal(b.thread(), i)):
                b.store(pointer, value, b.thread())

    if first % 4:
        with pytest.raises(KernelError, match="copied, or read, at once"):
            run(write, NUMBERS)
    else:
        np.testing.assert_array_equal(run(write, NUMBERS)[:4], NUMBERS[first : first + 4])


BARRIERS_OF_A_PRODUCT, BARRIERS_OF_A_SUM = 4, 4


@pytest.mark.parametrize("missing", range(BARRIERS_OF_A_PRODUCT))
def test_no_barrier_of_a_product_can_be_left_out(
    missing: int, emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order in which threads run makes a difference, or the result is wrong; but for the barriers at the very end,
    after which nothing uses shared memory here."""
    x = nd.array(np.random.default_rng(0).normal(size=(40, 70)))
    y = nd.array(np.random.default_rng(1).normal(size=(70, 40)))
    expected = x.asnumpy() @ y.asnumpy()
    original, count = HostBuilder.barrier, [0]

    def barrier(b: HostBuilder) -> None:
        count[0] += 1
        if count[0] != missing + 1:
            original(b)

    monkeypatch.setattr(HostBuilder, "barrier", barrier)
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")
    try:
        found = lamina.compile(lambda x, y: nd.dot(x, y) + 1.0 * (missing + 2))(x, y).asnumpy() - (
            missing + 2
        )
    except KernelError as error:
        assert "order" in str(error)
        assert missing < 3
        return
    if missing < 3:
        assert not np.allclose(found, expected, atol=1e-4)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert count[0] == BARRIERS_OF_A_PRODUCT
    assert THREADS == 256
