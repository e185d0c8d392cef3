"""Generated checks of whether an operator is the expected one; they run for each deferred operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina.compiler.deferral._entries import Applied, New, Number
from lamina.device.context import current_context

Matches = Callable[[list[Any], dict[int, int], list[Any], tuple[Any, ...], dict[str, Any]], bool]
"""``matches(values, ids, numbers, inputs, params)``: new arrays and varying numbers are added to the first three."""


def matcher(entry: Applied) -> Matches:
    """The unrolled check for one entry: a loop over its operands would take as long as a small operator."""
    from lamina.compiler.written_checks import Names, function_of

    names = Names()
    arguments = [f"x{i}" for i in range(entry.count)]
    lines = [f"if len(inputs) != {entry.count}: return False"]
    if entry.is_from_numbers:
        lines.append(f"if {names.of(current_context)}() is not {names.of(entry.context)}: return False")
    if entry.has_floats:  # 0.0 == -0.0, and nan != nan
        lines.append(f"if repr(params) != {entry.params_text!r}: return False")
    else:
        lines.append(
            f"if params != {names.of(entry.params)}: return False"
            if entry.params
            else "if params: return False"
        )
    if arguments:
        lines.append(f"{', '.join(arguments)}, = inputs")
    for x, operand in zip(arguments, entry.operands, strict=True):
        lines += _lines_for(x, operand, names)
    lines.append("return True")
    return function_of("matches(values, ids, numbers, inputs, params)", lines, names)


def _lines_for(x: str, operand: Any, names: Any) -> list[str]:
    if isinstance(operand, New):
        return [
            f"if not {names.of(operand.admits)}({x}, ids): return False",
            f"ids[id({x})] = len(values)",
            f"values.append({x})",
        ]
    if isinstance(operand, Number):
        number = names.of(operand)
        known = f"{x}.__class__ is {names.of(operand.kind)} and {x} == {operand.text} and not {number}.varies"
        admits = f"{number}.admits({x}, numbers)"
        if operand.kind is int or (operand.kind is float and operand.value and math.isfinite(operand.value)):
            return [f"if not ({known}) and not {admits}: return False"]
        return [f"if not {admits}: return False"]  # 0.0 == -0.0, nan != nan
    return [f"if {x} is not values[{operand}]: return False"]
