"""The encoding of a row in machine code: what `lamina.table.encode.TableEncoder` does, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, OneThreadModule, global_array
from lamina.compiler.llvm import FLOAT32, FLOAT64, INDEX, INT32, Pointer, Value
from lamina.export import Category, Number, Table
from lamina.export.library._interface import Field, is_text
from lamina.export.library._texts import declare_words
from lamina.table.columns import MISSING_TOKENS

__all__ = ["FIELD_BYTES", "Encoding", "encoded_width"]

FIELD_BYTES = 8
_LARGEST = float(np.finfo(np.float32).max)
_CLIP_LIMIT = 1e100  # see `smooth_clip` in lamina.table
_ENCODE = {"row": None, "numeric": None, "codes": None, "status": None}


def encoded_width(table: Table) -> int:
    """How many numbers the network gets of a row."""
    widths = [category.encoded.shape[1] for category in table.encoded if category.encoded is not None]
    return len(table.numbers) + len(table.flagged) + sum(widths)


class Encoding:
    """Writes ``void encode(ptr row, ptr numeric, ptr codes, ptr status)``.

    A value that cannot be encoded puts the number of its column, from 1, into the status, if that is 0.
    """

    def __init__(self, module: OneThreadModule, table: Table, fields: Sequence[Field]) -> None:
        self.module, self.table, self.fields = module, table, fields
        self.position = {field.column.name: i for i, field in enumerate(fields)}

    def emit(self) -> None:
        with self.module.function("encode", _ENCODE, internal=True) as b:
            self._emit_numbers(b)
            self._emit_flags(b)
            self._emit_categories(b)

    # --- numbers -------------------------------------------------------------------------------------------------

    def _emit_numbers(self, b: OneThread) -> None:
        numbers = self.table.numbers
        if not numbers:
            return
        clips = [float(column.clips) for column in numbers]
        if len(set(clips)) > 1:
            self._global("clips", np.array(clips))
        self._global("centers", np.array([column.center for column in numbers]))
        most = np.finfo(np.float64).max
        self._global("factors", np.array([min(column.factor, most) for column in numbers]))
        fills = [(np.float64(column.fill) - column.center) * column.factor for column in numbers]
        self._global("fills", np.array(fills))
        start = 0
        while start < len(numbers):
            stop = start + 1
            while stop < len(numbers) and self._place(stop) == self._place(stop - 1) + 1:
                stop += 1
            self._emit_run(b, start, stop)
            start = stop

    def _place(self, number: int) -> int:
        """The field of a number."""
        return self.position[self.table.numbers[number].name]

    def _emit_run(self, b: OneThread, start: int, stop: int) -> None:
        """Numbers that are neighbours in the row."""
        shift = self._place(start) - start

        def body(i: Value, lanes: int) -> None:
            x = b.load(b.pointer_argument("row"), FLOAT64, i + shift, lanes)
            scaled, is_bad = self._scaled(b, x, i, lanes)
            b.store(b.pointer_argument("numeric"), b.cast(scaled, FLOAT32), i)
            with b.if_(b.logical_not(b.reduce_all(b.logical_not(is_bad)))):
                for lane in range(lanes):
                    self._report(b, b.extract(is_bad, lane), i + (shift + lane + 1))

        b.vector_loop(start, stop, b.lanes(FLOAT64), body)

    def _scaled(self, b: OneThread, x: Value, i: Value, lanes: int) -> tuple[Value, Value]:
        """Numbers scaled and clipped, and which of them are infinite or leave the range of float32."""
        center, factor, fill = (
            b.load(Pointer(f"@{name}"), FLOAT64, i, lanes) for name in ("centers", "factors", "fills")
        )
        is_bad = b.equal(b.abs(x), float("inf"))
        scaled = b.where(b.isnan(x), fill, b.mul(b.sub(x, center), factor))
        clips = [column.clips for column in self.table.numbers]
        if all(clips):
            return _smoothly_clipped(b, scaled), is_bad
        if any(clips):
            is_clipped = b.equal(b.load(Pointer("@clips"), FLOAT64, i, lanes), 1.0)
            scaled = b.where(is_clipped, _smoothly_clipped(b, scaled), scaled)
        fits = b.less_equal(b.abs(scaled), _LARGEST)
        return scaled, b.logical_or(is_bad, b.logical_not(fits))

    def _emit_flags(self, b: OneThread) -> None:
        for k, column in enumerate(self.table.flagged, start=len(self.table.numbers)):
            assert column.flag is not None
            absent, present = (b.const(value, FLOAT32) for value in column.flag)
            value = b.where(b.isnan(self._number(b, column)), absent, present)
            b.store(b.pointer_argument("numeric"), value, k)

    # --- categories ----------------------------------------------------------------------------------------------

    def _emit_categories(self, b: OneThread) -> None:
        first = len(self.table.numbers) + len(self.table.flagged)
        for column in self.table.encoded:
            assert column.encoded is not None
            self._emit_one_hot(b, column, column.encoded, first)
            first += column.encoded.shape[1]
        for k, column in enumerate(self.table.embedded):
            b.store(b.pointer_argument("codes"), b.cast(self._code(b, column), INT32), k)

    def _emit_one_hot(self, b: OneThread, column: Category, encoded: np.ndarray, first: int) -> None:
        name = f"encoded{self.position[column.name]}"
        width = encoded.shape[1]
        self._global(name, encoded)
        source = b.offset(Pointer(f"@{name}"), self._code(b, column) * width, FLOAT32)
        target = b.offset(b.pointer_argument("numeric"), first, FLOAT32)

        def copy(i: Value, lanes: int) -> None:
            b.store(target, b.load(source, FLOAT32, i, lanes), i)

        b.vector_loop(0, width, b.lanes(FLOAT32), copy)

    def _code(self, b: OneThread, column: Category) -> Value:
        """0 for a missing or unknown value, else 1, 2, …"""
        place = self.position[column.name]
        code = self._text_code(b, column, place) if is_text(column) else self._number_code(b, column, place)
        if column.is_boolean:  # what says neither yes nor no is an error, as it is in lamina
            self._report(b, b.less(code, 0), b.const(place + 1))
        return b.maximum(code, 0)

    def _text_code(self, b: OneThread, column: Category, place: int) -> Value:
        codes = dict(column.spellings)
        if column.is_boolean:
            codes |= {token: 0 for token in MISSING_TOKENS if token not in codes}
        count = declare_words(self.module, f"words{place}", codes)
        text = b.load_pointer(b.pointer_argument("row"), place)
        arguments = f"{text.typed}, ptr @words{place}, ptr @words{place}_codes, i64 {count}"
        return b.result(f"call i64 @find_text({arguments})", INDEX)

    def _number_code(self, b: OneThread, column: Category, place: int) -> Value:
        assert column.values is not None
        self._global(f"values{place}", np.array(column.values, np.float64))
        x = self._number(b, column)
        code = b.variable(b.where(b.isnan(x), b.const(0), -1))
        with b.loop(0, len(column.values)) as i:
            matches = b.equal(x, b.load(Pointer(f"@values{place}"), FLOAT64, i))
            code.set(b.where(matches, i + 1, code.get()))
        return code.get()

    # --- both ----------------------------------------------------------------------------------------------------

    def _number(self, b: OneThread, column: Number | Category) -> Value:
        return b.load(b.pointer_argument("row"), FLOAT64, self.position[column.name])

    def _report(self, b: OneThread, is_bad: Value, column: Value) -> None:
        status = b.pointer_argument("status")
        old = b.load(status, INT32)
        is_first = b.logical_and(is_bad, b.equal(old, 0))
        b.store(status, b.where(is_first, b.cast(column, INT32), old))

    def _global(self, name: str, array: np.ndarray) -> None:
        self.module.declare(global_array(name, array))


def _smoothly_clipped(b: OneThread, x: Value) -> Value:
    """x / √(1 + (x/3)²), step by step as `smooth_clip` in lamina.table."""
    x = b.minimum(b.maximum(x, -_CLIP_LIMIT), _CLIP_LIMIT)
    scale = b.mul(x, 1 / 3)
    scale = b.add(b.mul(scale, scale), 1.0)
    return b.div(x, b.sqrt(scale))
