"""The parts that a report's page is put together from: sections, figures and tables, with texts from data made safe."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape as escape_markup

from lamina.messages import printable

__all__ = ["escape", "figure", "section", "small", "table"]


def escape(text: str) -> str:
    """A text from data as HTML shows it: no markup, and no marks that turn the direction of what is around it."""
    return escape_markup(printable(text))


def small(text: str) -> str:
    """A paragraph of small print."""
    return f"<p class='small'>{text}</p>"


def section(title: str, content: str) -> str:
    """A part of the page under a title."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def figure(svg: str, caption: str, shown: str) -> str:
    """A figure as a picture of its own, so that names inside it cannot meet those of others.

    `shown`: what it shows, for whoever can't see it.
    """
    data = base64.b64encode(svg.encode()).decode()
    return (
        f"<figure><img alt='{escape(shown)}' src='data:image/svg+xml;base64,{data}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Iterable[int] = ()) -> str:
    """A table; the columns at the positions `numeric` are aligned at the right."""
    right = set(numeric)
    marks = [" class='number'" if i in right else "" for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        # On narrow screens a row is a block in which each cell says its column.
        marked = [
            f"<td{mark} data-column='{name}'>{text}</td>"
            for mark, name, text in zip(marks, head, cells, strict=True)
        ]
        return f"<tr>{''.join(marked)}</tr>"

    titles = "".join(
        f"<th{mark} scope='col'>{_breakable(name)}</th>" for mark, name in zip(marks, head, strict=True)
    )
    body = "".join(map(line, rows))
    return f"<div class='scroll'><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def _breakable(name: str) -> str:
    """A column's name that may go on in the next line behind an underscore, so that more columns fit in."""
    return name.replace("_", "_<wbr>")
