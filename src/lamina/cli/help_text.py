"""The help of a command, from its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["help_text"]


def help_text(command: Callable[..., Any]) -> str:
    """The docstring, each paragraph one line, so that a terminal of any width breaks it; examples stay as they are.

    >>> def dance() -> None:
    ...     '''Dance to
    ...     music.'''
    >>> help_text(dance)
    'Dance to music.'
    """
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(text if text.startswith("\b") else text.replace("\n", " ") for text in paragraphs)
