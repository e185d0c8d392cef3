"""Machine code that encodes texts in UTF-8 as `lamina.table.ngrams.TextEncoder` does.

Each code point passes through a chain of functions: `point` decomposes it, `push` composes it with its neighbours
(Unicode's form NFKC), `letter` converts it to lower case, `take` forms tokens, and `token` adds the weights of known
tokens. The functions' state has a fixed size, independent of the text's length. The arrays of code points are computed
from Python's `unicodedata`, and from `ngrams`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, global_array
from lamina.compiler.llvm import BOOL, FLOAT64, INDEX, Module, Pointer, Value
from lamina.table import ngrams

_UINT16, _UINT32, _INT32, _FLOAT32 = map(np.dtype, ("u2", "u4", "i4", "f4"))

_LAST = 0x2FFFF
"""All code points from this one on are treated alike: they don't change, and are wide."""

_PAGE = 128
_CLASS, _JOINS, _SPACE, _NO_WORD, _WIDE = 255, 256, 512, 1024, 2048
"""Bits of a code point's kind: its combining class; whether it composes with the one before; its role in tokens."""

_STARTER, _MARKS, _FIRST, _SECOND, _THIRD, _HASH, _LENGTH, _SQUARE = range(8)
_STARTS, _HASHES, _IDF, _WEIGHTS, _COUNTS, _SUMS, _NUMBERS, _SHIFT, _MARK = range(8, 17)
"""Indices of the state's fields of eight bytes: the letter and its number of marks, the last three code points, the
word's hash and length, the sum of squares; the column's tables; the marks."""

_MOST_MARKS = 64
"""Maximum number of marks, such as accents, on a letter; further marks are ignored."""

_HANGUL, _LEADING, _VOWEL, _TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
_STATE = {"state": None, "point": INDEX}


def scratch_bytes(tokens: int) -> int:
    """The bytes of scratch memory for reading a text with a vocabulary of `tokens` tokens."""
    return 8 * (_MARK + _MOST_MARKS) + 2 * tokens


@cache
def _tables() -> dict[str, np.ndarray]:
    """The lookup arrays for code points, by name.

    * "decomposed", "folded": for each code point, the start of its replacement in "sequences"; 0: it is unchanged.
    * "kinds": for each code point, its combining class, and flags such as `_SPACE`. These three arrays are divided into
      pages; equal pages are stored once.
    * "sequences": the replacements, each after its length.
    * "pairs", "composed": the pairs of code points that compose, and the result of each pair.
    """
    letters = [chr(point) for point in range(1, _LAST + 1)]
    joined = "\0".join(letters)
    apart, whole = (unicodedata.normalize(form, joined).split("\0") for form in ("NFKD", "NFKC"))
    small = ngrams.folded(joined).split("\0")
    sequences, places = [0], dict[str, int]()

    def place(letter: str, text: str) -> int:
        if text == letter or _HANGUL <= ord(letter) < _HANGUL + 11172:
            return 0
        if text not in places:
            places[text] = len(sequences)
            sequences.extend([len(text), *map(ord, text)])
        return places[text]

    pairs = dict[int, int]()
    for letter, composed in zip(letters, whole, strict=True):
        parts = unicodedata.decomposition(letter).split()
        if letter == composed and len(parts) == 2 and parts[0][0] != "<":
            pairs[int(parts[0], 16) << 32 | int(parts[1], 16)] = ord(letter)
    points = np.arange(1, _LAST + 1, dtype=np.uint32)
    spaces, outside, wide = ngrams.kinds(points)
    jamo = [*range(_VOWEL, _VOWEL + 21), *range(_TRAILING + 1, _TRAILING + 28)]
    joining = np.isin(points, [*(key & 0xFFFFFFFF for key in pairs), *jamo])
    kinds = np.array([*map(unicodedata.combining, letters)])
    kinds |= _JOINS * joining | _SPACE * spaces | _NO_WORD * outside | _WIDE * wide
    forms = zip(letters, whole, small, strict=True)
    low = [place(one, form) if one == kept else 0 for one, kept, form in forms]
    found = {"decomposed": [*map(place, letters, apart)], "folded": low, "kinds": kinds}
    tables = {"sequences": np.array(sequences, np.uint32)}
    for name, values in found.items():
        by_page = np.array([0, *values], np.uint16).reshape(-1, _PAGE)
        pages, which = np.unique(by_page, axis=0, return_inverse=True)
        tables |= {name: pages, f"{name}_pages": which.astype(np.uint16)}
    keys = sorted(pairs)
    width = 1 << len(keys).bit_length()
    tables["pairs"] = np.array(keys + [2**62] * (width - len(keys)))
    tables["composed"] = np.array([pairs[key] for key in keys] + [0] * (width - len(keys)))
    return tables


def emit_text_reader(module: Module[Any], name: str, encoder: ngrams.TextEncoder) -> None:
    """Emit the function ``void NAME(ptr text, ptr numbers, ptr scratch)`` for an encoder.

    The function stores the encoder's numbers as doubles in `numbers`, NaN if `text` is NULL. `scratch` has
    `scratch_bytes`. A text is UTF-8; invalid bytes count as U+FFFD.
    """
    tokens, count = encoder.weights.shape
    order = np.argsort(encoder.hashes)
    shift = 32 - tokens.bit_length()
    buckets = encoder.hashes[order] >> np.uint32(shift)
    starts = np.searchsorted(buckets, np.arange((1 << tokens.bit_length()) + 1)).astype(np.int32)
    weights = encoder.weights[order].astype(np.float32)
    arrays = {_STARTS: starts, _HASHES: encoder.hashes[order], _IDF: encoder.idf[order], _WEIGHTS: weights}
    for place, array in arrays.items():
        module.declare(global_array(f"{name}_{place}", array))
    if "point" not in module.functions:
        _emit_shared(module)
    with module.function(name, dict.fromkeys(["text", "numbers", "scratch"]), internal=True) as b:
        text, numbers, state = map(b.pointer_argument, ("text", "numbers", "scratch"))
        is_missing = b.result(f"icmp eq {text.typed}, null", BOOL)
        with b.loop(0, count) as i:
            b.store(numbers, b.where(is_missing, b.const(np.nan, FLOAT64), 0.0), i)
        with b.if_(b.logical_not(is_missing)):
            counts = b.offset(state, 8 * (_MARK + _MOST_MARKS), np.dtype(np.int8))
            with b.loop(0, tokens) as i:
                b.store(counts, b.const(0, _UINT16), i)
            begin = {_STARTER: 32, _FIRST: 32, _SECOND: 32, _THIRD: 32, _NUMBERS: count, _SHIFT: shift}
            for place in range(_MARK):
                b.store(state, b.const(begin.get(place, 0)), place)
            pointers = {place: Pointer(f"@{name}_{place}") for place in arrays}
            for place, pointer in (pointers | {_COUNTS: counts, _SUMS: numbers}).items():
                b.store_pointer(state, pointer, place)
            _decode(b, text, state)
            for _ in range(2):  # the second space sends the first one on
                b.call("push", state, b.const(32))
            square = b.load(state, FLOAT64, _SQUARE)
            length = b.sqrt(b.where(b.equal(square, 0.0), b.const(1.0, FLOAT64), square))
            with b.loop(0, count) as i:
                b.store(numbers, b.div(b.load(numbers, FLOAT64, i), length), i)


def _decode(b: OneThread, text: Pointer, state: Pointer) -> None:
    """Emit a call of `point` for each of the first `LONGEST_TEXT` code points of a text."""
    place, count, others, point = (b.variable(b.const(0)) for _ in range(4))

    def byte() -> Value:
        return b.cast(b.load(text, np.dtype(np.uint8), place.get()), INDEX)

    def more() -> Value:
        return b.logical_and(b.not_equal(byte(), 0), b.less(count.get(), ngrams.LONGEST_TEXT))

    with b.while_(more):
        lead = byte()
        place.set(place.get() + 1)
        count.set(count.get() + 1)
        two, three, four = (b.cast(b.greater_equal(lead, first), INDEX) for first in (0xC0, 0xE0, 0xF0))
        others.set(two + three + four)
        is_alone = b.less(lead, 0xC0)
        point.set(b.where(is_alone, lead, b.bit_and(lead, b.shift_right(b.const(63), others.get()))))
        for _ in range(3):
            with b.if_(b.greater(others.get(), 0)):
                following = byte()
                continues = b.equal(b.bit_and(following, 0xC0), 0x80)
                point.set(b.where(continues, b.shift_left(point.get(), 6) + b.bit_and(following, 63), 0xFFFD))
                place.set(place.get() + b.cast(continues, INDEX))
                others.set(b.where(continues, others.get() - 1, 0))
        is_stray = b.logical_and(is_alone, b.greater_equal(lead, 0x80))
        is_bad = b.logical_or(is_stray, b.greater(point.get(), 0x10FFFF))
        b.call("point", state, b.where(is_bad, 0xFFFD, point.get()))


# --- functions that all columns share ---------------------------------------------------------------------------------


def _emit_shared(module: Module[Any]) -> None:
    for name, array in _tables().items():
        module.declare(global_array(name, array))
    with module.function("token", {"state": None, "hash": _UINT32}, internal=True) as b:
        _token(b, b.pointer_argument("state"), b.argument("hash"))
    functions: dict[str, Callable[[OneThread, Pointer, Value], None]] = {
        "take": _take, "letter": _letter, "compose": _compose, "push": _push, "point": _point,
    }  # fmt: skip
    for name, write in functions.items():
        with module.function(name, _STATE, internal=True) as b:
            write(b, b.pointer_argument("state"), b.argument("point"))


def _looked_up(b: OneThread, table: str, point: Value) -> Value:
    """Emit the lookup of a code point in an array that is divided into pages."""
    point = b.minimum(point, _LAST)
    page = b.load(Pointer(f"@{table}_pages"), _UINT16, b.shift_right(point, 7))
    entry = b.bit_or(b.shift_left(b.cast(page, INDEX), 7), b.bit_and(point, _PAGE - 1))
    return b.cast(b.load(Pointer(f"@{table}"), _UINT16, entry), INDEX)


def _has(b: OneThread, kind: Value, bit: int) -> Value:
    return b.not_equal(b.bit_and(kind, bit), 0)


def _each(b: OneThread, table: str, point: Value, function: str, state: Pointer) -> None:
    """Emit calls of a function for the code points that replace `point`, or for `point` if nothing does."""
    place = _looked_up(b, table, point)

    def several() -> None:
        count = b.cast(b.load(Pointer("@sequences"), _UINT32, place), INDEX)
        with b.loop(0, count) as i:
            b.call(function, state, b.cast(b.load(Pointer("@sequences"), _UINT32, place + i + 1), INDEX))

    b.if_else(b.equal(place, 0), lambda: b.call(function, state, point), several)


def _point(b: OneThread, state: Pointer, point: Value) -> None:
    _each(b, "decomposed", point, "push", state)


def _letter(b: OneThread, state: Pointer, point: Value) -> None:
    _each(b, "folded", point, "take", state)


def _push(b: OneThread, state: Pointer, point: Value) -> None:
    """Emit the body of `push`: collect a mark with its letter; compose a letter with the letter before.

    A letter that does not compose completes the letter before, with its marks.
    """
    kind = _looked_up(b, "kinds", point)
    order = b.bit_and(kind, _CLASS)

    def mark() -> None:
        count = b.load(state, INDEX, _MARKS)
        with b.if_(b.less(count, _MOST_MARKS)):
            before = b.variable(b.const(0))
            with b.loop(0, count) as i:
                is_before = b.less_equal(b.bit_and(b.load(state, INDEX, i + _MARK), _CLASS), order)
                before.set(before.get() + b.cast(is_before, INDEX))
            with b.loop(0, count - before.get()) as i:
                b.store(state, b.load(state, INDEX, count - i + (_MARK - 1)), count - i + _MARK)
            b.store(state, b.bit_or(b.shift_left(point, 8), order), before.get() + _MARK)
            b.store(state, count + 1, _MARKS)

    def letter() -> None:
        with b.if_(b.greater(b.load(state, INDEX, _MARKS), 0)):
            b.call("compose", state, point)
        joined = b.variable(b.const(0))
        count, starter = b.load(state, INDEX, _MARKS), b.load(state, INDEX, _STARTER)
        with b.if_(b.logical_and(_has(b, kind, _JOINS), b.equal(count, 0))):
            joined.set(_composed(b, starter, point))
        is_alone = b.equal(joined.get(), 0)
        with b.if_(is_alone):
            b.call("letter", state, starter)
            with b.loop(0, count) as i:
                b.call("letter", state, b.shift_right(b.load(state, INDEX, i + _MARK), 8))
            b.store(state, b.const(0), _MARKS)
        b.store(state, b.where(is_alone, point, joined.get()), _STARTER)

    b.if_else(b.greater(order, 0), mark, letter)


def _compose(b: OneThread, state: Pointer, _point: Value) -> None:
    """Emit the body of `compose`: compose a letter with its marks, in the order of their combining classes.

    Of several marks of the same class, only the first composes.
    """
    kept, last = b.variable(b.const(0)), b.variable(b.const(0))
    with b.loop(0, b.load(state, INDEX, _MARKS)) as i:
        mark = b.load(state, INDEX, i + _MARK)
        order, starter = b.bit_and(mark, _CLASS), b.load(state, INDEX, _STARTER)
        composed = _composed(b, starter, b.shift_right(mark, 8))
        joined = b.where(b.less(last.get(), order), composed, 0)
        is_alone = b.equal(joined, 0)
        b.store(state, b.where(is_alone, starter, joined), _STARTER)
        b.store(state, mark, kept.get() + _MARK)
        kept.set(kept.get() + b.cast(is_alone, INDEX))
        last.set(b.where(is_alone, order, last.get()))
    b.store(state, kept.get(), _MARKS)


def _composed(b: OneThread, first: Value, second: Value) -> Value:
    """Emit the composition of two code points; 0 if they don't compose."""
    keys, pair, place = Pointer("@pairs"), b.bit_or(b.shift_left(first, 32), second), b.const(0)
    step = len(_tables()["pairs"]) // 2
    while step:
        following = place + step
        place = b.where(b.less_equal(b.load(keys, INDEX, following), pair), following, place)
        step //= 2
    listed = b.where(b.equal(b.load(keys, INDEX, place), pair), b.load(Pointer("@composed"), INDEX, place), 0)

    def within(x: Value, count: int) -> Value:
        return b.logical_and(b.greater_equal(x, 0), b.less(x, count))

    syllable, leading = first - _HANGUL, first - _LEADING
    vowel, trailing = second - _VOWEL, second - _TRAILING
    is_open = b.logical_and(within(syllable, 11172), b.equal(b.mod(syllable, 28), 0))
    is_pair = b.logical_and(within(leading, 19), within(vowel, 21))
    opened = b.where(is_pair, (leading * 21 + vowel) * 28 + _HANGUL, listed)
    return b.where(b.logical_and(is_open, within(trailing - 1, 27)), first + trailing, opened)


def _take(b: OneThread, state: Pointer, point: Value) -> None:
    """Emit the body of `take`: call `token` for each token that ends at a normalized code point.

    Successive spaces count as one.
    """
    kind = _looked_up(b, "kinds", point)
    point = b.where(_has(b, kind, _SPACE), 32, point)
    first, second, third = (b.load(state, INDEX, place) for place in (_FIRST, _SECOND, _THIRD))
    with b.if_(b.logical_or(b.not_equal(point, 32), b.not_equal(first, 32))):
        is_letter, was_letter = b.not_equal(first, 32), b.not_equal(second, 32)
        with b.if_(is_letter):
            b.call("token", state, _hashed(b, ngrams.GRAM_SEED, second, first, point))
            with b.if_(was_letter):
                b.call("token", state, _hashed(b, ngrams.GRAM_SEED, third, second, first, point))
        with b.if_(_has(b, kind, _WIDE)):
            b.call("token", state, _hashed(b, ngrams.PAIR_SEED, point))
            with b.if_(_has(b, _looked_up(b, "kinds", first), _WIDE)):
                b.call("token", state, _hashed(b, ngrams.PAIR_SEED, first, point))
        _word(b, state, kind, point)
        for place, value in ((_THIRD, second), (_SECOND, first), (_FIRST, point)):
            b.store(state, value, place)


def _word(b: OneThread, state: Pointer, kind: Value, point: Value) -> None:
    length, found = b.load(state, INDEX, _LENGTH), b.cast(b.load(state, INDEX, _HASH), _UINT32)

    def ended() -> None:
        with b.if_(b.greater(length, 0)):
            b.call("token", state, found)
        b.store(state, b.const(0), _LENGTH)

    def goes_on() -> None:
        seed = b.const(int(ngrams.WORD_SEED), _UINT32)
        following = _hashed(b, b.where(b.equal(length, 0), seed, found), point)
        kept = b.where(b.less(length, ngrams.LONGEST_WORD), following, found)
        b.store(state, b.cast(kept, INDEX), _HASH)
        b.store(state, length + 1, _LENGTH)

    b.if_else(_has(b, kind, _NO_WORD), ended, goes_on)


def _hashed(b: OneThread, seed: np.uint32 | Value, *points: Value) -> Value:
    found = seed if isinstance(seed, Value) else b.const(int(seed), _UINT32)
    for point in points:
        found = b.mul(b.bit_xor(found, b.cast(point, _UINT32)), int(ngrams.PRIME))
    return found


def _token(b: OneThread, state: Pointer, found: Value) -> None:
    """Emit the body of `token`: count a token of the vocabulary, and add its weights to the numbers."""
    found = b.mul(b.bit_xor(found, b.shift_right(found, 16)), int(ngrams.MIXING))
    found = b.bit_xor(found, b.shift_right(found, 13))
    bucket = b.cast(b.shift_right(found, b.cast(b.load(state, INDEX, _SHIFT), _UINT32)), INDEX)
    places = (_STARTS, _HASHES, _IDF, _WEIGHTS, _COUNTS, _SUMS)
    starts, hashes, idfs, weights, counts, sums = (b.load_pointer(state, place) for place in places)
    first, last = (b.cast(b.load(starts, _INT32, place), INDEX) for place in (bucket, bucket + 1))
    with b.loop(first, last) as i, b.if_(b.equal(b.load(hashes, _UINT32, i), found)):
        count, idf = b.load(counts, _UINT16, i), b.cast(b.load(idfs, _FLOAT32, i), FLOAT64)
        b.store(counts, b.add(count, 1), i)
        odd = b.cast(b.cast(count, INDEX) * 2 + 1, FLOAT64)  # (n + 1)² − n²
        b.store(state, b.add(b.load(state, FLOAT64, _SQUARE), b.mul(odd, b.mul(idf, idf))), _SQUARE)
        numbers = b.load(state, INDEX, _NUMBERS)
        own = b.offset(weights, i * numbers, _FLOAT32)

        def add(j: Value, lanes: int) -> None:
            weight = b.cast(b.load(own, _FLOAT32, j, lanes), FLOAT64)
            b.store(sums, b.add(b.load(sums, FLOAT64, j, lanes), weight), j)

        b.vector_loop(0, numbers, b.lanes(FLOAT64), add)
