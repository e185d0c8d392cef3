"""Ctrl-C and other signals at any moment: what was done stays, and arrays can be read."""

from __future__ import annotations

import itertools
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from both_modes import deferring

from lamina import autograd, nd
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.state import state

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs setitimer"),
    # A signal may come while another library's callback runs, which then can't raise.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

INTERRUPTS = 150


class _Interrupts:
    """Raises an exception some time after each `arm`, from a signal's handler."""

    def __init__(self, number: int) -> None:
        self._number, self._random, self._is_armed = number, random.Random(number), False
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
        self.handler = self._handle
        signal.signal(number, self.handler)

    def __call__(self, program: Callable[[], None]) -> bool:
        """Run a program until it is interrupted; whether it was."""
        delay = self._random.choice([1e-4, 1e-3, 1e-2]) * self._random.random() + 1e-6
        try:
            self._is_armed = True
            signal.setitimer(signal.ITIMER_REAL, delay)
            program()
            self._is_armed = False
        except KeyboardInterrupt:
            return True
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return False

    def _handle(self, *_: Any) -> None:
        if self._is_armed:
            self._is_armed = False
            raise KeyboardInterrupt


@pytest.fixture(params=["SIGINT", "SIGUSR1"])
def interrupted(request: pytest.FixtureRequest) -> Any:
    numbers = [signal.SIGALRM, getattr(signal, request.param)]
    before = [signal.getsignal(number) for number in numbers]
    kept = flush_denormals()
    restore_denormals(kept)
    yield _Interrupts(numbers[1])
    restore_denormals(
        kept
    )  # which an interrupt at the end of a `with` statement may leave as they are inside
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_an_interrupted_loop_did_whole_steps(interrupted: _Interrupts) -> None:
    w, steps, x = nd.zeros((20, 20)), nd.zeros((20, 20)), nd.ones((20, 20))
    w.attach_grad()
    losses: list[Any] = []

    def train() -> None:
        for i in range(60):
            with autograd.record():
                loss = nd.sum(w * x)
            loss.backward()
            w[:] = w + w.grad
            steps[:] = steps + 1
            losses[:] = [loss]
            if i % 3 == 0:
                loss.asscalar()
            if i % 7 == 0:
                ((w * i + 1) - x).asnumpy()

    with deferring() as compiled:
        hits = 0
        for _ in range(INTERRUPTS):
            hits += interrupted(train)
            state.recording = state.training = (
                False  # which an interrupt inside a `with` statement may leave on
            )
            done, counted = w.asnumpy(), steps.asnumpy()
            assert done.min() == done.max()
            assert counted.min() == counted.max()
            assert done[0, 0] - counted[0, 0] in (0, 1)
            for loss in losses:
                loss.asscalar()
            steps[:] = w
        assert state.queue is not None
        assert signal.getsignal(signal.SIGINT) in (signal.default_int_handler, interrupted.handler)
        assert hits > INTERRUPTS // 3
        assert compiled


def test_an_interrupt_as_any_call_begins_leaves_deferral_on() -> None:
    """Python looks for signals where a function begins; one that raises as ``__exit__`` begins undoes nothing."""
    w, x = nd.zeros((5,)), nd.ones((5,))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def step(i: int) -> None:
        w[:] = w + x
        ((w * i + 1) - x).asnumpy()
        if i % 5 == 4:
            (w - x).asnumpy()

    def interrupted_at(call: int) -> bool:
        calls = itertools.count()

        def began(_frame: Any, event: str, _argument: Any) -> None:
            if event == "call" and next(calls) == call:
                signal.raise_signal(signal.SIGINT)

        sys.setprofile(began)
        try:
            for i in range(10):
                step(i)
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(None)
        return next(calls) > call

    try:
        with deferring() as compiled:
            queue = state.queue
            for _ in range(4):
                interrupted_at(-1)
            call = 0
            while interrupted_at(call):
                assert state.queue is queue, call
                call += 1
            assert call > 100
            assert compiled
    finally:
        signal.signal(signal.SIGINT, before)
