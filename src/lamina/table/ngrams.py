"""Text features: hashed n-grams, weighted by tf-idf and projected by a truncated SVD.

A text is normalized to NFKC and lower case. The tokens of a text are n-grams of 3 and 4 characters within words, as
in scikit-learn's ``TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4))``; words without punctuation; and,
for scripts without spaces, single and paired ideographs, kana and emoji. A token is represented by a 32-bit hash.
All steps are arithmetic on code points; JavaScript (``types/text.js``) and machine code
(``lamina.export.library._texts``) repeat these steps exactly.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any

import numpy as np

from lamina.core.blas import matmul
from lamina.support.extras import require

GRAM_SEED, PRIME = np.uint32(2166136261), np.uint32(16777619)
"""FNV-1a's constants, applied to code points instead of bytes."""

WORD_SEED, PAIR_SEED = np.uint32(0x2545F491), np.uint32(0x7FEB352D)
"""Seeds of the other token types, so that a word differs from the n-gram with the same letters."""

MIXING = np.uint32(0x85EBCA6B)
"""A constant of MurmurHash3's finalizer."""

LONGEST_WORD = 32
"""Maximum number of code points used of a word."""

LONGEST_TEXT = 1 << 14
"""Maximum number of code points used of a text."""

_NARROW = 0x3040
"""All spaces and punctuation are below this code point."""

_FIRST_WIDE = 0x2E80
"""The first code point that is an ideograph, kana or emoji."""

_MOST_TOKENS = 1 << 14
"""Maximum number of tokens; with 30 float16 weights per token, they take 1 MB."""

_TABLE_BITS = 18
_SHIFT = np.uint32(32 - _TABLE_BITS)
"""Shift of a token's hash to the bits that index a table of 512 KB, which fits a processor's cache."""

_FEWEST_ROWS = 2
"""Minimum number of rows with a token; rarer tokens identify single rows, and are ignored."""

_MOST_TEXTS = 50_000
_MOST_LEARNED = 1 << 21
"""Maximum number of texts, and of their code points, to learn from."""

_BLOCK = 1 << 15
"""Number of code points encoded at once."""

_STEPS = 4
"""Steps of the subspace iteration; components differ from exact ones by a thousandth."""

_LEAST_SIZE = 1e-11
"""The minimum squared length of a direction, relative to the longest."""

_SPARE = 10
"""Additional components computed but not kept (Halko, Martinsson, Tropp 2011)."""


def folded(text: str) -> str:
    """The text normalized to NFKC and lower case.

    >>> folded("Ｓtraße Ⅳ ΣΟΦΟΣ"), folded("STRASSE")
    ('strasse iv σοφοσ', 'strasse')
    """
    # Not casefold, which JavaScript lacks. Final ς is replaced, since it is the only letter that depends on its place.
    return unicodedata.normalize("NFKC", text).upper().lower().replace("ς", "σ")


def _separators() -> tuple[np.ndarray, np.ndarray]:
    """Masks by code point: the spaces, and all characters that are not part of a word."""
    spaces = np.zeros(_NARROW, bool)
    spaces[:33] = True
    spaces[[0x85, 0xA0, 0x1680, 0x2028, 0x2029]] = True
    others = spaces.copy()
    others[:128] = [not chr(point).isalnum() for point in range(128)]
    others[0x80:0xC0] = others[0x2000:0x2070] = others[0x3000:0x3040] = True
    others[[0xAA, 0xB5, 0xBA]] = False  # letters: ª, µ and º
    others[[0xD7, 0xF7]] = True
    return spaces, others


_SPACES, _NOT_IN_WORDS = _separators()


def _points(texts: Sequence[str]) -> np.ndarray:
    """The code points of the normalized texts, uint32, with a zero before, between and after the texts."""
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        joined = "\0".join(text.replace("\0", " ") for text in texts)
    # Texts are folded together, separated by zeros, which don't compose with neighbours.
    return np.frombuffer(f"\0{folded(joined)}\0".encode("utf-32-le", "surrogatepass"), np.uint32)


def _any_of(flags: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The value of the mask `flags` for each code point; False for code points beyond the mask's end."""
    if points.max(initial=0) < _NARROW:  # of most texts
        return flags.take(points)
    return flags[np.minimum(points, _NARROW - 1)] & (points < _NARROW)


def _are_wide(points: np.ndarray) -> np.ndarray:
    """Whether code points are ideographs, kana or emoji."""
    are_of_east_asia = (points >= _FIRST_WIDE) & (points < 0xAC00)
    are_compatible = (points >= 0xF900) & (points < 0xFB00)
    return are_of_east_asia | are_compatible | (points >= 0x1F000)


def kinds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of normalized code points (uint32): spaces, characters outside words, and single-character tokens."""
    return _any_of(_SPACES, points), _any_of(_NOT_IN_WORDS, points), _are_wide(points)


def _hashed(points: np.ndarray, starts: np.ndarray, lengths: np.ndarray, seed: np.uint32) -> np.ndarray:
    """The hash of `points[start : start + length]` for each start."""
    hashes = np.full(len(starts), seed)
    live = np.arange(len(starts))
    for k in range(int(lengths.max(initial=0))):
        live = live[lengths[live] > k]
        hashes[live] = (hashes[live] ^ points[starts[live] + k]) * PRIME
    return hashes


def tokens(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each token in the texts, uint32, and the index of the token's text, int32.

    The order of the tokens is arbitrary.

    >>> hashes, owners = tokens(["ab", "a"])  # " ab", "ab ", " ab ", ab; " a ", a
    >>> np.bincount(owners)
    array([4, 2])
    """
    points = _points(texts)
    owners = np.cumsum(points == 0, dtype=np.int32) - 1
    spaces = _any_of(_SPACES, points)
    points = np.where(spaces, np.uint32(32), points)
    kept = ~spaces
    kept[1:] |= ~spaces[:-1]  # keeps one of several spaces
    kept[0] = True
    if not kept.all():
        points, owners, spaces = points[kept], owners[kept], spaces[kept]
    found = [*_grams(points, spaces), _words(points), *_wide(points)]
    hashes = np.concatenate([hashes for hashes, _ in found])
    # A token's second code point is in its text; its first may be the space before the text.
    return _mixed(hashes), owners.take(np.concatenate([at for _, at in found]))


def _mixed(hashes: np.ndarray) -> np.ndarray:
    hashes = (hashes ^ (hashes >> np.uint32(16))) * MIXING
    return hashes ^ (hashes >> np.uint32(13))


def _grams(points: np.ndarray, spaces: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The hashes of n-grams of 3, then 4 code points, and the indices of their second code points.

    The n-grams have no space inside.
    """
    hashes, inside = np.full(len(points), GRAM_SEED), np.True_
    for size in (1, 2, 3, 4):
        hashes = (hashes[: len(points) - size + 1] ^ points[size - 1 :]) * PRIME
        if size > 2:
            inside = inside & ~spaces[size - 2 : -1]
            at = np.flatnonzero(inside)
            yield hashes.take(at), at + 1
            inside = inside[:-1]


def _words(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of words, and the indices at which the words start."""
    inside = ~_any_of(_NOT_IN_WORDS, points)  # false for the first and last point, which are spaces
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    return _hashed(points, starts, np.minimum(stops - starts, LONGEST_WORD), WORD_SEED), starts


def _wide(points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The hashes of ideographs, kana and emoji, first single, then in pairs, and the indices of their starts."""
    if points.max(initial=0) < _FIRST_WIDE:
        return
    wide = _are_wide(points)
    single = np.flatnonzero(wide)
    pairs = np.flatnonzero(wide[1:] & wide[:-1])
    for starts, size in ((single, 1), (pairs, 2)):
        yield _hashed(points, starts, np.full(len(starts), size), PAIR_SEED), starts


def _firsts(ordered: np.ndarray) -> np.ndarray:
    """The positions in the sorted array `ordered` at which a new value begins."""
    return np.flatnonzero(np.concatenate([[len(ordered) > 0], ordered[1:] != ordered[:-1]]))


def _counting(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Any:
    """A matrix of this shape that counts how often each (row, column) pair occurs, a SciPy CSR array of float64."""
    require("encoding texts", "scipy")
    from scipy.sparse import csr_array

    bits = shape[1].bit_length()
    # Keys of half the size are sorted in half the time.
    dtype = np.int32 if shape[0] < 1 << (31 - bits) else np.int64
    keys = (rows.astype(dtype) << bits) | columns.astype(dtype)
    keys.sort()
    first = _firsts(keys)
    counts = np.diff(first, append=len(keys)).astype(np.float64)
    keys = keys[first]
    starts = np.searchsorted(keys, np.arange(shape[0] + 1, dtype=dtype) << bits)
    places = (keys & ((1 << bits) - 1)).astype(np.int32)
    arrays: Any = counts, places, starts.astype(np.int32)
    return csr_array(arrays, shape=shape)


def _with(matrix: Any, entries: np.ndarray) -> Any:
    """The CSR array with these entries in the places of its own."""
    return type(matrix)((entries, matrix.indices, matrix.indptr), shape=matrix.shape)


def _scaled(matrix: Any, by_entry: np.ndarray) -> Any:
    """The CSR array with each entry multiplied by the entry's factor."""
    return _with(matrix, matrix.data * by_entry)


def _lengths(entries: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The Euclidean norm of each row of a CSR array with these entries and `indptr`; 1 for a row without entries."""
    lengths, present = np.ones(len(starts) - 1), np.diff(starts) > 0
    if present.any():
        lengths[present] = np.sqrt(np.add.reduceat(entries**2, starts[:-1][present]))
    return lengths


def _tf_idf(counts: Any, idf: np.ndarray, sizes: np.ndarray | float = 1.0) -> Any:
    """The counts of tokens times `idf`, in rows whose Euclidean norms are `sizes`; rows without tokens stay zero."""
    weighted = _scaled(counts, idf[counts.indices])
    return _scaled(
        weighted, np.repeat(sizes / _lengths(weighted.data, weighted.indptr), np.diff(weighted.indptr))
    )


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """An encoder of texts as numeric features; `learned` fits an encoder.

    Attributes:
        hashes: the vocabulary's hashes, uint32, each with a different position in the lookup table.
        idf: the inverse document frequency of each token, float32.
        weights: the weight of each token in each feature, float16, (tokens, features).

    >>> encoder = TextEncoder.learned({"red wine": 3, "white wine": 2, "red beet": 2}, 2)
    >>> encoder.encode(["Red  Wine", "", "!"]).round(1) + 0.0
    array([[0.9, 0. ],
           [0. , 0. ],
           [0. , 0. ]])
    """

    hashes: np.ndarray
    idf: np.ndarray
    weights: np.ndarray

    @classmethod
    def learned(cls, counts: Mapping[str, int], numbers: int) -> TextEncoder:
        """An encoder fitted to the texts in `counts`, see `learned_from`."""
        return cls.learned_from(counts, numbers)[0]

    @classmethod
    def learned_from(
        cls, counts: Mapping[str, int], numbers: int
    ) -> tuple[TextEncoder, list[str], np.ndarray]:
        """An encoder fitted to the texts in `counts`, whose order does not matter; the texts used, and their features.

        The texts' tf-idf vectors form a matrix with a row for each row of the table. A token's weights are its idf
        times its entries in the right singular vectors of this matrix. Of many texts, an evenly spaced subset is used.

        Args:
            counts: maps each text to its number of rows in the table.
            numbers: the maximum number of features.
        """
        texts = chosen(sorted(counts))
        rows_of = np.array([counts[text] for text in texts], np.float64)
        hashes, owners = tokens([text[:LONGEST_TEXT] for text in texts])
        different, places = np.unique(hashes, return_inverse=True)
        found = _counting(owners, places, (len(texts), len(different)))
        rows_of_entries = np.repeat(rows_of, np.diff(found.indptr))
        kept = _kept(different, np.bincount(found.indices, rows_of_entries, minlength=len(different)))
        found = found[:, kept]
        texts_with = np.bincount(found.indices, minlength=len(kept))
        idf = (np.log((1 + len(texts)) / (1 + texts_with)) + 1).astype(np.float32)
        components = _right_singular_vectors(_tf_idf(found, idf, np.sqrt(rows_of)), numbers)
        encoder = cls(different[kept], idf, (idf[:, None] * components).astype(np.float16))
        return encoder, texts, encoder._features(found)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {"hashes": self.hashes, "idf": self.idf, "weights": self.weights}

    @property
    def is_sound(self) -> bool:
        """Whether the arrays are valid; arrays from a damaged file may not be.

        No tokens may collide in the lookup table, which has 16 bits for each, and every `idf` must be positive.
        """
        taken = np.zeros(1 << _TABLE_BITS, bool)
        taken[self.hashes >> _SHIFT] = True
        differ = np.count_nonzero(taken) == len(self.hashes) <= _MOST_TOKENS
        return differ and bool((self.idf > 0).all())

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The features of each text, float64, (texts, features); zeros if a text has no known token."""
        encoded = np.empty((len(texts), self.weights.shape[1]))
        for first, last, found in self._counted(texts):
            encoded[first:last] = self._features(found)
        return encoded

    def _features(self, counts: Any) -> np.ndarray:
        """The features of texts with these counts of known tokens."""
        lengths = _lengths(counts.data * self.idf[counts.indices], counts.indptr)
        return (counts @ self._weights) / lengths[:, None]

    @cached_property
    def _weights(self) -> np.ndarray:
        return self.weights.astype(np.float64)

    @cached_property
    def _places(self) -> np.ndarray:
        """The token at each place of the lookup table; 0 at others, whose hashes are not the first token's."""
        table = np.zeros(1 << _TABLE_BITS, np.uint16)
        table[self.hashes >> _SHIFT] = np.arange(len(self.hashes))
        return table

    def matrix(self, texts: Sequence[str]) -> Any:
        """The tf-idf of each known token, as a SciPy CSR array, float64 (texts, tokens).

        Rows have the Euclidean norm 1, or 0 without known tokens.
        """
        from scipy.sparse import csr_array, vstack

        parts = [_tf_idf(found, self.idf) for _, _, found in self._counted(texts)]
        return vstack([csr_array((0, len(self.hashes))), *parts], format="csr")

    def features(self, matrix: Any) -> np.ndarray:
        """The features of each text, as of `encode`, from the texts' `matrix`."""
        return matrix @ (self.weights / self.idf[:, None].astype(np.float64))

    def _counted(self, texts: Sequence[str]) -> Iterator[tuple[int, int, Any]]:
        """The start and end of each block of texts, and the counts of known tokens in its texts."""
        for first, last in _blocks(texts):
            hashes, owners = tokens([text[:LONGEST_TEXT] for text in texts[first:last]])
            places = self._places.take(hashes >> _SHIFT)
            known = np.flatnonzero(self.hashes.take(places) == hashes) if len(self.hashes) else places[:0]
            shape = last - first, len(self.hashes)
            yield first, last, _counting(owners.take(known), places.take(known), shape)


def _kept(hashes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The indices of tokens for the vocabulary: the most frequent token for each position in the lookup table."""
    order = np.lexsort((hashes, -rows))
    order = order[: np.count_nonzero(rows >= _FEWEST_ROWS)]
    _, first = np.unique(hashes[order] >> _SHIFT, return_index=True)
    return order[np.sort(first)[:_MOST_TOKENS]]


def chosen(texts: list[str]) -> list[str]:
    """The sorted texts from which an encoder learns: all, or an evenly spaced subset if there are very many."""
    points = sum(map(min, map(len, texts), repeat(LONGEST_TEXT)))
    step = max(1, -(-len(texts) // _MOST_TEXTS), -(-points // _MOST_LEARNED))
    return texts[::step]


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The start and end of successive ranges of texts, each with about `_BLOCK` code points."""
    points = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    return pairwise([*_firsts(points // _BLOCK).tolist(), len(texts)])


def _right_singular_vectors(matrix: Any, count: int) -> np.ndarray:
    """The first `count` right singular vectors of a CSR array as columns; fewer if the rank is lower.

    They are computed by subspace iteration. The largest entry of each vector is positive.
    """
    rows, columns = matrix.shape
    if not matrix.nnz:
        return np.zeros((columns, 0))
    width = min(count + _SPARE, columns, rows)
    places = np.arange(columns * width, dtype=np.uint32)
    basis = (_mixed(places * PRIME ^ GRAM_SEED).reshape(columns, width) / 2.0**31 - 1).astype(np.float32)
    # Components are kept in float16, so products of float32 suffice, in half the time.
    matrix = _with(matrix, matrix.data.astype(np.float32))
    across = matrix.T.tocsr()
    for _ in range(_STEPS):
        basis = _orthonormal(across @ (matrix @ basis))
    image = (matrix @ basis).astype(np.float64)
    _, axes = np.linalg.eigh(matmul(image.T, image))
    vectors = matmul(basis.astype(np.float64), axes[:, ::-1][:, :count])
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return vectors * np.where(largest < 0, -1, 1)


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns' span.

    Directions that consist of rounding errors are left out.
    """
    exact = vectors.astype(np.float64)
    sizes, axes = np.linalg.eigh(matmul(exact.T, exact))
    kept = sizes > _LEAST_SIZE * sizes.max(initial=0)
    return matmul(vectors, (axes[:, kept] / np.sqrt(sizes[kept])).astype(vectors.dtype))
