"""Names of nodes, with the creating block's prefix, the operator's name and a number.

Outside blocks, `mx.name` chooses the names.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import AbstractContextManager

from lamina.gluon.name import NameManager
from lamina.support.contexts import changed


class _Current(threading.local):
    def __init__(self) -> None:
        self.prefix = ""
        self.own: str | None = None
        self.counts: Counter[str] = Counter()
        self.taken: set[str] | None = None


_current = _Current()


def uncounted() -> AbstractContextManager[None]:
    """A context with new counters, in which node names are unique."""
    return changed(_current, counts=Counter(), taken=set())


def prefixed(prefix: str, own: str | None = None) -> AbstractContextManager[None]:
    """A context in which names begin with `prefix`, and the first node is called ``prefix + own``."""
    return changed(_current, prefix=prefix, own=own)


def in_block() -> bool:
    """Whether the nodes that are made now describe a block."""
    return bool(_current.prefix) or _current.taken is not None


def new_name(given: str | None, hint: str) -> str:
    """The name of a new node, which is `given` or by default `hint` with a number.

    Inside `prefixed` the name begins with its prefix.
    """
    own, _current.own = _current.own, None
    taken = _current.taken
    if own is None and not in_block():
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
