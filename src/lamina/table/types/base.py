"""`ColumnType`, the type of a table's column, and `ColumnSchema`, a type with the column's statistics."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.files.typed_json import strict
from lamina.table.columns import Column, value_name
from lamina.table.types.early import modern_column
from lamina.table.values import MISSING_TOKENS

Choice = Literal["numeric", "categorical", "date", "text", "ordered", "drop"] | tuple[str, ...]
"""What a user may say of a column; a tuple has its values from the lowest to the highest."""

CHOICES: tuple[str, ...] = ("numeric", "categorical", "date", "text", "ordered", "drop")

FEW_ROWS = 20
"""In a table of fewer rows, text that never repeats may do so by chance, and stays."""

MOSTLY = 0.9
"""A text column with at least this share of numbers was probably meant as numbers, or as codes."""


@dataclass(frozen=True)
class ColumnType(ABC):
    """The type of a column: it recognizes, reads, learns, encodes, shows and describes values.

    A type is a small dataclass; files store its tag and its fields (booleans, integers, texts; all with defaults).
    Subclasses of `Quantity` turn a value into a number, those of `Nominal` into a code, those of `Composite` into
    several of both; `Unused` columns are left out. `register` adds a type: see docs/architecture.md.

    Attributes:
        tag: its name in files.
        kind: its name in output: numeric, boolean, categorical, constant, missing, id, text, dropped.
        used: whether a network sees such columns.
        reader: the page's reader and formatter of its values: "number", "date" or "time".
        choice: the user's option that chooses it; None for types that can't be chosen, such as booleans.
    """

    tag: ClassVar[str]
    kind: ClassVar[str]
    used: ClassVar[bool] = True
    reader: ClassVar[str] = "number"
    choice: ClassVar[Choice | None] = "drop"

    @property
    def reads_text(self) -> bool:
        """Whether a file for prediction keeps such a column as text, even where all its values look like numbers."""
        return False

    @property
    def of_values(self) -> ColumnType:
        """The type of these values: this type, or, for a constant, the type of its value."""
        return self

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        """The schema of a column that is of this type; None for others.

        Raises:
            DataError: the column is almost of this type; the message names the row that is not.
        """
        return None

    def looks_like(self, text: str) -> bool:
        """Whether a text is such a value in any form, including forms that are not read."""
        return False

    def show(self, value: float, number: Callable[[float], str]) -> str:
        """The text of a number of this type for people; `number` shows plain ones."""
        return number(value)

    def to_dict(self) -> dict[str, Any]:
        """The tag and the fields, as JSON holds them."""
        return {"tag": self.tag, **dataclasses.asdict(self)}

    @abstractmethod
    def treatment(self, column: ColumnSchema) -> str:
        """The treatment of a column, in a few words."""


@dataclass(frozen=True)
class OfJson(ColumnType):
    """A type whose values may have one of several JSON types.

    Attributes:
        json_types: the allowed JSON types.
        wanted: the name of such a value in messages.
    """

    json_types: ClassVar[set[type]] = {str, int, float, bool, type(None)}
    wanted: ClassVar[str] = "a text, a number, true or false"

    def refusal(self, value: Any) -> str:
        """Why a JSON value is invalid; empty if it is valid."""
        return "" if type(value) in self.json_types else f"is not {self.wanted}"

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether JSON may have these values."""
        return set(map(type, values)) <= self.json_types


TYPES: dict[str, ColumnType] = {}
"""A prototype of each type by its tag; the last one is the first to recognize a column."""


def register(prototype: ColumnType) -> ColumnType:
    """Add a column type, for `infer`, files, the server and exports.

    Args:
        prototype: the type with its defaults.
    """
    TYPES[prototype.tag] = prototype
    return prototype


def type_from_dict(content: Mapping[str, Any]) -> ColumnType:
    """The type that `ColumnType.to_dict` described.

    Raises:
        ValueError: its tag is not registered, or its fields differ.
    """
    fields = dict(content)
    prototype = TYPES.get(str(tag := fields.pop("tag", None)))
    if prototype is None:
        raise DataError(
            f"a column of the type {str(tag)[:40]!r}, which is not registered; import its module first"
        )
    kind = type(prototype)
    return kind(**msgspec.structs.asdict(msgspec.convert(fields, strict(kind))))


OfType = TypeVar("OfType", bound=ColumnType)


@dataclass(frozen=True)
class ColumnSchema(Generic[OfType]):
    """One column of the training table.

    Attributes:
        name: the column's name.
        type: its `ColumnType`.
        type_name: the name of its type in the training table ("Int64", "String", …), for output.
        missing: the number of rows without a value.
        categories: of nominal columns, the names of its values (see `value_name`), sorted.
        counts: the number of rows of each category.
        low, high: of quantities, the extremes.
        mean: of quantities in a table with names, the mean.
        reason: why it has this type, for people, where that is not plain; else empty.
        parts: of composite columns, the columns that the network sees in its place.
        arrays: of composite columns, what they learned besides; beside the JSON in files.
    """

    name: str
    type: OfType
    type_name: str = ""
    missing: int = 0
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    reason: str = ""
    parts: tuple[ColumnSchema[Any], ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray], compare=False)

    @property
    def used(self) -> bool:
        """Whether the network sees this column."""
        return self.type.used

    @property
    def kind(self) -> str:
        """The type's word for people."""
        return self.type.kind

    @cached_property
    def codes(self) -> dict[str, int]:
        """What the network sees of each category: 1 + its position."""
        return {name: code for code, name in enumerate(self.categories, start=1)}

    def to_dict(self) -> dict[str, Any]:
        """The schema for JSON, without the arrays."""
        names = (one.name for one in dataclasses.fields(self) if one.name != "arrays")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        fields |= {"type": self.type.to_dict(), "parts": [part.to_dict() for part in self.parts]}
        return fields if self.parts else {name: fields[name] for name in fields if name != "parts"}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The column that `to_dict` described, or an earlier version.

        Raises:
            ValueError: it is not a column, or its type is unknown.
        """
        found: Any = msgspec.convert(modern_column(content), _column_in_files())
        fields: dict[str, Any] = msgspec.structs.asdict(found) | {"arrays": {}}
        fields["type"] = type_from_dict(found.type)
        if any("parts" in part for part in found.parts):
            raise ValueError(f"column {found.name!r} has a part with parts of its own; parts are not nested")
        fields["parts"] = tuple(map(ColumnSchema.from_dict, found.parts))
        return cls(**fields)

    def __getstate__(self) -> dict[str, Any]:
        """The state without cached values."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; earlier versions had a kind and a note."""
        fields = (
            vars(ColumnSchema.from_dict(state)) if "kind" in state else {"parts": (), "arrays": {}, **state}
        )
        vars(self).update(fields)


@cache
def _column_in_files() -> Any:
    fields = {"type": dict[str, bool | int | str], "parts": tuple[dict[str, Any], ...]}
    return strict(ColumnSchema, **fields, arrays=Literal[None])


class Candidate:
    """A column whose type is to be inferred, with the facts that types need.

    Attributes:
        column: the column.
        choice: the user's choice for it.
        named: whether its table has column names.
        dates: the user's form of dates, see `lamina.table.dates.requested_form`.
    """

    def __init__(self, column: Column, choice: Choice | None, named: bool, dates: str | None = None) -> None:
        self.column, self.choice, self.named, self.dates = column, choice, named, dates

    @property
    def is_text(self) -> bool:
        """Whether it has texts, or values of several types, that may mean other values."""
        column = self.column
        return column.storage in ("text", "mixed") and not (column.categorical and self.choice is None)

    @property
    def is_unique(self) -> bool:
        """Whether it has text that differs in almost every row, and no type recognizes it."""
        return self.differs and not self.looks_meant

    @property
    def differs(self) -> bool:
        """Whether its values differ in almost every row, of enough rows."""
        present = len(self.column) - self.column.missing()
        return present >= FEW_ROWS and self.column.distinct() > _UNIQUE * present

    @cached_property
    def looks_meant(self) -> bool:
        """Whether almost all of the first texts look like values of a type."""
        return any(
            self.share_of_head(kind.looks_like) >= MOSTLY for kind in TYPES.values() if _can_look(kind)
        )

    @cached_property
    def head(self) -> list[tuple[object, int]]:
        """The different values of the first rows, each with its number of rows."""
        return self.column.head(_HEAD).value_counts()

    @cached_property
    def counts(self) -> list[tuple[object, int]]:
        """The different values, each with its number of rows."""
        return self.column.value_counts()

    @cached_property
    def _texts(self) -> list[tuple[str, int]]:
        return _present(self.counts)

    @cached_property
    def _texts_of_head(self) -> list[tuple[str, int]]:
        return _present(self.head)

    def share(self, holds: Callable[[str], bool]) -> float:
        """The share of rows with such a text among rows with a text; 0 without texts."""
        return _share(holds, self._texts)

    def share_of_head(self, holds: Callable[[str], bool]) -> float:
        """That share among the first rows; if it is small, the others need no check."""
        return _share(holds, self._texts_of_head)

    def looks_measured(self, holds: Callable[[str], bool]) -> bool:
        """Whether texts are measurements, not a few codes: almost all are of the type, and many differ."""
        rows = sum(count for value, count in self.counts if value_name(value).strip() not in MISSING_TOKENS)
        different = sum(holds(value_name(value)) for value, _ in self.counts)
        return different > max(20, 0.05 * rows) and self.share(holds) >= MOSTLY


_HEAD = 1000

_UNIQUE = 0.95
"""A text column with more than this share of distinct rows identifies rows instead of describing them."""


def _share(holds: Callable[[str], bool], texts: Sequence[tuple[str, int]]) -> float:
    rows = sum(count for _, count in texts)
    return sum(count for text, count in texts if holds(text)) / rows if rows else 0.0


def _present(counts: Sequence[tuple[object, int]]) -> list[tuple[str, int]]:
    """The texts of values, without markers of missing values."""
    named = ((value_name(value), count) for value, count in counts)
    return [(text, count) for text, count in named if text.strip() not in _MISSING]


def _can_look(kind: ColumnType) -> bool:
    """Whether some text looks like a value of a type."""
    return type(kind).looks_like is not ColumnType.looks_like


_MISSING = frozenset(MISSING_TOKENS)
