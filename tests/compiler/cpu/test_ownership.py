"""Arrays that a compiled step writes are moved to where cache lines begin, if nobody can tell."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.core import ownership
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


@pytest.mark.parametrize("call", range(6))
def test_a_collection_at_any_call_leaves_the_count_of_references_right(
    monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """From Python 3.12 on the collector runs between calls: a step that it ends may be bound to the same buffer."""
    counts: dict[int, list[None]] = {}
    monkeypatch.setattr(ownership, "_bound", counts)
    buffer = np.zeros(3)
    ended: list[Any] = [None]
    bound: list[Any] = [None]
    calls = itertools.count()

    def collect(_frame: Any, event: str, _argument: Any) -> None:
        if event == "c_return" and next(calls) == call:
            ownership.release_buffers(ended)

    ownership.bind_buffer(ended, 0, buffer)
    sys.setprofile(collect)
    try:
        ownership.bind_buffer(bound, 0, buffer)
    finally:
        sys.setprofile(None)
    ownership.release_buffers(ended)  # if there were fewer calls
    assert counts == {id(buffer): [None]} and bound[0] is buffer
    ownership.release_buffers(bound)
    assert not counts


def test_a_buffer_is_bound_in_place_of_another_and_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: dict[int, list[None]] = {}
    monkeypatch.setattr(ownership, "_bound", counts)
    one, other = np.zeros(3), np.zeros(3)
    bound: list[Any] = [None, one]
    counts[id(one)] = [None]
    for buffer in (one, one, other):
        ownership.bind_buffer(bound, 0, buffer)
    assert counts == {id(one): [None], id(other): [None]}
