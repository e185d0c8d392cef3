"""The queue: notes what a program does to arrays, and computes it when somebody looks.

A sequence of operators begins where the one before ended: where somebody looked at a number, or where a step of the
user's seems to begin. The first times that a sequence is seen, all is computed at once, and only noted (*observed*).
When it has come often enough, its operators are put off (*deferred*), and one compiled program computes them at its
end. When the program turns out to do something else, what was put off is computed operator by operator.
docs/adr/deferred-evaluation.md tells why, and what it costs.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.core.array import Array, UserArray
from lamina.core.keys import Unfit, frozen
from lamina.core.primitive import Primitive, apply
from lamina.core.state import concrete, owed, state
from lamina.core.tape import backward
from lamina.deferral import _debug as debug
from lamina.deferral._current import CurrentSequence, place_of
from lamina.deferral._entries import Applied, Backward, Entry, New, Written
from lamina.deferral._interrupts import interrupts_later
from lamina.deferral._matching import matcher
from lamina.deferral._path import FEWEST_EVENTS, Path
from lamina.deferral._pending import PendingArray
from lamina.deferral._periods import period_of, until_boundary
from lamina.errors import DeviceError

if TYPE_CHECKING:
    from lamina.compiler.front.sequences import Uncompilable
    from lamina.compiler.target import Overlap

__all__ = ["DeferralQueue"]

_OFTEN = 2  # so many times a sequence is observed before it is put off
_LONGEST = 1024  # events in a sequence; then it is looked through for repetitions
# Events: so many steps of a loop without marks are one sequence, which costs less than one each.
_FEW_STEPS = 64
_MOST_ENTRIES = 50_000  # in the tree; one takes about 1 KB
_PATIENCE = 4096  # events without any that was put off, before the queue sleeps
_SHORT = 64  # how much patience a sequence costs that is too short to be put off
_LONGEST_NAP = 1 << 16

_KNOWN_END = "here it was computed before"
_UNFIT_WRITE = "an array is written whose memory others may see"

_new: Any = object.__new__


class DeferralQueue(CurrentSequence):
    """See `lamina.core.state.Queue`. It belongs to the main thread; others may look at what it owes."""

    def __init__(self) -> None:
        self.asleep = 0
        self._lock = owed.lock
        self._root = Entry(None)
        self._entries = 0
        self._credit, self._nap = _PATIENCE, _PATIENCE
        self._period: int | None = None
        self._is_busy = False
        self._begin()

    # --- what `bind` and the arrays ask for ----------------------------------------------------------------------

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> UserArray:
        """The result of a primitive.

        No lock is taken where the event is the one that came next the times before. Threads take turns, and signal
        handlers run, only where something is called or a loop begins anew, so what follows the last call is done as a
        whole; `end` takes `_next` away first.
        """
        entry, values = self._next, self._values
        if (
            entry is not None
            and entry.primitive is primitive
            and entry.recording is state.recording
            and len(values) == entry.first
            and entry.matches(values, self._ids, self._numbers, inputs, params)
        ):
            out = _new(PendingArray)
            out._view = entry
            if self._next is entry:
                values += [out]
                self._cursor, self._next = entry, entry.hot_child
                owed.is_open = True
                return out
        with self._lock:
            return self._bind_slowly(primitive, inputs, params)

    def write(self, array: Array, value: Array) -> bool:
        """Note that `array` takes the contents of `value`."""
        with self._lock:
            if self._is_busy or self.asleep:
                return False
            entry = self._next
            if entry is not None and entry.primitive is Written and len(self._values) == entry.first:
                if (
                    self._takes(entry.target, array)
                    and self._takes(entry.value, value)
                    and self._overwrite([(array, entry)])
                ):
                    self._cursor, self._next = entry, entry.hot_child
                    owed.is_open = True
                    return True
                self._forget_attempt()
            return self._write_slowly(array, value)

    def backward(self, heads: Sequence[Array], head_grads: Sequence[Array], retain_graph: bool) -> bool:
        """Note a whole walk back."""
        with self._lock:
            if self._is_busy or self.asleep:
                return False
            entry = self._next
            if (
                entry is not None
                and entry.primitive is Backward
                and len(self._values) == entry.first
                and entry.retain_graph is retain_graph
                and entry.training is state.training
                and self._are_at(heads, entry.heads)
                and self._are_at(head_grads, entry.grads)
            ):
                if self._overwrite_gradients(entry):
                    self._cursor, self._next = entry, entry.hot_child
                    return True
                self._forget_attempt()
            return self._backward_slowly(heads, head_grads, retain_graph)

    def look(self, array: Array) -> None:
        """Somebody is about to copy numbers out."""
        if self._is_observing and self._ids.get(id(array)) in self._made and not self._is_busy:
            self.end()

    def mark(self, *, recording: bool = False) -> None:
        """A step of the user's may begin here."""
        if owed.is_open and not self._is_busy:
            if not recording or self._has_recorded:
                self.end("a step begins")
            self._period = self._ahead = None
        if recording:
            self._has_recorded = True

    def end(self, why: str = "somebody asks for numbers or memory") -> None:
        """The sequence ends here: everything that is owed is computed."""
        with self._lock:
            if self._is_busy or not owed.is_open:
                return
            self._next = None
            if self._is_halfway and self._is_observing:
                self._begin()
                return
            entry = self._cursor
            if entry is not self._root:  # which it is if an interrupt came before the first event was noted
                entry.ends += 1
            if self._is_observing:
                self._begin()
            else:
                with interrupts_later():
                    try:
                        self._settle(why)
                    finally:
                        self._begin()
            if entry.depth < FEWEST_EVENTS:
                self._credit -= _SHORT
            if entry.ends == _OFTEN and self._path_to(entry).is_worthwhile:
                with interrupts_later():  # also for the import of the compiler
                    if _compiles():
                        self._warm_up(entry)
            if self._entries > _MOST_ENTRIES:
                self._forget_what_is_rare()

    def _warm_up(self, end: Entry) -> None:
        """From now on, put off all that leads to this end."""
        for entry in end.from_start():
            if not entry.is_hot and isinstance(entry, Applied):
                entry.matches = matcher(entry)
            entry.is_hot = True
            entry.parent.hot_child = entry  # pyright: ignore[reportOptionalMemberAccess] - only the root has none
        self._next = self._root.hot_child

    # --- deferring -----------------------------------------------------------------------------------------------

    def _settle(self, why: str) -> None:
        """Compute what was put off, as one program if there is one."""
        entry, values = self._cursor, self._values
        if len(values) != entry.taken:
            self._forget_attempt()
        path = self._path_to(entry)
        self._restore_overwritten()
        with _busy(self), concrete():
            if entry.ends >= _OFTEN and path.is_compilable and path.is_worthwhile and path.is_due:
                self._run_compiled(path, values, why)
            else:
                path.run_eagerly(values, self._numbers)
                debug.tell(path, "operator by operator", why)

    def _run_compiled(self, path: Path, values: list[Any], why: str) -> None:
        self._credit = self._nap = _PATIENCE
        try:
            path.run_compiled(values, self._numbers)
            debug.tell(path, "compiled", why)
        except (_overlap(), MemoryError) as reason:
            path.run_eagerly(values, self._numbers)
            debug.tell(path, f"operator by operator, since {reason}", why)
        except DeviceError as error:
            path.lose(values, error)
            raise
        except _uncompilable() as reason:
            path.is_compilable = False
            self._cursor.cool_down()
            path.run_eagerly(values, self._numbers)
            debug.tell(path, f"operator by operator, since {reason.what} {reason.why}", why)

    def _path_to(self, entry: Entry) -> Path:
        if entry.path is None:
            entry.path = Path(entry)
        return entry.path

    def _fall_back(self) -> None:
        """The program goes on as none before: compute what was put off, and observe."""
        if self._is_observing:
            return
        with interrupts_later():
            self._is_observing = True
            self._next = None
            self._forget_attempt()
            values, entry = self._values, self._cursor
            if entry.parent is not None:
                path = self._path_to(entry)
                self._restore_overwritten()
                try:
                    with _busy(self), concrete():
                        path.run_eagerly(values, self._numbers)
                except BaseException:
                    self._begin()
                    raise
                debug.tell(path, "operator by operator", "the program goes on in another way")
            self._ids = {id(x): i for i, x in enumerate(values)}
            self._values = list[Any](weakref.ref(x) for x in values)
            for event in entry.from_start():
                self._note_made(event)

    # --- observing -----------------------------------------------------------------------------------------------

    def _bind_slowly(
        self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]
    ) -> UserArray:
        if self._is_busy:
            return apply(primitive, inputs, params)
        self._recover()
        if not self._is_observing:
            if self._cursor.hot_child is None and self._cursor.ends >= _OFTEN:
                self.end(_KNOWN_END)
                return self.bind(primitive, inputs, params)
            self._forget_attempt()
        elif self._begins_loop_anew(primitive, inputs, params):
            self.end()
            return self.bind(primitive, inputs, params)
        try:
            place = place_of(inputs)
            if primitive.lowering is None or _leaves(place, params):
                raise Unfit
            if self._is_elsewhere(place):
                return self.bind(primitive, inputs, params)
            key = (primitive, frozen(params), state.recording, *self._keys_of(inputs))
        except Unfit:
            self.end(f"{primitive.name} can't be put off")
            return apply(primitive, inputs, params)
        if self._can_go_on(key):
            return self.bind(primitive, inputs, params)
        out = apply(primitive, inputs, params)
        self._is_halfway = True
        entry = self._cursor.children.get(key)
        if entry is None:
            operands = self._new_operands(inputs)
            output = len(self._values)
            entry = Applied(self._cursor, primitive, params, operands, output, state.recording)
            entry.learn(out, inputs)
            entry.place = place
            self._remember(key, entry)
        else:
            self._place_operands(inputs, entry.operands)
        self._place(out)
        self._step_on(entry)
        return out

    def _write_slowly(self, array: Array, value: Array) -> bool:
        self._recover()
        try:
            place = place_of((array, value))
            if self._is_elsewhere(place):
                return self.write(array, value)
            key = (Written, *self._keys_of((array, value)))
        except Unfit:
            self.end(_UNFIT_WRITE)
            return False
        if self._can_go_on(key):
            return self.write(array, value)
        if not self._may_be_owed(array):
            self.end(_UNFIT_WRITE)
            return False
        self._is_halfway = True
        with interrupts_later(), _busy(self):
            array._write(value)
        entry = self._cursor.children.get(key)
        if entry is None:
            target, source = self._new_operands((array, value))
            if isinstance(target, New):
                target.is_overwritten = True
            entry = Written(self._cursor, target, source, array)
            entry.place = place
            self._remember(key, entry)
        else:
            self._place_operands((array, value), (entry.target, entry.value))
        self._step_on(entry)
        return True

    def _backward_slowly(
        self, heads: Sequence[Array], head_grads: Sequence[Array], retain_graph: bool
    ) -> bool:
        self._recover()
        where = [self._position_of(x) for x in (*heads, *head_grads)]
        known = tuple([i for i in where if i is not None])
        if len(known) < len(where):
            self.end("backward goes beyond what was noted")
            return False
        key = (Backward, known[: len(heads)], known[len(heads) :], retain_graph, state.training)
        if self._can_go_on(key):
            return self.backward(heads, head_grads, retain_graph)
        leaves = self._leaves_of(heads)
        if leaves is None:
            self.end("backward goes beyond what was noted")
            return False
        versions = [x._leaf.grad._version for x in leaves]  # pyright: ignore[reportOptionalMemberAccess]
        before = self._is_busy, state.queue
        self._is_busy, state.queue = True, None
        try:
            backward(heads, head_grads, retain_graph=retain_graph)
        finally:  # and not by `_busy`: a signal as its `__exit__` begins would leave everything as it is inside
            self._is_busy, state.queue = before
        self._is_halfway = True
        entry = self._cursor.children.get(key)
        reached = [x for x, version in zip(leaves, versions, strict=True) if x._leaf.grad._version != version]  # pyright: ignore
        if entry is None:
            entry = Backward(self._cursor, key[1], key[2], retain_graph, state.training)
            if not self._note_gradients(entry, reached):
                self._is_halfway = False
                self.end()
                return True
            self._remember(key, entry)
        else:
            grads = [self._values[gradient.leaf]()._leaf.grad for gradient in entry.gradients]
            self._place_operands(grads, [gradient.operand for gradient in entry.gradients])
        self._step_on(entry)
        return True

    def _is_elsewhere(self, place: Any) -> bool:
        """Whether the sequence goes on on another device: then it has ended, and another one is to begin."""
        if self._cursor.parent is None or self._cursor.place is place:
            return False
        self.end("the program goes on on another device")
        return True

    def _recover(self) -> None:
        """Begin anew if an interrupt came while something was noted: nothing is owed then."""
        if self._is_halfway:
            self._begin()

    def _can_go_on(self, key: Any) -> bool:
        """Whether the event can be tried again: as one that is put off, or as the first of a new sequence.

        If not, what was put off is computed now, and the event is to be observed.
        """
        if not self._is_observing:
            entry = self._cursor.children.get(key)
            if entry is not None and entry.is_hot and entry is not self._next:
                self._cursor.hot_child = self._next = entry
                return True
            if self._cursor.ends >= _OFTEN:
                self.end(_KNOWN_END)
                return True
            self._fall_back()
        return False

    def _remember(self, key: Any, entry: Entry) -> None:
        """This event was seen to follow the one at the cursor."""
        self._cursor.children[key] = entry
        self._entries += 1

    def _forget_what_is_rare(self) -> None:
        """Forget events that are not put off, and all if there are still too many: programs may never repeat."""
        self._entries, todo = 0, [self._root]
        while todo:
            entry = todo.pop()
            entry.children = {key: child for key, child in entry.children.items() if child.is_hot}
            todo += entry.children.values()
            self._entries += len(entry.children)
        if self._entries > _MOST_ENTRIES // 2:
            self._root, self._entries = Entry(None), 0
        self._begin()

    def _step_on(self, entry: Any) -> None:
        """An event was observed."""
        entry.taken = len(self._values)
        self._cursor = entry
        self._note_made(entry)
        owed.is_open = True
        self._is_halfway = False
        self._credit -= 1
        if self._credit <= 0:
            self._fall_asleep()
        elif entry.depth == self._ahead:
            self.end()
        elif entry.depth >= _LONGEST:
            self.end()
            self._find_period(entry.from_start())

    def _find_period(self, events: Sequence[Any]) -> None:
        """A sequence grew long: it may be a loop that nothing marks the steps of."""
        period = period_of(events)
        if period is not None:
            self._period = period * max(1, _FEW_STEPS // period)
            self._ahead = until_boundary(events, period) or self._period

    def _begins_loop_anew(self, primitive: Primitive, inputs: Sequence[Any], params: dict[str, Any]) -> bool:
        """Whether such a loop seems to go on as its sequences begin, after a step that was another one."""
        first = self._root.hot_child
        return (
            self._period is not None
            and isinstance(first, Applied)
            and first.primitive is primitive
            and self._cursor.parent is not None
            and first.params == params
            and first.takes(inputs)
        )

    def _fall_asleep(self) -> None:
        """Nothing repeats: let operators pass for a while, which costs less."""
        self.end()
        self.asleep, self._nap, self._credit = self._nap, min(2 * self._nap, _LONGEST_NAP), _PATIENCE


class _busy:  # noqa: N801 - used as `with _busy(queue):`
    """What happens inside happens now, and is not noted. Inside `interrupts_later`: no signal may come as it ends."""

    def __init__(self, queue: DeferralQueue) -> None:
        self._queue = queue

    def __enter__(self) -> None:
        self._saved = self._queue._is_busy, state.queue
        self._queue._is_busy, state.queue = True, None

    def __exit__(self, *_exception: object) -> None:
        self._queue._is_busy, state.queue = self._saved


def _leaves(place: Any, params: dict[str, Any]) -> bool:
    """Whether an operator's result is on another device than its inputs."""
    context = params.get("context")
    return context is not None and place is not (None if context.is_host else context)


# What the compiler raises is looked up when something is raised: even an import that was made before takes a while.


def _overlap() -> type[Overlap]:
    from lamina.compiler.target import Overlap

    return Overlap


def _uncompilable() -> type[Uncompilable]:
    from lamina.compiler.front.sequences import Uncompilable

    return Uncompilable


def _compiles() -> bool:
    from lamina.compiler.front.sequences import compilation_enabled

    return compilation_enabled()
