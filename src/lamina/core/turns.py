"""Changes that are atomic under interrupts: made completely or not at all.

Between any two bytecodes Python may run something else on the same thread: a signal's handler, ``__del__`` of what the
collector found, a weak reference's callback, a debugger's function. A lock does not exclude it, since the thread
holds it already; it must be able to complete or redo half-done work, and the interrupted code must notice.

So a visible change is first prepared as a list of calls of C functions. A single bytecode executes all of them
(`make`). Until then another caller can take the turn; then nothing is executed, and the first caller starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import call, setitem
from typing import Any

Change = Callable[[], Any]
"""A call of a C function, usually `setting` or `putting`. It must not run Python code."""


setting: Callable[[object, str, object], Change] = partial(partial, setattr)
"""``setting(owner, name, value)``: ``owner.name = value``, without running Python code."""
putting: Callable[[Any, Any, object], Change] = partial(partial, setitem)
"""``putting(items, key, value)``: ``items[key] = value``."""


def make(changes: Iterator[Change]) -> list[Any]:
    """Execute changes, and return the calls' results; nothing if another caller took the turn."""
    return list(map(call, changes))


class Turn:
    """The right to make changes: it belongs to the latest caller that took it, until closed."""

    __slots__ = ("_changes", "is_closed")

    def __init__(self) -> None:
        self._changes: Iterator[Change] = iter(())
        self.is_closed = False

    def take(self, changes: Iterable[Change]) -> Iterator[Change]:
        """An iterator for `make`. Changes by the previous holder of the turn will not be made.

        A list can be filled afterwards: facts read after `take` still hold when the changes are made.
        """
        list(self._changes)
        self._changes = own = iter(changes)
        if self.is_closed:
            list(own)
        return own

    def close(self) -> None:
        """Revoke the turn: no further changes are made."""
        self.is_closed = True
        list(self._changes)
