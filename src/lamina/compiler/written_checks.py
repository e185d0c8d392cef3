"""Checks at every call of a compiled function, generated as Python code.

A loop over a list of checks takes longer than the checks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Names:
    """The objects that generated code refers to, by name."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def of(self, value: Any) -> str:
        """The name that generated code uses for an object."""
        name = self._names.setdefault(id(value), f"object{len(self._names)}")
        self.objects[name] = value
        return name


def function_of(head: str, body: Sequence[str], names: Names) -> Callable[..., Any]:
    """The generated function ``def head:`` with these lines as its body, which can use the objects in `names`."""
    source = "\n".join([f"def {head}:", *(f"    {line}" for line in body)])
    exec(compile(source, "<written by lamina.compile>", "exec"), names.objects)
    # Its globals must not hold the function, or both would stay in memory until the garbage collector comes.
    return names.objects.pop(head.partition("(")[0])
