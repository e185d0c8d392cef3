"""Machine code that reads dates, times and written numbers as `lamina.table` does.

A reader matches a text by the patterns of its type (`_patterns`), and computes the number from the groups. It reads
what is usual; a text that Python may read otherwise is an error.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, global_array
from lamina.compiler.llvm import BOOL, FLOAT64, INDEX, Module, Pointer, Value
from lamina.export.library._patterns import LONGEST, Program, byte_of, emit_patterns, matched, text_of
from lamina.table import dates
from lamina.table.types import Calendar, ColumnSchema, Date, TimeOfDay, WrittenNumber
from lamina.table.values import CLOCK, DAY, MISSING_TOKENS
from lamina.table.zones import ZONES

_DATES = (*"YymdijkVuQhHMSfDbZpqRWs", "sign", "zh", "zm")
_NUMBERS = ("minus", "digits", "fraction", "down", "exponent", "power", "missing")
_SHIFT = 2000
"""Added to words' values (powers of ten, offsets of zones in minutes), which are not negative."""

_POWERS = 22
"""Powers of ten up to this one are exact."""

_PLAIN = (
    r"(?:\+|(?P<minus>-))?(?:(?P<digits>[1-9]\d*|0)(?:\.(?P<fraction>\d*))?|\.(?P<fraction2>\d+))"
    r"(?:[eE](?:\+|(?P<down>-))?(?P<exponent>\d{1,3}))?"
)
_MISSING = f"(?P<missing>{'|'.join(map(re.escape, MISSING_TOKENS))})"
_WITHOUT_DIGITS = f"(?P<missing>{'|'.join(map(re.escape, MISSING_TOKENS))}|[ -/:-~]*)"
"""Matches texts for missing values, and others without a digit, which are no numbers."""


def is_read(schema: ColumnSchema[Any]) -> bool:
    """Whether a library takes the texts of a column, instead of numbers.

    It does if the column had texts in training, and its usual texts are in a form that a library reads.
    """
    kind = schema.type
    if isinstance(kind, WrittenNumber):
        return kind.usual_with(kind.powers).fullmatch(kind.like) is not None
    return isinstance(kind, Calendar | Date | TimeOfDay) and schema.storage in ("text", "other")


def emit_number_reader(
    module: Module[Any], name: str, schema: ColumnSchema[Any], words_are_missing: bool = True
) -> None:
    """Emit the function ``void NAME(ptr text, ptr number, ptr scratch)`` for a column for which `is_read` is true.

    The function stores the text's number, NaN if it is missing, and in scratch memory 1 if it can't be read, else 0.
    With `words_are_missing` texts without digits count as missing numbers.
    """
    emit_patterns(module)
    _emit_decimal(module)
    kind = schema.type
    with module.function(name, dict.fromkeys(["text", "number", "scratch"]), internal=True) as b:
        text, number, scratch = map(b.pointer_argument, ("text", "number", "scratch"))
        is_missing = b.result(f"icmp eq {text.typed}, null", BOOL)
        b.store(number, b.const(np.nan, FLOAT64))
        b.store(scratch, b.const(0))
        with b.if_(b.logical_not(is_missing)):
            is_date = isinstance(kind, Calendar | Date)
            b.call("plain", text, scratch, b.const(int(is_date)))
            if is_date:
                _date(b, name, kind.read_form if isinstance(kind, Calendar) else dates.DateForm())
            elif isinstance(kind, TimeOfDay):
                _time(b, name)
            else:
                is_written = isinstance(kind, WrittenNumber)
                powers = {word: power + _SHIFT for word, power in kind.powers.items()} if is_written else {}
                usual = [kind.usual_with(())] if is_written else []
                missing = _WITHOUT_DIGITS if words_are_missing else _MISSING
                _number(b, Program(_NUMBERS, {"power": powers}).add(*usual, _PLAIN, missing), name)


def _places(b: OneThread) -> tuple[Pointer, Pointer]:
    return b.pointer_argument("number"), b.pointer_argument("scratch")


# --- numbers ----------------------------------------------------------------------------------------------------------


def _number(b: OneThread, program: Program, name: str, other: int = 1) -> None:
    """Emit the number of a text, in one of the program's patterns; other texts can't be read, and leave `other`."""
    _, scratch = _places(b)
    program.declare(b.module, name)

    def read() -> None:
        with b.if_(b.logical_not(program.has(b, scratch, "missing"))):
            decimal_of(b, program, *_places(b))
        with b.if_(program.has(b, scratch, "missing")):
            b.store(scratch, b.const(0))

    b.if_else(matched(b, name, scratch), read, lambda: b.store(scratch, b.const(other)))


def decimal_of(b: OneThread, program: Program, number: Pointer, scratch: Pointer, suffix: str = "") -> None:
    """Emit the number that the groups of a match are, whose names end in `suffix`."""
    _emit_decimal(b.module)
    b.call("integers", scratch)
    power = b.const(0)
    if program.has_group("power"):
        power = program.number(b, scratch, "power", _SHIFT) - _SHIFT
    exponent = program.number(b, scratch, f"exponent{suffix}")
    power = power + b.where(program.has(b, scratch, f"down{suffix}"), b.const(0) - exponent, exponent)
    ends = [end for group in ("digits", "fraction") for end in program.span(b, scratch, f"{group}{suffix}")]
    negative = program.has(b, scratch, f"minus{suffix}")
    b.call("decimal", scratch, number, *ends, power)
    found = b.load(number, FLOAT64)
    b.store(number, b.where(negative, b.neg(found), found))


def _emit_decimal(module: Module[Any]) -> None:
    """Emit the function `decimal`, unless the module has it."""
    if "decimal" in module.functions:
        return
    module.declare(global_array("powers", np.array([10.0**i for i in range(_POWERS + 1)])))
    module.declare(global_array("fractions", np.array([10.0 ** (6 - i) for i in range(10)])))
    places = dict.fromkeys(("begin", "end", "first", "last", "power"), INDEX)
    with module.function("decimal", {"scratch": None, "number": None, **places}, internal=True) as b:
        _decimal(b)


def _decimal(b: OneThread) -> None:
    """Emit the body of `decimal`: a number from its digits, those after its decimal sign, and a power of ten.

    Numbers whose rounding would take more than one step can't be read: with a decimal sign most of more than 15 digits,
    and those of more than 30 digits.
    """
    number, scratch = _places(b)
    text = text_of(b, scratch)
    # The digits are the sum of two numbers, exact up to 100 bits: the nearest float64, and what it lacks.
    whole, rest = (b.variable(b.const(0.0, FLOAT64)) for _ in range(2))
    for first, last in (("begin", "end"), ("first", "last")):
        with b.loop(b.argument(first), b.argument(last)) as i:
            digit = byte_of(b, text, i) - 48
            is_digit = b.logical_and(b.greater_equal(digit, 0), b.less(digit, 10))  # or a separator
            with b.if_(is_digit):
                eight, two = b.mul(whole.get(), 8.0), b.mul(whole.get(), 2.0)
                ten = b.add(eight, two)
                lacking = b.add(b.mul(rest.get(), 10.0), b.sub(two, b.sub(ten, eight)))
                lacking = b.add(lacking, b.cast(digit, FLOAT64))
                whole.set(b.add(ten, lacking))
                rest.set(b.sub(lacking, b.sub(whole.get(), ten)))
    power = b.argument("power") - (b.argument("last") - b.argument("first"))
    size = b.maximum(power, b.const(0) - power)
    factor = b.load(Pointer("@powers"), FLOAT64, b.minimum(size, _POWERS))
    value = whole.get()
    b.store(number, b.where(b.less(power, 0), b.div(value, factor), b.mul(value, factor)))
    is_exact = b.logical_and(b.equal(rest.get(), 0.0), b.less_equal(size, _POWERS))
    is_exact = b.logical_and(b.logical_or(b.equal(power, 0), is_exact), b.less(value, 2.0**100))
    b.store(scratch, b.cast(b.logical_not(is_exact), INDEX))


# --- times ------------------------------------------------------------------------------------------------------------


def _time(b: OneThread, name: str) -> None:
    """Emit the seconds since midnight of a time of day, or of a number of seconds.

    Other texts are missing.
    """
    number, scratch = _places(b)
    program = Program(("hour", "minute", "half", *_NUMBERS)).add(CLOCK, _PLAIN, _MISSING)
    _number(b, program, name, other=2)
    hour, minute = (program.number(b, scratch, group) for group in ("hour", "minute"))
    is_clock, half = program.has(b, scratch, "hour"), _letter(b, program, "half")
    with b.if_(is_clock):
        late, is_right = dates.of_24(b, hour, b.not_equal(half, 0), b.equal(half, ord("p")))
        b.store(scratch, b.where(is_right, b.load(scratch, INDEX), 2))
        seconds = b.mul(b.cast(late, FLOAT64), 3600.0)
        seconds = b.add(seconds, b.mul(b.cast(minute, FLOAT64), 60.0))
        digits = b.where(program.has(b, scratch, "digits"), b.load(number, FLOAT64), 0.0)
        b.store(number, b.add(seconds, digits))
    found = b.load(number, FLOAT64)
    low, high = TimeOfDay.limits
    with b.if_(b.logical_or(b.less(found, low), b.greater(found, high))):
        b.store(scratch, b.const(2))
    with b.if_(b.equal(b.load(scratch, INDEX), 2)):
        b.store(number, b.const(np.nan, FLOAT64))
        b.store(scratch, b.cast(is_foreign(b, scratch), INDEX))


def _letter(b: OneThread, program: Program, group: str) -> Value:
    """Emit the first letter of a group, in lower case; 0 without it."""
    _, scratch = _places(b)
    place = b.maximum(b.load(scratch, INDEX, program.slot(group)), 0)
    return b.where(program.has(b, scratch, group), b.bit_or(byte_of(b, text_of(b, scratch), place), 32), 0)


# --- dates ------------------------------------------------------------------------------------------------------------


def _date(b: OneThread, name: str, form: dates.DateForm) -> None:
    """Emit the days since 1970-01-01 of a date, as `DateForm.days`; other texts are missing.

    Zones by their names in IANA's database, and texts with letters that may be capitals, can't be read.
    """
    number, scratch = _places(b)
    zones = {zone: minutes + _SHIFT for zone, minutes in ZONES.items()}
    words, letters = {"b": dates.MONTHS, "Z": zones}, {"0": "0123456789"}
    own, program = (Program(_DATES, words, letters).add(*some) for some in (form.own, dates.patterns()))
    own.declare(b.module, name)
    if "dates" not in b.module.functions:  # once for all columns
        with b.module.function("dates", {"scratch": None}, internal=True) as shared:
            assert isinstance(shared, OneThread)
            program.declare(b.module, "date_patterns")
            matched(shared, "date_patterns", shared.pointer_argument("scratch"))
    with b.if_(b.logical_not(matched(b, name, scratch))):
        b.call("dates", scratch)

    def read() -> None:
        b.call("integers", scratch)
        days, is_real = _days(b, program, form)
        is_named = b.logical_or(*(program.has(b, scratch, group) for group in "RW"))
        b.store(number, b.where(is_real, days, b.const(np.nan, FLOAT64)))
        b.store(scratch, b.cast(is_named, INDEX))

    def refuse() -> None:
        b.store(scratch, b.cast(is_foreign(b, scratch), INDEX))

    b.if_else(b.greater(b.load(scratch, INDEX), 0), read, refuse)
    day = dates.EPOCHS.get(form.form)
    if form.form and day is None:
        return
    with b.if_(b.logical_and(b.isnan(b.load(number, FLOAT64)), b.equal(b.load(scratch, INDEX), 0))):
        counts = Program(_NUMBERS).add(dates.EPOCH if day else _PLAIN)
        counts.declare(b.module, f"{name}_count")
        with b.if_(matched(b, f"{name}_count", scratch)):
            decimal_of(b, counts, *_places(b))
            found, (low, high) = b.load(number, FLOAT64), Date.limits
            if day:
                b.store(number, b.sub(b.div(found, day), dates.STARTS.get(form.form, 0.0)))
            else:
                is_far = b.logical_or(b.less(found, low), b.greater(found, high))
                b.store(number, b.where(is_far, b.const(np.nan, FLOAT64), found))


def is_foreign(b: OneThread, scratch: Pointer) -> Value:
    """Emit whether the text in scratch memory has a letter beyond ASCII, or is too long to be read."""
    place, text, found = b.variable(b.const(0)), text_of(b, scratch), b.variable(b.const(False, BOOL))
    with b.loop(0, LONGEST) as i:
        byte = byte_of(b, text, i)
        with b.if_(b.logical_and(b.equal(place.get(), i), b.not_equal(byte, 0))):
            place.set(i + 1)
            is_such = b.logical_or(b.greater_equal(byte, 128), b.equal(byte, 1))
            found.set(b.logical_or(found.get(), is_such))
    return found.get()


def _days(b: OneThread, program: Program, form: dates.DateForm) -> tuple[Value, Value]:
    """Emit the days since 1970-01-01, float64, from the groups of a match, and whether there is such a moment."""
    _, scratch = _places(b)
    number, has = partial(program.number, b, scratch), partial(program.has, b, scratch)
    half = b.bit_or(_letter(b, program, "p"), _letter(b, program, "q"))
    whole, is_real = dates.moment(
        b, has, number, partial(_first_of, b), form.order, form.pivot,
        is_half=b.not_equal(half, 0), is_late=b.equal(half, ord("p")),
        zone=number("Z", _SHIFT) - _SHIFT, is_behind=b.equal(_letter(b, program, "sign"), ord("-") | 32),
    )  # fmt: skip
    begin, end = program.span(b, scratch, "f")
    factor = b.load(Pointer("@fractions"), FLOAT64, end - begin)
    fraction = b.cast(b.rint(b.mul(b.cast(number("f"), FLOAT64), factor)), INDEX)
    return b.div(b.cast(whole + fraction, FLOAT64), float(DAY)), is_real


def _first_of(b: OneThread, year: Value, month: Value | int) -> Value:
    """Emit the days from 1970-01-01 to the first day of a month."""
    month = b.const(month) if isinstance(month, int) else month
    is_before = b.less_equal(month, 2)
    own = year - b.cast(is_before, INDEX)
    leaps = b.divide_trunc(own, 4) - b.divide_trunc(own, 100) + b.divide_trunc(own, 400)
    months = b.divide_trunc((month + b.where(is_before, b.const(9), -3)) * 153 + 2, 5)
    return own * 365 + leaps + months - 719_468
