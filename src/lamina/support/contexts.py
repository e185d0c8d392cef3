"""Contexts in which attributes, environment variables or handlers of signals are others."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def changed(owner: object, **attributes: Any) -> Generator[None]:
    """A context in which these attributes of `owner` have these values.

    >>> from types import SimpleNamespace
    >>> owner = SimpleNamespace(size=1)
    >>> with changed(owner, size=2):
    ...     owner.size
    2
    >>> owner.size
    1
    """
    before = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Generator[None]:
    """A context in which environment variables have these values; None removes a variable."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        set_variables(variables)
        yield
    finally:
        set_variables(before)


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Set environment variables, or remove those whose value is None."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def signals_handled(handler: Any, *numbers: int) -> Generator[None]:
    """A context in which `handler` handles signals; without effect outside the main thread, which alone may set it."""
    may_set = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers if may_set}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
