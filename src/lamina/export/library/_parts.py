"""Machine code that reads the parts of a text: by a `Reading`, or as the types of texts, order and mixtures do.

What the patterns of a type don't have, but Python may read, is an error, as are letters beyond ASCII there; other texts
are missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, global_array
from lamina.compiler.llvm import BOOL, FLOAT64, INDEX, Pointer, Value, Variable
from lamina.export.library._patterns import (
    LONGEST,
    Program,
    byte_of,
    emit_patterns,
    free_memory,
    matched,
    text_of,
)
from lamina.export.library._readers import decimal_of, emit_number_reader, is_foreign, is_read
from lamina.export.library._texts import emit_text_reader
from lamina.table.columns import ArrayColumn
from lamina.table.types import ColumnSchema, Composite, Mixed, Ordered, Quantity, Text
from lamina.table.types.mixed import OTHER
from lamina.table.types.reading import Elements, Reading, Source
from lamina.table.values import MISSING_TOKENS

_UINT8 = np.dtype(np.uint8)
_SEPARATOR, _TRIMMED, _UNTIL = 1, 2, 3
"""Kinds of characters in a text of elements."""

_MOST_NAMES = 60
"""Maximum number of names of elements, which are bits of an integer."""

_COPY = 2 * LONGEST
"""Place of a copy of a group in the free memory, behind the places of unknown elements; in units of 8 bytes."""


def reads_parts(schema: ColumnSchema) -> bool:
    """Whether a library reads the parts of a column's texts.

    >>> from lamina.table.types import Record
    >>> reads_parts(ColumnSchema("x", Record()))
    False
    """
    kind = schema.type
    if isinstance(kind, Mixed):
        return is_read(ColumnSchema(schema.name, kind.number)) or not kind.like
    reading = kind.reading(schema) if isinstance(kind, Composite) else None
    if reading is None:
        return isinstance(kind, Text | Ordered)
    return sum(len(_names(reading, group)) for group in reading.elements) <= _MOST_NAMES


def _names(reading: Reading, group: str) -> tuple[str, ...]:
    """The names of a group's elements that parts know."""
    own = [(part, source) for part, source in reading.parts if source.group == group]
    found = [source.name for _, source in own if source.what == "has"]
    sets = [name for part, source in own if source.what == "set" for name in part.categories]
    return tuple(dict.fromkeys([*found, *(name for one in sets for name in one.split("&") if name)]))


@dataclass(frozen=True)
class Cell:
    """A text in a row, and where the values of its parts go.

    Attributes:
        b: the builder.
        name: the prefix of the names of constants.
        schema: the column.
        text: the address of the text.
        numbers, codes: the addresses of the row's first number and code.
        places: the index of each part among the row's numbers, or codes, by name.
        scratch: scratch memory; its first number becomes 1 if the text can't be read, else 0.
        lookup: emits the code of a text among words, 0 if it is missing, −1 if it is absent.
    """

    b: OneThread
    name: str
    schema: ColumnSchema
    text: Pointer
    numbers: Pointer
    codes: Pointer
    places: Mapping[str, int]
    scratch: Pointer
    lookup: Callable[[str, Mapping[str, int], Pointer], Value]

    def number(self, part: ColumnSchema) -> Pointer:
        """The address of a part's number."""
        return self.b.offset(self.numbers, self.places[part.name], FLOAT64)

    def store(self, part: ColumnSchema, value: Value) -> None:
        """Emit the storing of a part's number, or code."""
        b = self.b
        if isinstance(part.type, Quantity):
            b.store(self.numbers, value, self.places[part.name])
        else:
            b.store(self.codes, b.cast(b.maximum(value, 0), np.dtype(np.int32)), self.places[part.name])


def emit_parts(cell: Cell) -> None:
    """Emit the reading of a text for which `reads_parts` is true."""
    b, kind = cell.b, cell.schema.type
    emit_patterns(b.module)
    for part in cell.schema.parts:
        if part.used:
            is_number = isinstance(part.type, Quantity)
            cell.store(part, b.const(np.nan, FLOAT64) if is_number else b.const(0))
    b.store(cell.scratch, b.const(0))
    with b.if_(b.logical_not(b.result(f"icmp eq {cell.text.typed}, null", BOOL))):
        own: dict[str, Callable[[Cell, Any], None]]
        own = {Text.tag: _text, Ordered.tag: _ordered, Mixed.tag: _words}
        own.get(kind.tag, _read)(cell, kind)


def _text(cell: Cell, kind: Text) -> None:
    """Emit the encoding of a text: its numbers, and its code as a category if it is frequent."""
    emit_text_reader(cell.b.module, cell.name, kind.encoder(cell.schema))
    first = next(part for part in cell.schema.parts if isinstance(part.type, Quantity))
    cell.b.call(cell.name, cell.text, cell.number(first), cell.scratch)
    cell.b.store(cell.scratch, cell.b.const(0))
    for part in cell.schema.parts:
        if part.categories:
            cell.store(part, cell.lookup("whole", part.codes, cell.text))


def _ordered(cell: Cell, kind: Ordered) -> None:
    """Emit the code of an ordered category, and its place in the order, whatever its capitals and hyphens."""
    b, (whole, *places) = cell.b, cell.schema.parts
    if whole.used:
        cell.store(whole, cell.lookup("whole", whole.codes, cell.text))
    texts = kind.order.split("\n")
    spellings = {text.strip().lower(): place for place, text in enumerate(texts, 1)}
    words = {text if len(text) <= 2 else re.sub("[-_]", " ", text): i for text, i in spellings.items()}
    words |= {text: place + 1 for text, place in kind.places.items()}
    program = Program(("place",), {"place": words}, {" ": " -_"}).add("(?P<place>)")
    program.declare(b.module, cell.name)
    b.call("plain", cell.text, cell.scratch, b.const(1))
    with b.if_(matched(b, cell.name, cell.scratch)):
        place = b.load(cell.scratch, INDEX, program.slot("place")) - 1
        found = kind.split(cell.schema, ArrayColumn(cell.schema.name, np.array(texts, object)))[1:]
        for i, (part, column) in enumerate(zip(places, found, strict=True)):
            if part.used:
                b.module.declare(global_array(f"{cell.name}_{i}", column.numbers()))
                cell.store(part, b.load(Pointer(f"@{cell.name}_{i}"), FLOAT64, place))
    b.store(cell.scratch, b.const(0))


def _words(cell: Cell, kind: Mixed) -> None:
    """Emit the number of a text, or the code of a word; a word with digits that training did not have can't be read."""
    b, (number, *words), name = cell.b, cell.schema.parts, f"{cell.name}_number"
    emit_number_reader(b.module, name, ColumnSchema(cell.schema.name, kind.number), words_are_missing=False)
    own = cell.number(number) if number.used else b.offset(free_memory(b, cell.scratch), _COPY, FLOAT64)
    b.call(name, cell.text, own, cell.scratch)
    with b.if_(b.greater(b.load(cell.scratch, INDEX), 0)):
        b.store(own, b.const(np.nan, FLOAT64))
        known = dict(words[0].codes) if words else {}
        rare = dict.fromkeys(kind.rare.split("\n"), known.get(OTHER, 0) if kind.other else 0)
        missing = dict.fromkeys(MISSING_TOKENS, 0)
        code = cell.lookup("words", {**known, **rare, **missing}, text_of(b, cell.scratch))
        has_digit = Program(()).add("[^0-9\x01]*[0-9\x01][^\0]*")
        has_digit.declare(b.module, f"{cell.name}_digit")
        is_known, is_number = b.greater_equal(code, 0), matched(b, f"{cell.name}_digit", cell.scratch)
        is_read = b.logical_or(is_known, b.logical_not(is_number))
        b.store(cell.scratch, b.cast(b.logical_not(is_read), INDEX))
        if words and words[0].used:
            cell.store(words[0], code)


def _read(cell: Cell, kind: Composite) -> None:
    b, scratch, reading = cell.b, cell.scratch, kind.reading(cell.schema)
    assert reading is not None
    groups = dict.fromkeys(name.rstrip("2") for one in reading.patterns for name in one.groupindex)
    program = Program([*groups]).add(*reading.patterns)
    program.declare(b.module, cell.name)
    for part, source in reading.parts:
        if source.what == "whole":
            cell.store(part, cell.lookup("whole", part.codes, cell.text))
    b.call("plain", cell.text, scratch, b.const(0))

    def found() -> None:
        b.call("integers", scratch)
        unread = b.variable(b.const(0))
        for i, (part, source) in enumerate(reading.parts):
            if source.group not in reading.elements and source.what != "whole":
                cell.store(part, _value(cell, program, f"part{i}", part, source, unread))
        for group, split in reading.elements.items():
            _elements(cell, program, reading, group, split)
        b.store(scratch, unread.get())

    def other() -> None:
        unsure = Program(()).add(*([reading.unsure] if reading.unsure else []))
        unsure.declare(b.module, f"{cell.name}_unsure")
        is_unread = b.logical_or(is_foreign(b, scratch), matched(b, f"{cell.name}_unsure", scratch))
        b.store(scratch, b.cast(is_unread, INDEX))

    b.if_else(matched(b, cell.name, scratch), found, other)


def _value(
    cell: Cell, program: Program, name: str, part: ColumnSchema, source: Source, unread: Variable
) -> Value:
    """Emit the number or the code of a part that is read from a group."""
    b, scratch = cell.b, cell.scratch
    if source.what == "decimal":
        number = cell.number(part)
        b.store(scratch, b.const(0))
        digits = [program.has(b, scratch, f"{group}{source.group}") for group in ("digits", "fraction")]
        with b.if_(b.logical_or(*digits)):
            decimal_of(b, program, number, scratch, source.group)
        unread.set(b.maximum(unread.get(), b.load(scratch, INDEX)))
        return b.load(number, FLOAT64)
    is_known = program.has_group(source.group)
    if source.what == "text":
        otherwise = b.const(part.codes.get(source.otherwise, 0))
        if not is_known:
            return otherwise
        begin, end = program.span(b, scratch, source.group)
        copy = _copied(b, scratch, begin, b.where(b.less(begin, 0), begin, end), lowers=source.lower)
        return b.where(b.greater(end, begin), cell.lookup(name, part.codes, copy), otherwise)
    has = program.has(b, scratch, source.group)
    if source.what == "number":
        number = b.cast(program.number(b, scratch, source.group), FLOAT64)
        return b.where(has, number, b.const(np.nan, FLOAT64))
    address = _address(b, scratch, *program.span(b, scratch, source.group))
    if source.what == "address":
        return b.cast(address, FLOAT64)
    within = b.const(False, BOOL)
    for first, last in source.ranges:
        inside = b.logical_and(b.greater_equal(address, first), b.less_equal(address, last))
        within = b.logical_or(within, inside)
    return b.where(within, b.const(part.codes.get("true", 0)), part.codes.get("false", 0))


def _address(b: OneThread, scratch: Pointer, begin: Value, end: Value) -> Value:
    """Emit the number of four bytes with points between them."""
    whole, byte = b.variable(b.const(0)), b.variable(b.const(0))
    with b.loop(begin, end) as i:
        digit = byte_of(b, text_of(b, scratch), i)
        is_point = b.equal(digit, ord("."))
        whole.set(b.where(is_point, (whole.get() + byte.get()) * 256, whole.get()))
        byte.set(b.where(is_point, b.const(0), byte.get() * 10 + digit - 48))
    return whole.get() + byte.get()


def _copied(b: OneThread, scratch: Pointer, begin: Value, end: Value, *, lowers: bool = False) -> Pointer:
    """Emit a copy of a part of the text, which ends in 0."""
    copy = b.offset(free_memory(b, scratch), 8 * _COPY, _UINT8)
    with b.loop(begin, end) as i:
        byte = byte_of(b, text_of(b, scratch), i)
        is_capital = b.logical_and(b.greater_equal(byte, 65), b.less_equal(byte, 90))
        b.store(copy, b.cast(b.where(is_capital, byte + 32, byte) if lowers else byte, _UINT8), i - begin)
    b.store(copy, b.const(0, _UINT8), end - begin)
    return copy


def _elements(cell: Cell, program: Program, reading: Reading, group: str, split: Elements) -> None:
    """Emit the loop over the elements of a group, and the values of the parts that are read from them."""
    b, scratch, names = cell.b, cell.scratch, _names(reading, group)
    kinds = np.zeros(256, np.uint8)
    kinds[[*b" \t\n\v\f\r\x1c\x1d\x1e\x1f", *split.trimmed.encode()]] = _TRIMMED
    kinds[[*split.separators.encode()]], kinds[[*split.until.encode()]] = _SEPARATOR, _UNTIL
    b.module.declare(global_array(f"{cell.name}_{group}_kinds", kinds))
    begin, end = program.span(b, scratch, group)
    first, last, ended = b.variable(b.const(-1)), b.variable(b.const(0)), b.variable(b.const(False, BOOL))
    mask, count, others = (b.variable(b.const(0)) for _ in range(3))

    def visit() -> None:
        count.set(count.get() + 1)
        copy = _copied(b, scratch, first.get(), last.get())
        code = cell.lookup(group, {name: i for i, name in enumerate(names, 1)}, copy)
        is_known = b.greater(code, 0)
        bit = b.shift_left(b.const(1), b.maximum(code - 1, 0))
        mask.set(b.where(is_known, b.bit_or(mask.get(), bit), mask.get()))
        with b.if_(b.logical_not(is_known)):
            _note_other(b, scratch, first.get(), last.get(), others)

    with b.loop(b.maximum(begin, 0), end + 1) as i:
        byte = byte_of(b, text_of(b, scratch), i)
        kind = b.cast(b.load(Pointer(f"@{cell.name}_{group}_kinds"), _UINT8, byte), INDEX)
        is_end = b.logical_or(b.equal(i, end), b.equal(kind, _SEPARATOR))
        is_own = b.logical_and(b.equal(kind, 0), b.logical_not(b.logical_or(is_end, ended.get())))
        first.set(b.where(b.logical_and(is_own, b.less(first.get(), 0)), i, first.get()))
        last.set(b.where(is_own, i + 1, last.get()))
        ended.set(b.logical_and(b.logical_not(is_end), b.logical_or(ended.get(), b.equal(kind, _UNTIL))))
        with b.if_(is_end):
            with b.if_(b.greater_equal(first.get(), 0)):
                visit()
            first.set(b.const(-1))
    own = [(part, source) for part, source in reading.parts if source.group == group]
    for part, source in own:
        if source.what == "has":
            bit = b.bit_and(b.shift_right(mask.get(), b.const(names.index(source.name))), 1)
            yes, no = part.codes.get("true", 0), part.codes.get("false", 0)
            cell.store(part, b.where(b.greater(bit, 0), b.const(yes), no))
        elif source.what == "set":
            _store_set(cell, part, names, mask.get(), others.get())
        else:
            cell.store(part, b.cast((count if source.what == "count" else others).get(), FLOAT64))


def _store_set(cell: Cell, part: ColumnSchema, names: Sequence[str], mask: Value, others: Value) -> None:
    """Emit the code of the category that has the names of the bits of `mask`; 0 with others."""
    b, code = cell.b, cell.b.const(0)
    for category, own in part.codes.items():
        bits = sum(1 << names.index(name) for name in category.split("&") if name)
        code = b.where(b.equal(mask, b.const(bits)), b.const(own), code)
    cell.store(part, b.where(b.greater(others, 0), b.const(0), code))


def _note_other(b: OneThread, scratch: Pointer, first: Value, last: Value, others: Variable) -> None:
    """Emit the counting of an unknown element, unless the same element was counted before."""
    memory, text = free_memory(b, scratch), text_of(b, scratch)
    is_new = b.variable(b.const(True, BOOL))
    with b.loop(0, others.get()) as j:
        begin, end = (b.load(memory, INDEX, j * 2 + i) for i in (0, 1))
        differs = b.variable(b.not_equal(end - begin, last - first))
        with b.loop(first, b.where(differs.get(), first, last)) as i:
            other = byte_of(b, text, begin + i - first)
            differs.set(b.logical_or(differs.get(), b.not_equal(byte_of(b, text, i), other)))
        is_new.set(b.logical_and(is_new.get(), differs.get()))
    with b.if_(is_new.get()):
        b.store(memory, first, others.get() * 2)
        b.store(memory, last, others.get() * 2 + 1)
        others.set(others.get() + 1)
