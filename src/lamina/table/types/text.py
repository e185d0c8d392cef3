"""Texts: columns with very many distinct values of several words, such as sentences and names."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.distinct import DistinctColumn, distinct_values
from lamina.table.messages import counted
from lamina.table.ngram_targets import codes_tell
from lamina.table.ngrams import TextEncoder
from lamina.table.types.base import FEW_ROWS, Candidate, ColumnSchema
from lamina.table.types.category import Category
from lamina.table.types.composite import Composite
from lamina.table.types.number import Number
from lamina.table.types.quantity import missing_said
from lamina.table.types.reading import script_beside
from lamina.table.types.unused import Identifier
from lamina.table.values import MISSING, lazily

_NUMBERS = 30
"""Number of features per text; more are slower, and hardly better."""

_FEWEST, _TEXTS_A_NUMBER, _ROWS_A_NUMBER = 2, 10, 100
"""Minimum number of features; distinct texts needed for each feature, or rows if most texts differ.

Small tables can't learn from many features.
"""

_MANY = 100
"""Minimum number of distinct texts for features, if texts are repeated, and of codes; fewer are only categories."""

_FEW, _BESIDE = 5, 0.05
"""Minimum number of distinct sequences of words, or minimum share of rows without the most frequent one.

With neither, the words are a common prefix or suffix of codes.
"""

_DIFFERENT = 0.4
"""Minimum share of distinct codes; others repeat often enough to be learned as categories."""

_FREQUENT = 5
"""Minimum number of rows of a text that is a category, too."""

_LONGEST_EXAMPLE, _LONGEST_SHOWN = 200, 40
_LONGEST_LOOK = 1000
"""Number of leading characters of a text that are searched for words."""

_WORD = lazily(r"(?<![^\W_])(?:[^\W\d_]{3,}|[^\x00-\u024F\W\d_]+)(?![^\W_])")
"""A word: three or more letters, or any number of non-Latin letters, not adjacent to other letters or digits."""


@dataclass(frozen=True)
class Text(Composite):
    """Texts, encoded as features of n-grams (see `TextEncoder`), and as categories if values repeat.

    Attributes:
        typical: an example text.
        targets: the number of features that predict the target, which are the last numeric parts; see
            `lamina.estimators.text_targets`.
    """

    tag = "text"
    kind = "text"
    choice = "text"
    page_script: ClassVar[str] = script_beside(__file__)

    typical: str = ""
    targets: int = 0

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        if candidate.choice is not None or not candidate.is_text:
            return None
        is_code = not _is_of_words(candidate)
        if is_code and not _tells_the_target(candidate):
            return None
        found = self.learn(candidate.column, candidate.named)
        if is_code:
            found = replace(found, reason=f"{found.reason}, whose parts predict the target")
        return found if any(isinstance(part.type, Number) for part in found.parts) else None

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        pairs, missing = column.value_counts(), column.missing()
        counts = cast("dict[str, int]", dict(pairs)) if column.storage == "text" else {}
        for value, count in pairs if not counts else ():  # values of several types may have the same name
            counts[value_name(value)] = counts.get(value_name(value), 0) + count
        if len(counts) < 2:
            return Category().learn(column, named)
        counts = {text: counts[text] for text in sorted(counts)}
        rows = sum(counts.values())
        most = len(counts) // _TEXTS_A_NUMBER if 2 * len(counts) <= rows else rows // _ROWS_A_NUMBER
        encoder, texts, features = TextEncoder.learned_from(counts, min(_NUMBERS, max(_FEWEST, most)))
        rows_of = np.array([counts[text] for text in texts])
        parts = [*_numbers(column.name, features, rows_of, missing, named)]
        parts += _frequent(column.name, counts, missing)
        if not parts:
            return Identifier().schema_of(column)
        learned, reason = replace(self, typical=_typical(counts)), f"{len(counts):,} different texts"
        return learned.schema_of(column, reason=reason, parts=tuple(parts), arrays=encoder.arrays)

    def split(self, schema: ColumnSchema, column: Column) -> Sequence[Column]:
        values, positions = distinct_values(column)
        texts = [None if value is None else value_name(value) for value in values]
        numbers = self.encoder(schema).encode([text or "" for text in texts])
        numbers[[text is None for text in texts]] = np.nan
        by_number = np.ascontiguousarray(numbers.T)
        found: list[Column] = []
        for part in schema.parts:
            if isinstance(part.type, Category):
                names = [text if text in part.codes else None for text in texts]
                found.append(DistinctColumn(part.name, names, positions))
            else:
                found.append(ArrayColumn(part.name, by_number[len(found)][positions]))
        return found

    def treatment(self, column: ColumnSchema) -> str:
        numbers = sum(isinstance(part.type, Number) for part in column.parts) - self.targets
        said = [f"{numbers} numbers"] if numbers else []
        said += [f"{counted(self.targets, 'prediction')} of the target"] if self.targets else []
        said = [" and ".join(said) + " from its n-grams"] if said else []
        said += [f"{len(part.categories):,} frequent values" for part in column.parts if part.categories]
        return ", and ".join(said)

    def values_said(self, column: ColumnSchema) -> str:
        return textwrap.shorten(self.typical, _LONGEST_SHOWN, placeholder=" …")

    def example(self, column: ColumnSchema) -> str:
        return self.typical

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        types = ["string", "number", "boolean", "null"]
        return {"type": types, "description": f"A text. {missing_said(column)}"}

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        categories = [list(part.categories) for part in schema.parts if part.categories]
        encoder = self.encoder(schema)
        return {
            "hashes": encoder.hashes.view(np.int32),
            "idf": encoder.idf,
            "weights": encoder.weights.view(np.uint8),
            "categories": categories[0] if categories else None,
        }

    def encoder(self, schema: ColumnSchema) -> TextEncoder:
        """The n-gram encoder that a column learned.

        Raises:
            DataError: the column's arrays are not a text encoder's, as in a damaged file.
        """
        if "encoder" not in schema.prepared:
            schema.prepared["encoder"] = self._encoder(schema)
        return schema.prepared["encoder"]

    def _encoder(self, schema: ColumnSchema) -> TextEncoder:
        numbers = sum(isinstance(part.type, Number) for part in schema.parts)
        tokens = len(schema.arrays.get("hashes", ()))
        wanted = {
            "hashes": ("uint32", (tokens,)),
            "idf": ("float32", (tokens,)),
            "weights": ("float16", (tokens, numbers)),
        }
        if {name: (str(array.dtype), array.shape) for name, array in schema.arrays.items()} == wanted:
            encoder = TextEncoder(**schema.arrays)
            if encoder.is_sound:
                return encoder
        raise DataError(f"column {schema.name!r}: its arrays are not a text encoder's; the file is damaged")


def _tells_the_target(candidate: Candidate) -> bool:
    """Whether a column has codes that hardly repeat, and predict the target."""
    column, targets = candidate.column, candidate.targets
    present = len(column) - column.missing()
    if targets is None or present < _MANY or column.distinct() < _DIFFERENT * present:
        return False
    return not candidate.looks_meant and codes_tell(candidate.with_rows, *targets())


def _is_of_words(candidate: Candidate) -> bool:
    """Whether a column has very many distinct values, which consist of different words."""
    column = candidate.column
    present, different = len(column) - column.missing(), column.distinct()
    if present < FEW_ROWS or different < min(_MANY, 0.95 * present):
        return False
    names = (value_name(value) for value, _ in candidate.first.counts)
    texts = [text for text in names if text.strip() not in MISSING]
    words = Counter(tuple(_WORD.findall(text[:_LONGEST_LOOK])) for text in texts)
    others = len(texts) - max(words.values(), default=0)
    if words[()] > len(texts) / 2 or (len(words) < _FEW and others <= _BESIDE * len(texts)):
        return False  # codes, possibly with a common prefix or suffix of words
    if len(set(map(len, texts))) == 1 and not any(" " in text for text in texts):
        return False  # keys of fixed length
    return not candidate.looks_meant


def _numbers(
    name: str, features: np.ndarray, rows: np.ndarray, missing: int, named: bool
) -> Iterator[ColumnSchema]:
    """The schemas of the numeric parts, with the ranges of the features of the texts that the encoder learned from.

    `rows` has the number of rows of each text. The first part also flags missing texts.
    """
    for j, values in enumerate(features.T):
        part, absent = f"{name}: text {j + 1}", 0 if j else missing
        low, high = float(values.min()), float(values.max())
        mean = float(np.average(values, weights=rows)) if named else None
        yield ColumnSchema(part, Number("float64"), "Float64", absent, low=low, high=high, mean=mean)


def _frequent(name: str, counts: Mapping[str, int], missing: int) -> Iterator[ColumnSchema]:
    """The schema of the part for repeated values, which are categories.

    Other values are missing in this part.
    """
    frequent = sorted(text for text, count in counts.items() if count >= _FREQUENT)
    if len(frequent) < 2:
        return
    rows = tuple(counts[text] for text in frequent)
    others = sum(counts.values()) - sum(rows) + missing
    yield ColumnSchema(f"{name}: value", Category(), "String", others, tuple(frequent), rows)


def _typical(counts: Mapping[str, int]) -> str:
    """A text of medium length among the most frequent texts."""
    most = max(counts.values())
    common = sorted(text for text, count in counts.items() if count == most)
    return sorted(common, key=len)[len(common) // 2][:_LONGEST_EXAMPLE]
