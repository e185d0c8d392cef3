"""Names of blocks, with a number for each class and, inside ``with block.name_scope():``, the parent's prefix."""

from __future__ import annotations

import threading
from collections import Counter

from lamina.gluon.name import NameManager
from lamina.gluon.parameter_dict import ParameterDict


class _Current(threading.local):
    """The open scopes of this thread, the innermost last.

    Outside any scope (None), `NameManager` names new blocks.
    """

    def __init__(self) -> None:
        self.scopes: list[NameScope | None] = [None]


_current = _Current()


class NameScope:
    """The context ``with block.name_scope():``, in which names of new blocks begin with the prefix of `block`.

    Blocks are numbered separately in each scope. `prefix` and `params` are the block's attributes. If the block has the
    prefix "", its scope is `transparent`: it does not affect names.
    """

    def __init__(self, prefix: str, params: ParameterDict, transparent: bool) -> None:
        self.prefix, self.params = prefix, params
        self.counts: Counter[str] = Counter()
        self._transparent = transparent

    def __enter__(self) -> NameScope:
        scopes = _current.scopes
        scopes.append(scopes[-1] if self._transparent else self)
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.scopes.pop()


def new_prefix(prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, ParameterDict]:
    """The full prefix of a new block, and the dictionary for its parameters.

    Args:
        prefix: the block's prefix; None numbers the hint: ``dense0_``, ``dense1_`` …
        params: a dictionary to share parameters with; its prefix is then the prefix of the parameters' names.
        hint: the base name of numbered blocks, such as ``dense``.
    """
    scope = _current.scopes[-1]
    if prefix is None:
        name = (
            NameManager.current.get(None, hint)
            if scope is None
            else NameManager._numbered(hint, scope.counts)
        )
        prefix = name + "_"
    if params is not None:
        own = ParameterDict(params.prefix, params)
    elif scope is None:
        own = ParameterDict(prefix)
    else:
        own = ParameterDict(scope.params.prefix + prefix, scope.params._shared)
    return (prefix if scope is None else scope.prefix + prefix), own
