"""Generation of Python functions that check the arguments at every call of a compiled function.

A loop over a list of checks would take longer than the checks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Names:
    """The names of the objects to which generated code refers."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def of(self, value: Any) -> str:
        """The name of an object in the generated code."""
        name = self._names.setdefault(id(value), f"object{len(self._names)}")
        self.objects[name] = value
        return name


def function_of(head: str, body: Sequence[str], names: Names) -> Callable[..., Any]:
    """Compile the Python function ``def head:`` with these body lines, which may use the objects in `names`."""
    source = "\n".join([f"def {head}:", *(f"    {line}" for line in body)])
    exec(compile(source, "<written by lamina.compile>", "exec"), names.objects)
    # Its globals must not hold the function, or both would stay in memory until the garbage collector comes.
    return names.objects.pop(head.partition("(")[0])
