"""Names of nodes, with the creating block's prefix, the operator's name and a number.

Outside blocks, `mx.name` chooses the names.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from lamina.gluon.name import NameManager


class _Current(threading.local):
    def __init__(self) -> None:
        self.prefix = ""
        self.own: str | None = None
        self.counts: Counter[str] = Counter()
        self.taken: set[str] | None = None


_current = _Current()


@contextmanager
def uncounted() -> Generator[None]:
    """A context with new counters, in which node names are unique."""
    before = _current.counts, _current.taken
    _current.counts, _current.taken = Counter(), set()
    try:
        yield
    finally:
        _current.counts, _current.taken = before


@contextmanager
def prefixed(prefix: str, own: str | None = None) -> Generator[None]:
    """A context in which names begin with `prefix`, and the first node is called ``prefix + own``."""
    before = _current.prefix, _current.own
    _current.prefix, _current.own = prefix, own
    try:
        yield
    finally:
        _current.prefix, _current.own = before


def new_name(given: str | None, hint: str) -> str:
    """The name of a new node, which is `given` or by default `hint` with a number.

    Inside `prefixed` the name begins with its prefix.
    """
    own, _current.own = _current.own, None
    taken = _current.taken
    if not _current.prefix and own is None and taken is None:
        return NameManager.current.get(given, hint)
    name = _current.prefix + (given or own or _counted(hint))
    if taken is not None:
        stem, number = name, 1
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
    return name


def _counted(hint: str) -> str:
    key = _current.prefix + hint
    _current.counts[key] += 1
    return f"{hint}{_current.counts[key] - 1}"
