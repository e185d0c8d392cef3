"""Numbers with words among them, such as "unknown" in a column of incomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from lamina.table.categories import note_unknown, require_texts
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.messages import listed, warn
from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema, but_holds, else_categories
from lamina.table.types.category import Category
from lamina.table.types.composite import Composite
from lamina.table.types.number import Number
from lamina.table.types.quantity import Quantity, missing_said
from lamina.table.types.reading import script_beside
from lamina.table.types.unused import Missing
from lamina.table.types.written_number import WrittenNumber, form_of_column
from lamina.table.values import MISSING, lazily, number_in
from lamina.table.written_numbers import Form, described

_MOSTLY_NUMBERS = 0.5
_FEWEST_NUMBERS = 20
"""Minimum number of distinct plain numbers among words; fewer are codes."""

_FEW_WORDS = 3
"""Number of distinct words that are few in any column."""

_WORDS_A_NUMBER = 0.2
"""Maximum number of distinct words per distinct number in a mixed column; with more words, it is categorical."""

_MOST_WORDS = 200
_CODE = lazily(r"[\w.:/-]+")
"""An identifier, if it has digits; numbers in other forms have spaces, quotes, commas or other signs."""

_SLIPS = 0.03
"""Maximum share of rows with slips of typing among measurements, see `_are_measured`."""

_OTHER_FORMS = 0.1
"""Maximum share of rows with numbers in other forms, which are rare words."""

_RARE = 0.001
"""A word has its own category if it is in at least this share of the rows, and in two rows."""

OTHER = "other"


@dataclass(frozen=True)
class Mixed(Composite, Form):
    """Numbers with words among them; the parts are the number and the word's code.

    Numbers are plain, or in the column's format.

    Attributes:
        words: whether words are categories; if not, they count as missing numbers.
        other: whether rare words share a category; if not, they count as missing.
        rare: the rare words, separated by line feeds.
    """

    words: bool = True
    other: bool = False
    rare: str = ""
    tag = "mixed"
    kind = "numeric"
    choice = "numeric"
    json_types: ClassVar[set[type]] = {str, int, float, type(None)}
    wanted = "a number or a text"
    page_script: ClassVar[str] = script_beside(__file__)

    @property
    def number(self) -> Quantity:
        """The type of the numbers."""
        if not self.like:
            return Number(written=True)
        return WrittenNumber(**{field.name: getattr(self, field.name) for field in fields(Form)})

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        found = _numbers_and_words(candidate)
        if found is None:
            return None
        kind, numbers, words = found
        column = candidate.column
        if not words or not numbers:
            return kind.number.learn(column, candidate.named) if kind.like else None
        if candidate.choice is None and not _are_words(words, numbers, kind):
            return None
        kind = _with_words(kind, words, sum(numbers.values()))
        if kind.rare and not kind.other:
            names, rare = (value_name(value) for value, _ in candidate.counts), kind.rare.split("\n")
            slips = {name for name in names if name.strip() in rare}
            warn(f"{but_holds(column, 'holds numbers', slips, gaps=True)} {else_categories(column)}")
        return kind.learn(column, candidate.named)

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        number, *rest = self.split(ColumnSchema(column.name, self), column)
        parts = [replace(self.number.learned(number, number.numbers(), named), reason="")]
        for words in rest:
            absent = ColumnSchema(words.name, Missing(), missing=len(words))
            parts.append(Category().learn(words, named) if words.missing() < len(words) else absent)
        said = described(self) if self.like else "numbers"
        if self.words:
            said += f"; words: {listed(parts[1].categories, 3)}"
        return self.schema_of(column, reason=said, parts=tuple(parts))

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        names = [part.name for part in schema.parts] or [column.name, f"{column.name}: words"]
        if column.storage in ("number", "boolean"):
            return [column, ArrayColumn(names[-1], np.full(len(column), None, object))][: 1 + self.words]
        require_texts(column.name, column, self.wanted)
        values, positions = distinct_values(column)
        texts = ["" if value is None else value_name(value).strip() for value in values]
        read = column.once(("texts", self.number), lambda: [*map(self.number.read, texts)])
        known = np.array([np.nan if number is None else number for number in read], np.float64)
        numbers = ArrayColumn(column.name, known[positions], column.type_name)
        rare = dict.fromkeys(self.rare.split("\n"), OTHER if self.other else None)
        words = [
            None if text in MISSING or number is not None else rare.get(text, text)
            for text, number in zip(texts, read, strict=True)
        ]
        if not self.words:
            others = {value_name(value): value for value, word in zip(values, words, strict=True) if word}
            note_unknown(column.name, column, others, self.number.wanted)
            return [numbers]
        return [numbers, DistinctColumn(names[-1], words, positions)]

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        return {
            "form": self.page_form() if self.like else None,
            "words": list(schema.parts[-1].categories),
            "rare": self.rare.split("\n"),
            "other": OTHER if self.other else "",
            "used": [i for i, part in enumerate(schema.parts) if part.used],
            "proposals": list(schema.parts[-1].categories)[:5],
        }

    def treatment(self, column: ColumnSchema) -> str:
        return "number, scaled" + ("; words: categories" if self.words else "; missing: median and a flag")

    def example(self, column: ColumnSchema) -> Any:
        return self.number.example(column.parts[0])

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        words = [*column.parts[1].categories[:20]] if self.words else []
        like = f", a text such as {self.like}" if self.like else ""
        said = f"A number{like}" + (f", or one of these words: {listed(words)}" if words else "")
        return {"type": ["number", "string", "null"], "description": f"{said}. {missing_said(column)}"}


def few_words(column: Column, *, known: bool = False) -> list[str]:
    """The names of the few values that are words in a column of many different numbers, in a tenth of the rows at most.

    In a column `known` to hold numbers, numbers may be few, as in a part of a table, and up to three words are few.

    >>> from lamina.table.columns import as_column
    >>> few_words(as_column([*map(str, range(50)), "broken"])), few_words(as_column(["1", "2", "broken"]))
    (['broken'], [])
    """
    found = _numbers_and_words(Candidate(column, None, named=True))
    kind, numbers, words = found or (Mixed(), {}, {})
    are_few = sum(words.values()) <= (1 - MOSTLY) * (sum(words.values()) + sum(numbers.values()))
    is_such = len(numbers) > _FEWEST_NUMBERS and are_few and _are_words(words, numbers, kind)
    if known and len(words) <= _FEW_WORDS and sum(words.values()) <= sum(numbers.values()):
        is_such = is_such or not any(map(str.isdigit, "".join(words)))
    names = (value_name(value) for value, _ in column.value_counts())
    odd = words.keys() | MISSING  # in a column of texts, "" in quotes is a value
    return [name for name in names if name.strip() in odd] if is_such else []


def _numbers_and_words(candidate: Candidate) -> tuple[Mixed, dict[str, int], dict[str, int]] | None:
    """The type of numbers with words, and the numbers and the words with their rows; None for other columns."""
    form = form_of_column(candidate)
    if form is None and not _may_have_words(candidate):
        return None
    kind = Mixed() if form is None else Mixed(**asdict(form))
    counts, number = candidate.texts, kind.number
    numbers = {text: rows for text, rows in counts if number.read(text) is not None}
    return kind, numbers, {text: rows for text, rows in counts if text not in numbers}


def _may_have_words(candidate: Candidate) -> bool:
    """Whether a text column may consist of plain numbers with words among them."""
    if not candidate.is_text:
        return False
    if candidate.choice == "numeric":
        return True
    return candidate.first.reaches(_MOSTLY_NUMBERS / 2, lambda text: number_in(text) is not None)


def _are_words(words: Mapping[str, int], numbers: Mapping[str, int], form: Form) -> bool:
    """Whether the texts are numbers with a few words, and few numbers in other forms (5'7" beside 67), among them.

    They are not if there are few numbers, as among categories, or if words have digits, as identifiers do.
    """
    rows = sum(words.values()) + sum(numbers.values())
    with_digits = {text: count for text, count in words.items() if any(map(str.isdigit, text))}
    codes = [count for text, count in with_digits.items() if _CODE.fullmatch(text)]
    are_named = 2 * sum(text[0].isalpha() for text in with_digits) > len(with_digits)  # V57 beside 250
    share = _SLIPS if _are_measured(numbers, form) and not are_named else _RARE
    is_code = len(codes) > 1 + share * len(numbers) or sum(codes) > max(1, share * rows)
    are_many = sum(with_digits.values()) > max(1, _OTHER_FORMS * rows)
    if is_code or are_many or sum(numbers.values()) < _MOSTLY_NUMBERS * rows:
        return False
    enough = bool(form.like) or len(numbers) > _FEWEST_NUMBERS
    most = min(max(_FEW_WORDS, _WORDS_A_NUMBER * len(numbers)), _MOST_WORDS)
    return enough and len(words) - len(with_digits) <= most


def _are_measured(numbers: Mapping[str, int], form: Form) -> bool:
    """Whether numbers are measurements: they have a unit, fractions, or several lengths, and most rows differ."""
    fractions = sum("." in text or "," in text for text in numbers)
    lengths = Counter(map(len, numbers)).most_common(1)[0][1]
    has_unit = bool(form.measure or form.currency)
    is_such = has_unit or 2 * fractions > len(numbers) or lengths < MOSTLY * len(numbers)
    return is_such and 2 * len(numbers) > sum(numbers.values())


def _with_words(kind: Mixed, words: Mapping[str, int], numbers: int) -> Mixed:
    """The type with its fields `words`, `other` and `rare` set.

    Words in few rows are rare. `numbers` is the number of rows with numbers.
    """
    least = max(2, _RARE * (numbers + sum(words.values())))
    rare = {text: rows for text, rows in words.items() if rows < least}
    other = sum(rare.values()) >= least
    listed = sorted(rare, key=lambda text: (-rare[text], text))[:_MOST_WORDS]
    return replace(kind, words=other or len(rare) < len(words), other=other, rare="\n".join(listed))
