"""Shortened tracebacks that end at the user's line of code, for errors that lamina raises deliberately.

`lamina.compile` shortens the tracebacks of errors that it passes on. Other tracebacks are shortened only when Python, a
thread or a notebook prints an uncaught error. Operators thus have no overhead: a wrapper around each would cost as much
as deferring the operator.
"""

from __future__ import annotations

import sys
import threading
from opcode import opmap
from types import TracebackType
from typing import Any

from lamina.errors import LaminaError
from lamina.support.messages import debug_level, shows_whole_tracebacks

_RAISE = opmap["RAISE_VARARGS"]


def at_users_lines(error: BaseException, traceback: TracebackType | None = None) -> TracebackType | None:
    """The error's traceback, or its part `traceback`, without the frames of lamina.

    For an error that was not raised deliberately, only lamina's frames before the user's first frame are omitted. The
    whole traceback is returned in three cases: it has no frame of the user's, lamina runs as a command, or
    ``LAMINA_DEBUG`` contains ``traceback`` or a positive number.
    """
    whole = traceback or error.__traceback__
    frames = _frames(whole)
    users = _users(frames)
    if not users or shows_whole_tracebacks() or debug_level() >= 1 or any(map(_is_command_line, frames)):
        return whole
    is_at_user = users[-1] is frames[-1] or isinstance(error, LaminaError | OSError) or _is_raised(frames[-1])
    shown = None
    for frame in reversed(users if is_at_user else frames[frames.index(users[0]) :]):
        shown = TracebackType(shown, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shown


def _frames(traceback: TracebackType | None) -> list[TracebackType]:
    frames: list[TracebackType] = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames


def _users(frames: list[TracebackType]) -> list[TracebackType]:
    """The frames outside lamina, except frames of NumPy and the standard library that lamina called."""
    users: list[TracebackType] = []
    is_users = True
    for frame in frames:
        package = _module(frame).partition(".")[0]
        is_users = package != "lamina" and (is_users or package not in {"numpy", *sys.stdlib_module_names})
        if is_users:
            users.append(frame)
    return users


def _module(frame: TracebackType) -> str:
    return str(frame.tb_frame.f_globals.get("__name__", ""))


def _is_command_line(frame: TracebackType) -> bool:
    return _module(frame).startswith("lamina.cli.")


def _is_raised(last: TracebackType) -> bool:
    """Whether the traceback's last frame is in lamina, at a raise statement."""
    is_laminas = _module(last).partition(".")[0] == "lamina"
    return is_laminas and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def show_at_users_lines() -> None:
    """Shorten the tracebacks of uncaught errors in Python, threads and notebooks, from now on."""
    hook, thread_hook = sys.excepthook, threading.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        hook(kind, error, _shortened(error, traceback))

    def thread_excepthook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None:
            thread_hook(arguments)
            return
        shown = _shortened(arguments.exc_value, arguments.exc_traceback)
        given = (arguments.exc_type, arguments.exc_value, shown, arguments.thread)
        thread_hook(threading.ExceptHookArgs(given))

    sys.excepthook, threading.excepthook = excepthook, thread_excepthook
    shell = _notebook()
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((Exception,), _show_in_notebook)


def _notebook() -> Any:
    """The IPython shell, or None outside IPython."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _show_in_notebook(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType,
    tb_offset: Any = None,
) -> None:
    shown = _shortened(error, traceback)
    shell.showtraceback((kind, error, shown), tb_offset=tb_offset, running_compiled_code=True)


def _shortened(error: BaseException, traceback: TracebackType | None) -> TracebackType | None:
    """The traceback to print for an error; if shortened, internal causes are removed from the error, too."""
    shown = at_users_lines(error, traceback)
    if shown is not traceback:
        error.__traceback__ = shown
        _forget_inner_errors(error)
    return shown


def _forget_inner_errors(error: BaseException) -> None:
    """Remove errors that lamina caught internally from an error's chain of causes."""
    if error.__suppress_context__ and error.__cause__ is None:
        return
    before = error.__cause__ or error.__context__
    while before is not None and not _users(_frames(before.__traceback__)):
        before = before.__cause__ or before.__context__
        error.__cause__, error.__context__, error.__suppress_context__ = None, before, False
