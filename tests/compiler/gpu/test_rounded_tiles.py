"""Where rounded operands lie in shared memory: each word once, and never two lanes at one bank."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gpu_emulator.device import Emulator
from gpu_emulator.host import Host

from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule
from lamina.compiler.gpu._loops import THREADS
from lamina.compiler.gpu._multiply import RoundedTiles
from lamina.compiler.gpu._tiles import TENSOR
from lamina.compiler.llvm import FLOAT32, INDEX
from lamina.device.interface import DeviceArray, Launch

BANKS, WORD, AT_ONCE = 32, 4, 128  # bytes of which shared memory reads or writes at a time


def places(
    precision: Any, *, is_left: bool, sums_last: bool, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[np.ndarray], int]:
    """The words that each thread stores, for each of its stores; and how many words a tile has."""
    module, widths = DeviceModule(Host()), list[int]()
    tile = TENSOR[precision]
    with module.kernel("one", 1, [], Bounds(THREADS)) as b:
        scope = SimpleNamespace(b=b, thread=b.thread())
        width = tile.rows if is_left else tile.columns
        operand: Any = SimpleNamespace(
            part=SimpleNamespace(scope=scope, tile=tile), width=width, size=width * tile.depth,
            is_left=is_left, sums_last=sums_last, in_memory=lambda: None, node=SimpleNamespace(shape=(4, 4)),
        )  # fmt: skip
        tiles = RoundedTiles(operand)
        found = b.pointer_argument("p0")

        def store(_: Any, room: Any, values: Any, index: Any) -> None:
            b.store(found, b.cast(index, INDEX), b.add(b.thread(), len(widths) * THREADS))
            widths.append(len(values))

        monkeypatch.setattr(DeviceBuilder, "store_vector", store)
        tiles.put([b.const(0.0, FLOAT32)] * tiles.count, found)
    device = Emulator()
    kernel = device.load(module.dialect.translate(module.ir(), module.kernels)).kernel("one")
    array = DeviceArray.of(device, np.zeros((len(widths), THREADS), np.int64))  # pyright: ignore
    device.launch([Launch(kernel, (1, 1, 1), (THREADS, 1, 1), (array.region,))])
    stores = [row[:, None] + np.arange(n) for row, n in zip(np.asarray(array), widths, strict=True)]
    return stores, tiles.words


@pytest.mark.parametrize("precision", TENSOR)
@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.parametrize("sums_last", [False, True])
def test_stores(precision: Any, is_left: bool, sums_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, words = places(precision, is_left=is_left, sums_last=sums_last, monkeypatch=monkeypatch)
    everything = np.concatenate([x.reshape(-1) for x in stores])
    np.testing.assert_array_equal(np.sort(everything), np.arange(words))
    for store in stores:
        width = store.shape[1]
        assert (store[:, 0] % width == 0).all()
        for lanes in store.reshape(-1, AT_ONCE // (WORD * width), width):
            assert len(np.unique(lanes % BANKS)) == BANKS
