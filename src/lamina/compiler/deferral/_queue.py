"""The queue, which records a program's operations on arrays and computes them when a result is read.

A sequence of operators begins where the previous one ended: where a number was read, or where a step of the user's
program seems to begin. The first few times that a sequence occurs, its operators are computed immediately and recorded
(*observed*). After enough repetitions they are queued (*deferred*), and one compiled program computes them at the
sequence's end. If the program departs from the sequence, the queued operators are computed one by one. See
docs/adr/deferred-evaluation.md for the reasons and the cost.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence as Items
from typing import Any

from lamina.compiler import compilation_enabled
from lamina.compiler.deferral._current import Sequence, place_of
from lamina.compiler.deferral._entries import Applied, Backward, Entry, New, Written, products_of
from lamina.compiler.deferral._noting import prepare_noting
from lamina.compiler.deferral._path import FEWEST_EVENTS, Debt, Path
from lamina.core.array import Array, UserArray
from lamina.core.interrupts import Change, interrupts_later, make
from lamina.core.keys import Unfit, frozen
from lamina.core.lowering import Overlap, Uncompilable
from lamina.core.primitive import Primitive, apply
from lamina.core.state import concrete, pending, state
from lamina.core.tape import backward_now
from lamina.errors import DeviceError

_OFTEN = 2  # times that a sequence is observed before it is deferred
_LONGEST = 1024  # events in a sequence; then it is searched for repetitions
# Events: short steps of a loop without marks are joined up to this number, since each sequence has a fixed cost.
_FEW_STEPS = 128
_MOST_ENTRIES = 50_000  # in the tree; one takes about 1 KB
_PATIENCE = 4096  # events without a deferred one, before the queue sleeps
_SHORT = 64  # the events that a sequence too short to be deferred counts as
_LONGEST_NAP = 1 << 16

_KNOWN_END = "the sequence ended here before"
_UNFIT_WRITE = "an array is written whose memory other objects may share"


class DeferralQueue:
    """The queue of deferred operators of the main thread; implements `lamina.core.state.Queue`.

    Other threads may read its pending arrays. If a call is interrupted while it records an event or computes pending
    arrays, the sequence ends before that event, all pending arrays are computed, and the event is executed immediately,
    without being recorded. All shared state changes atomically (`lamina.core.interrupts`); other state belongs to the
    sequence (`Sequence`) or to its pending work (`Debt`).
    """

    is_immediate = False

    def __init__(self) -> None:
        self.asleep = 0
        self._lock = pending.lock
        self._root = Entry(None)
        self._entries = 0
        self._credit, self._nap = _PATIENCE, _PATIENCE
        self._period: int | None = None
        self._debt: Debt | None = None
        self.current = Sequence(self._root, None)
        pending.is_open = False

    # --- what `bind` and the arrays ask for ----------------------------------------------------------------------

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> UserArray:
        """The result of a primitive, computed or pending."""
        now = self.current
        entry = now.next
        out = None if entry is None else entry.note(entry, now, primitive, inputs, params)
        if out is not None:
            return out
        with self._lock:
            return self._bind_slowly(primitive, inputs, params)

    def write(self, array: Array, value: Array) -> bool:
        """Record a write of `value`'s contents to `array`; returns False if the write can't be recorded."""
        with self._lock:
            if self.asleep:
                return False
            now = self.current
            entry = now.next
            if entry is not None and entry.note_write(entry, now, array, value):
                return True
            return self._write_slowly(array, value)

    def backward(self, heads: Items[Array], head_grads: Items[Array], retain_graph: bool) -> bool:
        """Record a whole backward pass; returns False if the pass can't be recorded."""
        with self._lock:
            if self.asleep:
                return False
            now = self.current
            entry = now.next
            if entry is not None and entry.note_backward(entry, now, heads, head_grads, retain_graph):
                return True
            return self._backward_slowly(heads, head_grads, retain_graph)

    def look(self, array: Array) -> None:
        """End the sequence if one of its observed events computed `array`, whose contents are about to be copied."""
        now = self.current
        if now.is_observing and now.ids.get(id(array)) in now.made:
            self.end()

    def mark(self, *, recording: bool = False) -> None:
        """Record that a step of the user's program may begin here, perhaps since gradient `recording` starts."""
        if pending.is_open:
            if not recording or self.current.has_recorded:
                self.end("a step begins")
            self._period = self.current.ahead = None
        if recording:
            self.current.has_recorded = True

    def end(self, why: str = "numbers or memory are needed") -> None:
        """End the sequence, and compute all pending arrays."""
        with self._lock:
            if self._debt is not None:  # of an interrupted call
                with interrupts_later(), concrete():
                    self._pay(self._debt)
            now = self.current
            if not pending.is_open:
                return
            if now.is_observing or now.cursor.parent is None:
                end = now.cursor
                is_whole = not now.is_halfway
                if not self._replace(now, end, Sequence(self._root, self._period)):
                    self._end_again(now, why)
                elif is_whole:
                    self._count_end(end)
                return
            with interrupts_later(), concrete():
                is_midway, now.is_halfway, now.next = now.is_midway, True, None
                end, values, numbers = now.cursor, now.values, now.numbers
                if is_midway or len(values) != end.taken:
                    values, numbers = now.up_to(end)
                debt = Debt(self._path_to(end), values, numbers, now.overwritten)
                if not self._replace(now, end, Sequence(self._root, self._period), debt):
                    self._end_again(now, why)
                    return
                self._compute(debt, end.ends + 1 >= _OFTEN, why)
            self._count_end(end)

    def _end_again(self, now: Sequence, why: str) -> None:
        """End a sequence that has received another event meanwhile; do nothing if another call has ended it."""
        if self.current is now:
            self.end(why)

    def _replace(self, now: Sequence, end: Entry, by: Sequence, debt: Debt | None = None) -> bool:
        """End the current sequence after the event `end`, and continue with `by`.

        Returns False if another call has ended or extended the sequence. `debt` is the pending work to do next; until
        this is done, no event is recorded in the new sequence.
        """
        own = now.turn.take(changes := [])
        if self.current is not now or now.cursor is not end:
            return False
        changes += [(setattr, now, "ended_at", end), (setattr, self, "current", by)]
        if debt is None:
            changes.append((setattr, pending, "is_open", False))
        else:
            by.next = None
            changes += [*now.restoring(), (setattr, self, "_debt", debt)]
        return bool(make(own))

    def _count_end(self, end: Entry) -> None:
        """Count that a sequence ended with this event. After a few such ends, its events are deferred."""
        if end.parent is not None:
            end.ends += 1
        if end.depth < FEWEST_EVENTS:
            self._credit -= _SHORT
        if end.ends == _OFTEN and self._path_to(end).is_worthwhile and compilation_enabled():
            with interrupts_later():
                self._warm_up(end)
        if self._entries > _MOST_ENTRIES:
            self._forget_what_is_rare()

    def _warm_up(self, end: Entry) -> None:
        """Defer all events that lead to this end from now on."""
        for entry in end.from_start():
            if not entry.is_hot:
                prepare_noting(entry)
            entry.is_hot = True
            entry.parent.hot_child = entry  # pyright: ignore[reportOptionalMemberAccess] - only the root has none
        now = self.current
        if now.cursor is self._root and not now.is_observing:
            now.next = self._root.hot_child

    # --- deferring -----------------------------------------------------------------------------------------------

    def _compute(self, debt: Debt, is_often: bool, why: str) -> None:
        """Compute the deferred events, as one compiled program if possible."""
        path = debt.path
        how = "operator by operator"
        if is_often and path.is_compilable and path.is_worthwhile and path.is_due:
            self._credit = self._nap = _PATIENCE
            try:
                debt.run_compiled()
                how = "compiled"
            except (Overlap, MemoryError) as reason:
                how += f", since {reason}"
            except DeviceError as error:
                debt.lose(error)
                self._pay(debt)
                raise
            except Uncompilable as reason:
                path.is_compilable = False
                path.end.cool_down()
                how += f", since {reason.what} {reason.why}"
            except Exception:
                if self._debt is debt:  # unless an interrupt has paid it
                    raise
        self._pay(debt)
        path.tell(how, why)

    def _pay(self, debt: Debt) -> None:
        """Do the pending work inside `concrete`: store the program's results, or compute operator by operator."""
        try:
            debt.pay()
        finally:
            if debt.is_paid and self._debt is debt:
                now = self.current
                changes: list[Change] = [(setattr, self, "_debt", None)]
                changes.append((setattr, pending, "is_open", now.is_observing))
                if not now.is_observing:
                    changes.append((setattr, now, "next", now.cursor.hot_child))
                make(iter(changes))

    def _path_to(self, entry: Entry) -> Path:
        if entry.path is None:
            entry.path = Path(entry)
        return entry.path

    def _fall_back(self, now: Sequence) -> Sequence | None:
        """Compute the deferred events and observe later ones; None if another call has ended the sequence."""
        end = now.cursor
        with interrupts_later(), concrete():
            now.is_halfway, now.next = True, None
            rest = Sequence(self._root, now.ahead)
            rest.is_observing, rest.next = True, None
            rest.cursor, rest.has_recorded = end, now.has_recorded
            rest.ids = {id(x): i for i, x in enumerate(now.values)}
            rest.values = list[Any](weakref.ref(x) for x in now.values)
            for event in end.from_start():
                rest.note_made(event)
            if end.parent is None:
                return rest if self._replace(now, end, rest) else None
            debt = Debt(self._path_to(end), now.values, now.numbers, now.overwritten)
            if not self._replace(now, end, rest, debt):
                return None
            try:
                self._pay(debt)
            except Exception:
                if self.current is rest:
                    self._replace(rest, end, Sequence(self._root, self._period))
                raise
            debt.path.tell("operator by operator", "the program departs from the recorded sequence")
            return rest

    # --- observing -----------------------------------------------------------------------------------------------

    def _bind_slowly(
        self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]
    ) -> UserArray:
        now, before = self._recovered()
        if not now.is_observing:
            if before.hot_child is None and before.ends >= _OFTEN:
                self.end(_KNOWN_END)
                return self.bind(primitive, inputs, params)
        elif self._begins_loop_anew(primitive, inputs, params):
            self.end()
            return self.bind(primitive, inputs, params)
        try:
            place = place_of(inputs, params.get("context"))
            if primitive.lowering is None:
                raise Unfit
            how = state.recording, products_of(primitive)
            key = (primitive, frozen(params), *how, *now.keys_of(inputs))
        except Unfit:
            self.end(f"{primitive.name} can't be deferred")
            return apply(primitive, inputs, params)
        now = self._observing(now, key, place)
        if now is None:
            return self.bind(primitive, inputs, params)
        out = apply(primitive, inputs, params)
        if not self._may_note(now, before):
            return out
        entry = self._known(now, key, inputs)
        if entry is None:
            operands = now.new_operands(inputs)
            entry = Applied(before, primitive, params, operands, inputs, out, len(now.values))
            self._remember(key, entry, place)
        now.place(out)
        self._step_on(now, entry)
        return out

    def _write_slowly(self, array: Array, value: Array) -> bool:
        now, before = self._recovered()
        try:
            place = place_of((array, value))
            key = (Written, *now.keys_of((array, value)))
        except Unfit:
            self.end(_UNFIT_WRITE)
            return False
        now = self._observing(now, key, place)
        if now is None:
            return self.write(array, value)
        if not now.may_be_owed(array):
            self.end(_UNFIT_WRITE)
            return False
        array._write_now(value)
        if not self._may_note(now, before):
            return True
        entry = self._known(now, key, (array, value))
        if entry is None:
            target, source = now.new_operands((array, value))
            if isinstance(target, New):
                target.is_overwritten = True
            entry = Written(before, target, source, array)
            self._remember(key, entry, place)
        self._step_on(now, entry)
        return True

    def _backward_slowly(self, heads: Items[Array], head_grads: Items[Array], retain_graph: bool) -> bool:
        now, before = self._recovered()
        where = [now.position_of(x) for x in (*heads, *head_grads)]
        known = tuple([i for i in where if i is not None])
        if len(known) < len(where):
            self.end("backward goes beyond the recorded operators")
            return False
        key = (Backward, known[: len(heads)], known[len(heads) :], retain_graph, state.training)
        now = self._observing(now, key, before.place)
        if now is None:
            return self.backward(heads, head_grads, retain_graph)
        leaves = now.leaves_of(heads)
        if leaves is None:
            self.end("backward goes beyond the recorded operators")
            return False
        versions = [x._leaf.grad._version for x in leaves]  # pyright: ignore[reportOptionalMemberAccess]
        queue, state.queue = state.queue, None
        try:
            backward_now(heads, head_grads, retain_graph=retain_graph)
        finally:
            state.queue = queue
        if not self._may_note(now, before):
            return True
        entry = before.children.get(key)
        reached = [x for x, version in zip(leaves, versions, strict=True) if x._leaf.grad._version != version]  # pyright: ignore
        if entry is None:
            entry = Backward(before, key[1], key[2], retain_graph, state.training)
            if not now.note_gradients(entry, reached):
                now.is_halfway = False
                self.end()
                return True
            self._remember(key, entry, before.place)
        else:
            grads = [now.values[gradient.leaf]()._leaf.grad for gradient in entry.gradients]
            now.place_operands(grads, entry.operands)
        self._step_on(now, entry)
        return True

    def _recovered(self) -> tuple[Sequence, Entry]:
        """The current sequence and its latest event. A sequence whose recording was interrupted is ended first."""
        if self._debt is not None or self.current.is_midway:
            pending.is_open = True
            self.end("recording was interrupted")
        now = self.current
        return now, now.cursor

    def _observing(self, now: Sequence, key: Any, place: Any) -> Sequence | None:
        """The sequence in which to observe an event on device `place`; None if the caller should try again."""
        if now.cursor.parent is not None and now.cursor.place is not place:
            self.end("the program continues on another device")
            return None
        if now.is_observing:
            return now
        entry = now.cursor.children.get(key)
        if entry is not None and entry.is_hot and entry is not now.next:
            now.cursor.hot_child = now.next = entry
            return None
        if now.cursor.ends >= _OFTEN:
            self.end(_KNOWN_END)
            return None
        return self._fall_back(now)

    def _may_note(self, now: Sequence, before: Entry) -> bool:
        """Whether to record an event that was just computed; False if another call has recorded an event meanwhile."""
        now.is_halfway = True
        if self.current is now and now.cursor is before:
            return True
        now.is_halfway = False
        return False

    def _known(self, now: Sequence, key: Any, inputs: Items[Any]) -> Any:
        """The entry of an event that was observed here before, or None. Its new arrays get the next positions."""
        entry = now.cursor.children.get(key)
        if entry is not None:
            now.place_operands(inputs, entry.operands)
        return entry

    def _remember(self, key: Any, entry: Any, place: Any) -> None:
        """Add an observed event to the tree, as a successor of the previous event."""
        entry.parent.children[key], entry.place = entry, place
        self._entries += 1

    def _forget_what_is_rare(self) -> None:
        """Remove events that are not deferred, or all if too many are left, to limit the memory."""
        self._entries, todo = 0, [self._root]
        while todo:
            entry = todo.pop()
            entry.children = {key: child for key, child in entry.children.items() if child.is_hot}
            todo += entry.children.values()
            self._entries += len(entry.children)
        if self._entries > _MOST_ENTRIES // 2:
            self._root, self._entries = Entry(None), 0
        now = self.current
        if now.cursor.parent is None:
            self._replace(now, now.cursor, Sequence(self._root, self._period))

    def _step_on(self, now: Sequence, entry: Any) -> None:
        """Make an observed event the latest event."""
        entry.taken = len(now.values)
        now.cursor = entry
        now.note_made(entry)
        pending.is_open = True
        now.is_halfway = False
        if self.current is not now:
            return
        self._credit -= 1
        if self._credit <= 0:
            self._fall_asleep()
        elif entry.depth == now.ahead:
            self.end()
        elif entry.depth >= _LONGEST:
            self.end()
            self._find_period(entry.from_start())

    def _find_period(self, events: Items[Any]) -> None:
        """Search for a period in a long sequence, as the program may be a loop without marked steps."""
        period = _period_of(events)
        if period is not None:
            self._period = period * max(1, _FEW_STEPS // period)
            self.current.ahead = _until_boundary(events, period) or self._period

    def _begins_loop_anew(self, primitive: Primitive, inputs: Items[Any], params: dict[str, Any]) -> bool:
        """Whether this operator is the first in the loop's sequence; deferral then resumes after an irregular step."""
        first = self._root.hot_child
        return (
            self._period is not None
            and first is not None
            and self.current.cursor.parent is not None
            and first.note(first, Sequence(self._root, None), primitive, inputs, params) is not None
        )

    def _fall_asleep(self) -> None:
        """Stop recording operators for a while, since nothing repeats and recording takes time."""
        self.end()
        self.asleep, self._nap, self._credit = self._nap, min(2 * self._nap, _LONGEST_NAP), _PATIENCE


# --- the steps of a loop in a program that doesn't mark its steps ------------------------------------------------


def _period_of(events: Items[Any]) -> int | None:
    """The period of a long sequence, in events; None if the sequence does not repeat."""
    marks = [(event.primitive, str(getattr(event, "params", ""))) for event in reversed(events)]
    for period in range(1, len(marks) // 3):
        if all(marks[i] == marks[i + period] for i in range(2 * period)):
            return period
    return None


def _until_boundary(events: Items[Any], period: int) -> int:
    """The number of events until the best boundary between sequences of `period` events.

    The best boundary is where the least data crosses: such data must be stored, and is not fused with its readers.
    Between two steps of a loop, only parameters and counters cross.
    """
    first = len(events) - 2 * period
    made = {event.output: i for i, event in enumerate(events) if isinstance(event, Applied)}
    last_use: dict[int, int] = {}
    for i, event in enumerate(events):
        for where in event.reads:
            last_use[where] = i
    handed_on = [0] * period
    for where, i in made.items():
        elements = math.prod(events[i].shape)
        for boundary in range(max(i + 1, first), min(last_use.get(where, i) + 1, first + period)):
            handed_on[boundary - first] += elements
    return handed_on.index(min(handed_on))
