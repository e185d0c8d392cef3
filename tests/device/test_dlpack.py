"""Arrays of devices from and to other libraries, without a copy, as far as the protocol goes."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import numpy as np
import pytest
from fake_cuda import FakeCuda
from pretended_gpus import fake_cuda_devices

import lamina as mx
from lamina import nd
from lamina.core.ownership import is_alone
from lamina.device import dlpack
from lamina.errors import ContextError


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """gpu(0) and gpu(1) are NVIDIA's, as it seems; NumPy computes."""
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    return fake_cuda_devices(monkeypatch, [(9, 0), (8, 0)])


class Other:
    """Another library's array: it hands on a capsule, and remembers how it was asked."""

    def __init__(self, capsule: Any, device: tuple[int, int]) -> None:
        self.capsule, self.device, self.asked = capsule, device, {}

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **asked: Any) -> Any:
        self.asked = asked
        return self.capsule


def test_what_a_capsule_says(cuda: FakeCuda) -> None:
    x = nd.array(np.arange(12).reshape(3, 4), ctx=mx.gpu(1), dtype=np.int16)
    part = x[1:]
    assert part.__dlpack_device__() == (2, 1)
    capsule = part.__dlpack__(stream=7)
    assert "cuStreamWaitEvent" in cuda.calls
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    words = (ctypes.c_int64 * 7).from_address(pointer_of(capsule, b"dltensor"))
    data, device, ndim_and_type, shape, strides, offset = words[:6]  # as dlpack.h lays them out
    (address,) = cuda.memory
    assert (data, device, offset) == (address, 2 | 1 << 32, 8)
    assert ndim_and_type == 2 | (0 | 16 << 8 | 1 << 16) << 32
    assert (ctypes.c_int64 * 2).from_address(shape)[:] == [2, 4]
    assert (ctypes.c_int64 * 2).from_address(strides)[:] == [4, 1]


@pytest.mark.slow
def test_an_array_that_was_given_shares_memory_and_lives_as_long(cuda: FakeCuda) -> None:
    x = nd.zeros((2, 3), ctx=mx.gpu())
    y = nd.from_dlpack(x)
    assert (y.context, y.shape, y.dtype) == (mx.gpu(), (2, 3), np.float32)
    y[1] = 5
    assert x.tolist() == [[0, 0, 0], [5, 5, 5]]
    assert not is_alone(x)
    assert not is_alone(y)
    count = len(dlpack._given)
    del x
    gc.collect()
    assert y[1].tolist() == [5, 5, 5]
    assert len(dlpack._given) == count
    del y
    gc.collect()
    assert len(dlpack._given) == count - 1


def test_a_capsule_that_nobody_takes_lets_go(cuda: FakeCuda) -> None:
    x = nd.zeros(3, ctx=mx.gpu())
    count = len(dlpack._given)
    capsule = x.__dlpack__()
    assert len(dlpack._given) == count + 1
    del capsule
    gc.collect()
    assert len(dlpack._given) == count
    assert is_alone(x)


def test_our_stream_waits_for_theirs_and_theirs_for_ours(cuda: FakeCuda) -> None:
    x = nd.zeros(3, ctx=mx.gpu())
    other = Other(x.__dlpack__(stream=-1), (2, 0))
    assert "cuStreamWaitEvent" not in cuda.calls  # -1: nobody is to wait
    y = nd.from_dlpack(other)
    device: Any = y._data.device
    assert other.asked["stream"] == device.stream != 0
    with pytest.raises(ValueError, match="was used before"):
        nd.from_dlpack(other)


def test_other_devices_and_copies(cuda: FakeCuda) -> None:
    x = nd.array([1, 2], ctx=mx.gpu())
    for kind, number in ((2, 5), (4, 0), (10, 0)):
        with pytest.raises(
            ContextError,
            match=rf"of type {kind}, which is not among lamina's devices; copy it to the CPU first",
        ):
            nd.from_dlpack(Other(x.__dlpack__(), (kind, number)))
    assert np.from_dlpack(Other(x.__dlpack__(dl_device=(1, 0)), (1, 0))).tolist() == [1, 2]  # type: ignore[arg-type]
    copied = nd.from_dlpack(Other(x.__dlpack__(copy=True), (2, 0)))
    copied[:] = 0
    assert x.tolist() == [1, 2]


def test_the_emulator_is_nobody_elses(emulated: None) -> None:
    with pytest.raises(ContextError, match=r"gpu\(0\) is emulated"):
        nd.zeros(2, ctx=mx.gpu()).__dlpack__()


def test_opencl_gives_buffers_of_its_shared_memory(ctx: mx.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    if ctx is not mx.gpu(2):
        pytest.skip("of OpenCL")
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    x = nd.array(np.arange(6).reshape(2, 3), ctx=ctx)
    assert x[1].__dlpack_device__() == (4, 2)
    y = nd.from_dlpack(x[1])
    assert y.context is ctx
    y += 1
    assert x.tolist() == [[0, 1, 2], [4, 5, 6]]
