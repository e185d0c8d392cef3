"""`ColumnType`, the type of a table's column; `ColumnSchema`, a type with a column's statistics; `RowForm`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.files.typed_json import strict
from lamina.table.columns import Column, value_name
from lamina.table.messages import as_kind, counted, row, shown
from lamina.table.types.early import modern_column
from lamina.table.values import MISSING

if TYPE_CHECKING:
    from lamina.table.schema import Schema

Choice = Literal["numeric", "categorical", "date", "text", "ordered", "drop"] | tuple[str, ...]
"""The kinds of columns that a user can choose; a tuple has the column's values from lowest to highest."""

CHOICES: tuple[str, ...] = ("numeric", "categorical", "date", "text", "ordered", "drop")

FEW_ROWS = 20
"""Minimum number of rows for ignoring text that never repeats; in smaller tables chance may explain this."""

MOSTLY = 0.9
"""Minimum share of numbers in a text column that was probably meant as numbers, or as codes."""


class Medium(NamedTuple):
    """A media type of request bodies that only some tables have.

    Attributes:
        read: reads an untrusted body; returns numbers, (rows, columns); raises `DataError` for an invalid body.
        description: the content of a body, for OpenAPI.
    """

    read: Callable[[bytes], np.ndarray]
    description: str


class WholeRow(NamedTuple):
    """The array that programs take as a row.

    Attributes:
        name: the numbers' name, in the plural: "pixels".
        size: how many numbers a row has.
        dtype: the name of their dtype.
        order: their order and their meaning, for programmers.
    """

    name: str
    size: int
    dtype: str
    order: str


class RowForm:
    """The form of a table's rows: in JSON an object with a value per column, in files a table.

    Where all columns of a table have one type, `ColumnType.row_form` of that type applies.

    Attributes:
        whole: the array that a row is, if columns are not named, listed and sent one by one.
        page: the name of the page for trying a model, in `lamina.export.page_file.PAGES`.
        datatype: the Open Inference Protocol's type for numbers without names.
        media: media types of request bodies, beside those of all tables.
    """

    whole: ClassVar[WholeRow | None] = None
    page: ClassVar[str] = "table"
    datatype: ClassVar[str] = "FP64"
    media: ClassVar[Mapping[str, Medium]] = {}

    def __init__(self, schema: Schema) -> None:
        """`schema`: the table's columns."""
        self.schema = schema

    @property
    def columns(self) -> tuple[ColumnSchema, ...]:
        """The columns that are named, listed and sent one by one."""
        return () if self.whole else self.schema.used

    def listing(self) -> dict[str, Any]:
        """The names of the columns, if there are any, as JSON values."""
        found: dict[str, Any] = {"columns": [column.name for column in self.columns]} if self.columns else {}
        return found if self.schema.named or not found else found | {"columns_are_named": False}

    def example(self) -> Any:
        """A typical row for JSON: numbers near the middle, and the most frequent categories."""
        return {column.name: column.type.example(column) for column in self.schema.used}

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a row."""
        values = {column.name: column.type.json_schema(column) for column in self.schema.used}
        row: dict[str, Any] = {"type": "object", "properties": values, "required": [*values]}
        if self.schema.named:
            return row
        size = len(values)
        ordered = {"type": "array", "prefixItems": [*values.values()], "minItems": size, "maxItems": size}
        text = "An object, or the values in order, since training had no column names."
        return {"oneOf": [row, ordered], "description": text}

    def named_rows(self, files: Sequence[str]) -> tuple[list[str], np.ndarray] | None:
        """The names and the numbers, (rows, columns), of rows that are files; None if files are tables.

        Raises:
            DataError: a file has no such row.
        """
        return None


@dataclass(frozen=True)
class ColumnType(ABC):
    """The type of a column, with methods that recognize, parse, learn, encode, format and describe its values.

    A type is a small dataclass; files store its tag and its fields (booleans, integers, texts; all with defaults).
    Subclasses of `Quantity` convert a value to a number, subclasses of `Nominal` to a code, and subclasses of
    `Composite` to several numbers and codes; `Unused` columns are left out. `register` adds a type (see
    docs/architecture.md).

    Attributes:
        tag: the type's name in files.
        kind: the type's name in output: numeric, boolean, categorical, constant, missing, id, text, dropped.
        used: whether a network uses columns of this type.
        reader: the name of the functions of a web page that read and format values: "number", "date" or "time".
        choice: the user's option that chooses the type; None for types that can't be chosen, such as booleans.
        row_form: the form of the rows of a table that has only columns of this type.
    """

    tag: ClassVar[str]
    kind: ClassVar[str]
    used: ClassVar[bool] = True
    reader: ClassVar[str] = "number"
    choice: ClassVar[Choice | None] = "drop"
    row_form: ClassVar[type[RowForm]] = RowForm

    @property
    def reads_text(self) -> bool:
        """Whether columns of this type stay text when a file is read for prediction.

        If so, they stay text even if all values look like numbers.
        """
        return False

    @property
    def of_values(self) -> ColumnType:
        """The type of the column's values.

        It is this type, or for a constant column, the type of the constant.
        """
        return self

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        """The schema of the column, if it is of this type; otherwise None.

        Raises:
            DataError: almost all values are of this type; the message names a row with another value.
        """
        return None

    def schema_of(self, column: Column, **learned: Any) -> ColumnSchema[Any]:
        """The schema of a training table's column of this type, with these learned fields."""
        return ColumnSchema(column.name, self, column.type_name, column.missing(), **learned)

    def looks_like(self, text: str) -> bool:
        """Whether a text looks like a value of this type.

        Such a text may be in a form that can't be parsed.
        """
        return False

    def show(self, value: float, number: Callable[[float], str]) -> str:
        """The display text for a value of this type; `number` formats plain numbers."""
        return number(value)

    def to_dict(self) -> dict[str, Any]:
        """The tag and the fields of the type, as a dictionary for JSON."""
        return {"tag": self.tag, **dataclasses.asdict(self)}

    @abstractmethod
    def treatment(self, column: ColumnSchema) -> str:
        """A short description of a column's encoding, for output."""


@dataclass(frozen=True)
class OfJson(ColumnType):
    """A type whose values may have several JSON types.

    Attributes:
        json_types: the allowed JSON types.
        wanted: a description of a valid value, in messages.
    """

    json_types: ClassVar[set[type]] = {str, int, float, bool, type(None)}
    wanted: ClassVar[str] = "a text, a number, true or false"

    def refusal(self, value: Any) -> str:
        """The reason why a JSON value is invalid; empty if it is valid."""
        return "" if type(value) in self.json_types else f"is not {self.wanted}"

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether JSON values are valid for this type."""
        return set(map(type, values)) <= self.json_types


TYPES: dict[str, ColumnType] = {}
"""A prototype of each type by its tag; the last type is the first to try to recognize a column."""


def register(prototype: ColumnType) -> ColumnType:
    """Add a column type, which `infer`, files, the server and exports then use.

    Args:
        prototype: an instance of the type, with default values in all fields.
    """
    TYPES[prototype.tag] = prototype
    return prototype


def type_from_dict(content: Mapping[str, Any]) -> ColumnType:
    """The type from the result of `ColumnType.to_dict`.

    Raises:
        ValueError: the tag is not registered, or the fields are wrong for the type.
    """
    fields = dict(content)
    prototype = TYPES.get(str(tag := fields.pop("tag", None)))
    if prototype is None:
        raise DataError(
            f"a column has the type {str(tag)[:40]!r}, which is not registered; import its module first"
        )
    kind = type(prototype)
    return kind(**msgspec.structs.asdict(msgspec.convert(fields, strict(kind))))


OfType = TypeVar("OfType", bound=ColumnType)

_STORED = {
    "int": "integer", "uint": "integer", "float": "float", "decimal": "float", "bool": "boolean", "date": "date",
    "timedelta": "duration", "duration": "duration", "time": "time", "string": "text", "categorical": "text",
    "enum": "text", "object": "text",
}  # fmt: skip
"""The storage of a column's values by the start of its type's name."""


@dataclass(frozen=True)
class ColumnSchema(Generic[OfType]):
    """The schema of a column of the training table.

    Attributes:
        name: the column's name.
        type: the column's `ColumnType`.
        type_name: the name of the column's type in the training table ("Int64", "String", …), for output.
        missing: the number of rows without a value.
        categories: for nominal columns, the names of the values (see `value_name`), sorted.
        counts: the number of rows of each category.
        low, high: for quantities, the minimum and maximum.
        mean: for quantities in a table with names, the mean.
        reason: the reason for this type, for output; empty if it is obvious.
        parts: for composite columns, the columns that the network uses instead.
        arrays: for composite columns, the learned arrays, which files store separately from the JSON.
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
        """Whether the network uses this column."""
        return self.type.used

    @property
    def kind(self) -> str:
        """The name of the column's type in output."""
        return self.type.kind

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """NumPy's dtype of the column in the training table; None unless it was numbers or booleans.

        >>> from lamina.table.types import Identifier, Number
        >>> ColumnSchema("age", Number(), "UInt8").dtype, ColumnSchema("name", Identifier(), "String").dtype
        (dtype('uint8'), None)
        """
        with suppress(TypeError):
            found = np.dtype(self.type_name.lower())
            return found if found.kind in "iufb" else None
        return None

    @property
    def storage(self) -> str:
        """The storage of the training table's values, from `type_name`: "integer", "float", "text", "date" or others.

        >>> from lamina.table.types import Date, Number
        >>> ColumnSchema("age", Number(), "UInt8").storage, ColumnSchema("born", Date(), "String").storage
        ('integer', 'text')
        """
        name = self.type_name.lower()
        return next((storage for start, storage in _STORED.items() if name.startswith(start)), "other")

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each category for the network, which is 1 + the category's position."""
        return {name: code for code, name in enumerate(self.categories, start=1)}

    @cached_property
    def prepared(self) -> dict[str, Any]:
        """What the type prepares once for all tables, by name."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The schema as a dictionary for JSON, without the arrays."""
        names = (one.name for one in dataclasses.fields(self) if one.name != "arrays")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        fields |= {"type": self.type.to_dict(), "parts": [part.to_dict() for part in self.parts]}
        return fields if self.parts else {name: fields[name] for name in fields if name != "parts"}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The schema from the result of `to_dict` in this or an earlier version.

        Raises:
            ValueError: `content` is not a column, or the type is unknown.
        """
        found: Any = msgspec.convert(modern_column(content), _column_in_files())
        fields: dict[str, Any] = msgspec.structs.asdict(found) | {"arrays": {}}
        fields["type"] = type_from_dict(found.type)
        if any("parts" in part for part in found.parts):
            raise ValueError(f"column {found.name!r} has a part that has parts, which is not supported")
        fields["parts"] = tuple(map(ColumnSchema.from_dict, found.parts))
        return cls(**fields)

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled schema.

        Pickles of earlier versions have a kind and a note instead of the type.
        """
        known = vars(ColumnSchema.from_dict(state)) if "kind" in state else state
        vars(self).update({"parts": (), "arrays": {}, **known})


@cache
def _column_in_files() -> Any:
    fields = {"type": dict[str, bool | int | str], "parts": tuple[dict[str, Any], ...]}
    return strict(ColumnSchema, **fields, arrays=Literal[None])


def but_holds(column: Column, what: str, odd: Collection[str], *, gaps: bool = False) -> str:
    """The start of a message about values of another type in a column that holds dates, numbers, … (`what`).

    `odd` has the values' names, and `gaps` says that they count as missing.
    """
    found = column.first_where(lambda value: value_name(value) in odd)
    assert found is not None
    more = f" and {counted(len(odd) - 1, 'other value')}" if len(odd) > 1 else ""
    said = f"column {column.name!r} {what}, but {shown(value_name(found[1]))} in {row(found[0])}{more}"
    return said + ("; they count as missing" if more else "; it counts as missing") * gaps


def else_categories(column: Column) -> str:
    """The remark that a column's values can all be categories."""
    return f"({as_kind(column.name, 'categorical')} would make all values categories)"


Targets = Callable[[], tuple[np.ndarray, np.ndarray | None, int]]
"""A function that returns the target of each row, and its fold, or None; see `lamina.table.ngram_targets`.

The third result is the number of rows of the table, which these may be a sample from.
"""


@dataclass(eq=False)
class Candidate:
    """A column whose type is to be inferred, with cached properties that the types examine.

    Attributes:
        column: the column.
        choice: the kind that the user chose; None: the kind is inferred.
        named: whether the table has column names.
        dates: the date format that the user chose, see `lamina.table.dates.requested_form`; None: detected.
        targets: a function that returns the target and the fold of each row; or None.
        rows: a sample of the rows, to which `targets` belong, if the column itself has counts only; None: the column's.
    """

    column: Column
    choice: Choice | None
    named: bool
    dates: str | None = None
    targets: Targets | None = None
    rows: Column | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column has texts, or values of several types.

        If so, its values may need parsing.
        """
        column = self.column
        return column.storage in ("text", "mixed") and not (column.categorical and self.choice is None)

    @property
    def differs(self) -> bool:
        """Whether the values differ in almost every row, in a sufficient number of rows."""
        present = len(self.column) - self.column.missing()
        return present >= FEW_ROWS and self.column.distinct() > _UNIQUE * present

    @cached_property
    def looks_meant(self) -> bool:
        """Whether almost all texts of the first rows look like values of the same type."""
        able = (kind for kind in TYPES.values() if type(kind).looks_like is not ColumnType.looks_like)
        return any(self.first.are_most(kind.looks_like) for kind in able)

    @property
    def with_rows(self) -> Column:
        """The column, or if it has counts only, a sample of its rows."""
        return self.column if self.rows is None else self.rows

    @cached_property
    def first(self) -> Candidate:
        """The first rows alone, for quick tests before all rows are examined."""
        return Candidate(self.with_rows.head(_HEAD), self.choice, self.named, self.dates)

    @cached_property
    def counts(self) -> list[tuple[object, int]]:
        """The distinct values, each with its number of rows."""
        return self.column.value_counts()

    @cached_property
    def iso_days(self) -> np.ndarray | None:
        """The column's `iso_days`, which no requested format changes."""
        return self.column.iso_days() if self.is_text and self.dates is None else None

    @cached_property
    def texts(self) -> list[tuple[str, int]]:
        """The texts of non-missing values, without spaces around them, each with its number of rows."""
        named = [
            ((value if type(value) is str else value_name(value)).strip(), count)
            for value, count in self.counts
        ]
        return [pair for pair in named if pair[0] not in MISSING]

    @cached_property
    def _rows(self) -> int:
        return sum(count for _, count in self.texts)

    def share(self, holds: Callable[[str], bool]) -> float:
        """The fraction of rows whose text satisfies `holds`, among rows with a text; 0 if there are none.

        Texts have no spaces around them.
        """
        return sum(count for text, count in self.texts if holds(text)) / max(self._rows, 1)

    def are_most(self, holds: Callable[[str], bool]) -> bool:
        """Whether the `share` is at least `MOSTLY`."""
        return self.reaches(MOSTLY, holds)

    def reaches(self, least: float, holds: Callable[[str], bool]) -> bool:
        """Whether the `share` is at least `least`; texts are examined until that is decided."""
        held, left = 0, self._rows
        for text, count in self.texts:
            if not holds(text):
                left -= count
                if left / self._rows < least:
                    return False
            elif (held := held + count) / self._rows >= least:
                return True
        return False

    def looks_measured(self, holds: Callable[[str], bool]) -> bool:
        """Whether the texts are measurements, and not a few codes.

        Almost all texts must satisfy `holds`, and many must be different.
        """
        different = sum(holds(value_name(value)) for value, _ in self.counts)
        return different > max(20, 0.05 * self._rows) and self.are_most(holds)


_HEAD = 1000

_UNIQUE = 0.95
"""Maximum share of distinct rows of a text column; more would identify rows instead of describing them."""
