"""A GPU that is emulated. Each launch runs twice, threads and blocks in two orders, and must give the same bits.

With ``LAMINA_TEST_DEVICE=cuda`` or ``opencl`` the same tests run on what there is (`make devices`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

import lamina
from lamina.context import device_of

_KIND = os.environ.get("LAMINA_TEST_DEVICE", "emulator")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The context."""
    monkeypatch.setenv("LAMINA_DEVICE", _KIND)
    context = lamina.gpu()
    device: Any = device_of(context)
    if device.kind == "emulator":
        monkeypatch.setattr(device, "repeats", 2)
    with lamina.eager(), context:
        yield context


@pytest.fixture
def emulator(gpu: Any) -> Any:
    """The emulator, for what only it can tell."""
    device: Any = device_of(gpu)
    if device.kind != "emulator":
        pytest.skip(f"the device is not emulated, but {device.name}")
    return device
