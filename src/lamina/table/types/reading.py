"""`Reading`: how the parts of a text are read, as a description that Python, pages and C libraries interpret.

Patterns are regular expressions in the syntax that Python, JavaScript and `lamina.export.library` share: no flags
inside, no repetition that is not greedy. Letters beyond ASCII are Python's and pages' alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lamina.table.values import in_javascript

if TYPE_CHECKING:
    from lamina.table.types.base import ColumnSchema


def script_beside(module: str) -> str:
    """The JavaScript in the file beside a module, such as text.js beside text.py; `module` is the module's file."""
    return Path(module).with_suffix(".js").read_text("utf-8").strip()


PAGE_SCRIPT = script_beside(__file__)
"""The interpreter of `Reading.page_data` in JavaScript; see `Composite.page_script`."""


_DECIMAL = ("minus", "digits", "fraction", "down", "exponent")
"""The groups of a `decimal`."""


@dataclass(frozen=True)
class Source:
    """Where the value of a part is in a text.

    Attributes:
        what: "text", the group's text; "whole", the whole text; "number", the group's digits; "decimal", the number in
            the groups of `decimal`; "address", the number of four bytes; "within", whether this number is in `ranges`.
            Of the group's elements: "count", their number; "others", the number of different elements that no other
            part has; "has", whether `name` is one; "set", the sorted names, with & between them.
        group: the name of the group in the patterns.
        lower: whether the text is made lower case.
        otherwise: the text if the group does not match.
        name: an element.
        ranges: the first and the last number of each range.
    """

    what: Literal[
        "text", "whole", "number", "decimal", "address", "within", "count", "others", "has", "set"
    ] = "text"
    group: str = ""
    lower: bool = False
    otherwise: str = ""
    name: str = ""
    ranges: tuple[tuple[int, int], ...] = ()

    def value(self, found: re.Match[str]) -> float | str | None:
        """The value of a "text", a "number" or a "decimal"."""
        if self.what == "decimal":
            names = (*(f"{name}{self.group}" for name in _DECIMAL), f"fraction{self.group}2")
            minus, digits, fraction, down, exponent, other = (found[name] or "" for name in names)
            if not digits and not other:
                return None
            return float(f"{minus}{digits.replace(',', '')}.{fraction or other or 0}e{down}{exponent or 0}")
        text = found.groupdict().get(self.group)
        if self.what == "number":
            return None if text is None else float(text)
        return (text or self.otherwise).lower() if self.lower else text or self.otherwise


@dataclass(frozen=True)
class Elements:
    """The elements in a group's text: those that are not empty.

    Attributes:
        separators: the characters between elements.
        trimmed: further characters around elements, beside spaces.
        until: the character at which an element ends, such as = in a query.
    """

    separators: str
    trimmed: str = ""
    until: str = ""


@dataclass(frozen=True)
class Reading:
    """How the used parts of a text are read.

    Attributes:
        patterns: patterns of the whole text without spaces around it, tried in order.
        parts: the schema of each used part, with its source.
        elements: how the text of a group is split.
        unsure: a pattern of texts that Python may read even if `patterns` don't match. Other texts are missing.
    """

    patterns: Sequence[re.Pattern[str]]
    parts: Sequence[tuple[ColumnSchema, Source]]
    elements: Mapping[str, Elements] = field(default_factory=dict[str, Elements])
    unsure: re.Pattern[str] | None = None

    def page_data(self) -> dict[str, Any]:
        """The argument of `PAGE_SCRIPT`."""
        parts = [{**asdict(source), "names": [*part.categories] or ()} for part, source in self.parts]
        split = {group: asdict(elements) for group, elements in self.elements.items()}
        return {"patterns": [*map(in_javascript, self.patterns)], "elements": split, "parts": parts}


def decimal(suffix: str, whole: str = r"\d+") -> str:
    """The pattern of a number, whose groups end in `suffix`: minus, digits, fraction, down and exponent.

    The digits match `whole`; commas in them don't count.

    >>> re.fullmatch(decimal("_a"), "-1.5e3").groupdict()["fraction_a"]
    '5'
    """
    return (
        rf"(?:\+|(?P<minus{suffix}>-))?"
        rf"(?:(?P<digits{suffix}>{whole})(?:\.(?P<fraction{suffix}>\d*))?|\.(?P<fraction{suffix}2>\d+))"
        rf"(?:[eE](?:\+|(?P<down{suffix}>-))?(?P<exponent{suffix}>\d{{1,3}}))?"
    )
