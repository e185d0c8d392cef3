"""A recorded sequence of operators, writes and backward passes, computed one by one or as one compiled program."""

from __future__ import annotations

import atexit
import math
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from operator import call, is_not, setitem
from typing import Any, NamedTuple

from lamina.compiler.deferral._entries import Applied, Backward, Entry, Number, varying
from lamina.compiler.deferral._pending import Lost, completing
from lamina.core.array import Array
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.interrupts import Change, Turn, compiling, make
from lamina.core.ownership import getrefcount
from lamina.core.precision import Precision
from lamina.core.tape import TapeNode
from lamina.core.timings import timed
from lamina.device.context import cpu
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import stand_in
from lamina.primitives.movement import view_of
from lamina.support.messages import counted, debug_level, show, user_location

_MOST_PLANS = 128
_MOST_PATTERNS = 64  # remembered counts of references at a path's end
_latest: OrderedDict[int, Path] = OrderedDict()
"""The paths with compiled programs, by `id`. The least recently used path loses its program first."""
_times: dict[tuple[str, str, str], int] = {}
"""How often deferred events were computed, by (line, how, why), for debug output."""


class Path:
    """All events from the beginning of a sequence to `end`."""

    def __init__(self, end: Entry) -> None:
        self.end, self.entries = end, end.from_start()
        self.applied = [entry for entry in self.entries if isinstance(entry, Applied)]
        self._outputs = [entry.output for entry in self.applied]
        self._maker = {entry.output: entry for entry in self.applied}
        self._consumed = self._walked_back()
        self.plan: Plan | None = None
        self.is_compilable = True
        self.is_told = debug_level() >= 1  # read only here, as it costs as much as deferring two operators
        self._given_up = self._uses = 0  # how often its program was discarded, and the uses since then
        self._writes_after: dict[int, dict[int, int]] = {}
        self._needs: dict[tuple[int, ...], Needs] = {}

    @cached_property
    def is_worthwhile(self) -> bool:
        """Whether a compiled program may be faster than NumPy; calling it costs as much as several small operators."""
        elements = sum(math.prod(entry.shape) for entry in self.applied)
        return len(self.entries) >= FEWEST_EVENTS or (len(self.entries) > 1 and elements >= _MANY_ELEMENTS)

    def tell(self, how: str, why: str) -> None:
        """With ``LAMINA_DEBUG=1``, print how and why the sequence was computed, and the line of the user's program.

        Each line is printed once. The number of its repetitions is printed at exit.
        """
        if not self.is_told:
            return
        if not _times:
            atexit.register(_tell_how_often)
        place = user_location(), how, why
        _times[place] = _times.get(place, 0) + 1
        if _times[place] == 1:
            count = len(self.entries)
            what = f"{count} deferred events are" if count > 1 else "1 deferred event is"
            show(f"{place[0]}: {what} computed, {how}: {why}")

    # --- compiled ------------------------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether to use a compiled program now: each one discarded doubles the uses before the next is compiled."""
        if self.plan is not None or not self._given_up:
            return True
        self._uses = (self._uses + 1) % (1 << self._given_up)
        return self._uses == 0

    def _give_up_plan(self) -> None:
        self.plan, self._given_up, self._uses = None, self._given_up + 1, 0

    def run_compiled(
        self, values: list[Any], numbers: Sequence[Any], turn: Turn, ran: Callable[[Ran], list[Change]]
    ) -> None:
        """Execute the compiled program, compiling it if necessary, and make the changes ``ran(…)`` atomically with it.

        If another call has closed the turn, nothing is changed. Raises `Overlap`, `Uncompilable` or `MemoryError`
        before anything is written.
        """
        needs = self._needed(values)
        plan = self.plan
        if plan is None or not plan.gives(needs.computed, len(numbers)):
            known: Sequence[int] = () if plan is None else plan.results
            plan = self.plan = Plan(self.entries, sorted(needs.computed.union(known)), values, numbers)
        _latest[id(self)] = self
        _latest.move_to_end(id(self))
        if len(_latest) > _MOST_PLANS:
            _latest.popitem(last=False)[1]._give_up_plan()
        known = plan.results
        plan.run(
            values, numbers, turn, lambda results: ran(Ran(needs, dict(zip(known, results, strict=True))))
        )

    def _needed(self, values: list[Any]) -> Needs:
        counts = tuple(map(getrefcount, values))  # which say what is alive, in one call
        known = self._needs.get(counts)
        if known is None:
            alive = [i for i in self._outputs if getrefcount(values[i]) > _ALONE_IN_LIST]
            if len(self._needs) >= _MOST_PATTERNS:
                self._needs.clear()
            known = self._needs[counts] = self._what_is_needed(alive)
        return known

    def _what_is_needed(self, alive: Sequence[int]) -> Needs:
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
                todo += [(x, True) for x in entry.reads]
        order = sorted(needed)
        computed = [i for i in order if self._maker[i].view_of is None]
        views = [i for i in order if self._maker[i].view_of is not None]
        used = [i for i in order if i in self._consumed]
        return Needs(
            [computed, *([i] for i in views)],
            frozenset(computed),
            used,
            [self._maker[i] for i in sorted(restored)],
        )

    def steps_after(
        self, ran: Ran, values: list[Any], numbers: Sequence[Any]
    ) -> list[Callable[[], list[Change]]]:
        """The steps after the program's execution: moving results into their arrays, and restoring tape nodes."""
        groups, _, used, restored = ran.needs
        placed = () if restored else used  # such as those of a step whose loss alone is kept
        steps = [partial(self.fill, group, placed, ran.results, values) for group in groups]
        if restored:
            wanted = set(restored)
            for entry in self._on_tape(used, wanted):
                if isinstance(entry, Backward):
                    of_walk = [i for i in used if self._consumed[i] is entry]
                    steps.append(partial(_release, of_walk, values))
                else:
                    steps.append(partial(self._restore, entry, entry in wanted, values, numbers))
        return steps

    def fill(
        self, group: Sequence[int], placed: Sequence[int], results: dict[int, Any], values: list[Any]
    ) -> list[Change]:
        """The changes that store results in the arrays `group`; those in `placed` also get a released tape node."""
        changes: list[Change] = []
        for i in group:
            entry, out = self._maker[i], values[i]
            if entry.view_of is None:
                if i not in placed:
                    changes += completing(out, results[i])
                    continue
                made = NDArray(results[i], out._context)
                made._writes = out._writes
            else:
                base = values[entry.view_of]
                made = NDArray(view_of(entry.primitive, base._data, entry.params), out._context)
                made._writes = base._writes
            if i in placed:
                made._node = _place(entry, made)
                made._node.release()
            changes += completing(out, made._data, made)
        return changes

    def _restore(
        self, entry: Applied, is_wanted: bool, values: list[Any], numbers: Sequence[Any]
    ) -> list[Change]:
        """The changes that put a result back on the tape; its tape node has inputs only if `is_wanted`."""
        out = values[entry.output]
        node = self._node(entry, values, numbers) if is_wanted else _place(entry, out)
        return [(setattr, out, "_node", node), (setattr, out, "_index", 0)]

    def _on_tape(self, used: Sequence[int], wanted: set[Applied]) -> list[Any]:
        """The events that determine these results' tape nodes, in order.

        These are the operators that computed the results in `used`, the backward passes that release them, and
        `wanted`.
        """
        made = {self._maker[i] for i in used}
        walks = {self._consumed[i] for i in used}
        return sorted(made | walks | wanted, key=lambda entry: entry.depth)

    def _inputs(self, entry: Applied, values: list[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        before = 0
        if entry.varying:
            before = sum(1 for _ in varying(entry.parent))
        return entry.inputs(values, iter(numbers[before:]))

    def _node(self, entry: Applied, values: list[Any], numbers: Sequence[Any]) -> TapeNode:
        out = values[entry.output]
        node = TapeNode(entry.primitive, self._inputs(entry, values, numbers), entry.params, (out,))
        later = self._later_writes(entry)
        arrays = [entry.output, *entry.reads]
        node.counts = [n - later.get(i, 0) for i, n in zip(arrays, node.counts, strict=True)]
        return node

    def _later_writes(self, after: Applied) -> dict[int, int]:
        """The number of writes to each array, by position, after an event."""
        found = self._writes_after.get(after.depth)
        if found is None:
            found = self._writes_after[after.depth] = {}
            for entry in self.entries[after.depth :]:
                for target in entry.targets:
                    found[target] = found.get(target, 0) + 1
        return found

    def _walked_back(self) -> dict[int, Backward]:
        """The position of each result whose tape node a backward pass of the sequence releases, mapped to that pass."""
        used: dict[int, Backward] = {}
        for entry in self.entries:
            todo = list(entry.heads) if isinstance(entry, Backward) and not entry.retain_graph else []
            while todo:
                i = todo.pop()
                maker = self._maker.get(i)
                if maker is None or i in used or not maker.recorded:
                    continue
                used[i] = entry
                todo += maker.reads
        return used


FEWEST_EVENTS = 8
_MANY_ELEMENTS = 1 << 18
_MOST_PATIENCE = 1024  # runs
_LONG = 32  # runs with the same arrays, after which new arrays may soon be bound permanently, too
_ALONE_IN_LIST = 2  # `getrefcount` of an item that only its list refers to


def _tell_how_often() -> None:
    for (location, how, why), times in _times.items():
        if times > 1:
            show(f"{location}: computed {counted(times, 'time')}, {how}: {why}")
    _times.clear()


class Needs(NamedTuple):
    """What must be there after a compiled program, by positions.

    These are the outputs that the user can still read, the bases of views, and the operands of entries that are
    `restored` on the tape. They are filled in `groups`: all but views at once, then each view, after its base. The
    program computes those in `computed`. A backward pass of the sequence has released those in `used`.
    """

    groups: list[list[int]]
    computed: frozenset[int]
    used: list[int]
    restored: list[Applied]


class Ran(NamedTuple):
    """The outcome of the compiled program: what is needed, and the program's results by position."""

    needs: Needs
    results: dict[int, Any]


def _place(entry: Applied, out: Any) -> TapeNode:
    """A tape node without inputs, for a result that a backward pass releases within the sequence."""
    return TapeNode(entry.primitive, (), entry.params, (out,))


def _release(positions: Sequence[int], values: list[Any]) -> list[Change]:
    """The changes that release the tape nodes of the arrays at these positions."""
    return [change for i in positions for change in values[i]._node.releasing()]


class Plan:
    """The compiled program of a path, with its arrays bound; a run returns the arrays at the positions `results`.

    Positions number the path's arrays, slots the program's inputs. ``_own`` has a weak reference to each permanently
    bound array, and ``_own_positions`` its position. Between runs `_stand_ins` replace all arrays, so that these can be
    freed.
    """

    def __init__(
        self, entries: Sequence[Entry], results: Sequence[int], values: list[Any], numbers: Sequence[Any]
    ) -> None:
        from lamina.compiler.front.graphs import built
        from lamina.compiler.targets import target_of

        self.results, self._given = list(results), frozenset(results)
        with timed("compiling"), compiling():
            captured, positions = _captured(entries, results, values, numbers)
            self._graph, self._positions = captured.graph, positions
            self._order = [x.number for x in captured.result]
            self._count = len(numbers)
            self._target = target_of(entries[-1].place or cpu())
            self._program = built(captured.graph, self._target)
        self._fixed = _same_as_before(entries, values)
        self._seen: dict[int, weakref.ref[Array]] = {}
        self._patience, self._wait, self._lasted = 1, 0, 0
        self._bind(values)

    def gives(self, results: frozenset[int], numbers: int) -> bool:
        """Whether the program has these outputs and this number of scalar inputs."""
        return numbers == self._count and results <= self._given

    def _bind(self, values: list[Any]) -> None:
        """Bind the program to memory.

        Arrays that were the same at each execution are bound permanently, which allows keeping their contents in
        another layout.
        """
        self._own_positions = [i for i in self._positions if i in self._fixed]
        release = _releasing(weakref.ref(self))
        self._own = [weakref.ref(values[i], release) for i in self._own_positions]
        self._stand_ins = [stand_in(values[i]) for i in self._positions]
        arrays = [
            values[i] if i in self._fixed else instead
            for i, instead in zip(self._positions, self._stand_ins, strict=True)
        ]
        slots = [slot for slot, i in enumerate(self._positions) if i not in self._fixed]
        self._arguments = [self._positions[slot] for slot in slots]
        written = frozenset(self._graph.writes)
        self._step: Any = self._target.bind(self._program, arrays, slots, written)

    def run(
        self, values: list[Any], numbers: Sequence[Any], turn: Turn, then: Callable[[list[Any]], list[Change]]
    ) -> None:
        """Execute the program once on the arrays, listed by position, unless the turn is closed.

        The changes ``then(results)`` are made atomically with the execution; `results` are the outputs in the order of
        `self.results`.
        """
        self._follow_changes(values)
        step: Any = self._step
        with step.lock:
            step.arrays[:] = map(values.__getitem__, self._positions)
            try:
                step.run(
                    [values[i] for i in self._arguments],
                    numbers,
                    1,
                    (),
                    turn,
                    lambda results: then([results[k] for k in self._order]),
                )
            finally:
                step.arrays[:] = self._stand_ins
        if step.binds_arguments:
            step.forget_arguments()

    def _follow_changes(self, values: list[Any]) -> None:
        """Bind again if permanently bound arrays have been replaced.

        The new arrays become arguments until they have been the same in several executions, since a program may train
        similar models alternately.
        """
        found = map(values.__getitem__, self._own_positions)
        if self._step is None or any(map(is_not, map(call, self._own), found)):
            self._fixed -= {
                i for i, known in zip(self._own_positions, self._own, strict=True) if known() is not values[i]
            }
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
        """Release memory, after a permanently bound array was deleted."""
        step, self._step = self._step, None
        if step is not None:
            step.release()


def _releasing(plan: weakref.ref[Plan]) -> Callable[[Any], None]:
    def release(_array: Any, is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        alive = None if is_ending() else plan()  # modules are emptied then
        if alive is not None:
            alive.release()

    return release


def _captured(
    entries: Sequence[Any], results: Sequence[int], values: list[Any], numbers: Sequence[Any]
) -> tuple[Any, list[int]]:
    """Capture a sequence; returns the capture, and for each of its input slots the position of the array."""
    from lamina.compiler.front.graphs import captured_sequence

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

    captured = captured_sequence(do, numbers, _products(entries))
    where = {id(x): i for i, x in enumerate(values) if i not in made}
    return captured, [where[id(x)] for x in captured.arrays]


def _products(entries: Sequence[Entry]) -> tuple[Precision, bool]:
    """The precision that all products of a sequence may have, and whether any of them needs independent rows."""
    found: set[tuple[Precision, bool]] = {
        entry.products for entry in entries if isinstance(entry, Applied) and entry.products
    }
    precisions: set[Precision] = {precision for precision, _ in found}
    precision: Precision = precisions.pop() if len(precisions) == 1 else "float32"
    return precision, any(rows for _, rows in found)


def _same_as_before(entries: Sequence[Entry], values: list[Any]) -> set[int]:
    """The positions of outside arrays that are the same objects as in the sequence's previous execution."""
    return {
        operand.position
        for entry in entries
        for operand in entry.operands
        if not isinstance(operand, int | Number) and operand.latest() is values[operand.position]
    }


# --- Pending work of an ended sequence, and its progress -------------------------------------------------------------


class Debt:
    """The pending work of an ended sequence.

    The work is done in steps. Each step is prepared first, then made atomically together with the count of steps done
    (see `lamina.core.interrupts`). So an interrupt handler that needs the results does the next step itself, and the
    interrupted call finds the step done.

    `overwritten` has each overwritten array, with its former class and its number of writes before deferral.
    """

    def __init__(
        self,
        path: Path,
        values: list[Any],
        numbers: Sequence[Any],
        overwritten: Sequence[tuple[Any, type, int]],
    ) -> None:
        self.path, self._values, self._numbers, self._overwritten = path, values, numbers, overwritten
        self._ran: Ran | None = None
        self._done, self._is_begun = 0, False
        self.is_paid = False
        self._program, self._turn = Turn(), Turn()

    def run_compiled(self) -> None:
        """Execute the compiled program, after which `pay` stores results; raises as `Path.run_compiled`."""
        self.path.run_compiled(self._values, self._numbers, self._program, self._after)

    def _after(self, ran: Ran) -> list[Change]:
        """The changes that belong to the program's execution: all that is left to do, if that is one step."""
        groups, _, used, restored = ran.needs
        if restored or len(groups) > 1:
            return [(setattr, self, "_ran", ran)]
        changes = self.path.fill(groups[0], used, ran.results, self._values)
        changes += [(setattr, self, "is_paid", True)]
        return changes

    def pay(self) -> None:
        """Do the remaining steps: those after the compiled program, or one per event if no program was executed."""
        if self.is_paid:
            return
        self._program.close()
        if self._ran is not None:
            self._take(self.path.steps_after(self._ran, self._values, self._numbers))
            return
        saved = flush_denormals()
        try:
            self._take(self._events())
        finally:
            restore_denormals(saved)

    def _take(self, steps: Sequence[Callable[[], list[Change]]]) -> None:
        """Do the steps that are not done yet."""
        while not self.is_paid:
            own = self._turn.take(changes := [])
            done = self._done
            if done == len(steps):
                self.is_paid = True
                break
            try:
                changes += steps[done]()
            except Exception as error:
                if self.is_paid or self._done != done:  # an interrupt has done this step meanwhile
                    continue
                self.lose(error)
                raise
            changes.append((setattr, self, "_done", done + 1))
            make(own)

    def _events(self) -> Sequence[Callable[[], list[Change]]]:
        """Functions that compute one deferred event each, for use without a compiled program."""
        # Writes were counted when they were deferred; they are counted again when they are executed.
        own = self._turn.take(changes := [])
        if not self._is_begun:
            changes += [(setitem, array._writes, 0, before) for array, _, before in self._overwritten]
            changes.append((setattr, self, "_is_begun", True))
            make(own)
        remaining = iter(self._numbers)
        return [
            partial(_changes, entry, self._values, [next(remaining) for _ in entry.varying])
            for entry in self.path.entries
        ]

    def lose(self, reason: BaseException) -> None:
        """Mark the arrays that were not computed because of an error; reading them raises an error, too."""
        self._turn.close()
        self._program.close()
        for entry in self.path.applied:
            x = self._values[entry.output]
            if not x._is_computed:
                make(iter(completing(x, Lost(x.shape, x._dtype, reason))))
        self.is_paid = True


def _changes(entry: Any, values: list[Any], numbers: Sequence[Any]) -> list[Change]:
    return entry.changes(values, iter(numbers))
