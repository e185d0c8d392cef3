"""What a network's outputs stand for, in machine code: the same steps as `lamina.estimators.targets`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina.compiler.cpu.standalone import OneThread, OneThreadModule, global_array
from lamina.compiler.llvm import BOOL, FLOAT32, FLOAT64, INDEX, Pointer, Value
from lamina.estimators.exponential import COEFFICIENTS, HIGHEST, LOG_2, LOWEST, ROUND_MAGIC
from lamina.export import Classes, Numbers

__all__ = ["emit_finish"]

_MAGIC_BITS = int(np.float64(ROUND_MAGIC).view(np.int64))
_FINISH = {"outputs": None, "values": None, "classes": None, "row": INDEX}


def emit_finish(module: OneThreadModule, output: Classes | Numbers) -> None:
    """Write ``void finish(ptr outputs, ptr values, ptr classes, i64 row)``.

    It makes the probabilities (or numbers) and the class (or labels) of a row of a network's outputs, and puts them
    where those of this row go; what has no place is not computed.
    """
    with module.function("finish", _FINISH, internal=True) as b:
        values, classes = b.pointer_argument("values"), b.pointer_argument("classes")
        count = len(output.labels) if isinstance(output, Classes) else len(output.center)
        with b.if_(_is_given(b, values)):
            place = b.offset(values, b.argument("row") * count, FLOAT64)
            if isinstance(output, Numbers):
                _numbers(module, b, output, place)
            elif output.several:
                _map(b, count, place, lambda x: b.div(1.0, b.add(_exp(b, b.neg(x)), 1.0)))
            else:
                _softmax(b, count, place)
        if isinstance(output, Classes):
            with b.if_(_is_given(b, classes)):
                if output.several:
                    _labels(b, count, b.offset(classes, b.argument("row") * count, INDEX))
                else:
                    decided = _likeliest(b, count) if output.threshold is None else _by_threshold(b, output)
                    b.store(classes, decided, b.argument("row"))


def _is_given(b: OneThread, pointer: Pointer) -> Value:
    return b.result(f"icmp ne {pointer.typed}, null", BOOL)


def _output(b: OneThread, i: Value, lanes: int = 1) -> Value:
    return b.cast(b.load(b.pointer_argument("outputs"), FLOAT32, i, lanes), FLOAT64)


def _map(b: OneThread, count: int, place: Pointer, function: Callable[[Value], Value]) -> None:
    def body(i: Value, lanes: int) -> None:
        b.store(place, function(_output(b, i, lanes)), i)

    b.vector_loop(0, count, b.lanes(FLOAT64), body)


def _softmax(b: OneThread, count: int, place: Pointer) -> None:
    highest = b.variable(_output(b, b.const(0)))
    with b.loop(1, count) as i:
        highest.set(b.maximum(highest.get(), _output(b, i)))
    _map(b, count, place, lambda x: _exp(b, b.sub(x, highest.get())))
    total = b.variable(b.load(place, FLOAT64))
    with b.loop(1, count) as i:
        total.set(b.add(total.get(), b.load(place, FLOAT64, i)))

    def divide(i: Value, lanes: int) -> None:
        b.store(place, b.div(b.load(place, FLOAT64, i, lanes), total.get()), i)

    b.vector_loop(0, count, b.lanes(FLOAT64), divide)


def _likeliest(b: OneThread, count: int) -> Value:
    """The first of the highest outputs, or the first NaN, as `argmax` of NumPy."""
    best, highest = b.variable(b.const(0)), b.variable(_output(b, b.const(0)))
    with b.loop(1, count) as i:
        x = _output(b, i)
        is_better = b.logical_or(b.greater(x, highest.get()), b.isnan(x))
        is_better = b.logical_and(is_better, b.logical_not(b.isnan(highest.get())))
        best.set(b.where(is_better, i, best.get()))
        highest.set(b.where(is_better, x, highest.get()))
    return best.get()


def _by_threshold(b: OneThread, output: Classes) -> Value:
    """The positive one of two classes where its probability, as `_softmax` has it, reaches the threshold."""
    first, second = (_output(b, b.const(i)) for i in (0, 1))
    highest = b.maximum(first, second)
    powers = [_exp(b, b.sub(x, highest)) for x in (first, second)]
    probability = b.div(powers[output.positive], b.add(powers[0], powers[1]))
    assert output.threshold is not None
    reaches = b.greater_equal(probability, output.threshold)
    return b.where(reaches, b.const(output.positive), b.const(1 - output.positive))


def _labels(b: OneThread, count: int, place: Pointer) -> None:
    def body(i: Value, lanes: int) -> None:
        b.store(place, b.cast(b.greater(_output(b, i, lanes), 0.0), INDEX), i)

    b.vector_loop(0, count, b.lanes(FLOAT64), body)


def _numbers(module: OneThreadModule, b: OneThread, output: Numbers, place: Pointer) -> None:
    names = ("scale", "center", "low", "high")
    for name in names:
        module.declare(global_array(f"target_{name}", getattr(output, name).astype(np.float64)))

    def body(i: Value, lanes: int) -> None:
        scale, center, low, high = (b.load(Pointer(f"@target_{name}"), FLOAT64, i, lanes) for name in names)
        x = _output(b, i, lanes)
        x = _exp(b, x) if output.logarithmic else x
        x = b.add(b.mul(x, scale), center)
        b.store(place, b.minimum(b.maximum(x, low), high), i)

    b.vector_loop(0, len(output.center), b.lanes(FLOAT64), body)
    if output.levels:
        _sort(b, len(output.levels), place)


def _sort(b: OneThread, count: int, place: Pointer) -> None:
    """Numbers in ascending order: neighbours change places as long as the greater one may come first."""
    with b.loop(1, count) as end, b.loop(0, b.sub(count, end)) as i:
        after = b.add(i, 1)
        x, y = b.load(place, FLOAT64, i), b.load(place, FLOAT64, after)
        b.store(place, b.minimum(x, y), i)
        b.store(place, b.maximum(x, y), after)


def _exp(b: OneThread, x: Value) -> Value:
    """`lamina.estimators.exponential.exp`, step by step."""
    x = b.minimum(b.maximum(x, LOWEST), HIGHEST)
    shifted = b.add(b.mul(x, 1 / sum(LOG_2)), ROUND_MAGIC)
    n = b.sub(shifted, ROUND_MAGIC)
    r = b.sub(b.sub(x, b.mul(n, LOG_2[0])), b.mul(n, LOG_2[1]))
    value = b.const(COEFFICIENTS[-1], FLOAT64, x.lanes)
    for coefficient in COEFFICIENTS[-2::-1]:
        value = b.add(b.mul(value, r), coefficient)
    value = b.add(b.add(b.mul(b.mul(r, r), value), r), 1.0)
    exponent = b.sub(b.bitcast(shifted, INDEX), _MAGIC_BITS)
    half = b.shift_right(exponent, 1)
    return b.mul(b.mul(value, b.power_of_two(half)), b.power_of_two(b.sub(exponent, half)))
