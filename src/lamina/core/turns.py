"""Changes that are atomic under interrupts: made as a whole or not at all.

Between any two bytecodes Python may run something else on the same thread: a signal's handler, ``__del__`` of what the
collector found, a weak reference's callback, the function of a debugger. A lock does not keep it out, since the thread
holds it already; what it finds half done, it must be able to end or to do itself, and who was interrupted must notice.

So a change that others can see is prepared aside, as a list of calls of C functions. One bytecode makes all of them
(`make`). Until then another caller can take the turn: then nothing is made, and the first caller prepares anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import call, setitem
from typing import Any

__all__ = ["Change", "Turn", "make", "putting", "setting"]

Change = Callable[[], Any]
"""A call of a C function; `setting` and `putting` are the usual ones. It must run no Python code."""


setting: Callable[[object, str, object], Change] = partial(partial, setattr)
"""``setting(owner, name, value)``: ``owner.name = value``, where no Python code gets to know of it."""
putting: Callable[[Any, Any, object], Change] = partial(partial, setitem)
"""``putting(items, key, value)``: ``items[key] = value``."""


def make(changes: Iterator[Change]) -> list[Any]:
    """Make changes, and return what the calls return: nothing if another caller took the turn."""
    return list(map(call, changes))


class Turn:
    """The right to change something: the latest caller that took it has it, until it is closed."""

    __slots__ = ("_changes", "is_closed")

    def __init__(self) -> None:
        self._changes: Iterator[Change] = iter(())
        self.is_closed = False

    def take(self, changes: Iterable[Change]) -> Iterator[Change]:
        """An iterator to `make`. The changes of the caller that had the turn before will not be made.

        A list can be filled afterwards: facts read after `take` still hold if the changes are made.
        """
        list(self._changes)
        self._changes = own = iter(changes)
        if self.is_closed:
            list(own)
        return own

    def close(self) -> None:
        """Make no change from now on."""
        self.is_closed = True
        list(self._changes)
