"""Lists in cells, encoded as a flag for each frequent element, and the number of elements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from lamina.table.columns import Column, value_name
from lamina.table.distinct import DistinctColumn
from lamina.table.messages import counted
from lamina.table.types.base import Candidate, ColumnSchema, ColumnType
from lamina.table.types.boolean import Boolean
from lamina.table.types.fields import Fields, most_frequent, plain_schema
from lamina.table.types.reading import Elements, Reading, Source, script_beside
from lamina.table.types.record import decoded, written
from lamina.table.values import lazily, number_in

_SEPARATORS = ("|", ";", "\n", ",", "/")


_FEWEST_ROWS = 0.002
"""An element becomes a column if at least this share of the rows have the element."""

_LOOKED_AT = 10_000
"""Maximum number of rows examined to recognize lists with a separator."""

_SEVERAL = 0.1
"""Minimum share of rows with several elements."""

_USES = 3
"""Minimum number of distinct texts in which an element counts as repeated.

Also the minimum ratio of the elements' mean number of rows to the texts' mean number of rows."""

_USED_AGAIN = 0.7
"""Minimum share of repeated elements among all elements of lists."""

_MOVED = 0.1
"""Minimum result of `_share_moved`; in "Smith, John" or "Austin, Texas" hardly any move."""

_MOST_WORDS = 4
"""Maximum number of words per element, on average; longer elements are sentences."""

_WORD = r"[^'\"\\, \t\n](?:[^'\"\\,]*[^'\"\\, \t\n])?"
_ELEMENT = rf"(?:'{_WORD}'|\"{_WORD}\"|-?[1-9]\d{{0,14}}|0)"
_USUAL = rf"\[\s*(?P<all>(?:{_ELEMENT}(?:\s*,\s*{_ELEMENT})*)?)\s*\]"
"""Lists of whole numbers and of texts without quotes, commas and backslashes in them."""

_BRACKETS = lazily(r"[\[({][^\0]*[\])}]")
_NUMBER = lazily(r"\D{0,4}\d{1,3}(?:[,.]\d{3})*(?:[,.]\d+)?\D{0,4}", re.ASCII)


@dataclass(frozen=True)
class Lists(Fields):
    """Lists in cells, such as "Comedy|Romance", ``["a", "b"]``, or a data frame's list type.

    Each of the most frequent elements has a part that flags the rows with this element. Other parts are the number of
    elements, the number of rare elements, and, if the elements are numbers, their mean, minimum and maximum.

    Attributes:
        separator: the separator of elements; empty: lists are written as in JSON or Python.

    >>> Lists(separator="|").read("Comedy | Romance"), Lists().read("['a', 'b']"), Lists().read("[]")
    (['Comedy', 'Romance'], ['a', 'b'], [])
    """

    separator: str = ""
    json_types: ClassVar[set[type]] = {list, str, type(None)}
    wanted: ClassVar[str] = "a list"
    plural = "lists"
    keeps_whole = False
    tag = "list"
    kind = "list"
    page_script: ClassVar[str] = script_beside(__file__)

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        what = [*range(len(self._measures)), *([name] for name in schema.categories)]
        used = [one for one, part in zip(what, schema.parts, strict=True) if part.used]
        return {"separator": self.separator, "elements": schema.categories, "used": used}

    def reading(self, schema: ColumnSchema) -> Reading | None:
        counts, of_numbers = schema.parts[: len(_COUNTS)], schema.parts[len(_COUNTS) : len(self._measures)]
        if any(part.used for part in of_numbers):
            return None  # numbers in lists are Python's and pages' alone
        sources = [Source("count", "all"), Source("others", "all")]
        sources += [Source("has", "all", name=name) for name in schema.categories]
        pairs = zip((*counts, *schema.parts[len(self._measures) :]), sources, strict=True)
        parts = [pair for pair in pairs if pair[0].used]
        pattern = r"(?P<all>(?:[^\[][^\0]*|\[(?:[^\0]*[^\]])?)?)" if self.separator else _USUAL
        split = Elements(self.separator or ",", "" if self.separator else "'\"")
        return Reading([lazily(pattern, re.ASCII)], parts, {"all": split}, _BRACKETS)

    def read(self, text: str) -> list[str] | None:
        """The elements of the list in a text; None if the text is not a list."""
        text = text.strip()
        edges = text[:1] + text[-1:]
        if self.separator:
            found = decoded(text) if edges == "[]" else None
            if isinstance(found, list):
                return [_name(element) for element in found]
            return [name for part in text.split(self.separator) if (name := part.strip())]
        if edges not in ("[]", "()", "{}"):
            return None
        found = decoded(text)
        if found is None:
            return [name for part in text[1:-1].split(",") if (name := part.strip(" \t'\""))]
        return [_name(element) for element in found] if isinstance(found, list | tuple | set) else None

    looks_like = ColumnType.looks_like  # what a separator is, only the column tells

    def is_such(self, text: str) -> bool:
        return self.read(text) is not None

    # --- recognition -------------------------------------------------------------------------------------------------

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        found = super().recognize(candidate)
        return found if found and found.used else None  # lists that all differ may be texts

    def _found(self, candidate: Candidate) -> Lists | None:
        if candidate.looks_meant:
            return None
        if super()._found(candidate):
            is_single = candidate.share(lambda text: len(self.read(text) or [0]) == 1) == 1
            return None if is_single else self  # single elements, such as [12,], may be row names
        some = [
            sep for sep in _SEPARATORS if candidate.first.reaches(_SEVERAL, lambda text, s=sep: s in text)
        ]
        if not some:
            return None
        pairs = candidate.with_rows.head(_LOOKED_AT).value_counts()
        counts = [(value_name(value), rows) for value, rows in pairs]
        kinds = (replace(self, separator=separator) for separator in some)
        return next((kind for kind in kinds if kind._divides(counts)), None)

    def _divides(self, counts: Sequence[tuple[str, int]]) -> bool:
        """Whether the separator splits the texts into elements of lists.

        `counts` has each distinct text and its number of rows.
        """
        divided = [text for text, _ in counts if self.separator in text]
        numbers = sum(_NUMBER.fullmatch(text) is not None for text in divided)
        if 2 * numbers >= len(divided):
            return False
        cells = [(self.read(text) or [], rows) for text, rows in counts]
        several = [cell for cell, _ in cells if len(cell) > 1]
        rows = sum(rows for _, rows in cells)
        if sum(rows for cell, rows in cells if len(cell) > 1) < _SEVERAL * rows:
            return False
        uses = Counter(chain.from_iterable(set(cell) for cell, _ in cells))
        elements, again = [*chain.from_iterable(several)], {name for name, n in uses.items() if n >= _USES}
        if sum(map(again.__contains__, elements)) < _USED_AGAIN * len(elements):
            return False
        rows_of_elements = sum(len(cell) * rows for cell, rows in cells) / len(uses)
        if rows_of_elements < _USES * rows / len(cells):
            return False
        if sum(len(element.split()) for element in uses) > _MOST_WORDS * len(uses):
            return False
        if self.separator == "/" and 2 * sum(map(str.isdecimal, elements)) > len(elements):
            return False  # dates, fractions, scores
        return 2 * numbers < len(several) and _share_moved(several) >= _MOVED

    # --- columns -----------------------------------------------------------------------------------------------------

    def frequent(self, found: Sequence[list[str] | None], rows: Sequence[int]) -> Mapping[str, int]:
        present, uses = 0, Counter[str]()
        for cell, count in zip(found, rows, strict=True):
            if cell is not None:
                present += count
                uses.update(dict.fromkeys(cell, count))
        enough = max(2, _FEWEST_ROWS * present)
        return most_frequent({name: count for name, count in uses.items() if enough <= count < present})

    def names(self, schema: ColumnSchema) -> Sequence[str]:
        return self._measures

    def part(self, column: Column) -> ColumnSchema:
        return Boolean().learn(column, named=True) if column.storage == "boolean" else plain_schema(column)

    def _columns(
        self, schema: ColumnSchema, found: Sequence[list[str] | None], positions: np.ndarray
    ) -> list[Column]:
        """The columns of measures (number of elements, …), and the columns that flag frequent elements."""
        place = {name: j for j, name in enumerate(schema.categories)}
        has = np.zeros((len(place), len(found)), np.int8)
        for i, cell in enumerate(found):
            has[:, i] = _ABSENT if cell is None else 0
            has[[place[element] for element in cell or () if element in place], i] = 1
        measured = [None if cell is None else self._measured(cell, place) for cell in found]
        columns = super()._columns(schema, measured, positions)
        for name, codes in zip(schema.categories, has, strict=True):
            columns.append(DistinctColumn(f"{schema.name}: {name}", _TRUTHS, codes[positions]))
        return columns

    @property
    def _measures(self) -> tuple[str, ...]:
        return _COUNTS if self.separator else _COUNTS + _OF_NUMBERS

    def _measured(self, cell: list[str], known: Mapping[str, int]) -> dict[str, float]:
        """The measures of a list, by name; see `_measures`."""
        found = [float(len(cell)), float(len({*cell} - known.keys()))]
        if not self.separator:
            numbers = [number for element in cell if (number := number_in(element)) is not None]
            if numbers and len(numbers) == len(cell):
                found += [sum(numbers) / len(numbers), min(numbers), max(numbers)]
        return dict(zip(self._measures, found, strict=False))

    # --- descriptions ------------------------------------------------------------------------------------------------

    def treatment(self, column: ColumnSchema) -> str:
        numbers = [name for name, part in zip(self._measures, column.parts, strict=False) if part.used]
        each = f"−1 or 1 for each of {counted(len(column.categories), 'element')}"
        return ", ".join([*numbers, each] if column.categories else numbers)

    def values_said(self, column: ColumnSchema) -> str:
        more = len(column.categories) - 3
        return ", ".join(column.categories[:3]) + (f" + {more} more" if more > 0 else "")

    def example(self, column: ColumnSchema) -> Any:
        some = column.categories[:2]
        return self.separator.join(some) if self.separator else written(some)


_COUNTS = ("number of elements", "number of others")
_OF_NUMBERS = ("mean", "least", "greatest")
_TRUTHS = (False, True, None)
_ABSENT = 2


def _name(element: Any) -> str:
    """The text of a list's element, or of an object's "name" entry."""
    if isinstance(element, dict) and isinstance(element.get("name"), str):
        return element["name"]
    return written(element) if isinstance(element, list | tuple | set | dict) else value_name(element)


def _share_moved(cells: Sequence[list[str]]) -> float:
    """How often elements change their position between lists, as a fraction.

    Each element that occurs often has a most frequent position in its lists; the result is the fraction of these
    elements' occurrences that are at another position. Positions are counted from the start or the end of the list,
    whichever gives the lower fraction.
    """
    shares: list[float] = []
    for order in (1, -1):
        total, most = Counter[str](), dict[str, int]()
        places = Counter((element, place) for cell in cells for place, element in enumerate(cell[::order]))
        for (element, _), uses in places.items():
            total[element] += uses
            most[element] = max(most.get(element, 0), uses)
        again = [element for element, uses in total.items() if uses >= _USES]
        found = sum(total[element] for element in again)
        shares.append(1 - sum(most[element] for element in again) / found if found else 0.0)
    return min(shares)
