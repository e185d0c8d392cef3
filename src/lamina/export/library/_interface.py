"""C interface of a library: names of functions, types and fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.export import Classes, Column, Composite, Prediction
from lamina.export.library._parts import reads_parts
from lamina.export.library._readers import is_read
from lamina.table.types import ColumnSchema
from lamina.table.types.base import WholeRow


def _words(file: str) -> frozenset[str]:
    return frozenset(Path(__file__).with_name(file).read_text("utf-8").split())


_KEYWORDS = _words("c_keywords.txt")
"""Keywords of C23 and C++23, since headers are read by both."""

_MACROS = _words("c_macros.txt")
"""Names that headers of C, C++ and POSIX, or compilers, may define as macros, except the
`_MACRO_FAMILIES`. (A macro with arguments harms no field.)"""

_MACRO_FAMILIES = re.compile("|".join(sorted(_words("c_macro_families.txt"))))
"""Names that such headers define by the dozen, as INT_MAX; each word of the file is a regular expression."""

_OWN_MACROS = ("COLUMNS", "PIXELS", "OUTPUTS", "LABELS", "CLASSES", "STACK_BYTES", "BAD_ARGUMENT", "H")
"""Macros that a generated header defines, after the library's name."""


@dataclass(frozen=True)
class Field:
    """A field in the struct of a row: eight bytes, a double or the address of a string."""

    name: str
    column: Column | Composite
    owner: ColumnSchema[Any]

    @property
    def is_text(self) -> bool:
        """Whether the field is the address of a string."""
        return isinstance(self.column, Composite) or self.column.is_text or self.is_read

    @property
    def is_read(self) -> bool:
        """Whether the field is a text that the library reads as a number."""
        return not isinstance(self.column, Composite) and self.column.is_number and is_read(self.owner)


def reads(schema: ColumnSchema[Any]) -> bool:
    """Whether a library parses the texts of a column, instead of taking numbers or categories."""
    return is_read(schema) or reads_parts(schema)


@dataclass(frozen=True)
class Interface:
    """The C names in the library of a prediction; all of them begin with `name`."""

    name: str
    prediction: Prediction

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the struct of a row, in table order."""
        columns = self.prediction.inputs.fields(reads)
        own = {f"{self.name.upper()}_{what}" for what in _OWN_MACROS}
        identifiers = (identifier(column.name) for column in columns)
        names = _distinct(f"{name}_" if name in own else name for name in identifiers)
        owners = {one.name: one.schema for one in self.prediction.inputs.composites if one.derived}
        pairs = zip(names, columns, strict=True)
        return tuple(Field(name, one, owners.get(one.name, one.schema)) for name, one in pairs)

    @property
    def array(self) -> WholeRow | None:
        """The array that a row is, instead of a struct."""
        return self.prediction.inputs.form.whole

    @property
    def has_classes(self) -> bool:
        """Whether the library predicts probabilities of classes or labels, rather than numbers."""
        return isinstance(self.prediction.output, Classes)

    @property
    def outputs(self) -> int:
        """The number of classes, labels or predicted numbers."""
        return self.prediction.output.outputs


def class_names(output: Classes) -> list[str]:
    """Convert the classes to strings."""
    return [str(label).lower() if isinstance(label, bool) else str(label) for label in output.labels]


def identifier(text: str) -> str:
    """A C identifier that is similar to a text, and neither a keyword nor a macro.

    >>> [identifier(text) for text in ("age", "hours-per-week", "1st", "größe", "int", "EOF", "_Bool", "")]
    ['age', 'hours_per_week', '_1st', 'gr__e', 'int_', 'EOF_', 'x_Bool', '_']
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    if re.match("_[A-Z]|__.*[A-Za-z0-9]", name):  # reserved names: _Bool, __asm__, __LINE__
        return f"x{name}"
    taken = name in _KEYWORDS or name in _MACROS or _MACRO_FAMILIES.fullmatch(name)
    return f"{name}_" if taken else name


def checked_name(name: str) -> str:
    """Return the prefix of a library's symbols; raise `LaminaError` if it is not a valid C name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _KEYWORDS:
        raise LaminaError(
            f"the library's symbols cannot begin with {name!r}: C's names are letters, digits and _; "
            "choose another name (--name)"
        )
    return name


def _distinct(names: Iterable[str]) -> list[str]:
    """Add numbers to repeated names, so that all names differ."""
    used: set[str] = set()
    found: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate)
        found.append(candidate)
    return found
