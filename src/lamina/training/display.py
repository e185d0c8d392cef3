"""Display of a training's progress: a bar on terminals, and optionally a line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, TextIO

from lamina.support.messages import adapted, doing, printable
from lamina.training.loop import Epoch, Loop, Observer

_WIDE = 100
"""Minimum terminal width with room for the bar and all words."""


def shows_bar(stream: TextIO) -> bool:
    """Whether a progress bar can be shown: on a terminal, or in a notebook with widgets."""
    return stream.isatty() or (_is_in_notebook() and find_spec("ipywidgets") is not None)


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


@contextmanager
def telling(stream: TextIO | None) -> Generator[Callable[[str], None]]:
    """Yield a function that shows the current activity within this context, if `stream` is a terminal.

    The line disappears at the call with "".
    """
    if stream is None or not stream.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    console, status = Console(file=stream), None
    spinner = "line" if console.options.ascii_only else "dots"
    with ExitStack() as shown:

        def tell(what: str) -> None:
            nonlocal status
            if not what:
                status = None
                shown.close()
            elif status is not None:
                status.update(_in_markup(what))
            else:
                shown.enter_context(adapted(stream))
                status = shown.enter_context(console.status(_in_markup(what), spinner=spinner))

        yield tell


def _in_markup(what: str) -> str:
    from rich.markup import escape

    return f"{escape(printable(what, keep=''))} …"


class Display(Observer):
    """An observer that displays the progress of a training.

    Terminals and notebooks show a bar that fills epoch by epoch. Lines are plain text, without control characters, so
    that they can be written to a file or a pipe.

    Args:
        stream: the output stream.
        said: a function that returns the bar's text after an epoch.
        line: a function that returns a line for each epoch, which is also printed without a terminal.
        head: lines before the first epoch's line.
        stays: whether the bar remains at the end.
        last: a function that returns a final line for notebooks, since a saved notebook has no bar.
    """

    def __init__(
        self,
        stream: TextIO,
        said: Callable[[Loop, Epoch], str],
        line: Callable[[Epoch], str] | None = None,
        head: Sequence[str] = (),
        *,
        stays: bool = False,
        last: Callable[[Loop], str] | None = None,
    ) -> None:
        self._stream, self._said, self._line, self._head, self._stays = stream, said, line, head, stays
        self._last = last
        self.watches_steps = shows_bar(stream)
        self._bar: Any = None
        self._adapted = ExitStack()

    def on_begin(self, loop: Loop) -> None:
        """Show the bar, and the epochs of a resumed run."""
        doing("")  # the bar takes the line's place
        self._adapted.enter_context(adapted(self._stream))
        if self.watches_steps:
            self._start_bar(loop.expected_epochs)
        for line in self._head:
            self._print(line)
        for epoch in loop.past:
            self.on_epoch(loop, epoch)

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        """Move the bar within an epoch."""
        said = {} if loss is None else {"description": f"loss {loss:.4f}"}
        completed, total = len(loop.past) + done / max(of, 1), loop.expected_epochs
        self._bar.update(self._task, completed=completed, total=total, **said)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Show an epoch's results."""
        if self._bar is not None:
            said, total = self._said(loop, epoch), loop.expected_epochs
            self._bar.update(self._task, completed=epoch.number, total=total, description=said)
        if self._line is not None:
            self._print(self._line(epoch))

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.stop()
            if self._last is not None and loop.past and not self._stream.isatty():
                print(self._last(loop), file=self._stream, flush=True)
        self._adapted.close()

    def _start_bar(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        class Said(TextColumn):
            """The bar's text, which is the first column to be cut if the terminal is narrow."""

            def render(self, task: Any) -> Any:
                text = super().render(task)
                text.no_wrap, text.overflow = True, "ellipsis"
                return text

        console = Console(file=self._stream)
        narrow = console.width < _WIDE
        done, total = "{task.completed:.0f}", "{task.total:.0f}"
        count = f"{done}/{total}" if narrow else f"epoch {done} of {total}"
        left = [TimeRemainingColumn(compact=True), TextColumn("left")]
        self._bar = Progress(
            TextColumn(count),
            BarColumn(bar_width=8 if narrow else 12),
            Said("{task.description}", table_column=Column(no_wrap=False)),
            *(left if narrow else [TextColumn("at most"), *left]),
            console=console,
            transient=not self._stays,
        )
        self._task = self._bar.add_task("compiling …", total=epochs)
        self._bar.start()

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self._stream, flush=True)


class Waiting(Observer):
    """An observer that reports the share of time that communication with other processes took."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        """Report the share, if there were several processes."""
        if error is None and loop.waited is not None:
            text = f"{loop.waited:.0%} of the steps' time went into communication with other processes and waiting"
            print(text, file=self._stream, flush=True)
