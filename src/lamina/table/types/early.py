"""Conversion of columns from files of earlier versions.

Such files have a kind, a note and the name of a data type for each column, instead of a `ColumnType`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BY_NOTE = {
    "times of day in seconds": "time",
    "durations in seconds": "duration",
    "dates in days": "date",
    "row numbers": "row numbers",
    "too many values to count": "uncounted",
    "alike in float64": "alike",
}
_TAGS = {"numeric": "number", "categorical": "category", "id": "identifier", "text": "sentences"}
_NUMBERS = re.compile("u?int|float|decimal")


def modern_column(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a column in the current layout, from the fields of any version.

    Raises:
        ValueError: the fields match no version.
    """
    if "kind" not in content:
        return dict(content)
    fields = dict(content)
    for name in ("kind", "note", "type_name"):
        if not isinstance(fields.get(name, ""), str):
            raise ValueError(f"a column's {name} is {fields[name]!r}, which is not a text")
    kind, note = fields.pop("kind"), fields.pop("note", "")
    stored: str = fields.get("type_name", "").lower()
    found = _BY_NOTE.get(note, _TAGS.get(kind, kind))
    holds: dict[str, Any] = {}
    if kind == "constant" and found != "alike":
        holds = {"of": found if note in _BY_NOTE else "category" if fields.get("categories") else "number"}
        found = "constant"
    elif found == "number":
        holds = {
            "dtype": stored if re.match("u?int|float", stored) else "",
            "whole": stored.startswith(("int", "uint")),
            "written": note == "numbers as text",
        }
    elif found in ("category", "boolean"):
        of_text = stored in ("string", "categorical", "enum")
        held = "number" if _NUMBERS.match(stored) else "boolean" if stored.startswith("bool") else "mixed"
        holds = {"holds": "text" if of_text else held}
    reason = "as requested" if note == "chosen" else ""
    return {**fields, "type": {"tag": found, **holds}, "reason": reason}
