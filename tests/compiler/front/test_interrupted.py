"""What interrupts a function while it is compiled does not get into what is compiled."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from typing import Any

import pytest

import lamina
from lamina import nd
from lamina.compiler.front._capture import Capture, tracing


class _Garbage:
    """Found by the collector alone."""

    def __init__(self, handler: Any) -> None:
        self._self, self._handler = self, handler

    def __del__(self) -> None:
        self._handler()


def test_the_collector_waits_until_a_function_is_captured() -> None:
    counted, x = nd.zeros(1), nd.ones(3)
    seen: list[float] = []

    def count() -> None:
        counted[:] = counted + 1
        seen.append(counted.asscalar())

    @lamina.compile
    def function(x: Any) -> Any:
        for _ in range(200):  # nodes enough for the collector to come
            x = x + 1
        return x

    gc.collect()
    before = gc.get_threshold()
    gc.set_threshold(20)
    _Garbage(count)
    try:
        function(x)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert gc.isenabled()
    assert seen == [1]
    assert function(x).asnumpy().tolist() == [201.0] * 3
    assert counted.asscalar() == 1


def test_the_collector_is_on_after_captures_that_overlap() -> None:
    inside, ended = threading.Event(), threading.Event()

    def other() -> None:
        with tracing(Capture(keep_gradients=False)):
            inside.set()
            ended.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    own = tracing(Capture(keep_gradients=False))
    assert not gc.isenabled()
    ended.set()
    thread.join()
    with own:
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGUSR1 there")
def test_signals_wait_until_a_function_is_compiled() -> None:
    x = nd.ones(3)
    seen: list[list[float]] = []

    @lamina.compile
    def function(x: Any) -> Any:
        y = x + 1
        if not seen:
            signal.raise_signal(signal.SIGUSR1)
        return y * 2

    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append((x + 5).asnumpy().tolist()))
    try:
        assert function(x).asnumpy().tolist() == [4.0] * 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [[6.0] * 3]
