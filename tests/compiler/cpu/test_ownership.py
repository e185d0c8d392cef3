"""Arrays that a compiled step writes are moved to where cache lines begin, if nobody can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.core.memory import is_misplaced


def misplaced(shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    """An array that owns its memory and begins inside a cache line."""
    for _ in range(100):
        array = np.ones(shape, np.float32)
        if is_misplaced(array):
            return array
        kept.append(array)
    raise AssertionError("all of NumPy's arrays begin at a cache line")


kept: list[np.ndarray] = []


def parameter() -> Any:
    array = nd.ones((64, 64))
    array._data = misplaced()
    return array


def test_a_written_array_is_moved():
    W = parameter()

    @lamina.compile
    def step() -> None:
        W[:] = W + 1

    for expected in (2, 3, 4):
        step()
        assert not is_misplaced(W._data)
        assert (W.asnumpy() == expected).all()


def test_two_steps_write_the_same_array():
    W = parameter()
    add = lamina.compile(lambda: W.__setitem__(slice(None), W + 1))
    double = lamina.compile(lambda: W.__setitem__(slice(None), W * 2))
    for _ in range(3):
        add()
        double()
    assert (W.asnumpy() == ((1 + 1) * 2 + 1) * 2 * 2 + 2).all()


def test_an_array_that_somebody_sees_stays():
    W = parameter()
    seen = W._data

    @lamina.compile
    def step() -> None:
        W[:] = W + 1

    step()
    assert W._data is seen
    assert (seen == 2).all()


def test_views_still_share_the_memory():
    W = parameter()
    row = W[3]

    @lamina.compile
    def step() -> None:
        W[:] = W + 1

    step()
    assert (row.asnumpy() == 2).all()
    row[:] = 7
    step()
    assert (W.asnumpy()[3] == 8).all()
    assert (W.asnumpy()[4] == 3).all()


def test_arrays_that_are_only_read_stay():
    X = parameter()
    place = X._data.ctypes.data
    assert lamina.compile(lambda: nd.sum(X))().asscalar() == 64 * 64
    assert X._data.ctypes.data == place


def test_written_arguments_are_moved():
    W = parameter()

    @lamina.compile
    def step(W: Any) -> None:
        W[:] = W + 1

    step(W)
    assert not is_misplaced(W._data)
    assert (W.asnumpy() == 2).all()


def test_large_results_begin_at_a_line():
    x = parameter()
    double = lamina.compile(lambda x: x * 2)
    assert all(not is_misplaced(double(x)._data) for _ in range(5))


@pytest.mark.parametrize("kind", ["bytearray", "file"])
def test_memory_that_is_not_numpys_stays(kind: str, tmp_path: Path) -> None:
    if kind == "file":
        path = tmp_path / "numbers"
        np.zeros(5000, np.float32).tofile(path)
        memory = np.memmap(path, np.float32, "r+")
    else:
        memory = np.frombuffer(bytearray(20_000), np.float32)
    start = next(i for i in range(16) if is_misplaced(memory[i : i + 4096]))
    W = nd.from_numpy(memory[start : start + 4096].reshape(64, 64))
    del memory
    place = W._data.ctypes.data

    @lamina.compile
    def step() -> None:
        W[:] = W + 1

    step()
    assert W._data.ctypes.data == place
    assert (W.asnumpy() == 1).all()
