"""The description of the processor, and the tiles chosen for processors that aren't this one."""

from __future__ import annotations

import dataclasses

import pytest

from lamina.compiler.cpu._roofline import peak_flops
from lamina.compiler.cpu._tiles import choose_tile, vector_widths
from lamina.compiler.cpu.machine import Machine, host_machine
from lamina.compiler.llvm import FLOAT32, FLOAT64

AVX512 = Machine("x86_64", "znver4", "", 512, 32, 32 << 10, 1 << 20, 32 << 20)
AVX2 = dataclasses.replace(AVX512, cpu="znver3", vector_bits=256, vector_registers=16, l2_bytes=512 << 10)
NEON = Machine("aarch64", "neoverse-n1", "", 128, 32, 64 << 10, 1 << 20, 32 << 20)
SSE = dataclasses.replace(AVX2, cpu="nehalem", vector_bits=128)
MACHINES = {"avx512": AVX512, "avx2": AVX2, "neon": NEON, "sse": SSE}


def test_the_host_is_described():
    host = host_machine()
    assert host.vector_bits in (128, 256, 512)
    assert host.lanes(FLOAT32) == 2 * host.lanes(FLOAT64) == host.vector_bits // 32
    assert host.l1_bytes <= host.l2_bytes


def test_the_peak_is_measured():
    peak = peak_flops(FLOAT32)
    assert 1e9 < peak < 1e12
    assert peak_flops(FLOAT64) < peak


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("shape", [(64, 256), (784, 256), (1, 1000), (64, 10), (3, 7), (512, 2048), (1, 1)])
def test_tiles_fit_the_registers(name, shape):
    described = MACHINES[name]
    for dtype in (FLOAT32, FLOAT64):
        tile = choose_tile(described, dtype, *shape)
        of_b = tile.vectors if tile.rows > 1 else 0  # a single row takes them from memory
        assert tile.rows * tile.vectors + of_b + 1 <= described.vector_registers
        assert tile.rows <= shape[0]


def test_large_products_get_large_tiles():
    assert choose_tile(AVX512, FLOAT32, 135, 3).rows == 15  # as fast as 16, and nothing is left over
    assert choose_tile(AVX512, FLOAT32, 64, 256) == choose_tile(AVX512, FLOAT32, 784, 256)
    tile = choose_tile(AVX512, FLOAT32, 64, 256)
    assert (tile.rows, tile.vectors) == (8, 2)
    tile = choose_tile(AVX2, FLOAT32, 66, 256)
    assert (tile.rows, tile.vectors) == (6, 2)
    tile = choose_tile(NEON, FLOAT32, 64, 256)
    assert (tile.rows, tile.vectors) == (8, 2)
    tile = choose_tile(SSE, FLOAT32, 64, 256)  # a register for each product, before it is added
    assert (tile.rows, tile.vectors) == (4, 2)


@pytest.mark.parametrize("rows", [142, 285, 370, 373, 1021])
@pytest.mark.parametrize("columns", [128, 256, 373])
def test_the_best_tile_does_not_hang_on_a_remainder(rows, columns):
    # Tiles of 2 rows by 8 vectors took a cycle in 6,000 less by the model, and 1.3 to 2 times as long.
    tile = choose_tile(AVX512, FLOAT32, rows, columns)
    assert tile.vectors == 2 and tile.rows >= 6


def test_widths_cover_the_columns():
    assert vector_widths(10, 8) == (8, 2)
    assert vector_widths(16, 8) == (8, 8)
    assert vector_widths(3, 8) == (3,)
