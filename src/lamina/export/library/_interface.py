"""What a library looks like from C: the names of its functions, types and fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lamina.errors import LaminaError
from lamina.export import Category, Classes, Column, Prediction, Table

__all__ = ["Field", "Interface", "class_names", "identifier", "is_text"]

_KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const consteval constexpr
    constinit continue decltype default delete do double else enum explicit export extern false float for friend goto
    if inline int long mutable namespace new noexcept not nullptr operator or private protected public register
    requires restrict return short signed sizeof static static_assert struct switch template this thread_local throw
    true try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor
    """.split()  # noqa: SIM905 - a list of a hundred words is read best as words
)
"""Of C23 and C++23: a header is read by either."""


@dataclass(frozen=True)
class Field:
    """A column's place in a row: eight bytes, a double or the address of a text."""

    name: str
    column: Column


@dataclass(frozen=True)
class Interface:
    """The names that a library for a prediction has in C; all begin with `name`."""

    name: str
    prediction: Prediction

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Those of a row of a table, in the table's order."""
        inputs = self.prediction.inputs
        columns = inputs.columns if isinstance(inputs, Table) else ()
        names = _distinct(identifier(column.name) for column in columns)
        return tuple(Field(name, column) for name, column in zip(names, columns, strict=True))

    @property
    def has_classes(self) -> bool:
        """Whether it says classes (or labels) and their probabilities, not numbers."""
        return isinstance(self.prediction.output, Classes)

    @property
    def outputs(self) -> int:
        """How many classes, labels or numbers there are."""
        output = self.prediction.output
        return len(output.labels) if isinstance(output, Classes) else len(output.center)


def is_text(column: Column) -> bool:
    """Whether a column's values are texts in C; what training had as numbers or truth values are doubles."""
    return isinstance(column, Category) and column.values is None


def class_names(output: Classes) -> list[str]:
    """The classes as texts."""
    return [str(label).lower() if isinstance(label, bool) else str(label) for label in output.labels]


def identifier(text: str) -> str:
    """A name for C that is like a text.

    >>> [identifier(text) for text in ("age", "hours-per-week", "1st", "größe", "int", "")]
    ['age', 'hours_per_week', '_1st', 'gr__e', 'int_', '_']
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if name in _KEYWORDS else name


def checked_name(name: str) -> str:
    """The name that a library's symbols begin with; `LaminaError` if C has no such names."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _KEYWORDS:
        raise LaminaError(
            f"the library's symbols cannot begin with {name!r}: C's names are letters, digits and _; "
            "choose another name (--name)"
        )
    return name


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, numbered where they would be equal."""
    used: set[str] = set()
    found: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate)
        found.append(candidate)
    return found
