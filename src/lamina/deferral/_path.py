"""A sequence from beginning to end: how it is computed operator by operator, and how as one compiled program."""

from __future__ import annotations

import math
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from lamina.context import cpu
from lamina.core.array import Array
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.forking import compiling
from lamina.core.tape import TapeNode
from lamina.deferral import _debug as debug
from lamina.deferral._entries import Applied, Backward, Entry, Number, Written, position, targets, varying
from lamina.deferral._pending import Lost, settle
from lamina.nd.elsewhere import stand_in
from lamina.primitives.views import view_of

__all__ = ["FEWEST_EVENTS", "Path", "Plan"]

_MOST_PLANS = 128
_MOST_PATTERNS = 64  # of what is alive at a path's end, that are remembered
_latest: OrderedDict[int, Path] = OrderedDict()
"""The paths with compiled programs, by `id`: the one that was not used for longest gives its program up."""


class Path:
    """All events from the beginning of a sequence to `end`."""

    def __init__(self, end: Entry) -> None:
        self.end, self.entries = end, end.from_start()
        self.applied = [entry for entry in self.entries if isinstance(entry, Applied)]
        self._outputs = [entry.output for entry in self.applied]
        self._maker = {entry.output: entry for entry in self.applied}
        self._consumed = self._walked_back()
        self.plan: Plan | None = None
        self.is_compilable, self.is_told = True, debug.is_asked_for()
        self._given_up = self._uses = 0  # how often its program was given up, and what came since
        self._writes_after: dict[int, dict[int, int]] = {}
        self._needs: dict[tuple[int, ...], tuple[list[int], list[Applied], frozenset[int]]] = {}

    @cached_property
    def is_worthwhile(self) -> bool:
        """Whether a compiled program could be faster than NumPy: its call costs as much as some small operators."""
        elements = sum(math.prod(entry.shape) for entry in self.applied)
        return len(self.entries) >= FEWEST_EVENTS or (len(self.entries) > 1 and elements >= _MANY_ELEMENTS)

    # --- operator by operator ------------------------------------------------------------------------------------

    def run_eagerly(self, values: list[Any], numbers: Sequence[Any]) -> None:
        """Do what was noted, as if it had been done at once."""
        _take_back_counts(self.entries, values)
        remaining, saved = iter(numbers), flush_denormals()
        try:
            for entry in self.entries:
                out = entry.run(values, remaining)
                if isinstance(entry, Applied):
                    _adopt(values[entry.output], out)
        except BaseException as error:
            self.lose(values, error)
            raise
        finally:
            restore_denormals(saved)

    def lose(self, values: list[Any], reason: BaseException) -> None:
        """After an error, let nobody take for numbers what was not computed."""
        for entry in self.applied:
            x = values[entry.output]
            if not x._is_settled:
                settle(x, Lost(x.shape, x._dtype, reason))

    # --- compiled ------------------------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether to compile it, or compiled already. After its program was given up, that takes twice as many uses."""
        if self.plan is not None or not self._given_up:
            return True
        self._uses = (self._uses + 1) % (1 << self._given_up)
        return self._uses == 0

    def _give_up_plan(self) -> None:
        self.plan, self._given_up, self._uses = None, self._given_up + 1, 0

    def run_compiled(self, values: list[Any], numbers: Sequence[Any]) -> None:
        """Run the compiled program, compiling it where necessary.

        Raises `Overlap`, `Uncompilable` or `MemoryError` before anything was written.
        """
        needed, restored, computed = self._needed(values)
        plan = self.plan
        if plan is None or not plan.gives(computed, len(numbers)):
            known: Sequence[int] = () if plan is None else plan.results
            plan = self.plan = Plan(self.entries, sorted(computed.union(known)), values, numbers)
        _latest[id(self)] = self
        _latest.move_to_end(id(self))
        if len(_latest) > _MOST_PLANS:
            _latest.popitem(last=False)[1]._give_up_plan()
        results = plan.run(values, numbers)
        if needed:
            self._fill(values, needed, dict(zip(plan.results, results, strict=True)))
            self._restore_tape(values, needed, restored, numbers)

    def _needed(self, values: list[Any]) -> tuple[list[int], list[Applied], frozenset[int]]:
        """The outputs whose numbers somebody can still ask for, in order, and what must be on the tape again.

        Third, those that are computed, and not views of others.
        """
        count = sys.getrefcount
        alive = tuple([i for i in self._outputs if count(values[i]) > _ALONE_IN_LIST])
        known = self._needs.get(alive)
        if known is None:
            if len(self._needs) >= _MOST_PATTERNS:
                self._needs.clear()
            known = self._needs[alive] = self._what_is_needed(alive)
        return known

    def _what_is_needed(self, alive: Sequence[int]) -> tuple[list[int], list[Applied], frozenset[int]]:
        needed, restored = set[int](), set[int]()
        todo = [(i, True) for i in alive]
        while todo:
            i, is_on_tape = todo.pop()
            entry = self._maker.get(i)
            if entry is None or (i in needed and (i in restored or not is_on_tape)):
                continue
            needed.add(i)
            if entry.view_of is not None:
                todo.append((entry.view_of, False))
            if is_on_tape and entry.recorded and i not in self._consumed:
                restored.add(i)
                todo += [(position(x), True) for x in entry.operands if not isinstance(x, Number)]
        computed = frozenset(i for i in needed if self._maker[i].view_of is None)
        return sorted(needed), [self._maker[i] for i in sorted(restored)], computed

    def _fill(self, values: list[Any], needed: Sequence[int], results: dict[int, Any]) -> None:
        for i in needed:
            entry = self._maker[i]
            if entry.view_of is None:
                settle(values[i], results[i])
            else:
                base = values[entry.view_of]
                values[i]._writes = base._writes
                settle(values[i], view_of(entry.primitive, base._data, entry.params))

    def _restore_tape(
        self, values: list[Any], needed: Sequence[int], restored: Sequence[Applied], numbers: Sequence[Any]
    ) -> None:
        """Put results back on the tape, as if they had been computed one by one."""
        used = [i for i in needed if i in self._consumed]
        if not restored:  # as of a step whose loss alone is kept
            for i in used:
                self._restore_place(self._maker[i], values[i])
                values[i]._node.release()
            return
        wanted = set(restored)
        for entry in self._on_tape(used, wanted):
            if isinstance(entry, Backward):
                for i in used:
                    if self._consumed[i] is entry:
                        values[i]._node.release()
            elif entry in wanted:
                self._restore_node(entry, self._inputs(entry, values, numbers), values)
            else:
                self._restore_place(entry, values[entry.output])

    def _on_tape(self, used: Sequence[int], wanted: set[Applied]) -> list[Any]:
        """What changes a tape with these results on it, in order: what made them, and the walks that used some up."""
        made = {self._maker[i] for i in used}
        walks = {self._consumed[i] for i in used}
        return sorted(made | walks | wanted, key=lambda entry: entry.depth)

    def _inputs(self, entry: Applied, values: list[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        """What an entry was applied to."""
        before = 0
        if any(isinstance(x, Number) and x.varies for x in entry.operands):
            before = sum(1 for _ in varying(entry.parent))
        return entry.inputs(values, iter(numbers[before:]))

    def _restore_place(self, entry: Applied, out: Any) -> None:
        """Give what a walk uses up within the sequence a node, which needs no inputs any more."""
        out._node, out._index = TapeNode(entry.primitive, (), entry.params, (out,)), 0

    def _restore_node(self, entry: Applied, inputs: tuple[Any, ...], values: list[Any]) -> None:
        out = values[entry.output]
        node = TapeNode(entry.primitive, inputs, entry.params, (out,))
        later = self._later_writes(entry)
        arrays = [entry.output, *(position(x) for x in entry.operands if not isinstance(x, Number))]
        node.written = [
            (writes, n - later.get(i, 0)) for i, (writes, n) in zip(arrays, node.written, strict=True)
        ]
        out._node, out._index = node, 0

    def _later_writes(self, after: Applied) -> dict[int, int]:
        """How often arrays are written after an event, by position."""
        found = self._writes_after.get(after.depth)
        if found is None:
            found = self._writes_after[after.depth] = {}
            for entry in self.entries[after.depth :]:
                for target in targets(entry):
                    found[target] = found.get(target, 0) + 1
        return found

    def _walked_back(self) -> dict[int, Backward]:
        """The results whose place on the tape is used up within the sequence, and by which walk."""
        used: dict[int, Backward] = {}
        for entry in self.entries:
            todo = list(entry.heads) if isinstance(entry, Backward) and not entry.retain_graph else []
            while todo:
                i = todo.pop()
                maker = self._maker.get(i)
                if maker is None or i in used or not maker.recorded:
                    continue
                used[i] = entry
                todo += [position(x) for x in maker.operands if not isinstance(x, Number)]
        return used


FEWEST_EVENTS = 8
_MANY_ELEMENTS = 1 << 18
_MOST_PATIENCE = 1024  # runs
_LONG = 32  # runs with the same arrays, after which others may soon be taken for the program's own again
_ALONE_IN_LIST = 2  # what `getrefcount` says of an item that only its list refers to


class Plan:
    """A path's program, bound to memory. It gives the outputs `results`, by position.

    ``_own``: of the arrays that were the same each time, slot, position, the array, and what stands in its place
    between two runs, so that it may go.
    """

    def __init__(
        self, entries: Sequence[Entry], results: Sequence[int], values: list[Any], numbers: Sequence[Any]
    ) -> None:
        from lamina.compiler.front.sequences import built
        from lamina.compiler.targets import target_of

        self.results = list(results)
        with compiling():
            captured, positions = _captured(entries, results, values, numbers)
            self._graph, self._positions = captured.graph, positions
            self._order = captured.order
            self._count = len(numbers)
            self._target = target_of(entries[-1].place or cpu())
            self._program = built(captured.graph, self._target)
        self._fixed = _same_as_before(entries, values)
        self._seen: dict[int, weakref.ref[Array]] = {}
        self._patience, self._wait, self._lasted = 1, 0, 0
        self._bind(values)

    def gives(self, results: frozenset[int], numbers: int) -> bool:
        """Whether the program gives these outputs, and takes so many numbers."""
        return numbers == self._count and results.issubset(self.results)

    def _bind(self, values: list[Any]) -> None:
        """Bind the program. Arrays that were the same each time are its own, so that it may hold their contents."""
        self._own: list[tuple[int, int, weakref.ref[Array], Any]] = []
        arrays: list[Any] = []
        for slot, i in enumerate(self._positions):
            x = values[i]
            instead = stand_in(x)
            if i in self._fixed:
                known = weakref.ref(x, _releasing(weakref.ref(self)))
                self._own.append((slot, i, known, instead))
            arrays.append(x if i in self._fixed else instead)
        slots = [slot for slot, i in enumerate(self._positions) if i not in self._fixed]
        self._arguments = [self._positions[slot] for slot in slots]
        written = frozenset(self._graph.writes)
        self._step: Any = self._target.bind(self._program, arrays, slots, written)

    def run(self, values: list[Any], numbers: Sequence[Any]) -> list[Any]:
        """One run on the arrays at their positions; the results in the order of `results`."""
        self._follow_changes(values)
        step: Any = self._step
        with step.lock:
            arrays = step.arrays
            for slot, i, _, _ in self._own:
                arrays[slot] = values[i]
            try:
                results = step.run([values[i] for i in self._arguments], numbers, 1, ())
            finally:
                for slot, _, _, instead in self._own:
                    arrays[slot] = instead
        step.forget_arguments()
        return [results[k] for k in self._order]

    def _follow_changes(self, values: list[Any]) -> None:
        """Other arrays in the place of own ones are arguments, until they have been the same for a while.

        Several models of one kind may be trained one after the other, or in turn.
        """
        changed = [i for _, i, known, _ in self._own if known() is not values[i]]
        if changed or self._step is None:
            self._fixed.difference_update(changed)
            self._seen = {i: weakref.ref(values[i]) for i in self._positions}
            self._patience = 1 if self._lasted >= _LONG else min(2 * self._patience, _MOST_PATIENCE)
            self._wait, self._lasted = self._patience, 0
            self._bind(values)
            return
        self._lasted += 1
        if self._wait:
            self._wait -= 1
            if not self._wait:
                same = {i for i, known in self._seen.items() if known() is values[i]}
                if not same <= self._fixed:
                    self._fixed |= same
                    self._bind(values)

    def release(self) -> None:
        """Let go of memory: an array that it was bound to is gone."""
        step, self._step = self._step, None
        if step is not None:
            step.release()


def _releasing(plan: weakref.ref[Plan]) -> Callable[[Any], None]:
    def release(_array: Any) -> None:
        alive = plan()
        if alive is not None:
            alive.release()

    return release


def _captured(
    entries: Sequence[Entry], results: Sequence[int], values: list[Any], numbers: Sequence[Any]
) -> tuple[Any, list[int]]:
    """What a sequence does as a graph, and the position of the array in each of its input slots."""
    from lamina.compiler.front.sequences import captured_sequence

    arrays = list(values)
    made = {entry.output for entry in entries if isinstance(entry, Applied)}
    for i in made:
        arrays[i] = None

    def do(slots: Iterator[Any]) -> list[Array]:
        for entry in entries:
            out = entry.run(arrays, slots)
            if isinstance(entry, Applied):
                arrays[entry.output] = out
        return [arrays[i] for i in results]

    captured = captured_sequence(do, numbers)
    where = {id(x): i for i, x in enumerate(values) if i not in made}
    return captured, [where[id(x)] for x in captured.arrays]


def _same_as_before(entries: Sequence[Entry], values: list[Any]) -> set[int]:
    """The positions of arrays made outside that were the same object when the sequence was seen last."""
    found: set[int] = set()
    for operand in _operands(entries):
        if not isinstance(operand, int | Number) and operand.latest() is values[operand.position]:
            found.add(operand.position)
    return found


def _operands(entries: Sequence[Entry]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, Applied):
            found += entry.operands
        elif isinstance(entry, Written):
            found += [entry.target, entry.value]
        elif isinstance(entry, Backward):
            found += [gradient.operand for gradient in entry.gradients]
    return found


def _take_back_counts(entries: Sequence[Entry], values: list[Any]) -> None:
    """Writes were counted when they were noted; they are counted again when they are done."""
    for entry in entries:
        for target in targets(entry):
            values[target]._writes[0] -= 1


def _adopt(pending: Any, out: Any) -> None:
    """Give a pending array what was computed for it, and its place on the tape."""
    data, node, writes, index = out._data, out._node, out._writes, out._index
    pending._writes = writes
    settle(pending, data)
    pending._node, pending._index = node, index
