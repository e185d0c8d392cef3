"""Categories: texts without another type, and any column that the user declares categorical."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lamina.table.columns import value_name
from lamina.table.messages import counted, listed, row, shown, warn
from lamina.table.types.base import TYPES, Candidate, ColumnSchema
from lamina.table.types.nominal import Nominal
from lamina.table.types.quantity import Quantity
from lamina.table.values import MISSING


class Category(Nominal):
    """Categories, the type of columns that have no other type."""

    tag = "category"
    kind = "categorical"
    choice = "categorical"

    @property
    def reads_text(self) -> bool:
        return self.holds == "text"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        if candidate.choice is None and candidate.is_text:
            _warn_of_mixture(candidate)
            names = (value_name(value) for value, _ in candidate.counts)
            warn_of_spellings(f"column {candidate.column.name!r}", names, "categories")
        return self.learn(candidate.column, candidate.named)


def warn_of_spellings(what: str, names: Iterable[str], plural: str) -> None:
    """Warn if names differ only in capitals, or in spaces around them."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.strip().casefold(), []).append(name)
    groups = [sorted(group) for group in alike.values() if len(group) > 1]
    if groups:
        more = f", and {counted(len(groups) - 1, 'more such name')}" if len(groups) > 1 else ""
        warn(
            f"{what} has {plural} that differ only in capitals or spaces: {listed(groups[0])}{more}; give them one "
            "spelling if they mean the same"
        )


def _warn_of_mixture(candidate: Candidate) -> None:
    """Warn if a column's categories may be the result of typing errors.

    This is likely if the values have several types, or are mostly numbers, dates or times.
    """
    column = candidate.column
    types: Counter[str] = Counter()
    for value, count in candidate.counts:
        types[type(value).__name__] += count
    written = [kind for kind in TYPES.values() if isinstance(kind, Quantity) and kind.plural]
    if len(types) < 2 and not any(candidate.reaches(kind.mixed_from, kind.looks_like) for kind in written):
        return
    shares = {kind: candidate.share(kind.looks_like) for kind in written}
    meant, share = max(shares.items(), key=lambda pair: pair[1])
    if len(types) > 1:
        common = types.most_common(1)[0][0]
        odd = column.first_where(lambda value: type(value).__name__ != common)
        what = f"mixes types: mostly {common}, but"
    elif meant.mixed_from <= share < 1:
        odd = column.first_where(
            lambda value: value_name(value).strip() not in MISSING and not meant.looks_like(value_name(value))
        )
        what = f"holds {meant.plural} in {100 * share:.0f} % of its rows, but"
    else:
        return
    assert odd is not None
    index, value = odd
    said = shown(value) if isinstance(value, str) else repr(value)
    said += f" ({type(value).__name__})" if len(types) > 1 else ""
    warn(f"column {column.name!r} {what} {said} in {row(index)}; all its values are used as categories")
