"""A GPU that is emulated. Each launch runs twice, with threads and blocks in two orders, and must give the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lamina
from lamina.context import device_of


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("LAMINA_DEVICE", "emulator")
    context = lamina.gpu()
    device: Any = device_of(context)
    monkeypatch.setattr(device, "repeats", 2)
    with lamina.eager(), context:
        yield context
