"""Signals while something is computed that must be done as a whole: Ctrl-C and others are heard when it is done."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import signal
import threading
from collections import deque
from itertools import repeat, starmap
from typing import Any

__all__ = ["interrupts_later"]

_get_handler: Any = _signal.getsignal
_set_handler: Any = _signal.signal
"""Without the conversion of handlers to enumerations and back, which takes several microseconds a step."""

_exhaust = deque[Any](maxlen=0).extend
"""Takes all that an iterator gives, and no step of the interpreter between."""

_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
)
"""Those that programs have handled by functions, which may raise anything or look at arrays."""


class interrupts_later:  # noqa: N801 - used as `with interrupts_later():`
    """Inside, signals are only noted; they take effect at the end. `but_ctrl_c`: it raises at once, as usual."""

    def __init__(self, *, but_ctrl_c: bool = False) -> None:
        self._but_ctrl_c = but_ctrl_c
        self._handlers: list[tuple[int, Any]] = []
        self._noted: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._handlers = [
            (number, handler)
            for number in _SIGNALS
            if callable(handler := _get_handler(number))
            and not (self._but_ctrl_c and handler is signal.default_int_handler)
        ]
        try:
            _exhaust(map(_set_handler, dict(self._handlers), repeat(self._note)))
        except BaseException:  # of a handler that is not replaced yet
            self._restore()
            raise

    def __exit__(self, *_exception: object) -> None:
        self._restore()
        handlers = dict(self._handlers)
        for number, frame in self._noted.items():
            handlers[number](number, frame)

    def _restore(self) -> None:
        """Put all handlers back, also if two of those that are back raise meanwhile.

        Each time in one call: Python looks for signals as a loop begins anew, too, in 3.13 outside of any `try`.
        """
        try:
            _exhaust(starmap(_set_handler, self._handlers))
        except BaseException:
            try:
                _exhaust(starmap(_set_handler, self._handlers))
            finally:
                _exhaust(starmap(_set_handler, self._handlers))
            raise

    def _note(self, number: int, frame: Any) -> None:
        self._noted[number] = frame
