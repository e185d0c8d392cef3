"""What an inspection finds: plain values that JSON can hold, with a sentence each for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LEVEL", "ColumnDrift", "Drift", "Finding", "share_said"]

LEVEL = 0.01
"""Of tables in which nothing is wrong, at most this share gives a finding of drift, however many columns they have."""


@dataclass(frozen=True)
class Finding:
    """Something about a table that its owner should know.

    Attributes:
        kind: "leakage", "duplicates", "columns" or "target".
        level: "warning" where chance does not explain it; "note" for a plain fact.
        columns: the columns concerned.
        message: a sentence for people.
        figure: how much: a score of a leaking column, a number of rows.
    """

    kind: Literal["leakage", "duplicates", "columns", "target"]
    level: Literal["warning", "note"]
    columns: tuple[str, ...]
    message: str
    figure: float | None = None


@dataclass(frozen=True)
class ColumnDrift:
    """How one column of a new table differs from the training table's.

    Attributes:
        column: its name.
        what: "values" or "missing".
        test: the statistical test.
        size: the largest difference between shares of rows, 0 … 1: the Kolmogorov–Smirnov statistic of numbers, the
            total variation distance of categories, the difference between the shares of missing values.
        p_value: of the test alone.
        adjusted: corrected by Holm's method for all tests of the comparison.
        change: the change in words.
    """

    column: str
    what: Literal["values", "missing"]
    test: str
    size: float
    p_value: float
    adjusted: float
    change: str

    @property
    def found(self) -> bool:
        """Whether it is more than chance gives at `LEVEL`."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class Drift:
    """How a new table differs from the training table.

    Attributes:
        rows: of the new table.
        columns: every comparison, the largest size first.
        auc: of a classifier that tells the tables' rows apart, on rows it has not seen: 0.5 where they are alike. None
            where there are too few rows.
        auc_adjusted: the p-value of that, corrected as those of the columns.
        new_categories: by column, the number of categories that training lacks, and of rows that have one.
        detectable: a size below this would mostly go unnoticed with this many rows.
        compared: the rows of training and of the new table that were compared.
    """

    rows: int
    columns: tuple[ColumnDrift, ...]
    auc: float | None
    auc_adjusted: float | None
    new_categories: dict[str, tuple[int, int]]
    detectable: float
    compared: tuple[int, int]

    @property
    def found(self) -> tuple[ColumnDrift, ...]:
        """The comparisons that chance does not explain."""
        return tuple(one for one in self.columns if one.found)


def share_said(part: float, whole: float) -> str:
    """A share in percent, never rounded to none or all.

    >>> share_said(1, 3), share_said(1, 100_000), share_said(99_999, 100_000), share_said(0, 5)
    ('33 %', '< 0.1 %', '> 99.9 %', '0 %')
    """
    share = 100 * part / max(whole, 1e-300)
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %" if (share < 10 or share > 90) and share % 1 else f"{share:.0f} %"
