"""Results of an inspection: plain values for JSON, each with a sentence for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEVEL = 0.01
"""The family-wise error rate: the share of tables without drift that give a finding, for any number of columns."""


@dataclass(frozen=True)
class Finding:
    """A property of a table that its user should know, or a problem with the table.

    Attributes:
        kind: "leakage", "duplicates", "columns" or "target".
        level: "warning" for a problem that chance does not explain; "note" for a plain fact.
        columns: the affected columns.
        message: a sentence for display.
        figure: the finding's size: a leaking column's score, or a number of rows.
    """

    kind: Literal["leakage", "duplicates", "columns", "target"]
    level: Literal["warning", "note"]
    columns: tuple[str, ...]
    message: str
    figure: float | None = None


@dataclass(frozen=True)
class ColumnDrift:
    """The difference of a column between a new table and the training table.

    Attributes:
        column: the column's name.
        what: the compared property, "values" or "missing".
        test: the statistical test.
        size: the largest difference between shares of rows, 0 … 1: the Kolmogorov–Smirnov statistic of numbers, the
            total variation distance of categories, the difference between the shares of missing values.
        p_value: the unadjusted p-value.
        adjusted: the p-value adjusted by Holm's method for all tests.
        change: a text that describes the change.
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
        """Whether the difference is significant at `LEVEL`."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class Drift:
    """The differences between a new table and the training table.

    Attributes:
        rows: the number of rows of the new table.
        columns: every comparison, largest size first.
        auc: the AUC, on unseen rows, of a classifier that separates the tables' rows; 0.5 if the tables are alike,
            None with too few rows.
        auc_adjusted: the p-value of `auc`, adjusted together with the columns' p-values.
        new_categories: by column, the number of categories unseen in training, and the number of rows with such a
            category.
        detectable: the smallest difference that is significant with this number of rows.
        compared: the number of rows of the training table and of the new table that were compared.
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
        """The comparisons with a significant difference."""
        return tuple(one for one in self.columns if one.found)


def share_said(part: float, whole: float) -> str:
    """A share in percent as text, never rounded to 0 or 100.

    >>> share_said(1, 3), share_said(1, 100_000), share_said(99_999, 100_000), share_said(0, 5)
    ('33 %', '< 0.1 %', '> 99.9 %', '0 %')
    """
    share = 100 * part / max(whole, 1e-300)
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %" if (share < 10 or share > 90) and share % 1 else f"{share:.0f} %"
