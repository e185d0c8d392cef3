"""The tables of docs/from-mxnet.md, made of the comparison."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from compare import Difference

from lamina.outside import OUTSIDE

__all__ = ["table_is_stale"]

_MOST = 32  # calls of a row
_IS_THERE = ("the class is there", "an attribute of each")
"""How sentences begin of names that a listing of a module or class does not show."""
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-mxnet.md"


def table_is_stale(
    part: str, mxnet: dict[tuple[str, str], Any], found: list[tuple[Difference, str | None]], write: bool
) -> bool:
    """Whether what stands between ``<!-- PART: begin -->`` and ``<!-- PART: end -->`` is wrong; or write it anew."""
    page = _PAGE.read_text()
    if f"<!-- {part}: begin -->" not in page:
        return True
    new = _between(page, part, ["", *_names(mxnet, found), "", *_sentences(found), ""])
    new = _between(new, "outside", ["", "| | what there is instead |", "|---|---|", *_outside(), ""])
    if write:
        _PAGE.write_text(new)
    return new != page and not write


def _between(page: str, name: str, lines: list[str]) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = "\n".join([begin, *lines, end])
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: text, page, flags=re.S)


def _outside() -> list[str]:
    """Rows of what is left out on purpose."""
    by_sentence: dict[str, list[str]] = {}
    for pattern, why in OUTSIDE.items():
        by_sentence.setdefault(why, []).append(f"`{pattern}`")
    return [f"| {', '.join(patterns)} | {why} |" for why, patterns in by_sentence.items()]


def _names(mxnet: dict[tuple[str, str], Any], found: list[tuple[Difference, str | None]]) -> list[str]:
    """How many names of each namespace are there, and which are not."""
    lines: list[str] = []
    for (kind, path), names in mxnet.items():
        if kind != "names" or not names:
            continue
        absent = [d for d, why in found if d.lamina == "missing" and not (why or "").startswith(_IS_THERE)]
        missing = {d.subject.removeprefix(f"{path}.") for d in absent} & set(names)
        shown = ", ".join(f"`{n}`" for n in sorted(missing) if _is_for_users(f"{path}.{n}", found))
        lines.append(f"| `{path}` | {len(names)} | {len(names) - len(missing)} | {shown} |")
    return ["| namespace | names | there | not there |", "|---|---|---|---|", *lines] if lines else []


def _is_for_users(subject: str, found: list[tuple[Difference, str | None]]) -> bool:
    """Whether a name is one that a program could ask for."""
    why = next((why for d, why in found if d.subject == subject), None) or ""
    return not why.startswith(("internal to", "belongs to", "a helper of"))


def _sentences(found: list[tuple[Difference, str | None]]) -> list[str]:
    """What else differs, by the sentence that settles it."""
    by_sentence: dict[str, list[str]] = {}
    for difference, why in found:
        is_name = difference.lamina == "missing" and "(" not in difference.subject
        if why and not is_name and not difference.subject.startswith("mx.test_utils"):
            by_sentence.setdefault(why, []).append(difference.subject)
    lines = ["| | what lamina does |", "|---|---|"]
    for why, subjects in by_sentence.items():
        more = [f"and {len(subjects) - _MOST} more"] if len(subjects) > _MOST + 1 else []
        first = subjects[:_MOST] if more else subjects
        shown = "<br>".join([*(f"`{s}`".replace("|", "\\|") for s in first), *more])
        lines.append(f"| {shown} | {why} |")
    return lines
