"""Functions that record an expected event; one runs for each deferred event.

Those for operators are generated, with a line of code for each operand, since a loop over the operands would take as
long as a small operator. Events with operands of the same kinds share a function: code of their own for each would not
stay in the processor's caches.

Each function returns the pending result, or True if there is none. If something else than the event happens, or if
another call has ended the sequence, it returns None, and nothing is recorded. It first sets the sequence's `next` to
None: from then on no other call records events in the sequence, and a call that interrupts this one ends the sequence.
Setting the cursor records the event. Threads switch only at calls and at the start of loop iterations, so everything
after the last call is atomic. If another thread has ended the sequence before, `is_halfway` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import starmap
from operator import call, setitem
from typing import Any

from lamina.compiler.deferral._entries import Applied, Backward, Entry, New, Number, Operand, Written
from lamina.compiler.deferral._pending import PendingArray
from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import Array, StaleGradient
from lamina.core.ownership import is_alone
from lamina.core.state import pending, state
from lamina.device.context import current_context
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import PlaceholderArray

_NAMES: dict[str, Any] = {
    "NDArray": NDArray, "PendingArray": PendingArray, "StaleGradient": StaleGradient, "new": object.__new__,
    "current_context": current_context, "pending": pending, "state": state,
}  # fmt: skip


def prepare_noting(entry: Entry) -> None:
    """Give an event the function that records it."""
    if isinstance(entry, Applied):
        entry.note = _noting_operator(tuple(_lines_for_operator(entry)))
    elif isinstance(entry, Written):
        entry.note_write = _note_write
    elif isinstance(entry, Backward):
        entry.note_backward = _note_backward


# --- operators -------------------------------------------------------------------------------------------------------


@cache
def _noting_operator(lines: Sequence[str]) -> Callable[..., Any]:
    names = Names()
    names.objects.update(_NAMES)
    return function_of("note(entry, now, primitive, inputs, params)", lines, names)


def _lines_for_operator(entry: Applied) -> list[str]:
    arguments = [f"x{i}" for i in range(len(entry.operands))]
    lines = [
        f"if primitive is not entry.primitive or state.recording is not {entry.recording}: return",
        "if repr(params) != entry.params_text: return"  # 0.0 == -0.0, and nan != nan
        if entry.has_floats
        else "if params != entry.params: return"
        if entry.params
        else "if params: return",
    ]
    if entry.is_from_numbers:
        lines.append("if current_context() is not entry.context: return")
    if entry.products is not None:
        lines.append("if state.products != entry.products: return")
    if arguments:
        several = "".join(f"{x}, " for x in arguments)
        lines += [f"try: {several}= inputs", "except ValueError: return"]
        lines.append("".join(f"o{i}, " for i in range(len(arguments))) + "= entry.operands")
    else:
        lines.append("if inputs: return")
    lines += [
        "values = now.values",
        "now.next = None",
        "while True:",
        "    if now.cursor is not entry.parent: break",
        *(f"    {line}" for i, o in enumerate(entry.operands) for line in _lines_for(f"x{i}", f"o{i}", o)),
        "    out = new(PendingArray)",
        "    out._view = entry",
        "    if now.is_halfway: break",
        "    values += [out]",
        "    pending.is_open = True",
        "    now.cursor = entry",
        "    now.next = entry.hot_child",
        "    end = now.ended_at",
        "    return out if end is None or end is entry else None",
        "now.forget_attempt()",
    ]
    return lines


def _lines_for(x: str, own: str, operand: Operand) -> list[str]:
    """Lines that leave the loop unless `x` is the operand `own`. A new array gets the next position."""
    if isinstance(operand, New):
        return [
            f"if not {own}.admits({x}, now.ids): break",
            f"now.ids[id({x})] = len(values)",
            f"values += [{x}]",
        ]
    if isinstance(operand, Number):
        known = f"{x}.__class__ is {own}.kind and {x} == {own}.value and not {own}.varies"
        admits = f"{own}.admits({x}, now.numbers)"
        if operand.kind is int or (operand.kind is float and operand.value):  # 0.0 == -0.0
            return [f"if not ({known}) and not {admits}: break"]
        return [f"if not {admits}: break"]
    return [f"if {x} is not values[{own}]: break"]


# --- writes and backward passes --------------------------------------------------------------------------------------


def _note_write(entry: Written, now: Any, array: Array, value: Array) -> bool:
    target, source = entry.operands
    now.next = None
    if (
        now.cursor is entry.parent
        and now.takes(target, array)
        and now.takes(source, value)
        and _overwrite(now, entry, [(array, entry)])
    ):
        return True
    now.forget_attempt()
    return False


def _note_backward(
    entry: Backward, now: Any, heads: Sequence[Array], grads: Sequence[Array], retain_graph: bool
) -> bool:
    if retain_graph is not entry.retain_graph or state.training is not entry.training:
        return False
    now.next = None
    if (
        now.cursor is entry.parent
        and now.are_at(heads, entry.heads)
        and now.are_at(grads, entry.grads)
        and (changes := _gradients(entry, now)) is not None
        and _overwrite(now, entry, changes)
    ):
        return True
    now.forget_attempt()
    return False


def _gradients(entry: Backward, now: Any) -> list[tuple[Any, Any]] | None:
    """The arrays that a backward pass writes, each with its `Gradient` in the entry; None if an array doesn't match."""
    values, changes = now.values, []
    for gradient in entry.gradients:
        leaf = values[gradient.leaf]._leaf
        if leaf is None or leaf.req != gradient.req or not now.takes(gradient.operand, leaf.grad):
            return None
        changes.append((leaf.grad, gradient))
    return changes


def _overwrite(now: Any, entry: Entry, changes: Sequence[tuple[Any, Any]]) -> bool:
    """Mark arrays as pending, and make `entry` the sequence's latest event.

    The argument `changes` has pairs (array, event that writes it). Returns False if an array's old contents can be seen
    through another reference to its memory.
    """
    pending.is_open = True  # first, so that a write by an interrupt ends the sequence
    own = state.turn.take(now.turn.take(made := []))
    if now.ended_at is not None:
        return False
    overwritten = now.overwritten.append
    for array, event in changes:
        kind = array.__class__
        if not (is_alone(array) if kind is NDArray else isinstance(array, PlaceholderArray)):
            return False
        writes = array._writes
        count = writes[0]
        made += [(setitem, writes, 0, count + 1)]
        if kind is not PendingArray:
            array._view = event  # a slot that only pending arrays need
            made += [(overwritten, (array, kind, count)), (setattr, array, "__class__", PendingArray)]
    made += [(setattr, now, "cursor", entry), (setattr, now, "next", entry.hot_child)]
    return bool(list(starmap(call, own)))  # `make`
