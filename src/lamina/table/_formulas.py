"""Texts that a spreadsheet would execute as formulas when it opens a CSV file."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from lamina.table.columns import named
from lamina.table.messages import is_on_command_line, warn

if TYPE_CHECKING:
    import polars as pl

__all__ = ["warned_of", "without_formulas"]

_FORMULA = r"^[=@+\-\t\r]"
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def _could_be_formula(texts: pl.Expr) -> pl.Expr:
    """Texts that begin with =, +, -, @, a tab or a carriage return (OWASP, "CSV Injection"), but are not numbers."""
    return texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)


def _texts(frame: pl.DataFrame) -> list[pl.Expr]:
    """Text columns of any type, as strings."""
    import polars as pl

    kinds = (pl.String, pl.Categorical, pl.Enum)
    return [named(name).cast(pl.String) for name, kind in frame.schema.items() if isinstance(kind, kinds)]


def _marked(texts: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(_could_be_formula(texts)).then(texts.str.replace("^", "'")).otherwise(texts)


def without_formulas(parts: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The parts of a table with ' before each text and name that could be a formula, so that spreadsheets show it.

    >>> import polars as pl
    >>> next(without_formulas([pl.DataFrame({"=x": ["=1+2", "-7", "a"], "n": [-1, 2, 3]})])).rows(named=True)[0]
    {"'=x": "'=1+2", 'n': -1}
    """
    import polars as pl

    for part in parts:
        names = pl.DataFrame({"name": part.columns}, schema={"name": pl.String}).select(
            _marked(named("name"))
        )
        safe = part.with_columns(_marked(texts) for texts in _texts(part))
        safe.columns = names.to_series().to_list()
        yield safe


def warned_of(parts: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The parts unchanged, with a warning for the first text that could be a formula."""
    import polars as pl

    told = False
    for part in parts:
        found = (
            None if told else _first_formula(part, pl.DataFrame({"": part.columns}, schema={"": pl.String}))
        )
        if found is not None:
            told = True
            warn(
                f"the table has texts that a spreadsheet would run as formulas, such as {found!r}; "
                f"{'--safe-csv' if is_on_command_line() else 'safe=True'} puts a ' before them"
            )
        yield part


def _first_formula(*frames: pl.DataFrame) -> str | None:
    for frame in frames:
        for texts in _texts(frame):
            found = frame.select(texts.filter(_could_be_formula(texts)).head(1)).to_series()
            if len(found):
                return str(found[0])[:80]
    return None
