"""Machine code that matches regular expressions, such as those of `lamina.table`, against short texts.

A pattern becomes a program of a small virtual machine, which tries alternatives in Python's order and goes back where
one fails. So a library reads a text by the patterns that Python and pages read it by. Texts are UTF-8; groups are
positions in bytes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, global_array
from lamina.compiler.llvm import BOOL, INDEX, Module, Pointer, Value, Variable

_UINT8, _INT16 = np.dtype(np.uint8), np.dtype(np.int16)
_SET, _SPLIT, _JUMP, _SAVE, _VALUE, _SAME, _END, _RETURN = range(8)
"""Instructions: a byte of a set; two alternatives; a jump; a position, or a value, of a group; the same text as a
group's; the end of the text; back to a position."""

_BYTES = frozenset(range(2, 256))
"""Bytes of texts; a text that is too long is the byte 1."""
_CATEGORIES = {
    "DIGIT": {*range(48, 58)},
    "SPACE": {*range(9, 14), 32},
    "WORD": {*range(48, 58), *range(65, 91), 95, *range(97, 123)},
}

LONGEST = 256
"""Maximum length of a text in bytes; no longer text matches."""

_DEEPEST = 1024
_NUMBERS, _SLOTS = 64, 96
_STACK, _TEXT = _SLOTS, _SLOTS + 2 * _DEEPEST
SCRATCH_BYTES = 8 * _TEXT + LONGEST + 8
"""Size of the memory of a match: the groups, the pending alternatives, and the text."""


class Program:
    """The program of several patterns, which are tried in order.

    Args:
        names: the names of groups; the group number i has the slots 1 + 2i and 2 + 2i, −1 where it has not matched.
            Groups whose names differ by a 2 at the end share their slots.
        values: for groups of words, the value of each word, which the group's first slot gets.
        classes: characters that stand for several, such as 0 for any digit in the shapes of dates.
    """

    def __init__(
        self,
        names: Sequence[str],
        values: Mapping[str, Mapping[str, int]] | None = None,
        classes: Mapping[str, str] | None = None,
    ) -> None:
        self._slots = {name: 1 + 2 * i for i, name in enumerate(names)}
        self._values, self._classes = values or {}, classes or {}
        self._free, self._depth = 1 + 2 * len(names), 0
        self._code: list[list[int]] = []
        self._sets: dict[frozenset[int], int] = {}

    def slot(self, name: str) -> int:
        """The first of the two slots of a group."""
        return self._slots[name]

    def has_group(self, name: str) -> bool:
        """Whether the patterns can have a group."""
        return name in self._slots

    def span(self, b: OneThread, scratch: Pointer, name: str) -> tuple[Value, Value]:
        """Emit the first position of a group and the one behind it; −1 if the group has not matched."""
        begin, end = (b.load(scratch, INDEX, self.slot(name) + i) for i in (0, 1))
        return begin, end

    def has(self, b: OneThread, scratch: Pointer, name: str) -> Value:
        """Emit whether a group has matched."""
        return b.greater_equal(b.load(scratch, INDEX, self.slot(name)), 0)

    def number(self, b: OneThread, scratch: Pointer, name: str, default: int | Value = 0) -> Value:
        """Emit the integer that a group's digits are, after `integers`; `default` if the group has not matched."""
        found = b.load(scratch, INDEX, _NUMBERS + self.slot(name) // 2)
        return b.where(self.has(b, scratch, name), found, default)

    def add(self, *patterns: str | re.Pattern[str]) -> Program:
        """Add patterns, each after the others; the last program instruction fails."""
        compiled = [re.compile(one) if isinstance(one, str) else one for one in patterns]
        parser: Any = importlib.import_module("re._parser")
        for one in compiled:
            split = self._emit(_SPLIT)
            names = {number: name for name, number in one.groupindex.items()}
            self._parts(parser.parse(one.pattern, one.flags & ~re.UNICODE), names)
            self._emit(_END)
            self._code[split][1] = len(self._code)
        return self

    def declare(self, module: Module[Any], name: str) -> None:
        """Declare the arrays of the program, which `matched` needs."""
        code = [*self._code, [_SET, self._set(()), 0]]
        sets = np.zeros((len(self._sets), 256), np.uint8)
        for members, number in self._sets.items():
            sets[number, list(members)] = 1
        module.declare(global_array(f"{name}_code", np.array(code, _INT16)))
        module.declare(global_array(f"{name}_sets", sets))

    def _emit(self, operation: int, x: int = 0, y: int = 0) -> int:
        self._code.append([operation, x, y])
        return len(self._code) - 1

    def _set(self, members: Iterable[int]) -> int:
        return self._sets.setdefault(frozenset(members), len(self._sets))

    def _literal(self, text: str) -> None:
        for byte in text.encode():
            self._emit(_SET, self._set(self._classes.get(chr(byte), chr(byte)).encode("latin-1")))

    def _either(self, choices: Sequence[Any], write: Any) -> None:
        ends: list[int] = []
        for i, choice in enumerate(choices):
            split = self._emit(_SPLIT) if i + 1 < len(choices) else None
            write(choice)
            if split is not None:
                ends.append(self._emit(_JUMP))
                self._code[split][1] = len(self._code)
        for end in ends:
            self._code[end][1] = len(self._code)

    def _parts(self, parts: Any, names: Mapping[int, str]) -> None:
        for operation, argument in parts:
            self._part(str(operation), argument, names)

    def _part(self, operation: str, argument: Any, names: Mapping[int, str]) -> None:
        if operation == "LITERAL":
            self._literal(chr(argument))
        elif operation == "NOT_LITERAL":
            self._emit(_SET, self._set(_BYTES - {argument}))
        elif operation == "IN":
            self._emit(_SET, self._set(self._members_of(argument)))
        elif operation == "AT" and str(argument) == "AT_END":
            self._emit(_SET, self._set({0}))
        elif operation == "ASSERT":
            self._ahead(argument[1], names)
        elif operation == "BRANCH":
            self._either(argument[1], lambda choice: self._parts(choice, names))
        elif operation == "SUBPATTERN":
            self._group(names.get(argument[0], ""), argument[-1], names)
        elif operation == "MAX_REPEAT":
            least, most, inner = argument
            self._repeated(least, most, inner, names)
        elif operation == "GROUPREF":
            self._emit(_SAME, self.slot(names[argument]))
        else:
            raise NotImplementedError(f"a library matches no pattern with {operation}")

    def _ahead(self, parts: Any, names: Mapping[int, str]) -> None:
        """Emit parts that must follow, but are not passed."""
        slot = self._free + self._depth
        assert slot < 2 * (_SLOTS - _NUMBERS), "a program has too many groups"
        self._depth += 1
        self._emit(_SAVE, slot)
        self._parts(parts, names)
        self._emit(_RETURN, slot)
        self._depth -= 1

    def _members_of(self, parts: Sequence[Any]) -> Iterable[int]:
        """The bytes of a set in brackets. Without spaces, a negated set has ASCII alone, as letters may be spaces."""
        is_negated = str(parts[0][0]) == "NEGATE"
        found = {x for one in parts[is_negated:] for x in self._members(*one)}
        return (set(range(1, 128)) if 32 in found else _BYTES) - found if is_negated else found

    def _members(self, operation: Any, argument: Any) -> Iterable[int]:
        if str(operation) == "CATEGORY":
            name = str(argument).removeprefix("CATEGORY_")
            members = _CATEGORIES[name.removeprefix("NOT_")]
            return set(range(1, 128)) - members if name.startswith("NOT_") else members
        low, high = argument if str(operation) == "RANGE" else (argument, argument)
        assert high < 128 and str(operation) in ("RANGE", "LITERAL"), operation
        return "".join(self._classes.get(chr(x), chr(x)) for x in range(low, high + 1)).encode()

    def _group(self, name: str, parts: Any, names: Mapping[int, str]) -> None:
        if name in self._values:
            words = sorted(self._values[name].items(), key=lambda pair: (-len(pair[0]), pair[0]))
            if [str(operation) for operation, _ in parts] == ["LITERAL"]:
                words = [pair for pair in words if pair[0] == chr(parts[0][1])]
            slot = self.slot(name)
            self._either(words, lambda word: (self._literal(word[0]), self._emit(_VALUE, slot, word[1])))
            return
        slot = self._slots.get(name.rstrip("2"))
        if slot is not None:
            self._emit(_SAVE, slot)
        self._parts(parts, names)
        if slot is not None:
            self._emit(_SAVE, slot + 1)

    def _repeated(self, least: int, most: int, parts: Any, names: Mapping[int, str]) -> None:
        for _ in range(least):
            self._parts(parts, names)
        if most > LONGEST:  # any number of times
            split = self._emit(_SPLIT)
            self._parts(parts, names)
            self._emit(_JUMP, split)
            self._code[split][1] = len(self._code)
        else:
            splits: list[int] = []
            for _ in range(most - least):
                splits.append(self._emit(_SPLIT))
                self._parts(parts, names)
            for split in splits:
                self._code[split][1] = len(self._code)


def text_of(b: OneThread, scratch: Pointer) -> Pointer:
    """The address of the text that `plain` has left in scratch memory."""
    return b.offset(scratch, 8 * _TEXT, _UINT8)


def free_memory(b: OneThread, scratch: Pointer) -> Pointer:
    """The address of 16 KB of scratch memory that matches use, but leave free."""
    return b.offset(scratch, _STACK, INDEX)


def matched(b: OneThread, name: str, scratch: Pointer) -> Value:
    """Emit a match of the text in scratch memory by the program `name`; the slots begin at `scratch`."""
    b.call("match", Pointer(f"@{name}_code"), Pointer(f"@{name}_sets"), scratch)
    return b.greater(b.load(scratch, INDEX), 0)


def emit_patterns(module: Module[Any]) -> None:
    """Emit the functions `plain` and `match`, unless the module has them."""
    if "plain" in module.functions:
        return
    with module.function("plain", {"text": None, "scratch": None, "lowers": INDEX}, internal=True) as b:
        _plain(b, b.pointer_argument("text"), b.pointer_argument("scratch"), b.argument("lowers"))
    with module.function("integers", {"scratch": None}, internal=True) as b:
        scratch = b.pointer_argument("scratch")
        with b.loop(0, _SLOTS - _NUMBERS) as i:
            begin, stop = (b.load(scratch, INDEX, i * 2 + place) for place in (1, 2))
            b.store(scratch, b.where(b.less(stop, 0), begin, 0), i + _NUMBERS)  # a word's value
            with b.loop(b.maximum(begin, 0), b.where(b.less(begin, 0), 0, stop)) as place:
                digit = byte_of(b, text_of(b, scratch), place) - 48
                b.store(scratch, b.load(scratch, INDEX, i + _NUMBERS) * 10 + digit, i + _NUMBERS)
    with module.function("match", dict.fromkeys(["code", "sets", "scratch"]), internal=True) as b:
        _match(b, *map(b.pointer_argument, ("code", "sets", "scratch")))


def byte_of(b: OneThread, text: Pointer, place: Value | int) -> Value:
    """Emit a byte of a text as an integer."""
    return b.cast(b.load(text, _UINT8, place), INDEX)


def _is_space(b: OneThread, byte: Value) -> Value:
    ranges = ((9, 13), (28, 32))
    low, high = (b.logical_and(b.greater_equal(byte, x), b.less_equal(byte, y)) for x, y in ranges)
    return b.logical_or(low, high)


def _plain(b: OneThread, text: Pointer, scratch: Pointer, lowers: Value) -> None:
    """Emit the body of `plain`: copy a text without the spaces around it, in lower case if `lowers` is 1.

    A text that is too long becomes the byte 1, which no pattern matches. ASCII and Latin-1 have capitals here.
    """
    copy = text_of(b, scratch)
    place, size, kept, before = (b.variable(b.const(0)) for _ in range(4))

    def goes_on() -> Value:
        return b.logical_and(b.not_equal(byte_of(b, text, place.get()), 0), b.less(size.get(), LONGEST))

    with b.while_(goes_on):
        byte = byte_of(b, text, place.get())
        place.set(place.get() + 1)
        is_latin = b.equal(before.get(), 0xC3)
        first, last = b.where(is_latin, b.const(0x80), 0x41), b.where(is_latin, b.const(0x9E), 0x5A)
        is_capital = b.logical_and(b.greater_equal(byte, first), b.less_equal(byte, last))
        is_times = b.logical_and(is_latin, b.equal(byte, 0x97))
        is_lowered = b.logical_and(b.logical_and(is_capital, b.logical_not(is_times)), b.equal(lowers, 1))
        is_space = _is_space(b, byte)
        with b.if_(b.logical_or(b.logical_not(is_space), b.greater(size.get(), 0))):
            b.store(copy, b.cast(b.where(is_lowered, byte + 32, byte), _UINT8), size.get())
            size.set(size.get() + 1)
            kept.set(b.where(is_space, kept.get(), size.get()))
        before.set(byte)
    is_long = b.not_equal(byte_of(b, text, place.get()), 0)
    with b.if_(is_long):
        b.store(copy, b.const(1, _UINT8))
    b.store(copy, b.const(0, _UINT8), b.where(is_long, b.const(1), kept.get()))


def _match(b: OneThread, code: Pointer, sets: Pointer, scratch: Pointer) -> None:
    """Emit the body of `match`: run a program; slot 0 gets 1 if the whole text matches, otherwise 0."""
    stack = b.offset(scratch, _STACK, INDEX)
    with b.loop(0, _SLOTS) as i:
        b.store(scratch, b.const(-1), i)
    b.store(scratch, b.const(0))
    line, place, depth = (b.variable(b.const(0)) for _ in range(3))
    fails = b.variable(b.const(False, BOOL))
    top, after, back, undo, go_on, end = map(b.new_label, ("top", "after", "back", "undo", "go_on", "end"))
    b.branch(top)
    b.start_block(top)
    operation, x, y = (b.cast(b.load(code, _INT16, line.get() * 3 + i), INDEX) for i in range(3))
    line.set(line.get() + 1)
    fails.set(b.const(False, BOOL))

    def push(what: Value, value: Value) -> None:
        with b.if_(b.less(depth.get(), _DEEPEST)):
            b.store(stack, what, depth.get() * 2)
            b.store(stack, value, depth.get() * 2 + 1)
            depth.set(depth.get() + 1)

    with b.if_(b.equal(operation, _SPLIT)):
        push(x, place.get())
    with b.if_(b.equal(operation, _JUMP)):
        line.set(x)
    with b.if_(b.equal(operation, _RETURN)):
        place.set(b.load(scratch, INDEX, x))
    with b.if_(b.logical_or(b.equal(operation, _SAVE), b.equal(operation, _VALUE))):
        push(b.const(-1) - x, b.load(scratch, INDEX, x))
        b.store(scratch, b.where(b.equal(operation, _SAVE), place.get(), y), x)
    _compare(b, operation, x, sets, scratch, place, fails)
    b.branch_if(b.greater(b.load(scratch, INDEX), 0), end, after)
    b.start_block(after)
    b.branch_if(fails.get(), back, top)
    b.start_block(back)
    b.branch_if(b.equal(depth.get(), 0), end, undo)
    b.start_block(undo)
    depth.set(depth.get() - 1)
    what, value = (b.load(stack, INDEX, depth.get() * 2 + i) for i in range(2))
    with b.if_(b.less(what, 0)):
        b.store(scratch, value, b.const(-1) - what)
    b.branch_if(b.less(what, 0), back, go_on)
    b.start_block(go_on)
    line.set(what)
    place.set(value)
    b.branch(top)
    b.start_block(end)


def _compare(
    b: OneThread,
    operation: Value,
    x: Value,
    sets: Pointer,
    scratch: Pointer,
    place: Variable,
    fails: Variable,
) -> None:
    """Emit the instructions that compare the text at `place`, which then moves on or `fails`."""
    text = text_of(b, scratch)

    def step(found: Value, length: Value) -> None:
        fails.set(b.logical_not(found))
        place.set(place.get() + b.where(found, length, 0))

    with b.if_(b.equal(operation, _SET)):
        member = b.load(sets, _UINT8, x * 256 + byte_of(b, text, place.get()))
        step(b.not_equal(member, 0), b.const(1))
    with b.if_(b.equal(operation, _SAME)):
        begin = b.load(scratch, INDEX, x)
        length, is_same = b.load(scratch, INDEX, x + 1) - begin, b.variable(b.const(True, BOOL))
        with b.loop(0, length) as i:
            equal = b.equal(byte_of(b, text, begin + i), byte_of(b, text, place.get() + i))
            is_same.set(b.logical_and(is_same.get(), equal))
        step(is_same.get(), length)
    with b.if_(b.equal(operation, _END)):
        is_end = b.equal(byte_of(b, text, place.get()), 0)
        fails.set(b.logical_not(is_end))
        b.store(scratch, b.cast(is_end, INDEX))
