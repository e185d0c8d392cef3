"""What griffe is told of docstrings and members: examples are code, and members stand in the order of the source."""

from __future__ import annotations

import inspect
from contextlib import suppress
from types import CodeType
from typing import Any

import griffe

__all__ = ["ExamplesAsCode", "OwnMembers", "with_fences"]


def with_fences(text: str) -> str:
    """A docstring whose examples, from ``>>>`` to an empty line, are fenced code.

    >>> print(with_fences("Add.\\n\\n>>> 1 + 1\\n2\\n\\nMore."))
    Add.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    More.
    """
    lines: list[str] = []
    inside: str | None = None  # the spaces before an example
    for line in [*text.split("\n"), ""]:
        bare = line.lstrip()
        if inside is None and bare.startswith(">>>"):
            inside = line[: len(line) - len(bare)]
            lines.append(inside + "```pycon")
        elif inside is not None and not bare:
            lines.append(inside + "```")
            inside = None
        lines.append(line)
    return "\n".join(lines[:-1])


class ExamplesAsCode(griffe.Extension):
    """Docstrings' examples are fenced: Markdown takes ``>>>`` for quotations."""

    def on_object(self, *, obj: griffe.Object, **_others: Any) -> None:
        """Fence the examples of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = with_fences(obj.docstring.value)


class OwnMembers(griffe.Extension):
    """Members that the source writes, in its order, without those that Python adds to each class.

    Griffe would also look for the last line of each: it tokenizes functions, and parses a module once a class.
    """

    def on_module_node(self, *, agent: griffe.Visitor | griffe.Inspector, **_others: Any) -> None:
        """Griffe looks for lines where it has those of the module."""
        agent.lines_collection = griffe.LinesCollection()

    def on_instance(self, *, node: Any, obj: griffe.Object, **_others: Any) -> None:
        """Note the first line of a function, and of a class inside another, which is a member too."""
        if code := _code(node.obj):
            obj.lineno = code.co_firstlineno
        elif inspect.isclass(node.obj) and "." in node.obj.__qualname__:
            with suppress(OSError, TypeError):  # no source: made by a function, or by a library
                obj.lineno = inspect.getsourcelines(node.obj)[1]

    def on_class_members(self, *, node: Any, cls: griffe.Class, **_others: Any) -> None:
        """Drop ``__module__``, ``__dataclass_fields__``, a dataclass's ``__eq__`` and their like."""
        for name in [name for name in cls.members if name.startswith("__") and name != "__init__"]:
            code = _code(inspect.getattr_static(node.obj, name, None))
            if code is None or code.co_filename.startswith("<"):
                cls.del_member(name)


def _code(value: Any) -> CodeType | None:
    """The code of a function, a method or a property."""
    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return getattr(inspect.unwrap(value), "__code__", None) if callable(value) else None
