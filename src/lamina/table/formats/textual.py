"""Detection of text columns that are numbers, and their conversion.

A column becomes Int64 if every value is a 64-bit integer, and Float64 if every value is a number; otherwise the column
stays text. Numbers with a leading zero, and integers of 19 digits or more, are identifiers and stay text, as do numbers
with points between thousands (1.500 beside 900), for `form_of` to parse. Spaces around a value are ignored. A column
without values has the type Null.

Quotes preserve a text: a quoted text that is empty, has spaces around it, or is spelled like a missing value is kept
as text, with the mark `QUOTED` before it. In a numeric column, quotes have no effect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from lamina.support.lazily import pl
from lamina.table.columns import named
from lamina.table.values import THOUSANDS, have_thousands

if TYPE_CHECKING:
    Types = dict[str, pl.DataType]

QUOTED = "\ufdd0"
"""A marker before a text whose quotes matter, until its column's type is known; a Unicode noncharacter."""

_SAMPLE = 200
_CODE = r"^[+-]?(?:0\d|\d{19,}$)"


def common_type(a: pl.DataType, b: pl.DataType, *, text: bool) -> pl.DataType | None:
    """The type for the values of two parts of a column; None if there is none.

    Args:
        a, b: the types of the parts; Null combines with any type.
        text: whether the common type of text and any other type is text.

    >>> import polars as pl
    >>> common_type(pl.Int64(), pl.Float32(), text=False), common_type(pl.Int64(), pl.String(), text=False)
    (Float64, None)
    """
    if pl.Null in (a, b):
        return b if a == pl.Null else a
    if a == b:
        return a
    if a.is_integer() and b.is_integer():
        return pl.Int64()
    if a.is_numeric() and b.is_numeric():
        return pl.Float64()
    return pl.String() if text and pl.String in (a, b) else None


def cleaned(
    frame: pl.DataFrame, missing: Collection[str], decimal: str, as_text: Collection[str] = ()
) -> tuple[pl.DataFrame, Types]:
    """A text frame without surrounding spaces, and with null for missing values.

    Args:
        frame: text columns; `missing` texts are already null, unless surrounded by spaces or marked `QUOTED`.
        missing: texts for missing values.
        decimal: "." or ",".
        as_text: columns that stay text.

    Returns:
        The frame, still text and with `QUOTED` marks, and the possible type of each column.
    """
    names = frame.columns
    quoted = _with_quoted(frame)
    if quoted:
        plain, types = cleaned(_unquoted(frame, quoted, missing), missing, decimal, as_text)
        own = stripped(frame.select(quoted), [name for name in quoted if types[name] == pl.String], missing)
        return plain.with_columns(own), types
    # The first rows reveal most text columns, which then need no parsing as numbers, and columns of fractions.
    types = _types(stripped(frame.head(_SAMPLE), names, missing), names, decimal)
    types |= dict.fromkeys((name for name in names if name in as_text), pl.String())
    types |= _types(
        frame,
        [name for name in names if not (types[name] == pl.String or types[name] == pl.Float64)],
        decimal,
    )
    types |= _float_types(frame, [name for name in names if types[name] == pl.Float64], decimal)
    texts = [name for name in names if types[name] == pl.String]
    frame = stripped(frame, texts, missing)
    types |= _types(frame, [name for name in texts if name not in as_text], decimal)
    return frame, types


def stripped(frame: pl.DataFrame, names: Sequence[str], missing: Collection[str]) -> pl.DataFrame:
    """The frame without spaces around the values in the columns `names`."""
    if not names:
        return frame
    tokens = pl.Series(sorted({"", *missing}), dtype=pl.String).implode()
    values = named(names)
    plain = values.str.strip_chars()
    kept = pl.when(values.str.starts_with(QUOTED)).then(values).when(~plain.is_in(tokens)).then(plain)
    return frame.with_columns(kept.name.keep())


def _with_quoted(frame: pl.DataFrame) -> list[str]:
    """The names of the columns that have a text marked `QUOTED`."""
    if not frame.width:
        return []
    found = frame.select(named(frame.columns).str.starts_with(QUOTED).any()).row(0)
    return [name for name, is_there in zip(frame.columns, found, strict=True) if is_there]


def _unquoted(frame: pl.DataFrame, names: Sequence[str], missing: Collection[str]) -> pl.DataFrame:
    """The frame without the mark `QUOTED` in the columns `names`.

    The texts are then treated like unquoted texts.
    """
    if not names:
        return frame
    return stripped(frame.with_columns(named(names).str.strip_prefix(QUOTED)), names, missing)


def _types(frame: pl.DataFrame, names: Sequence[str], decimal: str) -> Types:
    """The possible type of each of the columns `names` of a text frame."""
    if not names:
        return {}
    values = named(names)
    counts = frame.select(
        values.count().name.suffix(":all"),
        _plain(values, decimal).cast(pl.Int64, strict=False).count().name.suffix(":int"),
        _plain(values, decimal).cast(pl.Float64, strict=False).count().name.suffix(":float"),
        values.str.contains(_CODE).any().name.suffix(":code"),
    ).row(0, named=True)

    def kind(name: str) -> pl.DataType:
        present = counts[f"{name}:all"]
        if not present:
            return pl.Null()
        if counts[f"{name}:code"] or counts[f"{name}:float"] < present:
            return pl.String()
        if counts[f"{name}:int"] == present:
            return pl.Int64()
        return pl.String() if _has_thousands(frame[name], decimal) else pl.Float64()

    return {name: kind(name) for name in names}


def _float_types(frame: pl.DataFrame, names: Sequence[str], decimal: str) -> Types:
    """The possible types of columns whose first rows have fractions; see `_types`."""
    if not names:
        return {}
    numbers = frame.select(_plain(named(names), decimal).cast(pl.Float64, strict=False).count()).row(0)
    present = frame.select(named(names).count()).row(0)
    return {
        name: pl.Float64() if count == expected and not _has_thousands(frame[name], decimal) else pl.String()
        for name, count, expected in zip(names, numbers, present, strict=True)
    }


def _has_thousands(values: pl.Series, decimal: str) -> bool:
    # The first rows reveal most columns without.
    if decimal != "." or not values.head(_SAMPLE).str.contains(THOUSANDS).all():
        return False
    return have_thousands(values.drop_nulls().unique().to_list())


def _plain(column: pl.Expr, decimal: str) -> pl.Expr:
    if decimal == ".":
        return column
    return column.str.replace(".", "_", literal=True).str.replace(decimal, ".", literal=True)


def typed(
    frame: pl.DataFrame, types: Mapping[str, pl.DataType], decimal: str, missing: Collection[str]
) -> pl.DataFrame:
    """A text frame, converted to the types that `cleaned` found, and in the order of `types`."""
    quoted = _with_quoted(frame)
    if quoted:
        texts = [name for name in quoted if types.get(name) == pl.String]
        frame = _unquoted(frame, [name for name in quoted if name not in texts], missing)
        frame = frame.with_columns(named(texts).str.strip_prefix(QUOTED)) if texts else frame
    return frame.select(_cast(name, kind, decimal) for name, kind in types.items())


def _cast(name: str, kind: pl.DataType, decimal: str) -> pl.Expr:
    column = named(name)
    return _plain(column, decimal).cast(kind) if kind.is_numeric() else column


def in_types(types: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """Expressions that select the columns of `types` in order, cast to these types."""
    return [named(name).cast(kind) for name, kind in types.items()]
