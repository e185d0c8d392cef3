"""Machine code that reads a row: numbers unchanged, categories (strings or numbers) as codes.

All arithmetic is in the graph; values that the graph can't process are rejected here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, OneThreadModule, global_array
from lamina.compiler.llvm import FLOAT64, INDEX, INT32, Pointer, Value
from lamina.errors import LaminaError
from lamina.export import Column, Composite
from lamina.export.library._interface import Field, Interface
from lamina.export.library._parts import Cell, emit_parts
from lamina.export.library._patterns import SCRATCH_BYTES
from lamina.export.library._readers import emit_number_reader
from lamina.export.library._texts import scratch_bytes
from lamina.table.types import Text
from lamina.table.values import MISSING_TOKENS

FIND_TEXT = Path(__file__).with_name("find_text.ll").read_text("utf-8")
"""LLVM assembly of a binary search for the code of a string among words sorted by bytes: 0 for NULL, -1 if absent."""


def bytes_of(text: str) -> bytes:
    """Encode a string in UTF-8 for C, without the terminating zero.

    Raises:
        LaminaError: the string contains a zero byte, which would end it in C, or an unpaired surrogate.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise LaminaError(
            f"the text {text!r} has an unpaired surrogate, which UTF-8 can't represent"
        ) from None
    if b"\0" in data:
        raise LaminaError(f"the text {text!r} has a zero byte, which would end the text in C")
    return data


def declare_texts(
    module: OneThreadModule, name: str, texts: Sequence[bytes], *, is_seen: bool = False
) -> None:
    """Declare an array `name` of pointers to strings; if `is_seen`, other object files can access the array."""
    linkage = "" if is_seen else "internal "
    for i, text in enumerate(texts):
        ended = text + b"\0"
        escaped = "\\" + ended.hex("\\")
        module.declare(f'@{name}_{i} = internal constant [{len(ended)} x i8] c"{escaped}"')
    places = ", ".join(f"ptr @{name}_{i}" for i in range(len(texts)))
    module.declare(f"@{name} = {linkage}constant [{len(texts)} x ptr] [{places}]")


def declare_words(module: OneThreadModule, name: str, codes: Mapping[str, int]) -> int:
    """Declare the sorted strings, NAME, and their codes, NAME_codes, for `find_text`; return the number of strings."""
    words = sorted((bytes_of(text), code) for text, code in codes.items())
    declare_texts(module, name, [word for word, _ in words])
    numbers = ", ".join(f"i64 {code}" for _, code in words)
    module.declare(f"@{name}_codes = internal constant [{len(words)} x i64] [{numbers}]")
    return len(words)


def _found(b: OneThread, words: str, count: int, text: Pointer) -> Value:
    """Emit the code of a text among declared words; 0 for NULL, −1 if it is absent."""
    arguments = f"{text.typed}, ptr @{words}, ptr @{words}_codes, i64 {count}"
    return b.result(f"call i64 @find_text({arguments})", INDEX)


FIELD_BYTES = 8
_BYTE = np.dtype(np.int8)
_LARGEST = float(np.finfo(np.float32).max)
_MOST = float(np.finfo(np.float64).max)
_READ = {"row": None, "numbers": None, "codes": None, "status": None}


class Reader:
    """Emitter of the function ``void read(ptr row, ptr numbers, ptr codes, ptr status)``.

    If a value can't be encoded, its column number, from 1, is stored in status, unless status is nonzero already.
    """

    def __init__(self, module: OneThreadModule, interface: Interface) -> None:
        self.module, self.fields = module, interface.fields
        table = interface.prediction.inputs
        of_a_kind = table.numbers, table.categories
        self._places = {column.name: i for columns in of_a_kind for i, column in enumerate(columns)}
        texts = [field.owner for field in self.fields if isinstance(field.owner.type, Text)]
        self.scratch_bytes = max((scratch_bytes(len(one.arrays["hashes"])) for one in texts), default=0)
        if any(field.is_read or isinstance(field.column, Composite) for field in self.fields):
            self.scratch_bytes = max(self.scratch_bytes, SCRATCH_BYTES)

    def emit(self) -> None:
        with self.module.function("read", _READ, internal=True) as b:
            self._emit_numbers(b)
            scratch = b.alloca(_BYTE, self.scratch_bytes) if self.scratch_bytes else None
            for row, field in enumerate(self.fields):
                if field.is_read:
                    assert scratch is not None
                    self._emit_read(b, field, row, scratch)
                elif isinstance(field.column, Composite):
                    assert scratch is not None
                    self._emit_parts(b, field.column, row, scratch)
                elif not field.column.is_number:
                    place = self._places[field.column.name]
                    b.store(b.pointer_argument("codes"), self._code(b, field.column, row), place)

    # --- numbers -------------------------------------------------------------------------------------------------

    def _emit_numbers(self, b: OneThread) -> None:
        plain = [(row, field.column) for row, field in enumerate(self.fields) if not field.is_read]
        numbers = [(row, one) for row, one in plain if isinstance(one, Column) and one.is_number]
        if not numbers:
            return
        ranges = [encodable(column) for _, column in numbers]
        self._global("lowest", np.array([low for low, _ in ranges]))
        self._global("highest", np.array([high for _, high in ranges]))
        start = 0
        while start < len(numbers):
            stop = start + 1
            while stop < len(numbers) and numbers[stop][0] == numbers[stop - 1][0] + 1:
                stop += 1
            row, first = numbers[start]
            self._emit_run(b, start, stop, row - start, self._places[first.name] - start)
            start = stop

    def _emit_run(self, b: OneThread, start: int, stop: int, row: int, number: int) -> None:
        """Emit the loop over numbers that are adjacent in the row."""

        def body(i: Value, lanes: int) -> None:
            x = b.load(b.pointer_argument("row"), FLOAT64, i + row, lanes)
            b.store(b.pointer_argument("numbers"), x, i + number)
            low, high = (b.load(Pointer(f"@{name}"), FLOAT64, i, lanes) for name in ("lowest", "highest"))
            is_bad = b.logical_or(b.less(x, low), b.greater(x, high))  # both are false for NaN
            with b.if_(b.logical_not(b.reduce_all(b.logical_not(is_bad)))):
                for lane in range(lanes):
                    self._report(b, b.extract(is_bad, lane), i + (row + lane + 1))

        b.vector_loop(start, stop, b.lanes(FLOAT64), body)

    def _emit_read(self, b: OneThread, field: Field, row: int, scratch: Pointer) -> None:
        """Emit the number that a text is, such as a date's days."""
        assert isinstance(field.column, Column)
        emit_number_reader(self.module, f"number{row}", field.owner)
        number = b.offset(b.pointer_argument("numbers"), self._places[field.column.name], FLOAT64)
        b.call(f"number{row}", b.load_pointer(b.pointer_argument("row"), row), number, scratch)
        found, (low, high) = b.load(number, FLOAT64), encodable(field.column)
        is_bad = b.logical_or(b.less(found, low), b.greater(found, high))
        self._report(b, b.logical_or(is_bad, b.greater(b.load(scratch, INDEX), 0)), b.const(row + 1))

    # --- texts ---------------------------------------------------------------------------------------------------

    def _emit_parts(self, b: OneThread, column: Composite, row: int, scratch: Pointer) -> None:
        """Emit the parts of a text, such as a URL."""
        values, numbers, codes = map(b.pointer_argument, ("row", "numbers", "codes"))
        name, words = f"parts{row}", dict[str, int]()

        def lookup(key: str, codes: Mapping[str, int], text: Pointer) -> Value:
            if key not in words:
                words[key] = declare_words(self.module, f"{name}_{key}", codes)
            return _found(b, f"{name}_{key}", words[key], text)

        text = b.load_pointer(values, row)
        emit_parts(Cell(b, name, column.schema, text, numbers, codes, self._places, scratch, lookup))
        self._report(b, b.greater(b.load(scratch, INDEX), 0), b.const(row + 1))

    # --- categories ----------------------------------------------------------------------------------------------

    def _code(self, b: OneThread, column: Column, place: int) -> Value:
        """Emit the code of a column's value: 0 for a missing or unknown value, otherwise 1, 2, …"""
        codes = dict(column.spellings)
        if column.is_boolean:
            codes |= {token: 0 for token in MISSING_TOKENS if token not in codes}
        code = self._text_code(b, codes, place) if column.is_text else self._number_code(b, column, place)
        if column.is_boolean:  # texts neither true nor false are errors, as in lamina
            self._report(b, b.less(code, 0), b.const(place + 1))
        return b.cast(b.maximum(code, 0), INT32)

    def _text_code(self, b: OneThread, codes: Mapping[str, int], place: int) -> Value:
        count = declare_words(self.module, f"words{place}", codes)
        return _found(b, f"words{place}", count, b.load_pointer(b.pointer_argument("row"), place))

    def _number_code(self, b: OneThread, column: Column, place: int) -> Value:
        assert column.values is not None
        self._global(f"values{place}", np.array(column.values, np.float64))
        x = b.load(b.pointer_argument("row"), FLOAT64, place)
        code = b.variable(b.where(b.isnan(x), b.const(0), -1))
        with b.loop(0, len(column.values)) as i:
            matches = b.equal(x, b.load(Pointer(f"@values{place}"), FLOAT64, i))
            code.set(b.where(matches, i + 1, code.get()))
        return code.get()

    # --- both ----------------------------------------------------------------------------------------------------

    def _report(self, b: OneThread, is_bad: Value, column: Value) -> None:
        status = b.pointer_argument("status")
        old = b.load(status, INT32)
        is_first = b.logical_and(is_bad, b.equal(old, 0))
        b.store(status, b.where(is_first, b.cast(column, INT32), old))

    def _global(self, name: str, array: np.ndarray) -> None:
        self.module.declare(global_array(name, array))


# --- the range of numbers ---------------------------------------------------------------------------------------


def encodable(column: Column) -> tuple[float, float]:
    """The lowest and highest number accepted for a column: finite, and within float32 after scaling.

    >>> from lamina.table.types import ColumnSchema, Number
    >>> column = Column(ColumnSchema("x", Number()), clips=False)
    >>> [float(np.float32(x)) == x for x in encodable(column)]
    [True, True]
    """
    if column.clips:
        return -_MOST, _MOST
    factor = min(column.factor, _MOST)

    def fits(x: np.float64) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(abs((x - column.center) * factor) <= _LARGEST)

    return _last(column.center, -_MOST, fits), _last(column.center, _MOST, fits)


def _last(good: float, end: float, holds: Callable[[np.float64], bool]) -> float:
    """Search, by bisection between `good` and `end`, the float farthest from `good` for which `holds` is true.

    `holds` must be true from `good` to this float, and false beyond.
    """
    if holds(np.float64(end)):
        return end
    first, last = _order(good), _order(end)
    while abs(last - first) > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if holds(_of_order(middle)) else (first, middle)
    return float(_of_order(first))


def _order(x: float) -> int:
    """An integer for a float; adjacent floats have consecutive integers."""
    bits = int(np.float64(abs(x)).view(np.int64))
    return -bits if x < 0 else bits


def _of_order(n: int) -> np.float64:
    x = np.int64(abs(n)).view(np.float64)
    return -x if n < 0 else x
