"""Detection of text columns that are numbers, and their conversion.

A column becomes Int64 if every value is a 64-bit integer, and Float64 if every value is a number; otherwise the column
stays text. Numbers with a leading zero, and integers of 19 digits or more, are identifiers and stay text, as do numbers
with points between thousands (1.500 beside 900), for `form_of` to parse. Spaces around a value are ignored. A column
without values has the type Null.

Quotes preserve a text: a quoted text that is empty, has spaces around it, or is spelled like a missing value is kept
as text, with the mark `QUOTED` before it. In a numeric column, quotes have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from lamina.support.lazily import pl
from lamina.table.columns import named
from lamina.table.values import THOUSANDS, have_thousands

if TYPE_CHECKING:
    from lamina.table.places import LineNumbers

    Types = dict[str, pl.DataType]

QUOTED = "\ufdd0"
"""A marker before a text whose quotes matter, until its column's type is known; a Unicode noncharacter."""

SAMPLE = 200
"""Number of first rows from which columns of texts and of fractions are known."""

_CODE = r"^[+-]?(?:0\d|\d{19,}$)"
_LEAST_CODE = 10**18
"""The least integer of 19 digits."""


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
    frame: pl.DataFrame,
    missing: Collection[str],
    decimal: str,
    as_text: Collection[str] = (),
    *,
    is_plain: bool = False,
) -> tuple[pl.DataFrame, Types]:
    """A text frame with numbers where all values are numbers, and null for missing values.

    Args:
        frame: text columns; `missing` texts are already null, unless surrounded by spaces or marked `QUOTED`. Columns
            that `numbers_of_sample` names may have been read as its types.
        missing: texts for missing values.
        decimal: "." or ",".
        as_text: columns that stay text.
        is_plain: whether no value has spaces around it or is marked `QUOTED`.

    Returns:
        The frame, and the possible type of each column. Texts have no spaces around them, but `QUOTED` marks; columns
        without values are unchanged.
    """
    quoted = [] if is_plain else _with_quoted(frame)
    if quoted:
        plain, types = cleaned(_unquoted(frame, quoted, missing), missing, decimal, as_text)
        own = frame.select(name for name in quoted if not types[name].is_numeric())
        own = stripped(own, [name for name in own.columns if types[name] == pl.String], missing)
        return plain.with_columns(own), types
    numbers = {column.name: column for column in frame if column.dtype != pl.String}
    unread = [name for name in frame.columns if name not in numbers and name not in as_text]
    seen = _numbers(stripped(frame.head(SAMPLE), unread, missing), unread, decimal)
    # The first rows reveal most text columns, which then need no parsing as numbers, and columns of fractions.
    certain = [name for name in seen if name in _fractions(seen, frame, decimal)]
    numbers |= _numbers(frame, certain, decimal, may_be_codes=False)
    numbers |= _numbers(frame, [name for name in seen if name not in certain], decimal)
    texts = [name for name in frame.columns if name not in numbers]
    if texts and not is_plain:
        frame = stripped(frame, texts, missing)
        numbers |= _numbers(frame, [name for name in texts if name in seen], decimal)
    kinds = frame.schema  # which polars makes anew each time
    parsed = {name: found for name, found in numbers.items() if kinds[name] == pl.String}
    for name in _may_have_thousands(parsed, frame, decimal):
        if have_thousands(frame[name].drop_nulls().unique().to_list()):
            del numbers[name]
    present = {name: column for name, column in numbers.items() if column.null_count() < len(column)}
    types = {name: present[name].dtype if name in present else pl.String() for name in frame.columns}
    types |= {name: pl.Null() for name in frame.columns if frame[name].null_count() == len(frame)}
    return frame.with_columns(present.values()), types


def numbers_of_sample(
    sample: pl.DataFrame, missing: Collection[str], decimal: str, as_text: Collection[str] = ()
) -> Types:
    """The columns of a text frame's first `SAMPLE` rows that are integers, or numbers with fractions, and their types.

    If all values of a column with fractions are numbers, `cleaned` finds this type; if all values of a column of
    integers are integers, and none is a code.
    """
    names = [name for name in sample.columns if name not in as_text]
    sample = stripped(sample, names, missing)
    found = _numbers(sample, names, decimal)
    known: Types = dict.fromkeys(_fractions(found, sample, decimal), pl.Float64())
    whole = (one for one in found.values() if one.dtype == pl.Int64 and one.null_count() < len(one))
    return known | {one.name: pl.Int64() for one in whole}


def may_be_codes(numbers: pl.DataFrame) -> bool:
    """Whether an integer has 19 digits or more, as identifiers do, so that its column is text."""
    whole = [column for column in numbers if column.dtype == pl.Int64]
    extremes = [cast("int | None", extreme) for one in whole for extreme in (one.min(), one.max())]
    return any(abs(extreme) >= _LEAST_CODE for extreme in extremes if extreme is not None)


def stripped(frame: pl.DataFrame, names: Sequence[str], missing: Collection[str]) -> pl.DataFrame:
    """The frame without spaces around the values in the columns `names`."""
    if not names:
        return frame
    tokens = pl.Series(sorted({"", *missing}), dtype=pl.String).implode()
    values = named(names)
    plain = values.str.strip_chars()
    kept = pl.when(values.str.starts_with(QUOTED)).then(values).when(~plain.is_in(tokens)).then(plain)
    return frame.with_columns(kept.name.keep())


def without_missing(frame: pl.DataFrame, missing: Collection[str]) -> pl.DataFrame:
    """The frame with null for the texts that are `missing`."""
    tokens = pl.Series([*missing], dtype=pl.String).implode()
    names = _texts_where(frame, lambda texts: texts.is_in(tokens).any())
    values = named(names)
    return frame.with_columns(pl.when(~values.is_in(tokens)).then(values).name.keep()) if names else frame


def _with_quoted(frame: pl.DataFrame) -> list[str]:
    """The names of the columns that have a text marked `QUOTED`."""
    return _texts_where(frame, lambda texts: texts.str.starts_with(QUOTED).any())


def _texts_where(frame: pl.DataFrame, holds: Callable[[pl.Expr], pl.Expr]) -> list[str]:
    """The names of the columns of texts for which a query holds."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    found = frame.select(holds(named(texts))).row(0) if texts else ()
    return [name for name, is_there in zip(texts, found, strict=True) if is_there]


def _unquoted(frame: pl.DataFrame, names: Sequence[str], missing: Collection[str]) -> pl.DataFrame:
    """The frame without the mark `QUOTED` in the columns `names`.

    The texts are then treated like unquoted texts.
    """
    if not names:
        return frame
    return stripped(frame.with_columns(named(names).str.strip_prefix(QUOTED)), names, missing)


def _numbers(
    frame: pl.DataFrame, names: Sequence[str], decimal: str, *, may_be_codes: bool = True
) -> dict[str, pl.Series]:
    """The columns of a text frame, among `names`, whose values are all numbers, as Int64 or Float64.

    `may_be_codes`: whether numbers may be codes, whose columns are left out, or integers.
    """
    found: dict[str, pl.Series] = {}
    for kind in (pl.Int64, pl.Float64) if may_be_codes else (pl.Float64,):
        left = [name for name in names if name not in found]
        numbers = frame.select(_plain(named(left), decimal).cast(kind, strict=False)) if left else []
        found |= {one.name: one for one in numbers if one.null_count() == frame[one.name].null_count()}
    if found and may_be_codes:
        are_codes = frame.select(named([*found]).str.contains(_CODE).any()).row(0)
        found = {name: found[name] for name, is_code in zip(found, are_codes, strict=True) if not is_code}
    return found


def _fractions(numbers: Mapping[str, pl.Series], frame: pl.DataFrame, decimal: str) -> list[str]:
    """The names of the `numbers` with fractions, unless these may be thousands in the text frame."""
    thousands = _may_have_thousands(numbers, frame, decimal)
    return [name for name, found in numbers.items() if found.dtype == pl.Float64 and name not in thousands]


def _may_have_thousands(numbers: Mapping[str, pl.Series], frame: pl.DataFrame, decimal: str) -> list[str]:
    """The names of the `numbers` that may have points between thousands, by the text frame's first rows."""
    names = [name for name, found in numbers.items() if found.dtype == pl.Float64]
    if decimal != "." or not names:
        return []
    are = frame.head(SAMPLE).select(named(names).str.contains(THOUSANDS).all()).row(0)
    return [name for name, may_be in zip(names, are, strict=True) if may_be]


def _plain(column: pl.Expr, decimal: str) -> pl.Expr:
    if decimal == ".":
        return column
    return column.str.replace(".", "_", literal=True).str.replace(decimal, ".", literal=True)


def typed(
    frame: pl.DataFrame,
    types: Mapping[str, pl.DataType],
    decimal: str,
    missing: Collection[str],
    *,
    is_plain: bool = False,
) -> pl.DataFrame:
    """A frame of texts and numbers, converted to the types that `cleaned` found, and in the order of `types`.

    For `is_plain`, see `cleaned`.
    """
    quoted = [] if is_plain else _with_quoted(frame)
    if quoted:
        texts = [name for name in quoted if types.get(name) == pl.String]
        frame = _unquoted(frame, [name for name in quoted if name not in texts], missing)
        frame = frame.with_columns(named(texts).str.strip_prefix(QUOTED)) if texts else frame
    plain = {
        name: _plain(named(name), decimal) if kind == pl.String else named(name)
        for name, kind in frame.schema.items()
    }
    return frame.select(
        plain[name].cast(kind) if kind.is_numeric() else named(name) for name, kind in types.items()
    )


class Typed:
    """A `Reader` of a file with typed columns, whose rows are not lines of text."""

    textual = False
    lines: LineNumbers | None = None


def in_types(types: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """Expressions that select the columns of `types` in order, cast to these types."""
    return [named(name).cast(kind) for name, kind in types.items()]
