"""Formatted numbers: money, percent, thousands, units, ranges, fractions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lamina.table.number_texts import may_be_number
from lamina.table.types.base import Candidate, ColumnSchema
from lamina.table.types.nominal import MOST_ONE_HOT
from lamina.table.types.quantity import Quantity
from lamina.table.values import have_thousands, number_in
from lamina.table.written_numbers import Form, described, form_of, number_in_form, number_of

_HALF = 0.5
"""Minimum share of numbers in a text column of numbers, even if all other texts are words."""


@dataclass(frozen=True)
class WrittenNumber(Quantity, Form):
    """Texts that are numbers in a format common to the column, such as money.

    >>> kind = WrittenNumber(currency="$", like="$1,234.50")
    >>> kind.read("$2,000"), kind.read("5k"), kind.read("12.5"), kind.read("12 km")
    (2000.0, 5000.0, 12.5, None)
    """

    tag = "written number"
    reader = "written"

    @property
    def reads_text(self) -> bool:
        return True  # 1.234 may mean 1234

    @property
    def wanted(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"a number such as {self.like}"

    @property
    def example_texts(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.like

    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"{self.currency} {self.measure}".strip()

    @property
    def remark(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"in {self.unit}" if self.unit else ""

    def read(self, text: str) -> float | None:
        return number_in_form(text, self)

    def looks_like(self, text: str) -> bool:
        return False

    def learned(self, column: Any, values: Any, named: bool) -> ColumnSchema:
        return replace(super().learned(column, values, named), reason=described(self))

    def page_data(self) -> dict[str, Any]:
        return self.page_form()

    def example(self, column: ColumnSchema) -> Any:
        return self.like


def form_of_column(candidate: Candidate) -> Form | None:
    """The number format of a text column; None for plain numbers and for identifiers.

    At least half of the texts must be numbers in the format. A few ordinals, such as 1st, 2nd and 3rd, are categories.
    """
    if not candidate.is_text or candidate.iso_days is not None:
        return None
    if not candidate.first.reaches(_HALF / 2, may_be_number):
        return None
    counts = candidate.texts
    texts = [text for text, _ in counts]
    if not any(number_in(text) is None and may_be_number(text) for text in texts) and not have_thousands(
        [text for text in texts if may_be_number(text)]
    ):
        return None
    form = form_of(counts)
    if form and form.is_ordinal and len(counts) <= MOST_ONE_HOT:
        return None
    is_such = form and candidate.first.reaches(_HALF, lambda text: number_of(text, form) is not None)
    return form if is_such else None
