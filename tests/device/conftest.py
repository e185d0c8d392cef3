"""Devices for the tests: two emulated ones, and where PoCL is installed, a processor under OpenCL."""

from __future__ import annotations

from collections.abc import Iterator

import gpu_emulator  # noqa: F401 - LAMINA_DEVICE names it
import pytest
from awake_queue import a_queue_that_is_awake  # noqa: F401 - for all tests here

from lamina import nd
from lamina.context import Context, gpu
from lamina.device import opencl
from lamina.errors import LaminaError

__all__ = ["has_opencl"]


def has_opencl() -> bool:
    """Whether OpenCL has a device that lamina can use."""
    try:
        return any(one.reason is None for one in opencl.find())
    except LaminaError:
        return False


needs_opencl = pytest.mark.skipif(
    not has_opencl(),
    reason="NOT TESTED: OpenCL, as no device takes SPIR-V (Debian: pocl-opencl-icd; pip: pyopencl)",
)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """gpu(0) and gpu(1) are emulated, gpu(2) is OpenCL's first device, if it has one."""
    monkeypatch.setenv("LAMINA_DEVICE", "emulator:2,opencl" if has_opencl() else "emulator:2")
    yield
    nd.waitall()


@pytest.fixture
def by_numpy(emulated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `emulated`, but NumPy computes all operators: what is tested is where arrays are."""
    monkeypatch.setenv("LAMINA_COMPILE", "0")


@pytest.fixture(params=["emulator", pytest.param("opencl", marks=needs_opencl)])
def ctx(request: pytest.FixtureRequest, emulated: None) -> Context:
    """An emulated device, and OpenCL's."""
    return gpu(0 if request.param == "emulator" else 2)
