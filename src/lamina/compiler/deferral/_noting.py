"""Generated functions that record an expected event, with a line of code for each operand and each written array.

One runs for each deferred event. A loop over the operands would take as long as a small operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import starmap
from operator import call, setitem
from typing import Any

from lamina.compiler.deferral._entries import Applied, Backward, Entry, New, Number, Operand, Written
from lamina.compiler.deferral._pending import PendingArray
from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import StaleGradient
from lamina.core.ownership import is_alone
from lamina.core.state import pending, state
from lamina.device.context import current_context
from lamina.nd.ndarray import NDArray
from lamina.nd.placeholder import PlaceholderArray

_GLOBALS: dict[str, Any] = {
    "NDArray": NDArray, "PendingArray": PendingArray, "PlaceholderArray": PlaceholderArray,
    "StaleGradient": StaleGradient, "call": call, "current_context": current_context, "is_alone": is_alone,
    "new": object.__new__, "pending": pending, "setitem": setitem, "starmap": starmap, "state": state,
}  # fmt: skip


def write_noting(entry: Entry) -> None:
    """Generate the function that records an event, and store it in the entry.

    It returns the pending result, or True if there is none. If something else than the event happens, or if another
    call has ended the sequence, it returns None, and nothing is recorded.

    The function first sets the sequence's `next` to None: from then on no other call records events in the sequence,
    and a call that interrupts this one ends the sequence. Setting the cursor records the event. Threads switch only at
    calls and at the start of loop iterations, so everything after the last call is atomic. If another thread has ended
    the sequence before, `is_halfway` is set.
    """
    names = Names()
    names.objects.update(_GLOBALS)
    if isinstance(entry, Applied):
        entry.note = _function(
            "note(now, primitive, inputs, params)", *_of_operator(entry, names), entry, names
        )
    elif isinstance(entry, Written):
        entry.note_write = _function("note_write(now, array, value)", *_of_write(entry, names), entry, names)
    elif isinstance(entry, Backward):
        head = "note_backward(now, heads, grads, retain_graph)"
        entry.note_backward = _function(head, *_of_backward(entry, names), entry, names)


def _function(
    head: str, before: Sequence[str], steps: Sequence[str], entry: Entry, names: Names
) -> Callable[..., Any]:
    lines = [
        *before,
        "values, ids = now.values, now.ids",
        "now.next = None",
        "while True:",
        f"    if now.cursor is not {names.of(entry.parent)}: break",
        *(f"    {line}" for line in steps),
        "now.forget_attempt()",
    ]
    return function_of(head, lines, names)


def _of_operator(entry: Applied, names: Names) -> tuple[list[str], list[str]]:
    before = [
        f"if primitive is not {names.of(entry.primitive)} or state.recording is not {entry.recording}: return",
        *_lines_for_parameters(entry, names),
    ]
    if entry.is_from_numbers:
        before.append(f"if current_context() is not {names.of(entry.context)}: return")
    if entry.products is not None:
        before.append(f"if state.products != {entry.products!r}: return")
    arguments = [f"x{i}" for i in range(len(entry.operands))]
    before += [
        "try: " + "".join(f"{x}, " for x in arguments) + "= inputs" if arguments else "if inputs: return"
    ]
    before += ["except ValueError: return"] if arguments else []
    steps = [line for x, o in zip(arguments, entry.operands, strict=True) for line in _lines_for(x, o, names)]
    own = names.of(entry)
    return before, [
        *steps,
        "out = new(PendingArray)",
        f"out._view = {own}",
        "if now.is_halfway: break",
        "values += [out]",
        "pending.is_open = True",
        f"now.cursor = {own}",
        f"now.next = {own}.hot_child",
        "end = now.ended_at",
        f"return out if end is None or end is {own} else None",
    ]


def _lines_for_parameters(entry: Applied, names: Names) -> list[str]:
    if entry.has_floats:  # 0.0 == -0.0, and nan != nan
        return [f"if repr(params) != {entry.params_text!r}: return"]
    return [f"if params != {names.of(entry.params)}: return" if entry.params else "if params: return"]


def _of_write(entry: Written, names: Names) -> tuple[list[str], list[str]]:
    operands = [*_lines_for("array", entry.target, names), *_lines_for("value", entry.value, names)]
    return [], [*operands, *_overwriting([("array", entry)], entry, names)]


def _of_backward(entry: Backward, names: Names) -> tuple[list[str], list[str]]:
    before = [
        f"if retain_graph is not {entry.retain_graph} or state.training is not {entry.training}: return",
        f"if len(heads) != {len(entry.heads)} or len(grads) != {len(entry.grads)}: return",
    ]
    steps = [f"if heads[{i}] is not values[{k}]: break" for i, k in enumerate(entry.heads)]
    steps += [f"if grads[{i}] is not values[{k}]: break" for i, k in enumerate(entry.grads)]
    changes: list[tuple[str, Any]] = []
    for i, gradient in enumerate(entry.gradients):
        steps += [
            f"leaf = values[{gradient.leaf}]._leaf",
            f"if leaf is None or leaf.req != {gradient.req!r}: break",
            f"grad{i} = leaf.grad",
            *_lines_for(f"grad{i}", gradient.operand, names),
        ]
        changes.append((f"grad{i}", gradient))
    return before, steps + _overwriting(changes, entry, names)


def _overwriting(changes: Sequence[tuple[str, Any]], entry: Entry, names: Names) -> list[str]:
    """Lines that mark arrays as pending, and make `entry` the sequence's latest event.

    The argument `changes` has pairs (variable of the array, event that writes it). An array's contents can't be
    overwritten later if another reference to its memory could be used to see the old ones.
    """
    lines = [
        "pending.is_open = True",  # first, so that a write by an interrupt ends the sequence
        "own = state.turn.take(now.turn.take(made := []))",
        "if now.ended_at is not None: break",
    ]
    for x, event in changes:
        lines += [
            f"kind = {x}.__class__",
            "if kind is NDArray:",
            f"    if not is_alone({x}): break",
            f"elif not isinstance({x}, PlaceholderArray): break",
            f"writes = {x}._writes",
            "count = writes[0]",
            "made += [(setitem, writes, 0, count + 1)]",
            "if kind is not PendingArray:",
            f"    {x}._view = {names.of(event)}",  # a slot that only pending arrays need
            f"    made += [(now.overwritten.append, ({x}, kind, count)), "
            f"(setattr, {x}, '__class__', PendingArray)]",
        ]
    own = names.of(entry)
    return [
        *lines,
        f"made += [(setattr, now, 'cursor', {own}), (setattr, now, 'next', {own}.hot_child)]",
        "if list(starmap(call, own)): return True",  # `make`
        "break",
    ]


def _lines_for(x: str, operand: Operand, names: Names) -> list[str]:
    """Lines that leave the loop unless `x` is the operand. A new array gets the next position."""
    if isinstance(operand, New):
        own = names.of(operand)
        # What `New.admits` asks, of the array that was here last:
        known = [
            f"{x} is {own}.latest()",
            f"{x}._is_computed",
            f"{x}._node is None",
            f"len({x}._writes) == 1",
        ]
        if operand.req is None:
            known.append(f"{x}._leaf is None")
        else:
            known.append(f"(leaf := {x}._leaf) is not None and leaf.req == {operand.req!r}")
        if not operand.is_overwritten:
            known.append(f"({x}.__class__ is not NDArray or {x}._data.__class__ is not StaleGradient)")
        known.append("False" if operand.on_tape else "number not in ids")
        return [
            f"number = id({x})",
            f"if not ({' and '.join(known)}) and not {own}.admits({x}, ids): break",
            "ids[number] = len(values)",
            f"values += [{x}]",
        ]
    if isinstance(operand, Number):
        number = names.of(operand)
        known = f"{x}.__class__ is {names.of(operand.kind)} and {x} == {operand.text} and not {number}.varies"
        admits = f"{number}.admits({x}, now.numbers)"
        if operand.kind is int or (operand.kind is float and operand.value and math.isfinite(operand.value)):
            return [f"if not ({known}) and not {admits}: break"]
        return [f"if not {admits}: break"]  # 0.0 == -0.0, nan != nan
    return [f"if {x} is not values[{operand}]: break"]
