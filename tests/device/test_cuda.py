"""NVIDIA's devices against a stand-in for the driver: which functions are called, with what, and what errors say."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
from fake_cuda import FakeCuda
from pretended_gpus import fake_cuda_devices

from lamina.device import choice, cuda
from lamina.device.cuda import CudaDevice, CudaDriver
from lamina.device.interface import DeviceArray, Launch, Region
from lamina.errors import ContextError, DeviceError, DeviceMemoryError

PTX = b".version 7.8\n.entry double_all\n.entry crash\n"


def double_all(driver: FakeCuda, grid: Any, block: Any, arguments: list[int]) -> None:
    address, count = arguments
    numbers = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
    numbers[: grid[0] * block[0]] *= 2


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    fake.kernels = {"double_all": double_all, "crash": lambda *_: 719}
    known = CudaDriver(fake)
    monkeypatch.setattr(cuda, "_driver", lambda: known)
    return fake


@pytest.fixture
def device(driver: FakeCuda) -> CudaDevice:
    return CudaDevice(0, 0)


def numbers_of(array: DeviceArray) -> list[float]:
    return np.asarray(array).tolist()


def test_what_a_device_says_of_itself(device: CudaDevice) -> None:
    limits = device.limits
    assert (device.name, device.dialect, limits.architecture) == ("Stand-in 0", "nvptx", "sm_90")
    assert (limits.block_threads, limits.processors) == (1024, 132)
    assert limits.peak_flops == pytest.approx(132 * 128 * 2 * 1.7e9)


def test_numbers_go_there_and_back_and_views_share_memory(device: CudaDevice) -> None:
    source = np.arange(12, dtype=np.float32)
    x = DeviceArray.of(device, source)
    source[:] = -1  # the copy is made
    part = x.part(4, (2, 2))
    part.write(np.full((2, 2), 9.0))
    assert numbers_of(x) == [0, 1, 2, 3, 9, 9, 9, 9, 8, 9, 10, 11]
    other = DeviceArray.empty(device, (4,), np.dtype(np.float32))
    other.write(x.part(6, (4,)))
    device.set_word(other.part(1, (1,)).region, int(np.float32(1.0).view(np.int32)))
    assert numbers_of(other) == [9, 1, 8, 9]
    assert x.shares_memory(part)
    assert not x.shares_memory(other)


def test_launches_run_in_order_with_their_arguments(device: CudaDevice, driver: FakeCuda) -> None:
    x = DeviceArray.of(device, np.ones(8, np.float32))
    kernel = device.load(PTX).kernel("double_all")
    one = Launch(kernel, (2, 1, 1), (4, 1, 1), (x.region, 8))
    part = Launch(kernel, (1, 1, 1), (2, 1, 1), (x.part(4, (4,)).region, 4))
    device.launch([one, part])
    assert numbers_of(x) == [2, 2, 2, 2, 4, 4, 2, 2]


@pytest.mark.slow
def test_a_recording_is_a_graph_that_holds_its_buffers(device: CudaDevice, driver: FakeCuda) -> None:
    x = DeviceArray.of(device, np.ones(4, np.float32))
    kernel = device.load(PTX).kernel("double_all")
    recording = device.record([Launch(kernel, (1, 1, 1), (4, 1, 1), (x.region, 4))] * 3)
    assert not driver.graphs  # only what was made of it is kept
    region = x.region
    assert numbers_of(x) == [1, 1, 1, 1]
    recording.replay()
    recording.replay()
    assert numbers_of(x) == [64] * 4
    del x, kernel
    gc.collect()
    assert DeviceArray.of(device, np.zeros(4, np.float32)).region.buffer is not region.buffer
    del recording
    gc.collect()
    assert not driver.executables
    assert not driver.modules


def test_a_program_that_the_driver_does_not_take_says_what_its_assembler_said(device: CudaDevice) -> None:
    with pytest.raises(
        DeviceError, match=r"can't load.*PTX JIT compilation failed.*\nptxas error: line 1; no .version"
    ):
        device.load(b"nonsense")
    with pytest.raises(KeyError, match="missing"):
        device.load(PTX).kernel("missing")


@pytest.mark.slow
def test_after_a_failed_kernel_nothing_gives_old_numbers(device: CudaDevice) -> None:
    x = DeviceArray.of(device, np.ones(4, np.float32))
    device.launch([Launch(device.load(PTX).kernel("crash"), (1, 1, 1), (1, 1, 1), (x.region, 4))])
    with pytest.raises(
        DeviceError, match=r"gpu\(0\), Stand-in 0, failed: a kernel.*unspecified launch failure"
    ):
        device.synchronize()
    for again in (device.synchronize, x.__array__, lambda: device.allocate(4), lambda: device.load(PTX)):
        with pytest.raises(DeviceError, match=r"can't be used any more, since a kernel.*restart the program"):
            again()
    gc.collect()  # which frees nothing any more, and raises nothing


def test_a_launch_beyond_the_device_is_an_error_and_no_more(device: CudaDevice) -> None:
    x = DeviceArray.of(device, np.ones(4, np.float32))
    kernel = device.load(PTX).kernel("double_all")
    with pytest.raises(
        DeviceError, match=r"double_all, \(1, 1, 1\) blocks of \(2048, 1, 1\).*too many resources"
    ):
        device.launch([Launch(kernel, (1, 1, 1), (2048, 1, 1), (x.region, 4))])
    assert numbers_of(x) == [1] * 4


def test_a_failed_recording_ends_the_capture(device: CudaDevice, driver: FakeCuda) -> None:
    x = DeviceArray.of(device, np.ones(4, np.float32))
    kernel = device.load(PTX).kernel("double_all")
    with pytest.raises(DeviceError, match="too many resources"):
        device.record([Launch(kernel, (1, 1, 1), (2048, 1, 1), (x.region, 4))])
    assert driver.recorded is None
    assert numbers_of(x) == [1] * 4


def test_out_of_memory_says_how_much(device: CudaDevice, driver: FakeCuda) -> None:
    held = [device.allocate(1 << 24) for _ in range(2)]
    driver.other_programs = 24 << 20
    with pytest.raises(DeviceMemoryError) as found:
        device.allocate(20 << 20)
    text = str(found.value)
    assert (
        "gpu(0), Stand-in 0 is out of memory: 20.0 MiB were requested; lamina's arrays hold 32.0 MiB" in text
    )
    assert "8.0 MiB of 64.0 MiB are free" in text
    assert isinstance(found.value, MemoryError)
    held.clear()
    assert device.allocate(20 << 20).nbytes == 20 << 20  # what was kept goes back to the driver first


def test_freed_memory_is_used_again_and_given_back_when_asked(device: CudaDevice, driver: FakeCuda) -> None:
    first = device.allocate(1000).address
    gc.collect()
    assert device.allocate(1000).address == first
    assert driver.calls.count("cuMemAlloc_v2") == 1
    assert device.memory_info() == (1 << 26, 1 << 26)
    device.release_kept_memory()
    assert not driver.memory


def test_the_limit_of_memory(driver: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_DEVICE_MEMORY", "50%")
    device = CudaDevice(0, 0)
    assert device.memory_info() == (1 << 25, 1 << 25)
    with pytest.raises(DeviceMemoryError, match=r"LAMINA_DEVICE_MEMORY allows 32.0 MiB"):
        device.allocate(33 << 20)


def test_regions_beyond_a_buffer_are_refused(device: CudaDevice) -> None:
    region = Region(device.allocate(8), 4)
    with pytest.raises(ValueError, match="exceed a buffer of 8"):
        device.copy_in(region, np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match="exceed a buffer of 8"):
        device.copy_out(region, np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match="exceed a buffer of 8"):
        device.copy(region, Region(region.buffer), 8)


def test_other_threads_make_the_device_their_current_one(device: CudaDevice) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(numbers_of(DeviceArray.of(device, np.ones(2)))))
    thread.start()
    thread.join()
    assert found == [[1, 1]]


def test_another_process_is_told_clearly(device: CudaDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    x = DeviceArray.of(device, np.ones(2))
    monkeypatch.setattr("os.getpid", lambda: -1)
    for act in (lambda: np.asarray(x), lambda: device.allocate(1), device.synchronize):
        with pytest.raises(
            DeviceError, match=r'since the parent process opened the device before the fork.*"spawn"'
        ):
            act()


def test_a_device_that_another_process_has_for_itself(driver: FakeCuda) -> None:
    driver.fail["cuDevicePrimaryCtxRetain"] = deque([46])
    with pytest.raises(DeviceError, match=r"busy or unavailable \(error 46\)"):
        CudaDevice(0, 0)


def test_older_gpus_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cuda_devices(monkeypatch, [(7, 5), (8, 6)])
    assert [one.name for one in choice.found()] == ["Stand-in 1"]
    assert "Stand-in 0 (its compute capability is 7.5; needed is 8.0" in choice.looked_for()
    device: Any = choice.device(0)
    assert (device.ordinal, device.number, device.limits.architecture) == (1, 0, "sm_86")
    with pytest.raises(
        ContextError, match=r"gpu\(1\) does not exist: num_gpus\(\) is 1; gpu\(0\) is Stand-in 1"
    ):
        choice.device(1)


def test_a_driver_that_is_too_old() -> None:
    fake = FakeCuda()
    del fake.cuGraphInstantiateWithFlags  # pyright: ignore
    with pytest.raises(DeviceError, match=r"older than CUDA 11.4: it has no cuGraphInstantiateWithFlags"):
        CudaDriver(fake)


def test_another_librarys_stream_waits_for_ours(device: CudaDevice, driver: FakeCuda) -> None:
    driver.calls.clear()
    device.wait_in(7)
    assert driver.calls == [
        "cuCtxSetCurrent",
        "cuEventCreate",
        "cuEventRecord",
        "cuStreamWaitEvent",
        "cuEventDestroy_v2",
    ]
