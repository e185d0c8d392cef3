"""A GPU that is emulated. Each launch runs twice, threads and blocks in two orders, and must give the same bits.

With ``LAMINA_TEST_DEVICE=cuda`` or ``opencl`` the same tests run on what there is (`make devices`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gpu_emulator  # noqa: F401 - LAMINA_DEVICE names it
import pytest
from awake_queue import a_queue_that_is_awake  # noqa: F401 - for all tests here

import lamina
from lamina.compiler.gpu import _schedule as schedule
from lamina.compiler.gpu._tiles import Cut, Tile, cut_for
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


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have all products cut in tiles like this one, and their sums in so many parts."""
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")

    def force(tile: Tile, parts: int = 1) -> None:
        def cut(kernel: Any, limits: Any, _precision: Any) -> Cut:
            usual = cut_for(kernel, limits)
            rows, columns = kernel.main.shape[-2:]
            inner = kernel.main.inputs[0].shape[-2 if kernel.main.params["transpose_a"] else -1]
            part = -(-inner // parts // tile.depth) * tile.depth
            down, across = -(-rows // tile.rows), -(-columns // tile.columns)
            tiles = usual.batch * down * across
            division = {"tiles": tiles, "parts": -(-inner // part), "results": tile.size}
            return replace(usual, tile=tile, down=down, across=across, part=part, **division)

        monkeypatch.setattr(schedule, "cut_for", cut)

    return force
