"""Deferred signals: Ctrl-C and others take effect after a computation that must be completed."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import signal
import threading
from collections import deque
from itertools import repeat, starmap
from typing import Any

_get_handler: Any = _signal.getsignal
_set_handler: Any = _signal.signal
"""The C functions, which avoid converting handlers to enumerations: several microseconds per step."""

_exhaust = deque[Any](maxlen=0).extend
"""Consumes an iterator without a bytecode in between."""

_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
)
"""Signals with Python handlers, which may raise or read arrays."""


class interrupts_later:  # noqa: N801 - used as `with interrupts_later():`
    """A context in which signals are only noted, and take effect at its end. `but_ctrl_c`: Ctrl-C raises at once."""

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
        except BaseException:  # raised by a handler that is not replaced yet
            self._restore()
            raise

    def __exit__(self, *_exception: object) -> None:
        self._restore()
        handlers = dict(self._handlers)
        for number, frame in self._noted.items():
            handlers[number](number, frame)

    def _restore(self) -> None:
        """Restore all handlers, even if two of the restored ones raise meanwhile.

        Each in a single call, since Python checks for signals at each loop iteration too, in 3.13 outside any `try`.
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
