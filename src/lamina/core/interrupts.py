"""Signals while something is computed that must be done as a whole: Ctrl-C and others are heard when it is done."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import signal
import threading
from typing import Any

__all__ = ["interrupts_later"]

_get_handler: Any = _signal.getsignal
_set_handler: Any = _signal.signal
"""Without the conversion of handlers to enumerations and back, which takes several microseconds a step."""

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
        try:
            for number in _SIGNALS:
                handler = _get_handler(number)
                if callable(handler) and not (self._but_ctrl_c and handler is signal.default_int_handler):
                    self._handlers.append((number, handler))
                    _set_handler(number, self._note)
        except BaseException:
            self._restore()
            raise

    def __exit__(self, *_exception: object) -> None:
        handlers = dict(self._handlers)
        self._restore()
        for number, frame in self._noted.items():
            handlers[number](number, frame)

    def _restore(self) -> None:
        raised = None
        while True:
            try:
                while self._handlers:  # inside `try`: Python looks for signals as a loop begins anew, too
                    _set_handler(*self._handlers[-1])
                    self._handlers.pop()
                break
            except BaseException as error:  # of a handler that is back in its place already
                raised = error
        if raised is not None:
            raise raised

    def _note(self, number: int, frame: Any) -> None:
        self._noted[number] = frame
