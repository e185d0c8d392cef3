"""Errors of a user's function, shown at the user's lines."""

from __future__ import annotations

from types import TracebackType

from lamina.compiler.front._debug import level
from lamina.errors import LaminaError

__all__ = ["at_users_lines"]


def at_users_lines(error: BaseException) -> TracebackType | None:
    """The part of an error's traceback that its reader can do something about.

    The frames that lead from the call of a compiled function to the function itself are left out; so are those behind
    the user's last line where lamina raised the error on purpose. ``LAMINA_DEBUG=1`` leaves all of them in, and so does
    an error that no line of the user's had part in.
    """
    frames: list[TracebackType] = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    users = [place for place, frame in enumerate(frames) if not _is_laminas(frame)]
    if not users or level() >= 1:
        return error.__traceback__
    end = users[-1] + 1 if isinstance(error, LaminaError) else len(frames)
    shown = None
    for frame in reversed(frames[users[0] : end]):
        shown = TracebackType(shown, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shown


def _is_laminas(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "lamina"
