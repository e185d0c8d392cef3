"""What several tests need to pretend that there are NVIDIA's GPUs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fake_cuda import FakeCuda

from lamina.device import choice, cuda
from lamina.device.cuda import CudaDriver

__all__ = ["fake_cuda_devices"]


def fake_cuda_devices(monkeypatch: pytest.MonkeyPatch, capabilities: Sequence[tuple[int, int]]) -> FakeCuda:
    """The driver behind `gpu(0)`, `gpu(1)` …"""
    fake = FakeCuda(capabilities)
    known = CudaDriver(fake)
    monkeypatch.setattr(cuda, "_driver", lambda: known)
    monkeypatch.setattr(choice, "_searches", {})
    monkeypatch.setattr(choice, "_opened", {})
    monkeypatch.setenv("LAMINA_DEVICE", "cuda")
    return fake
