"""Pending work of an ended sequence, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from lamina.compiler.deferral._entries import Applied, Number
from lamina.compiler.deferral._path import Path, Ran
from lamina.compiler.deferral._pending import Lost, completing
from lamina.core.denormals import flush_denormals, restore_denormals
from lamina.core.turns import Change, Turn, make, putting, setting


class Debt:
    """The pending work of an ended sequence.

    It is done in steps. Each step is prepared first, then made atomically together with the count of steps done
    (`lamina.core.turns`). So an interrupt handler that needs the results does the next step itself, and the interrupted
    call finds the work done.

    `counts`: for each overwritten array, the count of writes, and its value before.
    """

    def __init__(
        self, path: Path, values: list[Any], numbers: Sequence[Any], counts: Sequence[tuple[list[int], int]]
    ) -> None:
        self.path, self._values, self._numbers, self._counts = path, values, numbers, counts
        self._ran: Ran | None = None
        self._done, self._is_begun = 0, False
        self.is_paid = False
        self._program, self._turn = Turn(), Turn()

    def run_compiled(self) -> None:
        """Run the compiled program, so that `pay` only has to distribute its results. Raises as `Path.run_compiled`."""
        ran = partial(setting, self, "_ran")
        self.path.run_compiled(self._values, self._numbers, self._program, ran)

    def pay(self) -> None:
        """Do the remaining steps: those after the compiled program if it ran, else operator by operator."""
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
        """Run the remaining steps."""
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
            changes.append(setting(self, "_done", done + 1))
            make(own)

    def _events(self) -> Sequence[Callable[[], list[Change]]]:
        """The steps without a compiled program: one per event."""
        # Writes were counted when they were deferred; they are counted again when they are executed.
        own = self._turn.take(changes := [])
        if not self._is_begun:
            changes += [putting(writes, 0, before) for writes, before in self._counts]
            changes.append(setting(self, "_is_begun", True))
            make(own)
        remaining = iter(self._numbers)
        return [
            partial(_changes, entry, self._values, _varying_of(entry, remaining))
            for entry in self.path.entries
        ]

    def lose(self, reason: BaseException) -> None:
        """After an error, mark the arrays that were not computed, so that reading them raises."""
        self._turn.close()
        self._program.close()
        for entry in self.path.applied:
            x = self._values[entry.output]
            if not x._is_computed:
                make(iter(completing(x, Lost(x.shape, x._dtype, reason))))
        self.is_paid = True


def _changes(entry: Any, values: list[Any], numbers: Sequence[Any]) -> list[Change]:
    return entry.changes(values, iter(numbers))


def _varying_of(entry: Any, remaining: Iterator[Any]) -> list[Any]:
    """The varying numbers of one event."""
    if not isinstance(entry, Applied):
        return []
    return [next(remaining) for x in entry.operands if isinstance(x, Number) and x.varies]
