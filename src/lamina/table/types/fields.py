"""The base class of types whose texts have fields, such as URLs; each field becomes a column."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from lamina.table.categories import note_unknown
from lamina.table.columns import Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.messages import warn
from lamina.table.types.base import TYPES, Candidate, ColumnSchema, but_holds
from lamina.table.types.category import Category
from lamina.table.types.composite import Composite
from lamina.table.types.nominal import MOST_ONE_HOT
from lamina.table.types.quantity import Quantity
from lamina.table.types.reading import PAGE_SCRIPT, Elements, Reading, Source
from lamina.table.types.unused import Constant, Identifier, Missing
from lamina.table.values import MISSING

Field = float | str | bool | None
"""A field of a value: a number, a name or a truth value; None: the value has no such field."""

_MOST_NAMES = 30
"""Maximum number of an object's keys, or of lists' elements, that become columns, the most frequent ones."""

_REPEATED = 2
"""Minimum average number of rows per text for which whole texts are categories, too."""


@dataclass(frozen=True)
class Fields(Composite):
    """A type whose texts have fields, such as URLs.

    Each field becomes a part, i.e. a column for the network. If texts repeat, the whole text is also a part, as a
    category.

    Attributes:
        plural: the plural name of texts of this type in messages.
        sample: an example.
        fields: the names of the fields.
        keeps_whole: whether repeated texts are also categories.
        patterns: patterns of the texts, whose groups are the `fields`, with _ for other characters; see `Reading`.
        sources: fields that are not simply the text of their group.
        elements, unsure: see `Reading`.
    """

    json_types: ClassVar[set[type]] = {str, type(None)}
    wanted = "a text"
    plural: ClassVar[str]
    sample: ClassVar[str] = ""
    fields: ClassVar[tuple[str, ...]] = ()
    keeps_whole: ClassVar[bool] = True
    patterns: ClassVar[tuple[re.Pattern[str], ...]] = ()
    sources: ClassVar[Mapping[str, Source]] = {}
    elements: ClassVar[Mapping[str, Elements]] = {}
    unsure: ClassVar[re.Pattern[str] | None] = None
    page_script: ClassVar[str] = PAGE_SCRIPT

    def read(self, text: str) -> Collection[Any] | None:
        """The fields of a text by name, or whatever `_columns` takes; None if the text is not of this type."""
        found = next(filter(None, (one.fullmatch(text.strip()) for one in self.patterns)), None)
        return found and {name: self.source(name).value(found) for name in self.fields}

    def source(self, name: str) -> Source:
        """Where the field `name` is in a text."""
        return self.sources.get(name) or Source(group=re.sub(r"\W", "_", name))

    def reading(self, schema: ColumnSchema) -> Reading | None:
        sources = [*map(self.source, self.names(schema)), Source("whole")]
        parts = [pair for pair in zip(schema.parts, sources, strict=False) if pair[0].used]
        return Reading(self.patterns, parts, self.elements, self.unsure) if self.patterns else None

    def on_pages(self, schema: ColumnSchema) -> bool:
        return self.page_script != PAGE_SCRIPT or self.reading(schema) is not None

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        found = self.reading(schema)
        return found.page_data() if found else {}

    def looks_like(self, text: str) -> bool:
        return self.read(text) is not None

    # --- a column ----------------------------------------------------------------------------------------------------

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        if candidate.choice is not None or not candidate.is_text:
            return None
        if column.distinct() <= MOST_ONE_HOT + 1 and len(candidate.counts) <= MOST_ONE_HOT:
            return None  # few values, beside missing ones
        kind = self._found(candidate)
        if kind is None:
            return None
        found = kind.learn(column, candidate.named)
        if not any(part.used for part in found.parts):
            return Identifier().schema_of(column) if candidate.differs else None
        names = (value_name(value) for value, _ in candidate.counts)
        if odd := {name for name in names if name.strip() not in MISSING and not kind.is_such(name)}:
            warn(but_holds(column, f"holds {self.plural}", odd, gaps=True))
        return found

    def is_such(self, text: str) -> bool:
        """Whether a text is of this type, for its recognition and warnings about other texts."""
        return self.looks_like(text)

    def _found(self, candidate: Candidate) -> Fields | None:
        """The type of the column if most of its texts are of this type; otherwise None."""
        return self if candidate.first.are_most(self.is_such) and candidate.are_most(self.is_such) else None

    def _read_each(self, values: Sequence[Any]) -> list[Any]:
        """The results of `read` for distinct values; None for missing values."""
        return [None if value is None else self.read(value_name(value)) for value in values]

    def _read_in(self, column: Column) -> tuple[list[Any], np.ndarray, list[Any]]:
        """The `distinct_values` of a column, and the results of `read` for them."""
        values, positions = distinct_values(column)
        return values, positions, column.once(self, lambda: self._read_each(values))

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        values, positions, found = self._read_in(column)
        counts = np.bincount(positions, minlength=len(values)).tolist()
        names = self.frequent(found, counts)
        schema = self.schema_of(column, categories=tuple(names), counts=tuple(names.values()))
        absent = sum(rows for fields, rows in zip(found, counts, strict=True) if fields is None)
        parts = _flagged_once([self.part(one) for one in self._columns(schema, found, positions)], absent)
        if self.keeps_whole and _REPEATED * column.distinct() <= len(column):
            parts.append(Category().learn(column, named=True))
        return replace(schema, parts=tuple(parts))

    def part(self, column: Column) -> ColumnSchema:
        """The schema of a field's column.

        Texts are categories, even if they consist of digits. Texts that differ in (almost) every row are identifiers,
        which are left out.
        """
        if column.storage != "text":
            return plain_schema(column)
        told_apart = Identifier().recognize(Candidate(column, None, named=True))
        return told_apart or Category().learn(column, named=True)

    def frequent(self, found: Sequence[Any], rows: Sequence[int]) -> Mapping[str, int]:
        """The fields whose names come from the values, e.g. an object's keys, each with its number of rows.

        Types with fixed names return {}.

        Args:
            found: the results of `read` for the distinct values.
            rows: the number of rows of each distinct value.
        """
        return {}

    def names(self, schema: ColumnSchema) -> Sequence[str]:
        """The names of a column's fields, in the order of its parts."""
        return self.fields

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        values, positions, found = self._read_in(column)
        pairs = zip(values, found, strict=True)
        unread = [value for value, fields in pairs if fields is None and not _is_absent(value)]
        example = self.example(schema) if unread else None
        wanted = f"a text such as {example}" if isinstance(example, str) else self.wanted
        note_unknown(column.name, column, {value_name(value): value for value in unread}, wanted)
        return [*self._columns(schema, found, positions), column][: len(schema.parts)]

    def _columns(self, schema: ColumnSchema, found: Sequence[Any], positions: np.ndarray) -> list[Column]:
        """The columns of the parts, from the results of `read` and each row's place among them."""
        known = [fields or {} for fields in found]
        columns = [(name, [fields.get(name) for fields in known]) for name in self.names(schema)]
        return [DistinctColumn(f"{schema.name}: {name}", values, positions) for name, values in columns]

    def example(self, column: ColumnSchema) -> Any:
        return self.sample

    def treatment(self, column: ColumnSchema) -> str:
        said = super().treatment(column)
        has_whole, whole = column.parts[-1].name == column.name, "the whole text as a category"
        return said.replace(column.name, whole) if has_whole else said


def most_frequent(uses: Mapping[str, int]) -> dict[str, int]:
    """The most frequent names, at most 30; `uses` has the number of rows with each name."""
    return dict(sorted(uses.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_NAMES])


def plain_schema(column: Column) -> ColumnSchema:
    """The schema of a part, whose type has no parts: a number, a category, a date, …"""
    if column.missing() == len(column):
        return ColumnSchema(column.name, Missing(), column.type_name, len(column))
    candidate = Candidate(column, None, named=True)
    kinds = (kind for kind in reversed(TYPES.values()) if not isinstance(kind, Composite))
    return next(filter(None, (kind.recognize(candidate) for kind in kinds)))


def _flagged_once(parts: Sequence[ColumnSchema], absent: int) -> list[ColumnSchema]:
    """The parts of a column, with the flag for missing rows in the first numeric part only.

    `absent` is the number of rows in which all parts are missing; parts that are missing in more rows keep their own
    flags. Parts with a single value become constants, if other parts have several
    values.
    """
    single = [_has_one_value(part) and part.missing == absent for part in parts]
    if any(part.used and not one for part, one in zip(parts, single, strict=True)):
        parts = [
            replace(part, type=Constant(part.type.tag), missing=0) if one and part.used else part
            for part, one in zip(parts, single, strict=True)
        ]
    flagged = [part.name for part in parts if isinstance(part.type, Quantity) and part.missing == absent]
    return [replace(part, missing=0) if part.name in flagged[1:] else part for part in parts]


def _has_one_value(part: ColumnSchema) -> bool:
    return len(part.categories) == 1 or (part.low is not None and part.low == part.high)


def _is_absent(value: Any) -> bool:
    return value is None or value_name(value).strip() in MISSING
