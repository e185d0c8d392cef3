"""`interrupts_later` puts handlers back whatever moment a signal comes at."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lamina.core import interrupts
from lamina.core.interrupts import interrupts_later

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGUSR1 there")

_NUMBERS = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class _HandlerError(Exception):
    """By a handler of signals."""


@pytest.fixture
def handlers() -> Iterator[list[Any]]:
    def handle(*_: Any) -> None:
        raise _HandlerError

    before = [signal.signal(number, handle) for number in _NUMBERS]
    yield [handle] * len(_NUMBERS)
    for number, handler in zip(_NUMBERS, before, strict=True):
        signal.signal(number, handler)


def _inside() -> bool:
    """Whether a whole block ended without an exception of a handler."""
    try:
        with interrupts_later():
            pass
    except _HandlerError:
        return False
    return True


def _put_back(handlers: list[Any]) -> bool:
    found = [signal.getsignal(number) for number in _NUMBERS]
    for number, handler in zip(_NUMBERS, handlers, strict=True):
        signal.signal(number, handler)
    return found == handlers


@pytest.mark.parametrize("number", _NUMBERS)
def test_a_signal_before_any_step_of_the_interpreter(handlers: list[Any], number: signal.Signals) -> None:
    """What loops and calls of this module do when a signal raises there, also in versions to come."""
    steps = itertools.count()

    def at(step: int) -> Callable[..., Any]:
        def trace(frame: Any, event: str, _argument: Any) -> Any:
            if frame.f_code.co_filename != interrupts.__file__:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode" and next(steps) == step:
                signal.raise_signal(number)
            return trace

        return trace

    def ends(step: int) -> bool:
        before = sys.gettrace()
        sys.settrace(at(step))
        try:
            return _inside()
        finally:
            sys.settrace(before)

    assert ends(-1)  # Python 3.12 traces steps from the second time on
    step = 0
    while True:
        steps = itertools.count()
        ended = ends(step)
        assert _put_back(handlers), step
        if next(steps) <= step:
            break
        assert not ended, step
        step += 1
    assert step > 50


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(_NUMBERS, 2)))
def test_two_signals_while_handlers_are_set(
    handlers: list[Any], first: signal.Signals, second: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python looks for signals as it sets a handler, which then is not set."""
    set_handler = interrupts._set_handler

    def inside(*moments: int) -> int:
        calls, numbers = itertools.count(), iter((first, second))

        def set_later(number: int, handler: Any) -> None:
            if next(calls) in moments:
                signal.raise_signal(next(numbers))
            set_handler(number, handler)

        monkeypatch.setattr(interrupts, "_set_handler", set_later)
        _inside()
        return next(calls)

    whole = inside()
    assert whole >= 2 * len(_NUMBERS)
    for moments in itertools.combinations(range(2 * whole), 2):
        inside(*moments)
        assert _put_back(handlers), moments
