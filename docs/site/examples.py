"""Examples in docstrings are code on the site, not quotations, which Markdown takes ``>>>`` for."""

from __future__ import annotations

from typing import Any

import griffe

__all__ = ["ExamplesAsCode", "with_fences"]


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
    inside = False
    for line in [*text.split("\n"), ""]:
        if not inside and line.startswith(">>>"):
            lines.append("```pycon")
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line)
    return "\n".join(lines[:-1])


class ExamplesAsCode(griffe.Extension):
    """Griffe, which reads the docstrings, gives them to this first."""

    def on_object(self, *, obj: griffe.Object, **_others: Any) -> None:
        """Fence the examples of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = with_fences(obj.docstring.value)
